"""The loop that has files built, with real processes: killed, cancelled, without room, expired."""

import asyncio
import os
import resource
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import uvloop
from tests.databases import BACKENDS, fresh_url
from tests.services.rows import NOW, make_message, put

from heliograph.core.exports import Form, State, Task, Wanted
from heliograph.services import exports
from heliograph.services.building import Builder
from heliograph.services.excerpts import Job, build
from heliograph.store.database import Database
from heliograph.store.migrate import MIGRATIONS_DIRECTORY, migrate
from heliograph.store.opening import open_database

DAY = 86_400_000
MANY = 60_000  # messages: two stretches, some half a second of work


def want(**changes: Any) -> Wanted:
    return Wanted(**{"account_id": 1, "start_ms": NOW - DAY, "end_ms": NOW + DAY, "currency": "RUR", **changes})


def find_processes() -> list[int]:
    """The processes that this one has started to build a file."""
    found = []
    for folder in Path("/proc").iterdir():
        try:
            parent = (folder / "stat").read_text().rpartition(")")[2].split()[1]
            if parent == str(os.getpid()) and b"build-export" in (folder / "cmdline").read_bytes():
                found.append(int(folder.name))
        except OSError:
            continue
    return found


async def until(fact: Callable[[], Any]) -> Any:
    async with asyncio.timeout(30):
        while not (found := await held if asyncio.iscoroutine(held := fact()) else held):
            await asyncio.sleep(0.01)
    return found


class Site:
    """A store with a builder at work, its folder and its clock."""

    def __init__(self, db: Database, url: str, folder: Path) -> None:
        self.db = db
        self.folder = folder
        self.now = NOW
        self.builder = Builder(db, url, folder, lambda: self.now, keep_ms=DAY, nice=0)
        self.exports = exports.Exports(db, folder, lambda work: self.spawned.append(asyncio.ensure_future(work)))
        self.exports.added, self.exports.cancelled = self.builder.wake, self.builder.stop
        self.spawned: list[Any] = []

    async def make(self, **changes: Any) -> int:
        task = await exports.create(self.db, want(**changes), "", now_ms=self.now)
        self.builder.wake()
        return task.id

    async def get(self, id_: int) -> Task:
        found = await exports.get(self.db, id_)
        assert found is not None
        return found

    async def ended(self, id_: int) -> Task:
        await until(lambda: self._is_over(id_))
        return await self.get(id_)

    async def _is_over(self, id_: int) -> bool:
        return (await self.get(id_)).status >= 2

    def files(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir())


@asynccontextmanager
async def open_site(backend: str, tmp_path: Path, messages: int = 10) -> AsyncIterator[Site]:
    """Messages from the first to ``messages``, and a builder that runs until the end."""
    url = await fresh_url(backend, tmp_path)
    db = await open_database(url)
    try:
        await migrate(db, MIGRATIONS_DIRECTORY, 1)
        await put(db, [make_message(n) for n in range(1, messages + 1)])
        site = Site(db, url, tmp_path / "exports")
        running = asyncio.create_task(site.builder.run())
        try:
            yield site
            assert not running.done(), running.exception()
        finally:
            running.cancel()
            await asyncio.gather(running, *site.spawned, return_exceptions=True)
    finally:
        await db.close()


async def kill_at(site: Site, id_: int, *sizes: int) -> int:
    """Kill the task's process as often as its file reaches these sizes, in turn; how often that was."""
    part = site.folder / f"{(await site.get(id_)).file}.part"
    kills = 0
    while (await site.get(id_)).status < State.DONE and kills < len(sizes):
        pids = find_processes()
        if pids and part.exists() and part.stat().st_size >= sizes[kills]:
            os.kill(pids[0], signal.SIGKILL)
            kills += 1
        await asyncio.sleep(0.005)
    return kills


async def undisturbed(site: Site, folder: Path, **changes: Any) -> bytes:
    """The file as it comes out when nothing happens."""
    folder.mkdir()
    job = Job(database="", folder=str(folder), file="whole", wanted=want(**changes))
    await build(site.db, job, lambda news: None)
    return (folder / "whole").read_bytes()


