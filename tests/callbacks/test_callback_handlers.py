"""Whose turn it is to be called (callbacks/handlers.py): quick handlers first, ill ones within bounds, all of them in turn."""

import random
from collections import Counter
from collections.abc import Iterable

import pytest

from heliograph.callbacks.handlers import SLOW_MS, Call, Handlers


def turns(handlers: Handlers, now_ms: int, most: int = 10_000) -> list[Call]:
    """Every call that may be made now, of handlers that always have more."""
    calls: list[Call] = []
    while len(calls) < most and (name := handlers.next_turn(now_ms)) is not None:
        calls.append(handlers.begin(name, now_ms))
        handlers.wait(name, now_ms)
    return calls


def names(calls: Iterable[Call]) -> list[object]:
    return [call.handler.name for call in calls]


def answer(handlers: Handlers, handler: str, times: int, now_ms: int = 0) -> None:
    """So many quick answers."""
    for _ in range(times):
        handlers.end(handlers.begin(handler, now_ms), True, now_ms)


def fail(handlers: Handlers, handler: str, times: int, now_ms: int = 0) -> None:
    """So many calls that fail one after the other."""
    for _ in range(times):
        handlers.end(handlers.begin(handler, now_ms), False, now_ms)


def test_host_earns_its_calls_by_answering() -> None:
    """A handler that hangs from the start holds one place; one that answers has all of its own in moments."""
    handlers = Handlers(per_handler=4)
    handlers.wait("h", 0)
    counts = []
    for _ in range(5):
        calls = turns(handlers, 0)
        counts.append(len(calls))
        handlers.end(calls[0], True, 1)
        for call in calls[1:]:
            handlers.withdraw(call, 1)
    assert counts == [1, 2, 3, 4, 4]
    assert handlers.is_proven("h") and not handlers.is_ill("h")


def test_failures_halve_what_was_earned() -> None:
    """One that stops answering loses its room in three time-outs, not in eight."""
    handlers = Handlers(per_handler=8)
    answer(handlers, "h", 8)
    earned = []
    for _ in range(4):
        fail(handlers, "h", 1)
        earned.append(handlers.earned("h"))
    assert earned == [4, 2, 1, 1]


def test_hosts_take_turns() -> None:
    """Nobody's backlog goes before another's first callback."""
    handlers = Handlers(quick=3)
    for handler in "abcd":
        handlers.wait(handler, 0)
    first = turns(handlers, 0)
    assert names(first) == ["a", "b", "c"]
    for call in first:
        handlers.end(call, True, 1)
    assert names(turns(handlers, 1)) == ["d", "a", "b"]


def test_hosts_that_hang_leave_their_places_after_half_a_second() -> None:
    """Three hundred handlers hang at once: a healthy one waits a second at most, not their time-outs."""
    handlers = Handlers(quick=200, slow=600)
    for number in range(300):
        handlers.wait(number, 0)
    handlers.wait("healthy", 0)
    assert len(turns(handlers, 0)) == 200
    assert (len(turns(handlers, SLOW_MS - 1)), handlers.wait_ms(SLOW_MS - 10)) == (0, 10)
    second = turns(handlers, SLOW_MS)
    assert len(second) == 101 and "healthy" in names(second)
    handlers.end(second[-1], True, SLOW_MS + 1)
    assert len(turns(handlers, 2 * SLOW_MS)) == 2, "it has earned two"


def test_hosts_that_failed_share_a_quarter_of_the_slow_places() -> None:
    """Whoever only answers slowly must not wait behind time-outs of the dead, and the quick wait for neither."""
    handlers = Handlers(quick=4, slow=16)
    for number in range(30):
        fail(handlers, f"dead {number}", 1)
        handlers.wait(f"dead {number}", 0)
        handlers.end(handlers.begin(f"slow {number}", 0), True, SLOW_MS)
        handlers.wait(f"slow {number}", 0)
    handlers.wait("new", SLOW_MS)
    begun = Counter(str(name).split()[0] for name in names(turns(handlers, SLOW_MS)))
    assert begun == {"new": 1, "slow": 12}, "three quarters, and the last is for quick calls that turn out to be slow"
    handlers = Handlers(quick=4, slow=16)
    for number in range(30):
        fail(handlers, f"dead {number}", 1)
        handlers.wait(f"dead {number}", 0)
    assert len(turns(handlers, 0)) == 4


def test_slow_host_becomes_quick_by_a_quick_answer() -> None:
    """A handler that had a bad minute is not held back for it afterwards."""
    handlers = Handlers()
    handlers.end(handlers.begin("h", 0), True, SLOW_MS)
    assert handlers.is_ill("h")
    handlers.end(handlers.begin("h", SLOW_MS), True, SLOW_MS + 5)
    assert not handlers.is_ill("h")


def test_hosts_that_were_quick_leave_places_when_they_hang_together() -> None:
    """However much each has earned, the next one finds a place; and all of them leave theirs after half a second."""
    handlers = Handlers(per_handler=64, quick=200, slow=600)
    for number in range(16):
        answer(handlers, f"{number}", 64)
    taken = []
    for number in range(16):
        handlers.wait(f"{number}", 0)
        taken.append(len(turns(handlers, 0)))
    assert taken[:3] == [40, 32, 25] and taken[-1] > 0 and sum(taken) < 200
    for number in range(200):
        handlers.wait(f"new {number}", SLOW_MS)
    assert len(turns(handlers, SLOW_MS)) == 200


