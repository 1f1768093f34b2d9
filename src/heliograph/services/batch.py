"""The one batch of all hot verbs: callers add changes, one transaction carries them (design section 5).

While a batch commits the next one fills; it never waits to grow. A change that the database refuses is found by
bisection and fails alone.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from heliograph.core.messages import Message
from heliograph.store.database import Broken, Database, Step, StoreError, Unfit

Row = tuple[Any, ...]
log = logging.getLogger(__name__)

# Constraints that are guards: that one was broken is an answer to whoever brought the change (no money any more, a number
# that somebody else has taken a moment before), and nothing for the log or the figure of failures.
GUARDS = ("overdraft", "rents.", "waits.")

# Queries in the order in which a batch runs them: money first, so that an overdraft fails before anything is written;
# then what is born, what moves, what is over. Rows of one query keep the order in which their changes were added.
ORDER = (
    "rents.turn",
    "numbers.turn",
    "numbers.prolong",
    "staged.begin",
    "letters.add",
    "messages.accept",
    "queue.add",
    "ledger.add",
    "statistics.add",
    "trails.add",
    "pieces.add",
    "pieces.touch",
    "pieces.join",
    "clicks.add",
    "queue.start",
    "parts.add",
    "queue.later",
    "queue.remove",
    "messages.sent",
    "messages.move",
    "messages.delete",
    "messages.replace",
    "parts.move",
    "events.add",
    "orphans.add",
    "orphans.remove",
    "callbacks.add",
    "callbacks.stage",
    "feed.add",
    "callbacks.later",
    "callbacks.remove",
    "deliveries.add",
    "deliveries.remove",
    "fragments.put",
    "fragments.drop",
    "inbound.add",
    "blacklist.put",
    "blacklist.remove",
    "errands.add",
    "errands.later",
    "errands.remove",
    "waits.take",
    "waits.add",
    "staged.end",
)
CHARGE = "purses.charge"
FEED = "feed.add"
# Counters: rows that agree in so many first columns become one, the other columns added up.
COUNTERS = {"statistics.add": 4, "clicks.add": 2}
# How long changes that nobody waits for look for company. A commit costs a disk some 0.1 to 1 ms, and under load there
# is always one under way, so this is felt only where single texts come one after the other.
LINGER_S = 0.001
# Changes in one transaction while others wait: some 8 ms of the writer and, for telling, as much of the loop, so that a
# single code waits for little. Where more has gathered than four times that (a slow disk) a quarter of it goes at once.
MOST = 800


class Change:
    """One item of one verb: its rows, what it does to a balance, and whom to tell.

    ``amount`` is added to the account's balance (below zero: a charge); ``last_id`` raises its message sequence. It fails
    when the account has another ``currency`` by then (``is_exchanged``).
    ``done(None)`` is called when it is on disk, ``done(error)`` when it is not. ``message`` stays in memory until then
    (its ``pending`` was raised by whoever made the change). A ``lazy`` change waits a moment for others to share a commit
    with: nobody waits for its answer. One that is ``first`` (a single text that is stored or started; no earlier change
    of it may be waiting) overtakes what waits.
    """

    __slots__ = ("account_id", "amount", "currency", "done", "first", "last_id", "lazy", "message", "rows")

    def __init__(
        self,
        rows: list[tuple[str, Row]],
        done: Callable[[Exception | None], None],
        account_id: int = 0,
        amount: int = 0,
        last_id: int = 0,
        message: Message | None = None,
        lazy: bool = False,
        first: bool = False,
        currency: str = "",
    ) -> None:
        self.first = first
        self.currency = currency
        self.rows = rows
        self.done = done
        self.account_id = account_id
        self.amount = amount
        self.last_id = last_id
        self.message = message
        self.lazy = lazy


def assemble(changes: list[Change]) -> list[Step]:
    """The steps of one transaction for these changes; balances are moved once an account (and currency), in the order of
    their ids."""
    by_query: dict[str, list[Row]] = {}
    money: dict[tuple[int, str], list[int]] = {}
    for change in changes:
        for query, row in change.rows:
            rows = by_query.get(query)
            if rows is None:
                by_query[query] = [row]
            else:
                rows.append(row)
        if change.account_id:
            purse = (change.account_id, change.currency)
            moved = money.get(purse)
            if moved is None:
                money[purse] = [change.amount, change.last_id]
            else:
                moved[0] += change.amount
                if change.last_id > moved[1]:
                    moved[1] = change.last_id
    steps = []
    if money:
        charges = [
            (amount, last_id, last_id, account_id, currency)
            for (account_id, currency), (amount, last_id) in sorted(money.items())
        ]
        steps.append(Step(CHARGE, charges, fetch=True))
    for query, columns in COUNTERS.items():
        if query in by_query:
            by_query[query] = add_up(by_query[query], columns)
    steps.extend(Step(query, by_query[query]) for query in ORDER if query in by_query)
    return steps


def add_up(rows: list[Row], columns: int) -> list[Row]:
    """Rows with the same first ``columns`` made one, the rest added up; in the order of their keys, as rows are locked."""
    sums: dict[Row, list[int]] = {}
    for row in rows:
        key = row[:columns]
        found = sums.get(key)
        if found is None:
            sums[key] = list(row[columns:])
        else:
            for index in range(len(found)):
                found[index] += row[columns + index]
    return [(*key, *sums[key]) for key in sorted(sums)]


def is_exchanged(error: Exception | None) -> bool:
    """Whether a change failed because its account has got another currency: what it would cost is decided anew."""
    return isinstance(error, Broken) and error.kind == "not_null" and "currency" in error.which


class Batch:
    """Gathers changes and commits them. ``settled(account_id, balance, amount)`` tells the purses what is committed."""

    def __init__(self, db: Database, settled: Callable[[int, int, int], None]) -> None:
        self._db = db
        self._settled = settled
        self._first: list[Change] = []
        self._filling: list[Change] = []
        self._groups: deque[list[Change]] = deque()
        self._committing: list[Change] = []
        self._steps: list[Step] = []
        # Told of the rows of one query once they are on disk: {"callbacks.add": sender.take}.
        self.watch: dict[str, Callable[[Sequence[Sequence[Any]]], None]] = {}
        # Told of the seconds that each transaction took, from its hand-over to the disk.
        self.took: Callable[[float], None] = _nobody
        self._began_s = 0.0
        self._scheduled = False
        self._urgent = False  # somebody waits for what is filling
        self._lingering: asyncio.TimerHandle | None = None
        self._idle: list[asyncio.Future[None]] = []
        self.last_fed = 0
        self.commits = 0
        self.changes = 0
        self.failed = 0

    def add(self, change: Change) -> None:
        """Put a change into the next transaction."""
        (self._first if change.first else self._filling).append(change)
        if not change.lazy:
            self._urgent = True
            if not self._committing and not self._scheduled:
                self._scheduled = True
                asyncio.get_running_loop().call_soon(self._flush)
        elif not self._committing and not self._scheduled and self._lingering is None:
            self._linger()

    def _linger(self) -> None:
        self._lingering = asyncio.get_running_loop().call_later(LINGER_S, self._flush)

    @property
    def waiting(self) -> int:
        """Changes that are not on disk yet."""
        return len(self._first) + len(self._filling) + len(self._committing) + sum(map(len, self._groups))

    async def settle(self) -> None:
        """Wait until everything that was added is on disk (or failed)."""
        while self.waiting:
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._idle.append(future)
            await future

    def _take(self) -> list[Change]:
        """What goes into the next transaction: all that is first, and of the rest as much as keeps it short."""
        first, rest = self._first, self._filling
        room = max(MOST - len(first), MOST // 4, len(rest) // 4)
        self._first = []
        if len(rest) <= room:
            self._filling, self._urgent = [], False
            return first + rest if first else rest
        self._filling, self._urgent = rest[room:], True
        return first + rest[:room]

    def _flush(self) -> None:
        self._scheduled = False
        if self._lingering is not None:
            self._lingering.cancel()
            self._lingering = None
        if self._committing:
            return
        changes = self._groups.popleft() if self._groups else self._take()
        if not changes:
            self._tell_idle()
            return
        self._committing = changes
        self._began_s = time.perf_counter()
        try:
            self._steps = self._number(assemble(changes))
            self._db.write(self._steps, self._ended)
        except StoreError as error:  # a closed store: nothing can be kept any more
            self._ended(None, error)

    def _number(self, steps: list[Step]) -> list[Step]:
        """Put numbers before the rows of news to be fetched, in the order of their commits: whoever has fetched up to a
        number has missed nothing below it, whatever is committed later."""
        for index, step in enumerate(steps):
            if step.query == FEED:
                first = self.last_fed + 1
                self.last_fed += len(step.rows)
                steps[index] = Step(FEED, [(first + number, *row) for number, row in enumerate(step.rows)])
        return steps

    def _ended(self, results: list[list[Row]] | None, error: Exception | None) -> None:
        changes, self._committing = self._committing, []
        steps, self._steps = self._steps, []
        if results is not None:
            self.commits += 1
            self.changes += len(changes)
            self.took(time.perf_counter() - self._began_s)
            self._book(changes, results)
        elif isinstance(error, Broken | Unfit) and len(changes) > 1:
            middle = len(changes) // 2
            self._groups.extendleft((changes[middle:], changes[:middle]))
            self._flush()
            return
        elif not (isinstance(error, Broken) and error.which.startswith(GUARDS)):
            self.failed += len(changes)
            log.error("batch_failed", extra={"changes": len(changes), "error": str(error)})
        if self._urgent or self._groups or not (self._filling or self._first):
            self._flush()
        else:
            self._linger()
        self._tell(changes, error)
        if results is not None and self.watch:
            for step in steps:
                if step.query in self.watch:
                    self.watch[str(step.query)](step.rows)

    def _book(self, changes: list[Change], results: list[list[Row]]) -> None:
        moved: dict[int, int] = {}
        for change in changes:
            if change.account_id:
                moved[change.account_id] = moved.get(change.account_id, 0) + change.amount
        if moved:
            for account_id, balance in results[0]:
                self._settled(account_id, balance, moved[account_id])

    def give_back(self, error: StoreError) -> None:
        """The store is away, and what is being committed waits for it: who waits behind that is told now, and those
        whose changes must not be lost bring them again."""
        changes = [change for group in self._groups for change in group] + self._first + self._filling
        self._groups.clear()
        self._first, self._filling = [], []
        if changes:
            self.failed += len(changes)
            log.error("batch_failed", extra={"changes": len(changes), "error": str(error)})
            self._tell(changes, error)

    def _tell(self, changes: list[Change], error: Exception | None) -> None:
        for change in changes:
            if change.message is not None:
                change.message.pending -= 1
            try:
                change.done(error)
            except Exception:
                log.exception("change_done_failed")

    def _tell_idle(self) -> None:
        waiters, self._idle = self._idle, []
        for future in waiters:
            if not future.done():
                future.set_result(None)


def _nobody(seconds: float) -> None:
    """Nobody measures."""
