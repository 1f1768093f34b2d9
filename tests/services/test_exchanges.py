"""Another currency for an account beside a running server: money, refunds of older texts, statistics (services/accounts.py)."""

import asyncio
from pathlib import Path

import pytest
from tests.databases import BACKENDS, fresh_database, fresh_url
from tests.house import NOW, PHONE, PRICE, House, Report, open_house

from heliograph.core.messages import Accepted
from heliograph.core.money import SCALE
from heliograph.core.rates import convert
from heliograph.core.reasons import Reason, Refusal, Refused
from heliograph.core.status import Err, Status
from heliograph.core.tariffs import Prices, Zone
from heliograph.services import accounts, ledgers, rates, tariffs, traces
from heliograph.services.batch import is_exchanged
from heliograph.services.entries import QUARTER_MS
from heliograph.services.statistics import Statistics, Total, exchange
from heliograph.store.database import Broken, Database, Step
from heliograph.store.opening import open_database

EURO = 100_000_000  # a hundred roubles


async def prepare(db: Database) -> None:
    """Rates, and a tariff in euros: 0.02 a part."""
    await rates.set_rate(db, "RUR", 1_000_000, now_ms=NOW)
    await rates.set_rate(db, "EUR", EURO, now_ms=NOW)
    await tariffs.create(db, "world", currency="EUR", zones=(Zone(1, "All", ("*",), Prices(sms=200)),))


async def change(house: House, currency: str = "EUR", tariff: str = "world") -> accounts.Overview:
    """The command, as another program gives it."""
    return await accounts.change_currency(house.db, "shop", currency, tariff=tariff, now_ms=house.now)  # type: ignore[arg-type]


async def notice(house: House) -> None:
    """What the server does a quarter of a second later."""
    await house.desk.take_balances()
    await house.snapshots.refresh()


async def totals(house: House, wallet: int = 1) -> list[tuple[str, int, int, int]]:
    found = await Statistics(house.db, house.snapshots, house.spawn).sum_up(house.account, 0, 2 * NOW, wallet)  # type: ignore[arg-type]
    return [(each.currency, each.texts, each.spent, each.income) for each in found]


@pytest.mark.parametrize("backend", BACKENDS)
def test_balances_and_credit_are_exchanged(backend: str, tmp_path: Path) -> None:
    """Each balance leaves whole in the old currency and comes back in the new one; statistics counts neither."""

    async def story() -> None:
        async with open_house(backend, tmp_path) as house:
            await prepare(house.db)  # type: ignore[arg-type]
            await accounts.set_credit(house.db, "shop", 50 * SCALE)  # type: ignore[arg-type]
            await accounts.top_up(house.db, "shop", 7 * SCALE, now_ms=NOW, wallet=2)  # type: ignore[arg-type]
            found = await change(house)
            assert (found.balance, found.balance2, found.account.credit) == (10 * SCALE, 700, 5000)
            assert (found.account.currency, found.tariff) == ("EUR", "world")
            rows = await house.db.all("ledger.of_message", found.account.id, 0)
            moved = [(amount, wallet, note) for _, _, name, amount, wallet, _, note in rows if name == "exchange"]
            what = "RUR to EUR"
            assert moved == [
                (-1000 * SCALE, 1, what),
                (10 * SCALE, 1, what),
                (-7 * SCALE, 2, what),
                (700, 2, what),
            ]
            await notice(house)
            assert await house.balance() == 10 * SCALE
            assert await totals(house) == [("RUR", 0, 0, 1000 * SCALE)]
            assert await totals(house, 2) == [("RUR", 0, 0, 7 * SCALE)]
            await house.accepted()
            assert await house.balance() == 10 * SCALE - 200
            assert await totals(house) == [("EUR", 1, 200, 0), ("RUR", 0, 0, 1000 * SCALE)]

    asyncio.run(story())


