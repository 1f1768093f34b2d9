"""receive_phones.php in the four formats, with the replies of the reference page (seed 001)."""

import pytest
from tests.fakes.api import FakeNumbers, House

from heliograph.api.operations import numbers
from heliograph.core.reasons import Reason, Refusal
from heliograph.core.rents import Number, Rates

PATH = "/sys/receive_phones.php"
PHONE = "79990001122"
LONG = Number(PHONE, 1, ("texts",), False, 0, "RUR", "МТС, SMS & calls")
SHORT = Number("5055", 2, ("texts",), False, 0, "RUR", "")
OFFERS = {PHONE: (LONG, Rates(500_0000, 233_3300)), "5055": (SHORT, Rates(0, 0))}


@pytest.fixture
def house() -> House:
    return House(numbers.OPERATIONS, numbers=FakeNumbers({**OFFERS}, 233_3300))


def test_free_numbers_are_told_in_four_formats(house: House) -> None:
    """In JSON the type is bare, all else texts; XML has receive_phone inside list."""
    assert house.four(PATH, get=1) == (
        f"phone = {PHONE}, type = 1, cost = 500, current_cost = 233.33, info = МТС, SMS & calls\n"
        "phone = 5055, type = 2, cost = 0, current_cost = 0, info = ",
        f"{PHONE},1,500,233.33,МТС, SMS & calls\n5055,2,0,0,",
        f"<list><receive_phone><phone>{PHONE}</phone><type>1</type><cost>500</cost><current_cost>233.33</current_cost>"
        "<info>МТС, SMS &amp; calls</info></receive_phone><receive_phone><phone>5055</phone><type>2</type><cost>0</cost>"
        "<current_cost>0</current_cost><info></info></receive_phone></list>",
        f'[{{"phone": "{PHONE}", "type": 1, "cost": "500", "current_cost": "233.33", "info": "МТС, SMS & calls"}}, '
        '{"phone": "5055", "type": 2, "cost": "0", "current_cost": "0", "info": ""}]',
    )


def test_no_free_number_is_an_empty_list(house: House) -> None:
    """No error: spec management 0.1."""
    house.numbers.offers = {}
    assert house.four(PATH, get=1) == ("", "", "<list></list>", "[]")


def test_list_whose_prices_vanish_meanwhile_is_error_9(house: House) -> None:
    """An operator who removes a rate in between makes no list with holes."""
    house.numbers.offers["5055"] = (SHORT, None)
    assert house.ask(PATH, get=1) == "ERROR = 9 (too many concurrent requests)"


def test_rented_number_is_told_in_four_formats(house: House) -> None:
    """What was taken, and nothing else."""
    assert house.four(PATH, buy=1, phone=PHONE) == (
        "cost = 233.33",
        "233.33",
        "<phone><cost>233.33</cost></phone>",
        '{"cost": "233.33"}',
    )
    assert house.numbers.asked == [("rent", PHONE, False)] * 4


def test_changed_number_is_ok_in_four_formats(house: House) -> None:
    """Clients look for result = OK."""
    answers = house.four(PATH, chg=1, phone="+7 (999) 000-11-22", noprolong=1)
    assert answers == ("OK", "OK", "<result>OK</result>", '{"result": "OK"}')
    assert house.numbers.asked == [("set", PHONE, True)] * 4


def test_number_is_read_as_people_write_it(house: House) -> None:
    """A short one stays as it is; noprolong goes with buy as well."""
    house.ask(PATH, buy=1, phone="8 999 000-11-22", noprolong=1)
    house.ask(PATH, buy=1, phone="5055", noprolong=0)
    assert house.numbers.asked == [("rent", PHONE, True), ("rent", "5055", False)]


def test_number_that_cannot_be_rented_is_error_1(house: House) -> None:
    """The detail says whether it is unknown or rented."""
    house.numbers.result = Refusal(Reason.BAD_PARAMETERS, "the number is rented already")
    assert house.four(PATH, buy=1, phone=PHONE) == (
        "ERROR = 1 (parameters error: the number is rented already)",
        "0,-1",
        "<result><error>parameters error: the number is rented already</error><error_code>1</error_code></result>",
        '{"error": "parameters error: the number is rented already", "error_code": 1}',
    )
    assert house.ask(PATH, chg=1, phone=PHONE).startswith("ERROR = 1 ")


@pytest.mark.parametrize(
    ("params", "detail"),
    [
        ({}, "no action is named"),
        ({"buy": 1}, "phone is missing"),
        ({"chg": 1}, "phone is missing"),
        ({"buy": 1, "phone": "abc"}, "phone is no number"),
        ({"buy": 1, "phone": PHONE, "noprolong": 2}, "noprolong is 0 or 1"),
        ({"chg": 1, "phone": PHONE, "noprolong": "yes"}, "noprolong is 0 or 1"),
    ],
)
def test_bad_parameters_are_error_1(house: House, params: dict[str, object], detail: str) -> None:
    """The service is not asked."""
    assert house.ask(PATH, **params) == f"ERROR = 1 (parameters error: {detail})"
    assert house.numbers.asked == []


def test_rent_without_money_is_error_3(house: House) -> None:
    """In every format."""
    house.numbers.result = Refusal(Reason.NO_MONEY)
    assert house.four(PATH, buy=1, phone=PHONE) == (
        "ERROR = 3 (no money)",
        "0,-3",
        "<result><error>no money</error><error_code>3</error_code></result>",
        '{"error": "no money", "error_code": 3}',
    )


def test_wrong_password_is_error_2_and_banned_address_error_4(house: House) -> None:
    """As on every page."""
    assert house.ask(PATH, get=1, psw="wrong") == "ERROR = 2 (authorise error)"
    house.guard.banned.add("127.0.0.1")
    assert house.ask(PATH, get=1) == "ERROR = 4 (ip is blocked)"


@pytest.mark.parametrize("params", [{"get": 1}, {"buy": 1, "phone": PHONE}, {"chg": 1, "phone": PHONE}])
def test_third_identical_request_within_a_minute_is_error_9(house: House, params: dict[str, object]) -> None:
    """Each command by itself; another number is another request."""
    for _ in range(2):
        assert "ERROR" not in house.ask(PATH, **params)
    assert house.ask(PATH, **params) == "ERROR = 9 (duplicate request, wait a minute)"
    assert "ERROR" not in house.ask(PATH, chg=1, phone="79990001133")


def test_store_that_cannot_be_asked_is_error_9(house: House) -> None:
    """Wait and ask again."""
    house.numbers.result = Refusal(Reason.STORE_FULL)
    assert house.ask(PATH, buy=1, phone=PHONE) == "ERROR = 9 (too many concurrent requests)"
