"""Numbers and words of errors on the wire (spec sending 8.2)."""

import pytest

from heliograph.api.refusals import REFUSALS, describe
from heliograph.core.reasons import Reason

WORDS = {
    1: {"parameters error"},
    2: {"authorise error"},
    3: {"no money", "not found"},
    4: {"ip is blocked"},
    5: {"invalid date", "operation failed"},
    6: {"message is denied"},
    7: {"invalid number"},
    8: {"can't to deliver"},
    9: {"duplicate request, wait a minute", "too many concurrent requests"},
    10: {"invalid code"},
}


def test_every_reason_has_its_number_and_words() -> None:
    """The dictionary of this door is complete."""
    assert REFUSALS.keys() == set(Reason)


def test_words_are_those_of_the_reference() -> None:
    """Clients compare them as texts."""
    for number, words in REFUSALS.values():
        assert words in WORDS[number]


@pytest.mark.parametrize("reason", [reason for reason in Reason if REFUSALS[reason][0] != 1])
def test_only_error_1_carries_a_detail(reason: Reason) -> None:
    """The words of all others stay byte for byte."""
    assert describe(reason, "something") == {"error": REFUSALS[reason][1], "error_code": REFUSALS[reason][0]}


def test_detail_cannot_end_the_text_nor_part_it() -> None:
    """Clients read up to the first bracket, and one cuts at commas and dashes."""
    words = describe(Reason.BAD_PARAMETERS, "bad (very, very) <x> - {y}\nnext")["error"]
    assert words == "parameters error: bad very; very x y next"
    assert not set("()[]{}<>\n,") & set(words)
    assert len(describe(Reason.BAD_PARAMETERS, "x" * 999)["error"]) < 150


def test_later_features_and_large_requests_say_what_is_wrong() -> None:
    """The customer can then leave the parameter out, or ask in parts."""
    assert describe(Reason.LATER_FEATURE, "viber")["error"] == "parameters error: viber comes in a later version"
    assert describe(Reason.TOO_LARGE)["error"] == "parameters error: request is too large"


def test_id_follows_when_there_is_one() -> None:
    """Behind the code, as a number or a text."""
    assert describe(Reason.NO_MONEY, id=17) == {"error": "no money", "error_code": 3, "id": 17}
