"""Dedicated numbers: what the rest of a month costs, where months end, and how renewals go on from month to month."""

from calendar import monthrange
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliograph.core.days import day_of, start_of_day
from heliograph.core.money import SCALE
from heliograph.core.rents import (
    Number,
    Rates,
    cost_of_rest,
    list_for_calls,
    month_end,
    next_end,
    price,
    read_uses,
)

ZONES = (
    "Europe/Moscow",
    "Europe/Berlin",
    "America/New_York",
    "Pacific/Auckland",
    "Pacific/Kiritimati",
    "Pacific/Pago_Pago",
    "Asia/Beirut",  # its clocks jump over midnight
    "+5:30",
    "-11",
)
DAYS = st.dates(date(1999, 1, 1), date(2100, 12, 31))
MOMENTS = st.integers(946_684_800_000, 4_102_444_800_000)  # 2000 to 2100
NUMBER = Number("79990001122", 1, ("texts",), False, 300 * SCALE, "RUR", "")


@pytest.mark.parametrize(
    ("cost", "day", "wanted"),
    [
        (500_0000, date(2026, 4, 17), 233_3300),  # 14 days of 30: 233.333…
        (500_0000, date(2026, 4, 1), 500_0000),
        (500_0000, date(2026, 4, 30), 16_6700),  # 16.666…, half up
        (500_0000, date(2024, 2, 29), 17_2400),  # a leap year: 1 of 29
        (500_0000, date(2025, 2, 28), 17_8600),  # 1 of 28
        (500_0000, date(2100, 2, 28), 17_8600),  # no leap year
        (310_0000, date(2026, 12, 31), 10_0000),
        (0, date(2026, 12, 31), 0),
        (1, date(2026, 4, 1), 1),  # never more than the month, although that is below a hundredth
        (1, date(2026, 4, 2), 0),
        (100, date(2026, 4, 16), 100),  # 0.01 for 15 days of 30 is half a hundredth
    ],
)
def test_rest_of_a_month_is_paid_by_days(cost: int, day: date, wanted: int) -> None:
    """The day itself is paid for; hundredths, half up."""
    assert cost_of_rest(cost, day) == wanted


@given(st.integers(0, 10**12), DAYS)
def test_rest_is_within_half_a_hundredth_and_never_above_the_month(cost: int, day: date) -> None:
    """And later days cost less, or the same."""
    days = monthrange(day.year, day.month)[1]
    rest = cost_of_rest(cost, day)
    exact = cost * (days - day.day + 1) / days
    assert abs(rest - exact) <= 50 + exact * 1e-12
    assert 0 <= rest <= cost
    assert day.day > 1 or rest == cost
    assert day.day == days or cost_of_rest(cost, day.replace(day=day.day + 1)) <= rest


