"""The forms of the ``time`` parameter (spec sending 5)."""

import calendar
import re

import msgspec

from heliograph.core.reasons import Reason, Refused
from heliograph.core.zones import MOSCOW_MIN

_DIGITS = re.compile(r"(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)", re.ASCII)
_DATE = re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4}|\d\d) +(\d{1,2}):(\d\d)", re.ASCII)
_WINDOW = re.compile(r"(\d{1,2}) ?- ?(\d{1,2})", re.ASCII)
_STAMP = re.compile(r"0(\d{1,11})", re.ASCII)
_DELAY = re.compile(r"[+ ] *(\d{1,7})", re.ASCII)  # seven digits of minutes are 19 years

_HOUR_MS = 3_600_000
_DAY_MS = 24 * _HOUR_MS


class When(msgspec.Struct, frozen=True):
    """When to send: UTC milliseconds, 0 for now.

    ``zone_min`` is set for a full date only, and then ``send_ms`` may lie in the past: a record of ``list`` with a
    zone of its own may still move it into the future.
    """

    send_ms: int = 0
    zone_min: int | None = None


NOW = When()


def parse_when(text: str, now_ms: int, zone_min: int) -> When:
    """Reads ``time``; ``zone_min`` (minutes east of UTC) is the zone of dates and windows. Refused(BAD_TIME) otherwise."""
    if text in ("", "0"):
        return NOW
    delay = _DELAY.fullmatch(text)
    if delay:
        minutes = int(delay[1])
        return When(now_ms + minutes * 60_000) if minutes else NOW
    text = text.strip()
    date = _DIGITS.fullmatch(text) or _DATE.fullmatch(text)
    if date:
        day, month, year, hour, minute = (int(part) for part in date.groups())
        return When(_moment(year, month, day, hour, minute) - zone_min * 60_000, zone_min)
    window = _WINDOW.fullmatch(text)
    if window:
        return _wait_for_window(int(window[1]), int(window[2]), now_ms, zone_min)
    stamp = _STAMP.fullmatch(text)
    if stamp:
        at_ms = int(stamp[1]) * 1000
        return When(at_ms) if at_ms > now_ms else NOW
    if not text.strip("0"):
        return NOW
    raise Refused(Reason.BAD_TIME, "unknown form of time")


def read_zone(text: str) -> int | None:
    """Minutes east of UTC for a ``tz`` parameter (hours from Moscow), None when empty; Refused(BAD_PARAMETERS)."""
    text = text.strip()
    if not text:
        return None
    try:
        hours = int(text)
    except ValueError:
        raise Refused(Reason.BAD_PARAMETERS, "tz is a whole number of hours from Moscow") from None
    # UTC-12 to UTC+14 are the zones there are, and the service itself counts to Moscow +12.
    if not -15 <= hours <= 12:
        raise Refused(Reason.BAD_PARAMETERS, "tz lies between -15 and 12")
    return MOSCOW_MIN + 60 * hours


def _moment(year: int, month: int, day: int, hour: int, minute: int) -> int:
    """UTC milliseconds of a date and time read as UTC."""
    year += 2000 if year < 100 else 0
    if not 1970 <= year <= 9998 or not 1 <= month <= 12 or not 1 <= day <= calendar.monthrange(year, month)[1]:
        raise Refused(Reason.BAD_TIME, "no such date")
    if hour > 23 or minute > 59:
        raise Refused(Reason.BAD_TIME, "no such time of day")
    return calendar.timegm((year, month, day, hour, minute, 0)) * 1000


def _wait_for_window(first: int, last: int, now_ms: int, zone_min: int) -> When:
    """Now when inside hours ``first`` to ``last``, otherwise the next time that clocks show ``first``:00.

    A window over midnight (22-6) is taken as such.
    """
    if first > 24 or last > 24 or first == last:
        raise Refused(Reason.BAD_TIME, "a window is two different hours between 0 and 24")
    local_ms = now_ms + zone_min * 60_000
    midnight_ms = local_ms - local_ms % _DAY_MS
    hour = (local_ms - midnight_ms) // _HOUR_MS
    inside = first <= hour < last if first < last else hour >= first or hour < last
    if inside:
        return NOW
    start_ms = midnight_ms + first * _HOUR_MS
    if start_ms <= local_ms:
        start_ms += _DAY_MS
    return When(start_ms - zone_min * 60_000)
