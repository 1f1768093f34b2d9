"""What carriers answered: one transaction holds the attempt, the status, the queue row gone or moved on, and the refund (design section 6B)."""

import logging
from collections.abc import Callable
from typing import Protocol

import msgspec

from heliograph.core.messages import Message
from heliograph.core.status import Err, Status
from heliograph.services.desk import Desk, Row, move_row
from heliograph.services.dispatch import Dispatch, end_rows, event_row, reroute_rows

log = logging.getLogger(__name__)


class Answer(Protocol):
    """The outcome of one part, as a carrier tells it (delivery/carriers/contract.py)."""

    @property
    def what(self) -> str: ...  # accepted, later, refused, unsure
    @property
    def ref(self) -> str: ...
    @property
    def code(self) -> int: ...
    @property
    def err(self) -> int: ...
    @property
    def retry_ms(self) -> int: ...
    @property
    def link(self) -> str: ...
    @property
    def sent_ms(self) -> int: ...
    @property
    def answered_ms(self) -> int: ...


class Job(msgspec.Struct):
    """One message at a carrier: which parts were asked for, and what came back."""

    message: Message
    missing: tuple[int, ...] = ()
    total: int = 0
    answers: dict[int, Answer] = msgspec.field(default_factory=dict)


Joined = Callable[[Message, int, str], None]


