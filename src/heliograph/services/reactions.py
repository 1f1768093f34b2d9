"""What incoming texts cause beside being stored: stop words, rules, forwarding (docs/incoming.md).

Everything is decided when the text is stored and written in the same transaction; what is to be sent is an errand, done by
services/errands.py exactly once.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec

from heliograph.core.accounts import Account
from heliograph.core.inbound import STOP, spell
from heliograph.core.limits import Window
from heliograph.core.numbers import normalize
from heliograph.core.rents import TEXTS
from heliograph.core.rules import Rule, choose, expand
from heliograph.services.desk import Desk, Row
from heliograph.services.moments import find_inbound

HOUR_S = 3600
COUNTED, MOST_COUNTED = 5000, 200_000
LISTED = {"all": 0, "mailings": 1}
REPLY, CONFIRM, FORWARD, MAIL = "reply", "confirm", "forward", "mail"
FORM = "{phone}: {text}"
"""A text that is forwarded."""


class Written(NamedTuple):
    """An incoming text as rules see it: its number, sender as an international number where it is one, spellings of the
    number that was written to, and "stop" or "start"."""

    id: int
    phone: str
    ways: tuple[str, ...]
    text: str
    command: str


class Reaction(NamedTuple):
    """The rows that go with the text, whether the handler is told (None: as the account says), and what the snapshot must
    learn when it is on disk."""

    rows: list[tuple[str, Row]]
    handler: bool | None = None
    stored: Callable[[], None] | None = None


class Reactions:
    """Decides what texts cause."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._windows: dict[int, Window] = {}
        self._confirmed = Window(1, HOUR_S)

    async def open(self, now_ms: int) -> None:
        """Count the answers of the last hour, so that a restart gives nobody another one. Of a flood only the newest
        texts are looked at, for a start must be quick."""
        db = self._desk.db
        row = await db.one("inbound.last")
        last = int(row[0]) if row else 0
        begin_ms = now_ms - HOUR_S * 1000
        first = max(await find_inbound(db, begin_ms), last - MOST_COUNTED + 1)
        for low in range(first, last + 1, COUNTED):
            for account_id, phone, name, at_us in await db.all("inbound.answered", low, COUNTED):
                account = self._desk.snapshots.current.accounts.get(account_id)
                if account is not None and at_us // 1000 > begin_ms:
                    self._count(account, phone, name, at_us // 1000)

    def _count(self, account: Account, phone: str, name: str, now_ms: int) -> bool:
        phone = normalize(phone, self._desk.snapshots.current.plan) or phone
        if name == CONFIRM:
            return self._confirmed.take((account.id, phone), now_ms)
        limit = account.settings.reply_limit
        window = self._windows.get(limit)
        if window is None:
            window = self._windows[limit] = Window(limit, HOUR_S)
        return window.take((account.id, phone), now_ms)

    def react(self, account: Account, written: Written, now_ms: int) -> Reaction:
        """What a text of an account causes."""
        rows: list[tuple[str, Row]] = []
        stored = None
        if written.command:
            stored = self._list(account, written, rows, now_ms)
        # A robot to which texts are forwarded must not set off others.
        if written.phone in self._targets(account):
            return Reaction(rows, None, stored)
        rules = self._desk.snapshots.current.rules.get(account.id, ())
        chosen = choose(rules, written.ways, written.text) if rules else []
        handler = None
        for rule in chosen:
            if rule.actions.handler is not None:
                handler = rule.actions.handler
            self._apply(account, rule, written, rows, now_ms)
        settings = account.settings
        if settings.forward_phones or settings.forward_mails:
            self._forward(account, settings.forward_phones, settings.forward_mails, written, "settings", rows, now_ms)
        return Reaction(rows, handler, stored)

    def _list(self, account: Account, written: Written, rows: list[tuple[str, Row]], now_ms: int) -> Callable[[], None]:
        """Stop and start words: the black list of the account, and a confirmation once an hour."""
        desk, settings, phone = self._desk, account.settings, written.phone
        stop = written.command == STOP
        type_ = LISTED[settings.stop_list]
        if stop:
            rows.append(("blacklist.put", (account.id, phone, type_, now_ms)))
        else:
            rows.append(("blacklist.remove", (account.id, phone)))
        rows.append(self._event(written, written.command, settings.stop_list if stop else "off the list", now_ms))
        text = settings.stop_reply if stop else settings.start_reply
        if text and normalize(phone, desk.snapshots.current.plan):
            if self._confirmed.take((account.id, phone), now_ms):
                self._send(account, written, CONFIRM, phone, text, written.command, rows, now_ms)
            else:
                rows.append(self._event(written, "withheld", f"{CONFIRM}: one an hour", now_ms))
        return lambda: desk.snapshots.put_listed(account.id, phone, type_ if stop else None)

    def _apply(self, account: Account, rule: Rule, written: Written, rows: list[tuple[str, Row]], now_ms: int) -> None:
        actions, why = rule.actions, f"rule {rule.id}"
        rows.append(self._event(written, "rule", str(rule.id), now_ms))
        if actions.reply and not written.command:
            self._reply(account, actions.reply, written, why, rows, now_ms)
        self._forward(account, actions.phones, actions.mails, written, why, rows, now_ms)

    def _reply(
        self, account: Account, template: str, written: Written, why: str, rows: list[tuple[str, Row]], now_ms: int
    ) -> None:
        if normalize(written.phone, self._desk.snapshots.current.plan) is None:
            rows.append(self._event(written, "withheld", f"{REPLY}: the sender is no number", now_ms))
        elif not account.settings.reply_limit or not self._count(account, written.phone, REPLY, now_ms):
            rows.append(self._event(written, "withheld", f"{REPLY}: reply_limit an hour", now_ms))
        else:
            text = expand(template, written.phone, written.text)
            self._send(account, written, REPLY, written.phone, text, why, rows, now_ms)

    def _forward(
        self,
        account: Account,
        phones: Sequence[str],
        mails: Sequence[str],
        written: Written,
        why: str,
        rows: list[tuple[str, Row]],
        now_ms: int,
    ) -> None:
        for phone in phones:
            if self._is_ours(phone):
                rows.append(self._event(written, "withheld", f"{FORWARD}: {phone} would bring it back", now_ms))
            else:
                text = expand(FORM, written.phone, written.text)
                self._send(account, written, FORWARD, phone, text, why, rows, now_ms)
        for mail in mails:
            self._send(account, written, MAIL, mail, "", why, rows, now_ms)

    def _send(
        self,
        account: Account,
        written: Written,
        kind: str,
        target: str,
        text: str,
        why: str,
        rows: list[tuple[str, Row]],
        now_ms: int,
    ) -> None:
        id_ = self._desk.stamp(now_ms)
        rows.append(("errands.add", (id_, written.id, account.id, kind, target, text, now_ms, 0)))
        rows.append(self._event(written, kind, f"to {target}, {why}", now_ms))

    def _targets(self, account: Account) -> frozenset[str]:
        """International numbers to which the account's texts are forwarded."""
        snapshot = self._desk.snapshots.current
        phones = [*account.settings.forward_phones]
        for rule in snapshot.rules.get(account.id, ()):
            phones += rule.actions.phones
        if not phones:
            return frozenset()
        return frozenset(normalize(phone, snapshot.plan) or phone for phone in phones)

    def _is_ours(self, phone: str) -> bool:
        """Whether texts to a number come in here again: one account, or two in turn, would forward them without end."""
        snapshot = self._desk.snapshots.current
        found = (snapshot.numbers.get(way) for way in spell(phone, snapshot.plan))
        return any(number is not None and TEXTS in number.uses for number in found)

    def _event(self, written: Written, name: str, detail: str, now_ms: int) -> tuple[str, Row]:
        return ("events.add", (-written.id, self._desk.stamp(now_ms), name, detail))


def is_stopping(account: Account) -> bool:
    """Whether stop words mean something for an account."""
    return account.settings.stop_list in LISTED


def told(account: Account, handler: bool | None) -> Account:
    """The account as the news of a text sees it: a rule may tell its handler, or not."""
    if handler is None or handler == account.settings.callback_incoming:
        return account
    settings = msgspec.structs.replace(account.settings, callback_incoming=handler)
    return msgspec.structs.replace(account, settings=settings)
