"""What the hot verbs share: the store, the batch, money, snapshots, messages in memory, sequences, watchers (design section 5)."""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from heliograph.core.accounts import Account
from heliograph.core.messages import Message
from heliograph.core.rates import convert
from heliograph.core.tariffs import is_refunded
from heliograph.services.batch import Batch, Change
from heliograph.services.entries import EXCHANGE, entry_rows
from heliograph.services.purses import Purses
from heliograph.services.snapshot import Snapshots
from heliograph.store.database import Database, Step

MOST_IN_MEMORY = 25_000  # messages of some 1.3 kB with their strings and references: 33 MB
MAX_ID = 2**31 - 1  # clients keep the account's message id in an int32
RETRY_S = 1.0  # the pause before the store is asked again to take what must not be lost
MOVES = ("messages.move", "messages.sent")  # what brings the state of a message to disk
log = logging.getLogger(__name__)

Row = tuple[Any, ...]


class _Kept:
    """What becomes of a change that must not be lost (``Desk.keep``)."""

    __slots__ = ("_amount", "_desk", "_failed", "_message", "_rows", "_stored")

    def __init__(
        self,
        desk: "Desk",
        message: Message,
        rows: list[tuple[str, Row]],
        amount: int,
        stored: Callable[[], None] | None,
        failed: Callable[[], None] | None,
    ) -> None:
        self._desk = desk
        self._message = message
        self._rows = rows
        self._amount = amount
        self._stored = stored
        self._failed = failed

    def __call__(self, error: Exception | None) -> None:
        if error is None:
            if self._stored is not None:
                self._stored()
            return
        log.error("change_not_stored", extra={"int_id": self._message.int_id, "error": str(error)})
        self._message.pending += 1  # stays in memory
        self._desk.later(RETRY_S, self._again)
        if self._failed is not None:
            self._failed()

    def _again(self) -> None:
        message = self._message
        message.pending -= 1
        # What came after it may be on disk already: the state is written as it is by now.
        rows = [move_row(message) if query in MOVES else (query, row) for query, row in self._rows]
        # What it gives back is reckoned anew, too: the account may have another currency by now.
        amount, rows = self._desk.renew(message, self._amount, rows)
        self._desk.keep(message, rows, amount, self._stored)


