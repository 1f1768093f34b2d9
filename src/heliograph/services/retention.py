"""Old messages leave the history: what is older than an account keeps it is deleted, little by little (spec management 2.3, ktm).

A message goes with its parts, events and trails when it is over, nothing of it waits and nobody holds it. What it had
cost stays in the account's sum of retired messages, by which the ledger is proved (services/ledgers.py); counters of
statistics and entries of the ledger stay.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable

from heliograph.core.messages import Flag
from heliograph.core.status import FINAL
from heliograph.services.desk import Desk, Row
from heliograph.store.database import Step

log = logging.getLogger(__name__)

DAY_MS = 86_400_000
# A message that moved within a day stays: whatever a customer or a carrier does with it now is done before it goes.
QUIET_MS = DAY_MS
PAGE = 600  # messages looked at by one read
PORTION = 150  # deleted in one transaction: 4 to 6 ms of the writer and of a disk that syncs in 1 ms
SHARE = 5  # at most a fifth of the time: who waited for its turn pauses longer, so a busy writer is asked less often
LEAST_S, MOST_S = 0.005, 2.0  # of a pause
EVERY_S = 600.0  # between two walks over the accounts
FIRST_S = 20.0  # after the start, which has enough to do
# A look-up that began before a deletion may bring the message back until then; point look-ups take milliseconds.
ECHO_S = 30.0


class Retention:
    """Deletes what is too old. Belongs to the event loop; ``keep_days`` holds for accounts that say nothing (0: for ever)."""

    def __init__(self, desk: Desk, clock_ms: Callable[[], int], keep_days: int = 0) -> None:
        self._desk = desk
        self._clock_ms = clock_ms
        self._keep_days = keep_days
        self._echoes: deque[tuple[float, list[int]]] = deque()
        self.deleted = 0

    async def run(self) -> None:
        """Until cancelled."""
        await asyncio.sleep(FIRST_S)
        while True:
            try:
                await self.walk()
            except Exception:
                log.exception("retention_failed")
            await asyncio.sleep(EVERY_S)
            self._forget()

    def days_of(self, account_id: int) -> int:
        """How many days the messages of an account are kept; 0: for ever."""
        days = self._desk.snapshots.current.accounts[account_id].settings.keep_days
        return self._keep_days if days < 0 else days

    async def walk(self) -> int:
        """Delete what is too old now, account by account; how many messages went."""
        before = self.deleted
        row = await self._desk.db.one("messages.last")
        # The newest message stays whatever its age: ids go on behind it, and none may come again.
        last = int(row[0]) if row else 0
        for account_id in list(self._desk.snapshots.current.accounts):
            days = self.days_of(account_id)
            if days:
                await self._walk(account_id, self._clock_ms() - days * DAY_MS, last)
        count = self.deleted - before
        if count:
            log.info("messages_retired", extra={"messages": count})
        return count

    async def _walk(self, account_id: int, until_ms: int, last: int) -> None:
        """The messages of one account, from the oldest on up to the first that is young enough."""
        after, db = 0, self._desk.db
        while True:
            rows = await db.all("retention.page", account_id, after, last, PAGE)
            if not rows:
                return
            told = await db.all("retention.untold", rows[0][0], rows[-1][0])
            waiting = {row[0] for row in told}
            quiet_ms = self._clock_ms() - QUIET_MS
            over = [row[0] for row in rows if row[1] < until_ms and row[2] < quiet_ms and _is_over(row)]
            ids = [int_id for int_id in over if int_id not in waiting]
            for first in range(0, len(ids), PORTION):
                await self._delete(account_id, ids[first : first + PORTION], quiet_ms)
            if rows[-1][1] >= until_ms or len(rows) < PAGE:
                return
            after = rows[-1][0]

    async def _delete(self, account_id: int, ids: list[int], quiet_ms: int) -> None:
        """One transaction, and the pause after it."""
        desk = self._desk
        # Nothing is awaited from here to the hand-over: what is in memory may be moving, and from now on nobody gets
        # the others (Desk.leaving). What moved since it was read has a younger changed_ms, which the queries look at.
        ids = [int_id for int_id in ids if self._is_free(int_id)]
        if not ids:
            return
        self._forget()
        desk.leaving.update(ids)
        names = ",".join(map(str, ids))
        began_s = time.monotonic()
        try:
            results = await desk.db.transact(
                [
                    Step("retention.retire", [(account_id, names, quiet_ms)]),
                    Step("retention.messages", [(names, quiet_ms)], fetch=True),
                    Step("retention.parts", [(names,)]),
                    Step("retention.events", [(names,)]),
                    Step("retention.trails", [(names,)]),
                ]
            )
            self.deleted += len(results[1])
        finally:
            self._echoes.append((time.monotonic(), ids))
        took_s = time.monotonic() - began_s
        await asyncio.sleep(min(max(took_s * (SHARE - 1), LEAST_S), MOST_S))

    def _is_free(self, int_id: int) -> bool:
        """Whether memory does not hold a message. One that lies there at rest is let go of, and is free at the next walk:
        somebody may have taken it from there this moment."""
        message = self._desk.messages.get(int_id)
        if message is None:
            return True
        self._desk.let_go(message)
        return False

    def _forget(self) -> None:
        """Look-ups that began before these were deleted are over."""
        while self._echoes and self._echoes[0][0] < time.monotonic() - ECHO_S:
            self._desk.leaving.difference_update(self._echoes.popleft()[1])


def _is_over(row: Row) -> bool:
    """Whether nothing more happens to a message: final, or stopped by whoever deleted it, and not in the queue."""
    return not row[5] and (row[3] in FINAL or bool(row[4] & Flag.DELETED))