def test_host_that_hangs_is_probed_until_one_succeeds() -> None:
    """A dead handler costs a call now and then; one answer frees it at once."""
    handlers = Handlers(failures=5, pause_ms=1_000)
    fail(handlers, "h", 4)
    assert not handlers.is_limited("h")
    fail(handlers, "h", 1)
    handlers.wait("h", 0)
    assert handlers.is_limited("h") and not turns(handlers, 999)
    handlers.resume(999)
    assert not turns(handlers, 999)
    handlers.resume(1_000)
    (probe,) = turns(handlers, 1_000)
    handlers.end(probe, True, 1_100)
    assert not handlers.is_limited("h") and len(turns(handlers, 1_100)) == 2


def test_success_between_failures_starts_the_count_anew() -> None:
    """Only failures in a row mean that nobody is there."""
    handlers = Handlers(failures=2)
    fail(handlers, "h", 1)
    answer(handlers, "h", 1)
    fail(handlers, "h", 1)
    assert not handlers.is_limited("h")


def test_pause_doubles_up_to_its_limit() -> None:
    """A handler that is down for hours costs a probe a minute."""
    handlers = Handlers(failures=1, pause_ms=1_000, pause_most_ms=5_000)
    fail(handlers, "h", 1)
    handlers.wait("h", 0)
    now, pauses = 0, []
    for _ in range(5):
        began = now
        while not (calls := turns(handlers, now)):
            now += 500
            handlers.resume(now)
        pauses.append(now - began)
        handlers.end(calls[0], False, now)
    assert pauses == [1_000, 2_000, 4_000, 5_000, 5_000]


def test_requests_that_fail_together_cause_one_pause() -> None:
    """32 time-outs of one moment are one event, not 32 doublings."""
    handlers = Handlers(per_handler=32, failures=5, pause_ms=1_000)
    answer(handlers, "h", 32)
    handlers.wait("h", 0)
    calls = turns(handlers, 0)
    assert len(calls) == 32
    for call in calls:
        handlers.end(call, False, 10_000)
    handlers.resume(11_000)
    assert len(turns(handlers, 11_000)) == 1


def test_answer_during_the_pause_ends_it() -> None:
    """A call from before the failures comes back late: the handler lives."""
    handlers = Handlers(failures=1)
    answer(handlers, "h", 3)
    first, second = handlers.begin("h", 0), handlers.begin("h", 0)
    handlers.end(first, False, 100)
    handlers.wait("h", 100)
    assert not turns(handlers, 100)
    handlers.end(second, True, 200)
    assert len(turns(handlers, 200)) > 0


def test_hosts_do_not_share_a_circuit() -> None:
    """One customer's handler is not another's."""
    handlers = Handlers(failures=1)
    fail(handlers, "h", 1)
    handlers.wait("h", 0)
    handlers.wait("other", 0)
    assert names(turns(handlers, 0)) == ["other"]


def test_old_hosts_are_forgotten() -> None:
    """Handlers that nobody calls any more must not fill memory; those under way or waited for are kept."""
    handlers = Handlers(failures=1, kept_ms=1_000, well_ms=100)
    fail(handlers, "ill", 1)
    answer(handlers, "well", 1)
    busy = handlers.begin("busy", 0)
    fail(handlers, "wanted", 1)
    handlers.wait("wanted", 0)
    assert [handlers.expire(now) for now in (99, 100, 999, 1_000, 2_000)] == [0, 1, 0, 1, 0]
    assert handlers.is_limited("wanted") and not handlers.is_limited("ill")
    handlers.end(busy, True, 2_000)


def test_what_was_not_sent_says_nothing_about_the_host() -> None:
    """A request that was withdrawn must neither end the pause of an ill handler nor stay counted as under way."""
    handlers = Handlers(failures=2, pause_ms=100)
    fail(handlers, "a", 2)
    handlers.withdraw(handlers.begin("a", 100), 100)
    assert handlers.is_limited("a")
    handlers.withdraw(handlers.begin("b", 0), 0)
    assert handlers.expire(60_100) == 1, "only the ill one was remembered"


@pytest.mark.parametrize("seed", range(20))
def test_every_host_gets_its_turn_and_no_bound_is_broken(seed: int) -> None:
    """Whatever handlers do: as many calls as the purses hold, all places free at the end, and nobody who waits forgotten."""
    dice = random.Random(seed)
    handlers = Handlers(per_handler=4, quick=6, slow=12, failures=3, pause_ms=100, pause_most_ms=400)
    left = {number: dice.randint(1, 30) for number in range(40)}
    manners = {number: dice.choice(("quick", "slow", "dead")) for number in left}
    under_way: list[tuple[int, Call]] = []
    for number in left:
        handlers.wait(number, 0)
    now = 0
    while any(left.values()) or under_way:
        now += dice.randint(1, 60)
        if now > 200_000:  # all are healed, so that all must end
            manners = dict.fromkeys(left, "quick")
        handlers.resume(now)
        for due, call in [each for each in under_way if each[0] <= now]:
            under_way.remove((due, call))
            handlers.end(call, manners[call.handler.name] != "dead", now)  # type: ignore[index]
        while (name := handlers.next_turn(now)) is not None:
            assert isinstance(name, int)
            if left[name]:
                left[name] -= 1
                took = {"quick": 5, "slow": 700, "dead": 1_000}[manners[name]]
                under_way.append((now + took, handlers.begin(name, now)))
                if left[name]:
                    handlers.wait(name, now)
        assert len(under_way) <= 6 + 12 and max(Counter(names(c for _, c in under_way)).values(), default=0) <= 4
        assert now < 2_000_000, "somebody waits for ever"
    assert len([handlers.begin(f"new {number}", now) for number in range(6)]) == 6
    handlers.wait("one more", now)
    assert handlers.next_turn(now) is None, "all places were free, and now none is"
