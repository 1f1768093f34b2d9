"""imgcode and userip of send: right and wrong codes, and who must give one (seed 001, anti-spam verification)."""

import pytest
from tests.fakes.api import ALEX, FakeCaptchas, FakeCredentials, House

from heliograph.api.operations import send
from heliograph.core.accounts import Account, Settings

PATH = "/sys/send.php"
A, USER = "79001112233", "192.0.2.7"


@pytest.fixture
def house() -> House:
    return House(send.OPERATIONS, captchas=FakeCaptchas({USER: "48253"}))


def test_right_code_lets_the_text_through(house: House) -> None:
    """And the address stays with it, for its daily limit."""
    assert house.ask(PATH, phones=A, mes="Hi", imgcode="48253", userip=USER) == "OK - 1 SMS, ID - 17"
    assert house.submitting.asked[0].user_ip == USER


def test_wrong_code_is_error_10_in_every_format(house: House) -> None:
    """The reference's sample compares with -10."""
    assert house.four(PATH, phones=A, mes="Hi", imgcode="11111", userip=USER) == (
        "ERROR = 10 (invalid code)",
        "0,-10",
        "<result><error>invalid code</error><error_code>10</error_code></result>",
        '{"error": "invalid code", "error_code": 10}',
    )
    assert not house.submitting.asked


@pytest.mark.parametrize("imgcode", ["", "0", " "])
def test_empty_field_is_a_wrong_code(house: House, imgcode: str) -> None:
    """A robot that leaves the field of the form empty must not get past it."""
    assert house.ask(PATH, phones=A, mes="Hi", imgcode=imgcode, userip=USER, fmt=1) == "0,-10"


def test_code_without_the_address_says_what_is_missing(house: House) -> None:
    """A mistake of the customer's program, not of his user."""
    body = house.ask(PATH, phones=A, mes="Hi", imgcode="48253")
    assert body == "ERROR = 1 (parameters error: imgcode needs userip)"
    assert not house.captchas.asked


def test_price_and_bad_parameters_use_no_code_up(house: House) -> None:
    """A site asks the price first, or repeats what it has written wrongly."""
    house.ask(PATH, phones=A, mes="Hi", imgcode="48253", userip=USER, cost=1)
    house.ask(PATH, phones=A, mes="Hi", imgcode="48253", userip=USER, op=5)
    house.ask(PATH, phones=A, mes="", imgcode="48253", userip=USER)
    assert not house.captchas.asked
    assert house.ask(PATH, phones=A, mes="Hi", imgcode="48253", userip=USER, fmt=1) == "17,1"


def test_wrong_codes_ban_nobody(house: House) -> None:
    """They come from the customer's server, which cannot help what robots type."""
    house.ask(PATH, phones=A, mes="Hi", imgcode="1", userip=USER)
    assert house.guard.sends == []
    assert house.guard.failed == []


@pytest.mark.parametrize("params", [{}, {"userip": USER}, {"userip": USER, "imgcode": "1"}])
def test_account_may_demand_a_code_of_every_send(params: dict[str, str]) -> None:
    """Whoever finds the site's script cannot leave the parameter out."""
    account = Account(ALEX.id, "alex", "RUR", 0, 1, Settings(captcha=True))
    house = House(send.OPERATIONS, credentials=FakeCredentials(account), captchas=FakeCaptchas({USER: "48253"}))
    assert house.ask(PATH, phones=A, mes="Hi", fmt=1, **params) == "0,-10"
    assert house.ask(PATH, phones=A, mes="Hi", fmt=1, cost=1) == "1.6,1"
    house.captchas.shown[USER] = "48253"
    assert house.ask(PATH, phones=A, mes="Hi", fmt=1, userip=USER, imgcode="48253") == "17,1"
