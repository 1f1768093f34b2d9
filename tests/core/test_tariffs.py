"""Looking up prices (core/tariffs.py). Making tariffs is tested with the services."""

import pytest

from heliograph.core.messages import Kind
from heliograph.core.tariffs import DEFAULT_REFUND, PriceIndex, Prices, Tariff, Zone, is_refunded


def tariff(*zones: tuple[str, int], codes: dict[str, int] | None = None) -> PriceIndex:
    made = tuple(
        Zone(n, f"Zone {n}", tuple(matches.split(",")), Prices(sms=price))
        for n, (matches, price) in enumerate(zones, 1)
    )
    own = {code: Prices(sms=price) for code, price in (codes or {}).items()}
    return PriceIndex(Tariff(1, "basic", "RUR", DEFAULT_REFUND, made, own))


@pytest.mark.parametrize(
    ("phone", "country", "mccmnc", "price"),
    [
        ("79161234567", "RU", "25001", 5),  # the operator's own price beats its zone
        ("79261234567", "RU", "25002", 40),  # an operator in a zone beats a prefix
        ("74951234567", "RU", "25099", 30),  # the longest prefix
        ("74811234567", "RU", "25099", 20),  # a shorter one
        ("79991234567", "RU", "25020", 10),  # the country
        ("77011234567", "KZ", "40102", 60),  # a zone of several countries
        ("491711234567", "DE", "26201", 90),  # the rest
        ("999", "", "0", 90),  # no place known
    ],
)
def test_the_most_special_price_holds(phone: str, country: str, mccmnc: str, price: int) -> None:
    """An operator reads his price list from special to general."""
    index = tariff(
        ("RU", 10), ("+74", 20), ("+7495", 30), ("25001,25002", 40), ("BY,KZ", 60), ("*", 90), codes={"25001": 5}
    )
    found = index.find(phone, country, mccmnc)
    assert found is not None and found.sms == price


def test_number_outside_every_zone_has_no_price() -> None:
    """Without a price nothing is sent, rather than sent for nothing."""
    assert tariff(("RU", 10)).find("491711234567", "DE", "26201") is None
    assert tariff().find("79161234567", "RU", "25001") is None


def test_kinds_without_a_price_of_their_own_cost_as_texts() -> None:
    """HLR and ping queries may be cheaper; free ones are free."""
    prices = Prices(sms=10, hlr=3, ping=0)
    assert [prices.of(kind) for kind in (Kind.SMS, Kind.FLASH, Kind.BINARY, Kind.HLR, Kind.PING)] == [10, 10, 10, 3, 0]
    assert Prices(sms=10).of(Kind.HLR) == 10


def test_call_is_sold_only_at_a_price_of_its_own() -> None:
    """A call costs an operator many times a text: it must not go out at the price of one by oversight."""
    assert Prices(sms=10, call=40).of(Kind.CALL) == 40
    assert Prices(sms=10, call=0).of(Kind.CALL) == 0
    assert Prices(sms=10).of(Kind.CALL) is None


def test_refund_follows_the_tariff() -> None:
    """Delivered texts never give money back by default, expired and undeliverable ones do."""
    index = tariff(("*", 1))
    assert [is_refunded(index.tariff, status) for status in (0, 1, 2, 4)] == [False] * 4
    assert all(is_refunded(index.tariff, status) for status in (3, 20, 22, 23, 24, 25))


def test_confirmation_by_a_call_has_a_price_of_its_own_or_that_of_calls() -> None:
    """A tariff that names neither does not offer it, whatever a text costs; 0 is a price."""
    assert Prices(sms=25_000).of_confirmation() is None
    assert Prices(sms=25_000, call=7_000).of_confirmation() == 7_000
    assert Prices(sms=25_000, call=7_000, waitcall=0).of_confirmation() == 0
