"""Parts of long texts that customers send one by one: on disk before their answers, one text and one charge when all are there.

A customer with a window of one sends the second part only after the answer to the first, so parts are accepted before the
whole is; each has an id and a receipt of its own (spec protocols 5.3). The last part's id is that of the message.
"""

import logging
from collections.abc import Callable

import msgspec

from heliograph.core.pieces import Piece, Wishes
from heliograph.core.reasons import Refusal
from heliograph.core.status import REFUSALS, Err, Status
from heliograph.services.batch import Change
from heliograph.services.births import is_told_by_smpp
from heliograph.services.desk import Desk, Row
from heliograph.store.database import Step

log = logging.getLogger(__name__)

MOST = 20_000  # parts that wait, of all accounts: some 10 MB
MOST_OF_ACCOUNT = 5_000
PORTION = 500
DAY_MS = 86_400_000
REFUSED = -1

_Key = tuple[int, str, str, int, int]


class Group:
    """The parts of one text that have come, by number."""

    __slots__ = ("began_ms", "parts")

    def __init__(self, began_ms: int) -> None:
        self.began_ms = began_ms
        self.parts: dict[int, Piece] = {}

    def in_order(self) -> list[Piece]:
        """What has come, first part first."""
        return [self.parts[number] for number in sorted(self.parts)]


class Pieces:
    """Parts that wait for others. Belongs to the event loop."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._groups: dict[_Key, Group] = {}
        self._counts: dict[int, int] = {}
        self.waiting = 0
        self.most, self.most_of_account = MOST, MOST_OF_ACCOUNT

    async def open(self) -> None:
        """Take over what waited when the last run ended."""
        for int_id, account_id, received_ms, *place, data, wishes in await self._desk.db.all("pieces.waiting"):
            reference, total, number, source, destination = place
            piece = Piece(
                *(int_id, account_id, received_ms, reference, total, number, source, destination),
                bytes.fromhex(data),
                msgspec.json.decode(wishes, type=Wishes),
            )
            self._put(piece)

    def find(self, piece: Piece) -> Piece | None:
        """The same part when it is here already: a customer who had no answer has sent it again."""
        group = self._groups.get(piece.whole)
        return None if group is None else group.parts.get(piece.number)

    def has_room(self, account_id: int) -> bool:
        """Whether one more part may wait."""
        return self.waiting < self.most and self._counts.get(account_id, 0) < self.most_of_account

    def add(self, piece: Piece, done: Callable[[Exception | None], None]) -> None:
        """Store a part that is not the last; ``done`` is told when it is on disk. It counts as here at once."""
        self._put(piece)

        def stored(error: Exception | None) -> None:
            if error is not None:
                self._forget(piece)
            done(error)

        # First: the change that makes a text of it may be among the first, too, and must come behind.
        self._desk.batch.add(Change([("pieces.add", _row(piece))], stored, first=True))

    def touch(self, piece: Piece, now_ms: int, done: Callable[[Exception | None], None]) -> None:
        """A part that is here has come once more: ``done`` is told when it is on disk for certain."""
        self._desk.batch.add(Change([("pieces.touch", (now_ms, piece.int_id))], done, first=True))

    def complete(self, piece: Piece) -> list[Piece]:
        """All parts in their order if this is the last that was missing; else none. They are no longer waiting."""
        group = self._groups.get(piece.whole)
        held = 0 if group is None else len(group.parts)
        if held + 1 < piece.total or (group is not None and piece.number in group.parts):
            return []
        if group is None:
            return [piece]
        self._drop(piece.whole, group)
        group.parts[piece.number] = piece
        return group.in_order()

    def take(self, piece: Piece) -> list[Piece]:
        """All that has come of the text to which a part belongs; they are no longer waiting."""
        group = self._groups.get(piece.whole)
        if group is None:
            return []
        self._drop(piece.whole, group)
        return group.in_order()

    def take_late(self, before_ms: int) -> list[list[Piece]]:
        """Texts that began before a moment and have not become whole; they are no longer waiting."""
        late = [(key, group) for key, group in self._groups.items() if group.began_ms < before_ms]
        for key, group in late:
            self._drop(key, group)
        return [group.in_order() for _, group in late]

    def give_back(self, pieces: list[Piece]) -> None:
        """The store could not take the whole now: they wait again, and the customer brings the last part once more."""
        for piece in pieces:
            self._put(piece)

    def refuse(self, pieces: list[Piece], refusal: Refusal, now_ms: int) -> None:
        """Parts that were accepted and will not go out after all: receipts say so where they were asked for."""
        status, err = REFUSALS.get(refusal.reason, (Status.UNDELIVERABLE, Err.PARTS_MISSING))
        rows: list[tuple[str, Row]] = []
        for piece in pieces:
            rows.append(("pieces.join", (REFUSED, piece.int_id)))
            if is_told_by_smpp(piece.wishes.flags, status):
                event = self._desk.take_event(now_ms)
                rows.append(("deliveries.add", (event, piece.int_id, piece.account_id, int(status), int(err), now_ms)))
        if rows:
            self._write(rows)

    def _write(self, rows: list[tuple[str, Row]]) -> None:
        def done(error: Exception | None) -> None:
            if error is not None:
                log.error("pieces_not_stored", extra={"error": str(error)})
                self._desk.later(1.0, lambda: self._write(rows))

        self._desk.batch.add(Change(rows, done, first=True))

    def _put(self, piece: Piece) -> None:
        group = self._groups.get(piece.whole)
        if group is None:
            group = self._groups[piece.whole] = Group(piece.received_ms)
        group.parts[piece.number] = piece
        self.waiting += 1
        self._counts[piece.account_id] = self._counts.get(piece.account_id, 0) + 1

    def _forget(self, piece: Piece) -> None:
        group = self._groups.get(piece.whole)
        if group is not None and group.parts.get(piece.number) is piece:
            del group.parts[piece.number]
            self._count_out(piece.account_id, 1)
            if not group.parts:
                del self._groups[piece.whole]

    def _drop(self, key: _Key, group: Group) -> None:
        del self._groups[key]
        self._count_out(key[0], len(group.parts))

    def _count_out(self, account_id: int, count: int) -> None:
        self.waiting -= count
        left = self._counts[account_id] - count
        if left:
            self._counts[account_id] = left
        else:
            del self._counts[account_id]

    async def expire(self, now_ms: int) -> None:
        """Forget what became of parts a week ago, when nothing refers to them any more."""
        await self._desk.db.transact([Step("pieces.expire", [(now_ms - 7 * DAY_MS, PORTION)])])


def _row(piece: Piece) -> Row:
    wishes = msgspec.json.encode(piece.wishes).decode()
    return (
        *(piece.int_id, piece.account_id, piece.received_ms, piece.reference, piece.total, piece.number),
        *(piece.source, piece.destination, piece.data.hex(), wishes),
    )
