"""The one batch of all verbs (services/batch.py), on both databases."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.databases import BACKENDS, fresh_database
from tests.house import Store

from heliograph.services.batch import MOST, ORDER, Batch, Change, assemble, is_exchanged
from heliograph.store.database import Broken, Done, Full, Lost, Step, StoreError, Unfit

both = pytest.mark.parametrize("backend", BACKENDS)


class Told:
    """Who was told what, in order."""

    def __init__(self) -> None:
        self.order: list[str] = []
        self.errors: dict[str, Exception | None] = {}

    def __call__(self, name: str) -> Any:
        def done(error: Exception | None) -> None:
            self.order.append(name)
            self.errors[name] = error

        return done

    def failed(self) -> list[str]:
        return [name for name, error in self.errors.items() if error is not None]


@asynccontextmanager
async def opened(backend: str, tmp_path: Path) -> AsyncIterator[tuple[Store, Batch, Told, dict[int, tuple[int, int]]]]:
    async with fresh_database(backend, tmp_path) as db:
        settled: dict[int, tuple[int, int]] = {}
        store = Store(db)
        batch = Batch(store, lambda account_id, balance, amount: settled.update({account_id: (balance, amount)}))  # type: ignore[arg-type]
        yield store, batch, Told(), settled
        await batch.settle()


def event(int_id: int, at: int = 1, name: str = "x", detail: str = "") -> tuple[str, tuple[Any, ...]]:
    return ("events.add", (int_id, at, name, detail))


@both
def test_a_change_that_nobody_waits_for_rides_with_the_next_one(backend: str, tmp_path: Path) -> None:
    """What a carrier answered need not have a commit of its own while a customer waits for his; alone it is written too."""

    async def story() -> None:
        async with opened(backend, tmp_path) as (_, batch, told, _):
            batch.add(Change([event(1)], told("lazy"), lazy=True))
            await asyncio.sleep(0)
            assert batch.commits == 0 and batch.waiting == 1
            batch.add(Change([event(2)], told("urgent")))
            await batch.settle()
            assert (batch.commits, told.order) == (1, ["lazy", "urgent"])
            batch.add(Change([event(3)], told("alone"), lazy=True))
            await batch.settle()
            assert (batch.commits, told.order[-1]) == (2, "alone")

    asyncio.run(story())


@both
def test_changes_share_a_commit_and_are_told_in_order(backend: str, tmp_path: Path) -> None:
    """A thousand callers pay for two commits, not for a thousand."""

    async def story() -> None:
        async with opened(backend, tmp_path) as (store, batch, told, _):
            for number in range(500):
                batch.add(Change([event(number)], told(str(number))))
            await asyncio.sleep(0)  # the first half is on its way now
            for number in range(500, 1000):
                batch.add(Change([event(number)], told(str(number))))
            assert batch.waiting == 1000
            await batch.settle()
            assert told.order == [str(n) for n in range(1000)] and not told.failed()
            assert (store.writes, batch.commits, batch.changes, batch.waiting) == (2, 2, 1000, 0)
            assert len(await store.all("events.of", 999)) == 1

    asyncio.run(story())


@both
def test_a_first_change_overtakes_what_waits(backend: str, tmp_path: Path) -> None:
    """A code that comes while a campaign fills the batch goes with the next commit, and is told before its neighbours."""

    async def story() -> None:
        async with opened(backend, tmp_path) as (_, batch, told, _):
            for number in range(3 * MOST):
                batch.add(Change([event(number)], told(str(number))))
            await asyncio.sleep(0)  # the first portion is on its way now
            batch.add(Change([event(9999)], told("code"), first=True))
            await batch.settle()
            assert told.order.index("code") == MOST and batch.commits == 4

    asyncio.run(story())


@both
def test_what_has_gathered_beside_a_slow_disk_goes_in_larger_portions(backend: str, tmp_path: Path) -> None:
    """Commits of a fixed size would never catch up where each takes long."""

    async def story() -> None:
        async with opened(backend, tmp_path) as (_, batch, told, _):
            for number in range(40 * MOST):
                batch.add(Change([event(number)], told(str(number))))
            await batch.settle()
            assert len(told.order) == 40 * MOST and batch.commits < 16

    asyncio.run(story())


@both
def test_one_bad_change_fails_alone(backend: str, tmp_path: Path) -> None:
    """A row that the database refuses is found by halves; nobody else notices, and the order of the rest stays."""

    async def story() -> None:
        async with opened(backend, tmp_path) as (store, batch, told, _):
            await store.transact([])
            batch.add(Change([event(7)], told("first")))
            await batch.settle()
            for number in range(20):
                bad = number in (3, 11)
                rows = [event(7) if bad else event(100 + number), event(200 + number)]
                batch.add(Change(rows, told(str(number))))
            batch.add(Change([event(300, detail="\ud800")], told("unfit")))
            await batch.settle()
            assert sorted(told.failed()) == ["11", "3", "unfit"]
            assert isinstance(told.errors["3"], Broken) and isinstance(told.errors["unfit"], Unfit)
            assert [name for name in told.order[1:] if name not in told.failed()] == [
                str(n) for n in range(20) if n not in (3, 11)
            ]
            assert await store.all("events.of", 203) == [], "nothing of a failed change is kept"
            assert batch.failed == 3

    asyncio.run(story())


@both
def test_overdraft_of_one_account_leaves_the_others_alone(backend: str, tmp_path: Path) -> None:
    """Charges of an account are summed; when the sum is too much, as many as fit are kept."""

    async def story() -> None:
        async with opened(backend, tmp_path) as (store, batch, told, settled):
            async with store.transaction() as tx:
                for id_ in (1, 2):
                    await tx.run("accounts.create", id_, f"a{id_}", "RUR", 0, 1, "{}", 1)
                    await tx.run("accounts.move_main", 10, id_)
            for number in range(4):
                poor, rich = told(f"poor{number}"), told(f"rich{number}")
                batch.add(Change([event(number)], poor, account_id=1, amount=-4, last_id=number + 1, currency="RUR"))
                batch.add(Change([event(10 + number)], rich, account_id=2, amount=-2, currency="RUR"))
            await batch.settle()
            assert len([name for name in told.failed() if name.startswith("poor")]) == 2 == len(told.failed())
            assert await store.all("purses.all") == [(1, 2, 0, 0), (2, 2, 0, 0)]
            assert (settled[1][0], settled[2][0]) == (2, 2)
            assert dict(await store.all("snapshot.last_ids"))[1] >= 2

    asyncio.run(story())


@both
def test_amount_of_another_currency_fails_alone(backend: str, tmp_path: Path) -> None:
    """A price in roubles must not be taken from a balance that was exchanged to euros meanwhile."""

    async def story() -> None:
        async with opened(backend, tmp_path) as (store, batch, told, settled):
            async with store.transaction() as tx:
                await tx.run("accounts.create", 1, "a", "EUR", 0, 1, "{}", 1)
                await tx.run("accounts.move_main", 10, 1)
            for number, currency in enumerate(("EUR", "RUR", "EUR")):
                change = Change([event(number)], told(f"{number}"), account_id=1, amount=-4, currency=currency)
                batch.add(change)
            await batch.settle()
            assert told.failed() == ["1"] and is_exchanged(told.errors["1"])
            assert await store.all("purses.all") == [(1, 2, 0, 0)] and settled[1][0] == 2

    asyncio.run(story())


def test_full_store_fails_all_and_later_ones_work(tmp_path: Path) -> None:
    """No halving when the disk is full: it would only ask a full disk again and again."""

    async def story() -> None:
        async with opened("sqlite", tmp_path) as (store, batch, told, settled):
            store.fault = Full("full")
            for number in range(10):
                batch.add(Change([event(number)], told(str(number)), account_id=1, amount=-1))
            await batch.settle()
            assert len(told.failed()) == 10 and store.writes == 1 and batch.failed == 10 and settled == {}
            store.fault = None
            batch.add(Change([event(1)], told("later")))
            await batch.settle()
            assert told.errors["later"] is None

    asyncio.run(story())


def test_who_waits_behind_a_store_that_is_away_is_told(tmp_path: Path) -> None:
    """One commit may wait for its database for minutes; those behind it are refused meanwhile, and it is not."""

    async def story() -> None:
        async with opened("sqlite", tmp_path) as (store, batch, told, _):
            held: list[tuple[Sequence[Step], Done]] = []
            write = store.write
            store.write = lambda steps, done: held.append((steps, done))  # type: ignore[method-assign]
            batch.add(Change([event(1)], told("first")))
            await asyncio.sleep(0)
            batch.add(Change([event(2)], told("second")))
            batch.add(Change([event(3)], told("third"), lazy=True))
            batch.give_back(Lost("away"))
            assert (told.failed(), told.order, batch.waiting) == (["second", "third"], ["second", "third"], 1)
            store.write = write  # type: ignore[method-assign]
            store.write(*held[0])
            batch.add(Change([event(4)], told("fourth")))
            await batch.settle()
            assert (told.errors["first"], told.errors["fourth"], len(held)) == (None, None, 1)

    asyncio.run(story())


def test_fault_of_one_caller_does_not_reach_the_others(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A door whose client has gone may raise; the others of the batch get their answers."""

    async def story() -> None:
        async with opened("sqlite", tmp_path) as (_, batch, told, _settled):

            def raising(error: Exception | None) -> None:
                raise RuntimeError("gone")

            batch.add(Change([event(1)], raising))
            batch.add(Change([event(2)], told("second")))
            await batch.settle()
            assert told.errors == {"second": None}
            batch.add(Change([event(3)], told("third")))
            await batch.settle()
            assert told.order == ["second", "third"]

    asyncio.run(story())
    assert [record.message for record in caplog.records] == ["change_done_failed"]


