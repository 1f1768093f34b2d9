"""The building of a file: the right rows on both databases, and the same bytes whenever it was interrupted."""

import asyncio
import contextlib
import csv
import gzip
import io
import re
import zipfile
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import msgspec
import pytest
from tests.databases import BACKENDS, fresh_database, fresh_url
from tests.services.rows import NOW, make_message, put

from heliograph.core.exports import Form, Place, Wanted
from heliograph.core.messages import Flag
from heliograph.services import excerpts, sheets
from heliograph.services.building import run_job
from heliograph.services.excerpts import Job, News, build
from heliograph.store.database import Database, Step
from heliograph.store.migrate import MIGRATIONS_DIRECTORY, migrate
from heliograph.store.opening import open_database

DAY = 86_400_000
START, END = NOW - DAY, NOW + DAY
NAME = "history-2026-09-abcdefghijklmnopqrstuvwx"
XML = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"


def want(**changes: Any) -> Wanted:
    return Wanted(**{"account_id": 1, "start_ms": START, "end_ms": END, "currency": "RUR", **changes})


def job_of(folder: Path, wanted: Wanted, place: Place | None = None, file: str = "a.csv", database: str = "") -> Job:
    return Job(database=database, folder=str(folder), file=file, wanted=wanted, place=place or Place(), nice=0)


async def run(db: Database, job: Job) -> list[News]:
    told: list[News] = []
    await build(db, job, told.append)
    return told


def ids(path: Path) -> list[int]:
    text = path.read_bytes().decode("utf-8-sig")
    return [int(cells[1]) for cells in csv.reader(io.StringIO(text, newline=""), delimiter=";") if cells[1] != "int_id"]


def shorten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages and stretches small enough for a few messages to be many of them."""
    monkeypatch.setattr(excerpts, "PAGE", 7)
    monkeypatch.setattr(excerpts, "STRETCH", 3)
    monkeypatch.setattr(excerpts, "SLICE", 10)


@pytest.mark.parametrize("backend", BACKENDS)
def test_period_is_by_date_of_sending(backend: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Texts that were stored long before are in it, in front; others' texts, deleted and staged ones are not."""
    shorten(monkeypatch)

    async def story() -> None:
        async with fresh_database(backend, tmp_path) as db:
            await put(
                db,
                [
                    *(make_message(n, NOW - 40 * DAY, send_ms=NOW - n) for n in range(1, 21)),  # by date of sending
                    make_message(21, NOW - 40 * DAY, send_ms=NOW - 39 * DAY),
                    make_message(22, NOW - 40 * DAY, send_ms=START - 1),
                    make_message(23, NOW - 40 * DAY, send_ms=END),
                    make_message(24, NOW - 40 * DAY, send_ms=NOW, account_id=2),
                    make_message(25, NOW - 40 * DAY, send_ms=NOW, flags=int(Flag.DELETED)),
                    make_message(30, START - DAY + 5, send_ms=START),  # a day before at most
                    make_message(31, START - 1),
                    make_message(32, START),
                    make_message(33, NOW, send_ms=END),
                    make_message(34, NOW, account_id=2),
                    make_message(35, NOW, flags=int(Flag.DELETED)),
                    *(make_message(n, NOW) for n in range(36, 50)),
                    make_message(50, NOW),
                    make_message(51, NOW, send_ms=NOW + 30 * DAY),
                    make_message(52, END - 1),
                    make_message(53, END),
                    make_message(54, END + DAY),
                ],
            )
            await db.transact([Step("staged.begin", [(50, 50, 1, NOW)])])
            told = await run(db, job_of(tmp_path, want()))
            assert ids(tmp_path / "a.csv") == [*range(20, 0, -1), 30, 32, *range(36, 50), 52]
            last = told[-1].place
            assert (last.rows, last.over, last.bytes) == (37, True, (tmp_path / "a.csv").stat().st_size)
            assert last.looked <= last.total + 1
            assert [news.place.rows for news in told] == sorted(news.place.rows for news in told)

    asyncio.run(story())


