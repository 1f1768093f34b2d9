"""Texts that wait in memory for one carrier (delivery/lanes.py)."""

from collections import Counter
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from heliograph.core.messages import Message
from heliograph.delivery.lanes import Lane


def message(int_id: int, account_id: int = 1) -> Message:
    fields: dict[str, Any] = dict.fromkeys(("id", "phone", "given", "sender", "text", "comment", "mccmnc"), "")
    numbers = [
        "kind",
        "flags",
        "parts",
        "cost",
        "status",
        "err",
        "send_ms",
        "created_ms",
        "changed_ms",
        "expires_ms",
        "lane",
        "route_id",
        "carrier_id",
        "door",
    ]
    return Message(int_id=int_id, account_id=account_id, **fields, **dict.fromkeys(numbers, 0))


def order(lane: Lane) -> list[int]:
    found = []
    while (each := lane.pop()) is not None:
        found.append(each.int_id)
    return found


def test_accounts_take_turns() -> None:
    """A neighbour's thousand texts delay mine by one each, not by a thousand."""
    lane = Lane()
    for n in range(5):
        lane.push(message(n, account_id=1))
    lane.push(message(100, account_id=2))
    lane.push(message(101, account_id=2))
    lane.push(message(200, account_id=3))
    assert len(lane) == 8 and order(lane) == [0, 100, 200, 1, 101, 2, 3, 4]
    assert len(lane) == 0 and lane.pop() is None


def test_text_that_was_taken_too_early_is_the_first_again() -> None:
    """Its account does not lose its turn."""
    lane = Lane()
    for n in range(3):
        lane.push(message(n))
        lane.push(message(10 + n, account_id=2))
    first = lane.pop()
    assert first is not None
    lane.push_front(first)
    assert order(lane) == [0, 10, 1, 11, 2, 12]


@given(st.lists(st.integers(1, 4), max_size=60), st.integers(0, 30))
def test_lane_keeps_the_order_of_each_account_and_loses_nothing(accounts: list[int], popped: int) -> None:
    """Turns are fair: while all have texts nobody is served twice before everybody was once."""
    lane = Lane()
    for n, account in enumerate(accounts):
        lane.push(message(n, account))
    waiting, served, seen = Counter(accounts), [], []
    for _ in range(min(popped, len(accounts))):
        each = lane.pop()
        assert each is not None
        seen.append(each)
        served.append(each.account_id)
    rest = lane.drain()
    assert len(seen) + len(rest) == len(accounts) and len(lane) == 0
    for account in set(accounts):
        mine = [m.int_id for m in seen if m.account_id == account] + [m.int_id for m in rest if m.account_id == account]
        assert mine == sorted(mine)
    counts = Counter(served)
    for account, other in ((a, b) for a in waiting for b in waiting):
        assert counts[account] >= min(counts[other] - 1, waiting[account])


@given(st.lists(st.integers(1, 3), max_size=40), st.sets(st.integers(0, 39)), st.integers(1, 7))
def test_sifting_in_steps_sees_each_once_and_keeps_the_order(owners: list[int], out: set[int], most: int) -> None:
    """A long lane is looked through a little at a time; what stays goes out as if nobody had looked."""
    sifted, plain = Lane(), Lane()
    for n, owner in enumerate(owners):
        sifted.push(message(n, owner))
        if n not in out:
            plain.push(message(n, owner))
    seen: list[int] = []

    def keep(each: Message) -> bool:
        seen.append(each.int_id)
        return each.int_id not in out

    start = sifted.sift(0, most, keep)
    assert len(seen) == min(most, len(owners))
    while start or len(seen) < len(owners):  # 0 is also the place after a beginning that was all taken out
        start = sifted.sift(start, most, keep)
    assert sorted(seen) == list(range(len(owners))) and len(sifted) == len(plain)
    turns, others = order(sifted), order(plain)
    for owner in (1, 2, 3):
        own = [n for n in turns if owners[n] == owner]
        assert own == [n for n in others if owners[n] == owner] == sorted(own)
