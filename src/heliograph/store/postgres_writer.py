"""The writer of a PostgreSQL store: one task, one connection, transactions in the order they were handed over.

It survives its connection: what was surely not committed is done again, what was being committed is looked up
(`postgres_session`), and what waited goes on waiting until the server is back or the patience is over. For a server of
texts a commit of unknown fate waits as long as it takes: done again it might be there twice, given back it might be
there all the same. What waits behind it is given back by `outage`.
"""

import asyncio
import secrets
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple

from heliograph.store import postgres_session
from heliograph.store.database import Busy, Done, Lost, Query, Row, StoreError
from heliograph.store.postgres_errors import explain
from heliograph.store.postgres_session import Connection
from heliograph.store.queries import Work, find

# How long an outage may last before writes are given back: longer than a restart of the server takes, shorter than a
# customer's program waits for its answer.
PATIENCE_S = 10.0
BACK_OFF_S = 0.05, 1.0  # first and longest pause between two tries to connect
RETRY_S = 1.0  # the same beyond the patience
TRIES = 8  # of one transaction; the pauses add up to 0.01 * (2**7 - 1) = 1.3 s


class Write(NamedTuple):
    """A transaction handed over, and whom to tell."""

    works: list[Work]
    done: Done


class _Command(NamedTuple):
    """One thing an open transaction asks of the writer; `last` ends the transaction."""

    name: str
    work: Callable[[Connection], Awaitable[Any]]
    answer: asyncio.Future[Any]
    last: bool = False


class Turn:
    """An interactive transaction: the writer obeys its commands from BEGIN until the last one."""

    def __init__(self, queries: Mapping[str, Query], begun: asyncio.Future[None]) -> None:
        self._queries = queries
        self.begun = begun
        self.commands: asyncio.Queue[_Command] = asyncio.Queue()
        self.over = False

    async def run(self, query: str | Query, *args: Any) -> int:
        """See `Transaction.run`."""
        found = find(self._queries, query)
        tag: str = await self.ask(found.name, lambda connection: connection.execute(found.sql, *args))
        count = tag.rpartition(" ")[2]  # "UPDATE 3"
        return int(count) if count.isdigit() else 0

    async def one(self, query: str | Query, *args: Any) -> Row | None:
        """See `Transaction.one`."""
        found = find(self._queries, query)
        row = await self.ask(found.name, lambda connection: connection.fetchrow(found.sql, *args))
        return None if row is None else tuple(row)

    async def all(self, query: str | Query, *args: Any) -> list[Row]:
        """See `Transaction.all`."""
        found = find(self._queries, query)
        rows = await self.ask(found.name, lambda connection: connection.fetch(found.sql, *args))
        return [tuple(row) for row in rows]

    async def script(self, sql: str) -> None:
        """See `Transaction.script`."""
        await self.ask("script", lambda connection: connection.execute(sql))

    async def ask(self, name: str, work: Callable[[Connection], Awaitable[Any]], *, last: bool = False) -> Any:
        """Have the writer do `work` and wait for what it gives."""
        if self.over:
            raise StoreError("the transaction is over")
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.over = last
        self.commands.put_nowait(_Command(name, work, answer, last))
        return await answer

    def abandon(self) -> None:
        """Have it rolled back without waiting for that."""
        if not self.over:
            self.over = True
            answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
            self.commands.put_nowait(_Command("rollback", _roll_back, answer, last=True))


