"""Parts of long messages: their limits, borders and number."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heliograph.wire.gsm.alphabet import CHARACTERS, Alphabet, choose, encode, encode_as, septets
from heliograph.wire.gsm.segments import LIMITS, code_units, count, cut, length, split, split_binary
from heliograph.wire.gsm.udh import build, concatenation

# Repeated pieces reach the lengths where borders lie; single characters shift them.
pieces = st.one_of(
    st.text(alphabet=sorted(CHARACTERS), max_size=80),
    st.sampled_from(["a" * 76, "{" * 40, "a" * 152 + "€", "ж" * 66, "😀" * 17, "ж", "😀", "€", "é" * 33]),
    st.text(max_size=20),
)
texts = st.lists(pieces, max_size=8).map("".join)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", 1),
        ("a" * 160, 1),
        ("a" * 161, 2),
        ("a" * 306, 2),
        ("a" * 307, 3),
        ("ж" * 70, 1),
        ("ж" * 71, 2),
        ("ж" * 134, 2),
        ("ж" * 135, 3),
        ("{" * 80, 1),
        ("{" * 80 + "a", 2),
        ("{" * 152, 2),  # 76 pairs go in 153 septets, one septet stays empty
        ("{" * 153, 3),
        ("😀" * 35, 1),
        ("😀" * 36, 2),
        ("😀" * 66, 2),  # 33 pairs go in 67 units
        ("😀" * 67, 3),
        ("a" * 69 + "`", 1),
        ("a" * 70 + "`", 2),
    ],
)
def test_parts_at_the_limits(text: str, parts: int) -> None:
    """The number of parts is the price; the table is sending spec 4.1."""
    assert count(text) == parts
    assert len(split(text, choose(text))) == parts


def test_latin1_parts_are_octets() -> None:
    """140 octets alone, 134 behind a header of 6."""
    assert [count("é" * n, Alphabet.LATIN1) for n in (140, 141, 268, 269)] == [1, 2, 2, 3]
    assert [len(part) for part in split("é" * 141, Alphabet.LATIN1)] == [134, 7]


@pytest.mark.parametrize("wide", [False, True])
def test_chunks_leave_room_for_the_header(wide: bool) -> None:
    """A part with its concatenation header must fill, and not exceed, 140 octets."""
    header = len(build([concatenation(1, 2, 1, wide=wide)]))
    for alphabet, limit in LIMITS.items():
        bits = {Alphabet.GSM7: 7, Alphabet.UCS2: 16}.get(alphabet, 8)
        assert limit.single == 140 * 8 // bits
        assert (limit.wide_chunk if wide else limit.chunk) == (140 - header) * 8 // bits


def test_escape_pair_is_not_split() -> None:
    """A part that ends with an escape shows a space, and the next one begins with a wrong letter."""
    text = "a" * 152 + "€" + "b" * 10
    assert split(text, Alphabet.GSM7) == ["a" * 152, "€" + "b" * 10]


def test_surrogate_pair_is_not_split() -> None:
    """Half an emoji at the end of a part shows as a box on some handsets."""
    text = "ж" * 66 + "😀" + "ж" * 10
    assert split(text, Alphabet.UCS2) == ["ж" * 66, "😀" + "ж" * 10]


def test_limits_can_be_replaced() -> None:
    """A carrier may give less room, or a wide header take a septet more."""
    assert [len(p) for p in split("a" * 200, Alphabet.GSM7, chunk=LIMITS[Alphabet.GSM7].wide_chunk)] == [152, 48]
    assert split("abcde", Alphabet.GSM7, single=4, chunk=2) == ["ab", "cd", "e"]
    for limits in ({"single": 1}, {"chunk": 1}):
        with pytest.raises(ValueError, match="two units"):
            split("abc", Alphabet.GSM7, **limits)


@settings(max_examples=200)
@given(texts)
def test_count_is_the_number_of_parts(text: str) -> None:
    """What is charged must be what is sent."""
    assert count(text) == len(split(text, choose(text)))
    for alphabet in Alphabet:
        assert count(text, alphabet) == len(split(text, alphabet))


@settings(max_examples=200)
@given(texts, st.integers(2, 20))
def test_parts_make_the_text_again(text: str, chunk: int) -> None:
    """No character is lost, doubled or halved, no part is empty or over its limit."""
    alphabet = choose(text)
    for parts, limit in (
        (split(text, alphabet), LIMITS[alphabet].chunk),
        (split(text, alphabet, single=chunk, chunk=chunk), chunk),
    ):
        assert "".join(parts) == text
        if len(parts) > 1:
            assert all(part and length(part, alphabet) <= limit for part in parts)
            assert b"".join(encode_as(part, alphabet) for part in parts) == encode_as(text, alphabet)
            # The part is as long as it can be: the next character would not fit.
            assert all(length(a + b[0], alphabet) > limit for a, b in pairwise(parts))


@settings(max_examples=200)
@given(texts, st.integers(1, 5))
def test_cut_text_is_a_beginning_within_the_limit(text: str, maxsms: int) -> None:
    """`maxsms` bounds what a customer pays, and a text within it stays whole."""
    short = cut(text, maxsms)
    assert text.startswith(short)
    assert count(short) <= maxsms
    if count(text) <= maxsms:
        assert short == text


def test_cut_to_one_part_uses_the_whole_message() -> None:
    """One part has no header: 160 or 70, not 153 or 67."""
    assert len(cut("a" * 500, 1)) == 160
    assert len(cut("ж" * 500, 1)) == 70
    assert len(cut("a" * 500, 2)) == 306
    assert cut("ж" * 69 + "😀" + "ж", 1) == "ж" * 69


def test_cut_refuses_no_parts() -> None:
    """`maxsms` is at least 1 (sending spec 2)."""
    with pytest.raises(ValueError, match="maxsms"):
        cut("text", 0)


def test_lengths_are_in_units_of_the_alphabet() -> None:
    """The counter of a form shows these numbers."""
    assert length("a€", Alphabet.GSM7) == 3 == len(encode("a€")) == septets("a€")
    assert length("a😀", Alphabet.UCS2) == 3 == code_units("a😀")
    assert length("aé", Alphabet.LATIN1) == 2


def test_binary_payload_goes_whole_or_not() -> None:
    """Its header belongs to the sender, so it is never split."""
    assert split_binary(bytes(140)) == [bytes(140)]
    with pytest.raises(ValueError, match="at most 140 octets, this one has 141"):
        split_binary(bytes(141))
