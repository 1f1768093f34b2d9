"""Tariffs: prices by hand and by file, refunds, and what is refused (services/tariffs.py)."""

import asyncio
from pathlib import Path

import pytest
from tests.databases import BACKENDS, fresh_database

from heliograph.core.reasons import Reason, Refused
from heliograph.core.tariffs import DEFAULT_REFUND, PriceIndex, Prices, Tariff, Zone
from heliograph.services import accounts, tariffs
from heliograph.services.snapshot import Snapshots

ZONES = (
    Zone(1, "Russia", ("RU", "+7958"), Prices(sms=25_000, hlr=5_000)),
    Zone(2, "The rest, far", ("*",), Prices(sms=100_000, waitcall=3_000)),
)
CODES = {"25001": Prices(sms=20_000), "25002": Prices(sms=21_500, ping=0)}


@pytest.mark.parametrize("backend", BACKENDS)
def test_tariff_is_found_as_it_was_made(backend: str, tmp_path: Path) -> None:
    """Prices that were entered are those that are charged."""

    async def story() -> None:
        async with fresh_database(backend, tmp_path) as db:
            made = await tariffs.create(db, "basic", zones=ZONES, codes=CODES)
            assert await tariffs.list_all(db) == [made]
            found = PriceIndex(await tariffs.show(db, "basic"))
            assert found.find("79161234567", "RU", "25001") == CODES["25001"]
            assert found.find("491701234567", "DE", "26201") == ZONES[1].prices
            assert made.refund == DEFAULT_REFUND
            with pytest.raises(Refused) as refused:
                await tariffs.create(db, "basic")
            assert refused.value.reason == Reason.NOT_POSSIBLE

    asyncio.run(story())


@pytest.mark.parametrize("backend", BACKENDS)
def test_prices_are_replaced_as_a_whole(backend: str, tmp_path: Path) -> None:
    """What is not in the new list has no price any more, and a wrong list changes nothing."""

    async def story() -> None:
        async with fresh_database(backend, tmp_path) as db:
            await tariffs.create(db, "basic", zones=ZONES, codes=CODES)
            with pytest.raises(Refused):
                await tariffs.replace_prices(db, "basic", ZONES + ZONES, {})
            assert (await tariffs.show(db, "basic")).codes == CODES
            await tariffs.replace_prices(db, "basic", ZONES[1:], {})
            found = await tariffs.show(db, "basic")
            assert (found.zones, found.codes) == (ZONES[1:], {})

    asyncio.run(story())


def test_csv_brings_back_what_it_wrote() -> None:
    """A list that was exported and imported again is the same, to the last 1/10,000."""
    tariff = Tariff(1, "basic", "RUR", frozenset(), ZONES, CODES, 1_000)
    assert tariffs.read_csv(tariffs.write_csv(tariff)) == (ZONES, CODES, 1_000)
    tariff = Tariff(1, "basic", "RUR", frozenset(), ZONES, CODES)
    text = tariffs.write_csv(tariff)
    assert tariffs.read_csv(text) == (ZONES, CODES, 0)
    assert text.splitlines()[1] == '1,Russia,"RU,+7958",2.5,,,0.5,,,'


def test_csv_of_a_spreadsheet_is_read() -> None:
    """Semicolons, a byte order mark, fewer columns, and zones that number themselves."""
    zones, codes, mail = tariffs.read_csv("\ufeffmatches;sms\r\nru;2.5\r\n25001;2\r\n*;10\r\n")
    assert [(zone.zone, zone.matches, zone.prices.sms) for zone in zones] == [
        (1, ("RU",), 25_000),
        (2, ("*",), 100_000),
    ]
    assert codes == {"25001": Prices(sms=20_000)} and mail is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("zone,name\n", "lacks matches, sms"),
        ("matches,sms,smss\n", "unknown smss"),
        ("matches,sms\nRU,free\n", "line 2: not an amount"),
        ("matches,sms\nRU,1.00001\n", "line 2"),
        ("zone,matches,sms\nx,RU,1\n", "line 2"),
        ("matches,sms\nRU,KZ,1\n", "quotation marks"),
        ('matches,sms\n"mail,RU",1\n', "line 2: mail stands in a line of its own"),
        ("zone,matches,sms\n3,mail,1\n", "line 2: mail stands in a line of its own"),
        ("matches,sms\nmail,1\nMail,2\n", "line 3: a second price of an e-mail"),
    ],
)
def test_bad_csv_names_the_line(text: str, said: str) -> None:
    """A list has thousands of lines; the wrong one must be found."""
    with pytest.raises(Refused) as refused:
        tariffs.read_csv(text)
    assert said in refused.value.detail


