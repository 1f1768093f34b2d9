"""Absolute and relative times of SMPP to and from milliseconds in UTC (SMPP 3.4 Issue 1.2, section 7.1.1)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

_MONTH_DAYS = 30
_YEAR_DAYS = 365
_DAY_MS = 86_400_000


def parse_time(text: str, now_ms: int) -> int | None:
    """The moment in milliseconds since the epoch that "YYMMDDhhmmsstnnp" stands for; None for an empty string.

    A relative time (it ends in R) counts from `now_ms`; its months and years count as 30 and 365 days, for the
    standard does not say more. The 12 first digits alone, which some clients send, are taken as UTC. Raises ValueError.
    """
    if not text:
        return None
    if not text.isascii() or not text[:12].isdigit() or len(text) not in (12, 16):
        raise ValueError("not a time of SMPP")
    pairs = [int(text[place : place + 2]) for place in range(0, 12, 2)]
    mark = text[15:] or "+"
    if mark == "R":
        years, months, days, hours, minutes, seconds = pairs
        days += years * _YEAR_DAYS + months * _MONTH_DAYS
        return now_ms + (((days * 24 + hours) * 60 + minutes) * 60 + seconds) * 1000
    rest = text[12:15] or "000"
    if mark not in "+-" or not rest.isdigit():
        raise ValueError("not a time of SMPP")
    tenths, quarters = int(rest[0]), int(rest[1:])
    if quarters > 48:
        raise ValueError("the offset from UTC is beyond 12 hours")
    year, month, day, hour, minute, second = pairs
    moment = datetime(2000 + year, month, day, hour, minute, second, tzinfo=UTC)
    offset = timedelta(minutes=15 * quarters)
    moment = moment - offset if mark == "+" else moment + offset
    return round(moment.timestamp()) * 1000 + tenths * 100


def format_absolute(at_ms: int) -> str:
    """A moment as "YYMMDDhhmmsst00+", in UTC. Raises ValueError outside 2000 to 2099."""
    moment = datetime.fromtimestamp(at_ms // 1000, UTC)
    if not 2000 <= moment.year <= 2099:
        raise ValueError("SMPP writes two digits of a year of this century")
    return f"{moment:%y%m%d%H%M%S}{at_ms % 1000 // 100}00+"


def format_relative(length_ms: int) -> str:
    """A length of time as "YYMMDDhhmmss000R" in days and less, never rounded to nothing.

    Raises ValueError when it is negative or beyond 99 years. Months and years are used only for what does not fit
    into 30 days, counted as `parse_time` counts them.
    """
    if length_ms < 0:
        raise ValueError("a length of time is not negative")
    seconds = max(1, length_ms // 1000)
    minutes, second = divmod(seconds, 60)
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    years, days = divmod(days, _YEAR_DAYS)
    months, days = divmod(days, _MONTH_DAYS)
    if years > 99:
        raise ValueError("SMPP writes no more than 99 years")
    return f"{years:02d}{months:02d}{days:02d}{hour:02d}{minute:02d}{second:02d}000R"
