"""What an account has sent and what came in, as it is now (seed 000; spec sending 13; how it is found: docs/adr/0009)."""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

import msgspec

from heliograph.core.histories import FOREVER, Kinds, Wanted
from heliograph.core.messages import Flag, Kind, Message
from heliograph.core.reasons import Reason, Refused
from heliograph.services.desk import Desk, Row, message_of
from heliograph.services.inbound import Inbound
from heliograph.services.moments import SLACK_MS, find_id, find_inbound
from heliograph.store.database import Database

log = logging.getLogger(__name__)
Spawn = Callable[[Coroutine[Any, Any, None]], None]

NEWEST = FOREVER  # above every id there will be
BLOCK_BITS = 16  # an index block is 65,536 messages (index messages_phone)
DAY_MS = 86_400_000  # who is scheduled further ahead stands in the index messages_later
ROWS = 250  # rows asked for and made into messages at once: some 1 ms of the loop
PROBES = 4096  # places of the index looked at by one query, at some 2 µs each
_RANGES = {
    Kinds.TEXTS: (0, 99, int(Kind.MAIL)),
    Kinds.MAILS: (int(Kind.MAIL), int(Kind.MAIL), -1),
    Kinds.ALL: (0, 99, -1),
}


class Histories:
    """Reads back for those who ask through callbacks; what cannot be read is told as None."""

    def __init__(self, desk: Desk, spawn: Spawn) -> None:
        self._desk = desk
        self._spawn = spawn

    def find(self, account_id: int, wanted: Wanted, done: Callable[[list[Message] | None], None]) -> None:
        """``done`` gets the messages wanted, newest int_id first, or None when the store cannot be asked."""
        self._spawn(self._find(account_id, wanted, done))

    async def _find(self, account_id: int, wanted: Wanted, done: Callable[[list[Message] | None], None]) -> None:
        found: list[Message] | None = None
        try:
            found = await find_messages(self._desk, account_id, wanted)
        except Exception:
            log.exception("history_failed")
        done(found)

    def incoming(
        self,
        account_id: int,
        after_id: int,
        since_ms: int,
        to_phones: tuple[str, ...],
        limit: int,
        done: Callable[[list[Inbound] | None], None],
    ) -> None:
        """``done`` gets the incoming texts of an account with an id above ``after_id``, received at or after ``since_ms``
        on one of ``to_phones`` (none: any), oldest first, or None when the store cannot be asked."""
        self._spawn(self._incoming(account_id, after_id, since_ms, to_phones, limit, done))

    async def _incoming(
        self,
        account_id: int,
        after_id: int,
        since_ms: int,
        to_phones: tuple[str, ...],
        limit: int,
        done: Callable[[list[Inbound] | None], None],
    ) -> None:
        found: list[Inbound] | None = None
        try:
            found = await find_incoming(self._desk.db, account_id, after_id, since_ms, to_phones, limit)
        except Exception:
            log.exception("incoming_failed")
        done(found)


async def find_messages(desk: Desk, account_id: int, wanted: Wanted) -> list[Message]:
    """The messages wanted, newest int_id first, as they are in memory while they move, else as they are stored.

    First those of the int_ids that the period spans, then those stored before it and scheduled into it; the int_ids of
    the second are below those of the first, so the order is that of int_ids throughout.
    """
    page = _Page(desk, account_id, wanted)
    low = await find_id(desk.db, wanted.start_ms - DAY_MS - SLACK_MS)
    high = wanted.before
    if wanted.end_ms < FOREVER:
        high = min(high, await find_id(desk.db, wanted.end_ms + SLACK_MS))
    if wanted.phones:
        await page.add_of_phones(low, high)
    else:
        await page.add_all(low, high)
    if page.room and wanted.start_ms:
        await page.add_later(min(low, wanted.before))
    return page.found


