"""The counters of statistics against a full count of messages and ledger (services/entries.py, services/statistics.py)."""

import asyncio
import random
import shutil
from collections import Counter
from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from tests.databases import BACKENDS, fresh_database
from tests.house import KAZAKH, NOW, PHONE, Answer, House, Report, open_house

from heliograph.core.days import next_day, start_of_day
from heliograph.core.messages import Accepted, Flag, Kind
from heliograph.core.money import SCALE
from heliograph.core.reasons import Refusal
from heliograph.services import accounts, ledgers
from heliograph.services.entries import QUARTER_MS
from heliograph.services.statistics import Statistics
from heliograph.store.database import Database, Query, Step
from heliograph.store.migrate import MIGRATIONS_DIRECTORY, migrate

ZONES = ("Europe/Moscow", "Asia/Kolkata", "America/St_Johns", "Asia/Kathmandu", "UTC", "+5:45", "America/Havana")
MINUTE_MS = 60_000
DAY_MS = 86_400_000
LEDGER = Query("test.ledger", "SELECT at_ms, name, amount, wallet FROM ledger ORDER BY id", 0)
COUNTERS = Query(
    "test.counters",
    "SELECT account_id, quarter, wallet, currency, texts, spent, income FROM statistics"
    " WHERE texts <> 0 OR spent <> 0 OR income <> 0 ORDER BY account_id, quarter, wallet, currency",
    0,
)

Days = Counter[tuple[date, int, str]]


async def count_days(house: House, zone: ZoneInfo) -> Days:
    """By (day, balance, what), as one would count by hand: every row, its clock read in the zone."""
    found: Days = Counter()

    def day(at_ms: int) -> date:
        return datetime.fromtimestamp(at_ms / 1000, zone).date()

    for message in await house.stored():
        # Refused at once: nothing was tried and no carrier was chosen.
        if message.carrier_id and not message.flags & Flag.TEST:
            found[day(message.created_ms), 1, "texts"] += 1
    for at_ms, name, amount, wallet in await house.db.all(LEDGER):
        if name in ("charge", "refund"):
            found[day(at_ms), wallet, "spent"] -= amount
        else:
            found[day(at_ms), wallet, "income"] += amount
    return Counter({key: value for key, value in found.items() if value})


async def read_days(house: House, zone: str, first: date, last: date) -> Days:
    """The same from the counters, a day at a time, as get_stat asks."""
    statistics = Statistics(house.db, house.snapshots, house.spawn)  # type: ignore[arg-type]
    found: Days = Counter()
    day = first
    while day <= last:
        start_ms, end_ms = start_of_day(day, zone), start_of_day(next_day(day), zone)
        for wallet in (1, 2):
            for total in await statistics.sum_up(house.account, start_ms, end_ms, wallet):
                found[day, wallet, "texts"] += total.texts
                found[day, wallet, "spent"] += total.spent
                found[day, wallet, "income"] += total.income
        day = next_day(day)
    return Counter({key: value for key, value in found.items() if value})


