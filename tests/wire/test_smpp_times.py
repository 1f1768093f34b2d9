"""Times of SMPP and the timers of a session: plain numbers in, plain values out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliograph.wire.smpp import times
from heliograph.wire.smpp.timers import Settings, Timers, Verdict

NOON = 1_709_294_400_000  # 2024-03-01 12:00:00 UTC


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", None),
        ("240301120000000+", NOON),
        ("240301120000500+", NOON + 500),
        ("240301150000012+", NOON),
        ("240301090000012-", NOON),
        ("240301120000", NOON),
        ("000000010000000R", NOON + 3_600_000),
        ("000001000005000R", NOON + 86_405_000),
        ("000100000000000R", NOON + 30 * 86_400_000),
        ("010000000000000R", NOON + 365 * 86_400_000),
    ],
)
def test_times_are_read(text: str, expected: int | None) -> None:
    """Absolute ones with an offset in quarters of an hour, relative ones from now."""
    assert times.parse_time(text, NOON) == expected


@pytest.mark.parametrize(
    "text",
    [
        "tomorrow",
        "2403011200",
        "241301120000000+",
        "240301120000000X",
        "240301120000049+",
        "24030112000000a+",
        "²" * 16,
    ],
)
def test_bad_times_are_refused(text: str) -> None:
    """A door answers ESME_RINVSCHED to these; anything but a ValueError would be an accident."""
    with pytest.raises(ValueError, match=r".+"):
        times.parse_time(text, NOON)


@given(st.integers(946_684_800_000, 4_102_444_799_999))
def test_absolute_times_round_trip(at_ms: int) -> None:
    """To the tenth of a second, which is all that SMPP has room for."""
    assert times.parse_time(times.format_absolute(at_ms), 0) == at_ms // 100 * 100


@given(st.integers(1000, 3_000_000_000_000))
def test_relative_times_round_trip(length_ms: int) -> None:
    """To the second, months and years counted the same way in both directions."""
    text = times.format_relative(length_ms)
    assert len(text) == 16
    assert times.parse_time(text, NOON) == NOON + length_ms // 1000 * 1000


def test_relative_time_is_never_nothing() -> None:
    """All zeros would mean the centre's own default."""
    assert times.format_relative(0) == "000000000001000R"
    for length_ms in (-1, 100 * 366 * 86_400_000):
        with pytest.raises(ValueError, match=r".+"):
            times.format_relative(length_ms)
    with pytest.raises(ValueError, match=r".+"):
        times.format_absolute(-1)


def bound_timers(**changes: float) -> Timers:
    """Timers of a session that was bound at second 0."""
    timers = Timers(Settings(**changes), 0.0)
    timers.bound = True
    return timers


def test_connection_without_bind_ends() -> None:
    """Half-open strangers must not gather."""
    timers = Timers(Settings(init_s=10), 100.0)
    assert timers.verdict(109.9) is Verdict.NOTHING
    assert timers.verdict(110.0) is Verdict.NOT_BOUND
    timers.bound = True
    assert timers.verdict(111.0) is Verdict.NOTHING


def test_silence_is_questioned_once_and_then_ended() -> None:
    """A dead line is found after enquire plus response, not before."""
    timers = bound_timers(enquire_s=30, response_s=10)
    assert timers.verdict(29.9) is Verdict.NOTHING
    assert timers.verdict(30.0) is Verdict.ENQUIRE
    assert timers.verdict(39.9) is Verdict.NOTHING
    assert timers.verdict(40.0) is Verdict.NO_LIFE


def test_any_octet_is_a_sign_of_life() -> None:
    """An answer to something else proves as much as the answer to enquire_link."""
    timers = bound_timers(enquire_s=30, response_s=10)
    assert timers.verdict(30.0) is Verdict.ENQUIRE
    timers.received(35.0)
    assert timers.verdict(64.9) is Verdict.NOTHING
    assert timers.verdict(65.0) is Verdict.ENQUIRE


def test_inactive_session_ends() -> None:
    """The reference closes after two minutes without a word."""
    timers = bound_timers(enquire_s=0, inactivity_s=120)
    assert timers.verdict(119.0) is Verdict.NOTHING
    assert timers.verdict(120.0) is Verdict.INACTIVE


def test_peer_that_does_not_read_is_dropped() -> None:
    """His unread answers are our memory."""
    timers = bound_timers(enquire_s=0, response_s=10)
    timers.paused(5.0)
    assert timers.verdict(14.9) is Verdict.NOTHING
    assert timers.verdict(15.0) is Verdict.STUCK
    timers.resumed()
    assert timers.verdict(99.0) is Verdict.NOTHING


def test_zero_switches_a_timer_off() -> None:
    """A test-bench or an odd carrier may want none."""
    timers = Timers(Settings(init_s=0, enquire_s=0, response_s=0, inactivity_s=0), 0.0)
    timers.paused(0.0)
    assert timers.verdict(1e9) is Verdict.NOTHING
    assert timers.settings.tick_s == 0.25
    assert Settings(response_s=0.02).tick_s == 0.01
