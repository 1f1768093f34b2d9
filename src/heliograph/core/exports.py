"""Exports of the history of sent messages: what is wanted, states of their tasks, where a build stands (seed 001, downloads)."""

import calendar
import re
from datetime import date, timedelta
from enum import IntEnum, StrEnum

import msgspec

from heliograph.core.reasons import Reason, Refused
from heliograph.core.zones import offset_min

DAY_MS = 86_400_000
PHONES_MOST = 1000  # numbers that one export may be limited to
NAME_MOST = 100  # characters of a task's name

_DATE = re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4})", re.ASCII)
# history-2026-10-<24 url-safe characters>.csv.gz, and what stands beside it while it is built.
_FILE = re.compile(r"(history-\d{4}-\d{2}-[A-Za-z0-9_-]{24}\.(?:csv|csv\.gz|xlsx))(?:\.part|\.work)?", re.ASCII)


class State(IntEnum):
    """States of a deferred task (seed 001)."""

    WAITING = 0
    RUNNING = 1
    DONE = 2
    CANCELLED = 3
    FAILED = 4


STATE_NAMES = {
    State.WAITING: "waiting",
    State.RUNNING: "in progress",
    State.DONE: "done",
    State.CANCELLED: "cancelled",
    State.FAILED: "failed",
}


class Form(StrEnum):
    """How the file is written."""

    CSV = "csv"
    GZIP = "gzip"
    XLSX = "xlsx"


ENDINGS = {Form.CSV: ".csv", Form.GZIP: ".csv.gz", Form.XLSX: ".xlsx"}
MEDIA = {
    Form.CSV: "text/csv; charset=utf-8",
    Form.GZIP: "application/gzip",
    Form.XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}


class Wanted(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a task shall write: messages sent from ``start_ms`` up to (not with) ``end_ms``, UTC.

    Empty filters let everything pass. Zone, language and currency are those of the account when the task was made, so
    that a file that is continued after a crash is of one piece.
    """

    account_id: int
    start_ms: int
    end_ms: int
    form: Form = Form.CSV
    phones: tuple[str, ...] = ()
    kinds: tuple[int, ...] = ()
    statuses: tuple[int, ...] = ()
    tz: str = "Europe/Moscow"
    english: bool = False
    currency: str = ""


class Place(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where the build of a file stands: everything before is on disk.

    The rows come in two runs: first (``later``) those that were stored more than a day before they were due, by
    (send_ms, int_id), then all others with int_ids from ``first`` up to (not with) ``last``. ``looked`` of about
    ``total`` stored rows were looked at, ``rows`` of them are in the first ``bytes`` of the file. ``sheet`` rows of a
    spreadsheet are written.
    """

    first: int = 0
    last: int = 0
    later: bool = True
    send_ms: int = 0
    int_id: int = 0
    looked: int = 0
    total: int = 0
    rows: int = 0
    bytes: int = 0
    over: bool = False
    sheet: int = 0


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """A deferred task; times in UTC milliseconds, 0 for what has not happened."""

    id: int
    account_id: int
    name: str
    wanted: Wanted
    status: State
    created_ms: int
    started_ms: int
    ended_ms: int
    file: str
    rows_done: int
    rows_all: int
    place: Place
    complaint: str

    @property
    def ready(self) -> str:
        """The name of the file when it can be fetched, else empty."""
        return self.file if self.status is State.DONE else ""

    @property
    def percent(self) -> int:
        """How much is done, 0 to 100; below 100 until the file is there."""
        if self.status is State.DONE:
            return 100
        place = self.place
        read = 1.0 if place.over else min(place.looked / place.total, 1.0) if place.total else 0.0
        if self.wanted.form is Form.XLSX:
            # Writing the spreadsheet takes about nine times as long as reading the rows.
            read = 0.1 * read + 0.9 * min(place.sheet / (place.rows or 1), 1.0)
        return min(int(read * 100), 99)


def read_day(text: str, zone: str) -> tuple[int, int]:
    """The first moments (UTC milliseconds) of the day ``dd.mm.yyyy`` in a zone and of the next one; Refused(BAD_PARAMETERS)."""
    found = _DATE.fullmatch(text.strip())
    try:
        if found is None:
            raise ValueError
        day = date(int(found[3]), int(found[2]), int(found[1]))
        if not 1970 < day.year < 9000:
            raise ValueError
    except ValueError:
        raise Refused(Reason.BAD_PARAMETERS, f"{text.strip()!r} is no date; write it like 01.10.2026") from None
    return _begin(day, zone), _begin(day + timedelta(days=1), zone)


def _begin(day: date, zone: str) -> int:
    """Midnight of a day in a zone."""
    local_ms = calendar.timegm(day.timetuple()) * 1000
    near_ms = local_ms - offset_min(zone, local_ms) * 60_000
    return local_ms - offset_min(zone, near_ms) * 60_000


def read_period(start: str, end: str, zone: str) -> tuple[int, int]:
    """From the first moment of ``start`` to the first one after ``end`` (empty: the same day); Refused(BAD_PARAMETERS)."""
    if not start.strip():
        raise Refused(Reason.BAD_PARAMETERS, "start is missing; write it like 01.10.2026")
    first_ms, next_ms = read_day(start, zone)
    last_ms = read_day(end, zone)[1] if end.strip() else next_ms
    if last_ms <= first_ms:
        raise Refused(Reason.BAD_PARAMETERS, "the period ends before it begins")
    return first_ms, last_ms


def read_form(text: str) -> Form:
    """csv (also for an empty text), gzip or xlsx; Refused(BAD_PARAMETERS)."""
    try:
        return Form(text.strip().lower() or "csv")
    except ValueError:
        raise Refused(Reason.BAD_PARAMETERS, "form is csv, gzip or xlsx") from None


def name_file(wanted: Wanted, token: str) -> str:
    """The name of a task's file; ``token`` are 24 random characters that make it impossible to guess."""
    local = date(1970, 1, 1) + timedelta(milliseconds=wanted.start_ms + offset_min(wanted.tz, wanted.start_ms) * 60_000)
    return f"history-{local.year:04d}-{local.month:02d}-{token}{ENDINGS[wanted.form]}"


def owner_of(name: str) -> str:
    """The task's file that a name in the folder of exports belongs to, itself or one beside it; empty for others."""
    found = _FILE.fullmatch(name)
    return found[1] if found else ""