class Attempts:
    """Records the outcomes. ``over(message)`` tells the dispatcher that it is done with a message, ``again(message,
    due_ms, missing)`` that it goes once more."""

    def __init__(self, desk: Desk, dispatch: Dispatch) -> None:
        self._desk = desk
        self._dispatch = dispatch
        self.over: Callable[[Message], None] = _nothing
        self.again: Callable[[Message, int, tuple[int, ...]], None] = _nobody
        # Told of each new carrier's id: receipts that came before it are joined.
        self.learned: Joined = _no_join
        # Told of each text that has become unsure: its receipt may have come already.
        self.doubted: Callable[[Message, int], None] = _no_doubt

    def record(self, job: Job, part: int, total: int, answer: Answer, now_ms: int) -> None:
        """Take the outcome of one part; the last one of a try decides what becomes of the message."""
        message = job.message
        if not job.total:
            job.total = total
            if len(message.part_states) != total:
                message.part_states = [(int(Status.WAITING), 0)] * total
        job.answers[part] = answer
        if answer.what == "accepted":
            if message.part_states[part - 1][0] == Status.WAITING:
                message.part_states[part - 1] = (Status.SENT, 0)
            if answer.ref:
                self._desk.learn_ref(message, part, answer.ref)
        rows = [part_row(message, part, answer)]
        asked = len(job.missing) if job.missing else total
        if len(job.answers) < asked:
            self._desk.add(message, rows, _ignore)
        else:
            self._decide(job, rows, now_ms)
        if answer.what == "accepted" and answer.ref:
            self.learned(message, part, answer.ref)

    def _decide(self, job: Job, rows: list[tuple[str, Row]], now_ms: int) -> None:
        """All asked parts are answered. Doubt weighs most, then refusal, then another try."""
        whats = {answer.what for answer in job.answers.values()}
        if whats == {"accepted"}:
            self._sent(job, rows, now_ms)
        elif "unsure" in whats:
            self._unsure(job, rows, now_ms)
        elif "refused" in whats:
            refused = next(answer for answer in job.answers.values() if answer.what == "refused")
            self._refused(job, rows, refused, now_ms)
        else:
            self._later(job, rows, now_ms)

    def _sent(self, job: Job, rows: list[tuple[str, Row]], now_ms: int) -> None:
        message = job.message
        message.started_ms = 0
        if message.status == Status.WAITING:
            message.status, message.err, message.changed_ms = Status.SENT, Err.NONE, now_ms
        rows.append(("queue.remove", (message.int_id,)))
        rows.append(move_row(message))
        self._finish(message, rows)

    def _unsure(self, job: Job, rows: list[tuple[str, Row]], now_ms: int) -> None:
        """Never answered: may be on a phone already. The carrier's settings say whether to wait or to send again."""
        message, desk = job.message, self._desk
        carrier = desk.snapshots.current.carriers.get(message.carrier_id)
        missing = tuple(part for part, answer in job.answers.items() if answer.what != "accepted")
        rows.append(event_row(desk, message, "unsure", "no answer from the carrier", now_ms))
        if carrier is not None and carrier.settings.unsure == "again":
            self._repeat(message, rows, now_ms, missing, now_ms)
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
        waits = [answer for answer in job.answers.values() if answer.what == "later"]
        carrier = self._desk.snapshots.current.carriers.get(message.carrier_id)
        retries = carrier.settings.retries if carrier else 0
        # Pauses of a link that went down before the part was written (retry 0, no code) do not count as tries.
        if all(answer.code == 0 for answer in waits):
            message.tries -= 1
        elif message.tries > retries * max(1, len(message.tried) + 1):
            self._refused(job, rows, waits[0], now_ms)
            return
        due_ms = now_ms + max(answer.retry_ms for answer in waits)
        if due_ms >= message.expires_ms:
            self._end(message, rows, Status.EXPIRED, waits[0].err, now_ms)
            return
        missing = tuple(part for part, answer in job.answers.items() if answer.what != "accepted")
        self._repeat(message, rows, due_ms, missing, now_ms)

    def _repeat(
        self, message: Message, rows: list[tuple[str, Row]], due_ms: int, missing: tuple[int, ...], now_ms: int
    ) -> None:
        message.started_ms = 0
        message.changed_ms = now_ms
        rows.append(("queue.later", (message.carrier_id, due_ms, 0, 0, message.int_id)))
        rows.append(move_row(message))
        self._desk.add(message, rows, lambda error: self._again(message, due_ms, missing, error))

    def _again(self, message: Message, due_ms: int, missing: tuple[int, ...], error: Exception | None) -> None:
        _ignore(error)
        self.again(message, due_ms, missing)

    def _refused(self, job: Job, rows: list[tuple[str, Row]], answer: Answer, now_ms: int) -> None:
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
                desk.add(message, rows, lambda error: self._again(message, now_ms, (), error))
                return
        self._end(message, rows, Status.UNDELIVERABLE, answer.err or Err.REFUSED, now_ms)

    def _end(self, message: Message, rows: list[tuple[str, Row]], status: int, err: int, now_ms: int) -> None:
        message.started_ms = 0
        amount, more = end_rows(self._desk, message, status, err, now_ms)
        rows.extend(more)
        rows.append(("queue.remove", (message.int_id,)))
        self._finish(message, rows, amount)

    def _finish(self, message: Message, rows: list[tuple[str, Row]], amount: int = 0) -> None:
        self._desk.add(message, rows, lambda error: self._ended(message, rows, amount, error), amount)

    def _ended(self, message: Message, rows: list[tuple[str, Row]], amount: int, error: Exception | None) -> None:
        if error is not None:
            # What the carrier said must not be lost because the disk is full: kept in memory and tried until it fits.
            log.error("outcome_not_stored", extra={"int_id": message.int_id, "error": str(error)})
            self._desk.later(1.0, lambda: self._finish(message, rows, amount))
            return
        self._desk.note(message)
        self.over(message)


def part_row(message: Message, part: int, answer: Answer) -> tuple[str, Row]:
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
            str(answer.what),
            answer.code,
            status,
            answer.err,
        ),
    )


def _ignore(error: Exception | None) -> None:
    if error is not None:
        log.error("outcome_not_stored", extra={"error": str(error)})


def _nothing(message: Message) -> None:
    """No dispatcher yet."""


def _nobody(message: Message, due_ms: int, missing: tuple[int, ...]) -> None:
    """No dispatcher yet."""


def _no_join(message: Message, part: int, ref: str) -> None:
    """No receipts yet."""


def _no_doubt(message: Message, now_ms: int) -> None:
    """No receipts yet."""
