"""``heliograph export`` and ``heliograph task``, on a store without a server."""

import asyncio
import csv
import io
import time
from pathlib import Path

import pytest
from tests.cli.conftest import Shell
from tests.services.rows import make_message, put

from heliograph.services import exports
from heliograph.store.opening import open_database

AT_MS = 1_790_000_000_000  # 21.09.2026
DAYS = ("--from", "20.09.2026", "--to", "22.09.2026")


@pytest.fixture
def sent(shop: Shell) -> Shell:
    """Five texts of the shop, one of them failed."""

    async def fill() -> None:
        db = await open_database(str(shop.data / "heliograph.db"))
        await put(db, [make_message(n, AT_MS, status=20 if n == 3 else 1) for n in range(1, 6)])
        await db.close()

    asyncio.run(fill())
    return shop


def texts(path: Path) -> list[str]:
    lines = csv.reader(io.StringIO(path.read_text("utf-8-sig"), newline=""), delimiter=";")
    return [cells[4] for cells in lines][1:]


def test_file_is_written_where_it_was_asked_for(sent: Shell, tmp_path: Path) -> None:
    """Named by account and days when no name is given; filters hold; nothing else is left there."""
    assert "5 messages" in sent.tell("export", "shop", *DAYS)
    assert texts(tmp_path / "shop-20.09.2026-22.09.2026.csv") == [f"Привет, №{n}; «да»" for n in range(1, 6)]
    told = sent.ask("export", "shop", *DAYS, "-o", "failed.csv", "--status", "20")
    assert told == {"file": "failed.csv", "form": "csv", "rows": 1, "bytes": (tmp_path / "failed.csv").stat().st_size}
    one = sent.ask("export", "shop", *DAYS, "-o", "one.csv", "--phone", "+7 916 000-00-02", "--kind", "sms")
    assert (one["rows"], texts(tmp_path / "one.csv")) == (1, ["Привет, №2; «да»"])
    assert not list(tmp_path.glob("*.part"))


def test_form_follows_the_name(sent: Shell, tmp_path: Path) -> None:
    """october.xlsx is a spreadsheet without another word."""
    assert sent.ask("export", "shop", *DAYS, "-o", "a.xlsx")["form"] == "xlsx"
    assert (tmp_path / "a.xlsx").read_bytes().startswith(b"PK")
    assert sent.ask("export", "shop", *DAYS, "-o", "a.csv.gz")["form"] == "gzip"
    assert (tmp_path / "a.csv.gz").read_bytes().startswith(b"\x1f\x8b")


def test_mistakes_are_told_with_what_to_do(sent: Shell, tmp_path: Path) -> None:
    """Nothing is overwritten unasked."""
    (tmp_path / "a.csv").write_text("mine")
    assert "--force" in sent.fail(2, "export", "shop", *DAYS, "-o", "a.csv")
    assert "there is no folder none" in sent.fail(2, "export", "shop", *DAYS, "-o", "none/a.csv")
    assert "write it like 01.10.2026" in sent.fail(2, "export", "shop", "--from", "2026-09-20")
    assert "accounts are shop" in sent.fail(1, "export", "shp", *DAYS)
    assert "no number" in sent.fail(2, "export", "shop", *DAYS, "--phone", "12")
    assert "known are" in sent.fail(2, "export", "shop", *DAYS, "--status", "7")
    assert "exclude each other" in sent.fail(2, "export", "shop", *DAYS, "-o", "b.csv", "--background")
    assert (tmp_path / "a.csv").read_text() == "mine"
    sent.tell("export", "shop", *DAYS, "-o", "a.csv", "--force")
    assert len(texts(tmp_path / "a.csv")) == 5


def test_task_is_left_for_the_server(sent: Shell) -> None:
    """Listed, shown, cancelled; its file goes with it."""
    assert "No tasks" in sent.tell("task", "list")
    made = sent.ask("export", "shop", *DAYS, "--form", "gzip", "--background")
    assert made["id"] == 1 and made["file"].endswith(".csv.gz")
    (task,) = sent.ask("task", "list", "shop")
    assert (task["account"], task["state"], task["percent"], task["file"]) == ("shop", "waiting", 0, "")
    assert "20.09.2026 - 22.09.2026" in sent.tell("task", "list")
    assert "account" in sent.tell("task", "show", "1")
    assert "no account" in sent.fail(1, "task", "list", "shp")
    assert "no task 9" in sent.fail(1, "task", "show", "9")

    async def finish() -> None:
        db = await open_database(str(sent.data / "heliograph.db"))
        await exports.claim(db, now_ms=time.time_ns() // 1_000_000)
        await exports.finish(db, 1, 5, now_ms=time.time_ns() // 1_000_000)
        await db.close()

    asyncio.run(finish())
    folder = sent.data / "exports"
    folder.mkdir()
    (folder / made["file"]).write_text("x")
    shown = sent.ask("task", "show", "1")
    assert (shown["file"], shown["percent"], shown["rows_done"]) == (made["file"], 100, 5)
    assert str(folder / made["file"]) in sent.tell("task", "show", "1")
    assert "cancelled" in sent.tell("task", "cancel", "1")
    assert list(folder.iterdir()) == []
    assert "task 1 is over" in sent.fail(1, "task", "cancel", "1")