class Writer:
    """The task and its connection. `slot` names this writer's commit mark.

    `outage(reason)` is called every two seconds at most while the server is away beyond the patience (seconds) and a
    commit of unknown fate keeps its place.
    """

    def __init__(self, dsn: str, connection: Connection, patience_s: float = PATIENCE_S) -> None:
        self._dsn = dsn
        self._patience_s = patience_s
        self._retry_at = 0.0
        self.outage: Callable[[StoreError], None] | None = None
        self._connection: Connection | None = connection
        self._loop = asyncio.get_running_loop()
        self._queue: deque[Write | Turn] = deque()
        self._filled = asyncio.Event()
        self._closing = False
        self._down_since: float | None = None
        self._slot = secrets.randbits(62)
        self.serving = False
        self._task = self._loop.create_task(self._serve(), name="store-writer")

    def put(self, item: Write | Turn) -> None:
        """Hand over a transaction."""
        self._queue.append(item)
        self._filled.set()

    async def close(self) -> None:
        """Finish what was handed over and let go of the connection."""
        self._closing = True
        self._filled.set()
        await self._task
        connection = self._connection
        if connection is None or connection.is_closed():
            return
        try:
            await postgres_session.forget(connection, self._slot)
            await connection.close(timeout=5.0)
        except Exception:
            # The mark left behind is removed by another writer in a week.
            connection.terminate()

    async def commit(self, connection: Connection) -> None:
        """Commit, and find out what happened when the connection dies meanwhile; Lost when it was not kept."""
        token = secrets.randbits(62)
        try:
            await postgres_session.commit(connection, self._slot, token)
        except Exception as error:
            reason = explain(error, "commit")
            if not isinstance(reason, Lost) and not connection.is_closed():
                raise reason from None
            self._drop(connection)
            if not await self._was_kept(token):
                raise Lost("the connection was lost and nothing of the transaction was kept") from None

    async def _claim(self) -> None:
        """The first connection holds the slot as every later one does."""
        connection = self._connection
        if connection is not None:
            try:
                await postgres_session.take_slot(connection, self._slot)
            except Exception:
                self._drop(connection)

    async def _serve(self) -> None:
        await self._claim()
        while True:
            while not self._queue:
                if self._closing:
                    return
                self._filled.clear()
                await self._filled.wait()
            item = self._queue.popleft()
            if isinstance(item, Turn):
                await self._hold(item)
                continue
            try:
                results = await self._execute(item.works)
            except Exception as error:
                self._loop.call_soon(self._tell, item.done, None, explain(error, "write"))
            else:
                # Told from the loop, not from here, so that the next transaction is on its way first.
                self._loop.call_soon(self._tell, item.done, results, None)

    def _tell(self, done: Done, results: list[list[Row]] | None, error: Exception | None) -> None:
        try:
            done(results, error)
        except Exception as fault:
            self._loop.call_exception_handler({"message": "a store callback failed", "exception": fault})

    async def _execute(self, works: list[Work]) -> list[list[Row]]:
        for tried in range(TRIES):
            try:
                return await self._attempt(works)
            except (Busy, Lost) as error:
                if tried == TRIES - 1 or self._given_up() or (isinstance(error, Lost) and error.unknown):
                    raise
                await asyncio.sleep(0.01 * 2**tried)
        raise AssertionError("the last try returns or raises")

    async def _attempt(self, works: list[Work]) -> list[list[Row]]:
        connection = await self._connected()
        name = "begin"
        results: list[list[Row]] = []
        try:
            await connection.execute("BEGIN")
            for work in works:
                name, sql, rows, fetch = work
                found: list[Row] = []
                if fetch:
                    found = [tuple(row) for row in await connection.fetchmany(sql, rows)]
                elif rows:
                    await connection.executemany(sql, rows)
                results.append(found)
            await self.commit(connection)
        except Exception as error:
            reason = explain(error, name)
            await self._recover(connection, reason)
            raise reason from None
        return results

    async def _recover(self, connection: Connection, reason: StoreError) -> None:
        if isinstance(reason, Lost) or connection.is_closed():
            self._drop(connection)
            return
        try:
            await _roll_back(connection)
        except Exception:
            self._drop(connection)

    async def _hold(self, turn: Turn) -> None:
        try:
            connection = await self._begin()
        except Exception as error:
            settle(turn.begun, None, explain(error, "begin"))
            return
        settle(turn.begun, None, None)
        failed = False
        last = False
        while not last:
            name, work, answer, last = await turn.commands.get()
            result: Any = None
            reason: StoreError | None = None
            try:
                if failed and work is not _roll_back:
                    raise StoreError("a statement of this transaction failed: nothing of it is kept")
                result = await work(connection)
            except Exception as fault:
                failed, reason = True, explain(fault, name)
                if last or isinstance(reason, Lost):
                    await self._recover(connection, reason)
            settle(answer, result, reason)

    async def _begin(self) -> Connection:
        for _ in range(TRIES):
            connection = await self._connected()
            try:
                await connection.execute("BEGIN")
            except Exception as error:
                reason = explain(error, "begin")
                await self._recover(connection, reason)
                if not isinstance(reason, Lost):
                    raise reason from None
            else:
                return connection
        raise Lost("the connection to the database is lost again and again")

    async def _was_kept(self, token: int) -> bool:
        while True:
            try:
                connection = await self._connected()
                return await postgres_session.was_kept(connection, self._slot, token)
            except Exception as error:
                reason = explain(error, "commit")
                if self._given_up():
                    if self._closing or not self.serving:
                        raise Lost(
                            "the connection was lost during a commit; unknown if it was kept", unknown=True
                        ) from None
                    if self.outage is not None:
                        self.outage(reason)
                if self._connection is not None:
                    await self._recover(self._connection, reason)
            await asyncio.sleep(max(BACK_OFF_S[0], self._retry_at - time.monotonic()))

    # The connection

    async def _connected(self) -> Connection:
        connection = self._connection
        if connection is not None and not connection.is_closed():
            return connection
        if self._down_since is None:
            self._down_since = time.monotonic()
        elif self._given_up() and time.monotonic() < self._retry_at:
            raise self._away()
        pause = BACK_OFF_S[0]
        while True:
            try:
                self._connection = connection = await self._connect()
            except Exception as error:
                reason = explain(error, "connect")
                if self._given_up():
                    # Everybody who asks meanwhile is answered at once, without a look.
                    self._retry_at = time.monotonic() + RETRY_S
                    raise self._away(reason) from None
            else:
                self._down_since = None
                return connection
            await asyncio.sleep(pause)
            pause = min(2 * pause, BACK_OFF_S[1])

    async def _connect(self) -> Connection:
        connection = await postgres_session.connect_writer(self._dsn)
        try:
            # The session of the lost connection may still be about to commit: its fate is asked for after its end only.
            await postgres_session.take_slot(connection, self._slot)
            if self.serving and not await postgres_session.take_lock(connection):
                raise StoreError("another Heliograph serves this database")
        except BaseException:
            connection.terminate()
            raise
        return connection

    def _drop(self, connection: Connection) -> None:
        connection.terminate()
        if self._connection is connection:
            self._connection = None

    def _given_up(self) -> bool:
        return self._down_since is not None and time.monotonic() - self._down_since >= self._patience_s

    def _away(self, reason: StoreError | None = None) -> Lost:
        return Lost(
            f"the database has been away for more than {self._patience_s:g} s" + (f": {reason}" if reason else "")
        )


def settle(future: asyncio.Future[Any], result: Any, error: Exception | None) -> None:
    """Give a waiting caller its answer, if it still waits."""
    if future.done():
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)


async def _roll_back(connection: Connection) -> None:
    if connection.is_in_transaction():
        await connection.execute("ROLLBACK")
