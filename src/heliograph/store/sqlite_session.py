"""Connections to a SQLite store with its settings, the lock of the server, and what is run on a connection.

Reference: https://www.sqlite.org/pragma.html.
"""

import fcntl
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from heliograph.store.database import Row, StoreError
from heliograph.store.sqlite_errors import explain

BUSY_TIMEOUT_S = 5.0  # one wait inside SQLite for another process (a command line beside the server)

_COMMON = (
    "PRAGMA temp_store=MEMORY",
    "PRAGMA mmap_size=134217728",  # 128 MiB of the file read without copying
    "PRAGMA foreign_keys=OFF",  # a look-up per row and key on the hot path; our own rows point where they should
)
_WRITER = (
    "PRAGMA synchronous=FULL",
    "PRAGMA cache_size=-65536",  # 64 MiB
    "PRAGMA wal_autocheckpoint=4000",  # 16 MiB: rarer copies, each still short beside a slow disk
    "PRAGMA journal_size_limit=67108864",  # a log grown by a long read shrinks back to 64 MiB
)
_READER = ("PRAGMA query_only=ON", "PRAGMA cache_size=-16384")


def connect(path: Path, *, writer: bool) -> sqlite3.Connection:
    """A connection with this store's settings; StoreError when the file cannot be used."""
    try:
        connection = sqlite3.connect(
            path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False, cached_statements=256
        )
        try:
            mode = connection.execute("PRAGMA journal_mode=WAL").fetchone()[0]
            if mode != "wal":
                raise StoreError(f"{path} cannot use a write-ahead log; keep it on a local disk")
            for pragma in (*_COMMON, *(_WRITER if writer else _READER)):
                connection.execute(pragma).close()
        except BaseException:
            connection.close()
            raise
    except sqlite3.Error as error:
        raise StoreError(f"cannot open the store {path}: {error}") from None
    return connection


def open_writer(path: Path) -> sqlite3.Connection:
    """The writer's connection; the file is made, for its owner only, when it is not there. StoreError when it cannot be."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise StoreError(f"cannot open the store {path}: {error.strerror}") from None
    return connect(path, writer=True)


def lock_for_serving(path: Path) -> int:
    """Lock `<path>.lock` until the returned descriptor is closed; StoreError when another server has it."""
    lock = path.with_name(path.name + ".lock")
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        owner = os.read(descriptor, 20).decode("ascii", "replace").strip()
        os.close(descriptor)
        raise StoreError(
            f"another Heliograph (process {owner or 'unknown'}) serves {path}; stop it first, or use another store"
        ) from None
    os.ftruncate(descriptor, 0)
    os.write(descriptor, b"%d\n" % os.getpid())
    return descriptor


def guard(name: str, work: Callable[[], Any]) -> Any:
    """What `work` gives, its faults turned into the store's."""
    try:
        return work()
    except Exception as error:
        raise explain(error, name) from None


def fetch_one(connection: sqlite3.Connection, sql: str, args: tuple[Any, ...]) -> Row | None:
    """The first row of a query."""
    # Closed at once: a half-read cursor would keep this connection in an old snapshot.
    with closing(connection.execute(sql, args)) as cursor:
        row: Row | None = cursor.fetchone()
    return row


def fetch_all(connection: sqlite3.Connection, sql: str, args: tuple[Any, ...]) -> list[Row]:
    """All rows of a query."""
    return connection.execute(sql, args).fetchall()


def change(connection: sqlite3.Connection, sql: str, args: tuple[Any, ...]) -> int:
    """Run a changing query; how many rows it touched."""
    before = connection.total_changes
    with closing(connection.execute(sql, args)) as cursor:
        cursor.fetchall()
        # The cursor does not count statements that begin with WITH; the connection does (triggers included).
        return cursor.rowcount if cursor.rowcount >= 0 else connection.total_changes - before


def run_script(connection: sqlite3.Connection, sql: str) -> None:
    """Run several statements inside the open transaction."""
    # `executescript` would commit the open transaction first.
    statement = ""
    for piece in sql.split(";"):
        statement += piece + ";"
        if sqlite3.complete_statement(statement):
            connection.execute(statement).close()
            statement = ""
    # A comment, or a fault that SQLite names.
    connection.execute(statement).close()


def roll_back(connection: sqlite3.Connection) -> None:
    """End the open transaction, if SQLite has not done so itself."""
    if connection.in_transaction:
        connection.execute("ROLLBACK")
