"""Parts of a long message: counting, splitting, cutting (3GPP TS 23.040, section 9.2.3.24.1).

The user data of one part is 140 octets. The header of an 8-bit concatenation takes 6 of them (`udh.concatenation` with
`wide=False`), that of a 16-bit one 7.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

from heliograph.wire.gsm.alphabet import Alphabet, choose, septets


class Limit(NamedTuple):
    """What a message holds, in the units of its alphabet: septets, octets or UTF-16 code units.

    `single`: a message alone; `chunk`: a part behind an 8-bit concatenation; `wide_chunk`: behind a 16-bit one.
    """

    single: int
    chunk: int
    wide_chunk: int


OCTETS = 140

LIMITS: dict[Alphabet, Limit] = {
    # 140 * 8 / 7 = 160; a header of 6 octets takes ceil(48 / 7) = 7 septets, one of 7 octets takes 56 / 7 = 8.
    Alphabet.GSM7: Limit(160, 153, 152),
    Alphabet.LATIN1: Limit(140, 134, 133),
    Alphabet.BINARY: Limit(140, 134, 133),
    # 140 / 2 = 70; (140 - 6) / 2 = 67; (140 - 7) / 2 = 66.5.
    Alphabet.UCS2: Limit(70, 67, 66),
}


def code_units(text: str) -> int:
    """Return the length of `text` in UTF-16 code units; a character over U+FFFF counts two."""
    return len(text.encode("utf-16-le", "surrogatepass")) >> 1


_LENGTHS: dict[Alphabet, Callable[[str], int]] = {
    Alphabet.GSM7: septets,
    Alphabet.LATIN1: len,
    Alphabet.BINARY: len,
    Alphabet.UCS2: code_units,
}


def length(text: str, alphabet: Alphabet) -> int:
    """Return the length of `text` in the units of `alphabet`."""
    return _LENGTHS[alphabet](text)


def count(text: str, alphabet: Alphabet | None = None) -> int:
    """Return the number of parts `text` is sent and charged in: what `split` gives, one for an empty text.

    `alphabet` is that of `choose(text)` unless given.
    """
    if len(text) <= 35:  # of two units each they are 70, the smallest limit
        return 1
    if alphabet is None:
        alphabet = choose(text)
    limit = LIMITS[alphabet]
    if len(text) * 2 <= limit.single:
        return 1
    units = _LENGTHS[alphabet](text)
    if units <= limit.single:
        return 1
    if units == len(text):  # no character of two units, so no border moves
        return -(-units // limit.chunk)
    return len(_borders(text, _LENGTHS[alphabet], limit.chunk)) - 1


def split(text: str, alphabet: Alphabet, *, single: int | None = None, chunk: int | None = None) -> list[str]:
    """Return `text` in parts, in order, each as long as the limits allow; joined they are `text` again.

    `single` and `chunk` replace the row of LIMITS (in the alphabet's units), for instance `chunk=LIMITS[a].wide_chunk`
    where the header is that of a 16-bit concatenation. A character of two units is never split over a border.

    Raises:
        ValueError: `single` or `chunk` is less than two, which a character of two units could never fit.
    """
    limit = LIMITS[alphabet]
    single = limit.single if single is None else single
    chunk = limit.chunk if chunk is None else chunk
    if single < 2 or chunk < 2:
        raise ValueError("a part must hold at least two units")
    measure = _LENGTHS[alphabet]
    if measure(text) <= single:
        return [text]
    borders = _borders(text, measure, chunk)
    return [text[start:end] for start, end in pairwise(borders)]


def _borders(text: str, measure: Callable[[str], int], chunk: int) -> list[int]:
    """Return the indexes where parts of at most `chunk` units begin, and the end of the text."""
    borders = [0]
    start = 0
    while start < len(text):
        start = _reach(text, start, measure, chunk)
        borders.append(start)
    return borders


def _reach(text: str, start: int, measure: Callable[[str], int], room: int) -> int:
    """Return the end of the longest slice from `start` that has at most `room` units."""
    end = min(start + room, len(text))
    # A character has at most two units, so at least half the surplus, rounded up, must go: the end never comes too near.
    while (surplus := measure(text[start:end]) - room) > 0:
        end -= (surplus + 1) // 2
    return end


def cut(text: str, maxsms: int) -> str:
    """Return the longest beginning of `text` that goes into `maxsms` parts of the alphabet `text` needs.

    The alphabet is that of the whole text, so the rest may turn out to fit a larger one and take fewer parts.

    Raises:
        ValueError: `maxsms` is less than one.
    """
    if maxsms < 1:
        raise ValueError("maxsms must be at least 1")
    if len(text) <= 35:
        return text
    alphabet = choose(text)
    limit = LIMITS[alphabet]
    measure = _LENGTHS[alphabet]
    if measure(text) <= limit.single:
        return text
    if maxsms == 1:
        return text[: _reach(text, 0, measure, limit.single)]
    borders = _borders(text, measure, limit.chunk)
    return text[: borders[min(maxsms, len(borders) - 1)]]


def split_binary(payload: bytes) -> list[bytes]:
    """Return the one part of a binary message, whose payload begins with the header the sender made.

    A longer payload is not split: its header belongs to the sender, who must write one for every part.

    Raises:
        ValueError: the payload has more than 140 octets, header included.
    """
    if len(payload) > OCTETS:
        raise ValueError(f"a binary message has at most {OCTETS} octets, this one has {len(payload)}")
    return [payload]
