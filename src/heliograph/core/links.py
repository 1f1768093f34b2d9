"""Short links: codes made of ids, links found in texts and replaced, the form people look for (spec sending 4.4, seed 000).

An address is taken by the rules of RFC 3986; Cyrillic domains and paths stay as they are written and become ASCII only
where a browser is sent to them (RFC 5890, RFC 3987).
"""

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from functools import lru_cache
from hashlib import blake2b
from typing import NamedTuple

import msgspec

from heliograph.core.days import day_of, shift_months, start_of_day

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
LENGTH = 7
SPACE = 62**LENGTH  # 3.5 * 10^12 codes: with 100 million in use a guess hits one time in 35,000
HALF_BITS = 21  # two halves hold 2^42 = 4.4 * 10^12, so walking the cycle takes 1.25 steps on average
ROUNDS = 8
MAX_URL = 2000  # bytes: an index entry of PostgreSQL holds 2,704 at most
QUARTER_MS = 900_000

_MASK = (1 << HALF_BITS) - 1
_VALUES = {letter: value for value, letter in enumerate(ALPHABET)}
# What no address holds (RFC 3986, 2: blanks, controls, " < > \ ^ ` { | }), quotes of typography, marks of no width.
_STOP = r"\s\x00-\x1f\x7f-\x9f\"<>\\^`{|}«»“”„\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff"
# A comma or semicolon before the next address parts the two.
_RUN = re.compile(
    rf"(?:(?<![A-Za-z0-9])https?://|(?<![\w@.:/-])www\.)(?:(?![,;]+(?:https?://|www\.))[^{_STOP}])+", re.IGNORECASE
)
_ADDRESS = re.compile(
    r"(?:https?://(?:\[[0-9a-f:.]+\]|\w[\w.-]*)|www\.\w[\w-]*(?:\.\w[\w-]*)+)(?::\d{1,5})?(?:[/?#].*)?",
    re.IGNORECASE | re.DOTALL,
)
_PARTS = re.compile(r"(https?://)(\[[^\]]*\]|[^/?#:]*)(.*)", re.IGNORECASE | re.DOTALL)
_ENDING = frozenset(".,;:!?…'’*")
_CLOSING = {")": "(", "]": "["}


class Codes:
    """The permutation of an installation: id to code and back, so that codes neither follow each other nor need a
    look-up by text. A Feistel network whose rounds are keyed BLAKE2b (RFC 7693), walked until it falls into the space."""

    def __init__(self, key: bytes) -> None:
        self._rounds = [blake2b(bytes([number]), key=key, digest_size=3) for number in range(ROUNDS)]

    def write(self, id: int) -> str:
        """The code of an id from 0 up to ``SPACE`` (not with it); ValueError for another one."""
        if not 0 <= id < SPACE:
            raise ValueError(f"no code for {id}")
        value = self._turn(id, range(ROUNDS))
        while value >= SPACE:
            value = self._turn(value, range(ROUNDS))
        return write_base62(value)

    def read(self, code: str) -> int | None:
        """The id of a code; None for what is none."""
        if len(code) != LENGTH:
            return None
        value = 0
        for letter in code:
            digit = _VALUES.get(letter)
            if digit is None:
                return None
            value = value * 62 + digit
        # Swapped halves undo a network when its rounds run backwards.
        value = self._undo(value)
        while value >= SPACE:
            value = self._undo(value)
        return value

    def _undo(self, value: int) -> int:
        return _swap(self._turn(_swap(value), range(ROUNDS - 1, -1, -1)))

    def _turn(self, value: int, order: Iterable[int]) -> int:
        left, right = value >> HALF_BITS, value & _MASK
        for number in order:
            hashed = self._rounds[number].copy()
            hashed.update(right.to_bytes(3, "big"))
            left, right = right, left ^ (int.from_bytes(hashed.digest(), "big") & _MASK)
        return left << HALF_BITS | right


def _swap(value: int) -> int:
    return (value & _MASK) << HALF_BITS | value >> HALF_BITS


def write_base62(value: int) -> str:
    """A number below ``SPACE`` as seven letters and digits."""
    letters = []
    for _ in range(LENGTH):
        value, digit = divmod(value, 62)
        letters.append(ALPHABET[digit])
    return "".join(reversed(letters))


def imagine(url: str) -> str:
    """What stands for the code of an address in a price query: as long, the same for the same address, known to nobody."""
    hashed = blake2b(url.encode("utf-8", "replace"), digest_size=8).digest()
    return write_base62(int.from_bytes(hashed, "big") % SPACE)


