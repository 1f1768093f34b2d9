"""Time zones of accounts: IANA names and plain offsets, and dates as replies write them (spec sending 5 and 12.2)."""

import re
import time
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from heliograph.core.accounts import MOSCOW

MOSCOW_MIN = 180
"""Moscow is three hours east of UTC all year round, since October 2014; the ``tz`` parameter counts from it."""

_OFFSET = re.compile(r"(?:UTC|GMT)?([+-]?)(\d{1,2})(?::?(\d{2}))?", re.IGNORECASE)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_QUARTER_MS = 15 * 60 * 1000


@lru_cache(maxsize=1024)
def _find_zone(zone: str) -> int | ZoneInfo:
    """Minutes east of UTC for "+3", "-5:30" and the like, otherwise the zone of that IANA name; ValueError for neither."""
    found = _OFFSET.fullmatch(zone.strip())
    if found:
        minutes = int(found[2]) * 60 + int(found[3] or 0)
        if minutes > 14 * 60:
            raise ValueError(f"no time zone: {zone!r}; offsets end at 14 hours")
        return -minutes if found[1] == "-" else minutes
    try:
        return ZoneInfo(zone.strip() or MOSCOW)
    except (OSError, ValueError, KeyError):
        raise ValueError(
            f"no time zone: {zone!r}; write a name such as Europe/Moscow or an offset such as +3"
        ) from None


@lru_cache(maxsize=8192)
def _offset_in_quarter(zone: str, quarter: int) -> int:
    found = _find_zone(zone)
    if isinstance(found, int):
        return found
    offset = (_EPOCH + timedelta(minutes=15 * quarter)).astimezone(found).utcoffset()
    return int(offset.total_seconds()) // 60 if offset is not None else 0


def offset_min(zone: str, at_ms: int) -> int:
    """Minutes east of UTC that ``zone`` keeps at a moment; ValueError for an unknown zone.

    Remembered per quarter of an hour: every change of clocks since 1970 falls on such a border.
    """
    return _offset_in_quarter(zone, at_ms // _QUARTER_MS)


def format_date(ms: int, zone: str) -> str:
    """``DD.MM.YYYY HH:MM:SS`` in the zone; empty for 0, which stands for an unknown moment."""
    if not ms:
        return ""
    t = time.gmtime(ms // 1000 + offset_min(zone, ms) * 60)
    return f"{t.tm_mday:02d}.{t.tm_mon:02d}.{t.tm_year:04d} {t.tm_hour:02d}:{t.tm_min:02d}:{t.tm_sec:02d}"
