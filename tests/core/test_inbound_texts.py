"""Incoming texts put together, and what their numbers and words say (core/inbound.py)."""

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from heliograph.core.accounts import Account, Settings
from heliograph.core.inbound import (
    GAP,
    Held,
    Piece,
    Whole,
    clean,
    expire,
    find_command,
    find_renter,
    fold_logins,
    pack,
    place,
    spell,
    split_prefix,
    unpack,
)
from heliograph.core.numbers import make_plan
from heliograph.core.rents import Number

WAIT_US = 1_000_000
PLAN = make_plan()


class Shelf:
    """One reference, with the rows that a store would hold."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.held = Held({})
        self.rows: dict[int, Piece] = {}
        self.told: list[Whole] = []
        self.ids = 0

    def come(self, number: int, text: str) -> None:
        self.ids += 2
        self._do(place(self.held, Piece(self.ids, number, text, 5, self.ids, ""), self.total, self.ids + 1))

    def pass_time(self) -> None:
        self.ids += WAIT_US
        self._do(expire(self.held, self.total, self.ids - WAIT_US + 10, self.ids, self.ids))

    def _do(self, placed: object) -> None:
        held, kept, dropped, wholes = placed  # type: ignore[misc]
        for piece in kept:
            assert piece.id not in self.rows, "a row is written once"
            self.rows[piece.id] = piece
        for id_ in dropped:
            del self.rows[id_]  # a KeyError: dropped twice, or never written
        self.held = held
        self.told += wholes
        mark = [held.mark] if held.mark else []
        assert sorted(self.rows) == sorted(piece.id for piece in [*held.pieces.values(), *mark])

    @property
    def texts(self) -> list[str]:
        return [whole.text for whole in self.told]


@given(st.lists(st.text(min_size=1, max_size=20), min_size=2, max_size=9), st.randoms(), st.integers(0, 12))
@settings(max_examples=200, deadline=None)
def test_parts_in_any_order_with_repeats_are_one_text(parts: list[str], chance: random.Random, repeats: int) -> None:
    """Carriers send parts over several links, and again whatever they got no answer for."""
    shelf = Shelf(len(parts))
    order = [*range(1, len(parts) + 1), *(chance.randrange(1, len(parts) + 1) for _ in range(repeats))]
    chance.shuffle(order)
    for number in order:
        shelf.come(number, parts[number - 1])
    assert shelf.texts == ["".join(parts)] and shelf.told[0].missing == ()
    shelf.pass_time()
    shelf.pass_time()
    assert shelf.texts == ["".join(parts)] and shelf.rows == {}


@given(st.lists(st.text(min_size=1, max_size=9), min_size=2, max_size=9), st.randoms(), st.data())
@settings(max_examples=150, deadline=None)
def test_nothing_that_came_is_lost_and_nothing_is_told_twice(
    parts: list[str], chance: random.Random, data: st.DataObject
) -> None:
    """What has come in time is told together, what comes later by itself; repeats of either are told no more."""
    total = len(parts)
    early = data.draw(st.sets(st.integers(1, total), min_size=1, max_size=total - 1))
    order = list(early) * 2
    chance.shuffle(order)
    shelf = Shelf(total)
    for number in order:
        shelf.come(number, parts[number - 1])
    assert shelf.told == []
    shelf.pass_time()
    (whole,) = shelf.told
    assert set(whole.missing) == set(range(1, total + 1)) - early
    assert whole.text.replace(GAP, "") == "".join(parts[n - 1] for n in sorted(early)).replace(GAP, "")
    order = list(range(1, total + 1)) * 2
    chance.shuffle(order)
    for number in order:
        shelf.come(number, parts[number - 1])
    late = shelf.told[1:]
    assert sorted(each.late for each in late) == sorted(whole.missing)
    assert all(each.text == parts[each.late - 1] for each in late)
    for _ in range(3):
        shelf.pass_time()
    assert len(shelf.told) == 1 + len(late) and shelf.rows == {}


def test_reference_used_again_is_another_text() -> None:
    """References are eight bits; some phones use the same one always."""
    shelf = Shelf(2)
    for number, text in ((1, "a1"), (2, "a2"), (1, "b1"), (2, "b2")):
        shelf.come(number, text)
    assert shelf.texts == ["a1a2", "b1b2"]
    for number, text in ((2, "c2"), (2, "d2"), (1, "d1")):
        shelf.come(number, text)
    assert shelf.texts[2:] == [GAP + "c2", "d1d2"]
    assert shelf.told[2].missing == (1,)


def test_text_that_begins_like_the_one_before_is_not_lost() -> None:
    """A part equal to the delivered text's may be a repeat or another text's beginning; the next part tells."""
    shelf = Shelf(3)
    for number, text in ((1, "Dear "), (2, "all "), (3, "one"), (1, "Dear "), (2, "all "), (3, "two")):
        shelf.come(number, text)
    assert shelf.texts == ["Dear all one", "Dear all two"]
    shelf.come(1, "Dear ")
    shelf.come(1, "Hi ")
    shelf.come(2, "all ")
    shelf.come(3, "two")
    shelf.pass_time()
    shelf.pass_time()
    assert shelf.texts[2:] == ["Hi all two"] and shelf.rows == {}


def test_old_text_is_told_with_gaps_and_young_one_waits() -> None:
    """One mark for missing parts side by side; what has just begun is not ended."""
    shelf = Shelf(5)
    shelf.come(2, "b")
    shelf.come(5, "e")
    assert expire(shelf.held, 5, 0, 9, 9).wholes == ()
    shelf.pass_time()
    assert shelf.told == [Whole(f"{GAP}b{GAP}e", 5, "", 5, (1, 3, 4))]


@given(st.lists(st.integers(0, 0x10FFFF).map(chr), max_size=30))
def test_any_part_can_be_kept(characters: list[str]) -> None:
    """A part may end between the halves of a character; only the whole can be read."""
    text = "".join(characters).replace("\x00", "")
    assert unpack(pack(text)) == text and pack(text).isascii()


def test_halves_of_a_character_become_one() -> None:
    """An emoji is two UTF-16 units, and parts are cut anywhere."""
    assert clean(unpack(pack("to\ud83d")) + unpack(pack("\ude00 you"))) == "to😀 you"
    assert clean("half \ud83d\x00") == "half \ufffd"


def number(phone: str, account_id: int, uses: tuple[str, ...] = ("texts",), shared: bool = False) -> Number:
    return Number(phone, 1, uses, shared, 0, "RUR", "", account_id)


def test_rented_number_is_found_however_it_is_written() -> None:
    """Carriers write a plus, the country's own notation, zeros in front, or a short code."""
    numbers = {each.phone: each for each in (number("79161234567", 3), number("7000", 4), number("0012", 5))}
    for given_, wanted in (
        ("+79161234567", 3),
        ("79161234567", 3),
        ("89161234567", 3),
        ("0079161234567", 3),
        ("007000", 4),
        (" 7000 ", 4),
        ("0012", 5),
        ("12", 0),
        ("79161234568", 0),
    ):
        assert find_renter(numbers, spell(given_, PLAN)) == wanted, given_
    others = {"1": number("1", 3, shared=True), "2": number("2", 0), "3": number("3", 3, ("calls",))}
    assert [find_renter(others, spell(given_, PLAN)) for given_ in "123"] == [0, 0, 0]
    assert spell("", PLAN) == ()


