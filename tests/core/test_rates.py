"""Exchange between currencies: whole numbers only, and the same every time (core/rates.py)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliograph.core.rates import HIGHEST, convert, format_rate, parse_rate

AMOUNTS = st.integers(min_value=-(10**15), max_value=10**15)
RATES = st.integers(min_value=1, max_value=HIGHEST)


@pytest.mark.parametrize(
    ("amount", "rate", "into", "expected"),
    [
        (952_000, 1_000_000, 95_200_000, 10_000),  # 95.20 roubles are a euro
        (10_000, 95_200_000, 1_000_000, 952_000),
        (10_000, 95_200_000, 170_000, 5_600_000),  # a euro is 560 tenge
        (1, 1_000_000, 2_000_000, 1),  # a half goes up
        (-1, 1_000_000, 2_000_000, -1),
        (1, 1_000_000, 2_000_001, 0),
        (3, 1_000_000, 2_000_000, 2),
        (0, 5, 7, 0),
    ],
)
def test_amount_is_exchanged_and_rounded_half_up(amount: int, rate: int, into: int, expected: int) -> None:
    """To the nearest 1/10,000, a half away from zero."""
    assert convert(amount, rate, into) == expected


@given(AMOUNTS, RATES, RATES)
def test_opposite_amounts_stay_opposite(amount: int, rate: int, into: int) -> None:
    """So a debt that uses the whole credit is still covered by it after an exchange of both."""
    assert convert(-amount, rate, into) == -convert(amount, rate, into)


@given(AMOUNTS, AMOUNTS, RATES, RATES)
def test_more_never_becomes_less(one: int, other: int, rate: int, into: int) -> None:
    """Otherwise a balance within its credit could leave it."""
    first, second = sorted((one, other))
    assert convert(first, rate, into) <= convert(second, rate, into)


@pytest.mark.parametrize(
    ("text", "rate"),
    [("1", 1_000_000), ("95.20", 95_200_000), ("0.17", 170_000), ("0,000001", 1), (" 95.2 ", 95_200_000)],
)
def test_rate_is_read(text: str, rate: int) -> None:
    """A decimal with a dot or a comma, millionths at the finest."""
    assert parse_rate(text) == rate
    assert parse_rate(format_rate(rate)) == rate


@pytest.mark.parametrize("text", ["", "0", "0.000000", "-1", "1.0000001", "1e3", "ten", "10000000000", "1.", "٣"])
def test_what_is_no_rate_is_refused(text: str) -> None:
    """Zero would make money of nothing, or nothing of money."""
    with pytest.raises(ValueError, match=r"95\.2"):
        parse_rate(text)


def test_rate_is_written_without_padding() -> None:
    """As people write it."""
    assert [format_rate(rate) for rate in (1_000_000, 95_200_000, 170_000, 1)] == ["1", "95.2", "0.17", "0.000001"]
