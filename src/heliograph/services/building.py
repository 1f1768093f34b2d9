"""The loop that has exports built: claims tasks, starts a process for each, writes its progress down, expires files (docs/exports.md).

The process reads the store and writes the file with the lowest priority, so that sending does not feel it. It never
outlives this one: it ends when its standard input does. A task that was in progress when the program ended goes on.
"""

import asyncio
import contextlib
import logging
import sys
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable
from pathlib import Path

import msgspec

from heliograph.core.exports import Place, Task, owner_of
from heliograph.services import exports
from heliograph.services.excerpts import LAST, Job, News
from heliograph.store.database import Database, StoreError

log = logging.getLogger(__name__)

COMMAND = "build-export"  # hidden: heliograph.cli.build_export
LOOK_S = 5.0  # between two looks for tasks that the command line made
TOLD_S = 1.0  # between two notes of one task in the store
KEEP_S = 60.0  # between two removals of what has expired
TRIES = 5  # of a process that was killed without getting any further
AWAY_TRIES = 720  # of one that could not ask the store: an hour
PAUSE_S = 1.0


async def run_job(job: Job) -> AsyncGenerator[News, None]:
    """Build a file in a process of its own, and what it tells. It ends with ``done``, ``failed``, or when the process was
    killed without a word; closing the iterator ends the process."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "heliograph", COMMAND), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdin is not None and process.stdout is not None
    over = False
    try:
        # Over a pipe and not as arguments: the store's address may hold a password. The pipe stays open, for the
        # process ends with it.
        with contextlib.suppress(ConnectionError):
            process.stdin.write(msgspec.json.encode(job) + b"\n")
            await process.stdin.drain()
        while line := await process.stdout.readline():
            try:
                yield msgspec.json.decode(line, type=News)
            except msgspec.DecodeError:
                break  # half a line: it was killed while it wrote
        over = not line
    finally:
        process.stdin.close()
        if not over:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
        await process.wait()


class Builder:
    """Builds what waits, ``parallel`` files at once. Belongs to the event loop."""

    def __init__(
        self,
        db: Database,
        database: str,
        folder: Path,
        clock_ms: Callable[[], int],
        *,
        parallel: int = 1,
        keep_ms: int = 7 * 86_400_000,
        nice: int = LAST,
    ) -> None:
        self._db = db
        self._database = database
        self._folder = folder
        self._clock_ms = clock_ms
        self._parallel = parallel
        self._keep_ms = keep_ms
        self._nice = nice
        self._left: deque[Task] = deque()  # by the last run of the program
        self._awake = asyncio.Event()
        self._building: dict[int, asyncio.Task[None]] = {}

    def wake(self) -> None:
        """There is a new task."""
        self._awake.set()

    def stop(self, id_: int) -> None:
        """A task was cancelled: its process ends now."""
        if id_ in self._building:
            self._building[id_].cancel()

    async def run(self) -> None:
        """Until cancelled; processes that are at work then end with it."""
        await asyncio.to_thread(self._prepare)
        self._left.extend(await self._patiently(exports.list_running))
        async with asyncio.TaskGroup() as group:
            group.create_task(self._keep())
            for _ in range(self._parallel):
                group.create_task(self._work())

    def _prepare(self) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder.chmod(0o700)

    async def _patiently(self, ask: Callable[[Database], "asyncio.Future[list[Task]] | object"]) -> list[Task]:
        """What the store says, as soon as it says anything."""
        while True:
            try:
                found: list[Task] = await ask(self._db)  # type: ignore[misc]
                return found
            except StoreError as error:
                log.warning("exports_store_away", extra={"error": str(error)})
                await asyncio.sleep(LOOK_S)

    # -- building ------------------------------------------------------------------------------
    async def _work(self) -> None:
        while True:
            self._awake.clear()
            try:
                task = self._left.popleft() if self._left else await exports.claim(self._db, now_ms=self._clock_ms())
            except StoreError as error:
                log.warning("exports_store_away", extra={"error": str(error)})
                task = None
            if task is None:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._awake.wait(), LOOK_S)
                continue
            building = self._building[task.id] = asyncio.get_running_loop().create_task(self._build(task))
            try:
                await asyncio.wait((building,))
            finally:
                # Cancelled by the end of the program, or by the customer: the process is gone before anything else.
                building.cancel()
                await asyncio.gather(building, return_exceptions=True)
                del self._building[task.id]
            if not building.cancelled() and building.exception() is not None:
                log.error("export_failed_inside", exc_info=building.exception())
            await self._clear(task)

    async def _build(self, task: Task) -> None:
        """One task to its end."""
        log.info("export_begins", extra={"task": task.id, "account": task.account_id, "rows": task.place.rows})
        place, tries = task.place, 0
        while True:
            news = await self._follow(task, place)
            if news is None:
                return  # cancelled
            if news.done:
                await self._end(task, news.place, "")
                return
            if news.failed and not news.again:
                await self._end(task, news.place, news.failed)
                return
            tries = 0 if news.place != place else tries + 1
            most, pause_s = (AWAY_TRIES, LOOK_S) if news.again else (TRIES, PAUSE_S)
            place = news.place
            log.warning("export_interrupted", extra={"task": task.id, "error": news.failed, "tries": tries})
            if tries >= most:
                await self._end(
                    task, place, news.failed or "the process that writes the file was ended again and again"
                )
                return
            await asyncio.sleep(pause_s)

    async def _follow(self, task: Task, place: Place) -> News | None:
        """Run the process until it ends and write down how far it is; the last news, None when the task was cancelled."""
        job = Job(
            database=self._database,
            folder=str(self._folder),
            file=task.file,
            wanted=task.wanted,
            place=place,
            nice=self._nice,
        )
        last, written_s = News(place=place), time.monotonic()
        async with contextlib.aclosing(run_job(job)) as told:
            async for news in told:
                last = news
                if time.monotonic() - written_s >= TOLD_S and not news.done and not news.failed:
                    written_s = time.monotonic()
                    if not await self._note(task, news.place):
                        return None
        return last

    async def _note(self, task: Task, place: Place) -> bool:
        try:
            return await exports.note_progress(self._db, task.id, place)
        except StoreError as error:
            log.warning("export_progress_not_stored", extra={"task": task.id, "error": str(error)})
            return True

    async def _end(self, task: Task, place: Place, complaint: str) -> None:
        """Write the end down, however long the store takes: it may be full for the same reason as the disk."""
        if complaint:
            log.error("export_failed", extra={"task": task.id, "error": complaint})
            await asyncio.to_thread(exports.remove_files, self._folder, task.file)
        while True:
            now_ms = self._clock_ms()
            try:
                if complaint:
                    await exports.fail(self._db, task.id, complaint, now_ms=now_ms)
                else:
                    await exports.finish(self._db, task.id, place.rows, now_ms=now_ms)
                    log.info("export_done", extra={"task": task.id, "rows": place.rows})
                return
            except StoreError as error:
                log.warning("export_end_not_stored", extra={"task": task.id, "error": str(error)})
                await asyncio.sleep(PAUSE_S)

    async def _clear(self, task: Task) -> None:
        """What stands beside a file that is done, and all of one that will not be."""
        try:
            found = await exports.get(self._db, task.id)
        except StoreError:
            return  # the next sweep does it
        if found is None or not (found.ready or found.status == 1):
            await asyncio.to_thread(exports.remove_files, self._folder, task.file)
        elif found.ready:
            await asyncio.to_thread(exports.remove_rests, self._folder, task.file)

    # -- expiry --------------------------------------------------------------------------------
    async def _keep(self) -> None:
        while True:
            try:
                await self.sweep()
            except (StoreError, OSError) as error:
                log.warning("exports_sweep_failed", extra={"error": str(error)})
            await asyncio.sleep(KEEP_S)

    async def sweep(self) -> None:
        """Remove tasks that ended long ago, and files that belong to no task."""
        # The folder first: whatever is in it by now has its task in the store already.
        there = await asyncio.to_thread(lambda: [path.name for path in self._folder.iterdir()])
        expired = await exports.expire(self._db, self._clock_ms() - self._keep_ms)
        if expired:
            log.info("exports_expired", extra={"count": len(expired)})
        kept = await exports.list_files(self._db)
        for name in there:
            owner = owner_of(name)
            if owner and owner not in kept:
                await asyncio.to_thread(exports.remove_files, self._folder, owner)
            elif owner != name and kept.get(owner):
                await asyncio.to_thread(exports.remove_rests, self._folder, owner)
