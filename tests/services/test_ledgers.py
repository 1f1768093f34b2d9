"""The ledger's proof: what it finds, and that it is exact beside a server that writes (services/ledgers.py)."""

import asyncio
from pathlib import Path

import pytest
from tests.databases import BACKENDS, fresh_database, fresh_url

from heliograph.core.money import SCALE
from heliograph.services import accounts, ledgers, tariffs
from heliograph.services.entries import QUARTER_MS
from heliograph.store.database import Database, Query, Step
from heliograph.store.opening import open_database

NOW = 1_790_000_000_000


def message(int_id: int, account_id: int, cost: int, refunded: int = 0) -> tuple[object, ...]:
    """A row for messages.accept."""
    return (
        *(int_id, account_id, str(int_id), "79161234567", "79161234567", 0, 0, "Shop", "text", "", 1, cost, "25001"),
        *(0, 0, 0, NOW, NOW, NOW, 1, 1, 1, 1, 0, refunded, "", 1, ""),
    )


async def make(db: Database) -> int:
    await tariffs.create(db, "basic")
    made = await accounts.create(db, "shop", tariff="basic", now_ms=NOW)
    await accounts.top_up(db, "shop", 100 * SCALE, now_ms=NOW)
    await accounts.top_up(db, "shop", 7, now_ms=NOW, wallet=2)
    return made.id


def charge(account_id: int, int_id: int, cost: int) -> list[Step]:
    """A message accepted and paid for, as one transaction."""
    return [
        Step("purses.charge", [(-cost, 0, 0, account_id, "RUR")], fetch=True),
        Step("messages.accept", [message(int_id, account_id, cost)]),
        Step("ledger.add", [(account_id, NOW, "charge", -cost, 1, int_id, 1, "")]),
        Step("statistics.add", [(account_id, NOW // QUARTER_MS, 1, "RUR", 1, cost, 0)]),
    ]


@pytest.mark.parametrize("backend", BACKENDS)
def test_sound_ledger_agrees(backend: str, tmp_path: Path) -> None:
    """Top-ups on both balances, a charge and a refund add up."""

    async def story() -> None:
        async with fresh_database(backend, tmp_path) as db:
            id_ = await make(db)
            await db.transact(charge(id_, 1, 25_000))
            await db.transact(charge(id_, 2, 10_000))
            await db.transact(
                [
                    Step("purses.charge", [(10_000, 0, 0, id_, "RUR")], fetch=True),
                    Step("messages.delete", [(0, 20, 1, NOW, 10_000, 2)]),
                    Step("ledger.add", [(id_, NOW, "refund", 10_000, 1, 2, 1, "")]),
                    Step("statistics.add", [(id_, NOW // QUARTER_MS, 1, "RUR", 0, -10_000, 0)]),
                ]
            )
            told: list[tuple[int, int]] = []
            report = await ledgers.check(db, lambda done, total: told.append((done, total)))
            assert report == ledgers.Report(accounts=1, entries=5, messages=2, faults=())
            assert told[-1] == (11, 11)  # an account counts twice, and two rows of statistics

    asyncio.run(story())


@pytest.mark.parametrize("backend", BACKENDS)
def test_every_kind_of_fault_is_found(backend: str, tmp_path: Path) -> None:
    """A balance without its row, a message nobody paid for, rows of nobody: each is named with both sums."""

    async def story() -> None:
        async with fresh_database(backend, tmp_path) as db:
            id_ = await make(db)
            await db.transact(
                [
                    Step("purses.charge", [(-5, 0, 0, id_, "RUR")], fetch=True),
                    Step("accounts.move_second", [(2, id_)], fetch=True),
                    Step("messages.accept", [message(1, id_, 30)]),
                    Step("ledger.add", [(77, NOW, "top-up", 11, 1, 0, 0, "")]),
                    Step("statistics.add", [(id_, 1, 1, "RUR", 0, 3, -4), (id_, 1, 2, "EUR", 0, 5, 6)]),
                ]
            )
            report = await ledgers.check(db)
            assert report.faults == (
                ledgers.Fault("shop", "the main balance", 100 * SCALE, 100 * SCALE - 5),
                ledgers.Fault("shop", "the second balance", 7, 9),
                ledgers.Fault("shop", "what its messages cost", 0, 30),
                ledgers.Fault("shop", "what statistics counts as spent", 0, 3),
                ledgers.Fault("shop", "what statistics counts as paid in", 100 * SCALE, 100 * SCALE - 4),
                ledgers.Fault("shop", "what statistics counts as spent of the second balance", 0, 5),
                ledgers.Fault("shop", "what statistics counts as paid in to the second balance", 7, 13),
                ledgers.Fault("(no account 77)", "the main balance", 11, 0),
                ledgers.Fault("(no account 77)", "what statistics counts as paid in", 11, 0),
            )
            assert report.faults[1].describe() == "shop: the second balance is 0.0009, expected 0.0007"

    asyncio.run(story())


@pytest.mark.parametrize("backend", BACKENDS)
def test_messages_that_were_deleted_by_age_still_count(backend: str, tmp_path: Path) -> None:
    """Retention takes the rows away and leaves their cost less refunds with the account."""

    async def story() -> None:
        async with fresh_database(backend, tmp_path) as db:
            id_ = await make(db)
            await db.transact([*charge(id_, 1, 25_000), *charge(id_, 2, 300)])
            await db.transact([Step("staged.sweep_messages", [(1, 1)])])
            (fault,) = (await ledgers.check(db)).faults
            assert (fault.what, fault.expected, fault.found) == ("what its messages cost", 25_300, 300)
            retire = Query("accounts.retire", "UPDATE accounts SET retired = retired + 25000", 0)
            await db.transact([Step(retire, [()])])
            assert (await ledgers.check(db)).faults == ()

    asyncio.run(story())


@pytest.mark.parametrize("backend", BACKENDS)
def test_staged_messages_do_not_count(backend: str, tmp_path: Path) -> None:
    """A large request that is still being written has not been charged yet."""

    async def story() -> None:
        async with fresh_database(backend, tmp_path) as db:
            id_ = await make(db)
            staged = [message(number, id_, 40) for number in (10, 11, 12)]
            await db.transact([Step("staged.begin", [(10, 12, id_, NOW)]), Step("messages.accept", staged)])
            report = await ledgers.check(db)
            assert (report.faults, report.messages) == ((), 0)
            await db.transact([Step("staged.end", [(10,)])])
            assert [fault.found for fault in (await ledgers.check(db)).faults] == [120]

    asyncio.run(story())


@pytest.mark.parametrize("backend", BACKENDS)
def test_check_is_exact_while_another_program_writes(
    backend: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It must not cry wolf on a busy server: all rows are of one moment."""

    async def story() -> None:
        monkeypatch.setattr(ledgers, "PAGE", 3)
        url = await fresh_url(backend, tmp_path)
        server, reader = await open_database(url), await open_database(url)
        try:
            id_ = await make(server)
            for int_id in range(1, 20):
                await server.transact(charge(id_, int_id, 100))
            writing = asyncio.ensure_future(write(server, id_))
            reports = [await ledgers.check(reader) for _ in range(5)]
            await writing
            assert all(report.faults == () for report in reports)
            assert (await ledgers.check(reader)).messages == 79
        finally:
            await reader.close()
            await server.close()

    async def write(server: Database, id_: int) -> None:
        for int_id in range(20, 80):
            await server.transact(charge(id_, int_id, 100))

    asyncio.run(story())
