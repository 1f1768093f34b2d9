"""get_price in the four formats (seeds 000 and 003, "Request for rates"; spec clients 2.3)."""

import json

import pytest
from tests.fakes.api import FakeTariffs, House

from heliograph.api.operations import prices
from heliograph.core.tariffs import Prices, Tariff, Zone

PATH = "/sys/get.php"
RUSSIA = Zone(1, "Россия, <все>", ("RU",), Prices(sms=25_000, mass=20_000, hlr=4_000, mms=70_000, call=15_000))
REST = Zone(2, "Rest\nof the world", ("*",), Prices(sms=61_234))
CODES = {"40101": Prices(sms=30_000), "25001": Prices(sms=21_500, mass=1)}
REPEATED = "duplicate request, wait a minute"


def house_of(*zones: Zone, codes: dict[str, Prices] | None = None, mail: int = 0) -> House:
    tariff = Tariff(1, "basic", "RUR", frozenset(), zones, codes or {}, mail)
    return House(prices.OPERATIONS, tariffs=FakeTariffs(tariff))


@pytest.fixture
def house() -> House:
    return house_of(RUSSIA, mail=1_000)


def test_zones_are_told_with_all_their_prices(house: House) -> None:
    """Without operators' own prices no line stands between zones and e-mail; lists of XML and JSON are always there."""
    assert house.four(PATH, get_price=1) == (
        "zone = 1, name = Россия, <все>, api = 2.5, mass = 2, mms = 7, hlr = 0.4, call = 1.5\nmail = 0.1",
        "1,Россия  <все>,2.5,2,7,0.4,1.5\n0.1",
        '<price><zones><zone name="Россия, &lt;все&gt;" api="2.5" mass="2" mms="7" hlr="0.4" call="1.5">1</zone></zones>'
        "<codes></codes><mail>0.1</mail></price>",
        '{"zones": [{"zone": "1", "name": "Россия, <все>", "api": "2.5", "mass": "2", "mms": "7", "hlr": "0.4", '
        '"call": "1.5"}], "codes": [], "mail": "0.1"}',
    )


def test_prices_of_operators_stand_between_zones_and_mail() -> None:
    """In the order of their codes, whatever order they were written in; zones by number."""
    house = house_of(REST, Zone(1, "Russia", ("RU",), Prices(sms=25_000)), codes=CODES)
    assert house.four(PATH, get_price=1) == (
        "zone = 1, name = Russia, api = 2.5, mass = 2.5, mms = 0, hlr = 2.5, call = 0\n"
        "zone = 2, name = Rest of the world, api = 6.1234, mass = 6.1234, mms = 0, hlr = 6.1234, call = 0\n"
        "mccmnc = 25001, cost = 2.15\nmccmnc = 40101, cost = 3\nmail = 0",
        "1,Russia,2.5,2.5,0,2.5,0\n2,Rest of the world,6.1234,6.1234,0,6.1234,0\n25001,2.15\n40101,3\n0",
        '<price><zones><zone name="Russia" api="2.5" mass="2.5" mms="0" hlr="2.5" call="0">1</zone>'
        '<zone name="Rest\nof the world" api="6.1234" mass="6.1234" mms="0" hlr="6.1234" call="0">2</zone></zones>'
        '<codes><mccmnc cost="2.15">25001</mccmnc><mccmnc cost="3">40101</mccmnc></codes><mail>0</mail></price>',
        '{"zones": [{"zone": "1", "name": "Russia", "api": "2.5", "mass": "2.5", "mms": "0", "hlr": "2.5", "call": "0"}'
        ', {"zone": "2", "name": "Rest\\nof the world", "api": "6.1234", "mass": "6.1234", "mms": "0", '
        '"hlr": "6.1234", "call": "0"}], "codes": [{"mccmnc": "25001", "cost": "2.15"}, '
        '{"mccmnc": "40101", "cost": "3"}], "mail": "0"}',
    )


def test_price_that_is_0_does_not_fall_back() -> None:
    """A mailing that costs nothing must not be told at the price of a text."""
    (zone,) = prices.describe_zones([Zone(3, "x", ("*",), Prices(sms=5, mass=0, hlr=0))])
    assert (zone["api"], zone["mass"], zone["hlr"]) == ("0.0005", "0", "0")


@pytest.mark.parametrize("house", [house_of(), House(prices.OPERATIONS)], ids=["empty tariff", "no tariff"])
def test_empty_tariff_has_no_zones(house: House) -> None:
    """Clients read an array of zones, so there is one; the e-mail price is always told."""
    assert house.four(PATH, get_price=1) == (
        "mail = 0",
        "0",
        "<price><zones></zones><codes></codes><mail>0</mail></price>",
        '{"zones": [], "codes": [], "mail": "0"}',
    )


def test_operators_alone_have_no_line_above_them() -> None:
    """A tariff may price operators only."""
    house = house_of(codes={"25001": Prices(sms=10_000)})
    assert house.four(PATH, get_price=1)[:2] == ("mccmnc = 25001, cost = 1\nmail = 0", "25001,1\n0")


def test_every_value_is_a_string_in_json() -> None:
    """The reference quotes all of them, zone numbers too."""
    house = house_of(RUSSIA, REST, codes=CODES)
    reply = json.loads(house.ask("/rest/get/", get_price=1))
    assert all(isinstance(value, str) for row in (*reply["zones"], *reply["codes"]) for value in row.values())
    assert reply["mail"] == "0" and len(reply["zones"]) == len(reply["codes"]) == 2


def errors(number: int, words: str) -> tuple[str, ...]:
    return (
        f"ERROR = {number} ({words})",
        f"0,-{number}",
        f"<result><error>{words}</error><error_code>{number}</error_code></result>",
        f'{{"error": "{words}", "error_code": {number}}}',
    )


def test_request_without_action_is_error_1(house: House) -> None:
    """The page has several; none is guessed."""
    assert house.four(PATH, get_price=0) == errors(1, "parameters error: no action is named")


def test_wrong_password_is_error_2(house: House) -> None:
    """Prices are between an account and its operator."""
    assert house.four(PATH, get_price=1, psw="124") == errors(2, "authorise error")


def test_banned_address_is_error_4(house: House) -> None:
    """As on every page."""
    house.guard.banned.add("127.0.0.1")
    assert house.four(PATH, get_price=1) == errors(4, "ip is blocked")


@pytest.mark.parametrize("fmt", range(4))
def test_fourth_request_within_a_minute_is_error_9(house: House, fmt: int) -> None:
    """Three are allowed, in whatever format; a parameter that means nothing does not make another request of it."""
    for i in range(3):
        assert "0.1" in house.ask(PATH, get_price=1, fmt=i, anything=i)
    assert house.ask(PATH, get_price=1, fmt=fmt).endswith(errors(9, REPEATED)[fmt])
