"""Exchange between currencies, in whole numbers (seed 002, mycur; docs/money.md).

A rate says what one unit of a currency is worth in millionths of a unit that all rates share: with RUR at 1 and EUR at
95.2, one euro is 95.2 roubles. Which currency the shared unit is does not matter.
"""

import re

import msgspec

SCALE = 1_000_000
HIGHEST = 10**9 * SCALE  # a billion: the dearest currency there is costs some 150,000 of the cheapest
_RATE = re.compile(r"(\d{1,10})(?:[.,](\d{1,6}))?", re.ASCII)


class Exchange(msgspec.Struct, frozen=True):
    """One change of an account's currency: messages up to ``int_id`` had their cost in ``currency``.

    The rates are those of its moment; money given back later for such messages is exchanged at them, too.
    """

    int_id: int
    currency: str
    rate: int
    into: str
    into_rate: int


def convert(amount: int, rate: int, into_rate: int) -> int:
    """``amount`` in a currency of ``rate`` as an amount in one of ``into_rate``, both above zero.

    Rounded half up without its sign, so that an amount and its opposite stay opposite: -0.5 becomes -1.
    """
    value = (abs(amount) * rate * 2 + into_rate) // (into_rate * 2)
    return value if amount >= 0 else -value


def parse_rate(text: str) -> int:
    """Millionths from a decimal such as ``95.2``; ValueError unless it is above zero, with six decimals at most."""
    found = _RATE.fullmatch(text.strip())
    rate = int(found[1]) * SCALE + int((found[2] or "").ljust(6, "0")) if found else 0
    if not 0 < rate <= HIGHEST:
        raise ValueError(f"{text!r} is no rate: a decimal above zero with six decimals at most, such as 95.2")
    return rate


def format_rate(rate: int) -> str:
    """A decimal without padding: ``95.2``, ``1``, ``0.17``."""
    whole, rest = divmod(rate, SCALE)
    return f"{whole}.{rest:06d}".rstrip("0") if rest else str(whole)
