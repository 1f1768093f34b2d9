"""Dedicated numbers: renting, the turn of the month, the stock by hand; the ledger stays whole whatever is killed when."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from tests.databases import BACKENDS
from tests.house import HANDLER, NOW, PRICE, House, open_house

from heliograph.core.accounts import Account
from heliograph.core.messages import Accepted
from heliograph.core.money import SCALE
from heliograph.core.rates import parse_rate
from heliograph.core.reasons import Reason, Refusal, Refused
from heliograph.core.rents import Number, Rates, month_end
from heliograph.services import accounts, ledgers, rates, stock
from heliograph.services.news import incoming_of
from heliograph.services.numbers import Numbers
from heliograph.store.database import Full

PHONE = "79990001122"
OTHER = "79990001133"
MONTH = 300 * SCALE
REST = 100 * SCALE  # NOW is 21 September: 10 days of 30
HAD = 1000 * SCALE
OCTOBER = month_end(NOW, "Europe/Moscow")
NOVEMBER = month_end(OCTOBER, "Europe/Moscow")
DECEMBER = month_end(NOVEMBER, "Europe/Moscow")
KIND = Number("", 1, ("texts", "calls"), False, MONTH, "RUR", "МТС, SMS")


async def prepare(house: House, *phones: str, **parts: Any) -> Numbers:
    """Numbers in the stock, and the service that rents them."""
    for phone in phones or (PHONE,):
        kind = Number(**{**{name: getattr(KIND, name) for name in KIND.__struct_fields__}, **parts})
        await stock.add(house.db, phone, house.snapshots.current.plan, kind, now_ms=NOW)  # type: ignore[arg-type]
    await house.snapshots.refresh()
    return Numbers(house.desk, house.spawn, lambda: house.now)


def rent(
    house: House, numbers: Numbers, phone: str = PHONE, account: Account | None = None, noprolong: bool = False
) -> "asyncio.Future[int | Refusal]":
    """Ask for a number; the answer comes later."""
    future: asyncio.Future[int | Refusal] = asyncio.get_running_loop().create_future()
    numbers.rent(account or house.account, phone, noprolong, house.now, future.set_result)
    return future


def prolong(house: House, numbers: Numbers, noprolong: bool, phone: str = PHONE) -> "asyncio.Future[int | Refusal]":
    """Set the mark of renewal; the answer comes later."""
    future: asyncio.Future[int | Refusal] = asyncio.get_running_loop().create_future()
    numbers.set_noprolong(house.account, phone, noprolong, house.now, future.set_result)
    return future


async def find(house: House, phone: str = PHONE) -> Number:
    """A number as it is stored; memory must agree."""
    (found,) = [each.number for each in await stock.list_all(house.db) if each.number.phone == phone]  # type: ignore[arg-type]
    assert house.snapshots.current.numbers[phone] == found
    return found


async def lines(house: House, phone: str = PHONE) -> list[tuple[str, int, str]]:
    """Names, amounts and notes of what became of a number, oldest first."""
    found = await stock.list_lines(house.db, phone, house.snapshots.current.plan)  # type: ignore[arg-type]
    return [(line.name, line.amount, line.note) for _, line in reversed(found)]


async def told(house: House) -> list[tuple[int, str, str, str]]:
    """What came in for the account: when, from, to and the text; that its handler hears of it, too."""
    await house.desk.batch.settle()
    found = []
    for row in await house.db.all("inbound.latest", 2**62, 100):
        (news,) = await house.db.all("callbacks.of", -row[0])
        kept = await house.db.one("callbacks.incoming", row[0])
        assert news[1] == 0 and kept is not None
        record = incoming_of(kept)
        assert not record.call and not record.sms_id
        found.append((record.received_ms, record.phone, record.to_phone, record.text))
    return found


async def other_account(house: House, balance: int = HAD) -> Account:
    """A second account, "desk"."""
    await accounts.create(house.db, "desk", tariff="basic", now_ms=NOW, balance=balance)  # type: ignore[arg-type]
    await house.desk.take_balances()
    await house.snapshots.refresh()
    return house.snapshots.current.accounts_by_login["desk"]


@pytest.mark.parametrize("backend", BACKENDS)
def test_rent_takes_the_rest_of_the_month_once(backend: str, tmp_path: Path) -> None:
    """Money, line and number are one change; asking again costs nothing."""

    async def story() -> None:
        async with open_house(backend, tmp_path) as house:
            numbers = await prepare(house)
            (offer,) = numbers.list_free(house.account)
            assert (offer.phone, numbers.price(offer, house.account, NOW)) == (PHONE, Rates(MONTH, REST))
            assert await rent(house, numbers) == REST
            assert await rent(house, numbers) == 0
            assert await house.balance() == HAD - REST
            number = await find(house)
            assert (number.account_id, number.since_ms, number.until_ms) == (house.account.id, NOW, OCTOBER)
            assert not number.noprolong
            assert numbers.list_free(house.account) == []
            assert await lines(house) == [("rented", REST, "")]
            spent = await house.db.all("statistics.sum", house.account.id, 0, 2**40, 1)
            assert spent == [("RUR", 0, REST, HAD)]

    asyncio.run(story())


@pytest.mark.parametrize("backend", BACKENDS)
def test_two_accounts_do_not_get_one_number(backend: str, tmp_path: Path) -> None:
    """Both ask in one turn of the loop; the second is refused and keeps its money."""

    async def story() -> None:
        async with open_house(backend, tmp_path) as house:
            numbers = await prepare(house)
            desk = await other_account(house)
            answers = await asyncio.gather(rent(house, numbers), rent(house, numbers, account=desk))
            assert answers == [REST, Refusal(Reason.BAD_PARAMETERS, "the number is rented already")]
            assert (await find(house)).account_id == house.account.id
            assert house.desk.purses.left(desk.id) == HAD
            assert (await ledgers.check(house.db)).faults == ()  # type: ignore[arg-type]

    asyncio.run(story())


@pytest.mark.parametrize("backend", BACKENDS)
def test_number_taken_by_hand_meanwhile_is_not_charged(backend: str, tmp_path: Path) -> None:
    """The command line writes between the look and the commit: the row's guard undoes the charge with the rest."""

    async def story() -> None:
        async with open_house(backend, tmp_path) as house:
            numbers = await prepare(house)
            desk = await other_account(house)
            plan = house.snapshots.current.plan
            looked = numbers._find

            async def look_then_assign(phone: str) -> Number | None:
                found = await looked(phone)
                if found is not None and not found.account_id:
                    await stock.assign(house.db, PHONE, plan, "desk", now_ms=NOW)  # type: ignore[arg-type]
                return found

            numbers._find = look_then_assign  # type: ignore[method-assign]
            assert await rent(house, numbers) == Refusal(Reason.BAD_PARAMETERS, "the number is rented already")
            await house.snapshots.refresh()
            assert (await find(house)).account_id == desk.id
            assert await house.balance() == HAD
            assert await lines(house) == [("assigned", 0, "by hand")]

    asyncio.run(story())


