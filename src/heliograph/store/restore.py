"""A backup put in the place of a SQLite store that nobody serves.

Reference: https://www.sqlite.org/pragma.html#pragma_quick_check. The store that was there is kept beside it.
"""

import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from heliograph.store.database import StoreError
from heliograph.store.sqlite_session import lock_for_serving

SIDES = ("", "-wal", "-shm")


def check_backup(path: Path) -> int:
    """The number of the last migration in a backup; StoreError unless the file is a sound Heliograph store."""
    if not path.is_file():
        raise StoreError(f"there is no backup at {path}")
    if path.with_name(f"{path.name}-wal").exists():
        raise StoreError(f"{path} is a store in use, not a backup; make one with heliograph backup")
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro&immutable=1", uri=True)) as connection:
            verdict = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
            if verdict != "ok":
                raise StoreError(f"{path} is damaged: {verdict}")
            row = connection.execute("SELECT max(number) FROM migrations").fetchone()
    except sqlite3.Error as error:
        raise StoreError(f"{path} is no backup of a Heliograph store: {error}") from None
    if row is None or row[0] is None:
        raise StoreError(f"{path} is an empty store")
    return int(row[0])


def replace_store(backup: Path, target: Path, mark: str) -> Path | None:
    """Put a copy of ``backup`` in the place of ``target``; where the old store is kept now (named by ``mark``), if any.

    StoreError when a server holds the target, or a file cannot be written; the target is then as it was.
    """
    partial = target.with_name(f"{target.name}.partial")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        lock = lock_for_serving(target)
        try:
            shutil.copyfile(backup, partial)
            partial.chmod(0o600)
            _sync(partial)
            kept = _set_aside(target, mark) if target.exists() else None
            partial.replace(target)
            _sync(target.parent)
        finally:
            partial.unlink(missing_ok=True)
            os.close(lock)
    except OSError as error:
        raise StoreError(f"cannot restore to {target}: {error.strerror}") from None
    return kept


def _set_aside(target: Path, mark: str) -> Path:
    kept = target.with_name(f"{target.name}.{mark}")
    # The log goes first and comes with its store: beside another store it would be applied to that.
    for side in reversed(SIDES):
        path = target.with_name(target.name + side)
        if path.exists():
            path.rename(kept.with_name(kept.name + side))
    return kept


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