async def live(house: House, chance: random.Random) -> None:
    """One random deed at the house's present moment."""
    number = chance.randrange(10**6)
    text = f"text {number}"
    deed = chance.choice(("send", "send", "many", "bad", "poor", "test", "staged", "later", "lose", "delete", "pay"))
    if deed == "send":
        await house.send(chance.choice((PHONE, KAZAKH)), text=text, kind=chance.choice((Kind.SMS, Kind.HLR)))
    elif deed == "many":
        await house.send(PHONE, KAZAKH, "7", "491701234567", f"7916{number:07d}", text=text)
    elif deed == "bad":
        assert isinstance(await house.send("49170123", text=text), Refusal)
    elif deed == "poor":
        answer = await house.send(*[f"7701{number + each:07d}" for each in range(190)], text=text * 100)
        assert isinstance(answer, Refusal)
    elif deed == "test":
        assert isinstance(await house.send(PHONE, f"7916{number:07d}", text=text, test=True), Accepted)
    elif deed == "staged":
        await house.send(
            *[f"7916{number + each:07d}" for each in range(210)], "12", text=text, test=chance.random() < 0.3
        )
    elif deed in ("later", "delete"):
        (message,) = await house.accepted(f"7916{number:07d}", text=text, send_ms=house.now + DAY_MS)
        if deed == "delete":
            house.now += chance.randrange(3 * MINUTE_MS)
            done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
            house.statuses.delete(house.account, message.id, message.phone, house.now, done.set_result)
            assert await done
    elif deed == "lose":
        phone = f"7916{number:07d}"
        (message,) = await house.accepted(phone, text=text)
        await house.answer(await house.start(message), Answer("accepted", f"r{number}"))
        house.now += chance.randrange(3 * MINUTE_MS)
        assert await house.report(Report(f"r{number}", chance.choice((1, 20, 25)), phone=phone))
    else:
        wallet, amount = chance.choice((1, 2)), chance.randrange(1, 9 * SCALE)
        await accounts.top_up(house.db, "shop", amount, now_ms=house.now, wallet=wallet)  # type: ignore[arg-type]
        await accounts.correct(house.db, "shop", -1, now_ms=house.now, note="fee", wallet=wallet)  # type: ignore[arg-type]
        await house.desk.take_balances()


@pytest.mark.parametrize("backend", BACKENDS)
def test_counters_are_the_full_count_in_every_zone(backend: str, tmp_path: Path) -> None:
    """A random life around many midnights: what get_stat tells of each day is what its rows say, to the millisecond."""

    async def story() -> None:
        chance = random.Random(20261101)
        async with open_house(backend, tmp_path) as house:
            # The nights in which Moscow has nothing, and St John's and Havana put their clocks back (1 November 2026).
            for _ in range(60):
                zone = chance.choice(ZONES)
                day = date(2026, 10, 30) + timedelta(days=chance.randrange(4))
                midnight_ms = start_of_day(day, zone)
                house.now = midnight_ms + chance.choice((-MINUTE_MS, -1, 0, 1, MINUTE_MS, chance.randrange(DAY_MS)))
                await live(house, chance)
            await asyncio.gather(*house.tasks)
            await house.balance()
            stored = await house.stored()
            assert {1, 22, 24, 25, -1, -2} <= {message.status for message in stored}
            assert any(message.flags & Flag.TEST for message in stored)
            for zone in ZONES:
                clock = ZoneInfo("Asia/Kathmandu") if zone == "+5:45" else ZoneInfo(zone)
                counted = await count_days(house, clock)
                assert {key[2] for key in counted} == {"texts", "spent", "income"}
                first, last = min(key[0] for key in counted), max(key[0] for key in counted)
                assert await read_days(house, zone, first, last) == counted, zone

    asyncio.run(story())


@pytest.mark.parametrize("backend", BACKENDS)
def test_request_that_was_swept_does_not_count(backend: str, tmp_path: Path) -> None:
    """A crash in the middle of a large request leaves neither a charge nor texts."""

    async def story() -> None:
        async with open_house(backend, tmp_path) as house:
            await house.accepted(text="one")
            rows = await house.db.all("messages.latest", 2**62, house.account.id, 1)
            copy = (rows[0][0] + 1, *rows[0][1:])
            begin = (copy[0], copy[0] + 10, house.account.id, NOW)
            await house.db.transact([Step("staged.begin", [begin]), Step("messages.accept", [copy])])
            again = await house.restart()
            await again.balance()
            (total,) = await Statistics(again.db, again.snapshots, again.spawn).sum_up(again.account, 0, 2 * NOW, 1)  # type: ignore[arg-type]
            assert (total.texts, len(await again.stored())) == (1, 1)

    asyncio.run(story())


