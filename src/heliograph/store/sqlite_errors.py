"""SQLite's faults in the words of the store.

Reference: https://www.sqlite.org/rescode.html (primary result codes are the low byte of the extended ones).
"""

import sqlite3
from typing import Literal

from heliograph.store.database import Broken, Busy, Full, Lost, StoreError, Unfit

_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_UNFIT = {sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_MISMATCH}
_CONSTRAINT_DATATYPE = 3091  # SQLITE_CONSTRAINT | 12 << 8: a STRICT table met another type
_KINDS: dict[str, Literal["unique", "check", "not_null", "foreign_key"]] = {
    "UNIQUE": "unique",
    "CHECK": "check",
    "NOT NULL": "not_null",
    "FOREIGN KEY": "foreign_key",
}


def explain(error: Exception, name: str) -> StoreError:
    """The store's exception for a fault of the query `name`; it holds no value of a row."""
    if isinstance(error, StoreError):
        return error
    if isinstance(error, OverflowError | UnicodeEncodeError):
        return Unfit(f"{name}: a value does not fit the database")
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:
        if "binding parameter" in str(error):
            return Unfit(f"{name}: {error}")
        return StoreError(f"{name}: {type(error).__name__}: {error}")
    primary = code & 0xFF
    if primary in _BUSY:
        return Busy(f"{name}: another process holds the store")
    # SQLite knows ENOSPC alone as a full disk; a quota or a limit of file sizes comes as a write that failed.
    if primary == sqlite3.SQLITE_FULL or code == sqlite3.SQLITE_IOERR_WRITE:
        return Full(f"{name}: the disk of the store is full; make room, nothing of this was kept")
    if primary == sqlite3.SQLITE_IOERR:
        return Lost(f"{name}: the disk of the store failed ({error})")
    if code == _CONSTRAINT_DATATYPE or primary in _UNFIT:
        return Unfit(f"{name}: a value does not fit its column")
    if primary == sqlite3.SQLITE_CONSTRAINT:
        return _broken(str(error))
    return StoreError(f"{name}: {error}")


def _broken(message: str) -> Broken:
    # "UNIQUE constraint failed: messages.account, messages.id"
    sort, _, which = message.partition(" constraint failed")
    return Broken(_KINDS.get(sort, "other"), which.removeprefix(":").strip())