@pytest.mark.parametrize("backend", BACKENDS)
def test_tasks_are_done_one_after_the_other(backend: str, tmp_path: Path) -> None:
    """Each form gets its file, readable for nobody else, with nothing left beside it."""

    async def story() -> None:
        async with open_site(backend, tmp_path) as site:
            ids = [await site.make(form=form) for form in Form]
            tasks = [await site.ended(id_) for id_ in ids]
            assert [(task.status, task.rows_done, task.percent) for task in tasks] == [(State.DONE, 10, 100)] * 3
            await until(lambda: site.files() == sorted(task.file for task in tasks))
            assert {(site.folder / task.file).stat().st_mode & 0o777 for task in tasks} == {0o600}
            assert site.folder.stat().st_mode & 0o777 == 0o700
            assert (site.folder / tasks[0].file).read_bytes() == await undisturbed(site, tmp_path / "own")

    asyncio.run(story())


def test_task_of_the_command_line_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody wakes the builder for it."""
    monkeypatch.setattr("heliograph.services.building.LOOK_S", 0.05)

    async def story() -> None:
        async with open_site("sqlite", tmp_path) as site:
            await until(lambda: site.folder.exists())
            task = await exports.create(site.db, want(), "", now_ms=NOW)
            assert (await site.ended(task.id)).status is State.DONE

    asyncio.run(story())


@pytest.mark.parametrize("form", [Form.CSV, Form.GZIP])
def test_killed_process_is_followed_by_another_that_goes_on(
    form: Form, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SIGKILL in the middle, twice: the file is byte for byte that of an undisturbed run."""
    monkeypatch.setattr("heliograph.services.building.PAUSE_S", 0.01)

    async def story() -> None:
        async with open_site("sqlite", tmp_path, MANY) as site:
            # On a busy machine a process may be done before it is found: then with another task.
            for _ in range(5):
                id_ = await site.make(form=form)
                if await kill_at(site, id_, 1, 5_000_000 if form is Form.CSV else 100_000) == 2:
                    break
            else:
                raise AssertionError("never killed in the middle")
            task = await site.ended(id_)
            assert (task.status, task.rows_done) == (State.DONE, MANY)
            whole = await undisturbed(site, tmp_path / "own", form=form)
            assert (site.folder / task.file).read_bytes() == whole

    asyncio.run(story())


def test_process_that_is_killed_again_and_again_fails_the_task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without getting any further it is not tried for ever (where memory is short, for one)."""
    monkeypatch.setattr("heliograph.services.building.PAUSE_S", 0.01)
    monkeypatch.setattr("heliograph.services.building.COMMAND", "version-of-nothing")

    async def story() -> None:
        async with open_site("sqlite", tmp_path) as site:
            task = await site.ended(await site.make())
            assert (task.status, task.ready) == (State.FAILED, "")
            assert task.complaint == "the process that writes the file was ended again and again"

    asyncio.run(story())


def test_stopped_program_goes_on_with_its_tasks(tmp_path: Path) -> None:
    """What was in progress is claimed by nobody else, and comes first."""

    async def story() -> None:
        url = await fresh_url("sqlite", tmp_path)
        db = await open_database(url)
        try:
            await put(db, [make_message(n) for n in range(1, MANY + 1)])
            first = Site(db, url, tmp_path / "exports")
            running = asyncio.create_task(first.builder.run())
            id_ = await first.make()
            part = first.folder / f"{(await first.get(id_)).file}.part"
            await until(lambda: part.exists() and part.stat().st_size)
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            assert find_processes() == []
            assert (await first.get(id_)).status is State.RUNNING
            second = Site(db, url, tmp_path / "exports")
            running = asyncio.create_task(second.builder.run())
            task = await second.ended(id_)
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            assert (second.folder / task.file).read_bytes() == await undisturbed(second, tmp_path / "own")
        finally:
            await db.close()

    uvloop.run(story())


def test_cancelled_task_loses_its_process_and_its_file(tmp_path: Path) -> None:
    """At once, over the API; and the next one begins."""

    async def story() -> None:
        async with open_site("sqlite", tmp_path, MANY) as site:
            id_, following = await site.make(), await site.make()
            part = site.folder / f"{(await site.get(id_)).file}.part"
            await until(lambda: part.exists() and part.stat().st_size)
            answers: list[Any] = []
            site.exports.cancel(1, id_, NOW, answers.append)
            await until(lambda: answers)
            assert answers == [None]
            task = await site.ended(following)
            assert (await site.get(id_)).status is State.CANCELLED
            assert site.files() == [task.file]
            site.exports.cancel(1, following, NOW, answers.append)
            await until(lambda: site.files() == [])

    asyncio.run(story())


def test_task_cancelled_by_another_program_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the next progress that is written down."""
    monkeypatch.setattr("heliograph.services.building.TOLD_S", 0.0)

    async def story() -> None:
        async with open_site("sqlite", tmp_path, MANY) as site:
            id_ = await site.make()
            part = site.folder / f"{(await site.get(id_)).file}.part"
            await until(lambda: part.exists() and part.stat().st_size)
            await exports.cancel(site.db, 1, id_, now_ms=NOW)

            async def is_gone() -> bool:
                await site.builder.sweep()
                return site.files() == []

            await until(is_gone)
            await until(lambda: find_processes() == [])
            assert (await site.get(id_)).status is State.CANCELLED

    asyncio.run(story())


