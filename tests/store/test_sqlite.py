"""What only a SQLite store can meet: a full disk, foreign locks, files that are none."""

import asyncio
import sqlite3
import threading
from pathlib import Path
from typing import Any

import pytest
from tests.databases import fresh_database, fresh_url

from heliograph.store.database import Full, Query, Step, StoreError
from heliograph.store.opening import open_database


def test_full_disk_is_told_and_got_over(tmp_path: Any, scratch: Any) -> None:
    """Doors answer 'try later' while the disk is full, and work again without a restart."""

    async def story() -> None:
        async with fresh_database("sqlite", tmp_path, **scratch._asdict()) as database:
            async with database.transaction() as transaction:
                pages = await transaction.one(Query("pages", "PRAGMA page_count", 0))
                await transaction.one(Query("limit", f"PRAGMA max_page_count = {pages[0] + 2 if pages else 0}", 0))
            many = Step("texts.add", [(n, "x" * 1000) for n in range(100)])
            with pytest.raises(Full, match="make room"):
                await database.transact([Step("texts.add", [(500, "small")]), many])
            assert await database.all("texts.all") == []
            with pytest.raises(Full):
                async with database.transaction() as transaction:
                    for row in many.rows:
                        await transaction.run("texts.add", *row)
            await database.transact([Step("texts.add", [(500, "small")])])
            async with database.transaction() as transaction:
                await transaction.one(Query("limit", "PRAGMA max_page_count = 100000", 0))
            await database.transact([many])
            assert len(await database.all("texts.all")) == 101

    asyncio.run(story())


def test_write_waits_for_another_process(tmp_path: Any, scratch: Any) -> None:
    """A command line that holds the file for a moment must not fail a text that is being accepted."""

    async def story() -> None:
        url = await fresh_url("sqlite", tmp_path, migrations=scratch.migrations)
        database = await open_database(url, queries=scratch.queries)
        other = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None, check_same_thread=False)
        other.execute("BEGIN IMMEDIATE")
        timer = threading.Timer(0.1, lambda: other.execute("COMMIT"))
        timer.start()
        await database.transact([Step("texts.add", [(1, "x")])])
        assert await database.one("texts.sum") == (1, 1, 1)
        timer.join()
        other.close()
        await database.close()

    asyncio.run(story())


def test_commits_are_synced_and_logged(tmp_path: Any, scratch: Any) -> None:
    """`synchronous=FULL` in WAL mode is the promise to every client that got an id."""

    async def story() -> None:
        async with fresh_database("sqlite", tmp_path, **scratch._asdict()) as database:
            async with database.transaction() as transaction:
                assert await transaction.one(Query("mode", "PRAGMA journal_mode", 0)) == ("wal",)
                assert await transaction.one(Query("sync", "PRAGMA synchronous", 0)) == (2,)
            with pytest.raises(StoreError, match="readonly"):
                await database.one("texts.add", 1, "x")

    asyncio.run(story())


def test_new_store_is_for_its_owner_only(tmp_path: Path) -> None:
    """It holds texts, phone numbers and hashes of passwords; its folder is made with it."""

    async def story() -> None:
        database = await open_database(f"sqlite:///{tmp_path}/new/store.db", queries=None)
        async with database.transaction() as transaction:
            await transaction.script("CREATE TABLE one (a BIGINT)")
        assert all(path.stat().st_mode & 0o077 == 0 for path in (tmp_path / "new").iterdir())
        await database.close()

    asyncio.run(story())


def test_transactions_finished_together_are_told_together(tmp_path: Any, scratch: Any) -> None:
    """A loop that is at other work is woken once, not once per transaction."""

    async def story() -> None:
        async with fresh_database("sqlite", tmp_path, **scratch._asdict()) as database:
            told: list[int] = []
            for number in range(5):
                database.write([Step("texts.add", [(number, "x")])], lambda _results, _error, n=number: told.append(n))
            blocked = threading.Event()
            blocked.wait(0.1)  # the loop itself is held, the writer is not
            assert told == []
            await asyncio.sleep(0)
            assert told == [0, 1, 2, 3, 4]

    asyncio.run(story())


@pytest.mark.parametrize("made", ["text", "folder"])
def test_file_that_is_no_store_is_told(made: str, tmp_path: Path) -> None:
    """A wrong path in the configuration ends in a sentence, not a trace."""
    path = tmp_path / "store.db"
    if made == "text":
        path.write_text("not a database, " * 100)
    else:
        path.mkdir()
    with pytest.raises(StoreError, match="cannot open the store"):
        asyncio.run(open_database(str(path), queries=None))
