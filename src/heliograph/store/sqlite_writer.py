"""The writer of a SQLite store: one thread, one connection, transactions in the order they were handed over.

Several transactions that end while the loop is at other work are told to it in one call.
"""

import asyncio
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import closing
from queue import SimpleQueue
from typing import Any, NamedTuple

from heliograph.store.database import Busy, Done, Lost, Query, Row, StoreError
from heliograph.store.queries import Work, find
from heliograph.store.sqlite_errors import explain
from heliograph.store.sqlite_rows import run_rows
from heliograph.store.sqlite_session import change, fetch_all, fetch_one, roll_back, run_script

RETRY_S = 10.0  # how long a transaction is begun again when the wait inside SQLite was not enough


class Write(NamedTuple):
    """A transaction handed over, and whom to tell."""

    works: list[Work]
    done: Done


class _Command(NamedTuple):
    """One thing an open transaction asks of the writer thread; `last` ends the transaction."""

    name: str
    work: Callable[[sqlite3.Connection], Any]
    answer: asyncio.Future[Any]
    last: bool = False


class Turn:
    """An interactive transaction: the writer thread obeys its commands from BEGIN until the last one."""

    def __init__(self, queries: Mapping[str, Query], begun: asyncio.Future[None]) -> None:
        self._queries = queries
        self.begun = begun
        self.commands: SimpleQueue[_Command] = SimpleQueue()
        self.over = False

    async def run(self, query: str | Query, *args: Any) -> int:
        """See `Transaction.run`."""
        found = find(self._queries, query)
        count: int = await self.ask(found.name, lambda connection: change(connection, found.sql, args))
        return count

    async def one(self, query: str | Query, *args: Any) -> Row | None:
        """See `Transaction.one`."""
        found = find(self._queries, query)
        row: Row | None = await self.ask(found.name, lambda connection: fetch_one(connection, found.sql, args))
        return row

    async def all(self, query: str | Query, *args: Any) -> list[Row]:
        """See `Transaction.all`."""
        found = find(self._queries, query)
        rows: list[Row] = await self.ask(found.name, lambda connection: fetch_all(connection, found.sql, args))
        return rows

    async def script(self, sql: str) -> None:
        """See `Transaction.script`."""
        await self.ask("script", lambda connection: run_script(connection, sql))

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
            self.commands.put(_Command("rollback", roll_back, answer, last=True))


class Writer:
    """The thread and its connection; `delay_s` is added to each commit, to measure slow disks."""

    def __init__(self, connection: sqlite3.Connection, delay_s: float) -> None:
        self._connection = connection
        self._delay_s = delay_s
        self._loop = asyncio.get_running_loop()
        self._queue: SimpleQueue[Write | Turn | None] = SimpleQueue()
        self._finished: deque[tuple[Done, list[list[Row]] | None, Exception | None]] = deque()
        self._telling = False
        self._worker = threading.Thread(target=self._serve, name="store-writer", daemon=True)
        self._worker.start()

    # On the loop

    def put(self, item: Write | Turn) -> None:
        """Hand over a transaction."""
        self._queue.put(item)

    async def close(self) -> None:
        """Finish what was handed over and let go of the connection."""
        self._queue.put(None)
        await asyncio.to_thread(self._worker.join)
        self._tell()

    def _tell(self) -> None:
        # Cleared before emptying: what is appended after the last popleft is announced again.
        self._telling = False
        while self._finished:
            done, results, error = self._finished.popleft()
            try:
                done(results, error)
            except Exception as fault:
                self._loop.call_exception_handler({"message": "a store callback failed", "exception": fault})

    # In the writer thread

    def _serve(self) -> None:
        with closing(self._connection):
            while (item := self._queue.get()) is not None:
                if isinstance(item, Turn):
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
        connection = self._connection
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
                    run_rows(connection, sql, rows)
                results.append(found)
            name = "commit"
            self.commit(connection)
        except Exception as error:
            roll_back(connection)
            raise explain(error, name) from None
        return results

    def commit(self, connection: sqlite3.Connection) -> None:
        """Commit, synced; in the writer thread."""
        if self._delay_s:
            time.sleep(self._delay_s)
        if not connection.in_transaction:
            raise Lost("the transaction was already rolled back")
        connection.execute("COMMIT")

    def _hold(self, turn: Turn) -> None:
        connection = self._connection
        try:
            self._begin()
        except Exception as error:
            self._call(settle, turn.begun, None, error)
            return
        self._call(settle, turn.begun, None, None)
        failed = False
        last = False
        while not last:
            name, work, answer, last = turn.commands.get()
            result: Any = None
            reason: StoreError | None = None
            try:
                # As on PostgreSQL, nothing goes on after a statement failed; so a fault that was
                # swallowed cannot leave half a transaction behind.
                if failed and work is not roll_back:
                    raise StoreError("a statement of this transaction failed: nothing of it is kept")
                result = work(connection)
            except Exception as fault:
                failed, reason = True, explain(fault, name)
            if last:
                roll_back(connection)
            self._call(settle, answer, result, reason)

    def _begin(self) -> None:
        deadline = time.monotonic() + RETRY_S
        while True:
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                return
            except sqlite3.Error as error:
                reason = explain(error, "begin")
                if not isinstance(reason, Busy) or time.monotonic() >= deadline:
                    raise reason from None

    def _call(self, function: Callable[..., None], *args: Any) -> None:
        try:
            self._loop.call_soon_threadsafe(function, *args)
        except RuntimeError:
            # The loop was closed before the store: nobody is left to be told.
            return


def settle(future: asyncio.Future[Any], result: Any, error: Exception | None) -> None:
    """Give a waiting caller its answer, if it still waits; on the loop."""
    if future.done():
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)
