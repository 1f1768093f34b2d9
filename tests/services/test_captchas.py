"""Codes of pictures: used once, bound to their viewer, over after ten minutes, bounded in memory."""

from itertools import cycle

from heliograph.services.captchas import DIGITS, KEPT, LASTS_MS, LENGTH, PICTURES, Captchas, make_code

NOW = 1_790_000_000_000
HERE, THERE = "192.0.2.1", "192.0.2.2"


def show(captchas: Captchas, client: str = HERE, now_ms: int = NOW) -> str:
    """A code that the client has seen."""
    code = captchas.make(client, now_ms)
    assert code is not None
    return code


def test_code_is_right_once_for_who_saw_it() -> None:
    """The same picture cannot send two texts, nor one that somebody else solved."""
    captchas = Captchas()
    code = show(captchas)
    assert len(code) == LENGTH
    assert set(code) <= set(DIGITS)
    assert not captchas.spend(THERE, code, NOW)
    assert captchas.spend(HERE, code, NOW + 1)
    assert not captchas.spend(HERE, code, NOW + 2)
    assert len(captchas) == 0


def test_blanks_in_what_was_typed_do_not_matter() -> None:
    """People type what they see, and digits stand apart."""
    captchas = Captchas()
    code = show(captchas)
    assert captchas.spend(HERE, f" {code[:2]} {code[2:]}\n", NOW)


def test_wrong_answer_uses_up_every_picture() -> None:
    """Otherwise one picture would be good for as many guesses as a robot cares to make."""
    captchas = Captchas()
    codes = [show(captchas) for _ in range(3)]
    assert not captchas.spend(HERE, "wrong", NOW)
    assert not any(captchas.spend(HERE, code, NOW) for code in codes)


def test_newest_few_are_kept_for_one_address() -> None:
    """People behind one address, or with two forms open; but not enough of them to be guessed."""
    digits = cycle(range(len(DIGITS)))
    captchas = Captchas(lambda most: next(digits))
    codes = [show(captchas) for _ in range(KEPT + 1)]
    assert len(set(codes)) == KEPT + 1
    assert len(captchas) == KEPT
    assert all(captchas.spend(HERE, code, NOW) for code in codes[1:])
    show(captchas)
    assert not captchas.spend(HERE, codes[0], NOW)


def test_code_is_over_after_ten_minutes() -> None:
    """What was shown long ago may have been solved elsewhere; its memory is given back by the next picture of anybody."""
    captchas = Captchas()
    code, other = show(captchas), show(captchas, THERE)
    assert captchas.spend(THERE, other, NOW + LASTS_MS - 1)
    assert not captchas.spend(HERE, code, NOW + LASTS_MS)
    show(captchas)
    show(captchas, THERE, NOW + LASTS_MS)
    assert len(captchas) == 1


def test_memory_is_bounded_by_dropping_the_oldest() -> None:
    """A flood from many addresses costs the oldest pictures, not the server."""
    captchas = Captchas(most=10)
    codes = {f"10.0.0.{n}": show(captchas, f"10.0.0.{n}", NOW + n) for n in range(30)}
    assert len(captchas) == 10
    assert not captchas.spend("10.0.0.19", codes["10.0.0.19"], NOW + 30)
    assert captchas.spend("10.0.0.20", codes["10.0.0.20"], NOW + 30)


def test_one_source_gets_sixty_pictures_a_minute() -> None:
    """Each is work; whoever has one address of an IPv6 network has all of it."""
    captchas = Captchas()
    for number in range(PICTURES):
        assert captchas.make(f"2001:db8::{number:x}", NOW) is not None
    assert captchas.make("2001:db8::ffff", NOW) is None
    assert captchas.make("2001:db8:0:1::1", NOW) is not None
    assert captchas.make("2001:db8::ffff", NOW + 60_000) is not None


def test_code_for_a_call_has_six_digits() -> None:
    """With its leading zeros; clients count from either end."""
    codes = {make_code() for _ in range(50)}
    assert all(len(code) == 6 and code.isascii() and code.isdigit() for code in codes)
    assert len(codes) > 40
