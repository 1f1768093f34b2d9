"""Old messages leave the history, and nothing else does (services/retention.py)."""

import asyncio
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from bench.grown import fill_texts
from tests.databases import BACKENDS, fresh_url
from tests.house import HANDLER, NOW, PHONE, PRICE, House, Report, Store, open_house

from heliograph.core.messages import Message
from heliograph.services import accounts, ledgers, tariffs
from heliograph.services.retention import DAY_MS, PORTION, Retention
from heliograph.store.database import Query, Row, Step, StoreError
from heliograph.store.opening import open_database

both = pytest.mark.parametrize("backend", BACKENDS)
HANGING = ("parts", "events", "trails", "callbacks", "queue")


def keep(house: House, days: int = 0) -> Retention:
    """The loop's work, with an installation's default of so many days."""
    return Retention(house.desk, lambda: house.now, days)


async def ids(house: House) -> list[int]:
    """The messages that are left, by int_id."""
    return [row[0] for row in await house.db.all(Query("left", "SELECT int_id FROM messages ORDER BY int_id", 0))]


async def strays(db: Any) -> dict[str, int]:
    """How many rows hang on messages that are gone, by table."""
    where = "int_id > 0 AND NOT EXISTS (SELECT 1 FROM messages m WHERE m.int_id = t.int_id)"
    queries = [Query("strays", f"SELECT count(*) FROM {table} t WHERE {where}", 0) for table in HANGING]
    counts = {table: (await db.one(query))[0] for table, query in zip(HANGING, queries, strict=True)}
    return {table: count for table, count in counts.items() if count}


async def retired(house: House) -> int:
    row = await house.db.one(Query("retired", "SELECT retired FROM accounts WHERE id = 1", 0))
    assert row is not None
    return int(row[0])


async def over(house: House, ref: str) -> Message:
    """A text that went out and whose receipt came; its news is told."""
    message = await house.sent(ref, text=ref)
    assert await house.report(Report(ref))
    for callback in await house.callbacks.read_due(house.now, 0, 100):
        if callback.int_id != message.int_id:
            continue
        house.callbacks.record(callback, True, "200 in 1 ms", house.now)
    await house.desk.batch.settle()
    return message


def empty_memory(house: House) -> None:
    """As after a while of other messages."""
    for message in list(house.desk.messages.values()):
        house.desk.let_go(message)


@both
def test_only_what_is_old_and_over_goes(backend: str, tmp_path: Path) -> None:
    """A message that waits, is with a carrier or has news to tell must not vanish, however old it is."""

    async def story() -> None:
        async with open_house(backend, tmp_path, callback_url=HANDLER, keep_days="30") as house:
            told = await over(house, "a1")
            (waiting,) = await house.accepted(text="waits")
            at_carrier = await house.sent("a2", text="at the carrier")
            untold = await house.sent("a3", text="untold")
            assert await house.report(Report("a3"))
            (stopped,) = await house.accepted(text="stopped")
            deleted: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
            house.statuses.delete(house.account, stopped.id, PHONE, house.now, deleted.set_result)
            assert await deleted
            house.now = NOW + 10 * DAY_MS
            young, newest = await over(house, "a4"), await over(house, "a5")
            before = await house.balance()
            house.now = NOW + 30 * DAY_MS
            empty_memory(house)
            assert await keep(house).walk() == 0
            house.now += 1
            assert await keep(house).walk() == 2
            assert told.int_id not in await ids(house) and stopped.int_id not in await ids(house)
            rest = [waiting, at_carrier, untold, young, newest]
            assert await ids(house) == [message.int_id for message in rest]
            assert await strays(house.db) == {}
            assert await house.events(untold) and await retired(house) == PRICE
            assert await house.balance() == before

    asyncio.run(story())