@pytest.mark.parametrize("backend", BACKENDS)
def test_number_removed_meanwhile_is_not_charged(backend: str, tmp_path: Path) -> None:
    """No money for a number that is gone."""

    async def story() -> None:
        async with open_house(backend, tmp_path) as house:
            numbers = await prepare(house)
            plan = house.snapshots.current.plan
            looked = numbers._find

            async def look_then_remove(phone: str) -> Number | None:
                found = await looked(phone)
                if found is not None:
                    await stock.remove(house.db, PHONE, plan, now_ms=NOW)  # type: ignore[arg-type]
                return found

            numbers._find = look_then_remove  # type: ignore[method-assign]
            assert await rent(house, numbers) == Refusal(Reason.BAD_PARAMETERS, "there is no such number to rent")
            assert await house.balance() == HAD
            assert await lines(house) == []

    asyncio.run(story())


@pytest.mark.parametrize("backend", BACKENDS)
def test_rent_without_money_changes_nothing(backend: str, tmp_path: Path) -> None:
    """Neither the number nor the balance; nor does a disk that is full."""

    async def story() -> None:
        async with open_house(backend, tmp_path) as house:
            numbers = await prepare(house, PHONE, cost=4000 * SCALE)
            assert await rent(house, numbers) == Refusal(Reason.NO_MONEY)
            assert await rent(house, numbers, OTHER) == Refusal(
                Reason.BAD_PARAMETERS, "there is no such number to rent"
            )
            await stock.alter(house.db, PHONE, house.snapshots.current.plan, {"cost": MONTH})  # type: ignore[arg-type]
            house.db.fault = Full("the disk is full")
            assert await rent(house, numbers) == Refusal(Reason.STORE_FULL)
            house.db.fault = None
            await house.snapshots.refresh()
            assert (await find(house)).account_id == 0
            assert await house.balance() == HAD

    asyncio.run(story())


