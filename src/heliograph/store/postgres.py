"""The store in PostgreSQL: one writer connection that commits in order, a small pool of readers (design section 9).

Reference: https://www.postgresql.org/docs/current/runtime-config-wal.html. Connections are long-lived and keep session
state, so a pooler in transaction mode cannot stand between.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from heliograph.store import postgres_session
from heliograph.store.database import Dialect, Done, Lost, Query, Row, Step, StoreError
from heliograph.store.postgres_errors import explain
from heliograph.store.postgres_session import Connection
from heliograph.store.postgres_writer import PATIENCE_S, Turn, Write, Writer, settle
from heliograph.store.queries import find, prepare

READERS = 4
SCANS = 2  # of the readers, so that exports never take the last one
READ_TRIES = 6  # after a lost connection; the pauses add up to 0.05 * (2**5 - 1) = 1.6 s


class PostgresDatabase:
    """`Database` on a server. `open` makes one."""

    dialect: Dialect = "postgres"

    def __init__(self, queries: Mapping[str, Query], writer: Writer, pool: "asyncpg.Pool[Any]") -> None:
        self._queries = queries
        self._writer = writer
        self._pool = pool
        self._loop = asyncio.get_running_loop()
        self._scans = asyncio.Semaphore(SCANS)
        self._turns: set[Turn] = set()
        self._closed = False

    @classmethod
    async def open(
        cls, dsn: str, queries: Mapping[str, Query], *, patience_s: float = PATIENCE_S
    ) -> "PostgresDatabase":
        """Connect; StoreError when the server is away, refuses, or does not keep what it commits."""
        try:
            writer = await postgres_session.connect_writer(dsn)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, ValueError) as error:
            raise StoreError(f"cannot open the PostgreSQL store: {_say(error)}") from None
        try:
            pool = await asyncpg.create_pool(
                dsn,
                min_size=1,
                max_size=READERS,
                init=postgres_session.set_codecs,
                reset=_keep,
                **postgres_session.settings(writer=False),
            )
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            writer.terminate()
            raise StoreError(f"cannot open the PostgreSQL store: {_say(error)}") from None
        return cls(queries, Writer(dsn, writer, patience_s), pool)

    async def one(self, query: str | Query, *args: Any) -> Row | None:
        """See `Database.one`."""
        found = self._find(query)
        row = await self._read(found, lambda connection: connection.fetchrow(found.sql, *args))
        return None if row is None else tuple(row)

    async def all(self, query: str | Query, *args: Any) -> list[Row]:
        """See `Database.all`."""
        found = self._find(query)
        rows = await self._read(found, lambda connection: connection.fetch(found.sql, *args))
        return [tuple(row) for row in rows]

    async def pages(self, query: str | Query, *args: Any, size: int = 1000) -> AsyncGenerator[list[Row], None]:
        """See `Database.pages`."""
        found = self._find(query)
        async with self._scans:
            # Rows already given out cannot be taken back, so a scan that loses its connection fails.
            try:
                async with self._pool.acquire() as connection, connection.transaction(readonly=True):
                    cursor = await connection.cursor(found.sql, *args)
                    while rows := await cursor.fetch(size):
                        yield [tuple(row) for row in rows]
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                raise explain(error, found.name) from None

    async def _read(self, query: Query, reading: Callable[[Any], Awaitable[Any]]) -> Any:
        for tried in range(READ_TRIES):
            try:
                async with self._pool.acquire() as connection:
                    return await reading(connection)
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
                reason = explain(error, query.name)
                if not isinstance(reason, Lost) or tried == READ_TRIES - 1:
                    raise reason from None
            await asyncio.sleep(0.05 * 2**tried)
        raise AssertionError("the last try returns or raises")

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
        """See `Database.watch_outage`."""
        self._writer.outage = outage

    async def lock_for_serving(self) -> None:
        """Claim the database for this server with an advisory lock; StoreError when another server has it."""
        if self._writer.serving:
            return
        async with self.transaction() as turn:
            if not await turn.ask("lock", postgres_session.take_lock):
                raise StoreError("another Heliograph serves this database; stop it first, or use another database")
            self._writer.serving = True

    async def close(self) -> None:
        """See `Database.close`; open interactive transactions are rolled back."""
        if self._closed:
            return
        self._closed = True
        for turn in self._turns:
            turn.abandon()
        await self._writer.close()
        try:
            await asyncio.wait_for(self._pool.close(), 5.0)
        except TimeoutError:
            self._pool.terminate()

    def _find(self, query: str | Query) -> Query:
        self._check_open()
        return find(self._queries, query)

    def _check_open(self) -> None:
        if self._closed:
            raise StoreError("the store is closed")


async def _keep(_connection: Connection) -> None:
    """Readers change no session state, so nothing is reset between two queries: one round trip less each."""


def _say(error: Exception) -> str:
    # Connection faults name host, database and user, never the password.
    return str(error) or type(error).__name__
