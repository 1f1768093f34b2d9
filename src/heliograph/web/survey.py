"""What is too dear to count at each scrape: the tables of queue and callbacks, the ledger, and whether the store takes writes.

Reference: design section 11.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

from heliograph.services import backlogs, errands, exports, ledgers
from heliograph.services.backlogs import Backlog
from heliograph.services.ledgers import Report
from heliograph.store.database import Database, Step, StoreError

log = logging.getLogger(__name__)

TABLES_S = 5.0
LEDGER_S = 600.0
LEDGER_FIRST_S = 10.0  # after the start, which has enough to read
# A page of 5000 rows costs the loop some 3 ms: a million rows are 200 pages, half a second of work in ten minutes.
LEDGER_ROWS = 1_000_000
SHARE = 20  # counting takes at most a twentieth of the time, however large the tables are
FRESH_S = 10.0  # a commit this young shows that the store takes writes
PROBE_S = 5.0
PROBE_WAIT_S = 3.0


class Survey:
    """Counts in the background; what it found is read at any time. Belongs to the event loop."""

    def __init__(self, db: Database, clock_ms: Callable[[], int]) -> None:
        self._db = db
        self._clock_ms = clock_ms
        self.backlog: Backlog | None = None
        self.exports: dict[int, int] = {}  # tasks by state
        self.incoming = (0, 0)  # parts of long incoming texts that wait, and errands
        self.report: Report | None = None
        self.checked_ms = 0
        self.written_s = -FRESH_S  # the loop's clock (time.monotonic) at the last commit known
        self._probed_s = -PROBE_S
        self._probe: asyncio.Task[bool] | None = None

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._repeat(self.count_tables, TABLES_S))
            await asyncio.sleep(LEDGER_FIRST_S)
            group.create_task(self._repeat(self.check_ledger, LEDGER_S))

    @staticmethod
    async def _repeat(work: Callable[[], Awaitable[None]], pause_s: float) -> None:
        while True:
            began = time.monotonic()
            try:
                await work()
            except Exception:
                log.exception("survey_failed")
            await asyncio.sleep(max(pause_s, SHARE * (time.monotonic() - began)))

    async def count_tables(self) -> None:
        """Count the queue, the callbacks, the receipts that match nothing, the exports and what incoming texts wait for."""
        self.backlog = await backlogs.measure(self._db, self._clock_ms())
        self.exports = await exports.count_states(self._db)
        self.incoming = await errands.count_waiting(self._db)

    async def check_ledger(self) -> None:
        """Compare the ledger with the balances, unless the store has grown too large to do it beside the work."""
        row = await self._db.one("ledgers.size")
        if row is not None and row[0] > LEDGER_ROWS:
            self.report, self.checked_ms = None, 0
            return
        self.report = await ledgers.check(self._db)
        self.checked_ms = self._clock_ms()
        if self.report.faults:
            log.error("ledger_does_not_agree", extra={"faults": len(self.report.faults)})

    def note_commit(self) -> None:
        """A transaction reached the disk."""
        self.written_s = time.monotonic()

    async def is_writable(self) -> bool:
        """Whether the store took a write lately; when nothing was written for a while, one is tried (not more often than
        every five seconds)."""
        now_s = time.monotonic()
        if now_s - self.written_s < FRESH_S:
            return True
        if self._probe is None or (self._probe.done() and now_s - self._probed_s >= PROBE_S):
            self._probed_s = now_s
            self._probe = asyncio.get_running_loop().create_task(self._write())
        # A probe that hangs is left alone: the next caller waits for the same one, and none is stacked on another.
        done, _ = await asyncio.wait((self._probe,), timeout=PROBE_WAIT_S)
        return bool(done) and self._probe.result()

    async def _write(self) -> bool:
        try:
            await self._db.transact([Step("facts.put", [("probed_ms", str(self._clock_ms()))])])
        except StoreError as error:
            log.warning("store_probe_failed", extra={"error": str(error)})
            return False
        self.note_commit()
        return True
