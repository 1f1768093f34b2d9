"""Incoming texts: long ones put together from their parts, whose a text is, and what its words ask for (seed 001, "Transmitting
statuses and messages"; spec management 5.4; parts: 3GPP TS 23.040, 9.2.3.24.1)."""

import re
from collections.abc import Iterable, Mapping
from hashlib import blake2b
from typing import NamedTuple

from heliograph.core.accounts import Account
from heliograph.core.numbers import Plan, normalize
from heliograph.core.rents import TEXTS, Number

GAP = "…"
"""Stands where parts of a long text are missing, however many in a row."""

STOP, START = "stop", "start"

# "acme: call me": a login, a colon and a blank (seed 001, sms_id).
_PREFIX = re.compile(r"\s*([^\s:]{1,64})\s?:\s+(?=\S)")
# Whatever is neither letter nor digit, emoji too.
_AROUND = re.compile(r"^[\W_]+|[\W_]+$")
_EDGES = " \t\r\n\v\f.,;:!?'\"`«»„“”‘’()[]<>{}*_~-–—…/\\\u00a0\u200b\ufeff"


class Piece(NamedTuple):
    """A part of a long text as it is kept; number 0 is the mark of one that was delivered, its text the digests of its
    parts (empty for those that had not come). ``id`` is when it came, in microseconds since 1970, and rises."""

    id: int
    number: int
    text: str
    sent_ms: int
    received_ms: int
    smsc: str


class Whole(NamedTuple):
    """A text to be delivered: ``missing`` parts of ``total``; ``late`` is the number of a part that came when the others
    had been delivered without it, 0 for all else."""

    text: str
    sent_ms: int
    smsc: str
    total: int = 1
    missing: tuple[int, ...] = ()
    late: int = 0


class Held(NamedTuple):
    """What is kept of one reference: parts by number, and the mark of the text before that was delivered."""

    pieces: dict[int, Piece]
    mark: Piece | None = None


class Placed(NamedTuple):
    """What a part does: what is held from now on, rows to write and to drop (by id), and texts to deliver."""

    held: Held
    kept: tuple[Piece, ...] = ()
    dropped: tuple[int, ...] = ()
    wholes: tuple[Whole, ...] = ()


def hold(pieces: Iterable[Piece]) -> Held:
    """What is held, from the rows of one reference in the order of their ids; of repeats the newest counts."""
    found = {piece.number: piece for piece in pieces}
    mark = found.pop(0, None)
    return Held(found, mark)


def place(held: Held, piece: Piece, total: int, mark_id: int) -> Placed:
    """Put a part of a text of ``total`` parts to what is held of its reference.

    Any order, and a repeat changes nothing. A part that differs from the one of the same number belongs to another text
    with the same reference: the older one is delivered as far as it has come. A repeat of a delivered text's part is kept,
    for it may be the beginning of another text that begins alike; if nothing else comes it is forgotten with the mark.
    """
    pieces, mark = dict(held.pieces), held.mark
    number, text = piece.number, piece.text
    if mark is not None:
        told = mark.text.split(",")
        if not told[number - 1]:
            told[number - 1] = digest(text)
            renewed = mark._replace(id=mark_id, text=",".join(told))
            late = Whole(text, piece.sent_ms, piece.smsc, total, late=number)
            return Placed(Held(pieces, renewed), (renewed,), (mark.id,), (late,))
        if told[number - 1] == digest(text):
            before = pieces.get(number)
            pieces[number] = piece
            return Placed(Held(pieces, mark), (piece,), (before.id,) if before else ())
    dropped = [mark.id] if mark is not None else []
    wholes = []
    before = pieces.get(number)
    if before is not None:
        dropped.append(before.id)
        if before.text != text and mark is None:
            wholes.append(join(pieces, total))
            dropped = [each.id for each in pieces.values()]
            pieces = {}
    pieces[number] = piece
    if len(pieces) < total:
        return Placed(Held(pieces), (piece,), tuple(dropped), tuple(wholes))
    wholes.append(join(pieces, total))
    dropped += [each.id for each in pieces.values() if each is not piece and each.id not in dropped]
    made = _mark(pieces, total, mark_id, piece.received_ms)
    return Placed(Held({}, made), (made,), tuple(dropped), tuple(wholes))


