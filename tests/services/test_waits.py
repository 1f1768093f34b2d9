"""Waiting for a subscriber's call, and the call: which number he is told, whose call it is, what it costs and who is told."""

import asyncio
from pathlib import Path

import pytest
from tests.databases import BACKENDS
from tests.house import HANDLER, NOW, PHONE, House, open_house

from heliograph.core.accounts import Account
from heliograph.core.money import SCALE
from heliograph.core.rates import parse_rate
from heliograph.core.reasons import Reason, Refusal
from heliograph.core.rents import Number, read_uses
from heliograph.core.tariffs import Prices, Zone
from heliograph.services import accounts, blacklists, rates, stock, tariffs
from heliograph.services.inbound import Inbound
from heliograph.services.news import incoming_of
from heliograph.services.waits import PATIENCE_MS, Awaited, Waits
from heliograph.store.database import Full

SHARED, SECOND, KAZAKH = "78005550000", "78005550001", "77010000001"
PRICE = 3_000
HAD = 1000 * SCALE
ZONES = (
    Zone(1, "Russia", ("RU",), Prices(sms=15_000, waitcall=PRICE)),
    Zone(2, "Kazakhstan", ("KZ",), Prices(sms=15_000, call=5_000)),
    Zone(3, "Germany", ("DE",), Prices(sms=15_000)),
)


async def prepare(house: House, *phones: str, uses: str = "calls", shared: bool = True) -> Waits:
    """Numbers in the stock, prices, and the service."""
    plan = house.snapshots.current.plan
    await tariffs.replace_prices(house.db, "basic", ZONES, {})  # type: ignore[arg-type]
    for phone in phones:
        number = Number(phone, 1, read_uses(uses), shared, 0, "RUR", "")
        await stock.add(house.db, phone, plan, number, now_ms=NOW)  # type: ignore[arg-type]
    await house.snapshots.refresh()
    return Waits(house.desk, house.spawn)


def wait(house: House, waits: Waits, phone: str = PHONE, account: Account | None = None) -> "asyncio.Future[object]":
    """Ask for a number to call; the answer comes later."""
    future: asyncio.Future[object] = asyncio.get_running_loop().create_future()
    waits.wait(account or house.account, phone, house.now, future.set_result)
    return future


def call(
    house: House, waits: Waits, called: str = SHARED, caller: str = PHONE, at_ms: int = 0
) -> "asyncio.Future[bool | None]":
    """A call comes; whether it was waited for."""
    future: asyncio.Future[bool | None] = asyncio.get_running_loop().create_future()
    waits.call(caller, called, house.now, future.set_result, at_ms)
    return future


async def records(house: House) -> list[Inbound]:
    """What has come in, oldest first."""
    await house.desk.batch.settle()
    return [Inbound(*row) for row in await house.db.all("inbound.latest", 2**62, 100)][::-1]


async def entries(house: House, account: Account) -> list[tuple[str, int]]:
    """Names and amounts of entries that belong to no message."""
    rows = await house.db.all("ledger.of_message", account.id, 0)
    return [(row[2], row[3]) for row in rows]


async def other_account(house: House) -> Account:
    """A second account, "desk"."""
    await accounts.create(house.db, "desk", tariff="basic", now_ms=NOW, balance=HAD)  # type: ignore[arg-type]
    await house.desk.take_balances()
    await house.snapshots.refresh()
    return house.snapshots.current.accounts_by_login["desk"]


@pytest.mark.parametrize("backend", BACKENDS)
def test_call_that_was_waited_for_is_stored_told_and_charged_once(backend: str, tmp_path: Path) -> None:
    """One transaction: the record, the news, the charge, and the end of the waiting. A second call confirms nothing."""

    async def story() -> None:
        async with open_house(backend, tmp_path, callback_url=HANDLER) as house:
            waits = await prepare(house, SHARED)
            assert await wait(house, waits, "8 916 123-45-67") == Awaited(SHARED, (SHARED,))
            assert await house.balance() == HAD
            house.now += 5000
            assert await asyncio.gather(call(house, waits, "+" + SHARED, "89161234567"), call(house, waits)) == [
                True,
                True,
            ]
            assert await call(house, waits) is False
            (record,) = await records(house)
            assert (record.account_id, record.phone, record.to_phone) == (house.account.id, PHONE, SHARED)
            assert (record.text, record.received_ms, record.int_id) == ("[waitcall] ", house.now, 0)
            (told,) = await house.db.all("callbacks.of", -record.id)
            row = await house.db.one("callbacks.incoming", record.id)
            assert row is not None
            assert incoming_of(row).call
            assert told[1] == 0
            assert await house.balance() == HAD - PRICE
            assert await entries(house, house.account) == [("top-up", HAD), ("waitcall", -PRICE)]
            assert await house.db.all("statistics.sum", house.account.id, 0, 2**40, 1) == [("RUR", 0, PRICE, HAD)]
            assert (waits.asked, waits.confirmed, waits.unknown) == (1, 1, 1)

    asyncio.run(story())


