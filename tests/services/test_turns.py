"""Turns: who stands before the hash workers, and who gives way when there is no room (services/turns.py)."""

import random

import pytest

from heliograph.core.reasons import Reason, Refused
from heliograph.services import turns
from heliograph.services.turns import Check, Turns


def ask(line: Turns, source: str, login: str, psw: str = "") -> Check:
    """A check that waits; whoever loses his place is noted in it."""
    check = Check(f"{login}/{psw}".encode(), login, psw)
    dropped = line.add(check, source)
    if dropped is not None:
        dropped.psw = "dropped"
    return check


def flood(line: Turns, sources: int, each: int, login: str = "") -> int:
    """Guesses until all are told or refused; how many were taken."""
    taken = 0
    for source in range(sources):
        for guess in range(each):
            try:
                ask(line, f"bad-{source}", login or f"login-{source}-{guess}", f"{source}-{guess}")
                taken += 1
            except Refused as refused:
                assert refused.reason == Reason.TOO_MANY_AT_ONCE
    return taken


def place(line: Turns, check: Check) -> int:
    """How many checks go before this one."""
    for count in range(len(line)):
        if line.take() is check:
            return count
    raise AssertionError("it never has its turn")


def test_addresses_take_turns() -> None:
    """Who has thirty checks waiting must not make another wait for all of them."""
    line = Turns(64)
    flood(line, sources=1, each=30)
    assert place(line, ask(line, "good", "shop")) <= 1


def test_one_address_fills_half_of_the_line_at_most() -> None:
    """The rest is refused, so that what waits is bounded and others find room."""
    line = Turns(64)
    assert flood(line, sources=1, each=1000) == 32 == len(line)


def test_one_login_fills_a_quarter_of_the_line_at_most() -> None:
    """Whoever guesses one customer's password from everywhere must not refuse all other customers."""
    line = Turns(64)
    assert flood(line, sources=500, each=1, login="shop") == 16 == len(line)
    assert place(line, ask(line, "good", "other")) <= 16


def test_newcomer_takes_the_place_of_whoever_has_the_most() -> None:
    """A full line is no reason to refuse somebody who asks for the first time."""
    line = Turns(64)
    flood(line, sources=8, each=100)
    assert len(line) == 64
    check = ask(line, "good", "shop")
    assert len(line) == 64
    assert place(line, check) <= 8


def test_newcomer_goes_before_addresses_that_failed() -> None:
    """Many addresses that have guessed wrong before must not keep a customer out, not even of the login they guess."""
    for login in ("shop", ""):
        line = Turns(64)
        for source in range(200):
            line.note(f"bad-{source}", False)
        flood(line, sources=200, each=1, login=login)
        check = ask(line, "good", "shop")
        assert check.psw != "dropped"
        assert flood(line, sources=200, each=2, login=login) == 0 or len(line) <= 64
        assert check.psw != "dropped"
        assert place(line, check) == 0


def test_proven_address_goes_before_strangers() -> None:
    """A customer whose program starts anew at its usual address does not wait behind a flood of new addresses."""
    line = Turns(64)
    flood(line, sources=100, each=1)
    line.note("good", True)
    check = ask(line, "good", "shop")
    assert place(line, check) == 0
    assert len(line) == 63, "it took the place of a stranger"


def test_address_that_failed_has_one_turn_in_four() -> None:
    """A customer who mistyped must be heard even while strangers keep coming."""
    line = Turns(64)
    line.note("mistyped", False)
    check = ask(line, "mistyped", "shop")
    flood(line, sources=40, each=1)
    assert place(line, check) == turns.FAILED_SHARE - 1


def test_right_password_makes_good_for_wrong_ones() -> None:
    """Standing is that of the last result, and what waits already moves with it."""
    line = Turns(64)
    assert line.standing("good") == turns.NEW
    line.note("good", False)
    assert line.standing("good") == turns.FAILED
    check = ask(line, "good", "shop")
    flood(line, sources=20, each=1)
    line.note("good", True)
    assert (line.standing("good"), check.standing) == (turns.PROVEN, turns.PROVEN)
    assert place(line, check) == 0


def test_equals_do_not_drive_each_other_out() -> None:
    """Otherwise nobody would be checked while everybody comes again."""
    line = Turns(8)
    assert flood(line, sources=30, each=1) == 8
    assert [check.psw for check in iter(line.take, None)] == [f"{source}-0" for source in range(8)]


def test_question_asked_from_two_addresses_is_checked_once_at_the_first_turn() -> None:
    """A program on many machines that starts at once costs one hash, and the best placed of them decides."""
    line = Turns(64)
    flood(line, sources=1, each=20)
    check = ask(line, "bad-0", "shop")
    line.join(check, "good")
    line.join(check, "good")
    assert len(line) == 21
    assert place(line, check) <= 1
    assert check not in list(iter(line.take, None))
    assert len(line) == 0


def test_line_is_empty_after_any_mixture() -> None:
    """Counts that drift would shut the door for good."""
    dice = random.Random(7)
    for room in (1, 4, 64):
        line = Turns(room)
        waiting: dict[int, Check] = {}
        for number in range(3000):
            source, act = f"s{dice.randrange(12)}", dice.randrange(6)
            if act < 3:
                check = Check(str(number).encode(), f"l{dice.randrange(6)}", str(number))
                try:
                    dropped = line.add(check, source)
                except Refused:
                    continue
                waiting[int(check.psw)] = check
                if dropped is not None:
                    del waiting[int(dropped.psw)]
            elif act == 3 and (taken := line.take()) is not None:
                del waiting[int(taken.psw)]
            elif act == 4:
                line.note(source, dice.random() < 0.5)
            elif act == 5 and waiting:
                line.join(dice.choice(list(waiting.values())), source)
            assert len(line) == len(waiting) <= room
        assert {int(check.psw) for check in iter(line.take, None)} == set(waiting)
        assert line.take() is None


def test_what_is_remembered_of_addresses_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A botnet has more addresses than we have memory; one that waits is not lost with the oldest."""
    monkeypatch.setattr(turns, "REMEMBERED", 3)
    line = Turns(64)
    line.note("s0", False)
    check = ask(line, "s0", "shop")
    for number in range(1, 10):
        line.note(f"s{number}", False)
    assert [line.standing(f"s{number}") for number in (0, 1, 9)] == [turns.FAILED, turns.NEW, turns.FAILED]
    assert line.take() is check
