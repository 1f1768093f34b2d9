"""Deferred tasks, exports of the history: made, listed, cancelled, claimed, ended, expired (seed 001, downloads)."""

import asyncio
import contextlib
import logging
import os
import secrets
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, TypeVar

import msgspec

from heliograph.core.accounts import Account
from heliograph.core.exports import NAME_MOST, PHONES_MOST, Form, Place, State, Task, Wanted, name_file
from heliograph.core.reasons import Reason, Refusal, Refused
from heliograph.store.database import Database, Row, Step

log = logging.getLogger(__name__)
T = TypeVar("T")
Spawn = Callable[[Coroutine[Any, Any, None]], None]
Done = Callable[[T | Refusal], None]

FOLDER = "exports"  # in the data folder
TOKEN_BYTES = 18  # 24 characters, 144 bits: a file's name is as hard to guess as a key
MOST = 20  # tasks of an account that wait, are in progress or have a file


class Opened(NamedTuple):
    """A file that can be fetched: opened for reading, its size in bytes."""

    task: Task
    file: BinaryIO
    size: int


def want(
    account: Account,
    start_ms: int,
    end_ms: int,
    form: Form,
    *,
    phones: Sequence[str] = (),
    kinds: Sequence[int] = (),
    statuses: Sequence[int] = (),
) -> Wanted:
    """What a task of this account shall write; Refused(BAD_PARAMETERS) for too many numbers."""
    if len(phones) > PHONES_MOST:
        raise Refused(Reason.BAD_PARAMETERS, f"more than {PHONES_MOST} numbers")
    return Wanted(
        account_id=account.id,
        start_ms=start_ms,
        end_ms=end_ms,
        form=form,
        phones=tuple(phones),
        kinds=tuple(kinds),
        statuses=tuple(statuses),
        tz=account.settings.tz,
        english=account.settings.english,
        currency=account.currency,
    )


async def create(db: Database, wanted: Wanted, name: str, *, now_ms: int, most: int = MOST) -> Task:
    """Store a task that waits; Refused(TOO_MANY_TASKS) when the account has ``most`` that wait, run or have a file."""
    file = name_file(wanted, secrets.token_urlsafe(TOKEN_BYTES))
    text = msgspec.json.encode(wanted).decode()
    row = (wanted.account_id, name[:NAME_MOST], text, now_ms, file, most)
    _, added = await db.transact([Step("tasks.take_id", [()]), Step("tasks.add", [row], fetch=True)])
    if not added:
        raise Refused(Reason.TOO_MANY_TASKS, f"there are {most} exports already; cancel one or wait until one expires")
    found = await find(db, wanted.account_id, added[0][0])
    assert found is not None
    return found


async def list_tasks(db: Database, account_id: int, after_id: int = 0, count: int = 100) -> list[Task]:
    """The first ``count`` tasks of an account with ids above ``after_id``, in their order."""
    return [_task_of(row) for row in await db.all("tasks.list", account_id, after_id, count)]


async def list_all(db: Database) -> list[Task]:
    """The tasks of all accounts."""
    return [_task_of(row) for row in await db.all("tasks.all")]


async def get(db: Database, id_: int) -> Task | None:
    """A task of any account."""
    row = await db.one("tasks.get", id_)
    return None if row is None else _task_of(row)


async def find(db: Database, account_id: int, id_: int) -> Task | None:
    """A task of this account."""
    found = await get(db, id_)
    return found if found is not None and found.account_id == account_id else None


async def find_file(db: Database, account_id: int, file: str) -> Task | None:
    """The task of this account whose file has this name."""
    row = await db.one("tasks.by_file", file)
    found = None if row is None else _task_of(row)
    return found if found is not None and found.account_id == account_id else None


async def cancel(db: Database, account_id: int, id_: int, *, now_ms: int) -> str | None:
    """Cancel a task that waits, is in progress or done; the name of its file, which the caller removes. None when there is
    no such task."""
    (found,) = await db.transact([Step("tasks.cancel", [(now_ms, id_, account_id)], fetch=True)])
    return str(found[0][0]) if found else None


async def list_running(db: Database) -> list[Task]:
    """Tasks in progress: at the start those that the last run of the program left behind."""
    return [_task_of(row) for row in await db.all("tasks.running")]


async def claim(db: Database, *, now_ms: int) -> Task | None:
    """Begin the next task that waits; None when there is none. Accounts take turns."""
    (found,) = await db.transact([Step("tasks.claim", [(now_ms,)], fetch=True)])
    return _task_of(found[0]) if found else None


async def note_progress(db: Database, id_: int, place: Place) -> bool:
    """Write down where a build stands; False when the task is in progress no more (it was cancelled)."""
    row = (place.rows, rows_expected(place), msgspec.json.encode(place).decode(), id_)
    (found,) = await db.transact([Step("tasks.progress", [row], fetch=True)])
    return bool(found)


async def finish(db: Database, id_: int, rows: int, *, now_ms: int) -> bool:
    """The file is whole and on disk; False when the task was cancelled meanwhile."""
    return await _end(db, (int(State.DONE), now_ms, rows, rows, "", id_))