class Desk:
    """The shared state of the hot path. Everything here belongs to the event loop."""

    def __init__(self, db: Database, snapshots: Snapshots) -> None:
        self.db = db
        self.snapshots = snapshots
        self.purses = Purses()
        self.batch = Batch(db, self.purses.settle)
        self.messages: OrderedDict[int, Message] = OrderedDict()
        self.refs: dict[tuple[int, str], tuple[int, int]] = {}
        self.leaving: set[int] = set()  # being deleted: nobody may get these from the store (services/retention.py)
        self.watchers: list[Callable[[Message], None]] = []
        self.moved: Callable[[Message], None] = _nobody  # the figures, told as the watchers are
        self._next_int_id = 1
        self._next_id: dict[int, int] = {}
        self._next_event = 0
        self._next_orphan = 1
        self._next_inbound = 1
        self._next_link = 1
        self._stamp_us = 0
        self._load: int = MOST_IN_MEMORY

    async def open(self, now_ms: int) -> None:
        """Take over sequences and balances from the store."""
        self._next_int_id = max(await self._last("messages.last"), await self._last("pieces.last")) + 1
        # Told events leave their table, so the clock keeps ids of this run above those of all runs before: a customer
        # takes an event with a known id for a repeat. Events are rarer than microseconds.
        told = max(await self._last("callbacks.last"), await self._last("deliveries.last"))
        self._next_event = max(told, now_ms * 1000) // 2 * 2
        self.batch.last_fed = max(await self._last("feed.last"), now_ms * 1000)
        self._next_orphan = await self._last("orphans.last") + 1
        self._next_inbound = await self._last("inbound.last") + 1
        # Links and trails share a sequence: the code in an address does not tell which it is.
        self._next_link = max(await self._last("links.last"), await self._last("trails.last")) + 1
        await self.take_balances()

    async def take_balances(self) -> None:
        """Read the balances between two commits: what others changed in the store is known from here on."""
        taken: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def done(results: list[list[Row]] | None, error: Exception | None) -> None:
            # Published here and not by whoever waits: the next commit may be told before he goes on.
            if results is not None:
                self.purses.publish([(int(a), int(b), int(c), int(d)) for a, b, c, d in results[0]])
            if taken.done():
                return
            if error is None:
                taken.set_result(None)
            else:
                taken.set_exception(error)

        self.db.write([Step("purses.all", [()], fetch=True)], done)
        await taken
        for account_id, last_id in await self.db.all("snapshot.last_ids"):
            # Known ones are ahead of the store, or have begun anew.
            self._next_id.setdefault(account_id, last_id + 1 if last_id < MAX_ID else 1)

    async def _last(self, query: str) -> int:
        row = await self.db.one(query)
        return int(row[0]) if row else 0

    def take_int_ids(self, count: int = 1) -> int:
        """The first of ``count`` consecutive global ids."""
        first = self._next_int_id
        self._next_int_id += count
        return first

    def take_id(self, account_id: int) -> int:
        """The next message id of an account; after 2,147,483,647 it begins anew (a repeated id means the latest)."""
        id_ = self._next_id.get(account_id, 1)
        self._next_id[account_id] = id_ + 1 if id_ < MAX_ID else 1
        return id_

    def take_event(self, now_ms: int) -> int:
        """The next event id of a callback: even, and not below the microsecond ``now_ms`` begins with, so that ids of the
        command line, which are odd (services/replays.py), stand between those of their time."""
        self._next_event = max(self._next_event + 2, now_ms * 1000)
        return self._next_event

    def take_orphan(self) -> int:
        """The next id of a receipt that matches nothing."""
        self._next_orphan += 1
        return self._next_orphan - 1

    def take_inbound(self) -> int:
        """The next id of an incoming text."""
        self._next_inbound += 1
        return self._next_inbound - 1

    def take_links(self, count: int = 1) -> int:
        """The first of ``count`` consecutive ids for short links and trails."""
        first = self._next_link
        self._next_link += count
        return first

    def knows_link(self, id_: int) -> bool:
        """Whether a short link or trail may have this id; a guessed code mostly has another one."""
        return 0 < id_ < self._next_link

    def stamp(self, now_ms: int) -> int:
        """Microseconds that never repeat, so that events of one message keep their order."""
        now_us = now_ms * 1000
        self._stamp_us = now_us if now_us > self._stamp_us else self._stamp_us + 1
        return self._stamp_us

    def hold(self, message: Message) -> None:
        """Keep a message in memory while it moves; settled old ones leave when there are too many."""
        messages = self.messages
        messages[message.int_id] = message
        if len(messages) > self._load:
            self._make_room()

    def let_go(self, message: Message) -> None:
        """Forget a message that is over and on disk."""
        if not message.pending and self.messages.get(message.int_id) is message:
            del self.messages[message.int_id]
            self.drop_refs(message)

    def learn_ref(self, message: Message, part: int, ref: str) -> None:
        """Remember the carrier's id of a part."""
        message.refs[part] = ref
        self.refs[message.carrier_id, ref] = (message.int_id, part)

    def drop_refs(self, message: Message) -> None:
        """Forget the ids of its carrier: the message is over or goes to another one."""
        for part, ref in message.refs.items():
            if self.refs.get((message.carrier_id, ref)) == (message.int_id, part):
                del self.refs[message.carrier_id, ref]
        message.refs.clear()

    def _make_room(self) -> None:
        """Drop the oldest tenth of what is settled; what is not on disk yet stays."""
        settled = []
        for message in self.messages.values():
            if not message.pending:
                settled.append(message)
                if len(settled) >= self._load // 10:
                    break
        for message in settled:
            self.let_go(message)
        # All are under way: look again only when a tenth more has come.
        self._load = max(MOST_IN_MEMORY, len(self.messages) + MOST_IN_MEMORY // 10)

    def later(self, seconds: float, call: Callable[[], None]) -> None:
        """Call something after a pause, for what the store could not take now."""
        asyncio.get_running_loop().call_later(seconds, call)

    def note(self, message: Message) -> None:
        """Tell the watchers (the live page) that a message moved."""
        self.moved(message)
        for watcher in self.watchers:
            watcher(message)

    def add(
        self,
        message: Message,
        rows: list[tuple[str, Row]],
        done: Callable[[Exception | None], None],
        amount: int = 0,
        lazy: bool = False,
        first: bool = False,
    ) -> None:
        """Put a change of one message into the batch; the message stays in memory until it is settled."""
        message.pending += 1
        if not amount:
            self.batch.add(Change(rows, done, 0, 0, 0, message, lazy, first))
            return
        account = self.snapshots.current.accounts.get(message.account_id)
        currency = account.currency if account is not None else ""
        self.batch.add(Change(rows, done, message.account_id, amount, 0, message, lazy, first, currency))

    def keep(
        self,
        message: Message,
        rows: list[tuple[str, Row]],
        amount: int = 0,
        stored: Callable[[], None] | None = None,
        failed: Callable[[], None] | None = None,
    ) -> None:
        """``add`` for what has happened and must not be lost: what the store cannot take now is tried again until it
        fits. ``failed()`` is called once, at the first failure, ``stored()`` when it is on disk."""

        self.add(message, rows, _Kept(self, message, rows, amount, stored, failed), amount, lazy=True)

    def refund_rows(self, message: Message, now_ms: int) -> tuple[int, list[tuple[str, Row]]]:
        """What a message gives back when it ends with its present status: the amount and its rows, as ``give_back``."""
        owed = message.cost - message.refunded
        account = self.snapshots.current.accounts.get(message.account_id)
        if owed <= 0 or account is None:
            return 0, []
        index = self.snapshots.current.prices.get(account.tariff_id)
        if index is None or not is_refunded(index.tariff, message.status):
            return 0, []
        return self.give_back(message, owed, now_ms, f"status {message.status}")

    def give_back(self, message: Message, owed: int, now_ms: int, note: str) -> tuple[int, list[tuple[str, Row]]]:
        """Give ``owed`` of a message's cost back: what the account gets in its present currency, and the rows.

        Moves ``message.refunded``; the caller writes the message in the same change.
        """
        account = self.snapshots.current.accounts[message.account_id]
        amount, rows = self._refund(account, message.int_id, owed, now_ms, note)
        message.refunded += owed
        self.purses.refund(account.id, amount)
        return amount, rows

    def renew(self, message: Message, amount: int, rows: list[tuple[str, Row]]) -> tuple[int, list[tuple[str, Row]]]:
        """What a change gives back reckoned with the present snapshot: the amount and all its rows."""
        account = self.snapshots.current.accounts.get(message.account_id)
        refunds = [row for query, row in rows if query == "ledger.add" and row[2] == "refund"]
        if not amount or account is None or not refunds:
            return amount, rows
        at_ms, owed, note = refunds[0][1], refunds[0][3], refunds[0][7]
        renewed, more = self._refund(account, message.int_id, owed, at_ms, note)
        self.purses.refund(account.id, renewed - amount)
        return renewed, [each for each in rows if each[0] not in ("ledger.add", "statistics.add")] + more

    def _refund(
        self, account: Account, int_id: int, owed: int, now_ms: int, note: str
    ) -> tuple[int, list[tuple[str, Row]]]:
        """The entries of a refund. A message's cost is in the currency of its time: what the account has changed since is
        followed at the rates of those changes, by two more entries."""
        since = [each for each in self.snapshots.current.exchanges.get(account.id, ()) if each.int_id >= int_id]
        if not since:
            return owed, entry_rows(account, now_ms, "refund", owed, int_id, 1, note)
        amount, currency = owed, since[0].currency
        for each in since:
            amount = convert(amount, each.rate, each.into_rate)
        rows = entry_rows(account, now_ms, "refund", owed, int_id, 1, note, currency=currency)
        what = f"{currency} to {account.currency}"
        rows.extend(entry_rows(account, now_ms, EXCHANGE, -owed, int_id, 1, what))
        rows.extend(entry_rows(account, now_ms, EXCHANGE, amount, int_id, 1, what))
        return amount, rows


def move_row(message: Message) -> tuple[str, Row]:
    """The row that brings a message's present state to disk."""
    return (
        "messages.move",
        (
            message.status,
            message.err,
            message.changed_ms,
            message.carrier_id,
            message.route_id,
            message.refunded,
            message.tries,
            ",".join(map(str, message.tried)),
            message.extra,
            message.int_id,
        ),
    )


def accept_row(m: Message) -> tuple[str, Row]:
    """The row of a new message."""
    return (
        "messages.accept",
        (
            m.int_id,
            m.account_id,
            m.id,
            m.phone,
            m.given,
            m.kind,
            m.flags,
            m.sender,
            m.text,
            m.comment,
            m.parts,
            m.cost,
            m.mccmnc,
            m.status,
            m.err,
            m.send_ms,
            m.created_ms,
            m.changed_ms,
            m.expires_ms,
            m.lane,
            m.route_id,
            m.carrier_id,
            m.door,
            m.fingerprint,
            m.refunded,
            m.extra,
            m.tries,
            "",
        ),
    )


def message_of(row: Row) -> Message:
    """A message from the columns that messages.get and queue.due select."""
    message = Message(*row[:27])
    if row[27]:
        message.tried = tuple(int(part) for part in row[27].split(","))
    return message


def _nobody(message: Message) -> None:
    """Nobody measures."""