class _Page:
    """The messages of one request, gathered by several queries."""

    def __init__(self, desk: Desk, account_id: int, wanted: Wanted) -> None:
        self._desk = desk
        self._account_id = account_id
        self._wanted = wanted
        self._phones = msgspec.json.encode(sorted(set(wanted.phones))).decode() if wanted.phones else ""
        self.found: list[Message] = []

    @property
    def room(self) -> int:
        """How many more are wanted."""
        return self._wanted.limit - len(self.found)

    async def add_all(self, low: int, high: int) -> None:
        """Whatever the number, in the int_ids from ``low`` to below ``high``."""
        wanted = self._wanted
        query = "history.mails" if wanted.kinds is Kinds.MAILS else "history.texts"

        async def ask(high: int, count: int) -> list[Row]:
            return await self._desk.db.all(query, self._account_id, low, high, wanted.start_ms, wanted.end_ms, count)

        await self._add_from(ask, high, ROWS)

    async def add_of_phones(self, low: int, high: int) -> None:
        """Of some numbers, block by block from the newest down. Groups of blocks double: the first block is enough for who
        is written to often, and who is written to rarely costs few queries."""
        row = await self._desk.db.one("messages.last")
        block = (min(high - 1, int(row[0]) if row else 0)) >> BLOCK_BITS
        most = max(1, PROBES // len(self._wanted.phones))
        count = 1
        while block >= low >> BLOCK_BITS and self.room:
            first = max(low >> BLOCK_BITS, block - count + 1)
            await self._add_from(self._ask_blocks(low, first, block), high, self._wanted.limit)
            block = first - 1
            count = min(count * 2, most)

    def _ask_blocks(self, low: int, first: int, last: int) -> "_Ask":
        wanted = self._wanted
        least, most, without = _RANGES[wanted.kinds]

        async def ask(high: int, count: int) -> list[Row]:
            period = (low, high, wanted.start_ms, wanted.end_ms)
            kinds = (least, most, self._phones, first, last, without)
            return await self._desk.db.all("history.phones", self._account_id, *period, *kinds, count)

        return ask

    async def add_later(self, high: int) -> None:
        """Scheduled more than a day ahead, with an int_id below ``high``."""
        wanted = self._wanted
        kinds = _RANGES[wanted.kinds]

        async def ask(high: int, count: int) -> list[Row]:
            period = (high, wanted.start_ms, wanted.end_ms)
            return await self._desk.db.all("history.later", self._account_id, *period, *kinds, self._phones, count)

        await self._add_from(ask, high, wanted.limit)

    async def _add_from(self, ask: "_Ask", high: int, most: int) -> None:
        """Ask for rows below ``high``, again and again while there is room and there may be more."""
        while self.room:
            count = min(self.room, most)
            rows = await ask(high, count)
            for start in range(0, len(rows), ROWS):
                self._take(rows[start : start + ROWS])
                await asyncio.sleep(0)
            if len(rows) < count:
                return
            high = rows[-1][0]

    def _take(self, rows: Iterable[Row]) -> None:
        # Memory is ahead of the store: a message may have been deleted that is not so on disk.
        messages = (self._desk.messages.get(row[0]) or message_of(row) for row in rows)
        self.found += [message for message in messages if not message.flags & Flag.DELETED]


_Ask = Callable[[int, int], Coroutine[Any, Any, list[Row]]]


async def find_incoming(
    db: Database, account_id: int, after_id: int, since_ms: int, to_phones: tuple[str, ...], limit: int
) -> list[Inbound]:
    """Incoming texts of an account, oldest first; see ``Histories.incoming``."""
    if since_ms:
        after_id = max(after_id, await find_inbound(db, since_ms) - 1)
    numbers = msgspec.json.encode(to_phones).decode() if to_phones else ""
    found: list[Inbound] = []
    while len(found) < limit:
        count = min(ROWS, limit - len(found))
        rows = await db.all("inbound.of", account_id, after_id, since_ms, numbers, count)
        found += [Inbound(*row) for row in rows]
        if len(rows) < count:
            break
        after_id = rows[-1][0]
        await asyncio.sleep(0)
    return found


async def latest(desk: Desk, account_id: int, before: int = NEWEST, limit: int = 50) -> list[Message]:
    """Messages of an account with a global id below `before`, newest first, as they are now; deleted ones are left out."""
    rows = await desk.db.all("messages.latest", before, account_id, limit)
    found = [desk.messages.get(row[0]) or message_of(row) for row in rows]
    return [message for message in found if not message.flags & Flag.DELETED]


async def latest_inbound(
    db: Database, before: int = NEWEST, limit: int = 50, account_id: int | None = None
) -> list[Inbound]:
    """Incoming texts with an id below `before`, newest first: of an account (0: of nobody), or all."""
    if account_id is None:
        rows = await db.all("inbound.latest", before, limit)
    else:
        rows = await db.all("inbound.latest_of", account_id, before, limit)
    return [Inbound(*row) for row in rows]


class Shown(msgspec.Struct, frozen=True):
    """An incoming text as an operator sees it; ``login`` is empty for one that is nobody's, ``int_id`` 0 where it answers
    no message."""

    id: int
    received_ms: int
    sent_ms: int
    login: str
    phone: str
    to_phone: str
    text: str
    int_id: int


async def show_incoming(
    db: Database, *, login: str = "", nobody: bool = False, before: int = NEWEST, limit: int = 50
) -> list[Shown]:
    """Incoming texts with an id below ``before``, newest first: of an account, of nobody, or all. Refused(NOT_FOUND) for an
    unknown login."""
    logins = {int(row[0]): str(row[1]) for row in await db.all("snapshot.accounts")}
    account_id: int | None = 0 if nobody else None
    if login:
        account_id = next((id_ for id_, each in logins.items() if each == login), None)
        if account_id is None:
            raise Refused(Reason.NOT_FOUND, f"there is no account {login!r}")
    return [
        Shown(
            text.id,
            text.received_ms,
            text.sent_ms,
            logins.get(text.account_id, ""),
            text.phone,
            text.to_phone,
            text.text,
            text.int_id,
        )
        for text in await latest_inbound(db, before, limit, account_id)
    ]
