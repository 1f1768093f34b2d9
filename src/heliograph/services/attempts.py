"""What carriers answered: one transaction holds the attempt, the status, the queue row gone or moved on, and the refund (design section 6B)."""

from collections.abc import Callable

from heliograph.core.deliveries import Outcome, What
from heliograph.core.messages import Flag, Message
from heliograph.core.status import Err, Status, is_final, status_of
from heliograph.services.births import callback_rows
from heliograph.services.desk import Desk, Row, move_row
from heliograph.services.dispatch import Dispatch, end_rows, event_row, reroute_rows


class Job:
    """One message at a carrier: which parts were asked for, and what came back."""

    __slots__ = ("answers", "message", "missing", "total")

    def __init__(
        self,
        message: Message,
        missing: tuple[int, ...] = (),
        total: int = 0,
        answers: dict[int, Outcome] | None = None,
    ) -> None:
        self.message = message
        self.missing = missing
        self.total = total
        self.answers: dict[int, Outcome] = {} if answers is None else answers


Joined = Callable[[Message, int, str, int], None]


def missing_of(message: Message) -> tuple[int, ...]:
    """The parts that have still to go when some have gone already; empty: all."""
    if len(message.part_states) < 2:
        return ()
    waiting = tuple(n for n, state in enumerate(message.part_states, 1) if state[0] == Status.WAITING)
    return waiting if len(waiting) < len(message.part_states) else ()


