"""The store in one SQLite file: a writer thread whose commits are synced, reader threads beside it (design section 9).

Reference: https://www.sqlite.org/wal.html, https://www.sqlite.org/pragma.html#pragma_synchronous. Measured in the
design's spike: with a commit shared by many rows, `synchronous=FULL` costs 2 to 9 percent, so it is always on.
"""

import asyncio
import os
import sqlite3
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from heliograph.store import backup
from heliograph.store.database import Dialect, Done, Query, Row, Step, StoreError
from heliograph.store.queries import find, prepare
from heliograph.store.sqlite_session import connect, fetch_all, fetch_one, guard, lock_for_serving, open_writer
from heliograph.store.sqlite_writer import Turn, Write, Writer, settle

READERS = 2


class _Scan:
    """A long read, on a connection of its own: an open cursor holds every read of its connection in one old snapshot."""

    def __init__(self, path: Path, query: Query, args: tuple[Any, ...]) -> None:
        self._path = path
        self._query = query
        self._args = args
        self._connection: sqlite3.Connection | None = None
        self._cursor: sqlite3.Cursor | None = None
        self._closed = False
        # A cancelled caller closes while its last fetch may still run in another thread.
        self._lock = threading.Lock()

    def fetch(self, size: int) -> list[Row]:
        """The next rows, none at the end; in a reader thread."""
        with self._lock:
            return [] if self._closed else guard(self._query.name, lambda: self._next(size))

    def _next(self, size: int) -> list[Row]:
        if self._cursor is None:
            self._connection = connect(self._path, writer=False)
            self._cursor = self._connection.execute(self._query.sql, self._args)
        return self._cursor.fetchmany(size)

    def close(self) -> None:
        """Let go of the snapshot; in a reader thread."""
        with self._lock:
            self._closed = True
            if self._connection is not None:
                self._connection.close()


class SqliteDatabase:
    """`Database` on a file. `open` makes one; `commit_delay_s` adds a wait to each commit, to measure slow disks."""

    dialect: Dialect = "sqlite"

    def __init__(self, path: Path, queries: Mapping[str, Query], writer: Writer) -> None:
        self.path = path
        self._queries = queries
        self._writer = writer
        self._loop = asyncio.get_running_loop()
        self._closed = False
        self._turns: set[Turn] = set()
        self._local = threading.local()
        self._reading: list[sqlite3.Connection] = []
        self._readers = ThreadPoolExecutor(READERS, "store-reader")
        self._lock: int | None = None

    @classmethod
    async def open(cls, path: Path, queries: Mapping[str, Query], *, commit_delay_s: float = 0.0) -> "SqliteDatabase":
        """Open the file, made (with its folder, for its owner only) when it is not there; StoreError when it cannot be."""
        connection = await asyncio.to_thread(open_writer, path)
        return cls(path, queries, Writer(connection, commit_delay_s))

    def _find(self, query: str | Query) -> Query:
        self._check_open()
        return find(self._queries, query)

    def _check_open(self) -> None:
        if self._closed:
            raise StoreError("the store is closed")

    # Reading

    async def one(self, query: str | Query, *args: Any) -> Row | None:
        """See `Database.one`."""
        found = self._find(query)
        row: Row | None = await self._loop.run_in_executor(self._readers, self._read, fetch_one, found, args)
        return row

    async def all(self, query: str | Query, *args: Any) -> list[Row]:
        """See `Database.all`."""
        found = self._find(query)
        rows: list[Row] = await self._loop.run_in_executor(self._readers, self._read, fetch_all, found, args)
        return rows

    async def pages(self, query: str | Query, *args: Any, size: int = 1000) -> AsyncGenerator[list[Row], None]:
        """See `Database.pages`."""
        found = self._find(query)
        run = self._loop.run_in_executor
        scan = _Scan(self.path, found, args)
        try:
            while rows := await run(self._readers, scan.fetch, size):
                yield rows
        finally:
            # Not awaited: a cancelled or abandoned scan must let go at once.
            if self._closed:
                scan.close()
            else:
                self._readers.submit(scan.close)

    def _read(self, reading: Callable[..., Any], query: Query, args: tuple[Any, ...]) -> Any:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = connect(self.path, writer=False)
            self._reading.append(connection)
        return guard(query.name, lambda: reading(connection, query.sql, args))

    # Writing, on the loop

    def write(self, steps: Sequence[Step], done: Done) -> None:
        """See `Database.write`."""
        self._check_open()
        self._writer.put(Write(prepare(self._queries, steps), done))

    async def transact(self, steps: Sequence[Step]) -> list[list[Row]]:
        """See `Database.transact`."""
        future: asyncio.Future[list[list[Row]]] = self._loop.create_future()
        self.write(steps, lambda results, error: settle(future, results, error))
        return await future

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Turn]:
        """See `Database.transaction`."""
        self._check_open()
        turn = Turn(self._queries, self._loop.create_future())
        self._turns.add(turn)
        self._writer.put(turn)
        try:
            await turn.begun
            yield turn
            await turn.ask("commit", self._writer.commit, last=True)
        finally:
            turn.abandon()
            self._turns.discard(turn)

    def watch_outage(self, outage: Callable[[StoreError], None]) -> None:
        """See `Database.watch_outage`; a file does not go away."""

    async def lock_for_serving(self) -> None:
        """Claim the file for this server with a lock on `<path>.lock`; StoreError when another server has it."""
        if self._lock is None:
            self._lock = lock_for_serving(self.path)

    async def backup(self, target: Path, progress: Callable[[int, int], None]) -> None:
        """Copy one consistent state to `target` while the store works; `progress(pages done, pages in all)` on the loop.

        `target` is replaced only by a complete and synced copy; StoreError or Full leave it as it was.
        """
        self._check_open()
        await backup.copy(self.path, target, progress)

    async def close(self) -> None:
        """See `Database.close`; open interactive transactions are rolled back."""
        if self._closed:
            return
        self._closed = True
        for turn in self._turns:
            turn.abandon()
        await self._writer.close()
        await asyncio.to_thread(self._readers.shutdown)
        for connection in self._reading:
            connection.close()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None