@pytest.mark.parametrize("backend", BACKENDS)
def test_calls_of_others_and_to_others_confirm_nothing(backend: str, tmp_path: Path) -> None:
    """Another caller, another number, no number at all; and the waiting goes on."""

    async def story() -> None:
        async with open_house(backend, tmp_path) as house:
            waits = await prepare(house, SHARED, SECOND)
            await wait(house, waits)
            assert await call(house, waits, caller="79161234568") is False
            assert await call(house, waits, SECOND) is False
            assert await call(house, waits, "78005559999") is False
            assert await call(house, waits, caller="anonymous") is False
            assert await call(house, waits, "") is False
            assert await records(house) == []
            assert await call(house, waits) is True

    asyncio.run(story())


@pytest.mark.parametrize("backend", BACKENDS)
def test_digits_without_plus_are_international_first(backend: str, tmp_path: Path) -> None:
    """A line leaves the plus out: 84912345678 is of Vietnam, unless somebody of Ryazan is waited for. 8916… is Russia's."""

    async def story() -> None:
        async with open_house(backend, tmp_path) as house:
            waits = await prepare(house, SHARED)
            zone = Zone(1, "World", ("*",), Prices(sms=15_000, waitcall=0))
            await tariffs.replace_prices(house.db, "basic", [zone], {})  # type: ignore[arg-type]
            await house.snapshots.refresh()
            for asked, called in (
                ("+84912345678", "84912345678"),
                ("+74912345678", "84912345678"),
                (PHONE, "89161234567"),
                (PHONE, "79161234567"),
            ):
                await wait(house, waits, asked)
                assert await call(house, waits, caller=called) is True
                assert (await records(house))[-1].phone == asked.removeprefix("+")
            await wait(house, waits, "+84912345678")
            assert await call(house, waits, caller="+74912345678") is False
            assert await call(house, waits, caller="+84912345678") is True
            await wait(house, waits, "+74912345678")
            assert await call(house, waits, caller="+84912345678") is False, "a plus leaves no other reading"

    asyncio.run(story())


@pytest.mark.parametrize("backend", BACKENDS)
def test_waiting_is_over_after_fifteen_minutes(backend: str, tmp_path: Path) -> None:
    """A repeat by the same account gives the same number and fifteen minutes anew; one that is over leaves the store."""

    async def story() -> None:
        async with open_house(backend, tmp_path) as house:
            waits = await prepare(house, SHARED, SECOND)
            await wait(house, waits)
            house.now = NOW + PATIENCE_MS
            assert await call(house, waits) is False
            assert await wait(house, waits) == Awaited(SHARED, (SHARED, SECOND))
            house.now += PATIENCE_MS - 1
            assert await wait(house, waits) == Awaited(SHARED, (SHARED, SECOND))
            house.now += PATIENCE_MS - 1
            assert await call(house, waits) is True
            assert await wait(house, waits, "79161234568") == Awaited(SHARED, (SHARED, SECOND))
            house.now += 2 * PATIENCE_MS
            await wait(house, waits, "79161234569")
            await house.desk.batch.settle()
            assert [row[0] for row in await house.db.all("waits.of", "79161234569", 0)] == [SHARED]
            assert await house.db.all("waits.of", "79161234568", 0) == []

    asyncio.run(story())


@pytest.mark.parametrize("backend", BACKENDS)
def test_call_told_late_counts_by_its_own_time(backend: str, tmp_path: Path) -> None:
    """The line may be behind; but a call from before the request is none that it waits for."""

    async def story() -> None:
        async with open_house(backend, tmp_path) as house:
            waits = await prepare(house, SHARED)
            await wait(house, waits)
            house.now = NOW + 3 * PATIENCE_MS
            assert await call(house, waits, at_ms=NOW + 1000) is False
            house.now = NOW + PATIENCE_MS - 180_000
            assert await call(house, waits, at_ms=NOW - 120_000) is False
            house.now = NOW + PATIENCE_MS - 30_000
            assert await call(house, waits, at_ms=NOW - 3_600_000) is False, "an hour late, and before the request"
            house.now = NOW + PATIENCE_MS + 60_000
            assert await call(house, waits, at_ms=NOW + PATIENCE_MS - 1) is True
            assert (await records(house))[0].sent_ms == NOW + PATIENCE_MS - 1

    asyncio.run(story())