@both
def test_trails_go_and_counters_stay(backend: str, tmp_path: Path) -> None:
    """Short links of a deleted message lead nowhere; statistics of the past must not change."""

    async def story() -> None:
        async with open_house(backend, tmp_path, keep_days="1") as house:
            messages = [await over(house, f"a{n}") for n in range(3)]
            for n, message in enumerate(messages):
                insert = Query("insert", f"INSERT INTO trails VALUES ({n}, 1, {message.int_id})", 0)
                await house.db.transact([Step(insert, [()])])
            counters = Query("counters", "SELECT * FROM statistics ORDER BY account_id, quarter, wallet", 0)
            before = await house.db.all(counters)
            house.now += 9 * DAY_MS
            empty_memory(house)
            assert await keep(house).walk() == 2
            assert await ids(house) == [messages[2].int_id]
            assert await house.db.all(Query("t", "SELECT id FROM trails", 0)) == [(2,)]
            assert await house.db.all(counters) == before

    asyncio.run(story())


def test_days_of_the_account_go_before_those_of_the_installation(tmp_path: Path) -> None:
    """An operator keeps all for 90 days, one customer for ever and another for 30."""

    async def story() -> None:
        async with open_house("sqlite", tmp_path) as house:
            retention = keep(house, 90)
            assert retention.days_of(house.account.id) == 90
            await house.set(keep_days="30")
            assert retention.days_of(house.account.id) == 30
            await house.set(keep_days="0")
            assert retention.days_of(house.account.id) == 0
            await over(house, "a1")
            await over(house, "a2")
            house.now += 1000 * DAY_MS
            assert await retention.walk() == 0

    asyncio.run(story())


def test_newest_message_stays_so_that_no_id_comes_again(tmp_path: Path) -> None:
    """Ids go on behind the last message of the store: deleted, its id would be given to another one after a restart."""

    async def story() -> None:
        async with open_house("sqlite", tmp_path, keep_days="1") as house:
            last = [await over(house, f"a{n}") for n in range(3)][-1]
            house.now += 10 * DAY_MS
            empty_memory(house)
            assert await keep(house).walk() == 2
            again = await house.restart()
            (message,) = await again.accepted()
            assert message.int_id > last.int_id

    asyncio.run(story())


def test_what_memory_holds_goes_a_walk_later(tmp_path: Path) -> None:
    """Whoever has taken a message from memory this moment may be about to change it."""

    async def story() -> None:
        async with open_house("sqlite", tmp_path, keep_days="1") as house:
            first, moving = await over(house, "a1"), await over(house, "a2")
            await over(house, "a3")
            house.now += 10 * DAY_MS
            moving.pending += 1
            retention = keep(house)
            assert await retention.walk() == 0
            assert await retention.walk() == 1
            assert first.int_id not in await ids(house)
            moving.pending -= 1
            assert [await retention.walk(), await retention.walk()] == [0, 1]

    asyncio.run(story())


@both
def test_receipt_for_a_deleted_message_is_kept_as_any_that_fits_none(backend: str, tmp_path: Path) -> None:
    """It is acknowledged and searchable, and makes no rows for a message that is not there."""

    async def story() -> None:
        async with open_house(backend, tmp_path, callback_url=HANDLER, keep_days="1") as house:
            gone = await over(house, "a1")
            await over(house, "a2")
            house.now += 10 * DAY_MS
            empty_memory(house)
            assert await keep(house).walk() == 1
            assert await house.report(Report("a1", 2))
            assert house.receipts.kept == 1
            assert await house.events(gone) == [] and await strays(house.db) == {}

    asyncio.run(story())


@both
@pytest.mark.parametrize("yields", [0, 1, 2, 3, 5, 8])
def test_receipt_that_comes_during_the_deletion_breaks_nothing(backend: str, yields: int, tmp_path: Path) -> None:
    """Either the receipt finds the message and it stays with its news, or the message goes and the receipt fits none."""

    async def story() -> None:
        async with open_house(backend, tmp_path, callback_url=HANDLER, keep_days="1") as house:
            message = await over(house, "a1")
            await over(house, "a2")
            house.now += 10 * DAY_MS
            empty_memory(house)
            walking = asyncio.create_task(keep(house).walk())
            for _ in range(yields):
                await asyncio.sleep(0.0005)
            assert await house.report(Report("a1", 2))
            await walking
            await house.desk.batch.settle()
            if message.int_id in await ids(house):
                assert (await house.row(message)).status == 2
            else:
                assert house.receipts.kept == 1
            assert await strays(house.db) == {}
            await house.balance()

    asyncio.run(story())


