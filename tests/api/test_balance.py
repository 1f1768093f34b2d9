"""balance.php in the four formats (spec sending 13, clients 2.1 to 2.3)."""

import pytest
from tests.fakes.api import FakeMoney, House

from heliograph.api.operations import balance

PATH = "/sys/balance.php"


@pytest.fixture
def house() -> House:
    return House(balance.OPERATIONS)


def test_balance_is_a_bare_decimal(house: House) -> None:
    """Libraries give the whole body to a float parser, or match digits, a dot and digits."""
    assert house.four(PATH) == ("250.80", "250.80", "<balance>250.80</balance>", '{"balance": "250.80"}')


def test_currency_comes_with_cur(house: House) -> None:
    """Format 1 stays one value, as two are an error to client libraries."""
    assert house.four(PATH, cur=1) == (
        "250.80 RUR",
        "250.80",
        "<result><balance>250.80</balance><currency>RUR</currency></result>",
        '{"balance": "250.80", "currency": "RUR"}',
    )


def test_credit_comes_when_there_is_one(house: House) -> None:
    """It stands between balance and currency."""
    house.money.amounts = (-5_000, 0, 1_000_000)
    assert house.four(PATH, cur=1) == (
        "-0.50 100.00 RUR",
        "-0.50",
        "<result><balance>-0.50</balance><credit>100.00</credit><currency>RUR</currency></result>",
        '{"balance": "-0.50", "credit": "100.00", "currency": "RUR"}',
    )


@pytest.mark.parametrize(
    ("amount", "text"), [(0, "0.00"), (10_000_000, "1000.00"), (1, "0.0001"), (41_000, "4.10"), (12_345, "1.2345")]
)
def test_balance_has_two_decimals_at_least(amount: int, text: str) -> None:
    """Nothing is rounded away."""
    assert House(balance.OPERATIONS, money=FakeMoney((amount, 0, 0))).ask(PATH) == text


def test_eleventh_request_within_a_minute_is_error_9(house: House) -> None:
    """Ten of any kind are allowed."""
    for i in range(10):
        assert house.ask(PATH, cur=i % 2).startswith("250.80")
    assert house.ask(PATH) == "ERROR = 9 (duplicate request, wait a minute)"


def test_bad_flag_is_error_1(house: House) -> None:
    """In every format."""
    assert house.four(PATH, cur="x") == (
        "ERROR = 1 (parameters error: cur is 0 or 1)",
        "0,-1",
        "<result><error>parameters error: cur is 0 or 1</error><error_code>1</error_code></result>",
        '{"error": "parameters error: cur is 0 or 1", "error_code": 1}',
    )
