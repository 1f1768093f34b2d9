"""The GSM 7 bit default alphabet, its extension table and the packing of septets (3GPP TS 23.038, sections 6.1 and 6.2).

Between `encode` and `decode` a septet lies alone in an octet ("unpacked", as SMPP carries it); `pack` and `unpack`
go on to the form of the air interface, eight septets in seven octets.
"""

import codecs
from enum import IntEnum

# Section 6.2.1, in code order. 0x1B is the escape to the extension table and stands for no character of its own.
DEFAULT_TABLE = (
    "@£$¥èéùìòÇ\nØø\rÅå"
    "Δ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ"
    " !\"#¤%&'()*+,-./"
    "0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNO"
    "PQRSTUVWXYZÄÖÑÜ§"
    "¿abcdefghijklmno"
    "pqrstuvwxyzäöñüà"
)

# Section 6.2.1.1: the code that follows the escape. 0x0D (a control) and 0x1B (a further table) are reserved there.
EXTENSION_TABLE = {
    0x0A: "\f",
    0x14: "^",
    0x28: "{",
    0x29: "}",
    0x2F: "\\",
    0x3C: "[",
    0x3D: "~",
    0x3E: "]",
    0x40: "|",
    0x65: "€",
}

ESCAPE = 0x1B
DEFAULT_CHARACTERS = frozenset(DEFAULT_TABLE) - {"\x1b"}
EXTENSION_CHARACTERS = frozenset(EXTENSION_TABLE.values())
CHARACTERS = DEFAULT_CHARACTERS | EXTENSION_CHARACTERS


class Alphabet(IntEnum):
    """How a text becomes octets; the value is SMPP's data_coding (SMPP 3.4, section 5.2.19)."""

    GSM7 = 0
    LATIN1 = 3
    BINARY = 4
    UCS2 = 8


class _Codes(dict[int, str]):
    """Character to its code or escape pair, written as characters U+0000 to U+007F; '?' for every other character."""

    def __missing__(self, character: int) -> str:
        return "?"


_CODES = _Codes({ord(character): chr(code) for code, character in enumerate(DEFAULT_TABLE) if code != ESCAPE})
_CODES.update({ord(character): chr(ESCAPE) + chr(code) for code, character in EXTENSION_TABLE.items()})

# 256 places for codecs.charmap_decode: octets over 0x7F are no septets and show as '?'; an escape left alone is a space.
_DECODED = DEFAULT_TABLE.replace("\x1b", " ") + "?" * 128


def fits(text: str) -> bool:
    """Say whether every character of `text` is in the default alphabet or its extension table."""
    if text.isascii() and text.isprintable():
        return "`" not in text  # the one printable ASCII character the alphabet lacks
    return CHARACTERS.issuperset(text)


def septets(text: str) -> int:
    """Return the length of `text` in septets; a character of the extension table counts two.

    Meant for a text that fits; any other character counts one, as its stand-in '?' does.
    """
    return len(text) + sum(map(text.count, EXTENSION_TABLE.values()))


def encode(text: str) -> bytes:
    """Return `text` as unpacked septets, 0x1B before a code of the extension table.

    Never fails: a character outside the alphabet becomes '?'. Ask `fits` first where that is not wanted.
    """
    return text.translate(_CODES).encode("latin-1")


def decode(data: bytes) -> str:
    """Return the text of unpacked septets, by the rules for a receiver in TS 23.038, section 6.2.1.1.

    An escape before a code the extension table lacks shows that code's character of the default table; an escape
    before an escape (a further table, reserved) or at the end shows a space; an octet over 0x7F shows '?'.
    """
    if ESCAPE not in data:
        return codecs.charmap_decode(data, "strict", _DECODED)[0]
    shown: list[str] = []
    start = 0
    while (at := data.find(ESCAPE, start)) >= 0:
        shown.append(codecs.charmap_decode(data[start:at], "strict", _DECODED)[0])
        code = data[at + 1] if at + 1 < len(data) else ESCAPE
        shown.append(EXTENSION_TABLE.get(code) or _DECODED[code])
        start = at + 2
    shown.append(codecs.charmap_decode(data[start:], "strict", _DECODED)[0])
    return "".join(shown)


def choose(text: str, *, latin1: bool = False) -> Alphabet:
    """Return the cheapest alphabet that carries `text`: GSM 7 bit, Latin-1 where `latin1` allows it, UCS-2."""
    if fits(text):
        return Alphabet.GSM7
    if latin1 and max(text) <= "\xff":
        return Alphabet.LATIN1
    return Alphabet.UCS2