def test_settle_waits_for_what_is_added_meanwhile(tmp_path: Path) -> None:
    """At the end of the program the last outcome is on disk, also one that an ending commit caused."""

    async def story() -> None:
        async with opened("sqlite", tmp_path) as (store, batch, told, _):
            await batch.settle()

            def more(error: Exception | None) -> None:
                batch.add(Change([event(2)], told("second")))

            batch.add(Change([event(1)], more))
            await batch.settle()
            assert told.order == ["second"] and len(await store.all("events.of", 2)) == 1

    asyncio.run(story())


def test_closed_store_fails_changes_instead_of_keeping_their_callers_waiting(tmp_path: Path) -> None:
    """Nobody waits for ever at the end."""

    async def story() -> None:
        async with fresh_database("sqlite", tmp_path) as db:
            batch, told = Batch(db, lambda *_: None), Told()
        batch.add(Change([event(1)], told("late")))
        await batch.settle()
        assert isinstance(told.errors["late"], StoreError)

    asyncio.run(story())


def test_watchers_are_told_of_rows_on_disk_only(tmp_path: Path) -> None:
    """The sender of callbacks must not tell what is not stored."""

    async def story() -> None:
        async with opened("sqlite", tmp_path) as (store, batch, told, _):
            seen: list[Any] = []
            batch.watch["events.add"] = seen.extend
            batch.add(Change([event(1)], told("a")))
            batch.add(Change([event(1)], told("b")))
            await batch.settle()
            store.fault = Full("full")
            batch.add(Change([event(2)], told("c")))
            await batch.settle()
            store.fault = None
            assert [row[0] for row in seen] == [1] and told.failed() == ["b", "c"]

    asyncio.run(story())


def test_money_moves_first_and_once_an_account() -> None:
    """An overdraft fails before anything is written, and rows are locked in one order."""
    changes = [
        Change([("queue.add", (1,)), ("messages.accept", (1,))], lambda _: None, account_id=9, amount=-5, last_id=3),
        Change([("messages.accept", (2,))], lambda _: None, account_id=4, amount=7, currency="RUR"),
        Change([("events.add", (3,))], lambda _: None, account_id=9, amount=2, last_id=1),
    ]
    steps = assemble(changes)
    assert [(step.query, list(step.rows)) for step in steps] == [
        ("purses.charge", [(7, 0, 0, 4, "RUR"), (-3, 3, 3, 9, "")]),
        ("messages.accept", [(1,), (2,)]),
        ("queue.add", [(1,)]),
        ("events.add", [(3,)]),
    ]
    assert len(set(ORDER)) == len(ORDER)
