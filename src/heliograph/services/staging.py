"""Large requests: written in portions that nobody can claim, then charged and activated by one row (design section 6, flow A).

Until the row in ``staged`` is gone nothing in its range of ids counts; a crash before that leaves nothing accepted, and
the next start sweeps what was written.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from heliograph.core.accounts import Account
from heliograph.core.messages import LANE_BULK, Accepted, Submission
from heliograph.core.reasons import Reason, Refusal, Refused
from heliograph.services.batch import FEED, Change
from heliograph.services.births import Survey, Tally, make_message, may_be_kept, reason_of, rows_of, trail_rows
from heliograph.services.deciding import Decider, Decision
from heliograph.services.desk import Desk, Row
from heliograph.services.entries import entry_rows
from heliograph.services.quotas import Quotas
from heliograph.store.database import Step

log = logging.getLogger(__name__)

PORTION = 150  # recipients: deciding and writing so many takes some 5 ms of the loop and as much of the writer
SWEEP = 1000
Spawn = Callable[[Coroutine[Any, Any, None]], None]


class Staging:
    """Takes submissions with many recipients, whole or not at all."""

    def __init__(self, desk: Desk, quotas: Quotas, spawn: Spawn) -> None:
        self._desk = desk
        self._quotas = quotas
        self.spawn = spawn
        # Told of the carriers that have new bulk in the queue.
        self.activated: Callable[[set[int]], None] = _nobody

    def start(
        self,
        account: Account,
        submission: Submission,
        survey: Survey,
        now_ms: int,
        done: Callable[[Accepted | Refusal], None],
    ) -> None:
        """Begin; ``done`` is called once, when the whole is on disk or refused."""
        self.spawn(self._run(_Request(self._desk, account, submission, survey, now_ms), done))

    async def _run(self, request: "_Request", done: Callable[[Accepted | Refusal], None]) -> None:
        answer: Accepted | Refusal
        kept = False
        try:
            answer = await request.write(self._quotas)
        except Refused as refused:
            answer = Refusal(refused.reason, refused.detail)
        except Exception as error:
            log.exception("staging_failed")
            answer = Refusal(reason_of(error))
            kept = may_be_kept(error)
        if isinstance(answer, Refusal) and not kept:
            await self._forget(request)
        done(answer)
        if isinstance(answer, Accepted):
            self.activated(request.carriers)
        elif not request.active:
            await self._abandon(request, kept)
        await request.clear()

    async def _forget(self, request: "_Request") -> None:
        await request.withdraw(self._quotas)
        self._quotas.requests.discard(request.print)

    async def _abandon(self, request: "_Request", kept: bool) -> None:
        """Remove what it wrote; with ``kept`` its last commit may have made it valid."""
        try:
            if request.reserved:
                self._desk.purses.release(request.account.id, request.reserved)
            await request.finish()
            # When the store went away during the last commit nobody knows yet whether the request became valid.
            if any(row[0] == request.first_id for row in await self._desk.db.all("staged.all")):
                await sweep(self._desk, request.first_id, request.last_id)
                if kept:
                    await self._forget(request)
        except Exception:
            # The row in `staged` still hides the rest; the next start sweeps it.
            log.exception("sweep_failed")


def _nobody(carriers: set[int]) -> None:
    """No dispatcher yet: the rows wait in the queue."""


class _Request:
    """One large request on its way to disk."""

    def __init__(
        self,
        desk: Desk,
        account: Account,
        submission: Submission,
        survey: Survey,
        now_ms: int,
    ) -> None:
        recipients = survey.recipients
        self.account = account
        self.print = survey.print
        self.first_id = submission.int_id or desk.take_int_ids(len(recipients))
        self.last_id = self.first_id + len(recipients) - 1
        self.reserved = 0
        self.active = False
        self.carriers: set[int] = set()
        self._desk = desk
        self._submission = submission
        self._recipients = recipients
        self._phones = survey.phones
        self._now_ms = now_ms
        self._decisions: list[Decision] = []
        self._tally = Tally()
        self._decider = Decider(account, submission, desk.snapshots.current, now_ms, len(recipients))
        self._news: list[tuple[str, Row]] = []  # to be fetched: it gets its place when the request becomes valid
        self._under_way: list[asyncio.Future[None]] = []
        self._sequence = 0 if submission.id else desk.take_id(account.id)
        self._id = submission.id or str(self._sequence)
        self._test = submission.test or account.settings.test

    async def write(self, quotas: Quotas) -> Accepted | Refusal:
        """Portion by portion, each decided while the one before is being committed; then the activation."""
        desk = self._desk
        row = (self.first_id, self.last_id, self.account.id, self._now_ms)
        commit = self._commit([("staged.begin", row)])
        for start in range(0, len(self._recipients), PORTION):
            rows = self._decide(quotas, start)
            await commit
            if rows is None:
                return Refusal(Reason.NO_MONEY)
            commit = self._commit(rows)
            await asyncio.sleep(0)
        await commit
        await self._activate()
        if self._tally.reason is not None:
            return Refusal(self._tally.reason, id=self._id)
        return self._tally.answer(self._id, self.reserved, desk.purses.left(self.account.id), self._test)

    async def withdraw(self, quotas: Quotas) -> None:
        """Nothing of it counts."""
        for start in range(0, len(self._decisions), PORTION):
            self._decider.withdraw(self._decisions[start : start + PORTION], quotas)
            await asyncio.sleep(0)

    async def clear(self) -> None:
        """Let go of what it held in portions: to free it all at once would hold the loop."""
        for held in (self._decisions, self._recipients, self._phones):
            while held:
                del held[-PORTION:]
                await asyncio.sleep(0)

    async def finish(self) -> None:
        """Wait for what is still on its way to disk, so that nothing comes behind the sweep."""
        await asyncio.gather(*self._under_way, return_exceptions=True)

    def _decide(self, quotas: Quotas, start: int) -> list[tuple[str, Row]] | None:
        """The rows of one portion, its money reserved; None when there is not enough of it."""
        submission, desk = self._submission, self._desk
        rows: list[tuple[str, Row]] = []
        cost = 0
        count = len(self._recipients)
        for index in range(start, min(start + PORTION, count)):
            decision = self._decider.decide(
                self._recipients[index], self._phones[index], self.first_id + index, quotas, index
            )
            if decision is None:
                continue
            self._decisions.append(decision)
            self._tally.add(decision)
            cost += decision.cost
            int_id = self.first_id + index
            message = make_message(
                self.account, submission, decision, int_id, self._id, LANE_BULK, self._now_ms, self.print, self._test
            )
            if submission.trails is not None:
                rows.extend(trail_rows(message, submission.trails, desk))
            born = rows_of(message, self.account, desk, told=True, staged=True)
            rows.extend(row for row in born if row[0] != FEED)
            self._news.extend(row for row in born if row[0] == FEED)
            if decision.reason is None:
                self.carriers.add(message.carrier_id)
        if cost and not self._test:
            if not desk.purses.reserve(self.account.id, cost):
                return None
            self.reserved += cost
        return rows

    async def _activate(self) -> None:
        """One short transaction: the charge of the whole, and the row that hid it gone."""
        rows: list[tuple[str, Row]] = [("staged.end", (self.first_id,)), *self._submission.also, *self._news]
        # Counted by ids, so that the charge of any of its messages can be found (sql/traces.sql).
        count = len(self._recipients)
        texts = 0 if self._test else self._tally.texts
        rows.extend(entry_rows(self.account, self._now_ms, "charge", -self.reserved, self.first_id, count, texts=texts))
        await self._commit(rows, -self.reserved, self._sequence)
        self.active = True

    def _commit(self, rows: list[tuple[str, Row]], amount: int = 0, last_id: int = 0) -> asyncio.Future[None]:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def done(error: Exception | None) -> None:
            if future.done():
                return
            if error is None:
                future.set_result(None)
            else:
                future.set_exception(error)

        account_id = self.account.id if amount or last_id else 0
        self._under_way = [each for each in self._under_way if not each.done()]
        self._under_way.append(future)
        self._desk.batch.add(Change(rows, done, account_id, amount, last_id, currency=self.account.currency))
        return future


async def sweep(desk: Desk, first_id: int, last_id: int) -> None:
    """Remove what a large request that was never activated left behind, in small steps."""
    for start in range(first_id, last_id + 1, SWEEP):
        span = (start, min(start + SWEEP - 1, last_id))
        await desk.db.transact(
            [
                Step("staged.sweep_queue", [span]),
                Step("staged.sweep_callbacks", [span]),
                Step("staged.sweep_trails", [span]),
                Step("staged.sweep_messages", [span]),
            ]
        )
    await desk.db.transact([Step("staged.end", [(first_id,)])])


async def sweep_all(desk: Desk) -> int:
    """Sweep every large request that a crash left half-written; how many there were."""
    rows = await desk.db.all("staged.all")
    for first_id, last_id, _ in rows:
        await sweep(desk, first_id, last_id)
    return len(rows)