@pytest.mark.parametrize("backend", BACKENDS)
def test_debt_that_uses_the_whole_credit_is_exchanged(backend: str, tmp_path: Path) -> None:
    """Rounding must not push it below its credit."""

    async def story() -> None:
        async with open_house(backend, tmp_path) as house:
            await prepare(house.db)  # type: ignore[arg-type]
            await accounts.set_credit(house.db, "shop", 33)  # type: ignore[arg-type]
            await accounts.correct(house.db, "shop", -1000 * SCALE - 33, now_ms=NOW, note="test")  # type: ignore[arg-type]
            await rates.set_rate(house.db, "EUR", 22_000_000, now_ms=NOW)  # type: ignore[arg-type]
            found = await change(house)
            assert (found.balance, found.account.credit) == (-2, 2)
            assert (await ledgers.check(house.db)).faults == ()  # type: ignore[arg-type]

    asyncio.run(story())


@pytest.mark.parametrize("backend", BACKENDS)
def test_refund_of_an_older_text_follows_the_exchange(backend: str, tmp_path: Path) -> None:
    """It is given back in roubles and exchanged at the rates of that day, whatever the rates are by now."""

    async def story() -> None:
        async with open_house(backend, tmp_path) as house:
            await prepare(house.db)  # type: ignore[arg-type]
            lost = await house.sent("lost", text="lost")
            (waiting,) = await house.accepted(text="waiting", send_ms=house.now + 60_000)
            await change(house)
            await rates.remove(house.db, "RUR")  # type: ignore[arg-type]
            await rates.set_rate(house.db, "EUR", 1, now_ms=NOW)  # type: ignore[arg-type]
            await notice(house)
            before = await house.balance()
            assert before == (1000 * SCALE - 2 * PRICE) // 100
            assert await house.report(Report("lost", 20))
            assert await house.ledger(lost) == [
                ("charge", -PRICE),
                ("refund", PRICE),
                ("exchange", -PRICE),
                ("exchange", PRICE // 100),
            ]
            assert (await house.row(lost)).refunded == PRICE
            assert await house.balance() == before + PRICE // 100
            story = await traces.trace(house.db, house.snapshots.current, lost.int_id)  # type: ignore[arg-type]
            money = [each.detail for each in story.entries if each.what in ("charge", "refund", "exchange")]
            assert story.currency == "RUR" and money == [
                "-1.5 RUR",
                "1.5 RUR status 20",
                "-1.5 RUR RUR to EUR",
                "0.015 EUR RUR to EUR",
            ]
            done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
            house.statuses.delete(house.account, waiting.id, PHONE, house.now, done.set_result)
            assert await done
            assert await house.balance() == before + 2 * PRICE // 100 == 10 * SCALE
            assert await totals(house) == [("RUR", 2, 0, 1000 * SCALE)]
            other = await house.restart()
            assert await other.balance() == 10 * SCALE

    asyncio.run(story())


@pytest.mark.parametrize("backend", BACKENDS)
def test_two_exchanges_are_followed_in_turn(backend: str, tmp_path: Path) -> None:
    """Roubles to euros to tenge; a text of each time gets its own way back."""

    async def story() -> None:
        async with open_house(backend, tmp_path) as house:
            await prepare(house.db)  # type: ignore[arg-type]
            await rates.set_rate(house.db, "KZT", 200_000, now_ms=NOW)  # type: ignore[arg-type]
            await tariffs.create(house.db, "steppe", currency="KZT", zones=(Zone(1, "All", ("*",), Prices(sms=9)),))  # type: ignore[arg-type]
            await house.sent("one", text="one")
            await change(house)
            await notice(house)
            await house.sent("two", text="two")
            await change(house, "KZT", "steppe")
            await notice(house)
            third = await house.sent("three", text="three")
            before = await house.balance()
            for ref, amount in (("one", PRICE // 100 * 500), ("two", 200 * 500), ("three", 9)):
                assert await house.report(Report(ref, 20))
                before += amount
                assert await house.balance() == before
            assert [name for name, _ in await house.ledger(third)] == ["charge", "refund"]

    asyncio.run(story())


@pytest.mark.parametrize("backend", BACKENDS)
def test_server_that_does_not_know_yet_charges_nothing(backend: str, tmp_path: Path) -> None:
    """A price of 1.5 roubles must not become 1.5 euros: error 9 until the snapshot is renewed, then the new price."""

    async def story() -> None:
        async with open_house(backend, tmp_path) as house:
            await prepare(house.db)  # type: ignore[arg-type]
            await change(house)
            answers = [await house.send(PHONE, text=f"early {number}") for number in range(3)]
            many = [f"7916{number:07d}" for number in range(250)]
            answers.append(await house.send(*many, text="staged"))
            assert answers == [Refusal(Reason.STORE_FULL)] * 4
            await asyncio.gather(*house.tasks)
            await notice(house)
            assert await house.balance() == 10 * SCALE
            assert await house.stored() == []
            again = await house.send(PHONE, text="early 0")
            assert isinstance(again, Accepted) and again.cost == 200
            assert await house.balance() == 10 * SCALE - 200

    asyncio.run(story())


@pytest.mark.parametrize("backend", BACKENDS)
def test_refund_that_met_the_exchange_is_reckoned_anew(
    backend: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What has happened is never lost: the store refuses the old currency, and the next try gives back the new one."""
    monkeypatch.setattr("heliograph.services.desk.RETRY_S", 0.05)

    async def story() -> None:
        async with open_house(backend, tmp_path) as house:
            await prepare(house.db)  # type: ignore[arg-type]
            message = await house.sent("lost")
            (waiting,) = await house.accepted(text="expired")
            await change(house)
            assert not await house.report(Report("lost", 20))
            house.dispatch.end(waiting, Status.EXPIRED, Err.NO_REPORT, house.now)
            await house.desk.batch.settle()
            assert (await house.row(message)).refunded == (await house.row(waiting)).refunded == 0
            await notice(house)
            while not (await house.row(message)).refunded or not (await house.row(waiting)).refunded:
                await asyncio.sleep(0.01)
            await house.desk.batch.settle()
            assert (await house.row(message)).refunded == (await house.row(waiting)).refunded == PRICE
            assert await house.balance() == 10 * SCALE

    asyncio.run(story())


@pytest.mark.parametrize("backend", BACKENDS)
def test_charges_and_an_exchange_at_the_same_time_never_mix(backend: str, tmp_path: Path) -> None:
    """Two programs on one store: each charge is either before the exchange or refused, and the sums agree."""

    async def charge(db: Database, int_id: int) -> int:
        """What a batch of a server that knows only roubles writes; how much of it was kept."""
        entry = (1, NOW, "charge", -PRICE, 1, int_id, 1, "")
        try:
            await db.transact(
                [
                    Step("purses.charge", [(-PRICE, 0, 0, 1, "RUR")], fetch=True),
                    Step("ledger.add", [entry]),
                    Step("statistics.add", [(1, NOW // QUARTER_MS, 1, "RUR", 1, PRICE, 0)]),
                ]
            )
        except Broken as error:
            assert is_exchanged(error)
            return 0
        return PRICE

    async def story() -> None:
        url = await fresh_url(backend, tmp_path)
        server, other = await open_database(url), await open_database(url)
        try:
            await tariffs.create(server, "basic")
            await prepare(server)
            await accounts.create(server, "shop", tariff="basic", now_ms=NOW, balance=1000 * SCALE)
            charges = [asyncio.ensure_future(charge(server, number)) for number in range(200)]
            await asyncio.sleep(0.01)
            found = await accounts.change_currency(other, "shop", "EUR", tariff="world", now_ms=NOW)
            charges += [asyncio.ensure_future(charge(server, number)) for number in range(200, 210)]
            spent = sum(await asyncio.gather(*charges))
            assert found.balance == convert(1000 * SCALE - spent, 1_000_000, EURO)
            assert (await accounts.show(server, "shop")).balance == found.balance
            faults = (await ledgers.check(server)).faults
            assert [fault.what for fault in faults] == ["what its messages cost"] * bool(spent)  # there are no messages
        finally:
            await other.close()
            await server.close()

    asyncio.run(story())


@pytest.mark.parametrize("backend", BACKENDS)
def test_exchange_is_refused_with_words(backend: str, tmp_path: Path) -> None:
    """Nothing is changed by any of them."""

    async def story() -> None:
        async with fresh_database(backend, tmp_path) as db:
            await tariffs.create(db, "basic")
            await accounts.create(db, "shop", tariff="basic", now_ms=NOW, balance=10**13)
            cases = [
                ("RUR", "basic", Reason.NOT_POSSIBLE, "already"),
                ("EUR", "none", Reason.NOT_FOUND, "no tariff"),
                ("EUR", "basic", Reason.BAD_PARAMETERS, "in RUR"),
                ("EUR", "world", Reason.NOT_POSSIBLE, "RUR has no rate"),
            ]
            for currency, tariff, reason, words in cases:
                if tariff == "world":
                    await tariffs.create(db, "world", currency="EUR")
                with pytest.raises(Refused, match=words) as told:
                    await accounts.change_currency(db, "shop", currency, tariff=tariff, now_ms=NOW)
                assert told.value.reason is reason
            await rates.set_rate(db, "RUR", 10**15, now_ms=NOW)
            with pytest.raises(Refused, match="EUR has no rate"):
                await accounts.change_currency(db, "shop", "EUR", tariff="world", now_ms=NOW)
            await rates.set_rate(db, "EUR", 1, now_ms=NOW)
            with pytest.raises(Refused, match="so much money"):
                await accounts.change_currency(db, "shop", "EUR", tariff="world", now_ms=NOW)
            found = await accounts.show(db, "shop")
            assert (found.account.currency, found.balance, found.tariff) == ("RUR", 10**13, "basic")
            assert (await ledgers.check(db)).faults == ()

    asyncio.run(story())


@pytest.mark.parametrize("backend", BACKENDS)
def test_rates_are_kept_and_reach_the_snapshot(backend: str, tmp_path: Path) -> None:
    """A running server has them with its next snapshot."""

    async def story() -> None:
        async with open_house(backend, tmp_path) as house:
            db: Database = house.db  # type: ignore[assignment]
            await prepare(db)
            await rates.set_rate(db, "EUR", 95_200_000, now_ms=NOW + 1)
            assert await house.snapshots.refresh()
            assert house.snapshots.current.rates == {"RUR": 1_000_000, "EUR": 95_200_000}
            assert await rates.list_all(db) == [
                rates.Rate("EUR", 95_200_000, NOW + 1),
                rates.Rate("RUR", 1_000_000, NOW),
            ]
            await rates.remove(db, "EUR")
            for wrong in (
                rates.remove(db, "EUR"),
                rates.set_rate(db, "euro", 1, now_ms=NOW),
                rates.set_rate(db, "EUR", 0, now_ms=NOW),
            ):
                with pytest.raises(Refused):
                    await wrong
            assert await house.snapshots.refresh()
            assert house.snapshots.current.rates == {"RUR": 1_000_000}

    asyncio.run(story())


def test_totals_become_one_as_far_as_there_are_rates() -> None:
    """A currency without a rate keeps its row: to leave it out, or to guess, would be wrong money."""
    found = [
        Total("shop", "EUR", 2, 10_000, 20_000),
        Total("shop", "KZT", 3, 7, 8),
        Total("shop", "RUR", 1, 5, -6),
    ]
    known = {"RUR": 1_000_000, "EUR": EURO}
    assert exchange(found, "RUR", known) == [Total("shop", "RUR", 3, 1_000_005, 1_999_994), found[1]]
    assert exchange(found, "EUR", known) == [Total("shop", "EUR", 3, 10_000, 20_000), found[1]]
    assert exchange(found, "RUR", {}) == [found[2], found[0], found[1]]
    assert exchange([], "RUR", known) == []
