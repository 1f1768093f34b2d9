"""Dedicated numbers and what they cost: the days left of a month, its end, renewal (seed 001, "Connecting dedicated
numbers"; docs/numbers.md)."""

from calendar import monthrange
from collections.abc import Callable, Iterable, Mapping
from datetime import date

import msgspec

from heliograph.core.days import day_of, shift_months, start_of_day
from heliograph.core.rates import convert

TYPES = (1, 2, 4)
"""1 and 4 dedicated virtual numbers, 2 a number on the SIM hosting service."""

TEXTS, CALLS = "texts", "calls"
USES = (TEXTS, CALLS)
HUNDREDTH = 100  # a hundredth of a currency unit, in 1/10,000
_DAY_MS = 86_400_000
# A month is paid up to midnight of the first in the zone of its time. Zones lie 26 hours apart at most, so a fortnight
# later it is the paid-for month's successor in all of them, whatever zone the account has got since.
_FORTNIGHT_MS = 14 * _DAY_MS


class Number(msgspec.Struct, frozen=True):
    """A number on which subscribers reach customers. ``cost`` is a month's, in 1/10,000 of ``currency``.

    ``shared`` ones are everybody's and nobody rents them. ``account_id`` is who rents it (0: nobody), paid up to
    ``until_ms``, not to be renewed with ``noprolong``.
    """

    phone: str
    type: int
    uses: tuple[str, ...]
    shared: bool
    cost: int
    currency: str
    info: str
    account_id: int = 0
    since_ms: int = 0
    until_ms: int = 0
    noprolong: bool = False


class Rates(msgspec.Struct, frozen=True):
    """A number's prices for one account, in 1/10,000 of its currency: a full month, and the rest of this one."""

    month: int
    rest: int


def month_end(at_ms: int, zone: str) -> int:
    """The first moment (ms since 1970, UTC) of the month after the one that it is in a zone."""
    return start_of_day(shift_months(day_of(at_ms, zone).replace(day=1), 1), zone)


def next_end(until_ms: int, now_ms: int, zone: str) -> int:
    """Up to when one renewal pays for a number that was paid up to ``until_ms``: the end of the month that begins there,
    or, when that is over as well, of the present one. Months in which nobody renewed it are not paid for."""
    end_ms = month_end(until_ms + _FORTNIGHT_MS, zone)
    return end_ms if end_ms > now_ms else month_end(now_ms, zone)


def cost_of_rest(cost: int, day: date) -> int:
    """What the rest of a month costs from ``day`` on, that day included.

    By days, rounded half up to a hundredth of a unit, and never more than the month: 500.00 on 17 April (14 days of 30)
    is 233.33. On the first it is the month's cost as it is.
    """
    if day.day == 1:
        return cost
    days = monthrange(day.year, day.month)[1]
    left = days - day.day + 1
    # cost * left / days in hundredths, half up: floor(x + 1/2) = floor((2 * cost * left + 100 * days) / (200 * days))
    return min(cost, (2 * cost * left + HUNDREDTH * days) // (2 * HUNDREDTH * days) * HUNDREDTH)


def price(number: Number, currency: str, rates: Mapping[str, int], now_ms: int, zone: str) -> Rates | None:
    """What a number costs in a currency; None when it is another one and either has no rate."""
    month = number.cost
    if number.currency != currency:
        rate, into = rates.get(number.currency), rates.get(currency)
        if rate is None or into is None:
            return None
        month = convert(month, rate, into)
    return Rates(month, cost_of_rest(month, day_of(now_ms, zone)))


def read_uses(text: str) -> tuple[str, ...]:
    """The uses of a number from a text with commas, in their own order; ValueError for none or an unknown one."""
    named = {part.strip().lower() for part in text.split(",") if part.strip()}
    if not named or named - set(USES):
        raise ValueError(f"{text!r}: texts, calls or both with a comma between")
    return tuple(use for use in USES if use in named)


def list_for_calls(
    numbers: Iterable[Number], account_id: int, country: str, country_of: Callable[[str], str]
) -> list[str]:
    """The numbers that a subscriber of ``country`` (ISO code) may be told to call for an account: those of his country
    first, of these the account's own before shared ones. ``country_of`` tells the country of a number."""
    found = [
        number for number in numbers if CALLS in number.uses and (number.shared or number.account_id == account_id)
    ]
    found.sort(key=lambda number: (country_of(number.phone) != country, number.shared, number.phone))
    return [number.phone for number in found]
