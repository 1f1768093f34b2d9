"""The forms of `time` (spec sending 5), at a fixed moment: Thursday 14.11.2024 12:30:00 in Moscow."""

import calendar

import pytest

from heliograph.core.reasons import Reason, Refused
from heliograph.core.times import NOW, When, parse_when, read_zone
from heliograph.core.zones import format_date, offset_min


def utc(year: int, month: int, day: int, hour: int = 0, minute: int = 0) -> int:
    return calendar.timegm((year, month, day, hour, minute, 0)) * 1000


NOW_MS = utc(2024, 11, 14, 9, 30)

FORMS = [
    ("1511241000", When(utc(2024, 11, 15, 7), 180)),
    ("15.11.24 10:00", When(utc(2024, 11, 15, 7), 180)),
    ("15.11.2024 10:00", When(utc(2024, 11, 15, 7), 180)),
    ("0101241200", When(utc(2024, 1, 1, 9), 180)),  # ten digits are a date even when they begin with 0
    ("01900000000", When(1_900_000_000_000)),
    ("01577550022", NOW),
    ("+90", When(NOW_MS + 90 * 60_000)),
    (" 90", When(NOW_MS + 90 * 60_000)),
    ("+ 90", When(NOW_MS + 90 * 60_000)),
    ("+0", NOW),
    ("", NOW),
    ("0", NOW),
    ("00", NOW),
    ("0-24", NOW),
    ("12-13", NOW),
    ("22-13", NOW),
    ("13-20", When(utc(2024, 11, 14, 10))),
    ("9-12", When(utc(2024, 11, 15, 6))),
    ("22-6", When(utc(2024, 11, 14, 19))),
]


@pytest.mark.parametrize(("text", "expected"), FORMS)
def test_every_form_of_time_is_read(text: str, expected: When) -> None:
    """Clients use all of them; the sample libraries even send "0-24"."""
    assert parse_when(text, NOW_MS, 180) == expected


@pytest.mark.parametrize(
    "text",
    [
        "tomorrow",
        "3201241200",
        "1513241200",
        "3002241200",
        "1511242400",
        "1511241060",
        "25-3",
        "9-9",
        "90",
        "-5",
        "1.1.24",
        "٣-٤",
    ],
)
def test_what_is_no_time_is_refused(text: str) -> None:
    """A mistyped date must not be sent at once."""
    with pytest.raises(Refused) as caught:
        parse_when(text, NOW_MS, 180)
    assert caught.value.reason is Reason.BAD_TIME


def test_window_and_date_are_read_in_the_given_zone() -> None:
    """A caller in Almaty means his own clock."""
    assert parse_when("1511241000", NOW_MS, 300).send_ms == utc(2024, 11, 15, 5)
    assert parse_when("14-15", NOW_MS, 300) == NOW


@pytest.mark.parametrize(
    ("text", "expected"), [("", None), ("0", 180), ("2", 300), ("-3", 0), ("+1", 240), (" 1", 240)]
)
def test_tz_counts_from_moscow(text: str, expected: int | None) -> None:
    """The reference counts zones from Moscow, not from Greenwich."""
    assert read_zone(text) == expected


@pytest.mark.parametrize("text", ["x", "13", "-16", "1.5"])
def test_tz_that_does_not_exist_is_refused(text: str) -> None:
    """Otherwise a text would leave at a time that nobody meant."""
    with pytest.raises(Refused):
        read_zone(text)


@pytest.mark.parametrize(
    ("zone", "at_ms", "expected"),
    [
        ("Europe/Moscow", NOW_MS, 180),
        ("", NOW_MS, 180),
        ("Europe/Berlin", utc(2024, 7, 1), 120),
        ("Europe/Berlin", utc(2024, 12, 1), 60),
        ("+3", NOW_MS, 180),
        ("-5:30", NOW_MS, -330),
        ("UTC+5", NOW_MS, 300),
    ],
)
def test_zones_are_names_or_offsets(zone: str, at_ms: int, expected: int) -> None:
    """Settings hold either; summer time counts."""
    assert offset_min(zone, at_ms) == expected


@pytest.mark.parametrize("zone", ["Mars/Base", "+15", "../etc/passwd", "Europe"])
def test_unknown_zone_is_an_error_with_advice(zone: str) -> None:
    """The operator who types it must see what to type instead."""
    with pytest.raises(ValueError, match="no time zone"):
        offset_min(zone, NOW_MS)


def test_dates_are_written_as_the_reference_writes_them() -> None:
    """Clients parse DD.MM.YYYY HH:MM:SS in the zone of the account."""
    assert format_date(1577550022000, "Europe/Moscow") == "28.12.2019 19:20:22"
    assert format_date(0, "Europe/Moscow") == ""
