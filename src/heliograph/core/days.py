"""Days of an account's calendar as requests name them, and the moments at which they begin (seed 000, `start` and `end`)."""

import re
from calendar import monthrange
from datetime import UTC, date, datetime, timedelta

from heliograph.core.zones import offset_min

_DAY = re.compile(r"(\d{1,2})\s*\.\s*(\d{1,2})\s*\.\s*(\d{4})", re.ASCII)
_EPOCH = date(1970, 1, 1)
_DAY_MS = 86_400_000


def read_day(text: str) -> date:
    """The day that ``dd.mm.yyyy`` names, from 1970 on; ValueError for anything else."""
    found = _DAY.fullmatch(text.strip())
    if found is None:
        raise ValueError("no date of the form dd.mm.yyyy")
    day, month, year = (int(part) for part in found.groups())
    if not 1970 <= year <= 9000:
        raise ValueError("no such date")
    return date(year, month, day)


def day_of(at_ms: int, zone: str) -> date:
    """The day that it is in a zone at a moment (ms since 1970, UTC)."""
    return datetime.fromtimestamp(at_ms / 1000 + offset_min(zone, at_ms) * 60, UTC).date()


def start_of_day(day: date, zone: str) -> int:
    """The first moment (ms since 1970, UTC) of a day in a zone; 0 when that lies before 1970."""
    local_ms = (day - _EPOCH).days * _DAY_MS
    # With the offset of the day before and that of the day after: the earlier moment at which the day has begun. Where the
    # clocks jump over midnight that is later than midnight, where they fall back on it the second one.
    moments = (local_ms - offset_min(zone, local_ms + side) * 60_000 for side in (-_DAY_MS, _DAY_MS))
    return max(0, min(ms for ms in moments if ms + offset_min(zone, ms) * 60_000 >= local_ms))


def next_day(day: date) -> date:
    """The day after."""
    return day + timedelta(days=1)


def shift_months(day: date, count: int) -> date:
    """The same day so many months later (or earlier); the last of a month that is too short for it."""
    months = day.year * 12 + day.month - 1 + count
    year, month = divmod(months, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))
