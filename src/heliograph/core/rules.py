"""Rules for incoming texts: which apply to a text, and what they do (docs/incoming.md)."""

import re
from collections.abc import Iterable

import msgspec

from heliograph.core.inbound import trim
from heliograph.core.texts import MAX_TEXT

MACROS = ("{phone}", "{text}")
_MACRO = re.compile(r"\{(phone|text)\}")
_WORD = re.compile(r"\S+")


class Actions(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What a rule does: a ``reply`` to the subscriber, texts to ``phones`` and letters to ``mails``; ``handler`` tells the
    account's handler or not, whatever its settings say (None: as they say); behind a rule that is ``last`` no other applies."""

    reply: str = ""
    phones: tuple[str, ...] = ()
    mails: tuple[str, ...] = ()
    handler: bool | None = None
    last: bool = False


class Rule(msgspec.Struct, frozen=True):
    """For texts to ``phone`` ("": any) whose first word is ``keyword`` ("": any), in the order of ``position``."""

    id: int
    account_id: int
    position: int
    phone: str
    keyword: str
    actions: Actions


def first_word(text: str) -> str:
    """The first word of a text, without signs around it, in small letters; "" when it has none."""
    for found in _WORD.finditer(text[:400]):
        word = trim(found[0])
        if word:
            return word
    return ""


def choose(rules: Iterable[Rule], ways: Iterable[str], text: str) -> list[Rule]:
    """The rules that apply to a text, in their order; ``ways`` are the spellings of the number that was written to."""
    word, numbers = first_word(text), frozenset(ways)
    found = []
    for rule in rules:
        if (not rule.phone or rule.phone in numbers) and (not rule.keyword or trim(rule.keyword) == word):
            found.append(rule)
            if rule.actions.last:
                break
    return found


def expand(template: str, phone: str, text: str) -> str:
    """A template with {phone} and {text} replaced, once: what stands in the text is no macro, and begins no comment.

    What is longer than a text may be is cut: an incoming one has up to 255 parts. Dots show it, for "…" is not in the
    GSM alphabet and would double the price.
    """
    values = {"phone": phone, "text": text.replace("~~~", "~ ~")}
    said = _MACRO.sub(lambda found: values[found[1]], template)
    return said if len(said) <= MAX_TEXT else said[: MAX_TEXT - 3] + "..."
