"""The table by which statuses move, and how parts become one status (core/status.py)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliograph.core.reasons import Reason
from heliograph.core.status import FINAL, NAMES, REFUSALS, Err, Status, combine, is_final, may_move, name_status

S = Status


@pytest.mark.parametrize(
    ("old", "new", "moves"),
    [
        (S.WAITING, S.SENT, True),
        (S.WAITING, S.DELIVERED, True),
        (S.WAITING, S.STOPPED, True),
        (S.WAITING, S.WAITING, False),
        (S.SENT, S.DELIVERED, True),
        (S.SENT, S.SENT, False),
        (S.SENT, S.WAITING, True),
        (S.SENT, S.STOPPED, False),
        (S.DELIVERED, S.READ, True),
        (S.DELIVERED, S.CLICKED, True),
        (S.DELIVERED, S.EXPIRED, False),
        (S.DELIVERED, S.UNDELIVERABLE, False),
        (S.READ, S.CLICKED, True),
        (S.READ, S.DELIVERED, False),
        (S.EXPIRED, S.DELIVERED, True),
        (S.EXPIRED, S.UNDELIVERABLE, False),
        (S.UNDELIVERABLE, S.DELIVERED, False),
        (S.DENIED, S.SENT, False),
        (S.STOPPED, S.WAITING, True),
    ],
)
def test_status_moves_by_the_table(old: Status, new: Status, moves: bool) -> None:
    """News out of order must neither lose a delivery nor take one back."""
    assert may_move(old, new) is moves


@given(st.sampled_from(sorted(FINAL)), st.sampled_from(sorted(Status)))
def test_final_status_never_becomes_unfinished(old: Status, new: Status) -> None:
    """A customer who was told the end is not told otherwise, but for better news of delivery."""
    if may_move(old, new):
        assert new in (S.DELIVERED, S.READ, S.CLICKED)


@pytest.mark.parametrize(
    ("parts", "whole"),
    [
        ([(S.DELIVERED, 0)], (S.DELIVERED, 0)),
        ([(S.DELIVERED, 0), (S.SENT, 0)], (S.SENT, 0)),
        ([(S.DELIVERED, 0), (S.WAITING, 0)], (S.WAITING, 0)),
        ([(S.SENT, 0), (S.WAITING, 0)], (S.WAITING, 0)),
        ([(S.UNDELIVERABLE, 6), (S.WAITING, 0)], (S.UNDELIVERABLE, 6)),
        ([(S.DELIVERED, 0), (S.EXPIRED, 6), (S.SENT, 0)], (S.EXPIRED, 6)),
        ([(S.READ, 0), (S.DELIVERED, 0)], (S.DELIVERED, 0)),
        ([(S.CLICKED, 0), (S.READ, 0)], (S.READ, 0)),
    ],
)
def test_parts_combine_to_one_status(parts: list[tuple[int, int]], whole: tuple[int, int]) -> None:
    """A long text is delivered when all of it is, and still waits while a part of it does."""
    assert combine(parts) == whole


@given(st.lists(st.tuples(st.sampled_from([-1, 0, 1, 2, 3, 4, 20]), st.integers(0, 255)), min_size=1, max_size=6))
def test_order_of_parts_does_not_matter_to_being_final(parts: list[tuple[int, int]]) -> None:
    """Receipts of parts come in any order."""
    assert is_final(combine(parts)[0]) == is_final(combine(parts[::-1])[0])


def test_every_status_has_a_name_in_both_languages() -> None:
    """Replies show it."""
    assert set(NAMES) == set(Status)
    assert name_status(-1) == "Ожидает отправки" and name_status(1, english=True) == "Delivered"


def test_refused_recipients_end_at_once() -> None:
    """What is stored for a refusal is final, and -1 or 0 never wait for nobody."""
    assert all(status in FINAL for status, _ in REFUSALS.values())
    assert REFUSALS[Reason.BAD_NUMBER] == (S.BAD_NUMBER, Err.BAD_NUMBER)
    assert REFUSALS[Reason.NO_MONEY] == (S.NO_MONEY, Err.NONE)