@given(MOMENTS, st.sampled_from(ZONES))
def test_month_ends_at_the_first_of_the_next_in_its_zone(at_ms: int, zone: str) -> None:
    """Whatever clocks do in between: the moment before is of this month, the moment itself is the next one's first."""
    end_ms = month_end(at_ms, zone)
    day, last, first = day_of(at_ms, zone), day_of(end_ms - 1, zone), day_of(end_ms, zone)
    assert at_ms < end_ms
    assert (last.year, last.month) == (day.year, day.month)
    assert first == date(day.year + day.month // 12, day.month % 12 + 1, 1)
    assert end_ms == start_of_day(first, zone)


@pytest.mark.parametrize(
    ("day", "zone", "wanted_h"),
    [
        (date(2026, 2, 10), "Europe/Berlin", 28 * 24),
        (date(2024, 2, 10), "Europe/Berlin", 29 * 24),
        (date(2026, 3, 10), "Europe/Berlin", 31 * 24 - 1),  # summer time begins
        (date(2026, 10, 10), "Europe/Berlin", 31 * 24 + 1),
        (date(2026, 12, 31), "Europe/Berlin", 31 * 24),
    ],
)
def test_months_last_as_long_as_clocks_say(day: date, zone: str, wanted_h: int) -> None:
    """A month with a change of clocks has an hour more or less."""
    first_ms = start_of_day(day.replace(day=1), zone)
    assert month_end(first_ms, zone) - first_ms == wanted_h * 3_600_000


@given(MOMENTS, st.sampled_from(ZONES), st.integers(1, 30))
def test_renewals_in_time_pay_month_after_month(at_ms: int, zone: str, count: int) -> None:
    """No month is left out and none is paid twice."""
    until_ms = month_end(at_ms, zone)
    for _ in range(count):
        following = next_end(until_ms, until_ms, zone)
        assert following == month_end(until_ms, zone)
        until_ms = following
    first, last = day_of(at_ms, zone), day_of(until_ms - 1, zone)
    assert (last.year * 12 + last.month) - (first.year * 12 + first.month) == count


@given(MOMENTS, st.sampled_from(ZONES), st.sampled_from(ZONES))
def test_another_zone_makes_no_renewal_of_hours(at_ms: int, zone: str, new_zone: str) -> None:
    """A customer who moves to another zone at the end of a month pays for a month, not for the hours between the zones."""
    until_ms = month_end(at_ms, zone)
    following = next_end(until_ms, until_ms, new_zone)
    assert 26 * 86_400_000 < following - until_ms < 33 * 86_400_000
    assert day_of(following, new_zone).day == 1


@given(MOMENTS, st.sampled_from(ZONES), st.integers(0, 400 * 86_400_000))
def test_late_renewal_pays_up_to_the_end_of_the_present_month(at_ms: int, zone: str, late_ms: int) -> None:
    """One renewal is enough however long nobody looked."""
    until_ms = month_end(at_ms, zone)
    now_ms = until_ms + late_ms
    assert next_end(until_ms, now_ms, zone) == month_end(now_ms, zone)


def test_price_is_exchanged_before_days_are_counted() -> None:
    """The month is a whole amount in the account's currency, and the rest a part of that."""
    now_ms = start_of_day(date(2026, 4, 16), "Europe/Moscow")
    assert price(NUMBER, "RUR", {}, now_ms, "Europe/Moscow") == Rates(300_0000, 150_0000)
    rates = {"RUR": 1_000_000, "EUR": 100_000_000}
    assert price(NUMBER, "EUR", rates, now_ms, "Europe/Moscow") == Rates(3_0000, 1_5000)
    assert price(NUMBER, "EUR", {"RUR": 1_000_000}, now_ms, "Europe/Moscow") is None
    assert price(NUMBER, "EUR", {"EUR": 1_000_000}, now_ms, "Europe/Moscow") is None


def test_uses_are_read_in_one_order() -> None:
    """As they are stored, they are compared."""
    assert read_uses(" calls, TEXTS ") == ("texts", "calls")
    assert read_uses("calls") == ("calls",)
    for text in ("", ",", "faxes", "texts,faxes"):
        with pytest.raises(ValueError, match="texts, calls or both"):
            read_uses(text)


def test_numbers_of_the_same_country_are_offered_first() -> None:
    """Then the account's own before shared ones; what another account rents or what takes no calls is not offered."""

    def make(phone: str, uses: str = "calls", shared: bool = False, account_id: int = 0) -> Number:
        return Number(phone, 1, read_uses(uses), shared, 0, "RUR", "", account_id)

    numbers = [
        make("77010000001", shared=True),
        make("79990000005", shared=True),
        make("79990000004", account_id=7),
        make("79990000003", account_id=8),
        make("79990000002", "texts", account_id=7),
        make("79990000001"),
    ]

    def country_of(phone: str) -> str:
        return "KZ" if phone.startswith("77") else "RU"

    assert list_for_calls(numbers, 7, "RU", country_of) == ["79990000004", "79990000005", "77010000001"]
    assert list_for_calls(numbers, 7, "KZ", country_of) == ["77010000001", "79990000004", "79990000005"]
    assert list_for_calls(numbers, 9, "DE", country_of) == ["77010000001", "79990000005"]
