"""News for customers on SMPP: rows until they are acknowledged, and what they are about (design section 6, flow D)."""

import logging
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from heliograph.core.messages import Flag, Message
from heliograph.core.news import Incoming
from heliograph.core.pieces import Piece, Wishes
from heliograph.services.batch import Change
from heliograph.services.desk import Desk, Row, message_of
from heliograph.services.news import incoming_of
from heliograph.store.database import Step

log = logging.getLogger(__name__)

RETRY_S = 1.0
PORTION = 500
DAY_MS = 86_400_000


class Delivery:
    """One piece of news. ``int_id`` is a message's, that of a part that was refused, or below zero an incoming text's."""

    __slots__ = ("account_id", "at_ms", "err", "id", "int_id", "status", "tries")

    def __init__(self, id: int, int_id: int, account_id: int, status: int, err: int, at_ms: int) -> None:
        self.id = id
        self.int_id = int_id
        self.account_id = account_id
        self.status = status
        self.err = err
        self.at_ms = at_ms
        self.tries = 0


def delivery_of(row: Sequence[Any]) -> Delivery:
    """News from its columns, as they are written and as deliveries.after selects them."""
    return Delivery(row[0], row[1], row[2], row[3], row[4], row[5])


class Deliveries:
    """The table of news for customers on SMPP."""

    def __init__(self, desk: Desk, keep_days: int = 7) -> None:
        self._desk = desk
        self._keep_ms = keep_days * DAY_MS
        # What customers answered: whole pieces of news, repeated tries counted each.
        self.acknowledged = self.refused = self.put_off = self.unanswered = 0

    async def read(self, account_id: int, after: int, limit: int) -> list[Delivery]:
        """What waits for an account, oldest first, behind the id ``after``."""
        return [delivery_of(row) for row in await self._desk.db.all("deliveries.after", account_id, after, limit)]

    def find(self, delivery: Delivery) -> Message | None:
        """The message from memory; None when the store must be asked, also for the ids of its parts."""
        message = self._desk.messages.get(delivery.int_id)
        return None if message is None or message.flags & Flag.PIECES else message

    async def fetch(self, delivery: Delivery) -> tuple[Message, list[int]] | None:
        """The message, and the ids that its parts were given (its own alone when it came whole)."""
        int_id = delivery.int_id
        message = self._desk.messages.get(int_id)
        if message is None:
            row = await self._desk.db.one("messages.get", int_id)
            message = message_of(row) if row else None
        if message is None:
            return None
        ids = [int_id]
        if message.flags & Flag.PIECES:
            pieces = [row[0] for row in await self._desk.db.all("pieces.of", int_id)]
            ids = pieces if message.flags & Flag.INCOMPLETE else pieces + ids
        return message, ids

    async def fetch_piece(self, delivery: Delivery) -> Piece | None:
        """A part that never became part of a message."""
        row = await self._desk.db.one("pieces.get", delivery.int_id)
        if row is None:
            return None
        int_id, account_id, _, received_ms, source, destination, wishes = row
        decoded = msgspec.json.decode(wishes, type=Wishes)
        return Piece(int_id, account_id, received_ms, 0, 1, 1, source, destination, b"", decoded)

    async def fetch_incoming(self, delivery: Delivery) -> Incoming | None:
        """The incoming text."""
        row = await self._desk.db.one("callbacks.incoming", -delivery.int_id)
        return incoming_of(row) if row else None

    def record(self, delivery: Delivery, detail: str, now_ms: int, stored: Callable[[], None]) -> None:
        """It was acknowledged (or is about nothing any more): the row goes, a line of the story stays. ``stored()`` is
        called when that is on disk: until then the table shows the row."""
        told = f"status {delivery.status}, event {delivery.id}: {detail}"
        event = ("events.add", (delivery.int_id, self._desk.stamp(now_ms), "deliver_sm", told))
        self._write([("deliveries.remove", (delivery.account_id, delivery.id)), event], stored)

    def _write(self, rows: list[tuple[str, Row]], stored: Callable[[], None]) -> None:
        def done(error: Exception | None) -> None:
            if error is not None:
                # Told, but not noted: after a crash it would be told again, with the same text.
                log.error("delivery_not_stored", extra={"error": str(error)})
                self._desk.later(RETRY_S, lambda: self._write(rows, stored))
                return
            stored()

        self._desk.batch.add(Change(rows, done, lazy=True))

    async def expire(self, now_ms: int) -> None:
        """Delete what nobody has come for."""
        await self._desk.db.transact([Step("deliveries.expire", [(now_ms - self._keep_ms, PORTION)])])