@pytest.mark.parametrize("backend", BACKENDS)
def test_texts_and_numbers_draw_on_one_purse(backend: str, tmp_path: Path) -> None:
    """What is promised to one is not there for the other: no balance falls below its credit, whatever comes at once."""

    async def story() -> None:
        async with open_house(backend, tmp_path) as house:
            numbers = await prepare(house, PHONE, OTHER, cost=1800 * SCALE)  # 600 for the rest of the month
            answers = await asyncio.gather(rent(house, numbers), rent(house, numbers, OTHER), house.send("79161234567"))
            assert answers[:2] == [600 * SCALE, Refusal(Reason.NO_MONEY)]
            assert isinstance(answers[2], Accepted)
            assert await house.balance() == HAD - 600 * SCALE - PRICE

    asyncio.run(story())


@pytest.mark.parametrize("backend", BACKENDS)
def test_price_in_another_currency_is_exchanged_or_refused(backend: str, tmp_path: Path) -> None:
    """A number in euro costs roubles at the present rate; without a rate it is not offered."""

    async def story() -> None:
        async with open_house(backend, tmp_path) as house:
            numbers = await prepare(house, currency="EUR", cost=3 * SCALE)
            assert numbers.list_free(house.account) == []
            assert await rent(house, numbers) == Refusal(
                Reason.BAD_PARAMETERS, "its price is in EUR and there is no rate"
            )
            for currency, text in (("RUR", "1"), ("EUR", "100")):
                await rates.set_rate(house.db, currency, parse_rate(text), now_ms=NOW)  # type: ignore[arg-type]
            await house.snapshots.refresh()
            (offer,) = numbers.list_free(house.account)
            assert numbers.price(offer, house.account, NOW) == Rates(MONTH, REST)
            assert await rent(house, numbers) == REST
            assert await house.balance() == HAD - REST

    asyncio.run(story())


@pytest.mark.parametrize("backend", BACKENDS)
def test_month_is_renewed_exactly_once(backend: str, tmp_path: Path) -> None:
    """Looks before, at and after the turn, and a new run that looks again: one charge of the full month."""

    async def story() -> None:
        async with open_house(backend, tmp_path) as house:
            numbers = await prepare(house)
            await rent(house, numbers)
            assert await numbers.renew_due(OCTOBER - 1) == 0
            assert sum(await asyncio.gather(numbers.renew_due(OCTOBER), numbers.renew_due(OCTOBER))) == 1
            assert (await find(house)).until_ms == NOVEMBER
            later = await house.restart()
            again = Numbers(later.desk, later.spawn, lambda: OCTOBER)
            assert await again.renew_due(OCTOBER + 1) == 0
            assert await later.balance() == HAD - REST - MONTH
            assert await lines(house) == [("rented", REST, ""), ("renewed", MONTH, "")]

    asyncio.run(story())


@pytest.mark.parametrize("backend", BACKENDS)
def test_renewal_that_was_stored_but_not_seen_is_not_repeated(backend: str, tmp_path: Path) -> None:
    """A server that decided by an older state (a crash in between, another program) charges nothing: the row guards itself."""

    async def story() -> None:
        async with open_house(backend, tmp_path) as house:
            numbers = await prepare(house)
            await rent(house, numbers)
            before = await find(house)
            assert await numbers.renew_due(OCTOBER) == 1

            async def see_the_past(phone: str) -> Number | None:
                return before

            numbers._find = see_the_past  # type: ignore[method-assign]
            house.snapshots.put_number(before)
            assert await numbers.renew_due(OCTOBER) == 0
            assert await house.balance() == HAD - REST - MONTH
            assert len(await lines(house)) == 2

    asyncio.run(story())