class Attempts:
    """Records the outcomes. ``over(message)`` tells the dispatcher that it is done with a message, ``again(message,
    due_ms)`` that it goes once more: all of it, or the parts that still wait (``missing_of``)."""

    def __init__(self, desk: Desk, dispatch: Dispatch) -> None:
        self._desk = desk
        self._dispatch = dispatch
        self.over: Callable[[Message], None] = _nothing
        self.again: Callable[[Message, int], None] = _nobody
        # Told of each new carrier's id: receipts that came before it are joined.
        self.learned: Joined = _no_join
        # Told of each text that has become unsure: its receipt may have come already.
        self.doubted: Callable[[Message, int], None] = _no_doubt

    def record(self, job: Job, part: int, total: int, answer: Outcome, now_ms: int) -> None:
        """Take the outcome of one part; the last one of a try decides what becomes of the message."""
        message, since_ms = job.message, job.message.started_ms
        if not job.total:
            job.total = total
            if len(message.part_states) > total:
                message.part_states.clear()
            message.part_states.extend([(int(Status.WAITING), 0)] * (total - len(message.part_states)))
        job.answers[part] = answer
        if answer.what is What.ACCEPTED:
            if message.part_states[part - 1][0] == Status.WAITING:
                message.part_states[part - 1] = (Status.SENT, 0)
            if answer.ref:
                self._desk.learn_ref(message, part, answer.ref)
        rows = [part_row(message, part, answer)]
        asked = len(job.missing) if job.missing else total
        if len(job.answers) < asked:
            self._desk.keep(message, rows)
        else:
            self._decide(job, rows, now_ms)
        if answer.what is What.ACCEPTED and answer.ref:
            self.learned(message, part, answer.ref, since_ms)

    def _decide(self, job: Job, rows: list[tuple[str, Row]], now_ms: int) -> None:
        """All asked parts are answered. Doubt weighs most, then refusal, then another try."""
        answers = list(job.answers.values())
        if is_final(job.message.status):  # the receipt of another part, or of another carrier, ended it meanwhile
            self._over(job, rows)
            return
        unsure, later = False, False
        refused: Outcome | None = None
        for answer in answers:
            what = answer.what
            if what is What.UNSURE:
                unsure = True
            elif what is What.REFUSED:
                refused = refused or answer
            elif what is What.LATER:
                later = True
        if unsure:
            self._unsure(job, rows, now_ms)
        elif refused is not None:
            self._refused(job, rows, refused, now_ms)
        elif later:
            self._later(job, rows, now_ms)
        elif missing_of(job.message):
            # The carrier makes more parts of it than were known when the missing ones were asked for.
            self._repeat(job.message, rows, now_ms, now_ms)
        else:
            self._sent(job, rows, now_ms)

    def _over(self, job: Job, rows: list[tuple[str, Row]]) -> None:
        job.message.started_ms = 0
        rows.append(("queue.remove", (job.message.int_id,)))
        self._finish(job.message, rows)

    def _sent(self, job: Job, rows: list[tuple[str, Row]], now_ms: int) -> None:
        message = job.message
        message.started_ms = 0
        rows.append(("queue.remove", (message.int_id,)))
        if message.status == Status.WAITING:
            message.status, message.err, message.changed_ms = Status.SENT, Err.NONE, now_ms
            rows.append(("messages.sent", (now_ms, message.tries, message.int_id)))
            if message.flags & Flag.TELL_STEPS:
                account = self._desk.snapshots.current.accounts.get(message.account_id)
                rows.extend(callback_rows(message, account, self._desk))
        else:
            rows.append(move_row(message))
        self._finish(message, rows)

    def _unsure(self, job: Job, rows: list[tuple[str, Row]], now_ms: int) -> None:
        """Never answered: may be on a phone already. The carrier's settings say whether to wait or to send again."""
        message, desk = job.message, self._desk
        carrier = desk.snapshots.current.carriers.get(message.carrier_id)
        rows.append(event_row(desk, message, "unsure", "no answer from the carrier", now_ms))
        if carrier is not None and carrier.settings.unsure == "again" and not self._is_worn(message):
            self._repeat(message, rows, now_ms, now_ms)
            return
        wait_ms = (carrier.settings.unsure_s if carrier else 86_400) * 1000
        later = ("queue.later", (message.carrier_id, now_ms + wait_ms, message.started_ms or now_ms, 1, message.int_id))
        rows.extend((later, move_row(message)))
        self._dispatch.doubt(message)
        self._finish(message, rows)
        self.doubted(message, now_ms)

    def _later(self, job: Job, rows: list[tuple[str, Row]], now_ms: int) -> None:
        """A temporary refusal: the parts that are missing go again after a pause, unless it was tried often enough."""
        message = job.message
        waits = [answer for answer in job.answers.values() if answer.what is What.LATER]
        # Pauses of a link that went down before the part was written (retry 0, no code) do not count as tries.
        if all(answer.code == 0 for answer in waits):
            message.tries -= 1
        elif self._is_worn(message):
            self._refused(job, rows, waits[0], now_ms)
            return
        due_ms = now_ms + max(answer.retry_ms for answer in waits)
        if due_ms >= message.expires_ms:
            self._end(message, rows, Status.EXPIRED, waits[0].err, now_ms)
            return
        self._repeat(message, rows, due_ms, now_ms)

    def _is_worn(self, message: Message) -> bool:
        """Whether it was tried as often as its carriers are allowed: once and ``retries`` times again at each."""
        carrier = self._desk.snapshots.current.carriers.get(message.carrier_id)
        retries = carrier.settings.retries if carrier else 0
        return message.tries >= (retries + 1) * (len(message.tried) + 1)

    def _repeat(self, message: Message, rows: list[tuple[str, Row]], due_ms: int, now_ms: int) -> None:
        message.started_ms = 0
        message.changed_ms = now_ms
        rows.append(("queue.later", (message.carrier_id, due_ms, 0, 0, message.int_id)))
        rows.append(move_row(message))
        self._desk.keep(message, rows, stored=lambda: self.again(message, due_ms))

    def _refused(self, job: Job, rows: list[tuple[str, Row]], answer: Outcome, now_ms: int) -> None:
        """Refused for good here: the next route, when no part of it went out; otherwise the end."""
        message, desk = job.message, self._desk
        if any(state[0] != Status.WAITING for state in message.part_states):
            self._end(message, rows, Status.UNDELIVERABLE, Err.PARTS_MISSING, now_ms)
            return
        carrier = desk.snapshots.current.carriers.get(message.carrier_id)
        if carrier is None or "refused" in carrier.settings.failover:
            routes = self._dispatch.find_routes(message, now_ms)
            if routes and now_ms < message.expires_ms:
                why = f"refused by carrier {message.carrier_id} with code {answer.code:#x}"
                rows.extend(reroute_rows(desk, message, routes[0], why, now_ms))
                rows.append(("queue.later", (message.carrier_id, now_ms, 0, 0, message.int_id)))
                desk.keep(message, rows, stored=lambda: self.again(message, now_ms))
                return
        err = answer.err or Err.REFUSED
        self._end(message, rows, status_of(err), err, now_ms)

    def _end(self, message: Message, rows: list[tuple[str, Row]], status: int, err: int, now_ms: int) -> None:
        message.started_ms = 0
        amount, more = end_rows(self._desk, message, status, err, now_ms)
        rows.extend(more)
        rows.append(("queue.remove", (message.int_id,)))
        self._finish(message, rows, amount)

    def _finish(self, message: Message, rows: list[tuple[str, Row]], amount: int = 0) -> None:
        self._desk.keep(message, rows, amount, lambda: self._ended(message))

    def _ended(self, message: Message) -> None:
        self._desk.note(message)
        self.over(message)


def part_row(message: Message, part: int, answer: Outcome) -> tuple[str, Row]:
    """The row of one part's answer. Its own status is filled by its receipt."""
    status = message.part_states[part - 1][0]
    return (
        "parts.add",
        (
            message.int_id,
            message.tries,
            part,
            message.carrier_id,
            answer.ref,
            answer.link,
            answer.sent_ms,
            answer.answered_ms,
            answer.what.value,
            answer.code,
            status,
            answer.err,
        ),
    )


def _nothing(message: Message) -> None:
    """No dispatcher yet."""


def _nobody(message: Message, due_ms: int) -> None:
    """No dispatcher yet."""


def _no_join(message: Message, part: int, ref: str, since_ms: int) -> None:
    """No receipts yet."""


def _no_doubt(message: Message, now_ms: int) -> None:
    """No receipts yet."""
