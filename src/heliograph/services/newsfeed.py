"""News that customers fetch instead of, or beside, being called (docs/callbacks.md, "Fetching news").

Rows are written in the transaction that makes the news, with numbers in the order of commits (services/batch.py), so a
reader that has got as far as a number has missed nothing. They are kept for the account's ``events_days``.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import msgspec

from heliograph.core.accounts import Account
from heliograph.core.news import Fields, incoming_fields, status_fields
from heliograph.services.desk import Desk, Row, message_of
from heliograph.services.news import incoming_of
from heliograph.store.database import Step

log = logging.getLogger(__name__)

DAY_MS = 86_400_000
EVERY_S = 600.0  # between two walks over what is too old
PORTION = 500  # rows deleted in one transaction: some 2 ms of the writer
PAUSE_S = 0.02
Spawn = Callable[[Coroutine[Any, Any, None]], None]


class Event(msgspec.Struct, frozen=True):
    """One piece of news: the event's id, the same as in its callback, what it is (status, incoming or call), its fields."""

    id: int
    kind: str
    fields: Fields


class Batch(msgspec.Struct, frozen=True):
    """Some news, oldest first; ``next`` is what to ask after, ``more`` whether there is more at once."""

    events: tuple[Event, ...]
    next: int
    more: bool


class Newsfeed:
    """Reads and forgets news. Belongs to the event loop."""

    def __init__(self, desk: Desk, spawn: Spawn, clock_ms: Callable[[], int]) -> None:
        self._desk = desk
        self._spawn = spawn
        self._clock_ms = clock_ms
        self._waiting: dict[int, set[asyncio.Event]] = {}
        self._stopping = False

    def read(self, account: Account, after: int, limit: int, wait_s: int, done: Callable[[Batch | None], None]) -> None:
        """Calls ``done`` with what is behind the number ``after``, at most ``limit`` pieces; when there is nothing, as soon as
        there is, at the latest after ``wait_s`` seconds. None when the store cannot be asked."""
        self._spawn(self._tell(account, after, limit, wait_s, done))

    async def _tell(
        self, account: Account, after: int, limit: int, wait_s: int, done: Callable[[Batch | None], None]
    ) -> None:
        try:
            found = await self._read(account, after, limit, wait_s)
        except Exception:
            log.exception("events_not_read")
            done(None)
            return
        done(found)

    async def _read(self, account: Account, after: int, limit: int, wait_s: int) -> Batch:
        arrived = asyncio.Event()
        waiting = self._waiting.setdefault(account.id, set())
        waiting.add(arrived)  # before the first look: what is committed behind it must not be missed
        try:
            rows = await self._desk.db.all("feed.after", account.id, after, limit)
            if not rows and wait_s and not self._stopping:
                try:
                    async with asyncio.timeout(wait_s):
                        await arrived.wait()
                except TimeoutError:
                    return Batch((), after, False)
                rows = await self._desk.db.all("feed.after", account.id, after, limit)
        finally:
            waiting.discard(arrived)
            if not waiting:
                self._waiting.pop(account.id, None)
        events = []
        for row in rows:
            event = await self._describe(row, account)
            if event is not None:
                events.append(event)
        return Batch(tuple(events), rows[-1][0] if rows else after, len(rows) == limit)

    async def _describe(self, row: Row, account: Account) -> Event | None:
        """None when what it was about has been deleted."""
        _, id_, int_id, status, err, at_ms = row[:6]
        if int_id < 0:
            found = await self._desk.db.one("callbacks.incoming", -int_id)
            if found is None:
                return None
            incoming = incoming_of(found)
            return Event(id_, "call" if incoming.call else "incoming", incoming_fields(incoming))
        if row[6] is None:
            return None
        return Event(id_, "status", status_fields(message_of(row[6:]), status, err, at_ms, account.settings.tz))

    def note(self, rows: Sequence[Sequence[Any]]) -> None:
        """News has been committed (services/batch.py, watch): whoever waits for it is woken."""
        if self._waiting:
            for account_id in {row[1] for row in rows}:
                for arrived in self._waiting.get(account_id, ()):
                    arrived.set()

    def release(self) -> None:
        """The program stops: nobody waits any longer."""
        self._stopping = True
        for waiting in self._waiting.values():
            for arrived in waiting:
                arrived.set()

    async def run(self) -> None:
        """Until cancelled: what is older than an account keeps it is deleted."""
        while True:
            await asyncio.sleep(EVERY_S)
            try:
                await self.expire()
            except Exception:
                log.exception("events_not_expired")

    async def expire(self) -> int:
        """Delete what is too old now, a portion at a time; how many rows went."""
        deleted, account_id = 0, 0
        while True:
            row = await self._desk.db.one("feed.next_account", account_id)
            if row is None or row[0] is None:
                return deleted
            account_id = row[0]
            account = self._desk.snapshots.current.accounts.get(account_id)
            days = account.settings.events_days if account is not None else 0
            step = Step("feed.expire", [(account_id, self._clock_ms() - days * DAY_MS, PORTION)], fetch=True)
            while (await self._desk.db.transact([step]))[0]:
                deleted += PORTION
                await asyncio.sleep(PAUSE_S)
