"""Number ranges out of the files that regulators publish: the Russian registry of ABC and DEF codes, and a plain CSV for any country.

Reference: registry of the Russian numbering plan (columns "АВС/ DEF;От;До;Емкость;Оператор;Регион;…", cp1251 or UTF-8); ITU-T E.164.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import msgspec

from heliograph.core.ranges import Range, load_countries, read_table

MOSCOW_TZ = 180

# In order, when a generic file has no header of its own.
COLUMNS = ("start", "end", "country", "operator", "region", "mcc", "mnc", "tz", "kind")

_OFFSET = re.compile(r"(?:UTC|GMT)?([+-])(\d{1,2})(?::?([0-5]\d))?")
_WORD_GAPS = re.compile(r"[^0-9A-ZА-ЯЁ-]+")


class BadLine(msgspec.Struct, frozen=True):
    """A line that was passed over: its number (from 1), why, and its beginning."""

    line: int
    reason: str
    text: str


class _LineError(Exception):
    """Why a line cannot be read; becomes a `BadLine`."""


def parse_russian(lines: Iterable[bytes | str]) -> Iterator[Range | BadLine]:
    """Ranges of the Russian registry, line by line as they come; lines that cannot be read come as `BadLine`.

    Each line may be UTF-8 or cp1251. Brand and MNC follow from the operator's name, the offset from the region's; an operator that
    no table names keeps its legal name, an unknown region has Moscow time.
    """
    return _parse(lines, _split_russian, _read_russian)


def parse_csv(lines: Iterable[bytes | str]) -> Iterator[Range | BadLine]:
    """Ranges of a CSV with commas or semicolons: start, end, country (ISO code), operator, region, mcc, mnc, tz, kind.

    A header names the columns and may leave some out; without one they stand in this order. `start` and `end` are whole
    international numbers or leading digits, an empty `end` means all that begins with `start`. `tz` is minutes ("180"), an offset
    ("+03:00") or a zone name ("Asia/Almaty", its standard time). Empty fields mean "as the country has it".
    """
    columns: list[str] = []

    def split(text: str) -> list[str]:
        delimiter = ";" if text.count(";") > text.count(",") else ","
        fields = [field.strip() for field in next(csv.reader([text], delimiter=delimiter))]
        if not columns:
            names = [field.lower() for field in fields]
            columns.extend(names if "start" in names else COLUMNS)
            if "start" in names:
                return []
        return fields

    def read(fields: list[str]) -> Range:
        if len(fields) > len(columns):
            raise _LineError(f"{len(fields)} fields, {len(columns)} columns")
        return _read_plain(dict(zip(columns, fields, strict=False)))

    return _parse(lines, split, read)


def _parse(
    lines: Iterable[bytes | str], split: Callable[[str], list[str]], read: Callable[[list[str]], Range]
) -> Iterator[Range | BadLine]:
    for number, line in enumerate(lines, 1):
        text = _decode(line).strip("\ufeff \t\r\n")
        if not text:
            continue
        try:
            fields = split(text)
            if fields:
                yield read(fields)
        except (_LineError, csv.Error) as error:
            yield BadLine(number, str(error), text[:80])


def _decode(line: bytes | str) -> str:
    if isinstance(line, str):
        return line
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        # Cyrillic in cp1251 is practically never valid UTF-8, so one line is enough to tell.
        return line.decode("cp1251", errors="replace")


def _split_russian(text: str) -> list[str]:
    """Fields of a registry line; the header has none. Quotes belong to names, unless they are doubled as spreadsheets do."""
    fields = next(csv.reader([text], delimiter=";")) if '""' in text else text.split(";")
    return [] if _is_header(fields[0]) else fields


def _is_header(first: str) -> bool:
    # "АВС/ DEF" is written with Cyrillic, Latin or mixed letters from year to year.
    return "DEF" in first or first.strip().lower() in {"код", "code"}


def _read_russian(fields: list[str]) -> Range:
    if len(fields) < 6:
        raise _LineError(f"{len(fields)} fields, at least 6 expected")
    code, first, last = fields[0].strip(), fields[1].strip(), fields[2].strip()
    if not (len(code) == 3 and _is_number(code)):
        raise _LineError(f"not a code of three digits: {code[:20]!r}")
    # 76… and 77… are Kazakhstan's half of the code; the Russian registry has none of them.
    if code[0] in "67":
        raise _LineError(f"not a Russian code: {code}")
    if not (_is_number(first) and _is_number(last) and len(first) <= 7 and len(last) <= 7 and int(first) <= int(last)):
        raise _LineError(f"not a range of seven digits: {first[:20]!r}-{last[:20]!r}")
    # 7 + three digits of code + seven of number.
    base = (7_000 + int(code)) * 10_000_000
    operator, mnc = _name_operator(fields[4])
    region, tz = _place_region(fields[5])
    kind = "mobile" if code[0] == "9" else "fixed"
    return Range(base + int(first), base + int(last), "RU", operator, region, "250", mnc, tz, kind)


def _read_plain(row: dict[str, str]) -> Range:
    start, end = row.get("start", "").lstrip("+"), row.get("end", "").lstrip("+")
    end = end or start
    if not (
        _is_number(start)
        and _is_number(end)
        and len(start) == len(end) <= 15
        and "0" < start <= end
        and start[0] != "0"
    ):
        raise _LineError(f"not a range of international numbers: {start[:20]!r}-{end[:20]!r}")
    iso = row.get("country", "").upper()
    if iso not in load_countries():
        raise _LineError(f"unknown country: {iso[:20]!r}")
    mcc, mnc = row.get("mcc", ""), row.get("mnc", "")
    if (mcc and not (_is_number(mcc) and len(mcc) == 3)) or (mnc and not (_is_number(mnc) and len(mnc) <= 3)):
        raise _LineError(f"not an MCC and MNC: {mcc[:20]!r} {mnc[:20]!r}")
    kind = row.get("kind", "")
    if kind not in {"", "mobile", "fixed"}:
        raise _LineError(f"neither mobile nor fixed: {kind[:20]!r}")
    tz = _read_offset(row.get("tz", ""))
    return Range(int(start), int(end), iso, row.get("operator", ""), row.get("region", ""), mcc, mnc, tz, kind)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()


@lru_cache(maxsize=4096)
def _read_offset(text: str) -> int | None:
    """Minutes east of UTC in standard time, None for an empty text."""
    if not text:
        return None
    if re.fullmatch(r"[+-]?\d{3}|0", text):
        minutes = int(text)
    elif match := _OFFSET.fullmatch(text):
        sign, hours, rest = match.groups()
        minutes = (int(hours) * 60 + int(rest or 0)) * (-1 if sign == "-" else 1)
    else:
        minutes = _find_standard(text)
    # From the Line Islands (+14) to the west of the date line (-12).
    if not -12 * 60 <= minutes <= 14 * 60:
        raise _LineError(f"not a time zone: {text[:20]!r}")
    return minutes


def _find_standard(name: str) -> int:
    """The smaller of a zone's offsets in January and July: summer time only adds."""
    try:
        zone = ZoneInfo(name)
    except (ValueError, OSError, LookupError):
        raise _LineError(f"not a time zone: {name[:20]!r}") from None
    offsets = (datetime(2026, month, 1, tzinfo=zone).utcoffset() for month in (1, 7))
    return min(offset or timedelta() for offset in offsets) // timedelta(minutes=1)


@lru_cache(maxsize=1)
def _list_operators() -> tuple[tuple[str, str, str], ...]:
    return tuple((f" {row['match']} ", row["operator"], row["mnc"]) for row in read_table("ru_operators.csv"))


@lru_cache(maxsize=1)
def _list_regions() -> tuple[tuple[str, int], ...]:
    return tuple((f" {row['match'].upper()}", int(row["tz"])) for row in read_table("ru_regions.csv"))


@lru_cache(maxsize=16384)
def _name_operator(legal: str) -> tuple[str, str]:
    """Brand and MNC by whole words of the legal name; an unknown one stays as it is, without MNC."""
    words = f" {_WORD_GAPS.sub(' ', legal.upper()).strip()} "
    for match, operator, mnc in _list_operators():
        if match in words:
            return operator, mnc
    return legal.strip(), ""


@lru_cache(maxsize=16384)
def _place_region(text: str) -> tuple[str, int]:
    """The region (the last part of "district|region") and its offset by the beginnings of its words."""
    region = text.rpartition("|")[2].strip()
    words = f" {_WORD_GAPS.sub(' ', region.upper().replace('-', ' ')).strip()}"
    for match, tz in _list_regions():
        if match in words:
            return region, tz
    return region, MOSCOW_TZ