def expire(held: Held, total: int, before_us: int, mark_id: int, now_ms: int) -> Placed:
    """What becomes of a reference of which something came before ``before_us``: a text that is not whole is delivered as
    it is, a mark is forgotten."""
    pieces, mark = held
    rows = [*pieces.values(), *((mark,) if mark is not None else ())]
    if all(row.id >= before_us for row in rows):
        return Placed(held)
    if mark is not None:
        if mark.id < before_us:
            return Placed(Held({}), dropped=tuple(row.id for row in rows))
        kept = {number: each for number, each in pieces.items() if each.id >= before_us}
        return Placed(Held(kept, mark), dropped=tuple(row.id for row in pieces.values() if row.id < before_us))
    made = _mark(pieces, total, mark_id, now_ms)
    return Placed(Held({}, made), (made,), tuple(row.id for row in rows), (join(pieces, total),))


def join(pieces: Mapping[int, Piece], total: int) -> Whole:
    """The text of the parts that are there, a gap for those that are not."""
    missing = tuple(number for number in range(1, total + 1) if number not in pieces)
    words: list[str] = []
    for number in range(1, total + 1):
        if number in pieces:
            words.append(pieces[number].text)
        elif not words or words[-1] is not GAP:
            words.append(GAP)
    first = pieces[min(pieces)]
    return Whole("".join(words), first.sent_ms, first.smsc, total, missing)


def digest(text: str) -> str:
    """A short print by which a repeat of a part is known."""
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=6).hexdigest()


def _mark(pieces: Mapping[int, Piece], total: int, id_: int, now_ms: int) -> Piece:
    prints = [digest(pieces[number].text) if number in pieces else "" for number in range(1, total + 1)]
    return Piece(id_, 0, ",".join(prints), 0, now_ms, "")


def pack(text: str) -> str:
    """A part as a database can hold it: one may end in the middle of a character, and characters of two halves are split."""
    return text.replace("\x00", "").encode("unicode_escape").decode("ascii")


def unpack(text: str) -> str:
    """The part again."""
    return text.encode("ascii").decode("unicode_escape")


def clean(text: str) -> str:
    """What any database can hold: no NUL, halves of a character made one or replaced."""
    return text.replace("\x00", "").encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


# -- whose it is ----------------------------------------------------------------
def spell(given: str, plan: Plan) -> tuple[str, ...]:
    """The ways a receiving number may stand in our tables, the likeliest first: as the carrier wrote it (without a plus),
    international, without leading zeros. Short codes and names stay as they are."""
    text = given.strip().removeprefix("+")
    ways = [text, normalize(given, plan) or "", text.lstrip("0")]
    return tuple(dict.fromkeys(way for way in ways if way))


def find_renter(numbers: Mapping[str, Number], ways: Iterable[str]) -> int:
    """The account that rents the number on which a text came; 0 for shared, free and unknown ones."""
    for way in ways:
        number = numbers.get(way)
        if number is not None and not number.shared and number.account_id and TEXTS in number.uses:
            return number.account_id
    return 0


def fold_logins(accounts: Iterable[Account]) -> dict[str, Account]:
    """Accounts by login in any case; where two differ by case alone the older one."""
    found: dict[str, Account] = {}
    for account in sorted(accounts, key=lambda each: each.id):
        found.setdefault(account.login.casefold(), account)
    return found


def split_prefix(text: str, logins: Mapping[str, Account]) -> tuple[Account, str] | None:
    """The account that "login: " names at the beginning of a text, and what stands behind it; None when nobody's."""
    found = _PREFIX.match(text)
    account = logins.get(found[1].casefold()) if found else None
    return (account, text[found.end() :]) if found and account is not None else None


# -- what it asks for -----------------------------------------------------------
def trim(text: str) -> str:
    """A text without blanks and signs around it, in small letters."""
    return text.strip(_EDGES).casefold()


def find_command(text: str, stop: Iterable[str], start: Iterable[str]) -> tuple[str, str]:
    """Whether a text is one of the stop or start words (any case, signs around it do not count), and what single word
    stands behind it ("STOP acme"): ("stop", ""), ("start", "acme"); ("", "") for any other text."""
    if len(text) > 200:
        return "", ""
    said = _one_line(text)
    bare = _AROUND.sub("", said)
    for name, words in ((STOP, stop), (START, start)):
        for word in words:
            wanted = _one_line(word)
            if wanted and wanted in (said, bare):
                return name, ""
            if wanted and said.startswith(wanted) and said[len(wanted)] in _EDGES:
                rest = trim(said[len(wanted) :])
                if rest and " " not in rest:
                    return name, rest
    return "", ""


def _one_line(text: str) -> str:
    return " ".join(trim(text).split())
