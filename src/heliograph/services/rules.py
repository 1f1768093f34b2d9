"""Rules for incoming texts, as the operator sets them (core/rules.py; docs/incoming.md)."""

import re
from collections.abc import Iterable

import msgspec

from heliograph.core.inbound import spell, trim
from heliograph.core.numbers import Plan, normalize
from heliograph.core.reasons import Reason, Refused
from heliograph.core.rules import MACROS, Actions, Rule, choose, expand
from heliograph.services.changes import change
from heliograph.services.snapshot import rule_of
from heliograph.store.database import Database, Transaction

_ADDRESS = re.compile(r"[^\s@<>,;\"]+@[^\s@<>,;\"]+\.[^\s@<>,;\"]+")
MOST_TEXT = 1000
MOST_TARGETS = 20


class Tried(msgspec.Struct, frozen=True):
    """What a rule would do with a text: the reply as it would go out, and the rest as the rule says."""

    rule: Rule
    reply: str


async def add(
    db: Database,
    login: str,
    plan: Plan,
    *,
    keyword: str = "",
    phone: str = "",
    actions: Actions,
    position: int | None = None,
) -> Rule:
    """A new rule of an account, behind its others or at a position (from 1); Refused(BAD_PARAMETERS, NOT_FOUND)."""
    word = trim(keyword)
    if keyword.strip() and (not word or len(word.split()) > 1):
        raise Refused(Reason.BAD_PARAMETERS, f"{keyword!r} is no keyword: one word, or none for every text")
    actions = _check(actions, plan)
    ways = spell(phone, plan)
    number = normalize(phone, plan) or (ways[0] if ways else "")
    async with change(db) as tx:
        account_id = await _account(tx, login)
        rules = [rule_of(row) for row in await tx.all("rules.of", account_id)]
        row = await tx.one("rules.last")
        id_ = (int(row[0]) if row else 0) + 1
        place = len(rules) if position is None else max(0, min(position - 1, len(rules)))
        rule = Rule(id_, account_id, place + 1, number, word, actions)
        text = msgspec.json.encode(actions).decode()
        await tx.run("rules.add", id_, account_id, place + 1, number, word, text)
        await _renumber(tx, [*rules[:place], rule, *rules[place:]])
    return rule


async def remove(db: Database, id_: int) -> None:
    """Forget a rule; Refused(NOT_FOUND)."""
    async with change(db) as tx:
        rule = await _find(tx, id_)
        await tx.run("rules.remove", id_)
        await _renumber(tx, [rule_of(row) for row in await tx.all("rules.of", rule.account_id)])


async def move(db: Database, id_: int, position: int) -> Rule:
    """Put a rule at a position among its account's (from 1); Refused(NOT_FOUND)."""
    async with change(db) as tx:
        rule = await _find(tx, id_)
        rules = [each for row in await tx.all("rules.of", rule.account_id) if (each := rule_of(row)).id != id_]
        place = max(0, min(position - 1, len(rules)))
        await _renumber(tx, [*rules[:place], rule, *rules[place:]])
        return msgspec.structs.replace(rule, position=place + 1)


async def list_all(db: Database, login: str = "") -> list[tuple[str, Rule]]:
    """Logins and rules, of all accounts or one, in their order; Refused(NOT_FOUND)."""
    logins = {row[0]: row[1] for row in await db.all("snapshot.accounts")}
    if login and login not in logins.values():
        raise Refused(Reason.NOT_FOUND, f"there is no account {login!r}")
    found = [rule_of(row) for row in await db.all("rules.all")]
    named = [(logins.get(rule.account_id, ""), rule) for rule in found]
    return sorted((each for each in named if not login or each[0] == login), key=lambda each: each[0])


async def test(db: Database, login: str, plan: Plan, text: str, *, to: str = "", phone: str = "") -> list[Tried]:
    """What an account's rules would do with a text to a number, from a subscriber; nothing is sent."""
    rules: Iterable[Rule] = [rule for _, rule in await list_all(db, login)]
    return [Tried(rule, expand(rule.actions.reply, phone, text)) for rule in choose(rules, spell(to, plan), text)]


def _check(actions: Actions, plan: Plan) -> Actions:
    """The actions with international numbers; Refused(BAD_PARAMETERS) for what cannot be done."""
    if actions == Actions():
        raise Refused(Reason.BAD_PARAMETERS, "a rule must do something: reply, forward, mail, handler or last")
    if len(actions.reply) > MOST_TEXT:
        raise Refused(Reason.BAD_PARAMETERS, f"a reply has at most {MOST_TEXT} characters")
    unknown = set(re.findall(r"\{\w+\}", actions.reply)) - set(MACROS)
    if unknown:
        raise Refused(Reason.BAD_PARAMETERS, f"{sorted(unknown)[0]} is not known; known are {', '.join(MACROS)}")
    if len(actions.phones) + len(actions.mails) > MOST_TARGETS:
        raise Refused(Reason.BAD_PARAMETERS, f"at most {MOST_TARGETS} numbers and addresses")
    phones = []
    for given in actions.phones:
        number = normalize(given, plan)
        if number is None:
            raise Refused(Reason.BAD_NUMBER, f"{given!r} is no number; write it like +79161234567")
        phones.append(number)
    for mail in actions.mails:
        if not _ADDRESS.fullmatch(mail):
            raise Refused(Reason.BAD_PARAMETERS, f"{mail!r} is no e-mail address")
    return msgspec.structs.replace(actions, phones=tuple(phones))


async def _account(tx: Transaction, login: str) -> int:
    row = await tx.one("accounts.find", login)
    if row is None:
        raise Refused(Reason.NOT_FOUND, f"there is no account {login!r}")
    return int(row[0])


async def _find(tx: Transaction, id_: int) -> Rule:
    row = await tx.one("rules.find", id_)
    if row is None:
        raise Refused(Reason.NOT_FOUND, f"there is no rule {id_}")
    return rule_of(row)


async def _renumber(tx: Transaction, rules: list[Rule]) -> None:
    for position, rule in enumerate(rules, 1):
        await tx.run("rules.move", position, rule.id)
