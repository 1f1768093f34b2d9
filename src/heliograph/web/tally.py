"""What is counted as texts pass: how long the steps took, how many were stored and how they ended (docs/metrics.md)."""

from collections.abc import Callable, Sequence
from typing import Any

from heliograph.core.messages import Flag, Message
from heliograph.core.status import Status, is_final
from heliograph.web.buckets import Buckets

COMMIT_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
ACCEPT_MS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000)
WAIT_MS = (5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 60_000, 300_000, 3_600_000, 86_400_000)
DELIVERY_MS = (
    100,
    500,
    1000,
    2000,
    5000,
    10_000,
    20_000,
    60_000,
    300_000,
    1_800_000,
    3_600_000,
    21_600_000,
    86_400_000,
)
RECENT = 10_000  # texts that ended lately, so that a repeated receipt is not counted twice
LANES = (1, 2, 3)
DELIVERED = int(Status.DELIVERED)
TEST = int(Flag.TEST)


class Tally:
    """Fed by the rooms, read by the metrics page; ``note_commit`` is told of each commit besides."""

    def __init__(self, note_commit: Callable[[], None]) -> None:
        self._note_commit = note_commit
        self.commit = Buckets(COMMIT_S)
        self.accept = Buckets(ACCEPT_MS)
        self.waits = {lane: Buckets(WAIT_MS) for lane in LANES}
        self.delivery = Buckets(DELIVERY_MS)
        self.stored = 0
        self.finished: dict[int, int] = {}
        self._ended: set[int] = set()
        self._ended_before: set[int] = set()

    def note_commit(self, seconds: float) -> None:
        """A batch is on disk."""
        self.commit.observe(seconds)
        self._note_commit()

    def note_stored(self, rows: Sequence[Any]) -> None:
        """Rows of new texts are on disk."""
        self.stored += len(rows)

    def note_accepted(self, messages: list[Message], now_ms: int) -> None:
        """The texts of one request are on disk."""
        if messages:
            self.accept.observe(now_ms - messages[0].created_ms)

    def note_handed(self, message: Message, now_ms: int) -> None:
        """A text goes to a carrier; only its first time tells how long it has waited."""
        if message.tries <= 1:
            self.waits[message.lane].observe(now_ms - _asked_ms(message))

    def note_moved(self, message: Message) -> None:
        """A text has another status (services/desk.py, note)."""
        status = message.status
        if not is_final(status) or message.int_id in self._ended or message.int_id in self._ended_before:
            return
        if len(self._ended) >= RECENT:
            self._ended_before, self._ended = self._ended, set()
        self._ended.add(message.int_id)
        self.finished[status] = self.finished.get(status, 0) + 1
        if status == DELIVERED and not message.flags & TEST:
            self.delivery.observe(message.changed_ms - _asked_ms(message))


def _asked_ms(message: Message) -> int:
    """When a text should have gone at the earliest."""
    return message.send_ms if message.send_ms > message.created_ms else message.created_ms