@pytest.mark.parametrize("backend", BACKENDS)
def test_nothing_sent_is_a_file_with_its_header(backend: str, tmp_path: Path) -> None:
    """Also in a store without any message."""

    async def story() -> None:
        async with fresh_database(backend, tmp_path) as db:
            for form, file in ((Form.CSV, "a.csv"), (Form.XLSX, "a.xlsx")):
                await run(db, job_of(tmp_path, want(form=form), file=file))
            assert ids(tmp_path / "a.csv") == []
            assert read_sheets(tmp_path / "a.xlsx")[0][0][:2] == ["ID", "int_id"]

    asyncio.run(story())


def test_file_is_the_same_from_wherever_it_is_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After each stretch, with garbage behind it as a crash leaves it, CSV and gzip come out byte for byte."""
    shorten(monkeypatch)

    async def story() -> None:
        async with fresh_database("sqlite", tmp_path) as db:
            later = [make_message(n, NOW - 40 * DAY, send_ms=NOW - n) for n in range(1, 31)]
            await put(db, [*later, *(make_message(n, NOW) for n in range(31, 120))])
            for form in (Form.CSV, Form.GZIP):
                wanted = want(form=form)
                told = await run(db, job_of(tmp_path, wanted, file="whole"))
                whole = (tmp_path / "whole").read_bytes()
                assert len(told) > 5
                for news in told:
                    part = tmp_path / "again.part"
                    part.write_bytes(whole[: news.place.bytes] + b"garbage of a stretch that was not finished")
                    await run(db, job_of(tmp_path, wanted, news.place, "again"))
                    assert (tmp_path / "again").read_bytes() == whole
                    # It was whole and had its name, which could not be told any more.
                    await run(db, job_of(tmp_path, wanted, news.place, "again"))
                    assert (tmp_path / "again").read_bytes() == whole
                    # The file is gone: from the beginning.
                    (tmp_path / "again").unlink()
                    await run(db, job_of(tmp_path, wanted, news.place, "again"))
                    assert (tmp_path / "again").read_bytes() == whole
                text = gzip.decompress(whole) if form is Form.GZIP else whole
                assert text.count(b"\r\n") == 120

    asyncio.run(story())


def read_sheets(path: Path) -> list[list[list[str]]]:
    """The cells of each sheet, numbers as they stand in the file."""
    found = []
    with zipfile.ZipFile(path) as book:
        for name in sorted(name for name in book.namelist() if re.fullmatch(r"xl/worksheets/sheet\d+\.xml", name)):
            rows = []
            for line in ElementTree.fromstring(book.read(name)).iter(f"{XML}row"):
                cells = [""] * 19
                for cell in line:
                    at = ord(cell.attrib["r"][0]) - ord("A")
                    cells[at] = "".join(cell.itertext())
                rows.append(cells)
            found.append(rows)
    return found


def test_spreadsheet_holds_texts_numbers_and_dates(tmp_path: Path) -> None:
    """Cyrillic as it was, prices and dates that can be reckoned with, no formula, a number of a telephone as a text."""

    async def story() -> None:
        async with fresh_database("sqlite", tmp_path) as db:
            nasty = '=HYPERLINK("x")\n<b>&\'\x01_x0041_'
            await put(db, [make_message(1), make_message(2, text=nasty, comment="x" * 40_000, cost=25_000)])
            told = await run(db, job_of(tmp_path, want(form=Form.XLSX), file="a.xlsx"))
            assert told[-1].place.sheet in (0, 2)
            ((header, first, second),) = read_sheets(tmp_path / "a.xlsx")
            assert header[:5] == ["ID", "int_id", "Телефон", "Отправитель", "Текст"]
            assert first[:8] == ["1", "1", "79160000001", "Shop", "Привет, №1; «да»", "1", "Доставлено", "0"]
            # 21.09.2026 is day 46,286 of spreadsheets; 17:13:20.
            assert float(first[8]) == pytest.approx(46_286 + (17 * 3600 + 13 * 60 + 20) / 86_400)
            assert [float(first[11]), float(second[11])] == [1.6, 2.5]
            assert second[4].replace("_x005F_", "_") == nasty.replace("\x01", "_x0001_")
            assert len(second[18]) == 32_767
            with zipfile.ZipFile(tmp_path / "a.xlsx") as book:
                sheet = book.read("xl/worksheets/sheet1.xml").decode()
            assert "<f>" not in sheet and 't="inlineStr"' in sheet
            assert (tmp_path / "a.xlsx").stat().st_mode & 0o777 == 0o600
            assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith("a.")) == [
                "a.xlsx",
                "a.xlsx.part",  # until the task has ended
            ]

    asyncio.run(story())


def test_spreadsheet_is_made_again_after_a_crash(tmp_path: Path) -> None:
    """Its lines are there; what the process that was killed had written of it is thrown away."""

    async def story() -> None:
        async with fresh_database("sqlite", tmp_path) as db:
            await put(db, [make_message(n) for n in range(1, 9)])
            job = job_of(tmp_path, want(form=Form.XLSX), file="a.xlsx")
            last = (await run(db, job))[-1].place
            whole = read_sheets(tmp_path / "a.xlsx")
            (tmp_path / "a.xlsx").unlink()
            (tmp_path / "a.xlsx.work").mkdir()
            (tmp_path / "a.xlsx.work" / "book.xlsx").write_bytes(b"PK half of it")
            await run(db, msgspec.structs.replace(job, place=last))
            assert read_sheets(tmp_path / "a.xlsx") == whole
            assert not (tmp_path / "a.xlsx.work").exists()

    asyncio.run(story())


def test_long_spreadsheet_goes_on_in_another_sheet(tmp_path: Path) -> None:
    """A sheet has 1,048,576 rows at most; each begins with the header."""
    lines = tmp_path / "lines"
    line = "{0};{0};7916;Shop;Текст;1;Доставлено;0;01.10.2026 10:00:00;01.10.2026 10:00:01;1;1.6;RUR;;;;25001;SMS;\r\n"
    header = ";".join("abcdefghijklmnopqrs") + "\r\n"
    lines.write_text("\ufeff" + header + "".join(line.format(n) for n in range(1, 8)), newline="")
    sheets.convert(lines, tmp_path / "b.xlsx", tmp_path, lambda rows: None, rows=4)
    found = read_sheets(tmp_path / "b.xlsx")
    assert [[row[1] for row in sheet] for sheet in found] == [["b", "1", "2", "3"], ["b", "4", "5", "6"], ["b", "7"]]


def test_last_room_of_the_disk_is_left_to_the_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Texts come before exports."""
    monkeypatch.setattr(excerpts, "RESERVE", 2**62)

    async def story() -> None:
        async with fresh_database("sqlite", tmp_path) as db:
            with pytest.raises(OSError, match="No space left") as raised:
                await run(db, job_of(tmp_path, want()))
            assert excerpts.explain(raised.value).startswith("there is no room left on the disk for this file")

    asyncio.run(story())