@pytest.mark.parametrize("backend", BACKENDS)
def test_store_that_is_full_at_the_turn_of_the_month_is_caught_up_with(backend: str, tmp_path: Path) -> None:
    """The number is kept, and the next look charges once."""

    async def story() -> None:
        async with open_house(backend, tmp_path) as house:
            numbers = await prepare(house)
            await rent(house, numbers)
            house.db.fault = Full("the disk is full")
            with pytest.raises(Full):
                await numbers.renew_due(OCTOBER)
            house.db.fault = None
            assert (await find(house)).until_ms == OCTOBER
            assert await numbers.renew_due(OCTOBER + 1000) == 1
            assert await house.balance() == HAD - REST - MONTH

    asyncio.run(story())


@pytest.mark.parametrize("backend", BACKENDS)
def test_server_that_was_away_for_two_months_charges_the_present_one(backend: str, tmp_path: Path) -> None:
    """A month in which nobody could use the number is not paid for."""

    async def story() -> None:
        async with open_house(backend, tmp_path) as house:
            numbers = await prepare(house)
            await rent(house, numbers)
            assert await numbers.renew_due(NOVEMBER + 5 * 86_400_000) == 1
            assert (await find(house)).until_ms == DECEMBER
            assert await house.balance() == HAD - REST - MONTH

    asyncio.run(story())


