"""Asking for statuses and deleting messages (spec sending 12)."""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from heliograph.core.accounts import Account
from heliograph.core.messages import Flag, Message
from heliograph.core.numbers import normalize
from heliograph.core.status import Err, Status
from heliograph.services.desk import Desk, Row, message_of

log = logging.getLogger(__name__)
Spawn = Callable[[Coroutine[Any, Any, None]], None]


class Statuses:
    """Statuses from memory and from the store."""

    def __init__(self, desk: Desk, spawn: Spawn) -> None:
        self._desk = desk
        self._spawn = spawn

    def find(
        self, account_id: int, wanted: Sequence[tuple[str, str]], done: Callable[[list[Message | None] | None], None]
    ) -> None:
        """Find messages by (id, phone as typed); ``done`` gets one entry for each, None where there is none; or None
        when the store cannot be asked."""
        self._spawn(self._find(account_id, wanted, done))

    async def _find(
        self, account_id: int, wanted: Sequence[tuple[str, str]], done: Callable[[list[Message | None] | None], None]
    ) -> None:
        found: list[Message | None] | None = None
        try:
            found = await asyncio.gather(*(self.get(account_id, id_, phone) for id_, phone in wanted))
        except Exception:
            log.exception("status_failed")
        done(found)

    async def get(self, account_id: int, id_: str, phone: str) -> Message | None:
        """One message of an account; deleted ones are not found."""
        normal = normalize(phone, self._desk.snapshots.current.plan) or phone
        row = await self._desk.db.one("messages.by_id", account_id, id_, normal, phone)
        if row is None or row[0] in self._desk.leaving:
            return None
        message = self._desk.messages.get(row[0]) or message_of(row)
        return None if message.flags & Flag.DELETED else message

    def delete(self, account: Account, id_: str, phone: str, now_ms: int, done: Callable[[bool], None]) -> None:
        """Take a message out of the history; one that still waits is stopped and its cost given back."""
        self._spawn(self._delete(account, id_, phone, now_ms, done))

    async def _delete(self, account: Account, id_: str, phone: str, now_ms: int, done: Callable[[bool], None]) -> None:
        desk = self._desk
        try:
            message = await self.get(account.id, id_, phone)
        except Exception:
            log.exception("delete_failed")
            done(False)
            return
        if message is None:
            done(False)
            return
        message = desk.messages.get(message.int_id) or message
        desk.hold(message)
        before = (message.flags, message.status, message.err, message.changed_ms, message.refunded)
        message.flags |= Flag.DELETED
        rows: list[tuple[str, Row]] = []
        amount = 0
        if message.status == Status.WAITING and not message.started_ms:
            message.status, message.err, message.changed_ms = Status.STOPPED, Err.NONE, now_ms
            rows.append(("queue.remove", (message.int_id,)))
            owed = message.cost - message.refunded
            if owed:
                amount, refund = desk.give_back(message, owed, now_ms, "deleted before sending")
                rows.extend(refund)
        state = (message.flags, message.status, message.err, message.changed_ms, message.refunded, message.int_id)
        rows.append(("messages.delete", state))

        def settled(error: Exception | None) -> None:
            if error is not None:
                message.flags, message.status, message.err, message.changed_ms, message.refunded = before
                desk.purses.release(account.id, -amount)
            done(error is None)

        desk.add(message, rows, settled, amount)
