"""wait_call.php in the four formats, with the replies of the reference page (seed 001)."""

import pytest
from tests.fakes.api import FakeWaits, House

from heliograph.api.operations import wait_call
from heliograph.core.reasons import Reason, Refusal
from heliograph.services.waits import Awaited

PATH = "/sys/wait_call.php"
PHONE = "79161234567"
FIRST, SECOND = "78005550000", "77010000001"


@pytest.fixture
def house() -> House:
    return House(wait_call.OPERATIONS, waits=FakeWaits(Awaited(FIRST, (FIRST, SECOND))))


def test_numbers_to_call_are_told_in_four_formats(house: House) -> None:
    """Format 1 has all of them, the one to call first; XML an element for each inside all_phones."""
    assert house.four(PATH, phone=PHONE) == (
        f"phone = {FIRST}, all_phones = {FIRST},{SECOND}",
        f"{FIRST},{SECOND}",
        f"<result><phone>{FIRST}</phone><all_phones><phone>{FIRST}</phone><phone>{SECOND}</phone></all_phones></result>",
        f'{{"phone": "{FIRST}", "all_phones": ["{FIRST}", "{SECOND}"]}}',
    )
    assert house.waits.asked == [PHONE] * 4


def test_one_number_is_a_list_too(house: House) -> None:
    """A program that reads an array gets one."""
    house.waits.result = Awaited(FIRST, (FIRST,))
    assert house.four(PATH, phone=PHONE) == (
        f"phone = {FIRST}, all_phones = {FIRST}",
        FIRST,
        f"<result><phone>{FIRST}</phone><all_phones><phone>{FIRST}</phone></all_phones></result>",
        f'{{"phone": "{FIRST}", "all_phones": ["{FIRST}"]}}',
    )


@pytest.mark.parametrize(
    ("reason", "number", "words"),
    [
        (Reason.NO_MONEY, 3, "no money"),
        (Reason.BLACK_LISTED, 5, "phone is in black list"),
        (Reason.NO_PRICE, 6, "no price for the call"),
        (Reason.NUMBER_DENIED, 6, "no price for the call"),
        (Reason.OUTSIDE_HOURS, 6, "no price for the call"),
        (Reason.STORE_FULL, 9, "too many concurrent requests"),
    ],
)
def test_refusals_have_the_numbers_of_the_page(house: House, reason: Reason, number: int, words: str) -> None:
    """They are not those of send."""
    house.waits.result = Refusal(reason)
    assert house.four(PATH, phone=PHONE) == (
        f"ERROR = {number} ({words})",
        f"0,-{number}",
        f"<result><error>{words}</error><error_code>{number}</error_code></result>",
        f'{{"error": "{words}", "error_code": {number}}}',
    )


def test_bad_number_is_error_1(house: House) -> None:
    """With a detail; without a number the service is not asked."""
    assert house.ask(PATH) == "ERROR = 1 (parameters error: phone is missing)"
    assert house.waits.asked == []
    house.waits.result = Refusal(Reason.BAD_PARAMETERS, "there is no number to call")
    assert house.ask(PATH, phone=PHONE) == "ERROR = 1 (parameters error: there is no number to call)"


def test_wrong_password_is_error_2_and_banned_address_error_4(house: House) -> None:
    """As on every page."""
    assert house.ask(PATH, phone=PHONE, psw="wrong") == "ERROR = 2 (authorise error)"
    house.guard.banned.add("127.0.0.1")
    assert house.ask(PATH, phone=PHONE) == "ERROR = 4 (ip is blocked)"


def test_fifty_first_identical_request_within_a_minute_is_error_9(house: House) -> None:
    """Another subscriber is another request."""
    for _ in range(50):
        assert house.ask(PATH, phone=PHONE).startswith("phone = ")
    assert house.ask(PATH, phone=PHONE) == "ERROR = 9 (duplicate request, wait a minute)"
    assert house.ask(PATH, phone="79161234568").startswith("phone = ")
