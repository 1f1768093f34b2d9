"""Amounts of money as text (core/money.py)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliograph.core.money import SCALE, format_money, parse_money


@given(st.integers(-(10**15), 10**15))
def test_money_survives_writing_and_reading(amount: int) -> None:
    """What the ledger shows can be typed back without losing a ten-thousandth."""
    text = format_money(amount)
    assert parse_money(text) == amount
    assert "." not in text or not text.endswith("0")


@pytest.mark.parametrize(
    ("text", "amount"),
    [("1000", 1000 * SCALE), ("1.6", 16_000), (".5", 5_000), ("1.", SCALE), ("+2", 2 * SCALE), ("-0.05", -500)],
)
def test_amounts_people_write_are_understood(text: str, amount: int) -> None:
    """An operator types amounts by hand."""
    assert parse_money(text) == amount


@pytest.mark.parametrize(
    "text", ["", ".", "-", "--5", "+-5", "-+5", "1,5", "1e3", "1.23456", "٣", " 1", "0x1", "1.2.3", "1_000", "nan"]
)
def test_what_is_no_amount_is_refused(text: str) -> None:
    """A slip of the hand must not become a top-up."""
    with pytest.raises(ValueError):
        parse_money(text)


def test_amounts_are_written_without_padding() -> None:
    """Clients compare "4.1", never "4.10" (spec sending 7.1)."""
    assert [format_money(n) for n in (0, 41_000, 38_000, 1, -500, 10**7)] == [
        "0",
        "4.1",
        "3.8",
        "0.0001",
        "-0.05",
        "1000",
    ]
