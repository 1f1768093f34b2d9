"""Asking for statuses and deleting messages (spec sending 12)."""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from heliograph.core.accounts import Account
from heliograph.core.messages import Flag, Kind, Message
from heliograph.core.numbers import normalize
from heliograph.core.status import Err, Status
from heliograph.core.texts import prepare
from heliograph.services.births import callback_rows
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
        self._remove(account, desk.messages.get(message.int_id) or message, now_ms, done)

    def _remove(
        self,
        account: Account,
        message: Message,
        now_ms: int,
        done: Callable[[bool], None],
        news: Callable[[Message], list[tuple[str, Row]]] | None = None,
    ) -> None:
        """Write that a message is deleted; ``news`` gives what is told of it once it has its new status."""
        desk = self._desk
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
        if news is not None:
            rows.extend(news(message))

        def settled(error: Exception | None) -> None:
            if error is not None:
                message.flags, message.status, message.err, message.changed_ms, message.refunded = before
                desk.purses.release(account.id, -amount)
            done(error is None)

        desk.add(message, rows, settled, amount)

    # -- by the global id, which is the one used over SMPP ---------------------------
    async def find_by_int_id(self, account_id: int, int_id: int) -> Message | None:
        """A message of an account by its global id, or by that of one of its parts (services/pieces.py)."""
        desk = self._desk
        found = await self._find_by_int_id(int_id)
        if found is None:
            row = await desk.db.one("pieces.get", int_id)
            found = await self._find_by_int_id(row[2]) if row is not None and row[2] > 0 else None
        if found is None or found.account_id != account_id or found.int_id in desk.leaving:
            return None
        return None if found.flags & Flag.DELETED and found.status != Status.STOPPED else found

    async def _find_by_int_id(self, int_id: int) -> Message | None:
        message = self._desk.messages.get(int_id)
        if message is not None:
            return message
        row = await self._desk.db.one("messages.get", int_id)
        return self._desk.messages.get(int_id) or (message_of(row) if row else None)

    async def cancel(self, account: Account, message: Message, now_ms: int) -> bool:
        """Stop a message that waits, give its cost back and tell of it; False when it is on its way or over."""
        message = self._desk.messages.get(message.int_id) or message
        if message.status != Status.WAITING or message.started_ms or message.pending:
            return False
        settled: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        desk = self._desk
        self._remove(account, message, now_ms, settled.set_result, lambda moved: callback_rows(moved, account, desk))
        return await settled

    async def replace(self, message: Message, text: str) -> bool:
        """Another text for a message that waits; False when it is on its way, or the text has another number of parts
        and so another price. Raises Refused for a text that cannot be sent."""
        message = self._desk.messages.get(message.int_id) or message
        made = prepare(text, Kind(message.kind))
        if message.status != Status.WAITING or message.started_ms or message.pending or made.parts != message.parts:
            return False
        self._desk.hold(message)
        settled: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        before = message.text, message.comment
        message.text, message.comment = made.text, made.comment

        def done(error: Exception | None) -> None:
            if error is not None:
                message.text, message.comment = before
            settled.set_result(error is None)

        self._desk.add(message, [("messages.replace", (made.text, made.comment, message.int_id))], done)
        return await settled
