"""What only a PostgreSQL store can meet: connections that die, servers that do not keep what they commit."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit, urlunsplit

import asyncpg
import pytest
from tests.databases import fresh_database, fresh_url, start_postgres

from heliograph.store import postgres
from heliograph.store.database import Broken, Database, Lost, Query, Step, StoreError
from heliograph.store.opening import open_database

KILL = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'heliograph' AND datname = $1"


class Wire:
    """A relay between the store and its server that can cut the line at a COMMIT, before or after the server has it."""

    def __init__(self, url: str) -> None:
        self._parts = urlsplit(url)
        self.url = ""
        self.cut = ""  # "before" or "after" the server gets the next COMMIT; "late": after the line is dead
        self.cuts = 0
        self.away = False  # from the next cut on nobody is let in until this is unset
        self.lets_in = True
        self._tasks: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def opened(self) -> AsyncIterator["Wire"]:
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        user, _, _ = self._parts.netloc.rpartition("@")
        port = server.sockets[0].getsockname()[1]
        self.url = urlunsplit(self._parts._replace(netloc=f"{user}@127.0.0.1:{port}", query="sslmode=disable"))
        try:
            yield self
        finally:
            server.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self.lets_in:
            writer.transport.abort()
            return
        host = parse_qs(self._parts.query).get("host", [self._parts.hostname or "localhost"])[0]
        port = self._parts.port or 5432
        if host.startswith("/"):
            upstream = await asyncio.open_unix_connection(f"{host}/.s.PGSQL.{port}")
        else:
            upstream = await asyncio.open_connection(host, port)
        for work in (self._forward(reader, upstream[1], writer), self._back(upstream[0], writer)):
            task = asyncio.ensure_future(work)
            self._tasks.add(task)

    async def _forward(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, client: asyncio.StreamWriter
    ) -> None:
        try:
            while data := await source.read(65536):
                if self.cut and b"; COMMIT\x00" in data:
                    late = self.cut == "late"
                    if self.cut == "after":
                        sink.write(data)
                        await sink.drain()
                    self.cut = ""
                    self.cuts += 1
                    self.lets_in = not self.away
                    client.transport.abort()
                    if late:
                        await asyncio.sleep(0.15)  # the client is back long before
                        sink.write(data)
                        await sink.drain()
                    break
                sink.write(data)
        except ConnectionError:
            return
        finally:
            sink.close()

    async def _back(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(65536):
                if not sink.transport.is_closing():
                    sink.write(data)
        except ConnectionError:
            return
        finally:
            sink.close()


async def ids(database: Database) -> list[int]:
    return [row[0] for row in await database.all("texts.all")]


def test_writes_outlive_killed_connections_and_are_kept_once(tmp_path: Any, scratch: Any) -> None:
    """A restart or a failover of the server must neither lose an accepted text nor send it twice."""

    async def story() -> None:
        url = await fresh_url("postgres", tmp_path, migrations=scratch.migrations)
        database = await open_database(url, queries=scratch.queries)
        await database.lock_for_serving()
        side = await asyncpg.connect(url)
        writes = [asyncio.ensure_future(database.transact([Step("texts.add", [(n, "x")])])) for n in range(300)]
        killed = 0
        while killed < 6:
            await asyncio.sleep(0.01)
            killed += await side.fetchval(KILL, urlsplit(url).path[1:])
        # A row kept by a try that was believed lost would make its second try fail as a repeat.
        await asyncio.gather(*writes)
        assert await ids(database) == list(range(300))
        second = await open_database(url, queries=scratch.queries)
        with pytest.raises(StoreError, match="another Heliograph"):
            await second.lock_for_serving()
        await second.close()
        await database.close()
        await side.close()

    asyncio.run(story())


@pytest.mark.parametrize("cut", ["before", "after", "late"])
def test_commit_of_unknown_fate_is_looked_up(cut: str, tmp_path: Any, scratch: Any) -> None:
    """When the line dies during COMMIT the store asks whether it was kept, instead of guessing."""

    async def story() -> None:
        url = await fresh_url("postgres", tmp_path, migrations=scratch.migrations)
        async with Wire(url).opened() as wire:
            database = await open_database(wire.url, queries=scratch.queries)
            await database.transact([Step("texts.add", [(1, "one")])])
            wire.cut = cut
            steps = [Step("texts.add", [(2, "two")]), Step("texts.change", [("kept", 2)], fetch=True)]
            assert await database.transact(steps) == [[], [(2, "kept")]]
            assert wire.cuts == 1
            assert await database.all("texts.all") == [(1, "one"), (2, "kept")]
            await database.close()

    asyncio.run(story())


@pytest.mark.parametrize("cut", ["before", "after"])
def test_commit_of_unknown_fate_outlasts_the_patience_of_a_server(cut: str, tmp_path: Any, scratch: Any) -> None:
    """Given back it might be done twice, or be there although its customer was refused; what is behind it is told."""

    async def story() -> None:
        url = await fresh_url("postgres", tmp_path, migrations=scratch.migrations)
        async with Wire(url).opened() as wire:
            database = await open_database(wire.url, queries=scratch.queries, patience_s=0.05)
            told: asyncio.Queue[StoreError] = asyncio.Queue()
            database.watch_outage(told.put_nowait)
            await database.lock_for_serving()
            wire.cut, wire.away = cut, True
            write = asyncio.ensure_future(database.transact([Step("texts.add", [(1, "x")])]))
            assert isinstance(await asyncio.wait_for(told.get(), 5), Lost)
            assert not write.done()
            wire.lets_in = True
            await write
            await database.transact([Step("texts.add", [(2, "x")])])
            assert await ids(database) == [1, 2]
            await database.close()

    asyncio.run(story())


def test_store_closed_during_an_outage_tells_that_nobody_knows(tmp_path: Any, scratch: Any) -> None:
    """The program must be able to end while its database is away."""

    async def story() -> None:
        url = await fresh_url("postgres", tmp_path, migrations=scratch.migrations)
        async with Wire(url).opened() as wire:
            database = await open_database(wire.url, queries=scratch.queries, patience_s=0.05)
            await database.lock_for_serving()
            wire.cut, wire.away = "after", True
            write = asyncio.ensure_future(database.transact([Step("texts.add", [(1, "x")])]))
            while not wire.cuts:
                await asyncio.sleep(0.01)
            await database.close()
            with pytest.raises(Lost) as caught:
                await write
            assert caught.value.unknown

    asyncio.run(story())


def test_interactive_commit_of_unknown_fate_is_looked_up(tmp_path: Any, scratch: Any) -> None:
    """What an account page did cannot be repeated for it: it is told the truth."""

    async def story() -> None:
        url = await fresh_url("postgres", tmp_path, migrations=scratch.migrations)
        async with Wire(url).opened() as wire:
            database = await open_database(wire.url, queries=scratch.queries)
            async with database.transaction() as transaction:
                await transaction.run("texts.add", 1, "x")
                wire.cut = "after"
            with pytest.raises(Lost) as caught:
                async with database.transaction() as transaction:
                    await transaction.run("texts.add", 2, "x")
                    wire.cut = "before"
            assert not caught.value.unknown
            assert wire.cuts == 2
            assert await ids(database) == [1]
            await database.close()

    asyncio.run(story())


def test_transaction_is_told_that_its_connection_died(tmp_path: Any, scratch: Any) -> None:
    """And the next one works."""

    async def story() -> None:
        url = await fresh_url("postgres", tmp_path, migrations=scratch.migrations)
        database = await open_database(url, queries=scratch.queries)
        side = await asyncpg.connect(url)
        with pytest.raises(Lost):
            async with database.transaction() as transaction:
                await transaction.run("texts.add", 1, "x")
                await side.fetchval(KILL, urlsplit(url).path[1:])
                await transaction.run("texts.add", 2, "x")
        await database.transact([Step("texts.add", [(3, "x")])])
        assert await ids(database) == [3]
        await side.close()
        await database.close()

    asyncio.run(story())


def test_long_outage_gives_writes_back(tmp_path: Any, scratch: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Callers must be able to answer 'try later' while the server is away, and go on when it is back."""

    async def story() -> None:
        monkeypatch.setattr(postgres, "READ_TRIES", 2)
        url = await fresh_url("postgres", tmp_path, migrations=scratch.migrations)
        wire = Wire(url)
        async with wire.opened():
            database = await open_database(wire.url, queries=scratch.queries, patience_s=0.1)
            wire.cut = "before"
            await database.transact([Step("texts.add", [(1, "x")])])
        with pytest.raises(Lost, match="has been away"):
            await database.transact([Step("texts.add", [(2, "x")])])
        with pytest.raises(Lost, match="connection"):
            await database.one("texts.sum")
        await database.close()

    asyncio.run(story())


