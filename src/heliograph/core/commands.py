"""Commands by text: what one says, and the answers (spec protocols 8, which proposes them; docs/sms-commands.md).

``<login> <secret> <command> [arguments]``; on a dedicated number the login may be left out. The secret is a password of the
account or one of its API keys. It is in no record: what is stored is what ``strip`` leaves.
"""

import re
from typing import NamedTuple

from heliograph.core.messages import Accepted
from heliograph.core.money import format_money
from heliograph.core.reasons import Reason, Refusal

HIDDEN = "***"
BAL, SEND, ALL, STAT, STOP, START = "BAL", "SEND", "ALL", "STAT", "STOP", "START"
NAMES = (BAL, SEND, ALL, STAT, STOP, START)
MAX_ANSWER = 160  # characters: a part in the GSM alphabet

_WORD = re.compile(r"\s*(\S+)")
_NUMBERS = re.compile(r"\+?\d{5,15}|G\d{1,10}", re.ASCII | re.IGNORECASE)
_ID = re.compile(r"[A-Za-z0-9._-]{1,40}", re.ASCII)

# The numbers of send (spec sending 8.2).
NUMBERS: dict[Reason, int] = {
    Reason.BAD_PARAMETERS: 1,
    Reason.LATER_FEATURE: 1,
    Reason.TOO_LARGE: 1,
    Reason.BAD_LOGIN: 2,
    Reason.ADDRESS_NOT_ALLOWED: 2,
    Reason.ACCOUNT_BLOCKED: 2,
    Reason.NO_MONEY: 3,
    Reason.NOT_FOUND: 3,
    Reason.ADDRESS_BANNED: 4,
    Reason.BAD_TIME: 5,
    Reason.NOT_POSSIBLE: 5,
    Reason.TEXT_DENIED: 6,
    Reason.SENDER_DENIED: 6,
    Reason.MAILING_DENIED: 6,
    Reason.BLACK_LISTED: 6,
    Reason.DUPLICATE: 6,
    Reason.FLOOD: 6,
    Reason.DAY_LIMIT: 6,
    Reason.NUMBER_LIMIT: 6,
    Reason.OUTSIDE_HOURS: 6,
    Reason.NUMBER_DENIED: 6,
    Reason.BAD_NUMBER: 7,
    Reason.NO_ROUTE: 8,
    Reason.NO_PRICE: 8,
    Reason.REPEATED_REQUEST: 9,
    Reason.TOO_MANY_REQUESTS: 9,
    Reason.TOO_MANY_AT_ONCE: 9,
    Reason.TOO_MANY_TASKS: 9,
    Reason.STORE_FULL: 9,
    Reason.BAD_CODE: 10,
}


class Command(NamedTuple):
    """A command: ``secret`` is to be checked, ``stripped`` the text without it; ``phones`` and ``text`` of SEND and ALL, ``id``
    of STAT. ``fault`` says what is wrong with what stands behind the word; ``named``: the login stood in front."""

    secret: str
    stripped: str
    name: str
    phones: tuple[str, ...] = ()
    text: str = ""
    id: str = ""
    fault: str = ""
    named: bool = False


def first_word(text: str) -> str:
    """Where a login may stand, in small letters; empty for a blank text."""
    found = _WORD.match(text)
    return found[1].rstrip(":").casefold() if found else ""


def parse(text: str, login: str, dedicated: bool) -> Command | None:
    """The command that a text to an account is; None when it is an ordinary one.

    On a ``dedicated`` number the login may be left out; elsewhere it must stand there.
    """
    first = _WORD.match(text)
    if first is None:
        return None
    named = first[1].rstrip(":").casefold() == login.casefold()
    if not named and not dedicated:
        return None
    at = first.end() if named else 0
    secret = _WORD.match(text, at)
    word = _WORD.match(text, secret.end()) if secret else None
    if secret is None or word is None or word[1].upper() not in NAMES:
        return None
    stripped = text[: secret.start(1)] + HIDDEN + text[secret.end(1) :]
    return _read(word[1].upper(), text[word.end() :].strip(), secret[1], stripped)._replace(named=named)


def _read(name: str, rest: str, secret: str, stripped: str) -> Command:
    command = Command(secret, stripped, name)
    if name == SEND:
        # Numbers end at the first blank: a list has none.
        numbers, _, words = rest.partition(" ")
        phones = tuple(each for each in re.split("[,;]", numbers) if each)
        if not phones or not all(map(_NUMBERS.fullmatch, phones)):
            return command._replace(fault="SEND phone,phone text")
        return command._replace(phones=phones, text=words.strip(), fault="" if words.strip() else "no text")
    if name == ALL:
        return command._replace(text=rest, fault="" if rest else "no text")
    if name == STAT:
        return command._replace(id=rest, fault="" if _ID.fullmatch(rest) else "STAT id")
    return command._replace(fault="nothing goes behind it") if rest else command


# -- answers --------------------------------------------------------------------
def answer_sent(result: Accepted | Refusal) -> str:
    """``OK id count cost``, or ``ERROR n text``."""
    if isinstance(result, Refusal):
        return answer_refused(result.reason)
    return f"OK {result.id} {result.parts} {format_money(result.cost)}"


def answer_refused(reason: Reason, words: str = "") -> str:
    """``ERROR n text``: the numbers of send; nothing that was written is repeated."""
    return f"ERROR {NUMBERS[reason]} {words or reason.value}"[:MAX_ANSWER]


def answer_balance(balance: int, currency: str) -> str:
    """``OK 97.2 RUR``."""
    return f"OK {format_money(balance)} {currency}"


def answer_status(id_: str, counts: dict[str, int]) -> str:
    """``OK 1042 delivered 2, rejected 1``: how many texts of a message are how."""
    told = ", ".join(f"{name} {count}" for name, count in counts.items())
    return f"OK {id_} {told}"[:MAX_ANSWER]