def account(id_: int, login: str) -> Account:
    return Account(id_, login, "RUR", 0, 0, Settings())


def test_prefix_names_an_account_in_any_case() -> None:
    """ "login, colon and space" (seed 001); what only looks like one stays as it is."""
    logins = fold_logins([account(2, "ACME"), account(1, "acme"), account(3, "shop.ru")])
    for text, wanted in (
        ("acme: call me", (1, "call me")),
        ("Acme: call me", (1, "call me")),
        (" SHOP.RU:  да ", (3, "да ")),
        ("acme : yes", (1, "yes")),
        ("acme:call me", None),
        ("acme: ", None),
        ("other: text", None),
        ("call acme: now", None),
        ("", None),
        ("http://x.ru/: a", None),
    ):
        found = split_prefix(text, logins)
        assert (found and (found[0].id, found[1])) == wanted, text


def test_stop_words_are_whole_texts() -> None:
    """Signs and case do not matter, a sentence with the word in it is none."""
    stop, start = ("stop", "СТОП", "не слать"), ("start", "+")
    for text, wanted in (
        ("STOP", ("stop", "")),
        (" «стоп!!!»\n", ("stop", "")),
        ("Stop.", ("stop", "")),
        ("не слать", ("stop", "")),
        ("СТОП acme", ("stop", "acme")),
        ("STOP, acme", ("stop", "acme")),
        ("stop:\nacme", ("stop", "acme")),
        ("Stop 👍🏻", ("stop", "")),
        ("❌ стоп ❤️", ("stop", "")),
        ("не\n слать", ("stop", "")),
        ("+", ("start", "")),
        ("👍", ("", "")),
        ("stop's", ("stop", "s")),
        ("stop sending me this", ("", "")),
        ("please stop", ("", "")),
        ("stopp", ("", "")),
        ("START", ("start", "")),
        ("", ("", "")),
        ("!!!", ("", "")),
        ("stop " + "x" * 300, ("", "")),
    ):
        assert find_command(text, stop, start) == wanted, text
    assert find_command("stop", ("", " "), ()) == ("", "")