def encode_as(text: str, alphabet: Alphabet) -> bytes:
    """Return `text` as the octets of `alphabet`: unpacked septets, Latin-1, or UTF-16 big endian for UCS-2.

    BINARY takes one octet for each character up to U+00FF. What an alphabet lacks (a lone surrogate in UCS-2)
    becomes '?'; nothing fails.
    """
    if alphabet is Alphabet.GSM7:
        return encode(text)
    return text.encode("utf-16-be" if alphabet is Alphabet.UCS2 else "latin-1", "replace")


def decode_as(data: bytes, alphabet: Alphabet) -> str:
    """Return the text of octets in `alphabet`, the reverse of `encode_as`.

    Never fails: in UCS-2 a lone surrogate or an odd last octet shows as U+FFFD.
    """
    if alphabet is Alphabet.GSM7:
        return decode(data)
    return data.decode("utf-16-be" if alphabet is Alphabet.UCS2 else "latin-1", "replace")


# Packing works on the septets of a whole message as one little-endian number: neighbours are pushed together in lanes
# of 16, 32 and 64 bits, after which each lane of eight octets holds 56 bits and its last octet is empty.
# A block of 160 septets (140 octets) holds a full message, so a message is one step; 20 lanes * 8 = 160.
_BLOCK = 160
_LANES = _BLOCK // 8


def _mask(lane: int) -> int:
    return int.from_bytes(lane.to_bytes(8, "little") * _LANES, "little")


# (mask of the lower neighbours, mask of the upper ones, distance to push) for lanes of 8, 16 and 32 bits apart.
_SQUEEZE = (
    (_mask(0x007F007F007F007F), _mask(0x7F007F007F007F00), 1),
    (_mask(0x00003FFF00003FFF), _mask(0x3FFF00003FFF0000), 2),
    (_mask(0x000000000FFFFFFF), _mask(0x0FFFFFFF00000000), 4),
)


def _pack_block(data: bytes) -> bytes:
    number = int.from_bytes(data, "little")
    for lower, upper, distance in _SQUEEZE:
        number = (number & lower) | ((number & upper) >> distance)
    lanes = bytearray(number.to_bytes(-(-len(data) // 8) * 8, "little"))
    del lanes[7::8]
    return bytes(lanes[: (len(data) * 7 + 7) // 8])


def _unpack_block(packed: bytes) -> bytearray:
    lanes = bytearray(-(-len(packed) // 7) * 8)
    padded = packed.ljust(len(lanes) // 8 * 7, b"\0")
    for place in range(7):
        lanes[place::8] = padded[place::7]
    number = int.from_bytes(lanes, "little")
    for lower, upper, distance in reversed(_SQUEEZE):
        number = (number & lower) | ((number << distance) & upper)
    lanes[:] = number.to_bytes(len(lanes), "little")
    return lanes


def pack(data: bytes, fill_bits: int = 0) -> bytes:
    """Return unpacked septets packed, eight in seven octets (TS 23.038, section 6.1.2.1).

    `fill_bits` (0 to 6) zero bits come first, to put the text on a septet border after a user data header
    (TS 23.040, section 9.2.3.24). The top bit of each octet of `data` is dropped.
    """
    packed = b"".join([_pack_block(data[start : start + _BLOCK]) for start in range(0, len(data), _BLOCK)])
    if not fill_bits:
        return packed
    length = (len(data) * 7 + fill_bits + 7) // 8
    return (int.from_bytes(packed, "little") << fill_bits).to_bytes(length, "little")


def unpack(data: bytes, count: int, fill_bits: int = 0) -> bytes:
    """Return the first `count` septets of packed `data`, one to an octet, after `fill_bits` (0 to 6) bits.

    The count is needed as seven spare bits at the end look like an eighth '@'. Where `data` is shorter than
    `count` asks, the whole septets present are returned.
    """
    count = min(count, (len(data) * 8 - fill_bits) // 7)
    if count <= 0:
        return b""
    if fill_bits:
        data = (int.from_bytes(data, "little") >> fill_bits).to_bytes(len(data), "little")
    data = data[: (count * 7 + 7) // 8]
    step = _BLOCK * 7 // 8
    if len(data) <= step:
        return bytes(_unpack_block(data)[:count])
    return b"".join([_unpack_block(data[start : start + step]) for start in range(0, len(data), step)])[:count]