def test_deferred_constraint_fails_at_commit(tmp_path: Any, scratch: Any) -> None:
    """A COMMIT may be answered by a fault; then nothing is kept and the connection stays good."""

    async def story() -> None:
        async with fresh_database("postgres", tmp_path, **scratch._asdict()) as database:
            async with database.transaction() as transaction:
                await transaction.script(
                    "ALTER TABLE texts ADD CONSTRAINT late UNIQUE (body) DEFERRABLE INITIALLY DEFERRED"
                )
            with pytest.raises(Broken) as caught:
                await database.transact([Step("texts.add", [(1, "same"), (2, "same")])])
            assert (caught.value.kind, caught.value.which) == ("unique", "texts.body")
            await database.transact([Step("texts.add", [(3, "same")])])
            assert await ids(database) == [3]

    asyncio.run(story())


def test_deadlock_and_held_rows_are_tried_again(tmp_path: Any, scratch: Any) -> None:
    """A command line that locks the same rows in another order must not fail the hot path."""

    async def story() -> None:
        url = await fresh_url("postgres", tmp_path, migrations=scratch.migrations)
        database = await open_database(url, queries=scratch.queries)
        await database.transact([Step("texts.add", [(1, "a"), (2, "b")])])
        side = await asyncpg.connect(url, server_settings={"deadlock_timeout": "5s"})
        await side.execute("BEGIN; UPDATE texts SET body = 'side' WHERE id = 2")
        # The store's session notices the deadlock first and is the one to be rolled back.
        async with database.transaction() as transaction:
            await transaction.script("SET deadlock_timeout = '20ms'")
        write = asyncio.ensure_future(
            database.transact([Step("texts.change", [("hot", 1)]), Step("texts.change", [("hot", 2)])])
        )
        await asyncio.sleep(0.01)
        await side.execute("UPDATE texts SET body = 'side' WHERE id = 1")
        await side.execute("COMMIT")
        await write
        assert await database.all("texts.all") == [(1, "hot"), (2, "hot")]
        await side.close()
        await database.close()

    asyncio.run(story())


