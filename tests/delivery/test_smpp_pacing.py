"""The speed of a carrier and the pauses between binds, with time as a number."""

import random

import pytest

from heliograph.delivery.carriers.smpp.pacing import UNLIMITED, Backoff, Pace


def run(pace: Pace, start_ms: int, end_ms: int, allowed: int = 10**9) -> int:
    """Send as fast as the pace lets (20 a millisecond at most) between two moments, all accepted; returns how many."""
    sent = 0
    for now in range(start_ms, end_ms):
        for _ in range(min(pace.room(now), 20, allowed - sent)):
            pace.take()
            pace.accepted(now)
            sent += 1
    return sent


@pytest.mark.parametrize("rate", [0.5, 1.0, 7.0, 30.0, 500.0])
def test_rate_is_kept_in_every_second(rate: float) -> None:
    """A carrier counts by the second, wherever his seconds begin; a bucket adds a twentieth of the rate, once."""
    pace = Pace(rate, 0)
    sent = [0] * 10_000
    for now in range(10_000):
        while pace.room(now):
            pace.take()
            sent[now] += 1
    worst = max(sum(sent[now : now + 1000]) for now in range(9_000))
    assert worst <= max(1, rate * 0.05) + rate
    assert sum(sent) >= int(rate * 10 * 0.99)


def test_without_a_rate_nothing_bounds() -> None:
    """The window alone decides."""
    assert Pace(0, 0).room(0) == UNLIMITED


def test_wait_ends_when_there_is_a_token() -> None:
    """Who waits exactly so long finds room."""
    pace = Pace(3.0, 0)
    pace.take()
    wait = pace.wait_ms(0)
    assert 0 < wait <= 335
    assert not pace.room(wait - 5)
    assert pace.room(wait) == 1
    assert pace.wait_ms(wait) == 0


def test_idle_carrier_saves_no_speed() -> None:
    """An hour of silence is no licence for a burst."""
    pace = Pace(100.0, 0)
    assert pace.room(3_600_000) == 5


def test_clock_set_back_does_not_stop_the_carrier() -> None:
    """Wall clocks are corrected."""
    pace = Pace(10.0, 10_000_000)
    pace.take()
    for _ in range(5):
        pace.throttled(10_000_000)
    assert pace.wait_ms(5_000_000) <= 100
    assert pace.room(5_000_200) == 1


def test_throttling_pauses_and_slows_once_for_each_episode() -> None:
    """A window full of refusals is one piece of news."""
    pace = Pace(100.0, 0)
    assert [pace.throttled(now) for now in (0, 0, 0, 0, 0, 10, 499)] == [2000] * 4 + [500, 490, 1]
    assert pace.limit == pytest.approx(70)
    assert pace.room(499) == 0
    assert pace.room(500) == 1


def test_lone_refusal_slows_nobody_else_down() -> None:
    """A recipient whose queue is full is answered like a flood, and would hold up everybody at each of his tries."""
    pace = Pace(0, 0)
    for now in range(0, 20_000, 2000):
        assert pace.throttled(now) == 2000
        assert pace.room(now) == UNLIMITED
    run(pace, 20_000, 20_100)
    assert [pace.throttled(20_100) for _ in range(3)] == [2000] * 3  # of some 2,000 answers
    assert pace.limit == 0


@pytest.mark.parametrize("speed", [20, 100, 500, 2000])
def test_refusals_here_and_there_slow_nothing(speed: int) -> None:
    """Every fiftieth answer a refusal, at random, for minutes: each waits alone, and the carrier keeps its speed."""
    chance = random.Random(1)
    pace = Pace(float(speed), 0)
    sent = 0
    for now in range(120_000):
        for _ in range(pace.room(now)):
            pace.take()
            sent += 1
            if chance.random() < 0.02:
                assert pace.throttled(now) == 2000
            else:
                pace.accepted(now)
    assert pace.limit == speed and sent >= speed * 119


def test_a_tenth_of_refusals_slows_the_carrier() -> None:
    """That many, second for second, are no chance: they are about us."""
    pace = Pace(100.0, 0)
    for now in range(0, 2000, 10):
        if now % 100:
            pace.accepted(now)
        else:
            pace.throttled(now)
    assert pace.limit < 100


@pytest.mark.parametrize("outage_s", [1, 5, 20])
def test_full_speed_is_back_within_seconds_of_an_outage(outage_s: int) -> None:
    """A carrier that refused everything for a while and then takes all again."""
    pace = Pace(500.0, 0)
    now = 0
    while now < outage_s * 1000:
        for _ in range(min(20, pace.room(now))):
            pace.take()
            pace.throttled(now)
        now += 1
    end = now + pace.wait_ms(now) + 12_000
    run(pace, now, end)
    assert pace.limit == 500.0


def test_pause_grows_while_many_are_refused() -> None:
    """Half a second, doubling to half a minute while nothing at all is accepted; one accepted part begins anew."""
    pace = Pace(100.0, 0)
    now, pauses = 0, []
    for _ in range(8):
        pauses.append([pace.throttled(now) for _ in range(5)][-1])
        now += pauses[-1]
    assert pauses == [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]
    assert pace.limit >= 1
    run(pace, now, now + 20)
    assert [pace.throttled(now + 20) for _ in range(5)][-1] == 500


def test_speed_comes_back_to_the_configured_rate_and_no_further() -> None:
    """By a tenth in the first second, then quicker."""
    pace = Pace(100.0, 0)
    for _ in range(5):
        pace.throttled(0)
    run(pace, 500, 1_550)
    assert 77 <= pace.limit <= 78
    run(pace, 1_550, 5_000)
    assert pace.limit == 100.0


def test_carrier_without_a_rate_learns_one() -> None:
    """The limit starts from what was accepted; twice that without a refusal, and it is lifted."""
    pace = Pace(0, 0)
    run(pace, 0, 1000, allowed=40)
    for _ in range(5):
        pace.throttled(900)
    assert pace.limit == pytest.approx(28)
    assert run(pace, 1_400, 2_400) <= 31
    run(pace, 2_400, 40_000)
    assert pace.limit == 0.0
    assert pace.room(40_000) == UNLIMITED


def test_learned_speed_stays_near_what_the_carrier_takes() -> None:
    """Against a carrier that takes 50 a second few submits are refused, and most of its speed is used."""
    pace = Pace(0, 0)
    accepted = refused = 0
    second: list[int] = []
    for now in range(60_000):
        for _ in range(min(pace.room(now), 20)):
            pace.take()
            second = [moment for moment in second if moment > now - 1000]
            if len(second) < 50:
                second.append(now)
                pace.accepted(now)
                accepted += 1
            else:
                pace.throttled(now)
                refused += 1
    assert accepted > 60 * 50 * 0.75
    assert refused < accepted * 0.1  # below a twentieth nothing is mended


def test_backoff_doubles_up_to_a_minute_and_begins_anew_after_a_link_that_held() -> None:
    """A carrier that is away for a day is not knocked at every second; one that blinks is back soon."""
    backoff = Backoff(1000)
    assert [backoff.pause_ms(0, 0.0) for _ in range(8)] == [1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000]
    assert backoff.pause_ms(10, 0.0) == 60_000  # bound and dropped at once
    assert backoff.pause_ms(5_000, 0.0) == 1000
    assert backoff.pause_ms(0, 1.0) == 1600
