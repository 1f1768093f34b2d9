"""From moments to int_ids (services/moments.py)."""

import asyncio
import random
from pathlib import Path
from typing import Any

import pytest
from tests.databases import BACKENDS, fresh_database

from heliograph.services.moments import SETTLED_MS, SLACK_MS, find_id
from heliograph.store.database import Database, Step

START = 1_790_000_000_000
AS_EVER = (1, 0, 0, 1, 0, 0, "", 1, "")  # lane, route, carrier, door, fingerprint, refunded, extra, tries, tried
both = pytest.mark.parametrize("backend", BACKENDS)


async def put(db: Database, *messages: tuple[int, int]) -> None:
    """Messages as (int_id, created_ms)."""
    rows = [
        (int_id, 1, str(int_id), "79161234567", "", 0, 0, "", "", "", 1, 0, "25001", 1, 0, *[at_ms] * 4, *AS_EVER)
        for int_id, at_ms in messages
    ]
    await db.transact([Step("messages.accept", rows)])


class Counting:
    """A database that counts what it is asked."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self.asked = 0

    async def one(self, *args: Any) -> Any:
        self.asked += 1
        return await self._db.one(*args)


@both
def test_first_message_of_a_moment_is_found_with_gaps_between(backend: str, tmp_path: Path) -> None:
    """Every history, statistic and export begins its reading there; deleted messages leave holes anywhere."""

    async def story() -> None:
        async with fresh_database(backend, tmp_path) as db:
            assert await find_id(db, START) == 1
            chance = random.Random(5)
            ids = sorted(chance.sample(range(1, 3000), 200))
            times = sorted(START + chance.randrange(90_000) for _ in ids)
            await put(db, *zip(ids, times, strict=True))
            for at_ms in (
                *chance.sample(times, 40),
                START - 1,
                times[-1],
                times[-1] + 1,
                START + 40_000,
                START + 70_001,
            ):
                wanted = next((i for i, t in zip(ids, times, strict=True) if t >= at_ms), ids[-1] + 1)
                assert await find_id(db, at_ms) == wanted

    asyncio.run(story())


@both
def test_disorder_within_the_slack_hides_no_message(backend: str, tmp_path: Path) -> None:
    """A large request's messages carry the time at which it came in, not that at which their ids were taken."""

    async def story() -> None:
        async with fresh_database(backend, tmp_path) as db:
            chance = random.Random(7)
            messages = [(i, START + i * 30_000 - chance.randrange(SLACK_MS)) for i in range(1, 400)]
            await put(db, *messages)
            for at_ms in range(START, START + 400 * 30_000, 777_777):
                found = await find_id(db, at_ms)
                assert all(created < at_ms + SLACK_MS for int_id, created in messages if int_id < found)
                assert all(created >= at_ms - SLACK_MS for int_id, created in messages if int_id >= found)

    asyncio.run(story())


def test_answers_about_the_past_are_remembered_and_others_are_not(tmp_path: Path) -> None:
    """A day's border is asked for at each page of a history; what is recent may still get messages."""

    async def story() -> None:
        async with fresh_database("sqlite", tmp_path) as db:
            await put(db, (1, START), (2, START + 10), (3, START + 2 * SETTLED_MS))
            counting: Any = Counting(db)
            assert await find_id(counting, START + 5) == 2
            asked = counting.asked
            assert await find_id(counting, START + 5) == 2
            assert counting.asked == asked
            recent = START + 2 * SETTLED_MS + 1
            assert await find_id(counting, recent) == 4
            await put(db, (4, recent))
            assert await find_id(counting, recent) == 4
            await put(db, (5, recent + 1))
            assert await find_id(counting, recent + 1) == 5

    asyncio.run(story())


def test_stores_do_not_share_their_answers(tmp_path: Path) -> None:
    """Two stores in one process, as in tests and moves from one to the other, hold different messages."""

    async def story() -> None:
        async with fresh_database("sqlite", tmp_path) as one, fresh_database("sqlite", tmp_path) as other:
            await put(one, (1, START), (2, START + 10), (3, START + 2 * SETTLED_MS))
            await put(other, (1, START), (7, START + 10), (9, START + 2 * SETTLED_MS))
            assert (await find_id(one, START + 5), await find_id(other, START + 5)) == (2, 7)

    asyncio.run(story())
