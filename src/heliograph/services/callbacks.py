"""News for customers: due rows, and what became of an attempt to tell them (design section 6, flow D; seed 001: every 4 minutes, 50 times)."""

import logging
from collections.abc import Callable, Sequence

from heliograph.core.accounts import Account
from heliograph.core.messages import Message
from heliograph.core.news import Incoming
from heliograph.services.batch import Change
from heliograph.services.desk import Desk, Row, message_of
from heliograph.services.news import incoming_of

log = logging.getLogger(__name__)

AHEAD = 200  # messages read by one query: some 1 ms of the loop
RETRY_S = 1.0  # the pause before the store is asked again to note what became of an attempt


class Callback:
    """One row of news; ``id`` stays the same on every repeat. ``int_id`` is a message's, or below zero that of an
    incoming record. ``message`` is what was read ahead for it."""

    __slots__ = ("account_id", "at_ms", "due_ms", "err", "id", "int_id", "message", "status", "tries")

    def __init__(
        self,
        id: int,
        int_id: int,
        account_id: int,
        status: int,
        err: int,
        at_ms: int,
        due_ms: int,
        tries: int = 0,
    ) -> None:
        self.id = id
        self.int_id = int_id
        self.account_id = account_id
        self.status = status
        self.err = err
        self.at_ms = at_ms
        self.due_ms = due_ms
        self.tries = tries
        self.message: Message | None = None


def callback_of(row: Row) -> Callback:
    """News from its columns, as they are written and as callbacks.due selects them."""
    return Callback(*row)


def _nobody() -> None:
    """Nobody waits for it."""


class Callbacks:
    """The table of news."""

    def __init__(self, desk: Desk, retry_s: int = 240, attempts: int = 50) -> None:
        self._desk = desk
        self._retry_ms = retry_s * 1000
        self._attempts = attempts
        self.told = self.failed = self.given_up = 0

    async def read_due(self, now_ms: int, after: int, limit: int) -> list[Callback]:
        """News that is due, in the order of its making, behind the id ``after``."""
        return [callback_of(row) for row in await self._desk.db.all("callbacks.due", now_ms, after, limit)]

    async def next_due(self, after_ms: int) -> int | None:
        """When the next news is due, of what is not due at ``after_ms``."""
        row = await self._desk.db.one("callbacks.next_due", after_ms)
        return row[0] if row else None

    def find_account(self, callback: Callback) -> Account | None:
        """Whose news it is; None when the account is gone or wants no callbacks any more."""
        account = self._desk.snapshots.current.accounts.get(callback.account_id)
        if account is None or not account.settings.callback_url:
            return None
        settings = account.settings
        return account if (settings.callback_statuses if callback.int_id > 0 else settings.callback_incoming) else None

    def keys_of(self, account: Account) -> tuple[str, ...]:
        """The keys that sign what the account is told; none when it asked for no signature."""
        return self._desk.snapshots.current.callback_keys.get(account.id, ())

    def find(self, callback: Callback) -> Message | None:
        """The message from memory, or as it was read ahead."""
        return self._desk.messages.get(callback.int_id) or callback.message

    async def read_ahead(self, callbacks: Sequence[Callback]) -> None:
        """Read the messages of many at once, of those that memory does not hold."""
        missing = [each for each in callbacks if each.int_id > 0 and self.find(each) is None]
        for first in range(0, len(missing), AHEAD):
            some = missing[first : first + AHEAD]
            rows = await self._desk.db.all("callbacks.messages", ",".join([str(each.int_id) for each in some]))
            found = {row[0]: message_of(row) for row in rows}
            for each in some:
                each.message = found.get(each.int_id)

    async def fetch(self, callback: Callback) -> Message | None:
        """The message from memory or from the store."""
        message = self._desk.messages.get(callback.int_id)
        if message is None:
            row = await self._desk.db.one("messages.get", callback.int_id)
            message = message_of(row) if row else None
        return message

    async def fetch_incoming(self, callback: Callback) -> Incoming | None:
        """The incoming text or call from the store."""
        row = await self._desk.db.one("callbacks.incoming", -callback.int_id)
        return incoming_of(row) if row else None

    async def read_tried(self, limit: int) -> list[tuple[int, int]]:
        """Messages of which news is to be told again, each with the id of the oldest such news."""
        return [(row[0], row[1]) for row in await self._desk.db.all("callbacks.tried", limit)]

    async def find_older(self, callback: Callback) -> int | None:
        """The id of older news of the same message, if there is such that is to be told again."""
        row = await self._desk.db.one("callbacks.older", callback.int_id, callback.id)
        return row[0] if row else None

    async def mark(self) -> str:
        """What changes when the command line has changed the table."""
        row = await self._desk.db.one("callbacks.mark")
        return str(row[0]) if row else ""

    def record(
        self, callback: Callback, ok: bool, detail: str, now_ms: int, stored: Callable[[], None] = _nobody
    ) -> Callback | None:
        """Write what an attempt gave: the row removed, or its next time. Returns the row that is still open;
        ``stored()`` is called when it is on disk: until then the table shows the row as it was."""
        if ok:
            self.told += 1
            self._write([("callbacks.remove", (callback.id,)), self._event(callback, detail, now_ms)], stored)
            return None
        self.failed += 1
        callback.tries += 1
        if callback.tries >= self._attempts:
            self.given_up += 1
            given_up = f"{detail}; given up after {callback.tries} attempts"
            self._write([("callbacks.remove", (callback.id,)), self._event(callback, given_up, now_ms)], stored)
            return None
        callback.due_ms = now_ms + self._retry_ms
        later = ("callbacks.later", (callback.due_ms, callback.tries, callback.id))
        self._write([later, self._event(callback, detail, now_ms)], stored)
        return callback

    def _event(self, callback: Callback, detail: str, now_ms: int) -> tuple[str, Row]:
        """A line of the story; event id and status let it be told again (services/replays.py)."""
        told = f"status {callback.status}, event {callback.id}: {detail}"
        return ("events.add", (callback.int_id, self._desk.stamp(now_ms), "callback", told))

    def drop(self, callback: Callback, why: str, now_ms: int) -> None:
        """Remove news that nobody wants: its account or its message is gone."""
        self._write([("callbacks.remove", (callback.id,)), self._event(callback, f"not told: {why}", now_ms)])

    def _write(self, rows: list[tuple[str, Row]], stored: Callable[[], None] = _nobody) -> None:
        def done(error: Exception | None) -> None:
            if error is not None:
                # Told, but not noted: it stays in the table and is told again after a restart, with the same id.
                log.error("callback_not_stored", extra={"error": str(error)})
                self._desk.later(RETRY_S, lambda: self._write(rows, stored))
                return
            stored()

        self._desk.batch.add(Change(rows, done, lazy=True))