def test_marks_of_commits_do_not_pile_up(tmp_path: Any, scratch: Any) -> None:
    """One small row per program that writes, removed when it ends."""

    async def story() -> None:
        url = await fresh_url("postgres", tmp_path, migrations=scratch.migrations)
        database = await open_database(url, queries=scratch.queries)
        for number in range(3):
            await database.transact([Step("texts.add", [(number, "x")])])
        marks = Query("marks", "SELECT count(*) FROM commit_marks", 0)
        assert await database.one(marks) == (1,)
        await database.close()
        again = await open_database(url, queries=scratch.queries)
        assert await again.one(marks) == (0,)
        await again.close()

    asyncio.run(story())


def test_text_with_nul_is_unfit(tmp_path: Any, scratch: Any) -> None:
    """PostgreSQL cannot hold it; the message does not show the text."""

    async def story() -> None:
        async with fresh_database("postgres", tmp_path, **scratch._asdict()) as database:
            with pytest.raises(StoreError, match="does not fit") as caught:
                await database.transact([Step("texts.add", [(1, "secret\x00")])])
            assert "secret" not in str(caught.value)

    asyncio.run(story())


def test_server_that_does_not_keep_commits_is_refused() -> None:
    """With fsync off a power cut loses texts that were accepted; the operator is told what to change."""
    server = start_postgres("fsync = off")
    try:
        with pytest.raises(StoreError, match=re.escape("fsync = off; set fsync = on in postgresql.conf")):
            asyncio.run(open_database(server.get_uri(), queries=None))
    finally:
        server.cleanup()


@pytest.mark.parametrize(
    ("setting", "remedy"),
    [
        ("full_page_writes = off", "set full_page_writes = on in postgresql.conf"),
        ("synchronous_commit = off", ""),
    ],
)
def test_settings_of_a_server_are_checked_or_overruled(setting: str, remedy: str) -> None:
    """Torn pages lose texts as well; a lazy commit is a setting of the session, so ours is set by us."""
    server = start_postgres(setting)
    try:
        if remedy:
            with pytest.raises(StoreError, match=re.escape(remedy)):
                asyncio.run(open_database(server.get_uri(), queries=None))
        else:
            assert asyncio.run(_ask(server.get_uri(), "SHOW synchronous_commit")) == ("on",)
    finally:
        server.cleanup()


def test_database_that_forces_lazy_commits_on_its_sessions_is_overruled(tmp_path: Any) -> None:
    """ALTER DATABASE and ALTER ROLE stand below what a session asks for when it starts."""

    async def story() -> None:
        url = await fresh_url("postgres", tmp_path)
        side = await asyncpg.connect(url)
        name = urlsplit(url).path[1:]
        await side.execute(f'ALTER DATABASE "{name}" SET synchronous_commit = off')
        await side.close()
        assert await _ask(url, "SHOW synchronous_commit") == ("on",)

    asyncio.run(story())


async def _ask(url: str, sql: str) -> Any:
    """What the session of the writer says."""
    database = await open_database(url, queries=None)
    try:
        async with database.transaction() as transaction:
            return await transaction.one(Query("ask", sql, 0))
    finally:
        await database.close()


def test_absent_server_is_told() -> None:
    """A wrong address in the configuration ends in a sentence without the password."""
    with pytest.raises(StoreError, match="cannot open the PostgreSQL store") as caught:
        asyncio.run(open_database("postgresql://user:hidden@127.0.0.1:1/none", queries=None))
    assert "hidden" not in str(caught.value)
