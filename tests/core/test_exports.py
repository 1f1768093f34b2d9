"""Periods, names and lines of exports: what a spreadsheet makes of them (RFC 4180; docs/exports.md)."""

import csv
import io
from typing import Any

import pytest

from heliograph.core.export_lines import BOM, COLUMNS, Lines
from heliograph.core.exports import Form, Place, State, Task, Wanted, name_file, owner_of, read_form, read_period
from heliograph.core.messages import Flag, Kind
from heliograph.core.places import Place as Where
from heliograph.core.reasons import Refused

START_MS, END_MS = read_period("01.10.2026", "31.10.2026", "Europe/Moscow")
NOON_MS = START_MS + 12 * 3_600_000 + 61_999  # 12:01:01
MTS = Where("Россия", "Russia", "RU", "МТС", "Москва", "250", "01", "25001", 180, "mobile")
HOUR_MS = 3_600_000


def want(**changes: Any) -> Wanted:
    return Wanted(**{"account_id": 7, "start_ms": START_MS, "end_ms": END_MS, "currency": "RUR", **changes})


def row(**changes: Any) -> tuple[Any, ...]:
    fields = {
        "int_id": 9001, "send_ms": NOON_MS, "created_ms": NOON_MS - 5, "flags": 0, "kind": 0, "status": 1,
        "phone": "79161234567", "id": "55", "sender": "Shop", "text": "Привет", "err": 0,
        "changed_ms": NOON_MS + 2000, "parts": 1, "cost": 16_000, "mccmnc": "25001", "comment": "", **changes,
    }  # fmt: skip
    return tuple(fields.values())


def read(text: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text.decode("utf-8-sig"), newline=""), delimiter=";"))


def one(**changes: Any) -> dict[str, str]:
    """The cells of one line by their English header."""
    text, count = Lines(want(), lambda phone: MTS).write([row(**changes)])
    assert count == 1
    (cells,) = read(text)
    return dict(zip([english for _, english in COLUMNS], cells, strict=True))


def test_line_of_a_russian_account() -> None:
    """A comma in money, for with a dot a spreadsheet makes a date of it; Cyrillic in UTF-8 with its mark; CRLF."""
    lines = Lines(want(), lambda phone: MTS)
    header = lines.header()
    assert header.startswith(BOM + "ID;int_id;Телефон;Отправитель;Текст;Статус;".encode()) and header.endswith(b"\r\n")
    text, _ = lines.write([row()])
    assert text.decode() == (
        "55;9001;79161234567;Shop;Привет;1;Доставлено;0;01.10.2026 12:01:01;01.10.2026 12:01:03;1;1,6;RUR;"
        "Россия;МТС;Москва;25001;SMS;\r\n"
    )


def test_line_of_an_english_account() -> None:
    """Dates that every spreadsheet reads, a dot in money, names in English."""
    lines = Lines(want(english=True, tz="+6"), lambda phone: MTS)
    assert lines.header().startswith(BOM + b"ID;int_id;Phone;Sender;Text;Status;Status name;")
    text, _ = lines.write([row(kind=int(Kind.HLR), sender="")])
    assert text.decode() == (
        "55;9001;79161234567;HLR;Привет;1;Delivered;0;2026-10-01 15:01:01;2026-10-01 15:01:03;1;1.6;RUR;"
        "Russia;МТС;Москва;25001;HLR;\r\n"
    )


@pytest.mark.parametrize("first", ["=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"])
def test_cell_that_looks_like_a_formula_is_made_harmless(first: str) -> None:
    """Whoever sends a text must not calculate on the machine of whoever opens the file."""
    risky = f"{first}cmd|'/c calc'!A1"
    cells = one(text=risky, sender=risky, comment=risky, id=risky)
    assert {cells[name] for name in ("Text", "Sender", "Comment", "ID")} == {"'" + risky}


def test_texts_go_through_unchanged_otherwise() -> None:
    """Quotes, separators and line ends within a text are kept, as is what merely holds a sign."""
    for text in ('a "b"; c\r\nd\ne', "1+1=2", " =1", "'=1", "", "\x00", "😀"):
        assert one(text=text)["Text"] == text


def test_spreadsheet_lines_are_plain() -> None:
    """On their way into XLSX, where a text is a text."""
    text, _ = Lines(want(form=Form.XLSX, english=True), lambda phone: None).write([row(text="=1", cost=25_000)])
    (cells,) = read(text)
    assert (cells[4], cells[8], cells[11]) == ("=1", "01.10.2026 12:01:01", "2.5")


