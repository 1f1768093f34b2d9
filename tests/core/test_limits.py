"""Counters with time as an argument (core/limits.py)."""

from hypothesis import given
from hypothesis import strategies as st

from heliograph.core.limits import Days, Rate, Recent, Runs, Window


@given(st.lists(st.integers(0, 3000), max_size=60), st.integers(1, 5))
def test_window_never_lets_more_than_its_limit_through(gaps: list[int], limit: int) -> None:
    """Five a minute are five in any minute, not in each calendar one."""
    window, now, taken = Window(limit, 10), 1_000_000, []
    for gap in gaps:
        now += gap
        if window.take("key", now):
            taken.append(now)
    assert all(sum(t - 10_000 < u <= t for u in taken) <= limit for t in taken)


def test_window_refuses_only_while_it_is_full() -> None:
    """A refused request is not counted and does not prolong the wait."""
    window = Window(2, 60)
    assert [window.take(1, t) for t in (0, 10_000, 59_999, 60_000, 60_001)] == [True, True, False, True, False]
    assert window.take(2, 60_001)
    window.forget(1)
    assert window.count(1, 60_001) == 0


def test_window_keeps_a_bounded_number_of_keys() -> None:
    """Somebody who invents names cannot fill the memory."""
    window = Window(1, 60, most_keys=100)
    for key in range(1000):
        assert window.take(key, 1)
    assert len(window._times) <= 100 and not window.take(999, 1)


def test_recent_print_is_refused_for_a_minute() -> None:
    """An identical request within a minute is error 9, and one that was refused may come again at once."""
    recent = Recent()
    assert recent.add(7, 1_000) and not recent.add(7, 60_999)
    assert recent.add(7, 61_000)
    recent.discard(7)
    assert recent.add(7, 61_500) and not recent.add(7, 61_600)
    assert not recent.add(7, 120_000) and recent.add(7, 121_000)


def test_run_of_quick_messages_is_cut_at_its_limit() -> None:
    """More than 50 to one number with gaps below 30 s are stopped; a longer gap begins anew."""
    runs = Runs(50, 30.0)
    assert all(runs.take("n", 1_000_000 + i * 29_999) for i in range(50))
    last = 1_000_000 + 50 * 29_999
    assert not runs.take("n", last)
    assert not runs.take("n", last + 29_999)
    assert runs.take("n", last + 29_999 + 30_000)
    assert runs.take("m", last)


def test_runs_keep_a_bounded_number_of_keys() -> None:
    """A campaign to millions does not fill the memory."""
    runs = Runs(2, 30.0, most_keys=100)
    for key in range(1000):
        assert runs.take(key, 1_000_000)
    assert len(runs._runs) <= 100


def test_counts_of_a_day_end_with_it() -> None:
    """Limits a day begin anew at midnight of the account's zone."""
    days = Days()
    days.counts(1, 20_000)["x"] = 5
    assert days.counts(1, 20_000) == {"x": 5}
    assert days.counts(2, 20_000) == {}
    assert days.counts(1, 20_001) == {}


@given(st.integers(1, 20), st.lists(st.integers(0, 400), max_size=80))
def test_rate_gives_no_more_than_it_earns(rate: int, gaps: list[int]) -> None:
    """The first lane stays narrow: at most one second's worth more than the time passed earns."""
    bucket, now, taken = Rate(rate, 0), 0, 0
    for gap in gaps:
        now += gap
        taken += bucket.take(now)
    assert taken <= rate + now * rate / 1000


def test_rate_of_zero_gives_nothing_and_clocks_may_go_back() -> None:
    """A setting of 0 means none, and a corrected clock takes no tokens away."""
    assert not Rate(0, 0).take(10_000)
    bucket = Rate(2, 10_000)
    assert bucket.take(10_000) and bucket.take(5_000) and not bucket.take(5_000)
