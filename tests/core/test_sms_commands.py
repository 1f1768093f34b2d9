"""Commands by text (spec protocols 8)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliograph.core import commands
from heliograph.core.commands import NUMBERS, Command, parse
from heliograph.core.reasons import Reason, Refusal


def test_commands_are_read_in_any_case_and_stored_without_the_secret() -> None:
    """The login stands in front, or is left out on a dedicated number."""
    assert parse("Acme pw send 79161234567,G7  Hi there\nyou", "acme", dedicated=False) == Command(
        "pw", "Acme *** send 79161234567,G7  Hi there\nyou", "SEND", ("79161234567", "G7"), "Hi there\nyou", named=True
    )
    assert parse(" pw bal ", "acme", dedicated=True) == Command("pw", " *** bal ", "BAL")
    assert parse("acme: pw STAT 1042", "acme", dedicated=True) == Command(
        "pw", "acme: *** STAT 1042", "STAT", id="1042", named=True
    )
    assert parse("pw BAL", "acme", dedicated=False) is None


@pytest.mark.parametrize(
    "text", ["", "acme", "acme pw", "acme pw hello", "hello", "acme  ", "other pw BAL", "I will send you"]
)
def test_ordinary_texts_are_no_commands(text: str) -> None:
    """People write to these numbers, too."""
    assert parse(text, "acme", dedicated=False) is None


@pytest.mark.parametrize(
    "rest", ["SEND", "SEND x hi", "SEND 79161234567", "ALL", "STAT", "STAT 1 2", "BAL now", "STOP it"]
)
def test_wrong_arguments_are_told(rest: str) -> None:
    """With the form, and nothing of what was written."""
    command = parse(f"acme pw {rest}", "acme", dedicated=False)
    assert command is not None and command.fault


@given(st.text(max_size=80), st.booleans())
def test_no_secret_stays_in_what_is_stored(text: str, dedicated: bool) -> None:
    """Whatever blanks and letters stand around it."""
    for written in (text, f"acme {text}", f"acme zqsecretqz {text}", f"acme zqsecretqz SEND {text}"):
        command = parse(written, "acme", dedicated)
        if command is not None and command.secret == "zqsecretqz":
            assert "zqsecretqz" not in command.stripped.replace(text, "")


def test_answers_use_the_numbers_of_send() -> None:
    """Every reason has one, and an answer is one part."""
    assert set(NUMBERS) == set(Reason)
    assert commands.answer_sent(Refusal(Reason.NO_MONEY)) == "ERROR 3 not enough money"
    assert commands.answer_balance(972_000, "RUR") == "OK 97.2 RUR"
    assert commands.answer_status("7", {"delivered": 2, "waiting": 1}) == "OK 7 delivered 2, waiting 1"
    assert len(commands.answer_refused(Reason.BAD_PARAMETERS, "x" * 500)) == commands.MAX_ANSWER
