"""News for one customer on his way to him: any of his receiving sessions in turn, one in flight per message, nothing lost
(design section 6, flow D).

A row leaves the table when its deliver_sm was acknowledged. What finds no session or no room in memory waits in the table
and is read from it, so a customer who is away, or does not read, costs no memory.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any

from heliograph.gateways.smpp_receipts import (
    drop_own_fields,
    write_incoming,
    write_part_receipts,
    write_piece_receipt,
    write_receipt,
)
from heliograph.services.deliveries import Deliveries, Delivery
from heliograph.wire.smpp import statuses
from heliograph.wire.smpp.pdus import Pdu, PduError
from heliograph.wire.smpp.session import Session

log = logging.getLogger(__name__)

MOST = 2_000  # rows in memory for a customer: some 0.6 MB
FIRST_PAUSE_S, LONGEST_PAUSE_S = 5.0, 300.0
# The customer has it and will never want it: as good as told. Anything else may be cured by another try.
NEVER = frozenset((statuses.ESME_RX_P_APPN, statuses.ESME_RX_R_APPN))
Spawn = Callable[[Coroutine[Any, Any, None]], None]


class Letter:
    """One piece of news with its PDUs, sent one after the other; a repeat is the same octets."""

    __slots__ = ("delivery", "pdus", "sent")

    def __init__(self, delivery: Delivery, pdus: list[Pdu]) -> None:
        self.delivery = delivery
        self.pdus = pdus
        self.sent = 0


def pause_after(tries: int, first_s: float = FIRST_PAUSE_S) -> float:
    """Seconds before the next try after so many."""
    return min(first_s * float(2 ** min(tries - 1, 10)), LONGEST_PAUSE_S)


class Outbox:
    """What one customer is to be told. Belongs to the event loop."""

    def __init__(self, account_id: int, deliveries: Deliveries, spawn: Spawn, clock_ms: Callable[[], int]) -> None:
        self.account_id = account_id
        self.sessions: list[Session] = []
        self.most = MOST
        self.bare = False  # receipts without the fields beyond the standard
        self.ids = False  # incoming texts with theirs
        self.first_pause_s = FIRST_PAUSE_S
        self._deliveries = deliveries
        self._spawn = spawn
        self._clock_ms = clock_ms
        self._turn = 0
        self._waiting: deque[Delivery] = deque()
        self._ready: deque[Letter] = deque()
        self._busy: dict[int, deque[Delivery]] = {}  # messages of which something is under way, and what is behind it
        self._held: dict[int, Delivery] = {}  # events in memory: those above and those under way
        self._recording: set[int] = set()  # acknowledged, and still in the table
        self._gone: set[int] = set()  # those that left it while a page was being read
        self._behind = True  # the table has more than memory
        self._again = False
        self._reading = False
        self._pumping = False

    @property
    def held(self) -> int:
        """Rows in memory."""
        return len(self._held)

    @property
    def is_idle(self) -> bool:
        """Whether nothing is known here that the table does not say."""
        return not self.sessions and not self._recording

    def open(self, session: Session) -> None:
        """A session is bound to receive: what waits in the table is read."""
        self.sessions.append(session)
        self._behind = True
        self.pump_soon()

    def close(self, session: Session) -> None:
        """A session is gone; with the last one memory is emptied, for the table has it all."""
        if session not in self.sessions:
            return
        self.sessions.remove(session)
        if self.sessions:
            self.pump_soon()
            return
        self._waiting.clear()
        self._ready.clear()
        self._busy.clear()
        self._held.clear()
        self._behind = True

    def take(self, delivery: Delivery) -> None:
        """News that has just been committed."""
        if not self.sessions:
            return
        if self._behind or len(self._held) >= self.most:
            self._behind = self._again = True
        else:
            self._put(delivery)
        self.pump_soon()

    def _put(self, delivery: Delivery) -> None:
        self._held[delivery.id] = delivery
        self._waiting.append(delivery)

    def pump_soon(self) -> None:
        """Hand over in this turn of the loop, once."""
        if not self._pumping:
            self._pumping = True
            asyncio.get_running_loop().call_soon(self._pump)

    def _pump(self) -> None:
        self._pumping = False
        session = self._choose()
        while session is not None and self._ready:
            self._send(session, self._ready.popleft())
            session = self._choose()
        while session is not None and self._waiting:
            delivery = self._waiting.popleft()
            behind = self._busy.get(delivery.int_id)
            if behind is not None:
                behind.append(delivery)
                continue
            self._busy[delivery.int_id] = deque()
            message = self._deliveries.find(delivery)
            if message is None:
                self._spawn(self._fetch(delivery, session))
            else:
                pdu = write_receipt(message, delivery.int_id, delivery.status, delivery.err, delivery.at_ms)
                self._send(session, Letter(delivery, [pdu]))
            session = self._choose()
        if self._behind and self.sessions and not self._reading and len(self._held) <= self.most // 2:
            self._reading = True
            self._spawn(self._read())

    def _choose(self) -> Session | None:
        """The next session that has room, in turn; the turn passes on with what is sent."""
        sessions = self.sessions
        count = len(sessions)
        for step in range(count):
            place = (self._turn + step) % count
            if sessions[place].room > 0:
                self._turn = place
                return sessions[place]
        return None

    # -- one piece of news ---------------------------------------------------------
    async def _fetch(self, delivery: Delivery, session: Session) -> None:
        """The PDUs of news for which the store must be asked."""
        try:
            pdus = await self._write(delivery, session)
        except Exception:
            log.exception("delivery_fetch_failed")
            self._later(Letter(delivery, []))
            return
        if self._held.get(delivery.id) is not delivery:
            return  # the last session is gone
        if pdus:
            self._ready.append(Letter(delivery, pdus))
            self.pump_soon()
        else:
            self._finish(delivery, "not told: what it is about is gone")

    async def _write(self, delivery: Delivery, session: Session) -> list[Pdu]:
        status, err, at_ms = delivery.status, delivery.err, delivery.at_ms
        if delivery.int_id < 0:
            incoming = await self._deliveries.fetch_incoming(delivery)
            return [] if incoming is None else [write_incoming(incoming, bool(session.context.latin1), self.ids)]
        found = await self._deliveries.fetch(delivery)
        if found is not None:
            message, ids = found
            if len(ids) == 1 and ids[0] == message.int_id:
                return [write_receipt(message, ids[0], status, err, at_ms)]
            return write_part_receipts(message, ids, status, err, at_ms)
        piece = await self._deliveries.fetch_piece(delivery)
        return [] if piece is None else [write_piece_receipt(piece, status, err, at_ms)]

    def _send(self, session: Session, letter: Letter) -> None:
        if not letter.pdus:  # the store was away when it was to be read
            self._spawn(self._fetch(letter.delivery, session))
            return
        if self.bare:
            drop_own_fields(letter.pdus[letter.sent])
        try:
            sent = session.request(letter.pdus[letter.sent], self._answered, letter)
        except PduError as error:
            log.error("delivery_unfit", extra={"event": letter.delivery.id, "error": error.reason})
            self._finish(letter.delivery, f"not told: {error.reason}")
            return
        if sent:
            self._turn += 1
        else:
            self._ready.appendleft(letter)

    def _answered(self, answer: Pdu | None, letter: Letter) -> None:
        delivery = letter.delivery
        if self._held.get(delivery.id) is not delivery:
            return  # it is in the table, and nobody is bound
        if answer is None:
            self._deliveries.unanswered += 1
            self._ready.appendleft(letter)
            self.pump_soon()
        elif answer.status == statuses.ESME_ROK:
            letter.sent += 1
            if letter.sent < len(letter.pdus):
                self._ready.append(letter)
                self.pump_soon()
            else:
                self._deliveries.acknowledged += 1
                self._finish(delivery, "acknowledged")
        elif answer.status in NEVER:
            self._deliveries.refused += 1
            self._finish(delivery, f"refused with {statuses.name(answer.status)}")
        else:
            self._deliveries.put_off += 1
            self._later(letter)

    def _later(self, letter: Letter) -> None:
        """The customer, or the store, cannot take it now."""
        letter.delivery.tries += 1
        pause_s = pause_after(letter.delivery.tries, self.first_pause_s)
        asyncio.get_running_loop().call_later(pause_s, self._go_on, letter)

    def _go_on(self, letter: Letter) -> None:
        if self._held.get(letter.delivery.id) is letter.delivery:
            self._ready.append(letter)
            self.pump_soon()

    def _finish(self, delivery: Delivery, detail: str) -> None:
        id_ = delivery.id
        self._recording.add(id_)
        self._held.pop(id_, None)
        behind = self._busy.pop(delivery.int_id, None)
        if behind:
            self._waiting.extendleft(reversed(behind))
        self._deliveries.record(delivery, detail, self._clock_ms(), lambda: self._stored(id_))
        self.pump_soon()

    def _stored(self, id_: int) -> None:
        self._recording.discard(id_)
        if self._reading:
            self._gone.add(id_)

    # -- the table ------------------------------------------------------------------
    async def _read(self) -> None:
        """Take from the table, oldest first, what memory does not hold."""
        try:
            self._gone.clear()
            self._again = False
            # What memory holds stands in the table, too, before what is new.
            limit = len(self._held) + len(self._recording) + self.most
            rows = await self._deliveries.read(self.account_id, 0, limit)
            taken = 0
            for delivery in rows:
                known = delivery.id in self._held or delivery.id in self._recording or delivery.id in self._gone
                if known or not self.sessions:
                    continue
                if len(self._held) >= self.most:
                    self._again = True
                    break
                self._put(delivery)
                taken += 1
            if len(rows) < limit and not self._again:
                self._behind = False
        except Exception:
            log.exception("deliveries_not_read")
            await asyncio.sleep(1.0)
        finally:
            self._reading = False
            self._gone.clear()
            self.pump_soon()
