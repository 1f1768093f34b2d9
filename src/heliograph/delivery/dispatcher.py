"""The loop that empties the queue: what is due, the start mark, the carrier, the outcome (design section 6, flow B).

Fresh texts come from memory; the table is read at start, when memory runs dry, and when a later time comes. A claim
takes from the first lane first.
"""

import asyncio
import logging
from collections.abc import Callable

from heliograph.core.carriers import Carrier
from heliograph.core.messages import Message, decode_extra
from heliograph.core.status import Err, Status
from heliograph.delivery.carriers.contract import CarrierLinks, Inbound, Outcome, Receipt, Settle, Unit
from heliograph.delivery.detours import SIFTS, Detours
from heliograph.delivery.line import FAR_MS, LANES, PAGE, Line, is_waiting
from heliograph.services.attempts import Attempts, Job, missing_of
from heliograph.services.births import may_be_kept
from heliograph.services.dispatch import Dispatch
from heliograph.services.inbound import Incoming
from heliograph.services.receipts import Receipts
from heliograph.services.snapshot import Snapshot

log = logging.getLogger(__name__)

MOST_IN_LANE = 20_000  # messages of a carrier and lane in memory; the rest waits in the table
MOST_CLAIMED = 500  # start marks a carrier may have under way
TICK_S = 0.5
Make = Callable[[Carrier, "Dispatcher"], CarrierLinks]