@pytest.mark.parametrize("backend", BACKENDS)
def test_number_is_released_when_it_is_not_to_be_renewed(
    backend: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """By its mark; nothing is charged nor given back, its renter is told, and anybody may rent it."""

    async def story() -> None:
        async with open_house(backend, tmp_path, callback_url=HANDLER) as house:
            numbers = await prepare(house)
            await rent(house, numbers, noprolong=True)
            assert (await find(house)).noprolong
            assert await prolong(house, numbers, False) == 0
            assert not (await find(house)).noprolong
            assert await prolong(house, numbers, True) == 0
            assert await prolong(house, numbers, True, OTHER) == Refusal(
                Reason.BAD_PARAMETERS, "the account does not rent this number"
            )
            assert await numbers.renew_due(OCTOBER) == 1
            free = await find(house)
            assert (free.account_id, free.since_ms, free.until_ms, free.noprolong) == (0, 0, 0, False)
            assert await house.balance() == HAD - REST
            assert await lines(house) == [("rented", REST, ""), ("released", 0, "not to be renewed")]
            assert await told(house) == [(OCTOBER, PHONE, PHONE, "[released] not to be renewed")]
            desk = await other_account(house)
            assert await rent(house, numbers, account=desk) == REST

    asyncio.run(story())
    assert [each for each in caplog.records if each.message == "number_released"]


@pytest.mark.parametrize("backend", BACKENDS)
def test_number_is_released_when_there_is_no_money(backend: str, tmp_path: Path) -> None:
    """Credit counts; what is left stays; its renter is told."""

    async def story() -> None:
        async with open_house(backend, tmp_path, callback_url=HANDLER) as house:
            numbers = await prepare(house, cost=950 * SCALE)
            assert isinstance(await rent(house, numbers), int)
            left = await house.balance()
            assert 0 < left < 950 * SCALE
            assert await numbers.renew_due(OCTOBER) == 1
            assert (await find(house)).account_id == 0
            assert await house.balance() == left
            assert (await lines(house))[-1] == ("released", 0, "not enough money")
            assert await told(house) == [(OCTOBER, PHONE, PHONE, "[released] not enough money")]

    asyncio.run(story())


@pytest.mark.parametrize("backend", BACKENDS)
def test_number_whose_currency_lost_its_rate_is_kept(
    backend: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """An operator's slip costs no customer his number: it is said in the log, and charged when the rate is back."""

    async def story() -> None:
        async with open_house(backend, tmp_path) as house:
            numbers = await prepare(house)
            await rent(house, numbers)
            plan = house.snapshots.current.plan
            await stock.alter(house.db, PHONE, plan, {"currency": "EUR", "cost": 3 * SCALE})  # type: ignore[arg-type]
            await house.snapshots.refresh()
            assert [await numbers.renew_due(OCTOBER) for _ in range(2)] == [0, 0]
            assert (await find(house)).account_id == house.account.id
            for currency, text in (("RUR", "1"), ("EUR", "100")):
                await rates.set_rate(house.db, currency, parse_rate(text), now_ms=NOW)  # type: ignore[arg-type]
            await house.snapshots.refresh()
            assert await numbers.renew_due(OCTOBER) == 1
            assert await house.balance() == HAD - REST - MONTH

    asyncio.run(story())
    assert len([each for each in caplog.records if each.message == "number_without_rate"]) == 1


@pytest.mark.parametrize("backend", BACKENDS)
def test_stock_by_hand(backend: str, tmp_path: Path) -> None:
    """Every refusal says why; what is forced leaves its line."""

    async def story() -> None:
        async with open_house(backend, tmp_path) as house:
            numbers = await prepare(house)
            db: Any = house.db
            plan = house.snapshots.current.plan
            await other_account(house)
            assert (await stock.add(db, "5055", plan, KIND, now_ms=NOW)).phone == "5055"
            with pytest.raises(Refused, match="in the stock already"):
                await stock.add(db, "+7 999 000-11-22", plan, KIND, now_ms=NOW)
            with pytest.raises(Refused, match="no number"):
                await stock.add(db, "12", plan, KIND, now_ms=NOW)
            for parts, why in (
                ({"type": 3}, "the type is"),
                ({"currency": "rub"}, "no currency"),
                ({"cost": -1}, "0 or more"),
                ({"info": "a\nb"}, "one line"),
                ({"uses": ("faxes",)}, "texts, calls or both"),
            ):
                with pytest.raises(Refused, match=why):
                    await stock.alter(db, PHONE, plan, parts)
            with pytest.raises(Refused, match="not in the stock"):
                await stock.alter(db, OTHER, plan, {"cost": 1})
            assert (await stock.assign(db, PHONE, plan, "desk", now_ms=NOW, noprolong=True)).until_ms == OCTOBER
            with pytest.raises(Refused, match="is rented"):
                await stock.assign(db, PHONE, plan, "shop", now_ms=NOW)
            with pytest.raises(Refused, match="release it before"):
                await stock.alter(db, PHONE, plan, {"shared": True})
            with pytest.raises(Refused, match="release it first"):
                await stock.remove(db, PHONE, plan, now_ms=NOW)
            assert (await stock.release(db, PHONE, plan, now_ms=NOW)).account_id == 0
            with pytest.raises(Refused, match="nobody rents"):
                await stock.release(db, PHONE, plan, now_ms=NOW)
            with pytest.raises(Refused, match="no account"):
                await stock.assign(db, PHONE, plan, "nobody", now_ms=NOW)
            await stock.alter(db, "5055", plan, {"shared": True})
            with pytest.raises(Refused, match="nobody rents it"):
                await stock.assign(db, "5055", plan, "shop", now_ms=NOW)
            await house.snapshots.refresh()
            assert [offer.phone for offer in numbers.list_free(house.account)] == [PHONE]
            await rent(house, numbers)
            assert await stock.remove(db, PHONE, plan, now_ms=NOW, force=True) == PHONE
            assert [owned.number.phone for owned in await stock.list_all(db)] == ["5055"]
            names = [name for name, _, _ in await lines(house)]
            assert names == ["assigned", "released", "rented", "released"]

    asyncio.run(story())


@pytest.mark.parametrize("moment", ["snapshot.exchanges", "numbers.list", "snapshot.blacklist"])
@pytest.mark.parametrize("backend", BACKENDS)
def test_number_that_is_rented_while_facts_are_read_is_seen_as_rented(
    backend: str, moment: str, tmp_path: Path
) -> None:
    """The snapshot that is published last may hold rows that were read before: it does not undo what was committed."""

    async def story() -> None:
        async with open_house(backend, tmp_path) as house:
            numbers = await prepare(house)
            snapshots = house.snapshots
            read = snapshots._db.all  # type: ignore[attr-defined]
            rented: list[int | Refusal] = []

            async def read_then_rent(query: Any, *args: Any) -> Any:
                rows = await read(query, *args)
                if query == moment and not rented:
                    rented.append(await rent(house, numbers))
                return rows

            snapshots._db = _Reader(read_then_rent, snapshots._db)  # type: ignore[assignment]
            await snapshots.load()
            assert rented == [REST]
            assert snapshots.current.numbers[PHONE].account_id == house.account.id

    asyncio.run(story())


class _Reader:
    """A database whose lists are read by a function of the test."""

    def __init__(self, read: Any, db: Any) -> None:
        self.all = read
        self._db = db

    def __getattr__(self, name: str) -> Any:
        return getattr(self._db, name)