@pytest.mark.parametrize("backend", BACKENDS)
def test_process_tells_its_places_and_the_end(backend: str, tmp_path: Path) -> None:
    """The way the server and the command line use it."""

    async def story() -> None:
        url = await fresh_url(backend, tmp_path)
        db = await open_database(url)
        await migrate(db, MIGRATIONS_DIRECTORY, 1)
        await put(db, [make_message(n) for n in range(1, 500)])
        await db.close()
        told = [news async for news in run_job(job_of(tmp_path, want(), database=url))]
        assert [news.done for news in told] == [False, False, True]
        assert told[-1].place == msgspec.structs.replace(told[1].place)
        assert ids(tmp_path / "a.csv") == list(range(1, 500))

    asyncio.run(story())


def test_process_says_why_it_cannot(tmp_path: Path) -> None:
    """A folder that is not there, a store that is none: words, and whether another try may help."""

    async def story() -> None:
        url = await fresh_url("sqlite", tmp_path)
        (news,) = [news async for news in run_job(job_of(tmp_path / "none", want(), database=url))]
        assert (news.failed, news.again) == ("the file could not be written: No such file or directory", False)
        (news,) = [news async for news in run_job(job_of(tmp_path, want(), database="mysql://x"))]
        assert "a store is sqlite" in news.failed and news.again

    asyncio.run(story())


def test_process_ends_with_its_reader(tmp_path: Path) -> None:
    """Whoever stops listening gets rid of it at once."""

    async def story() -> None:
        url = await fresh_url("sqlite", tmp_path)
        async with contextlib.aclosing(run_job(job_of(tmp_path, want(), database=url))) as told:
            async for news in told:
                assert not news.done
                break

    asyncio.run(story())
