"""The GSM 7 bit alphabet and packing, held against the tables and examples of 3GPP TS 23.038."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliograph.wire.gsm.alphabet import (
    CHARACTERS,
    EXTENSION_CHARACTERS,
    Alphabet,
    choose,
    decode,
    decode_as,
    encode,
    encode_as,
    fits,
    pack,
    septets,
    unpack,
)

# The standard prints the table by columns; this copy goes by its rows (the low four bits), as a check on the other.
ROWS = [
    "@Δ 0¡P¿p", "£_!1AQaq", '$Φ"2BRbr', "¥Γ#3CScs", "èΛ¤4DTdt", "éΩ%5EUeu", "ùΠ&6FVfv", "ìΨ'7GWgw",
    "òΣ(8HXhx", "ÇΘ)9IYiy", "\nΞ*:JZjz", "Ø\x1b+;KÄkä", "øÆ,<LÖlö", "\ræ-=MÑmñ", "Åß.>NÜnü", "åÉ/?O§oà",
]  # fmt: skip
CODES = {row[column]: column * 16 + low for low, row in enumerate(ROWS) for column in range(8) if row[column] != "\x1b"}
EXTENSION = {
    "\f": 0x0A,
    "^": 0x14,
    "{": 0x28,
    "}": 0x29,
    "\\": 0x2F,
    "[": 0x3C,
    "~": 0x3D,
    "]": 0x3E,
    "|": 0x40,
    "€": 0x65,
}

gsm_texts = st.text(alphabet=sorted(CHARACTERS), max_size=400)
septet_strings = st.lists(st.integers(0, 127), max_size=400).map(bytes)


@pytest.mark.parametrize(("character", "code"), CODES.items())
def test_default_table_row_goes_both_ways(character: str, code: int) -> None:
    """One wrong row garbles every text that has the letter."""
    assert encode(character) == bytes([code])
    assert decode(bytes([code])) == character
    assert fits(character)
    assert septets(character) == 1


@pytest.mark.parametrize(("character", "code"), EXTENSION.items())
def test_extension_table_row_goes_both_ways(character: str, code: int) -> None:
    """Extension characters are charged as two, so they must be known exactly."""
    assert encode(character) == bytes([0x1B, code])
    assert decode(bytes([0x1B, code])) == character
    assert fits(character)
    assert septets(character) == 2


def test_alphabet_has_no_further_characters() -> None:
    """The two tables together are 127 characters and ten."""
    assert set(CODES) | set(EXTENSION) == CHARACTERS
    assert set(EXTENSION) == EXTENSION_CHARACTERS
    assert len(CHARACTERS) == 127 + 10


@pytest.mark.parametrize("character", ["`", "\t", "\0", "\x1b", "\x7f", "ç", "№", "а", "😀", "\u00a0", "\ud800"])
def test_other_characters_do_not_fit(character: str) -> None:
    """They force the whole message into UCS-2 (sending spec 4.1)."""
    assert not fits(character)
    assert not fits("plain " + character)
    assert choose("plain " + character) is Alphabet.UCS2
    assert encode(character) == b"?"


@given(st.characters())
def test_fits_is_membership_of_the_tables(character: str) -> None:
    """The quick way for printable ASCII must agree with the tables."""
    assert fits(character) == (character in CODES or character in EXTENSION)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"\x1bA", "A"),  # no entry in the extension table: the character of the default table
        (b"\x1b\x00", "@"),
        (b"\x1b\x1b\x41", " A"),  # reserved for a further table: a space
        (b"\x41\x1b", "A "),
        (b"\x1b", " "),
        (b"\x80\xff", "??"),
        (b"\x1b\xff", "?"),
        (b"", ""),
    ],
)
def test_receiver_rules_for_escapes(data: bytes, text: str) -> None:
    """A receiver must show something for codes it does not know (TS 23.038, 6.2.1.1)."""
    assert decode(data) == text


@given(gsm_texts)
def test_texts_survive_the_alphabet(text: str) -> None:
    """What fits comes back as it went, and has the length it is charged for."""
    assert fits(text)
    data = encode(text)
    assert decode(data) == text
    assert len(data) == septets(text)
    assert all(octet < 0x80 for octet in data)


@given(st.binary(max_size=300))
def test_decoding_takes_any_octets(data: bytes) -> None:
    """Peers send garbage; each alphabet shows it as text one can store as UTF-8."""
    for alphabet in Alphabet:
        decode_as(data, alphabet).encode("utf-8")


@given(st.text(max_size=100))
def test_chosen_alphabet_loses_nothing(text: str) -> None:
    """A message is never altered by the choice of its alphabet."""
    for latin1 in (False, True):
        alphabet = choose(text, latin1=latin1)
        assert decode_as(encode_as(text, alphabet), alphabet) == text


def test_alphabet_is_chosen_by_need() -> None:
    """Latin-1 is only for carriers that take it."""
    assert choose("Hello") is Alphabet.GSM7
    assert choose("") is Alphabet.GSM7
    assert choose("façade") is Alphabet.UCS2
    assert choose("façade", latin1=True) is Alphabet.LATIN1
    assert choose("Привет", latin1=True) is Alphabet.UCS2
    assert [int(alphabet) for alphabet in Alphabet] == [0, 3, 4, 8]


def test_encodings_have_their_octets() -> None:
    """UCS-2 is big endian, a character over U+FFFF a surrogate pair; what cannot be sent is a question mark."""
    assert encode_as("Яb", Alphabet.UCS2) == b"\x04\x2f\x00b"
    assert encode_as("😀", Alphabet.UCS2) == b"\xd8\x3d\xde\x00"
    assert encode_as("\ud83d", Alphabet.UCS2) == b"\x00?"
    assert encode_as("ñЯ", Alphabet.LATIN1) == b"\xf1?"
    assert encode_as("\x00\xff", Alphabet.BINARY) == b"\x00\xff"
    assert decode_as(b"\x04\x2f\xd8", Alphabet.UCS2) == "Я\ufffd"


@pytest.mark.parametrize(
    ("text", "packed"),
    [
        ("hellohello", "E8329BFD4697D9EC37"),
        ("How are you?", "C8F71D14969741F977FD07"),
        ("1234567", "31D98C56B3DD00"),
        ("12345678", "31D98C56B3DD70"),
        ("", ""),
    ],
)
def test_packing_gives_known_octets(text: str, packed: str) -> None:
    """Known pairs of text and packed form, among them seven and eight septets in seven octets."""
    assert pack(encode(text)).hex().upper() == packed
    assert decode(unpack(bytes.fromhex(packed), len(text))) == text


def test_packing_lays_bits_as_the_standard_draws_them() -> None:
    """Section 6.1.2.1.1: two characters are 1a..7a with the lowest bit of the second on top, then the rest of it."""
    assert pack(bytes([0b0000001, 0b0000001])) == bytes([0b10000001, 0b0])
    assert pack(bytes([0, 0b1111111])) == bytes([0b10000000, 0b00111111])


def test_fill_bit_puts_text_on_a_septet_border() -> None:
    """A header of 6 octets (48 bits) is followed by one bit, so that text begins at septet 7 (49 bits)."""
    header = bytes.fromhex("050003CC0201")
    whole = header + pack(encode("hello"), fill_bits=1)
    assert unpack(whole, 12)[7:] == encode("hello")
    assert unpack(whole[6:], 5, fill_bits=1) == encode("hello")
    assert len(header + pack(bytes(153), fill_bits=1)) == 140
    assert len(pack(bytes(160))) == 140


@given(septet_strings, st.integers(0, 6))
def test_packing_is_reversible(data: bytes, fill_bits: int) -> None:
    """Any septets, blocks of 160 crossed or not, come back from the packed form."""
    packed = pack(data, fill_bits)
    assert len(packed) == (len(data) * 7 + fill_bits + 7) // 8
    assert unpack(packed, len(data), fill_bits) == data


@given(septet_strings, st.integers(0, 6))
def test_packing_agrees_with_bit_by_bit_packing(data: bytes, fill_bits: int) -> None:
    """The lanes are a shortcut for the plain rule: septet n begins at bit 7 n."""
    number = sum(septet << (7 * place + fill_bits) for place, septet in enumerate(data))
    assert int.from_bytes(pack(data, fill_bits), "little") == number


@given(st.binary(max_size=200), st.integers(-1, 400), st.integers(0, 6))
def test_unpacking_short_data_gives_what_is_there(data: bytes, count: int, fill_bits: int) -> None:
    """A count over the data comes from broken peers and must not fail."""
    whole = max(0, (len(data) * 8 - fill_bits) // 7)
    assert len(unpack(data, count, fill_bits)) == max(0, min(count, whole))
