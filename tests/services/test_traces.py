"""The story of a message and what waits (services/traces.py, services/backlogs.py)."""

import asyncio
from pathlib import Path

import pytest
from tests.databases import BACKENDS, fresh_database

from heliograph.core.reasons import Refused
from heliograph.services import accounts, backlogs, carriers, routes, tariffs, traces
from heliograph.services.snapshot import Snapshot, Snapshots
from heliograph.store.database import Database, Step
from heliograph.store.secrets import Secrets

NOW = 1_790_000_000_000
PHONE = "79161234567"


async def make(db: Database, folder: Path) -> Snapshot:
    """Two carriers, three routes, and message 100 that the second carrier has after the first refused it."""
    secrets = Secrets.open(folder)
    await tariffs.create(db, "basic")
    shop = await accounts.create(db, "shop", tariff="basic", now_ms=NOW)
    first = await carriers.create(db, secrets, "first")
    second = await carriers.create(db, secrets, "second")
    await routes.create(db, "a", carrier="first", priority=2)
    chosen = await routes.create(db, "b", carrier="second", priority=1)
    await routes.create(db, "c", carrier="first", conditions={"countries": "KZ"})
    await routes.create(db, "d", carrier="first", enabled=False)
    row = (
        *(100, shop.id, "7", PHONE, "8916…", 0, 0, "Shop", "the secret code", "", 1, 25_000, "25001"),
        *(0, 0, NOW, NOW, NOW + 900, NOW + 9000, 1, chosen.id, second.id, 1, 0, 0, "", 2, str(first.id)),
    )
    await db.transact(
        [
            Step("messages.accept", [row, (101, *row[1:3], "79990000000", *row[4:])]),
            Step(
                "queue.add",
                [(101, first.id, 1, NOW - 5000, 0), (102, first.id, 3, NOW - 1000, 0), (103, first.id, 3, NOW + 1, 0)],
            ),
            Step("queue.start", [(NOW, first.id, 102)]),
            Step(
                "parts.add",
                [
                    (100, 1, 1, first.id, "", "first#1", NOW + 10, NOW + 20, "refused", 0x45, 0, 0),
                    (100, 2, 1, second.id, "abc", "second#1", NOW + 40, NOW + 50, "accepted", 0, 1, 0),
                ],
            ),
            Step("events.add", [(100, (NOW + 30) * 1000 + 7, "route", "b: refused by first")]),
            Step("callbacks.add", [(5, 100, shop.id, 1, 0, NOW + 60, NOW + 70)]),
            Step("orphans.add", [(9, second.id, "ABC", PHONE, NOW + 55, 1, 0, "", "two fit", "")]),
            Step("staged.begin", [(101, 101, shop.id, NOW)]),
        ]
    )
    return await Snapshots(db, secrets.unseal).load()


@pytest.mark.parametrize("backend", BACKENDS)
def test_story_tells_everything_in_order(backend: str, tmp_path: Path) -> None:
    """Support answers "where is my message" from one page: tries, answers, changes of route, callbacks, lost receipts."""

    async def story() -> None:
        async with fresh_database(backend, tmp_path) as db:
            facts = await make(db, tmp_path)
            told = await traces.trace(db, facts, 100)
            assert [entry.what for entry in told.entries] == [
                "accepted", "sent", "answer: refused", "route", "sent", "answer: accepted", "not joined", "callback waits",
            ]  # fmt: skip
            assert "command_status 0x00000045" in told.entries[2].detail and "id abc" in told.entries[5].detail
            assert (told.login, told.status, told.carrier, told.country) == (
                "shop",
                "Transferred to the operator",
                "second",
                "RU",
            )
            assert (told.staged, told.waiting) == (False, None)
            assert [(each.name, each.why, each.chosen) for each in told.routes] == [
                ("a", "", False),
                ("b", "", True),
                ("c", "country RU is not among KZ", False),
                ("d", "it is disabled", False),
            ]

    asyncio.run(story())


@pytest.mark.parametrize("backend", BACKENDS)
def test_text_is_hidden_unless_asked_for(backend: str, tmp_path: Path) -> None:
    """A trace is pasted into tickets; a one-time code must not travel with it."""

    async def story() -> None:
        async with fresh_database(backend, tmp_path) as db:
            facts = await make(db, tmp_path)
            assert "secret code" not in repr(await traces.trace(db, facts, 100))
            assert (await traces.trace(db, facts, 100, text=True)).message.text == "the secret code"

    asyncio.run(story())


@pytest.mark.parametrize("backend", BACKENDS)
def test_charge_of_a_large_request_is_part_of_each_story(backend: str, tmp_path: Path) -> None:
    """It stands once in the ledger, at the first message of the request."""

    async def story() -> None:
        async with fresh_database(backend, tmp_path) as db:
            facts = await make(db, tmp_path)
            rows = [(1, NOW, "charge", -75_000, 1, 99, 3, ""), (1, NOW, "charge", -5, 1, 90, 5, "")]
            await db.transact([Step("ledger.add", rows)])
            told = await traces.trace(db, facts, 101)
            assert [each.detail for each in told.entries if each.what == "charge"] == ["-7.5 RUR for 3 messages"]
            assert told.staged and told.waiting is not None
            assert (told.waiting.carrier, told.waiting.lane) == ("first", 1)

    asyncio.run(story())


@pytest.mark.parametrize("backend", BACKENDS)
def test_message_is_found_by_either_id(backend: str, tmp_path: Path) -> None:
    """Customers know their own id, operators the int_id."""

    async def story() -> None:
        async with fresh_database(backend, tmp_path) as db:
            await make(db, tmp_path)
            assert await traces.find(db, "100") == [100]
            assert await traces.find(db, "7", "shop") == [101, 100]
            for name, login in (("102", ""), ("x", ""), ("9" * 30, ""), ("100", "shop"), ("7", "nobody")):
                with pytest.raises(Refused):
                    await traces.find(db, name, login)

    asyncio.run(story())


@pytest.mark.parametrize("backend", BACKENDS)
def test_backlog_tells_depth_age_and_time_left(backend: str, tmp_path: Path) -> None:
    """How much waits, since when, and when it will be gone at the speed of the last minutes."""

    async def story() -> None:
        async with fresh_database(backend, tmp_path) as db:
            await make(db, tmp_path)
            found = await backlogs.measure(db, NOW)
            first, bulk = found.lines
            assert first == backlogs.Line("first", 1, waiting=1, due=1, started=0, unsure=0, oldest_ms=NOW - 5000)
            assert bulk == backlogs.Line("first", 3, waiting=2, due=0, started=1, unsure=0, oldest_ms=NOW + 1)
            assert found.speeds == (backlogs.Speed("first", 0.0, None),)
            assert (found.callbacks, found.callbacks_due_ms, found.orphans) == (1, NOW + 70, 1)
            assert found.deliveries == 0
            await db.transact([Step("deliveries.add", [(9, 1, 1, 1, 0, NOW)])])
            assert (await backlogs.measure(db, NOW)).deliveries == 1
            taken = [(200 + n, 1, 1, 1, f"r{n}", "", NOW - 9000, NOW - 10_000, "accepted", 0, 0, 0) for n in range(20)]
            await db.transact([Step("parts.add", taken)])
            assert (await backlogs.measure(db, NOW)).speeds == (backlogs.Speed("first", 2.0, 0.5),)

    asyncio.run(story())