@pytest.mark.parametrize(
    ("zones", "codes"),
    [
        ((Zone(1, "a", ("Russia",), Prices()),), {}),
        ((Zone(1, "a", (), Prices()),), {}),
        ((Zone(1, "a", ("RU",), Prices()), Zone(2, "b", ("RU",), Prices())), {}),
        ((Zone(1, "a", ("RU",), Prices()), Zone(1, "b", ("KZ",), Prices())), {}),
        ((Zone(1, "a", ("RU",), Prices(sms=-1)),), {}),
        ((), {"MTS": Prices()}),
    ],
)
def test_prices_that_cannot_be_are_refused(zones: tuple[Zone, ...], codes: dict[str, Prices], tmp_path: Path) -> None:
    """Two prices for one place, or a price for none, would be charged by chance."""

    async def story() -> None:
        async with fresh_database("sqlite", tmp_path) as db:
            with pytest.raises(Refused) as refused:
                await tariffs.create(db, "basic", zones=zones, codes=codes)
            assert refused.value.reason == Reason.BAD_PARAMETERS and refused.value.detail
            assert await tariffs.list_all(db) == []

    asyncio.run(story())


@pytest.mark.parametrize("backend", BACKENDS)
def test_price_of_an_e_mail_is_kept_until_another_is_named(backend: str, tmp_path: Path) -> None:
    """Lists that were written before e-mails had a price must not make them free."""

    async def story() -> None:
        async with fresh_database(backend, tmp_path) as db:
            made = await tariffs.create(db, "basic", zones=ZONES, mail=1_000)
            await accounts.create(db, "shop", tariff="basic", now_ms=1)
            assert made.mail == (await tariffs.show(db, "basic")).mail == 1_000
            assert (await tariffs.replace_prices(db, "basic", ZONES[1:], {})).mail == 1_000
            snapshots = Snapshots(db, str)
            account = (await snapshots.load()).accounts_by_login["shop"]
            await tariffs.replace_prices(db, "basic", ZONES, {}, 2_000)
            assert await snapshots.refresh()
            assert snapshots.current.tariff_of(account) == await tariffs.show(db, "basic")
            await tariffs.set_mail(db, "basic", tariffs.LARGEST_PRICE)
            assert (await tariffs.show(db, "basic")).mail == tariffs.LARGEST_PRICE
            await tariffs.set_mail(db, "basic", 0)
            (left,) = await tariffs.list_all(db)
            assert (left.mail, left.zones) == (0, ZONES)
            for wrong in (-1, 10**13):
                with pytest.raises(Refused) as refused:
                    await tariffs.set_mail(db, "basic", wrong)
                assert refused.value.reason == Reason.BAD_PARAMETERS
            with pytest.raises(Refused) as refused:
                await tariffs.set_mail(db, "other", 1)
            assert refused.value.reason == Reason.NOT_FOUND

    asyncio.run(story())


@pytest.mark.parametrize("backend", BACKENDS)
def test_refund_names_final_statuses_only(backend: str, tmp_path: Path) -> None:
    """Money given back for a message that may still arrive would be a present."""

    async def story() -> None:
        async with fresh_database(backend, tmp_path) as db:
            await tariffs.create(db, "basic")
            assert await tariffs.set_refund(db, "basic", tariffs.read_refund("20, 22")) == {20, 22}
            for wrong in ({0}, {-1}, {99}):
                with pytest.raises(Refused):
                    await tariffs.set_refund(db, "basic", wrong)
            with pytest.raises(Refused):
                tariffs.read_refund("twenty")
            assert (await tariffs.show(db, "basic")).refund == {20, 22}

    asyncio.run(story())


@pytest.mark.parametrize("backend", BACKENDS)
def test_tariff_of_an_account_stays(backend: str, tmp_path: Path) -> None:
    """Without its tariff an account could not send anything."""

    async def story() -> None:
        async with fresh_database(backend, tmp_path) as db:
            await tariffs.create(db, "basic", zones=ZONES, codes=CODES)
            await tariffs.create(db, "spare", zones=ZONES, codes=CODES)
            await accounts.create(db, "shop", tariff="basic", now_ms=1)
            with pytest.raises(Refused) as refused:
                await tariffs.remove(db, "basic")
            assert "shop" in refused.value.detail
            await tariffs.remove(db, "spare")
            (left,) = await tariffs.list_all(db)
            assert left.name == "basic" and left.codes == CODES

    asyncio.run(story())
