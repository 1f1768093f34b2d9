"""A consistent copy of a SQLite store while it works.

Reference: https://www.sqlite.org/backup.html. The copy reads inside one read transaction: without it SQLite would begin
again after every commit of the writer and never end under load.
"""

import asyncio
import os
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

from heliograph.store import sqlite_errors
from heliograph.store.database import StoreError

PAGES_A_STEP = 512  # 2 MiB of 4 KiB pages between two reports


async def copy(source: Path, target: Path, progress: Callable[[int, int], None]) -> None:
    """Copy `source` to `target`; `progress(pages done, pages in all)` is called on the loop.

    The copy is made beside the target and takes its name when it is complete and on disk. Raises StoreError (Full when
    there is no room); then, and when cancelled, the target is as it was.
    """
    loop = asyncio.get_running_loop()
    stop = threading.Event()

    def report(_status: int, remaining: int, total: int) -> None:
        if stop.is_set():
            raise StoreError("the backup was stopped")
        loop.call_soon_threadsafe(progress, total - remaining, total)

    work = loop.run_in_executor(None, _copy, source, target, report)
    try:
        await asyncio.shield(work)
    except asyncio.CancelledError:
        stop.set()
        await asyncio.wait([work])
        work.exception()
        raise


def _copy(source: Path, target: Path, report: Callable[[int, int, int], object]) -> None:
    partial = target.with_name(target.name + ".partial")
    try:
        partial.unlink(missing_ok=True)
        os.close(os.open(partial, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        try:
            _fill(source, partial, report)
            _sync(partial)
            partial.replace(target)
            _sync(target.parent)
        finally:
            partial.unlink(missing_ok=True)
    except (sqlite3.Error, StoreError) as error:
        raise sqlite_errors.explain(error, "backup") from None
    except OSError as error:
        raise StoreError(f"backup to {target}: {error.strerror}") from None


def _fill(source: Path, partial: Path, report: Callable[[int, int, int], object]) -> None:
    origin = sqlite3.connect(source, timeout=5.0, isolation_level=None)
    copied = sqlite3.connect(partial, isolation_level=None)
    try:
        origin.execute("PRAGMA query_only=ON").close()
        origin.execute("BEGIN")
        origin.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        copied.execute("PRAGMA synchronous=OFF").close()  # synced as a whole by the caller
        origin.backup(copied, pages=PAGES_A_STEP, progress=report)
        # The copy of a log-keeping store says it has a log: as one plain file it can be moved anywhere.
        copied.execute("PRAGMA journal_mode=DELETE").close()
    finally:
        copied.close()
        origin.close()


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