async def fail(db: Database, id_: int, complaint: str, *, now_ms: int) -> bool:
    """The file cannot be made; False when the task was cancelled meanwhile."""
    return await _end(db, (int(State.FAILED), now_ms, 0, 0, complaint, id_))


async def expire(db: Database, before_ms: int) -> list[str]:
    """Remove the tasks that ended before a moment; the names of their files."""
    (found,) = await db.transact([Step("tasks.expire", [(before_ms,)], fetch=True)])
    return [row[0] for row in found]


async def list_files(db: Database) -> dict[str, bool]:
    """The names of the files of tasks that are in progress or done, and whether they are done."""
    return {file: state == State.DONE for file, state in await db.all("tasks.files")}


async def count_states(db: Database) -> dict[int, int]:
    """How many tasks there are in each state."""
    return dict(await db.all("tasks.states"))


def rows_expected(place: Place) -> int:
    """How many rows the file will have at most: those in it, and what was not looked at yet."""
    return place.rows if place.over else place.rows + max(place.total - place.looked, 0)


def remove_files(folder: Path, file: str) -> None:
    """Remove a task's file and what stands beside it."""
    (folder / file).unlink(missing_ok=True)
    remove_rests(folder, file)


def remove_rests(folder: Path, file: str) -> None:
    """Remove what stands beside a file while it is built."""
    (folder / f"{file}.part").unlink(missing_ok=True)
    work = folder / f"{file}.work"
    if work.is_dir():
        for path in work.iterdir():
            path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            work.rmdir()


async def _end(db: Database, row: Row) -> bool:
    (found,) = await db.transact([Step("tasks.end", [row], fetch=True)])
    return bool(found)


def _task_of(row: Row) -> Task:
    id_, account_id, name, wanted, status, created, started, ended, file, rows_done, rows_all, place, complaint = row
    return Task(
        id=id_,
        account_id=account_id,
        name=name,
        wanted=msgspec.json.decode(wanted, type=Wanted),
        status=State(status),
        created_ms=created,
        started_ms=started,
        ended_ms=ended,
        file=file,
        rows_done=rows_done,
        rows_all=rows_all,
        place=msgspec.json.decode(place, type=Place) if place else Place(),
        complaint=complaint,
    )


class Exports:
    """Deferred tasks for the doors. ``added`` and ``cancelled`` tell the builder; everything belongs to the event loop."""

    def __init__(self, db: Database, folder: Path, spawn: Spawn, most: int = MOST) -> None:
        self._db = db
        self._folder = folder
        self._spawn = spawn
        self._most = most
        self.added: Callable[[], None] = lambda: None
        self.cancelled: Callable[[int], None] = lambda id_: None

    def add(self, wanted: Wanted, name: str, now_ms: int, done: Done[Task]) -> None:
        """Store a task; ``done`` gets it."""

        async def work() -> Task:
            task = await create(self._db, wanted, name, now_ms=now_ms, most=self._most)
            self.added()
            return task

        self._answer(work(), done)

    def tasks(self, account_id: int, after_id: int, count: int, done: Done[list[Task]]) -> None:
        """The tasks of an account behind ``after_id``."""
        self._answer(list_tasks(self._db, account_id, after_id, count), done)

    def find(self, account_id: int, id_: int, done: Done[Task]) -> None:
        """One task; a refusal NOT_FOUND when the account has no such one."""

        async def work() -> Task:
            return _some(await find(self._db, account_id, id_))

        self._answer(work(), done)

    def cancel(self, account_id: int, id_: int, now_ms: int, done: Done[None]) -> None:
        """Cancel a task and remove its file; NOT_FOUND when there is none that waits, is in progress or done."""

        async def work() -> None:
            file = _some(await cancel(self._db, account_id, id_, now_ms=now_ms))
            self.cancelled(id_)
            await asyncio.to_thread(remove_files, self._folder, file)

        self._answer(work(), done)

    def open(self, account_id: int, id_: int, file: str, done: Done[Opened]) -> None:
        """Open the file of a task by its id, or (0) by its name; NOT_FOUND when it is another's, not ready, or gone."""

        async def work() -> Opened:
            found = await (find(self._db, account_id, id_) if id_ else find_file(self._db, account_id, file))
            task = _some(found if found is not None and found.ready else None)
            try:
                handle, size = await asyncio.to_thread(_open, self._folder / task.file)
            except FileNotFoundError:
                log.error("export_file_missing", extra={"task": task.id})
                raise Refused(Reason.NOT_FOUND) from None
            return Opened(task, handle, size)

        self._answer(work(), done)

    def _answer(self, work: Coroutine[Any, Any, T], done: Done[T]) -> None:
        async def run() -> None:
            answer: T | Refusal
            try:
                answer = await work
            except Refused as refused:
                answer = Refusal(refused.reason, refused.detail)
            except Exception:
                log.exception("export_task_failed")
                answer = Refusal(Reason.STORE_FULL)
            done(answer)

        self._spawn(run())


def _some(found: T | None) -> T:
    if found is None:
        raise Refused(Reason.NOT_FOUND)
    return found


def _open(path: Path) -> tuple[BinaryIO, int]:
    handle = path.open("rb", buffering=0)
    return handle, os.fstat(handle.fileno()).st_size
