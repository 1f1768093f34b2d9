"""Texts from subscribers: on disk before the carrier gets its acknowledgement (design section 6, flow E)."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Coroutine, Mapping
from functools import partial
from typing import Any, NamedTuple, Protocol

import msgspec

from heliograph.core.accounts import Account
from heliograph.core.inbound import (
    Held,
    Placed,
    Whole,
    clean,
    find_command,
    find_renter,
    fold_logins,
    spell,
    split_prefix,
)
from heliograph.core.numbers import normalize
from heliograph.services.batch import Change
from heliograph.services.commands import Commands
from heliograph.services.desk import Desk, Row
from heliograph.services.fragments import Arrived, Fragments, Key, rows_of
from heliograph.services.news import incoming_rows
from heliograph.services.owners import find_owners
from heliograph.services.reactions import Reactions, Written, is_stopping, told
from heliograph.services.repeats import Mark, Repeats

log = logging.getLogger(__name__)
Spawn = Callable[[Coroutine[Any, Any, None]], None]
Settle = Callable[[bool], object]

TOGETHER = 200  # texts whose owners are looked for at once
SWEEP_S = 5.0  # how often it is looked for parts that have waited long enough
GRACE_MS = 60_000  # after a start carriers bring first what they could not deliver meanwhile
STOP_WORDS = ("stop", "стоп")
START_WORDS = ("start", "старт")


class Arrival(Protocol):
    """An incoming text as a carrier tells it (delivery/carriers/contract.py)."""

    @property
    def phone(self) -> str: ...
    @property
    def to_phone(self) -> str: ...
    @property
    def text(self) -> str: ...
    @property
    def sent_ms(self) -> int: ...
    @property
    def smsc(self) -> str: ...
    @property
    def reference(self) -> int: ...
    @property
    def total(self) -> int: ...
    @property
    def number(self) -> int: ...


class Inbound(msgspec.Struct, frozen=True):
    """An incoming text as it is stored: whose it is (0: nobody's), and the message it answers (0: none)."""

    id: int
    carrier_id: int
    received_ms: int
    sent_ms: int
    phone: str
    to_phone: str
    text: str
    extra: str
    account_id: int = 0
    int_id: int = 0


class Part(msgspec.Struct, frozen=True, omit_defaults=True):
    """What few incoming texts have: the centre they came over, and of a long one how many parts it has and which did not
    come; ``number`` is the part's of one that came when the others had been delivered without it. ``command`` is "stop" or
    "start"; ``call`` and ``direct`` as in core.news.Remarks."""

    smsc: str = ""
    total: int = 1
    number: int = 0
    missing: tuple[int, ...] = ()
    command: str = ""
    call: bool = False
    direct: bool = False


class _Came(NamedTuple):
    """A text or part that waits for its turn, or (without one) a reference whose time is over."""

    carrier_id: int
    arrival: Arrival | None
    key: Key | None
    settle: Settle
    now_ms: int


class _Text(NamedTuple):
    """A text to be stored, and whose it is as far as its number and words tell."""

    whole: Whole
    carrier_id: int
    phone: str
    to_phone: str
    ways: tuple[str, ...]
    account_id: int
    command: str


class _Draft(NamedTuple):
    """What a text or part does to what is held of its reference (None: it is whole by itself), and the texts it makes."""

    placed: Placed | None
    texts: tuple[_Text, ...]


class Incoming:
    """Takes incoming texts, puts long ones together, finds out whose they are, and stores them in the order in which they
    came whole.

    A text belongs to the account that rents the number it was sent to, else to the one its beginning names ("login: "),
    else to the one that has last written to its sender. For the last only the store is asked: nobody answers a text
    that has not gone out, and none goes out before it is on disk. One look-up at a time serves all that have come
    meanwhile, so that no text overtakes another. When the store cannot be asked the text is not taken and its carrier
    brings it again, as when it cannot be stored.
    """

    def __init__(
        self,
        desk: Desk,
        spawn: Spawn,
        wait_s: int = 600,
        stop_words: tuple[str, ...] = STOP_WORDS,
        start_words: tuple[str, ...] = START_WORDS,
    ) -> None:
        self._desk = desk
        self._spawn = spawn
        self._stop_words = stop_words
        self._start_words = start_words
        self.fragments = Fragments(desk, wait_s)
        self.repeats = Repeats(desk.db, wait_s)
        self.reactions = Reactions(desk)
        self._waiting: deque[_Came] = deque()
        self._looking: asyncio.Event | None = None
        self._logins: dict[str, Account] = {}
        self._folded: Mapping[int, Account] | None = None
        self.commands: Commands | None = None  # who takes commands from trusted phones
        self.watchers: list[Callable[[Inbound], None]] = []
        self.received = self.parts = self.incomplete = 0

    def record(self, carrier_id: int, arrival: Arrival, settle: Settle, now_ms: int) -> None:
        """Store a text; ``settle(True)`` once it is on disk, ``settle(False)`` when it could not be taken. It returns False
        where the carrier is gone: it will bring the text again."""
        key = None
        if arrival.total > 1 and 1 <= arrival.number <= arrival.total:
            key = Key(carrier_id, clean(arrival.phone), clean(arrival.to_phone), arrival.reference, arrival.total)
        else:
            fresh = self.repeats.begin((carrier_id, arrival.phone, arrival.to_phone, arrival.text), settle, now_ms)
            if fresh is None:
                return
            settle = fresh
        self._add(_Came(carrier_id, arrival, key, settle, now_ms))

    async def sweep(self, now_ms: int) -> int:
        """Deliver what has waited long enough for its missing parts, and forget the marks of older texts; how many
        references there were. In portions, so that a flood of open texts holds nobody up."""
        count, incomplete = 0, self.incomplete
        while keys := await self.fragments.find_old(now_ms - self.fragments.wait_s * 1000, TOGETHER):
            settled: list[asyncio.Future[bool]] = []
            for key in keys:
                future: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
                settled.append(future)
                self._add(_Came(key.carrier_id, None, key, partial(_resolve, future), now_ms))
            count += len(keys)
            if not all(await asyncio.gather(*settled)):
                break
        if self.incomplete > incomplete:
            log.warning("inbound_incomplete", extra={"texts": self.incomplete - incomplete})
        return count

    async def run(self, clock_ms: Callable[[], int]) -> None:
        """Sweep again and again, beginning a while after the start."""
        await asyncio.sleep(min(GRACE_MS / 1000, self.fragments.wait_s))
        while True:
            try:
                await self.sweep(clock_ms())
            except Exception:
                log.exception("inbound_sweep_failed")
            await asyncio.sleep(SWEEP_S)

    async def settle(self) -> None:
        """Returns when everything that has come is in the batch, or was refused."""
        if self._looking is not None:
            await self._looking.wait()

    def _add(self, came: _Came) -> None:
        self._waiting.append(came)
        if self._looking is None:
            self._looking = asyncio.Event()
            self._spawn(self._take_all(self._looking))

    async def _take_all(self, over: asyncio.Event) -> None:
        try:
            while self._waiting:
                group = [self._waiting.popleft() for _ in range(min(TOGETHER, len(self._waiting)))]
                await self._take(group)
        finally:
            self._looking = None
            over.set()

    async def _take(self, group: list[_Came]) -> None:
        try:
            await self.repeats.load()
            held = await self.fragments.load([came.key for came in group if came.key is not None])
            drafts = [self._draft(came, held) for came in group]
            texts = [text for draft in drafts for text in draft.texts if not text.account_id]
            # Messages have international numbers; some carriers write their subscribers in the country's own notation.
            phones = {self._international(text.phone) for text in texts}
            owners = await find_owners(self._desk, phones, group[-1].now_ms) if phones else {}
        except Exception as error:
            log.error("inbound_not_taken", extra={"texts": len(group), "error": str(error)})
            for came in group:
                came.settle(False)
            return
        for came, draft in zip(group, drafts, strict=True):
            self._store(came, draft, owners)

    def _international(self, phone: str) -> str:
        return normalize(phone, self._desk.snapshots.current.plan) or phone

    # -- what it is -------------------------------------------------------------
    def _draft(self, came: _Came, held: dict[Key, Held]) -> _Draft:
        """What came as rows of parts and texts that are whole; moves ``held``."""
        arrival, key = came.arrival, came.key
        if key is None:
            assert arrival is not None
            whole = Whole(arrival.text, arrival.sent_ms, arrival.smsc)
            return _Draft(None, (self._text(came, whole, arrival.phone, arrival.to_phone),))
        if arrival is None:
            placed = self.fragments.end(held[key], key, came.now_ms)
        else:
            arrived = Arrived(key, arrival.number, arrival.text, arrival.sent_ms, clean(arrival.smsc))
            placed = self.fragments.put(held[key], arrived, came.now_ms)
        held[key] = placed.held
        return _Draft(placed, tuple(self._text(came, whole, key.phone, key.to_phone) for whole in placed.wholes))

    def _text(self, came: _Came, whole: Whole, phone: str, to_phone: str) -> _Text:
        """A whole text, and whose it is when the number it came on or its first words say so."""
        snapshot = self._desk.snapshots.current
        whole = whole._replace(text=clean(whole.text), smsc=clean(whole.smsc))
        ways = spell(to_phone, snapshot.plan)
        command, rest = find_command(whole.text, self._stop_words, self._start_words)
        account_id = find_renter(snapshot.numbers, ways)
        if account_id in snapshot.accounts:
            if rest and snapshot.accounts[account_id].login.casefold() != rest:
                command = ""
            return _Text(whole, came.carrier_id, clean(phone), clean(to_phone), ways, account_id, command)
        account_id = 0
        logins = self._fold()
        named = split_prefix(whole.text, logins)
        if named is not None:
            account_id, whole = named[0].id, whole._replace(text=named[1])
            command, rest = find_command(whole.text, self._stop_words, self._start_words)
            command = "" if rest else command
        elif rest:
            account = logins.get(rest)
            account_id, command = (account.id, command) if account is not None else (0, "")
        return _Text(whole, came.carrier_id, clean(phone), clean(to_phone), ways, account_id, command)

    def _fold(self) -> dict[str, Account]:
        accounts = self._desk.snapshots.current.accounts
        if accounts is not self._folded:
            self._logins, self._folded = fold_logins(accounts.values()), accounts
        return self._logins

    # -- the store --------------------------------------------------------------
    def _store(self, came: _Came, draft: _Draft, owners: dict[str, tuple[int, int]]) -> None:
        rows: list[tuple[str, Row]] = []
        made: list[Inbound] = []
        stored: list[Callable[[], None]] = []
        if came.key is not None and draft.placed is not None:
            rows += rows_of(came.key, draft.placed)
            self.fragments.begin(came.key, draft.placed.held)
        for text in draft.texts:
            inbound = self._add_text(text, came, owners, rows, stored)
            if inbound is not None:
                made.append(inbound)

        def done(error: Exception | None) -> None:
            if came.key is not None:
                self.fragments.done(came.key)
            if error is None:
                for learn in stored:
                    learn()
                self.parts += came.key is not None and came.arrival is not None
            if came.settle(error is None) is False and error is None and came.key is None:
                for inbound in made:
                    self.repeats.expect(_mark(inbound), inbound.received_ms)
            if error is None:
                for inbound in made:
                    self.received += 1
                    for watcher in self.watchers:
                        watcher(inbound)

        self._desk.batch.add(Change(rows, done))

    def _add_text(
        self,
        text: _Text,
        came: _Came,
        owners: dict[str, tuple[int, int]],
        rows: list[tuple[str, Row]],
        stored: list[Callable[[], None]],
    ) -> Inbound | None:
        """The record of a text, and its rows: itself, its news, and what it causes; None for a repeat."""
        desk, whole, now_ms = self._desk, text.whole, came.now_ms
        accounts = desk.snapshots.current.accounts
        phone = self._international(text.phone)
        account_id, int_id = (text.account_id, 0) if text.account_id else owners.get(phone, (0, 0))
        order = self.commands.find(whole.text, phone, accounts.get(text.account_id)) if self.commands else None
        if order is not None:
            whole = whole._replace(text=order.command.stripped)
            order = order._replace(trusted=order.trusted and not whole.missing and not whole.late)
            if order.trusted:
                account_id, int_id = order.account.id, 0
        if came.key is None and self.repeats.take((text.carrier_id, text.phone, text.to_phone, whole.text), now_ms):
            return None
        account = accounts.get(account_id)
        command = "" if order is not None else self._command(text, account)
        part = Part(
            smsc=whole.smsc,
            total=whole.total,
            number=whole.late,
            missing=whole.missing,
            command=command,
            direct=bool(text.account_id),
        )
        extra = msgspec.json.encode(part).decode()
        inbound = Inbound(
            id=desk.take_inbound(),
            carrier_id=text.carrier_id,
            received_ms=now_ms,
            sent_ms=whole.sent_ms,
            phone=text.phone,
            to_phone=text.to_phone,
            text=whole.text,
            extra="" if extra == "{}" else extra,
            account_id=account_id,
            int_id=int_id,
        )
        rows.append(("inbound.add", msgspec.structs.astuple(inbound)))
        if whole.missing or whole.late:
            self.incomplete += 1
        if order is not None and order.trusted and self.commands is not None:
            commands = self.commands
            rows.append(("events.add", (-inbound.id, desk.stamp(now_ms), "command", order.command.name)))
            trusted = order

            def take() -> None:
                commands.take(inbound, trusted)

            stored.append(take)
        elif account is not None:
            written = Written(inbound.id, phone, text.ways, whole.text, command)
            reaction = self.reactions.react(account, written, now_ms)
            rows += reaction.rows
            rows += incoming_rows(told(account, reaction.handler), inbound, desk, text=True)
            if reaction.stored is not None:
                stored.append(reaction.stored)
            if command:
                log.info(f"inbound_{command}", extra={"id": inbound.id, "account_id": account.id})
        return inbound

    def _command(self, text: _Text, account: Account | None) -> str:
        """ "stop" or "start", by the installation's words or the account's own."""
        if account is None or not text.phone or not is_stopping(account) or text.whole.late:
            return ""
        settings = account.settings
        if text.command or not (settings.stop_words or settings.start_words):
            return text.command
        command, rest = find_command(text.whole.text, settings.stop_words, settings.start_words)
        return command if not rest or rest == account.login.casefold() else ""


def _mark(inbound: Inbound) -> Mark:
    return inbound.carrier_id, inbound.phone, inbound.to_phone, inbound.text


def _resolve(future: asyncio.Future[bool], stored: bool) -> None:
    """Unless nobody waits any more: the program is ending."""
    if not future.done():
        future.set_result(stored)