def test_lines_are_of_the_period_by_date_of_sending() -> None:
    """The first moment belongs to it, the one after the last does not; a text without a time of its own went at once."""
    rows = [
        row(int_id=1, send_ms=START_MS - 1),
        row(int_id=2, send_ms=START_MS),
        row(int_id=3, send_ms=END_MS - 1),
        row(int_id=4, send_ms=END_MS, created_ms=START_MS),
        row(int_id=5, send_ms=0, created_ms=START_MS + 1),
        row(int_id=6, flags=int(Flag.DELETED)),
    ]
    text, count = Lines(want(), lambda phone: None).write(rows)
    assert ([cells[1] for cells in read(text)], count) == (["2", "3", "5"], 3)


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({"phones": ("7700", "7701")}, ["2", "3"]),
        ({"statuses": (20,)}, ["1", "3"]),
        ({"kinds": (4,)}, ["2"]),
        ({"phones": ("7700",), "statuses": (20,)}, []),
    ],
)
def test_filters_hold_together(filters: dict[str, Any], found: list[str]) -> None:
    """Each of them must let a message pass."""
    rows = [row(int_id=1, status=20), row(int_id=2, phone="7700", kind=4), row(int_id=3, phone="7701", status=20)]
    text, count = Lines(want(**filters), lambda phone: None).write(rows)
    assert ([cells[1] for cells in read(text)], count) == (found, len(found))


def test_period_is_of_whole_days_in_the_zone() -> None:
    """A day of a change of clocks has 25 hours, and the period all of them."""
    assert END_MS - START_MS == 31 * 24 * HOUR_MS
    start_ms, end_ms = read_period("25.10.2026", "", "Europe/Berlin")
    assert (end_ms - start_ms, start_ms) == (25 * HOUR_MS, 1_792_879_200_000)
    assert read_period("1.1.2026", "1.1.2026", "+3")[1] - read_period("01.01.2026", "", "+3")[0] == 24 * HOUR_MS


@pytest.mark.parametrize(
    ("start", "end"),
    [("", ""), ("1.10", ""), ("32.10.2026", ""), ("01.10.2026", "30.09.2026"), ("01.10.2026", "x"), ("1.1.9999", "")],
)
def test_bad_period_is_refused(start: str, end: str) -> None:
    """With words that say how to write it."""
    with pytest.raises(Refused):
        read_period(start, end, "+3")


def test_form_is_one_of_three() -> None:
    """csv unless told."""
    assert [read_form(text) for text in ("", "CSV", "gzip", "xlsx")] == [Form.CSV, Form.CSV, Form.GZIP, Form.XLSX]
    with pytest.raises(Refused):
        read_form("zip")


def test_names_are_recognized_and_nothing_else_is() -> None:
    """What a person puts into the folder must not be swept away."""
    token = "abcdefghijkl_-ABCDEF0123"
    name = name_file(want(form=Form.GZIP), token)
    assert name == f"history-2026-10-{token}.csv.gz"
    assert [owner_of(text) for text in (name, f"{name}.part", f"{name}.work")] == [name] * 3
    assert [owner_of(text) for text in ("notes.csv", "history-2026-10-short.csv", f"{name}.bak", "")] == [""] * 4


def test_percent_is_below_100_until_the_file_is_there() -> None:
    """A script that waits for 100 must find the file."""
    fields = {"id": 1, "account_id": 7, "name": "", "created_ms": 1, "started_ms": 1, "ended_ms": 0, "file": "f"}
    fields |= {"rows_done": 0, "rows_all": 0, "complaint": ""}

    def percent(form: Form, place: Place, state: State = State.RUNNING) -> int:
        return Task(**fields, wanted=want(form=form), place=place, status=state).percent  # type: ignore[arg-type]

    assert percent(Form.CSV, Place()) == 0
    assert percent(Form.CSV, Place(looked=50, total=200)) == 25
    assert percent(Form.CSV, Place(looked=200, total=200, over=True)) == 99
    assert percent(Form.XLSX, Place(looked=200, total=200, rows=200, over=True)) == 10
    assert percent(Form.XLSX, Place(looked=200, total=200, rows=200, over=True, sheet=100)) == 55
    assert percent(Form.XLSX, Place(), State.DONE) == 100
