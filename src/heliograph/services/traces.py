"""The whole story of a message: what was decided, tried, answered, told and paid (design section 11)."""

from typing import NamedTuple

import msgspec

from heliograph.core.messages import Kind, Message
from heliograph.core.money import format_money
from heliograph.core.reasons import Reason, Refused
from heliograph.core.routing import Facts, explain
from heliograph.core.status import name_status
from heliograph.services.desk import message_of
from heliograph.services.entries import EXCHANGE
from heliograph.services.routes import list_all as list_routes
from heliograph.services.snapshot import Snapshot
from heliograph.store.database import Database, Row

UNSEEN = "(hidden)"


class Entry(msgspec.Struct, frozen=True):
    """One line of the story; ``at_ms`` 0 is unknown."""

    at_ms: int
    what: str
    detail: str


class Judged(msgspec.Struct, frozen=True):
    """A route as it is now, and why it does not take the message; an empty ``why`` says that it does."""

    name: str
    carrier: str
    priority: int
    weight: int
    why: str
    chosen: bool


class Waiting(msgspec.Struct, frozen=True):
    """The message's row in the queue."""

    carrier: str
    lane: int
    due_ms: int
    started_ms: int
    unsure: bool


class Story(msgspec.Struct, frozen=True):
    """A message and everything that is known of it."""

    message: Message
    login: str
    currency: str
    status: str
    carrier: str
    country: str
    operator: str
    staged: bool
    waiting: Waiting | None
    routes: tuple[Judged, ...]
    entries: tuple[Entry, ...]


class _Names(NamedTuple):
    """What numbers in rows are called; ``cost`` is the currency of the message's time, ``currency`` the present one."""

    carriers: dict[int, str]
    cost: str
    currency: str

    def carrier(self, id_: int) -> str:
        return self.carriers.get(id_, f"carrier {id_}") if id_ else ""


async def find(db: Database, name: str, login: str = "") -> list[int]:
    """The int_ids that a text means: itself, or with a login all messages of the account's own id, the latest first.

    Refused(NOT_FOUND) when there is none.
    """
    if login:
        found = [row[0] for row in await db.all("traces.find_by_id", login, name)]
        if not found:
            if await db.one("accounts.find", login) is None:
                raise Refused(Reason.NOT_FOUND, f"there is no account {login!r}")
            raise Refused(Reason.NOT_FOUND, f"{login!r} has no message with the id {name!r}")
        return found
    if not name.isascii() or not name.isdigit() or len(name) > 18:
        raise Refused(Reason.NOT_FOUND, f"{name!r} is no int_id; for an account's own id say whose with --login")
    if await db.one("messages.get", int(name)) is None:
        raise Refused(
            Reason.NOT_FOUND, f"no message has the int_id {name}; for an account's own id say whose with --login"
        )
    return [int(name)]


async def trace(db: Database, facts: Snapshot, int_id: int, *, text: bool = False) -> Story:
    """The story of one message; its text is hidden unless ``text``. Refused(NOT_FOUND).

    The routes are judged as ``facts`` and the store have them now, which may differ from the time of the message.
    """
    row = await db.one("messages.get", int_id)
    if row is None:
        raise Refused(Reason.NOT_FOUND, f"no message has the int_id {int_id}")
    message = message_of(row)
    if not text:
        message.text, message.comment = UNSEEN, UNSEEN if message.comment else ""
    owner = await db.one("traces.account", message.account_id) or (f"(account {message.account_id})", "")
    since = [each for each in facts.exchanges.get(message.account_id, ()) if each.int_id >= int_id]
    names = _Names(dict(await db.all("traces.carriers")), since[0].currency if since else owner[1], owner[1])
    place = facts.look_up(message.phone)
    return Story(
        message=message,
        login=owner[0],
        currency=names.cost,
        status=name_status(message.status, english=True),
        carrier=names.carrier(message.carrier_id),
        country=place.iso if place else "",
        operator=place.operator if place else "",
        staged=await db.one("traces.staged", int_id) is not None,
        waiting=_read_waiting(await db.one("queue.get", int_id), names),
        routes=await _judge(db, message, owner[0], place.iso if place else ""),
        entries=tuple(sorted(await _gather(db, message, names), key=lambda entry: entry.at_ms)),
    )


async def _judge(db: Database, message: Message, login: str, country: str) -> tuple[Judged, ...]:
    facts = Facts(message.phone, country, message.mccmnc, message.kind, login, message.sender)
    return tuple(
        Judged(
            each.route.name,
            each.carrier,
            each.route.priority,
            each.route.weight,
            explain(each.route, facts) if each.enabled else "it is disabled",
            each.route.id == message.route_id,
        )
        for each in await list_routes(db)
    )


async def _gather(db: Database, message: Message, names: _Names) -> list[Entry]:
    entries = [Entry(message.created_ms, "accepted", _describe(message))]
    for row in await db.all("parts.of", message.int_id):
        entries += _tell_part(row, names)
    for at_us, name, detail in await db.all("events.of", message.int_id):
        entries.append(Entry(at_us // 1000, name, detail))
    for id_, status, err, at_ms, due_ms, tries in await db.all("callbacks.of", message.int_id):
        told = f"{name_status(status, english=True)}, err {err}: event {id_}, {tries} tries so far, next at {due_ms} ms"
        entries.append(Entry(at_ms, "callback waits", told))
    for at_ms, name, amount, wallet, count, note in await db.all("traces.ledger", message.account_id, message.int_id):
        wide = f" for {count} messages" if count > 1 else ""
        second = " on the second balance" if wallet == 2 else ""
        # Of the two entries of an exchange the one that puts in is in the present currency; all others are as the cost.
        currency = names.currency if name == EXCHANGE and amount > 0 else names.cost
        entries.append(Entry(at_ms, name, f"{format_money(amount)} {currency}{second}{wide} {note}".strip()))
    for row in await db.all("traces.orphans", message.int_id, message.phone, message.created_ms):
        id_, carrier_id, ref, _, received_ms, status, err, detail, reason = row
        news = f"receipt {id_} of {names.carrier(carrier_id)}, ref {ref}: status {status}, err {err}; {reason} {detail}"
        entries.append(Entry(received_ms, "not joined", news.strip()))
    return entries


def _describe(message: Message) -> str:
    kind = Kind(message.kind).name.lower()
    return f"{kind}, {message.parts} {'part' if message.parts == 1 else 'parts'}, lane {message.lane}, sender {message.sender or '(none)'}"


def _tell_part(row: Row, names: _Names) -> list[Entry]:
    try_, part, carrier_id, ref, link, sent_ms, answered_ms, outcome, code, status, err = row
    head = f"try {try_}, part {part}"
    entries = [
        Entry(sent_ms, "sent", f"{head} to {names.carrier(carrier_id)} {f'over {link}' if link else ''}".strip())
    ]
    answer = f"{head}: command_status 0x{code:08x}{f', id {ref}' if ref else ''}"
    if status > 0 or err:
        answer += f"; its receipt: {name_status(status, english=True)}, err {err}"
    entries.append(Entry(answered_ms or sent_ms, f"answer: {outcome}", answer))
    return entries


def _read_waiting(row: Row | None, names: _Names) -> Waiting | None:
    if row is None:
        return None
    carrier_id, lane, due_ms, started_ms, unsure = row
    return Waiting(names.carrier(carrier_id), lane, due_ms, started_ms, bool(unsure))