@pytest.mark.parametrize("backend", BACKENDS)
def test_counters_of_an_older_store_are_made_of_its_rows(backend: str, tmp_path: Path) -> None:
    """A store at migration 0003 with every sort of message: the new table must be what would have been counted."""
    older = tmp_path / "older"
    older.mkdir()
    for path in sorted(MIGRATIONS_DIRECTORY.glob("000[123]_*.sql")):
        shutil.copy(path, older)

    async def story() -> None:
        async with open_house(backend, tmp_path) as house:
            chance = random.Random(7)
            for _ in range(40):
                house.now = NOW + chance.randrange(2 * DAY_MS)
                await live(house, chance)
            lost = (await house.accepted(f"7916{1:07d}", text="no route any more"))[0]
            house.dispatch.end(lost, 23, 243, house.now)  # never tried, but taken and charged
            await asyncio.gather(*house.tasks)
            await house.balance()
            counters = await house.db.all(COUNTERS)
            copied = {}
            for table, columns in COLUMNS.items():
                copied[table] = await house.db.all(Query("test.all", f"SELECT {columns} FROM {table}", 0))
            staged = max(row[0] for row in copied["messages"]) + 1
        half = (staged, *copied["messages"][0][1:])
        copied["messages"].append(half)
        copied["staged"].append((staged, staged + 9, half[1], NOW))
        async with fresh_database(backend, tmp_path, migrations=older) as db:
            for table, columns in COLUMNS.items():
                sql = f"INSERT INTO {table} ({columns}) VALUES ({marks(columns)})"
                await db.transact([Step(Query("test.put", sql, columns.count(",") + 1), copied[table])])
            await migrate(db, MIGRATIONS_DIRECTORY, NOW)
            assert await db.all(COUNTERS) == counters
            assert (await ledgers.check(db)).faults == ()

    def marks(columns: str) -> str:
        count = columns.count(",") + 1
        if backend == "sqlite":
            return ", ".join("?" * count)
        return ", ".join(f"${number}" for number in range(1, count + 1))

    asyncio.run(story())


COLUMNS = {
    "accounts": "id, login, currency, balance, balance2, credit, last_id, tariff_id, settings, created_ms",
    "ledger": "id, account_id, at_ms, name, amount, wallet, int_id, count, note",
    "messages": "int_id, account_id, id, phone, given, kind, flags, sender, text, comment, parts, cost, mccmnc, status, err,"
    " send_ms, created_ms, changed_ms, expires_ms, lane, route_id, carrier_id, door, fingerprint, refunded, extra, tries,"
    " tried",
    "staged": "first_id, last_id, account_id, created_ms",
}


@pytest.mark.parametrize("backend", BACKENDS)
def test_half_a_year_is_read_by_its_key(backend: str, tmp_path: Path) -> None:
    """17,500 quarters of a busy account among as many of another's: a range of the primary key, some 6 ms."""

    async def story() -> None:
        async with open_house(backend, tmp_path) as house:
            first, quarters = NOW // QUARTER_MS - 17_500, 17_500
            mine = house.account.id
            rows = [(id_, first + each, 1, "RUR", 2, 3, 0) for id_ in (mine, mine + 1) for each in range(quarters)]
            await house.db.transact([Step("statistics.add", rows)])
            statistics = Statistics(house.db, house.snapshots, house.spawn)  # type: ignore[arg-type]
            (total,) = await statistics.sum_up(house.account, first * QUARTER_MS, NOW - NOW % QUARTER_MS, 1)
            assert (total.texts, total.spent) == (2 * quarters, 3 * quarters)
            plan = await explain(house.db, backend, mine, first)  # type: ignore[arg-type]
            assert "PRIMARY KEY" in plan or "statistics_pkey" in plan, plan

    async def explain(db: Database, backend: str, account_id: int, first: int) -> str:
        said = "EXPLAIN QUERY PLAN" if backend == "sqlite" else "EXPLAIN"
        sql = (
            f"{said} SELECT currency, sum(texts) FROM statistics WHERE account_id = {account_id}"
            f" AND quarter >= {first} AND quarter < {first + 9} AND wallet = 1 GROUP BY currency"
        )
        return str(await db.all(Query("test.explain", sql, 0)))

    asyncio.run(story())
