"""The one place where a submission becomes messages: decide, then one transaction, then the answer (design sections 4 and 6A)."""

import asyncio
import logging
from collections.abc import Callable

from heliograph.core.accounts import Account
from heliograph.core.limits import Window
from heliograph.core.messages import LANE_BULK, Accepted, Message, Quote, Submission
from heliograph.core.reasons import Reason, Refusal, Refused
from heliograph.core.status import Status
from heliograph.services.batch import Change
from heliograph.services.births import (
    Survey,
    Tally,
    answer_of,
    choose_lane,
    make_message,
    may_be_kept,
    reason_of,
    rows_of,
    survey,
    trail_rows,
)
from heliograph.services.deciding import Decider, Decision
from heliograph.services.desk import Desk, Row
from heliograph.services.links import Links
from heliograph.services.quotas import Quotas
from heliograph.services.staging import PORTION, Staging

log = logging.getLogger(__name__)

Answer = Accepted | Refusal
Priced = Quote | Refusal
STAGE_OVER = 200  # recipients: 200 decisions of some 25 µs hold the loop for 5 ms
SAME_PRICE_QUERIES = 5  # identical price queries a minute (spec sending 9.1)


class Submitting:
    """Accepts and prices submissions of every door."""

    def __init__(self, desk: Desk, quotas: Quotas, staging: Staging) -> None:
        self._desk = desk
        self._quotas = quotas
        self._staging = staging
        self._price_queries = Window(SAME_PRICE_QUERIES, 60)
        self._surveying = asyncio.Lock()
        self.links: Links | None = None  # who shortens links, where that can be asked for
        # Told of messages that are on disk and due: the dispatcher takes them from memory.
        self.accepted: Callable[[list[Message]], None] = _nobody
        # Asked whether a text may leave as soon as it is on disk: then its start mark is written with its row, which
        # saves a commit, and ``begin(message, error)`` is told how that went.
        self.reserve: Callable[[Message, int], bool] = _never
        self.begin: Callable[[Message, Exception | None], None] = _no_begin

    def accept(self, account: Account, submission: Submission, now_ms: int, done: Callable[[Answer], None]) -> None:
        """Take a submission; ``done`` is called once, after the commit or with the refusal. Never raises."""
        if submission.shorten or account.settings.short_links:
            self._shorten(account, submission, now_ms, done)
        else:
            self._take(account, submission, now_ms, done)

    def _shorten(self, account: Account, submission: Submission, now_ms: int, done: Callable[[Answer], None]) -> None:
        """Short links first, for price and parts are those of the text with them. On disk before anything is decided."""

        def shortened(result: Submission | Refusal) -> None:
            if isinstance(result, Refusal):
                done(result)
            else:
                self._take(account, result, now_ms, done)

        if self.links is None:
            self._take(account, submission, now_ms, done)
        else:
            self.links.shorten(account, submission, now_ms, shortened)

    def _take(self, account: Account, submission: Submission, now_ms: int, done: Callable[[Answer], None]) -> None:
        """The same for texts whose links are as they are to be sent."""
        if len(submission.recipients) > STAGE_OVER:
            self._staging.spawn(self._accept_large(account, submission, now_ms, done))
        else:
            found = survey(account, submission, self._desk.snapshots.current.plan)
            self._check_and_accept(account, submission, found, now_ms, done)

    async def _accept_large(
        self, account: Account, submission: Submission, now_ms: int, done: Callable[[Answer], None]
    ) -> None:
        """The same, with what takes long beside the loop."""
        try:
            found = await self._survey_large(account, submission)
        except Exception:
            log.exception("submission_failed")
            done(Refusal(Reason.NOT_POSSIBLE))
            return
        self._check_and_accept(account, submission, found, now_ms, done)

    async def _survey_large(self, account: Account, submission: Submission) -> Survey:
        """One after the other, so that of two identical requests the first that came is the one that is taken."""
        async with self._surveying:
            return await asyncio.to_thread(survey, account, submission, self._desk.snapshots.current.plan)

    def _check_and_accept(
        self,
        account: Account,
        submission: Submission,
        found: Survey,
        now_ms: int,
        done: Callable[[Answer], None],
    ) -> None:
        if not self._quotas.requests.add(found.print, now_ms):
            done(Refusal(Reason.REPEATED_REQUEST))
            return
        try:
            self._accept(account, submission, found, now_ms, done)
        except Refused as refused:
            self._quotas.requests.discard(found.print)
            done(Refusal(refused.reason, refused.detail))

    def _accept(
        self,
        account: Account,
        submission: Submission,
        found: Survey,
        now_ms: int,
        done: Callable[[Answer], None],
    ) -> None:
        desk = self._desk
        print_, recipients, phones = found
        if not recipients:
            raise Refused(Reason.BAD_PARAMETERS, "no recipients")
        if len(recipients) > STAGE_OVER:
            self._staging.start(account, submission, found, now_ms, done)
            return
        decider = Decider(account, submission, desk.snapshots.current, now_ms, len(recipients))
        first_int_id = submission.int_id or desk.take_int_ids(len(recipients))
        decisions: list[Decision] = []
        try:
            for offset, recipient in enumerate(recipients):
                decision = decider.decide(recipient, phones[offset], first_int_id + offset, self._quotas, offset)
                if decision is not None:
                    decisions.append(decision)
        except Refused:
            decider.withdraw(decisions, self._quotas)
            raise
        total = sum(decision.cost for decision in decisions)
        test = submission.test or account.settings.test
        if not test and not desk.purses.reserve(account.id, total):
            total = 0
            decider.withdraw(decisions, self._quotas)
            for decision in decisions:
                if decision.reason is None:
                    decision.refuse(Reason.NO_MONEY)
        self._store(decider, decisions, first_int_id, print_, 0 if test else total, test, done)

    def _store(
        self,
        decider: Decider,
        decisions: list[Decision],
        first_int_id: int,
        print_: int,
        total: int,
        test: bool,
        done: Callable[[Answer], None],
    ) -> None:
        """Write everything in one change and answer when it is on disk."""
        desk, quotas = self._desk, self._quotas
        account, submission, now_ms = decider.account, decider.submission, decider.now_ms
        last_id = 0 if submission.id else desk.take_id(account.id)
        id_ = submission.id or str(last_id)
        lane = choose_lane(account, submission, len(decisions), quotas, now_ms)
        refused = all(decision.reason is not None for decision in decisions)
        reserved: Message | None = None
        rows: list[tuple[str, Row]] = list(submission.also)
        messages = []
        for offset, decision in enumerate(decisions):
            message = make_message(
                account, submission, decision, first_int_id + offset, id_, lane, now_ms, 0 if refused else print_, test
            )
            if lane != LANE_BULK and message.status == Status.WAITING and self.reserve(message, now_ms):
                reserved = message
            if submission.trails is not None:
                rows.extend(trail_rows(message, submission.trails, desk))
            rows.extend(rows_of(message, account, desk, told=not refused))
            if submission.pieces:
                rows.extend([("pieces.join", (message.int_id, piece)) for piece in submission.pieces])
            messages.append(message)

        def settled(error: Exception | None) -> None:
            if (error is not None or refused) and not may_be_kept(error):
                quotas.requests.discard(print_)
            if error is not None:
                if reserved is not None:
                    self.begin(reserved, error)
                if not may_be_kept(error):
                    decider.withdraw(decisions, quotas)
                if total:
                    desk.purses.release(account.id, total)
                done(Refusal(reason_of(error)))
                return
            if refused:
                reason = decisions[0].reason
                assert reason is not None
                done(Refusal(reason, id=id_))
                return
            done(answer_of(decisions, id_, total, desk.purses.left(account.id), test))
            waiting = [message for message in messages if message.status == Status.WAITING]
            for message in waiting:
                desk.hold(message)
            self.accepted(waiting)
            if reserved is not None:
                self.begin(reserved, None)
            for message in messages:
                desk.note(message)

        first = lane != LANE_BULK
        desk.batch.add(Change(rows, settled, account.id, -total, last_id, first=first, currency=account.currency))

    def price(self, account: Account, submission: Submission, now_ms: int, done: Callable[[Priced], None]) -> None:
        """What a submission would cost, by the same checks; nothing is stored nor counted. ``done`` is called once, at
        once for few recipients. Never raises."""
        if len(submission.recipients) > STAGE_OVER:
            self._staging.spawn(self._price_large(account, submission, now_ms, done))
            return
        try:
            if (submission.shorten or account.settings.short_links) and self.links is not None:
                submission = self.links.imagine(submission)
            found = survey(account, submission, self._desk.snapshots.current.plan)
            pricing = self._begin_pricing(account, submission, now_ms, found)
            pricing.decide(0, STAGE_OVER)
            answer = pricing.quote()
        except Refused as refused:
            answer = Refusal(refused.reason, refused.detail)
        done(answer)

    async def _price_large(
        self, account: Account, submission: Submission, now_ms: int, done: Callable[[Priced], None]
    ) -> None:
        """The same in portions, between which the loop does its other work."""
        answer: Priced = Refusal(Reason.NOT_POSSIBLE)
        try:
            if (submission.shorten or account.settings.short_links) and self.links is not None:
                submission = await asyncio.to_thread(self.links.imagine, submission)
            found = await self._survey_large(account, submission)
            pricing = self._begin_pricing(account, submission, now_ms, found)
            for start in range(0, pricing.count, PORTION):
                pricing.decide(start, PORTION)
                await asyncio.sleep(0)
            answer = pricing.quote()
        except Refused as refused:
            answer = Refusal(refused.reason, refused.detail)
        except Exception:
            log.exception("pricing_failed")
        done(answer)

    def _begin_pricing(self, account: Account, submission: Submission, now_ms: int, found: Survey) -> "_Pricing":
        if not self._price_queries.take(found.print, now_ms):
            raise Refused(Reason.REPEATED_REQUEST)
        if not found.recipients:
            raise Refused(Reason.BAD_PARAMETERS, "no recipients")
        decider = Decider(account, submission, self._desk.snapshots.current, now_ms, len(found.recipients))
        return _Pricing(decider, found)


class _Pricing:
    """One price query on its way."""

    def __init__(self, decider: Decider, found: Survey) -> None:
        self.count = len(found.recipients)
        self._decider = decider
        self._found = found
        self._tally = Tally()

    def decide(self, start: int, count: int) -> None:
        """The recipients from ``start`` on; raises Refused for a text that cannot be sent at all."""
        decider = self._decider
        for index in range(start, min(start + count, self.count)):
            recipient, phone = self._found.recipients[index], self._found.phones[index]
            decision = decider.decide(recipient, phone, decider.now_ms + index, None, index)
            if decision is not None:
                self._tally.add(decision)

    def quote(self) -> Priced:
        """The whole."""
        return self._tally.quote(self._decider.submission.test or self._decider.account.settings.test)


def _nobody(messages: list[Message]) -> None:
    """No dispatcher yet: the rows wait in the queue."""


def _never(message: Message, now_ms: int) -> bool:
    """No dispatcher yet."""
    return False


def _no_begin(message: Message, error: Exception | None) -> None:
    """No dispatcher yet."""