@pytest.mark.parametrize(("form", "room"), [(Form.CSV, 1_000_000), (Form.XLSX, 20_000_000)])
def test_full_disk_fails_the_task_clearly(form: Form, room: int, tmp_path: Path) -> None:
    """While lines are written, or a spreadsheet of them (which is larger by far before it is packed): the file goes, the complaint says what to do, and the next task is done as soon as there is room."""

    async def story() -> None:
        async with open_site("sqlite", tmp_path, MANY) as site:
            id_ = await site.make(form=form)
            (pid,) = await until(find_processes)
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))
            task = await site.ended(id_)
            assert task.status is State.FAILED
            assert task.complaint.startswith("there is no room left on the disk for this file; make room")
            assert site.files() == []
            assert (await site.ended(await site.make())).status is State.DONE

    asyncio.run(story())


@pytest.mark.parametrize("backend", BACKENDS)
def test_files_expire_and_strays_are_swept(backend: str, tmp_path: Path) -> None:
    """After keep_days task and file go; a file of no task goes too, and what a person left there stays."""

    async def story() -> None:
        async with open_site(backend, tmp_path) as site:
            task = await site.ended(await site.make())
            stray = "history-2026-09-abcdefghijklmnopqrstuvwx.xlsx"
            (site.folder / f"{stray}.work").mkdir()
            for name in (stray, f"{stray}.part", f"{stray}.work/sheet", "notes.txt"):
                (site.folder / name).write_text("x")
            (site.folder / f"{task.file}.part").write_text("of a run that was killed before it could tidy up")
            await site.builder.sweep()
            assert site.files() == sorted([task.file, "notes.txt"])
            site.now += DAY + 1
            await site.builder.sweep()
            assert site.files() == ["notes.txt"]
            assert await exports.list_all(site.db) == []

    asyncio.run(story())


def test_file_is_opened_for_its_owner_only(tmp_path: Path) -> None:
    """By id and by name; one that somebody removed is not found, and another's neither."""

    async def story() -> None:
        async with open_site("sqlite", tmp_path) as site:
            task = await site.ended(await site.make())
            answers: list[Any] = []
            for account_id, id_, name in ((1, task.id, ""), (1, 0, task.file), (2, task.id, ""), (2, 0, task.file)):
                site.exports.open(account_id, id_, name, answers.append)
                await asyncio.gather(*site.spawned)
            whole = (site.folder / task.file).read_bytes()
            for opened in answers[:2]:
                with opened.file as file:
                    assert (file.read(), opened.size) == (whole, len(whole))
            assert [answer.reason.name for answer in answers[2:]] == ["NOT_FOUND"] * 2
            (site.folder / task.file).unlink()
            site.exports.open(1, task.id, "", answers.append)
            await asyncio.gather(*site.spawned)
            assert answers[-1].reason.name == "NOT_FOUND"

    asyncio.run(story())