@pytest.mark.parametrize("backend", BACKENDS)
def test_two_accounts_wait_for_one_subscriber_on_different_numbers(
    backend: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Asked in one turn of the loop; the call to each number is its account's. A third finds none. No operator is
    alarmed by it."""

    async def story() -> None:
        async with open_house(backend, tmp_path) as house:
            waits = await prepare(house, SHARED, SECOND)
            desk = await other_account(house)
            first, second = await asyncio.gather(wait(house, waits), wait(house, waits, account=desk))
            assert isinstance(first, Awaited) and isinstance(second, Awaited)
            assert {first.phone, second.phone} == {SHARED, SECOND}  # which of them is served first is not promised
            assert (house.desk.batch.failed, [each.message for each in caplog.records]) == (0, [])
            assert all(each.all_phones == (each.phone, *({SHARED, SECOND} - {each.phone})) for each in (first, second))
            await accounts.create(house.db, "third", tariff="basic", now_ms=NOW, balance=HAD)  # type: ignore[arg-type]
            await house.desk.take_balances()
            await house.snapshots.refresh()
            third = house.snapshots.current.accounts_by_login["third"]
            assert await wait(house, waits, account=third) == Refusal(
                Reason.BAD_PARAMETERS, "every number is waiting for a call of this subscriber"
            )
            assert await wait(house, waits, account=desk) == second
            assert await call(house, waits, second.phone) is True
            assert (await records(house))[0].account_id == desk.id
            assert await wait(house, waits, account=third) == second
            assert await call(house, waits, first.phone) is True
            assert (await records(house))[1].account_id == house.account.id

    asyncio.run(story())


@pytest.mark.parametrize("backend", BACKENDS)
def test_number_of_the_subscribers_country_is_told(backend: str, tmp_path: Path) -> None:
    """Else any; numbers that take no calls, or that nobody rents, are none."""

    async def story() -> None:
        async with open_house(backend, tmp_path) as house:
            waits = await prepare(house)
            assert await wait(house, waits) == Refusal(Reason.BAD_PARAMETERS, "there is no number to call")
            await prepare(house, "79990000001", uses="texts")
            await prepare(house, "79990000002", shared=False)
            assert await wait(house, waits) == Refusal(Reason.BAD_PARAMETERS, "there is no number to call")
            await prepare(house, SHARED, KAZAKH)
            assert await wait(house, waits) == Awaited(SHARED, (SHARED, KAZAKH))
            assert await wait(house, waits, "77021234567") == Awaited(KAZAKH, (KAZAKH, SHARED))
            plan = house.snapshots.current.plan
            await stock.assign(house.db, "79990000002", plan, "shop", now_ms=NOW)  # type: ignore[arg-type]
            await house.snapshots.refresh()
            assert await wait(house, waits, "79161234568") == Awaited("79990000002", ("79990000002", SHARED, KAZAKH))

    asyncio.run(story())


@pytest.mark.parametrize("backend", BACKENDS)
def test_what_the_account_forbids_is_not_waited_for(backend: str, tmp_path: Path) -> None:
    """Black list, prefixes, hours, price, money; a bad number."""

    async def story() -> None:
        async with open_house(backend, tmp_path) as house:
            waits = await prepare(house, SHARED)
            plan = house.snapshots.current.plan
            assert await wait(house, waits, "abc") == Refusal(Reason.BAD_PARAMETERS, "phone is no number")
            assert await wait(house, waits, "491701234567") == Refusal(Reason.NO_PRICE)
            assert await wait(house, waits, "380501234567") == Refusal(Reason.NO_PRICE)
            for login, kind, wanted in (("shop", 0, True), ("", 0, True), ("shop", 2, True), ("shop", 1, False)):
                await blacklists.add(house.db, [PHONE], plan, now_ms=NOW, login=login, type_=kind)  # type: ignore[arg-type]
                await house.snapshots.refresh()
                assert (await wait(house, waits) == Refusal(Reason.BLACK_LISTED)) is wanted
                await blacklists.remove(house.db, [PHONE], plan, login=login)  # type: ignore[arg-type]
            await house.set(prefixes="-7916")
            assert await wait(house, waits) == Refusal(Reason.NUMBER_DENIED)
            await house.set(prefixes="", hours="9-12")  # it is 17:13 in Moscow
            assert await wait(house, waits) == Refusal(Reason.OUTSIDE_HOURS)
            await house.set(hours="9-22")
            await accounts.correct(house.db, "shop", -HAD + PRICE - 1, now_ms=NOW, note="x")  # type: ignore[arg-type]
            await house.desk.take_balances()
            assert await wait(house, waits) == Refusal(Reason.NO_MONEY)
            await house.set(test="yes")
            assert isinstance(await wait(house, waits), Awaited)
            assert await call(house, waits) is True
            assert await house.balance() == PRICE - 1

    asyncio.run(story())


@pytest.mark.parametrize("backend", BACKENDS)
def test_call_that_cannot_be_paid_confirms_nothing(backend: str, tmp_path: Path) -> None:
    """The money has gone since the request; the waiting goes on, and no balance falls below its credit."""

    async def story() -> None:
        async with open_house(backend, tmp_path) as house:
            waits = await prepare(house, SHARED)
            await wait(house, waits)
            await accounts.correct(house.db, "shop", -HAD, now_ms=NOW, note="x")  # type: ignore[arg-type]
            await house.desk.take_balances()
            assert await call(house, waits) is False
            assert await records(house) == []
            await accounts.top_up(house.db, "shop", SCALE, now_ms=NOW)  # type: ignore[arg-type]
            await house.desk.take_balances()
            assert await call(house, waits) is True
            assert await house.balance() == SCALE - PRICE

    asyncio.run(story())


@pytest.mark.parametrize("backend", BACKENDS)
def test_price_of_the_request_is_exchanged_when_the_currency_changed(backend: str, tmp_path: Path) -> None:
    """What was told holds, at the present rates."""

    async def story() -> None:
        async with open_house(backend, tmp_path) as house:
            waits = await prepare(house, SHARED)
            await wait(house, waits)
            for currency, text in (("RUR", "1"), ("EUR", "100")):
                await rates.set_rate(house.db, currency, parse_rate(text), now_ms=NOW)  # type: ignore[arg-type]
            await tariffs.create(house.db, "euro", currency="EUR", zones=ZONES)  # type: ignore[arg-type]
            await accounts.change_currency(house.db, "shop", "EUR", tariff="euro", now_ms=NOW)  # type: ignore[arg-type]
            await house.desk.take_balances()
            await house.snapshots.refresh()
            assert await call(house, waits) is True
            assert await house.balance() == 10 * SCALE - PRICE // 100

    asyncio.run(story())


@pytest.mark.parametrize("backend", BACKENDS)
def test_call_to_a_rented_number_is_kept_for_its_renter(backend: str, tmp_path: Path) -> None:
    """Nobody waited for it, so it is no confirmation; redialling within a minute is no news."""

    async def story() -> None:
        async with open_house(backend, tmp_path, callback_url=HANDLER) as house:
            waits = await prepare(house, "79990000002", shared=False)
            plan = house.snapshots.current.plan
            assert await call(house, waits, "79990000002") is False
            await stock.assign(house.db, "79990000002", plan, "shop", now_ms=NOW)  # type: ignore[arg-type]
            await house.snapshots.refresh()
            assert [await call(house, waits, "79990000002") for _ in range(3)] == [True, True, True]
            (record,) = await records(house)
            assert (record.account_id, record.text, record.phone) == (house.account.id, "[call] ", PHONE)
            row = await house.db.one("callbacks.incoming", record.id)
            assert row is not None
            told = incoming_of(row)
            assert (told.call, told.sms_id, told.text) == (False, "", "[call] ")
            house.now += 61_000
            assert await call(house, waits, "79990000002") is True
            assert len(await records(house)) == 2
            assert await house.balance() == HAD
            await stock.alter(house.db, "79990000002", plan, {"uses": ("texts",)})  # type: ignore[arg-type]
            await house.snapshots.refresh()
            house.now += 61_000
            assert await call(house, waits, "79990000002") is False

    asyncio.run(story())


@pytest.mark.parametrize("backend", BACKENDS)
def test_call_that_cannot_be_stored_is_not_taken(backend: str, tmp_path: Path) -> None:
    """The line may bring it again, and then it counts once; a request that cannot be stored is error 9."""

    async def story() -> None:
        async with open_house(backend, tmp_path) as house:
            waits = await prepare(house, SHARED)
            await wait(house, waits)
            house.db.fault = Full("the disk is full")
            assert await call(house, waits) is None
            assert await wait(house, waits, "79161234568") == Refusal(Reason.STORE_FULL)
            house.db.fault = None
            assert await house.balance() == HAD
            assert await call(house, waits) is True
            assert await house.balance() == HAD - PRICE
            later = await house.restart()
            again = Waits(later.desk, later.spawn)
            assert await call(later, again) is False

    asyncio.run(story())
