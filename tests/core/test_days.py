"""Days of an account's calendar (core/days.py)."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliograph.core.days import day_of, next_day, read_day, shift_months, start_of_day

ZONES = ["Europe/Moscow", "Asia/Almaty", "America/New_York", "America/Sao_Paulo", "Asia/Kolkata", "+3", "-5:30", "+14"]
DAYS = st.dates(date(1971, 1, 1), date(2100, 1, 1))


@pytest.mark.parametrize("text", ["1.2.2024", "01.02.2024", " 01. 02. 2024 "])
def test_days_are_read_as_people_write_them(text: str) -> None:
    """The reference itself writes a blank behind the dots."""
    assert read_day(text) == date(2024, 2, 1)


@pytest.mark.parametrize(
    "text", ["", "2024-02-01", "31.02.2024", "01.13.2024", "01.02.24", "1.1.1969", "1.1.99999", "١.1.2024"]
)
def test_what_is_no_day_is_refused(text: str) -> None:
    """A period of the wrong days would be told as if it were the right one."""
    with pytest.raises(ValueError, match=r"."):
        read_day(text)


@given(DAYS, st.sampled_from(ZONES))
def test_a_day_begins_at_its_first_moment(day: date, zone: str) -> None:
    """Also where clocks change, and nothing falls between two days."""
    start = start_of_day(day, zone)
    assert day_of(start, zone) == day
    assert day_of(start - 1000, zone) == day - timedelta(days=1)
    assert next_day(day_of(start - 1000, zone)) == day


def test_clocks_that_jump_over_midnight_begin_the_day_later() -> None:
    """In São Paulo the 4th of November 2018 began at one o'clock."""
    start = start_of_day(date(2018, 11, 4), "America/Sao_Paulo")
    local = datetime.fromtimestamp(start / 1000, UTC).astimezone(ZoneInfo("America/Sao_Paulo"))
    assert (local.day, local.hour) == (4, 1)


@given(DAYS, st.integers(-600, 600))
def test_months_keep_the_day_where_they_can(day: date, count: int) -> None:
    """The 31st becomes the last of a shorter month."""
    found = shift_months(day, count)
    assert (found.year - day.year) * 12 + found.month - day.month == count
    assert found.day == day.day or (found.day < day.day and next_day(found).day == 1)
