"""Copies of a SQLite store while it works."""

import asyncio
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from tests.databases import fresh_database

from heliograph.store.database import Step, StoreError
from heliograph.store.opening import open_database
from heliograph.store.sqlite import SqliteDatabase

BODY = "x" * 2000


def pair(number: int) -> list[Step]:
    """Two rows in two steps: a copy that holds one of them holds half a transaction."""
    return [Step("texts.add", [(2 * number, BODY)]), Step("texts.add", [(2 * number + 1, BODY)])]


def test_backup_under_writes_is_whole_and_opens(tmp_path: Any, scratch: Any) -> None:
    """A copy taken at noon must hold every transaction entirely or not at all, and end although writes do not."""

    async def story() -> None:
        async with fresh_database("sqlite", tmp_path, **scratch._asdict()) as database:
            assert isinstance(database, SqliteDatabase)
            for number in range(0, 2000, 500):
                await database.transact([step for n in range(number, number + 500) for step in pair(n)])
            going = True
            written = 2000

            async def keep_writing() -> None:
                nonlocal written
                while going:
                    await database.transact(pair(written))
                    written += 1

            task = asyncio.ensure_future(keep_writing())
            seen: list[tuple[int, int]] = []
            target = tmp_path / "copy.db"
            target.write_text("an older copy")
            await database.backup(target, lambda done, total: seen.append((done, total)))
            going = False
            await task
            assert written > 2000
            assert seen and seen[-1][0] == seen[-1][1] and seen == sorted(seen)
            assert not list(tmp_path.glob("*.partial*"))

        copy = await open_database(str(target), queries=scratch.queries)
        rows = await copy.all("texts.all")
        assert len(rows) >= 4000 and len(rows) % 2 == 0
        assert [row[0] for row in rows] == list(range(len(rows)))
        await copy.transact(pair(400_000))
        await copy.close()

    asyncio.run(story())


def test_backup_is_one_plain_file(tmp_path: Any, scratch: Any) -> None:
    """It is moved to other machines by itself, without a log beside it, and holds texts: for its owner only."""

    async def story() -> None:
        async with fresh_database("sqlite", tmp_path, **scratch._asdict()) as database:
            assert isinstance(database, SqliteDatabase)
            await database.transact(pair(1))
            await database.backup(tmp_path / "copy.db", lambda _done, _total: None)

    asyncio.run(story())
    assert [path.name for path in tmp_path.glob("copy*")] == ["copy.db"]
    assert (tmp_path / "copy.db").stat().st_mode & 0o077 == 0
    connection = sqlite3.connect(tmp_path / "copy.db")
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()


def test_failed_backup_leaves_the_last_one(tmp_path: Path, scratch: Any) -> None:
    """A full or missing disk must not cost the copy that is there."""

    async def story() -> None:
        async with fresh_database("sqlite", tmp_path, **scratch._asdict()) as database:
            assert isinstance(database, SqliteDatabase)
            with pytest.raises(StoreError, match="backup to"):
                await database.backup(tmp_path / "nowhere" / "copy.db", lambda _done, _total: None)
            with pytest.raises(StoreError, match="backup to"):
                await database.backup(scratch.queries, lambda _done, _total: None)
            assert scratch.queries.is_dir()

    asyncio.run(story())
    assert not list(tmp_path.glob("*.partial*"))


def test_cancelled_backup_leaves_the_last_one(tmp_path: Path, scratch: Any) -> None:
    """An operator who stops a long copy keeps yesterday's, and the disk is cleared."""

    async def story() -> None:
        async with fresh_database("sqlite", tmp_path, **scratch._asdict()) as database:
            assert isinstance(database, SqliteDatabase)
            await database.transact([step for n in range(2000) for step in pair(n)])
            (tmp_path / "copy.db").write_text("yesterday")
            begun = asyncio.Event()
            task = asyncio.ensure_future(database.backup(tmp_path / "copy.db", lambda _done, _total: begun.set()))
            await begun.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(story())
    assert not list(tmp_path.glob("*.partial*"))