class Found(NamedTuple):
    """A link in a text: from where to where, and its address, with a scheme."""

    start: int
    end: int
    url: str


def find(text: str) -> list[Found]:
    """The links of a text in their order: http, https and www. Trailing punctuation and brackets are not part of them,
    unless a bracket was opened inside; addresses with credentials or longer than ``MAX_URL`` are left alone."""
    found = []
    for run in _RUN.finditer(text):
        url = _trim(run[0])
        if not _ADDRESS.fullmatch(url) or len(url.encode("utf-8", "replace")) > MAX_URL - 7:
            continue
        end = run.start() + len(url)
        if url[:4].lower() == "www.":
            url = f"http://{url}"
        found.append(Found(run.start(), end, url))
    return found


def _trim(run: str) -> str:
    end = len(run)
    while end:
        last = run[end - 1]
        opening = _CLOSING.get(last)
        if opening is not None:
            if run.count(last, 0, end) <= run.count(opening, 0, end):
                break
        elif last not in _ENDING:
            break
        end -= 1
    return run[:end]


def replace(text: str, found: Iterable[Found], short: Mapping[str, str]) -> str:
    """The text with each found link replaced by the short one of its address; those without one stay."""
    pieces: list[str] = []
    position = 0
    for start, end, url in found:
        by = short.get(url)
        if by is not None:
            pieces += (text[position:start], by)
            position = end
    return "".join((*pieces, text[position:])) if pieces else text


def plain(url: str) -> str:
    """An address as people look for it: no scheme, no www., no closing slash, the host in lower case."""
    parts = _PARTS.fullmatch(url.strip())
    if parts is None:
        parts = _PARTS.fullmatch(f"http://{url.strip()}")
        assert parts is not None  # the pattern takes any text behind a scheme
    return f"{parts[2].lower().removeprefix('www.')}{parts[3]}".rstrip("/")


def write_location(url: str) -> str:
    """An address as a browser is sent to it: a host of other letters in its ASCII form (RFC 5891). The rest is escaped
    by whoever writes the header."""
    parts = _PARTS.fullmatch(url)
    if parts is None or parts[2].isascii():
        return url
    try:
        return f"{parts[1]}{parts[2].encode('idna').decode()}{parts[3]}"
    except UnicodeError:
        return url


@lru_cache(maxsize=8)
def code_pattern(base: str) -> re.Pattern[str]:
    """Finds short links in texts; the first group is the code."""
    return re.compile(f"{re.escape(base)}([0-9A-Za-z]{{{LENGTH}}})(?![0-9A-Za-z])")


class Trails:
    """The links of a tracked submission, whose codes become each recipient's own. ``links`` are ids of links by code."""

    __slots__ = ("_base", "_codes", "_links")

    def __init__(self, codes: Codes, base: str, links: Mapping[str, int]) -> None:
        self._codes = codes
        self._base = base
        self._links = links

    def lay(self, text: str, take: Callable[[], int]) -> tuple[str, list[tuple[int, int]]]:
        """The text of one recipient, and (id of the trail, id of its link) for each link in it; ``take`` gives ids.

        A link that the cut (``maxsms``) has shortened stays as it is: it leads nowhere anyway.
        """
        laid: dict[str, str] = {}
        trails: list[tuple[int, int]] = []
        links, base = self._links, self._base

        def lay_one(found: re.Match[str]) -> str:
            code = found[1]
            if code not in laid:
                link_id = links.get(code)
                if link_id is None:
                    return found[0]
                id_ = take()
                trails.append((id_, link_id))
                laid[code] = self._codes.write(id_)
            return base + laid[code]

        return code_pattern(base).sub(lay_one, text), trails


class Counts(msgspec.Struct, frozen=True):
    """A link and its clicks: all, this month, today, yesterday, last month, in the account's zone."""

    id: int
    url: str
    short: str
    cnt: int
    cnt_mon: int
    cnt_day: int
    cnt_yes: int
    cnt_pmon: int
    created_ms: int


class Periods(NamedTuple):
    """Where an account's day, yesterday, month and the month before begin, in quarters of an hour since 1970."""

    day: int
    yesterday: int
    month: int
    previous: int


def find_periods(now_ms: int, zone: str) -> Periods:
    """The beginnings of the periods that clicks are told for, in the account's zone."""
    today = day_of(now_ms, zone)
    month = today.replace(day=1)
    days = (today, today - timedelta(days=1), month, shift_months(month, -1))
    return Periods(*(start_of_day(day, zone) // QUARTER_MS for day in days))
