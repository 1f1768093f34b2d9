"""The notations of a carrier's id (core/references.py)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliograph.core.references import MOST, NOTATIONS, spell


@pytest.mark.parametrize(
    ("receipt", "answer"),
    [
        ("1234", "4d2"),
        ("1234", "4D2"),
        ("4d2", "1234"),
        ("0000001234", "4d2"),
        ("0000001234", "1234"),
        ("1234", "0000001234"),
        ("000004D2", "1234"),
        ("1234", "000004d2"),
        ("ABC-1", "abc-1"),
        ("abc-1", "ABC-1"),
        ("000abc", "ABC"),
        ("0x4d2", "4d2"),
        ("4d2", "0000001234"),
    ],
)
def test_receipt_in_another_notation_leads_to_the_answers_id(receipt: str, answer: str) -> None:
    """Centres answer in one notation and write another into the receipt."""
    assert answer in spell(receipt)


@given(st.text(max_size=65))
def test_spelling_any_id_is_bounded_and_never_empty(ref: str) -> None:
    """The query takes so many spellings; an empty one would match every part without an id."""
    found = spell(ref)
    assert len(found) <= MOST and "" not in found
    assert (ref in found) == bool(ref)


@pytest.mark.parametrize("name", NOTATIONS)
def test_learned_notation_comes_first(name: str) -> None:
    """What fitted before is tried before everything else."""
    found = spell("0x12" if name == "no 0x" else "0012", name)
    assert next(iter(found.values())) == name


def test_empty_id_has_no_spelling() -> None:
    """A receipt without an id must not match an id of zeros."""
    assert spell("") == {}
