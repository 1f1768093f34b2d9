"""The store in one SQLite file: a writer thread whose commits are synced, reader threads beside it (design section 9).

Reference: https://www.sqlite.org/wal.html, https://www.sqlite.org/pragma.html#pragma_synchronous. Measured in the
design's spike: with a commit shared by many rows, `synchronous=FULL` costs 2 to 9 percent, so it is always on.
"""

import asyncio
import fcntl
import os
import sqlite3
import threading
import time
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, closing
from pathlib import Path
from queue import SimpleQueue
from typing import Any, NamedTuple

from heliograph.store import backup, sqlite_errors
from heliograph.store.database import Busy, Dialect, Done, Lost, Query, Row, Step, StoreError
from heliograph.store.queries import Work, find, prepare

READERS = 2
BUSY_TIMEOUT_S = 5.0  # one wait inside SQLite for another process (a command line beside the server)
RETRY_S = 10.0  # how long a transaction is begun again when that wait was not enough

_COMMON = (
    "PRAGMA temp_store=MEMORY",
    "PRAGMA mmap_size=134217728",  # 128 MiB of the file read without copying
    "PRAGMA foreign_keys=OFF",  # rows refer to rows of the same transaction; tests check them, the hot path does not
)
_WRITER = (
    "PRAGMA synchronous=FULL",
    "PRAGMA cache_size=-65536",  # 64 MiB
    "PRAGMA wal_autocheckpoint=2000",  # 8 MiB: a copy short enough not to be felt by a text beside bulk
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


class _Write(NamedTuple):
    works: list[Work]
    done: Done


class _Command(NamedTuple):
    """One thing an open transaction asks of the writer thread; `last` ends the transaction."""

    name: str
    work: Callable[[sqlite3.Connection], Any]
    answer: asyncio.Future[Any]
    last: bool = False


class _Turn:
    """An interactive transaction: the writer thread obeys its commands from BEGIN until the last one."""

    def __init__(self, database: "SqliteDatabase", begun: asyncio.Future[None]) -> None:
        self._database = database
        self.begun = begun
        self.commands: SimpleQueue[_Command] = SimpleQueue()
        self.over = False

    async def run(self, query: str | Query, *args: Any) -> int:
        """See `Transaction.run`."""
        found = self._database.find(query)
        count: int = await self.ask(found.name, lambda connection: _run(connection, found.sql, args))
        return count

    async def one(self, query: str | Query, *args: Any) -> Row | None:
        """See `Transaction.one`."""
        found = self._database.find(query)
        row: Row | None = await self.ask(found.name, lambda connection: _one(connection, found.sql, args))
        return row

    async def all(self, query: str | Query, *args: Any) -> list[Row]:
        """See `Transaction.all`."""
        found = self._database.find(query)
        rows: list[Row] = await self.ask(found.name, lambda connection: connection.execute(found.sql, args).fetchall())
        return rows

    async def script(self, sql: str) -> None:
        """See `Transaction.script`."""
        await self.ask("script", lambda connection: _script(connection, sql))

    async def ask(self, name: str, work: Callable[[sqlite3.Connection], Any], *, last: bool = False) -> Any:
        """Have the writer thread do `work` and wait for what it gives."""
        if self.over:
            raise StoreError("the transaction is over")
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.over = last
        self.commands.put(_Command(name, work, answer, last))
        return await answer

    def abandon(self) -> None:
        """Have it rolled back without waiting for that."""
        if not self.over:
            self.over = True
            answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
            self.commands.put(_Command("rollback", _roll_back, answer, last=True))


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
            return [] if self._closed else _guard(self._query.name, lambda: self._next(size))

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

    def __init__(self, path: Path, queries: Mapping[str, Query], writer: sqlite3.Connection, delay_s: float) -> None:
        self.path = path
        self._queries = queries
        self._writer = writer
        self._delay_s = delay_s
        self._loop = asyncio.get_running_loop()
        self._queue: SimpleQueue[_Write | _Turn | None] = SimpleQueue()
        self._finished: deque[tuple[Done, list[list[Row]] | None, Exception | None]] = deque()
        self._telling = False
        self._closed = False
        self._turns: set[_Turn] = set()
        self._local = threading.local()
        self._reading: list[sqlite3.Connection] = []
        self._readers = ThreadPoolExecutor(READERS, "store-reader")
        self._lock: int | None = None
        self._thread = threading.Thread(target=self._serve, name="store-writer", daemon=True)
        self._thread.start()

    @classmethod
    async def open(cls, path: Path, queries: Mapping[str, Query], *, commit_delay_s: float = 0.0) -> "SqliteDatabase":
        """Open the file, made (with its folder, for its owner only) when it is not there; StoreError when it cannot be."""
        writer = await asyncio.to_thread(_open_writer, path)
        return cls(path, queries, writer, commit_delay_s)

    def find(self, query: str | Query) -> Query:
        """The query of a name; StoreError when there is none, or the store is closed."""
        self._check_open()
        return find(self._queries, query)

    def _check_open(self) -> None:
        if self._closed:
            raise StoreError("the store is closed")

    # Reading

    async def one(self, query: str | Query, *args: Any) -> Row | None:
        """See `Database.one`."""
        found = self.find(query)
        row: Row | None = await self._loop.run_in_executor(self._readers, self._read, _one, found, args)
        return row

    async def all(self, query: str | Query, *args: Any) -> list[Row]:
        """See `Database.all`."""
        found = self.find(query)
        rows: list[Row] = await self._loop.run_in_executor(self._readers, self._read, _all, found, args)
        return rows

    async def pages(self, query: str | Query, *args: Any, size: int = 1000) -> AsyncGenerator[list[Row], None]:
        """See `Database.pages`."""
        found = self.find(query)
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
        return _guard(query.name, lambda: reading(connection, query.sql, args))

    # Writing, on the loop

    def write(self, steps: Sequence[Step], done: Done) -> None:
        """See `Database.write`."""
        self._check_open()
        self._queue.put(_Write(prepare(self._queries, steps), done))

    async def transact(self, steps: Sequence[Step]) -> list[list[Row]]:
        """See `Database.transact`."""
        future: asyncio.Future[list[list[Row]]] = self._loop.create_future()

        def settle(results: list[list[Row]] | None, error: Exception | None) -> None:
            _settle(future, results, error)

        self.write(steps, settle)
        return await future

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[_Turn]:
        """See `Database.transaction`."""
        self._check_open()
        turn = _Turn(self, self._loop.create_future())
        self._turns.add(turn)
        self._queue.put(turn)
        try:
            await turn.begun
            yield turn
            await turn.ask("commit", self._commit, last=True)
        finally:
            turn.abandon()
            self._turns.discard(turn)

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
        self._queue.put(None)
        await asyncio.to_thread(self._thread.join)
        self._tell()
        await asyncio.to_thread(self._readers.shutdown)
        for connection in self._reading:
            connection.close()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _tell(self) -> None:
        # Cleared before emptying: what is appended after the last popleft is announced again.
        self._telling = False
        while self._finished:
            done, results, error = self._finished.popleft()
            try:
                done(results, error)
            except Exception as fault:
                self._loop.call_exception_handler({"message": "a store callback failed", "exception": fault})

    # Writing, in the writer thread

    def _serve(self) -> None:
        with closing(self._writer):
            while (item := self._queue.get()) is not None:
                if isinstance(item, _Turn):
                    self._hold(item)
                    continue
                try:
                    self._finished.append((item.done, self._execute(item.works), None))
                except Exception as error:
                    self._finished.append((item.done, None, error))
                if not self._telling:
                    self._telling = True
                    self._call(self._tell)

    def _execute(self, works: list[Work]) -> list[list[Row]]:
        deadline = time.monotonic() + RETRY_S
        while True:
            try:
                return self._attempt(works)
            except Busy:
                if time.monotonic() >= deadline:
                    raise

    def _attempt(self, works: list[Work]) -> list[list[Row]]:
        connection = self._writer
        name = "begin"
        results: list[list[Row]] = []
        try:
            connection.execute("BEGIN IMMEDIATE")
            for work in works:
                name, sql, rows, fetch = work
                found: list[Row] = []
                if fetch:
                    for row in rows:
                        found += connection.execute(sql, row).fetchall()
                else:
                    connection.executemany(sql, rows)
                results.append(found)
            name = "commit"
            self._commit(connection)
        except Exception as error:
            _roll_back(connection)
            raise sqlite_errors.explain(error, name) from None
        return results

    def _commit(self, connection: sqlite3.Connection) -> None:
        if self._delay_s:
            time.sleep(self._delay_s)
        if not connection.in_transaction:
            raise Lost("the transaction was already rolled back")
        connection.execute("COMMIT")

    def _hold(self, turn: _Turn) -> None:
        connection = self._writer
        try:
            self._begin()
        except Exception as error:
            self._call(_settle, turn.begun, None, error)
            return
        self._call(_settle, turn.begun, None, None)
        failed = False
        last = False
        while not last:
            name, work, answer, last = turn.commands.get()
            result: Any = None
            reason: StoreError | None = None
            try:
                # As on PostgreSQL, nothing goes on after a statement failed; so a fault that was
                # swallowed cannot leave half a transaction behind.
                if failed and work is not _roll_back:
                    raise StoreError("a statement of this transaction failed: nothing of it is kept")
                result = work(connection)
            except Exception as fault:
                failed, reason = True, sqlite_errors.explain(fault, name)
            if last:
                _roll_back(connection)
            self._call(_settle, answer, result, reason)

    def _begin(self) -> None:
        deadline = time.monotonic() + RETRY_S
        while True:
            try:
                self._writer.execute("BEGIN IMMEDIATE")
                return
            except sqlite3.Error as error:
                reason = sqlite_errors.explain(error, "begin")
                if not isinstance(reason, Busy) or time.monotonic() >= deadline:
                    raise reason from None

    def _call(self, function: Callable[..., None], *args: Any) -> None:
        try:
            self._loop.call_soon_threadsafe(function, *args)
        except RuntimeError:
            # The loop was closed before the store: nobody is left to be told.
            return


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


def _open_writer(path: Path) -> sqlite3.Connection:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise StoreError(f"cannot open the store {path}: {error.strerror}") from None
    return connect(path, writer=True)


def _settle(future: asyncio.Future[Any], result: Any, error: Exception | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)


def _guard(name: str, work: Callable[[], Any]) -> Any:
    try:
        return work()
    except Exception as error:
        raise sqlite_errors.explain(error, name) from None


def _one(connection: sqlite3.Connection, sql: str, args: tuple[Any, ...]) -> Row | None:
    # Closed at once: a half-read cursor would keep this connection in an old snapshot.
    with closing(connection.execute(sql, args)) as cursor:
        row: Row | None = cursor.fetchone()
    return row


def _all(connection: sqlite3.Connection, sql: str, args: tuple[Any, ...]) -> list[Row]:
    return connection.execute(sql, args).fetchall()


def _run(connection: sqlite3.Connection, sql: str, args: tuple[Any, ...]) -> int:
    before = connection.total_changes
    with closing(connection.execute(sql, args)) as cursor:
        cursor.fetchall()
        # The cursor does not count statements that begin with WITH; the connection does (triggers included).
        return cursor.rowcount if cursor.rowcount >= 0 else connection.total_changes - before


def _script(connection: sqlite3.Connection, sql: str) -> None:
    # `executescript` would commit the open transaction first.
    statement = ""
    for piece in sql.split(";"):
        statement += piece + ";"
        if sqlite3.complete_statement(statement):
            connection.execute(statement).close()
            statement = ""
    # A comment, or a fault that SQLite names.
    connection.execute(statement).close()


def _roll_back(connection: sqlite3.Connection) -> None:
    if connection.in_transaction:
        connection.execute("ROLLBACK")