class Dispatcher:
    """Owns the carriers; belongs to the event loop."""

    def __init__(
        self,
        dispatch: Dispatch,
        attempts: Attempts,
        receipts: Receipts,
        incoming: Incoming,
        make: Make,
        clock_ms: Callable[[], int],
        most_in_lane: int = MOST_IN_LANE,
    ) -> None:
        self._dispatch = dispatch
        self._attempts = attempts
        self._receipts = receipts
        self._incoming = incoming
        self._make = make
        self._clock_ms = clock_ms
        self._most_in_lane = most_in_lane
        self.lines: dict[int, Line] = {}
        self._jobs: dict[int, Job] = {}
        # Messages in memory or under way, with the carrier and lane they were taken for.
        self._held: dict[int, tuple[Line, int]] = {}
        self._pumping: set[int] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopping = False
        self.sent = 0
        self.ticked_ms = 0  # when the clock below last went round
        # Told of each text that leaves for its carrier, and when.
        self.handed: Callable[[Message, int], None] = _nobody
        self.detours = Detours(dispatch, self.lines, self._release, self._claim, self._rerouted)
        attempts.over = self._over
        attempts.again = self._again
        receipts.rerouted = self._rerouted

    # -- carriers ---------------------------------------------------------------
    async def publish(self, snapshot: Snapshot) -> None:
        """Start carriers that are new, stop those that are gone, start anew those whose settings changed."""
        wanted = {carrier.id: carrier for carrier in snapshot.carriers.values() if carrier.enabled}
        self.detours.switched_off = [id_ for id_ in snapshot.carriers if id_ not in wanted]
        for carrier_id in list(self.lines):
            if self.lines[carrier_id].links.carrier != wanted.get(carrier_id):
                await self._close(carrier_id)
        for carrier in wanted.values():
            if carrier.id not in self.lines and not self._stopping:
                try:
                    line = Line(self._make(carrier, self))
                except ValueError as error:
                    # One carrier that cannot be understood must not keep the others from their work.
                    log.error("carrier_refused", extra={"carrier": carrier.name, "reason": str(error)})
                    continue
                self.lines[carrier.id] = line
                await line.links.start()
                self._pump_soon(carrier.id)

    async def _close(self, carrier_id: int) -> None:
        line = self.lines[carrier_id]
        line.closing = True
        await self._settle(line, 5.0)
        # Their rows are still in the table; who serves them next reads them from there.
        for lane in line.lanes.values():
            for message in lane.drain():
                self._release(message)
        del self.lines[carrier_id]

    async def stop(self, grace_s: float) -> None:
        """Claim nothing more, wait for what is under way, unbind."""
        self._stopping = True
        await asyncio.gather(*(self._settle(line, grace_s) for line in self.lines.values()))
        for task in list(self._tasks):
            task.cancel()

    async def _settle(self, line: Line, grace_s: float) -> None:
        deadline = asyncio.get_running_loop().time() + grace_s
        while line.claimed and asyncio.get_running_loop().time() < deadline:  # noqa: ASYNC110 - a short end, once
            await asyncio.sleep(0.01)
        await line.links.stop(grace_s)

    # -- texts come in ------------------------------------------------------------
    def accepted(self, messages: list[Message]) -> None:
        """Texts that have just been committed."""
        now_ms = self._clock_ms()
        for message in messages:
            self._take(message, message.send_ms, now_ms)

    def reserve(self, message: Message, now_ms: int) -> bool:
        """Keep room for a text that is about to be stored: it may leave with that commit. No text may overtake others
        of its lane, so there is room only where none waits."""
        line = self.lines.get(message.carrier_id)
        if line is None or line.closing or self._stopping or message.send_ms > now_ms:
            return False
        number = message.lane
        if line.more[number] or number in line.reading or line.lanes[1] or (number > 1 and line.lanes[number]):
            return False
        if line.claimed >= MOST_CLAIMED or line.links.room(number) - line.claimed_parts < message.parts:
            return False
        line.claimed += 1
        line.claimed_parts += message.parts
        message.started_ms = now_ms
        self._hold(line, message)
        return True

    def begin(self, message: Message, error: Exception | None) -> None:
        """A text with room of its own is on disk, started, and leaves; or it could not be stored."""
        line, lane = self._held[message.int_id]
        if error is None:
            message.tries += 1
            self._started(line, message, None)
            return
        line.claimed -= 1
        line.claimed_parts -= message.parts
        self._release(message)
        if may_be_kept(error):
            # It may be on disk with its mark, and has not left.
            self._dispatch.unmark(message, self._clock_ms(), lambda: self.wake(message.carrier_id, lane))

    def activated(self, carriers: set[int]) -> None:
        """A large request is in the table."""
        for carrier_id in carriers:
            self.wake(carrier_id, 3)

    def wake(self, carrier_id: int, lane: int) -> None:
        """Rows of this carrier and lane were added to the table."""
        line = self.lines.get(carrier_id)
        if line is not None:
            line.more[lane] = True
            self._pump_soon(carrier_id)

    def _take(self, message: Message, due_ms: int, now_ms: int) -> None:
        """Hold a text in memory when it is due and there is room; otherwise remember when to look."""
        line = self.lines.get(message.carrier_id)
        if line is None or message.int_id in self._held:
            return
        if due_ms > now_ms:
            line.next_due[message.lane] = min(line.next_due[message.lane], due_ms)
            return
        lane = line.lanes[message.lane]
        # Behind rows that are only in the table a text waits in the table as well, so that order is kept.
        behind = message.lane == 3 and (line.more[3] or 3 in line.reading)
        if behind or len(lane) >= self._most_in_lane:
            line.more[message.lane] = True
        else:
            self._hold(line, message)
            lane.push(message)
        self._pump_soon(message.carrier_id)

    def _hold(self, line: Line, message: Message) -> None:
        self._held[message.int_id] = (line, message.lane)
        line.held[message.lane] += 1
        message.pending += 1  # stays in memory

    def _release(self, message: Message) -> None:
        found = self._held.pop(message.int_id, None)
        if found is not None:
            line, lane = found
            line.held[lane] -= 1
            message.pending -= 1
            if lane in line.reading:
                line.reading[lane].add(message.int_id)

    # -- pumping --------------------------------------------------------------------
    def _pump_soon(self, carrier_id: int) -> None:
        if carrier_id not in self._pumping:
            self._pumping.add(carrier_id)
            asyncio.get_running_loop().call_soon(self._pump, carrier_id)

    def _pump(self, carrier_id: int) -> None:
        """Claim as much as the carrier has room for, first lane first."""
        self._pumping.discard(carrier_id)
        line = self.lines.get(carrier_id)
        if line is None or self._stopping or line.closing:
            return
        now_ms = self._clock_ms()
        for number in LANES:
            lane = line.lanes[number]
            room = line.links.room(number) - line.claimed_parts if len(lane) else 0
            while room > 0 and line.claimed < MOST_CLAIMED:
                message = lane.pop()
                if message is None:
                    break
                room -= self._claim(line, message, now_ms)
            if line.more[number] and len(lane) < self._most_in_lane // 10 and number not in line.reading:
                self._read(carrier_id, line, number)

    def _claim(self, line: Line, message: Message, now_ms: int) -> int:
        """Commit the start mark of one text; how many parts it will take."""
        if message.status != Status.WAITING:  # deleted or ended while it waited
            self._release(message)
            return 0
        if message.expires_ms <= now_ms:
            self._dispatch.end(message, Status.EXPIRED, Err.NONE, now_ms)
            self._release(message)
            return 0
        line.claimed += 1
        line.claimed_parts += message.parts
        message.tries += 1
        self._dispatch.start(message, now_ms, lambda message, error: self._started(line, message, error))
        return message.parts

    def _started(self, line: Line, message: Message, error: Exception | None) -> None:
        """The start mark is on disk: the text may leave."""
        line.claimed -= 1
        line.claimed_parts -= message.parts
        if error is not None or line.closing or self._stopping:
            message.tries -= 1
            message.started_ms = 0
            if error is not None and not line.closing:
                line.lanes[message.lane].push_front(message)
                return
            if error is None:
                # Marked but never written: take the mark off, so that nobody takes it for unsure.
                self._dispatch.unmark(message, self._clock_ms())
            self._release(message)
            return
        self._pump_soon(message.carrier_id)
        missing = missing_of(message)
        self._jobs[message.int_id] = Job(message, missing)
        self.sent += 1
        self.handed(message, self._clock_ms())
        line.links.send(unit_of(message, missing))

    # -- the table --------------------------------------------------------------------
    def _read(self, carrier_id: int, line: Line, lane: int) -> None:
        line.reading[lane] = set()
        task = asyncio.get_running_loop().create_task(self._read_due(carrier_id, line, lane))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _read_due(self, carrier_id: int, line: Line, lane: int) -> None:
        """Take a page of due rows that memory does not hold."""
        try:
            line.more[lane] = False
            limit = line.held[lane] + PAGE
            now_ms = self._clock_ms()
            messages = await self._dispatch.read_due(carrier_id, lane, now_ms, limit)
            for message in messages:
                taken = message.int_id in self._held or message.int_id in line.reading[lane]
                if not taken and is_waiting(message, carrier_id):
                    self._hold(line, message)
                    line.lanes[lane].push(message)
            if len(messages) >= limit:
                line.more[lane] = True
            else:
                due_ms = await self._dispatch.next_due(carrier_id, lane, now_ms)
                if due_ms is not None:
                    line.next_due[lane] = min(line.next_due[lane], due_ms)
        except Exception:
            log.exception("queue_read_failed")
            line.more[lane] = True
            await asyncio.sleep(1.0)
        finally:
            del line.reading[lane]
            self._pump_soon(carrier_id)

    async def run(self) -> None:
        """The clock of the loop: later times that have come, carriers that are down, waits that are over."""
        ticks = 0
        while not self._stopping:
            self.ticked_ms = self._clock_ms()
            await asyncio.sleep(TICK_S)
            now_ms = self._clock_ms()
            for carrier_id, line in list(self.lines.items()):
                for lane in LANES:
                    if line.next_due[lane] <= now_ms:
                        line.next_due[lane] = FAR_MS
                        line.more[lane] = True
                self._pump_soon(carrier_id)
            for _ in range(SIFTS):
                for line in list(self.lines.values()):
                    self.detours.sift(line, now_ms)
                await asyncio.sleep(0)
            ticks += 1
            if ticks % 10 == 0:
                try:
                    await self._dispatch.end_waits(now_ms)
                    await self.detours.move_on(now_ms)
                except Exception:
                    log.exception("end_waits_failed")

    # -- what carriers tell (delivery/carriers/contract.py, Listener) ---------------------
    def answered(self, carrier_id: int, int_id: int, part: int, total: int, outcome: Outcome) -> None:
        """One part of a text ended at a carrier."""
        job = self._jobs.get(int_id)
        if job is None:
            log.error("answer_without_job", extra={"carrier_id": carrier_id, "int_id": int_id})
            return
        asked = len(job.missing) if job.missing else total
        if len(job.answers) + 1 >= asked:
            del self._jobs[int_id]
        self._attempts.record(job, part, total, outcome, self._clock_ms())
        self._pump_soon(carrier_id)

    def receipt(self, carrier_id: int, receipt: Receipt, settle: Settle) -> None:
        """A delivery receipt came."""
        self._receipts.record(carrier_id, receipt, settle, self._clock_ms())

    def inbound(self, carrier_id: int, inbound: Inbound, settle: Settle) -> None:
        """A text from a subscriber came."""
        self._incoming.record(carrier_id, inbound, settle, self._clock_ms())

    def changed(self, carrier_id: int) -> None:
        """A link came up or went down, or room appeared."""
        self._pump_soon(carrier_id)

    # -- what the services tell -----------------------------------------------------------
    def _over(self, message: Message) -> None:
        self._release(message)

    def _again(self, message: Message, due_ms: int) -> None:
        """Once more, here or (the message says so) at another carrier."""
        self._release(message)
        self._take(message, due_ms, self._clock_ms())

    def _rerouted(self, message: Message) -> None:
        now_ms = self._clock_ms()
        self._take(message, now_ms, now_ms)

    # -- figures ----------------------------------------------------------------------------
    def depth(self) -> dict[tuple[str, int], int]:
        """Texts in memory by carrier and lane."""
        return {
            (line.links.carrier.name, lane): len(waiting)
            for line in self.lines.values()
            for lane, waiting in line.lanes.items()
        }

    @property
    def in_flight(self) -> int:
        """Texts that carriers have not answered."""
        return len(self._jobs)


def unit_of(message: Message, missing: tuple[int, ...]) -> Unit:
    """A message as a carrier gets it."""
    pid = dcs = None
    text = message.text
    if message.extra:
        extra = decode_extra(message.extra)
        pid, dcs, text = extra.pid, extra.dcs, extra.code or text
    return Unit(
        int_id=message.int_id,
        phone=message.phone,
        sender=message.sender,
        text=text,
        kind=message.kind,
        lane=message.lane,
        send_ms=message.send_ms,
        expires_ms=message.expires_ms,
        pid=pid,
        dcs=dcs,
        missing=missing,
    )


def _nobody(message: Message, now_ms: int) -> None:
    """Nobody measures."""
