"""The building of one export, in a process of its own: rows by key in short reads, a file in stretches (docs/exports.md).

It only reads the store. A stretch is so many rows, written, synced, and told with the place where the next one begins;
who goes on after a crash cuts the file to that place. In gzip each stretch is a member of its own (RFC 1952, 2.2).
"""

import errno
import fcntl
import os
import shutil
import zlib
from collections.abc import Callable
from pathlib import Path

import msgspec

from heliograph.core.export_lines import Lines
from heliograph.core.exports import DAY_MS, Form, Place, Wanted
from heliograph.core.ranges import Range, RangeTable, load_seed
from heliograph.services import moments
from heliograph.store.database import Database, Row

PAGE = 2000  # rows a read: some 10 ms of an open snapshot
STRETCH = 25  # pages: 50,000 rows are some 10 MB
SLICE = 2**20  # int_ids counted in one read, some 50 ms
LAST = 19  # of nice: only what nobody else wants (sched(7), SCHED_IDLE)
LEVEL = 4  # of zlib: half the time of 6, a tenth more bytes
RESERVE = 256 * 2**20  # bytes of the disk that are left for the store: texts come before exports
FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """What the process is told: the store, the folder and name of the file, what to write, where to begin, and how far to step
    back for others (0 to ``LAST``)."""

    database: str
    folder: str
    file: str
    wanted: Wanted
    place: Place = Place()
    nice: int = LAST


class News(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the process tells, a line of JSON each: a place that was reached, the end, or why it cannot go on.

    ``again`` says that another try may succeed.
    """

    place: Place
    done: bool = False
    failed: str = ""
    again: bool = False


Tell = Callable[[News], None]


async def build(db: Database, job: Job, tell: Tell) -> Place:
    """Write the whole file; the last place. OSError and StoreError when it cannot be."""
    folder = Path(job.folder)
    final = folder / job.file
    part = folder / f"{job.file}.part"
    if job.place.rows and not part.exists() and final.exists():
        final.rename(part)  # it was whole, but that could not be told any more
    # A builder of a run that was killed a moment ago may still hold it.
    descriptor = os.open(part, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        place = await _write_rows(db, job, descriptor, tell)
    finally:
        os.close(descriptor)
    if job.wanted.form is Form.XLSX:
        place = _convert(job, part, final, place, tell)
    else:
        part.rename(final)
    _sync_folder(folder)
    return place


async def _write_rows(db: Database, job: Job, descriptor: int, tell: Tell) -> Place:
    wanted, place = job.wanted, job.place
    if not place.last or os.fstat(descriptor).st_size < place.bytes:
        place = await begin(db, wanted)
    os.ftruncate(descriptor, place.bytes)
    os.lseek(descriptor, place.bytes, os.SEEK_SET)
    lines = Lines(wanted, (await load_ranges(db)).lookup)
    tell(News(place=place))
    while not place.over:
        check_room(Path(job.folder))
        stretch = _Stretch(descriptor, wanted.form is Form.GZIP)
        if not place.bytes:
            stretch.write(lines.header())
        for _ in range(STRETCH):
            rows, place = await read(db, wanted, place)
            text, count = lines.write(rows)
            stretch.write(text)
            place = msgspec.structs.replace(place, rows=place.rows + count)
            if place.over:
                break
        size = stretch.end()
        place = msgspec.structs.replace(place, bytes=place.bytes + size)
        tell(News(place=place))
    return place


async def begin(db: Database, wanted: Wanted) -> Place:
    """The place before the first row: the int_ids that the period lies between, and how many rows to look at."""
    # A message that is not among those that were stored long before they were due was created within the day before.
    first = await moments.find_id(db, wanted.start_ms - DAY_MS - moments.SLACK_MS)
    last = await moments.find_id(db, wanted.end_ms + moments.SLACK_MS)
    row = await db.one("exports.count_later", wanted.account_id, wanted.start_ms, wanted.end_ms, first)
    total = int(row[0]) if row else 0
    for low in range(first, last, SLICE):
        row = await db.one("exports.count", wanted.account_id, low, min(low + SLICE, last))
        total += int(row[0]) if row else 0
    return Place(first=first, last=last, total=total, send_ms=wanted.start_ms)


async def read(db: Database, wanted: Wanted, place: Place) -> tuple[list[Row], Place]:
    """The next page, wanted or not, and the place behind it."""
    if place.later:
        rows = await db.all(
            "exports.later", wanted.account_id, place.send_ms, place.int_id, wanted.end_ms, place.first, PAGE
        )
        change = {"later": len(rows) == PAGE, "send_ms": 0, "int_id": place.first - 1}
        if change["later"]:
            change |= {"send_ms": rows[-1][1], "int_id": rows[-1][0]}
    else:
        rows = await db.all("exports.page", wanted.account_id, place.int_id, place.last, PAGE)
        change = {"over": len(rows) < PAGE, "int_id": rows[-1][0] if rows else place.int_id}
    return rows, msgspec.structs.replace(place, looked=place.looked + len(rows), **change)


async def load_ranges(db: Database) -> RangeTable:
    """Where numbers belong: the imported ranges over the shipped ones."""
    imported = [
        Range(first, last, iso, operator, region, mcc, mnc, int(tz) if tz else None)
        for first, last, iso, operator, region, mcc, mnc, tz in await db.all("snapshot.ranges")
    ]
    return RangeTable(imported, below=load_seed()) if imported else load_seed()


class _Stretch:
    """A run of bytes that is on disk when it has ended."""

    def __init__(self, descriptor: int, packed: bool) -> None:
        self._descriptor = descriptor
        # 16 + 15: with the head and tail of gzip, and a window of 32 kB.
        self._packer = zlib.compressobj(LEVEL, zlib.DEFLATED, 31) if packed else None
        self._size = 0

    def write(self, data: bytes) -> None:
        """Behind what there is."""
        self._put(data if self._packer is None else self._packer.compress(data))

    def end(self) -> int:
        """Sync it; how many bytes it has."""
        if self._packer is not None:
            self._put(self._packer.flush())
        os.fsync(self._descriptor)
        return self._size

    def _put(self, data: bytes) -> None:
        view = memoryview(data)
        self._size += len(data)
        while view:
            view = view[os.write(self._descriptor, view) :]


def _convert(job: Job, part: Path, final: Path, place: Place, tell: Tell) -> Place:
    """The lines into a spreadsheet; it begins anew after a crash, and the lines stay until the task has ended."""
    from heliograph.services import sheets

    work = part.with_suffix(".work")
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(mode=0o700)

    def note(rows: int) -> None:
        check_room(work)
        tell(News(place=msgspec.structs.replace(place, sheet=rows)))

    made = work / "book.xlsx"
    sheets.convert(part, made, work, note)
    descriptor = os.open(made, os.O_RDONLY)
    try:
        os.fchmod(descriptor, 0o600)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    made.rename(final)
    shutil.rmtree(work, ignore_errors=True)
    return msgspec.structs.replace(place, sheet=place.rows)


def check_room(folder: Path) -> None:
    """OSError when the disk of a folder has no more room than is left for the store."""
    disk = os.statvfs(folder)
    if disk.f_bavail * disk.f_frsize < RESERVE:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def explain(error: OSError) -> str:
    """What stopped a build, for whoever asked for it: no paths of the machine."""
    if error.errno in FULL:
        return "there is no room left on the disk for this file; make room, or ask for a shorter period"
    return f"the file could not be written: {error.strerror}"
