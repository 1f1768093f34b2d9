"""The one place where a submission becomes messages: decide, then one transaction, then the answer (design sections 4 and 6A)."""

from collections.abc import Callable

from heliograph.core.accounts import Account
from heliograph.core.limits import Window
from heliograph.core.messages import Accepted, Message, Quote, Submission
from heliograph.core.reasons import Reason, Refusal, Refused
from heliograph.core.status import Status
from heliograph.services.batch import Change
from heliograph.services.births import (
    answer_of,
    choose_lane,
    make_message,
    may_be_kept,
    print_of,
    reason_of,
    rows_of,
    unique,
    verdict_of,
)
from heliograph.services.deciding import Decider, Decision
from heliograph.services.desk import Desk, Row
from heliograph.services.quotas import Quotas
from heliograph.services.staging import Staging

Answer = Accepted | Refusal
STAGE_OVER = 200  # recipients: 200 decisions of some 25 µs hold the loop for 5 ms
SAME_PRICE_QUERIES = 5  # identical price queries a minute (spec sending 9.1)


class Submitting:
    """Accepts and prices submissions of every door."""

    def __init__(self, desk: Desk, quotas: Quotas, staging: Staging) -> None:
        self._desk = desk
        self._quotas = quotas
        self._staging = staging
        self._price_queries = Window(SAME_PRICE_QUERIES, 60)
        # Told of messages that are on disk and due: the dispatcher takes them from memory.
        self.accepted: Callable[[list[Message]], None] = _nobody

    def accept(self, account: Account, submission: Submission, now_ms: int, done: Callable[[Answer], None]) -> None:
        """Take a submission; ``done`` is called once, after the commit or with the refusal. Never raises."""
        print_ = print_of(account, submission)
        if not self._quotas.requests.add(print_, now_ms):
            done(Refusal(Reason.REPEATED_REQUEST))
            return
        try:
            self._accept(account, submission, now_ms, print_, done)
        except Refused as refused:
            self._quotas.requests.discard(print_)
            done(Refusal(refused.reason, refused.detail))

    def _accept(
        self, account: Account, submission: Submission, now_ms: int, print_: int, done: Callable[[Answer], None]
    ) -> None:
        desk = self._desk
        recipients = unique(submission.recipients)
        if not recipients:
            raise Refused(Reason.BAD_PARAMETERS, "no recipients")
        if len(recipients) > STAGE_OVER:
            self._staging.start(account, submission, recipients, now_ms, print_, done)
            return
        decider = Decider(account, submission, desk.snapshots.current, now_ms, len(recipients))
        first_int_id = desk.take_int_ids(len(recipients))
        decisions: list[Decision] = []
        try:
            for offset, recipient in enumerate(recipients):
                decision = decider.decide(recipient, first_int_id + offset, self._quotas, offset)
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
        rows: list[tuple[str, Row]] = []
        messages = []
        for offset, decision in enumerate(decisions):
            message = make_message(
                account, submission, decision, first_int_id + offset, id_, lane, now_ms, 0 if refused else print_, test
            )
            rows.extend(rows_of(message, account, desk, told=not refused or test))
            messages.append(message)

        def settled(error: Exception | None) -> None:
            if (error is not None or refused) and not may_be_kept(error):
                quotas.requests.discard(print_)
            if error is not None:
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
            for message in messages:
                desk.note(message)

        desk.batch.add(Change(rows, settled, account.id, -total, last_id))

    def price(self, account: Account, submission: Submission, now_ms: int) -> Quote | Refusal:
        """What a submission would cost, by the same checks; nothing is stored nor counted."""
        if not self._price_queries.take(print_of(account, submission), now_ms):
            return Refusal(Reason.REPEATED_REQUEST)
        try:
            recipients = unique(submission.recipients)
            if not recipients:
                raise Refused(Reason.BAD_PARAMETERS, "no recipients")
            decider = Decider(account, submission, self._desk.snapshots.current, now_ms, len(recipients))
            asked = (decider.decide(recipient, now_ms + i, None, i) for i, recipient in enumerate(recipients))
            decisions = [decision for decision in asked if decision is not None]
        except Refused as refused:
            return Refusal(refused.reason, refused.detail)
        if all(decision.reason is not None for decision in decisions):
            reason = decisions[0].reason
            assert reason is not None
            return Refusal(reason)
        test = submission.test or account.settings.test
        verdicts = tuple(verdict_of(decision) for decision in decisions)
        return Quote(
            cost=0 if test else sum(verdict.cost for verdict in verdicts),
            parts=sum(decision.text.parts for decision in decisions if decision.reason is None),
            verdicts=verdicts,
        )


def _nobody(messages: list[Message]) -> None:
    """No dispatcher yet: the rows wait in the queue."""