@both
def test_texts_are_accepted_meanwhile(backend: str, tmp_path: Path) -> None:
    """Deleting and sending share the writer and the account's row."""

    async def story() -> None:
        async with open_house(backend, tmp_path, keep_days="1") as house:
            await house.send(*(f"7916{n:07d}" for n in range(3 * PORTION)), test=True)
            await over(house, "a0")
            house.now += 10 * DAY_MS
            empty_memory(house)
            walking = asyncio.create_task(keep(house).walk())
            for n in range(20):
                await house.sent(f"b{n}", text=f"new {n}")
            assert await walking == 3 * PORTION
            assert len(await ids(house)) == 21
            assert await house.balance() == (1000 * 10_000) - 21 * PRICE

    asyncio.run(story())


class Failing(Store):
    """A store that takes so many transactions and then none."""

    def __init__(self, store: Store, left: int) -> None:
        super().__init__(store._db)
        self.left = left

    async def transact(self, steps: Sequence[Step]) -> list[list[Row]]:
        self.left -= 1
        if self.left < 0:
            raise StoreError("away")
        return await self._db.transact(steps)


def test_failed_portion_is_deleted_next_time(tmp_path: Path) -> None:
    """A store that is away for a while is no reason to keep messages, nor to lose count of what they cost."""

    async def story() -> None:
        async with open_house("sqlite", tmp_path, keep_days="1") as house:
            count = PORTION + 20
            await house.send(*(f"7916{n:07d}" for n in range(count)), test=True)
            await over(house, "a1")
            house.now += 10 * DAY_MS
            empty_memory(house)
            retention = keep(house)
            house.desk.db = Failing(house.db, 1)  # type: ignore[assignment]
            with pytest.raises(StoreError):
                await retention.walk()
            assert retention.deleted == PORTION
            house.desk.db = house.db  # type: ignore[assignment]
            assert await retention.walk() == 20
            assert await house.balance() and await strays(house.db) == {}

    asyncio.run(story())


WALK = """
import asyncio, sys
from heliograph.services import retention
from heliograph.services.desk import Desk
from heliograph.services.snapshot import Snapshots
from heliograph.store.opening import open_database

class Telling(retention.Retention):
    async def _delete(self, *args):
        print(self.deleted, flush=True)
        await super()._delete(*args)

async def main():
    db = await open_database(sys.argv[1])
    snapshots = Snapshots(db, lambda secret: secret)
    await snapshots.load()
    desk = Desk(db, snapshots)
    await Telling(desk, lambda: int(sys.argv[2]), 1).walk()
    await db.close()

asyncio.run(main())
"""


@both
def test_kill_in_the_middle_leaves_the_ledger_whole(backend: str, tmp_path: Path) -> None:
    """A portion is one transaction: all of a message goes with what it cost, or none of it."""
    url = asyncio.run(_grown(backend, tmp_path))
    later = str(NOW * 2)
    child = subprocess.Popen([sys.executable, "-c", WALK, url, later], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    while int(child.stdout.readline()) < 4 * PORTION:
        continue
    child.kill()
    child.wait()
    child.stdout.close()
    left = asyncio.run(_sound(url))
    assert 0 < left <= 4000 - 4 * PORTION
    subprocess.run([sys.executable, "-c", WALK, url, later], check=True, capture_output=True)
    assert asyncio.run(_sound(url)) == 1


async def _grown(backend: str, tmp_path: Path) -> str:
    url = await fresh_url(backend, tmp_path)
    db = await open_database(url)
    await tariffs.create(db, "basic")
    await accounts.create(db, "shop", tariff="basic", now_ms=NOW, balance=10**12)
    await db.close()
    await asyncio.to_thread(fill_texts, url.removeprefix("sqlite:///"), 4000)
    return url


async def _sound(url: str) -> int:
    """How many messages are left; the ledger agrees and nothing hangs in the air."""
    db = await open_database(url)
    try:
        report = await ledgers.check(db)
        assert report.faults == () and await strays(db) == {}
        return report.messages
    finally:
        await db.close()
