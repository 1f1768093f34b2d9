"""Decisions of the simulated carrier: repeatable, true to their rates, and scripted where the table says so."""

import re
from collections import Counter

import pytest

from heliograph.core.references import spell
from heliograph.simulator import behaviour, lookups
from heliograph.simulator.behaviour import PRESETS, SCRIPTED_PREFIX, SCRIPTS, Bucket, Plan, Profile, decide, notate
from heliograph.simulator.recent import Recent
from heliograph.wire.smpp import statuses, tables

NUMBERS = [str(79_161_000_000 + place) for place in range(4000)]


def test_same_seed_and_numbers_have_the_same_fate() -> None:
    """A failure seen once can be looked at again; another seed is another day."""
    messy = PRESETS["messy"]
    fates = [decide(messy, number, 0) for number in NUMBERS[:500]]
    assert fates == [decide(messy, number, 0) for number in NUMBERS[:500]]
    assert fates != [decide(messy, number, 1) for number in NUMBERS[:500]]
    assert fates != [decide(Profile(seed=2), number, 0) for number in NUMBERS[:500]]
    # Written down once, so that a change of the draw is noticed: users' recorded runs depend on it.
    assert [round(value, 4) for value in behaviour.draws(1, "79161000000", 0)[:2]] == [0.2559, 0.3719]


def test_rates_are_kept() -> None:
    """A profile of 10 % failures fails about one in ten, and the rest is delivered."""
    profile = Profile(
        failed=0.1, expired=0.1, rejected=0.1, throttled=0.1, silent=0.1, unanswered=0.1, doubled=0.1,
        disordered=0.25, wrong_notation=0.5,
    )  # fmt: skip
    plans = [decide(profile, number, 0) for number in NUMBERS]
    outcomes = Counter(plan.outcome for plan in plans)
    assert outcomes.keys() == {
        "delivered", "failed", "expired", "rejected", "throttled", "silent", "unanswered", "doubled",
    }  # fmt: skip
    for outcome, count in outcomes.items():
        assert count / len(NUMBERS) == pytest.approx(0.3 if outcome == "delivered" else 0.1, abs=0.03)
    accepted = [plan for plan in plans if plan.outcome == "delivered"]
    assert sum(plan.early for plan in accepted) / len(accepted) == pytest.approx(0.25, abs=0.05)
    assert sum(plan.notation != "same" for plan in accepted) / len(accepted) == pytest.approx(0.5, abs=0.05)
    assert {plan.error for plan in plans if plan.outcome == "failed"} == {1, 6, 13}
    assert profile.delivered == pytest.approx(0.4)


def test_delays_lie_where_the_profile_says() -> None:
    """Both distributions, and the delay of the answer."""
    demo = [decide(PRESETS["demo"], number, 0) for number in NUMBERS]
    assert all(1.0 <= plan.receipt_s <= 3.0 and plan.state == tables.STATE_DELIVERED for plan in demo)
    slow = [decide(PRESETS["slow"], number, 0) for number in NUMBERS]
    assert sum(plan.receipt_s for plan in slow) / len(slow) == pytest.approx(20.0, rel=0.1)
    assert all(0.5 <= plan.answer_s <= 2.0 for plan in slow)


def test_presets_are_the_documented_ones() -> None:
    """Names are what people type."""
    assert {"healthy", "flaky", "throttling", "dead", "slow", "messy", "demo"} <= PRESETS.keys()
    assert behaviour.profile_named("demo") is PRESETS["demo"]
    assert not any(decide(PRESETS["dead"], number, 0).answered for number in NUMBERS[:50])
    with pytest.raises(ValueError, match="healthy"):
        behaviour.profile_named("nonsense")


@pytest.mark.parametrize(
    "changes",
    [{"failed": 0.6, "expired": 0.6}, {"failed": -0.1}, {"disordered": 1.1}, {"notation": "x"}, {"receipts": "x"}],
)
def test_impossible_profiles_are_refused(changes: dict[str, object]) -> None:
    """A typing error in a rate must not make a carrier of another kind."""
    with pytest.raises(ValueError, match=r".+"):
        Profile(**changes)  # type: ignore[arg-type]


def test_every_script_is_written_down_and_distinct() -> None:
    """The table in the documents comes from this data."""
    rows = behaviour.scripted_table()
    assert len({number for number, _ in rows}) == len(rows)
    assert all(re.fullmatch(r"7999000(\d{4}|01dd)", number) and meaning for number, meaning in rows)
    assert rows[0] == ("79990000001", "delivered at once")
    assert len(SCRIPTS) == len(rows) - 1 + 100


@pytest.mark.parametrize(
    ("digits", "serial", "expected"),
    [
        ("0001", 0, {"outcome": "delivered", "receipt_s": 0.0}),
        ("0002", 0, {"state": tables.STATE_UNDELIVERABLE, "error": 1}),
        ("0003", 0, {"state": tables.STATE_EXPIRED}),
        ("0004", 0, {"status": statuses.ESME_RINVDSTADR}),
        ("0005", 0, {"status": statuses.ESME_RTHROTTLED}),
        ("0005", 1, {"status": statuses.ESME_RTHROTTLED}),
        ("0005", 2, {"status": 0, "state": tables.STATE_DELIVERED}),
        ("0005", 3, {"status": statuses.ESME_RTHROTTLED}),
        ("0006", 0, {"status": 0, "state": 0}),
        ("0007", 0, {"copies": 2}),
        ("0008", 0, {"early": True}),
        ("0009", 0, {"notation": behaviour.HEX_RECEIPT}),
        ("0010", 0, {"error": 6}),
        ("0011", 0, {"error": 13}),
        ("0012", 0, {"receipt_s": 30.0}),
        ("0014", 0, {"answered": False, "state": 0}),
        ("0015", 0, {"status": statuses.ESME_RSYSERR}),
        ("0015", 1, {"status": 0}),
        ("0107", 0, {"receipt_s": 7.0}),
        ("0199", 0, {"receipt_s": 99.0}),
    ],
)
def test_scripted_numbers_do_as_the_table_says(digits: str, serial: int, expected: dict[str, object]) -> None:
    """Scripts win over the profile, with and without a plus."""
    for number in (SCRIPTED_PREFIX + digits, "+" + SCRIPTED_PREFIX + digits):
        plan = decide(PRESETS["dead"], number, serial)
        assert {name: getattr(plan, name) for name in expected} == expected


def test_only_the_first_part_fails() -> None:
    """0013 is for what a sender makes of a half-delivered text."""
    number = SCRIPTED_PREFIX + "0013"
    states = [decide(Profile(), number, serial, part).state for serial, part in enumerate((1, 2, 3))]
    assert states == [tables.STATE_UNDELIVERABLE, tables.STATE_DELIVERED, tables.STATE_DELIVERED]


def test_unscripted_numbers_of_the_range_follow_the_profile() -> None:
    """Only what the table lists is special."""
    assert decide(PRESETS["dead"], SCRIPTED_PREFIX + "9999", 0).outcome == "unanswered"


@pytest.mark.parametrize("notation", behaviour.NOTATIONS)
def test_notations_are_within_reach_of_the_matcher(notation: str) -> None:
    """The carrier's tricks are those that the list of other spellings knows."""
    response, receipt = notate(91_234_567_890, notation)
    assert (response == receipt) == (notation == behaviour.SAME)
    assert response in spell(receipt)


def test_bucket_limits_a_second() -> None:
    """A burst of one second's worth, then the rate."""
    bucket = Bucket(10, 100.0)
    assert [bucket.take(100.0) for _ in range(11)] == [True] * 10 + [False]
    assert bucket.take(100.15)
    assert not bucket.take(100.15)
    assert all(Bucket(0, 0.0).take(0.0) for _ in range(100))


def test_look_up_is_steady_and_whole() -> None:
    """A HLR answer names all eight facts, and the same ones every time."""
    facts = lookups.look_up("+79161234567")
    assert facts == lookups.look_up("79161234567")
    assert sorted(facts) == list(range(0x1400, 0x1408))
    assert (facts[lookups.TAG_MCC], facts[lookups.TAG_NET]) == (b"250\0", b"MTS\0")
    assert re.fullmatch(rb"25001\d{10}\0", facts[lookups.TAG_IMSI])
    assert lookups.look_up("15551234567")[lookups.TAG_CN] == b"International\0"
    roaming = sum(lookups.look_up(number)[lookups.TAG_RCN] != b"\0" for number in NUMBERS[:1000])
    assert 5 < roaming < 100


def test_recent_memory_is_bounded() -> None:
    """A simulator that runs for weeks stays small."""
    recent: Recent[int, int] = Recent(10)
    for place in range(100):
        recent.put(place, place)
    assert all(recent.get(place) == place for place in range(90, 100))
    assert sum(recent.get(place) is not None for place in range(100)) <= 20


def test_plans_tell_whether_they_accept() -> None:
    """An unanswered message may have been taken all the same."""
    assert Plan("x", answered=False).accepted
    assert not Plan("x", statuses.ESME_RTHROTTLED).accepted
