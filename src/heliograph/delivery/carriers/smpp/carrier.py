"""A carrier over SMPP: parts out and answers in within its windows and speed, receipts and texts in (SMPP 3.4)."""

import asyncio
import logging
import random
import ssl
from collections.abc import Callable

from heliograph.core.carriers import Carrier
from heliograph.core.status import Err
from heliograph.delivery.carriers.contract import Listener, Outcome, Unit, What
from heliograph.delivery.carriers.smpp.answers import TEMPORARY_MS, judge, read_errors
from heliograph.delivery.carriers.smpp.connection import Connection, Login, Part
from heliograph.delivery.carriers.smpp.incoming import Incoming
from heliograph.delivery.carriers.smpp.links import Links
from heliograph.delivery.carriers.smpp.pacing import UNLIMITED, Pace
from heliograph.delivery.carriers.smpp.parts import Composer, UnfitError
from heliograph.wire.smpp import statuses, tables
from heliograph.wire.smpp.pdus import Pdu, PduError
from heliograph.wire.smpp.session import Session

log = logging.getLogger("heliograph.carrier")

_FIRST_LANE = 1
# Waking up more often than this for the next token gains nothing: `Pace` keeps 50 ms of them.
_NAP_MS = 5
# Share of a new round trip in the average.
_RTT_SHARE = 0.05
_ACCEPTED = What.ACCEPTED
_ANSWER = tables.SUBMIT_SM_RESP


class SmppCarrier:
    """The links of an SMPP carrier, as `contract.CarrierLinks` has it.

    A unit may have more parts than `room` tells: those that find no slot or are ahead of the rate wait here and go
    in turn. ``chance`` (0 to 1) spreads the pauses before binding again. Raises ValueError for settings that cannot
    be read (alphabets, errors).
    """

    def __init__(
        self,
        carrier: Carrier,
        listener: Listener,
        clock_ms: Callable[[], int],
        ssl_context: ssl.SSLContext | None = None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        settings = carrier.settings
        self.carrier = carrier
        self._id = carrier.id
        self._listener = listener
        self._clock_ms = clock_ms
        self._composer = Composer(settings)
        self._errors = read_errors(settings.errors)
        # What the connections tell of requests of the peer.
        self.received = Incoming(carrier, listener, self._errors, clock_ms).received
        self._pace = Pace(settings.rate, clock_ms())
        self._links = Links(self, Login(carrier.name, settings, carrier.password, ssl_context), clock_ms, chance)
        self._senders = self._links.senders
        self._down_since_ms = clock_ms()
        self._stopping = False
        self._idle: asyncio.Event | None = None
        self._wanted = False
        self._announcing = False
        self._timer: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._rtt_ms = 0.0
        self._submitted = 0
        self._throttled = 0
        # Of the round of answers that is under way: how many, their round trips together, refusals for speed, and
        # whether texts met full windows.
        self._answers = 0
        self._waited_ms = 0
        self._refused = 0
        self._short = False
        self._ahead = settings.ahead
        self._measure()

    # What the dispatcher asks

    @property
    def up(self) -> bool:
        """Whether at least one link can send."""
        return self._links.bound > 0

    @property
    def down_since_ms(self) -> int:
        """When the last link was lost (or the carrier was made); 0 while one is up."""
        return self._down_since_ms

    def room(self, lane: int) -> int:
        """Parts that may be handed over now. Where it is 0, `changed` tells when it no longer is."""
        free = 0
        if not self._stopping:
            window = (self._window if lane <= _FIRST_LANE else self._bulk) + self._ahead
            slots = waiting = 0
            for link in self._senders:
                session = link.session
                if session is not None and session.is_bound and session.can_write:
                    slots += window
                    queued = len(link.first) + len(link.waiting)
                    waiting += queued
                    spare = window - link.in_flight - queued
                    if spare > 0:
                        free += spare
            if free * 2 <= slots:
                self._short = True
            if free and not self._pace.is_free:
                free = min(free, self._pace.room(self._clock_ms()) - waiting)
        if free > 0:
            return free
        self._wanted = True
        if self._links.bound:
            self._arm(self._clock_ms())
        return 0

    def send(self, unit: Unit) -> None:
        """Write the unit's parts, all over the link with the least to do; the answers come to the listener."""
        now = self._clock_ms()
        try:
            pdus = self._composer.compose(unit, now)
        except UnfitError as error:
            refused = Outcome(What.REFUSED, "", error.code, error.err, 0, "", now, now)
            for number in unit.missing or (1,):  # how many parts there would be is not known
                self._tell(unit.int_id, number, max(unit.missing, default=1), refused)
            return
        link = None if self._stopping else self._choose()
        total = len(pdus)
        first = unit.lane <= _FIRST_LANE
        if total == 1 and not unit.missing and link is not None:
            self._hand(Part(link, unit.int_id, 1, 1, pdus[0], now), first, now)
            return
        for number in unit.missing or range(1, total + 1):
            if not 1 <= number <= total:
                # Split in another way than the parts that went before: the rest can never be joined to them.
                gone = Outcome(What.REFUSED, "", 0, Err.PARTS_MISSING, 0, "", now, now)
                self._tell(unit.int_id, number, total, gone)
            elif link is None:
                self._tell(unit.int_id, number, total, Outcome(What.LATER))
            else:
                self._hand(Part(link, unit.int_id, number, total, pdus[number - 1], now), first, now)

    async def start(self) -> None:
        """Begin to bind and to keep bound; returns at once."""
        self._stopping = False
        self._idle = None
        self._loop = asyncio.get_running_loop()
        self._links.start()

    async def stop(self, grace_s: float) -> None:
        """Give back what was not written (later), wait for answers under way, unbind and close; the rest is unsure."""
        self._stopping = True
        for link in self._links.connections:
            self._give_back(link)
        if self._links.in_flight:
            self._idle = asyncio.Event()
            try:
                await asyncio.wait_for(self._idle.wait(), grace_s)
            except TimeoutError:
                pass
        await self._links.stop()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def stats(self) -> dict[str, float]:
        """Figures for the metrics page; ``rate`` is the limit of now (0: none), ``rtt_ms`` a moving average.

        ``links`` and ``window`` (the slots of all links together) are those of now, ``links_most`` and ``window_most``
        what they may come to.
        """
        links, limits = self._links, self._links.limits
        return {
            "links": float(len(self._senders)),
            "links_most": float(limits.links_most),
            "bound": float(links.bound),
            "in_flight": float(links.in_flight),
            "window": float(self._window * len(self._senders)),
            "window_most": float(limits.window_most * limits.links_most),
            "rate": self._pace.limit,
            "rtt_ms": self._mean_ms(),
            "submitted": float(self._submitted),
            "throttled": float(self._throttled),
        }

    # What the connections tell

    def opened(self, connection: Connection) -> None:
        """A connection is bound."""
        self._links.opened(connection)
        if connection.can_submit:
            self._down_since_ms = 0
            self._announce()

    def closed(self, connection: Connection) -> None:
        """A bound connection is gone: what it had not written may go at once over another."""
        self._links.closed(connection)
        if connection.can_submit:
            if not self._links.bound and not self._down_since_ms:
                self._down_since_ms = self._clock_ms()
            self._give_back(connection)
            self._announce()

    def ended(self, connection: Connection, *, refused: bool) -> None:
        """An additional connection does not come back."""
        self._links.ended(connection, refused=refused)

    def resized(self) -> None:
        """Windows or links are others: there may be room, and a round begins that knows nothing of what was before."""
        grown = self._links.window > self._window
        self._rtt_ms = self._mean_ms()
        self._answers = self._waited_ms = self._refused = 0
        self._measure()
        if grown:
            now = self._clock_ms()
            for link in self._senders:
                self._pump(link, now)
            self._offer(now)

    def writable(self, connection: Connection) -> None:
        """The peer reads again."""
        now = self._clock_ms()
        self._pump(connection, now)
        self._offer(now)

    # Out

    def _choose(self) -> Connection | None:
        """The bound connection with the least to do."""
        best = None
        least = UNLIMITED
        for link in self._senders:
            session = link.session
            if session is not None and session.is_bound:
                load = link.in_flight + len(link.first) + len(link.waiting)
                if load < least:
                    best, least = link, load
        return best

    def _hand(self, part: Part, first: bool, now: int) -> None:
        """Write a part, or let it wait for a slot or its turn; those of lane 1 (``first``) pass the others."""
        link = part.connection
        session = link.session
        waiting, window = (link.first, self._window) if first else (link.waiting, self._bulk)
        if session is None or waiting or link.in_flight >= window or not session.can_write:
            waiting.append(part)
        elif self._pace.is_free or self._pace.room(now):
            self._write(session, part)
        else:
            waiting.append(part)
            self._arm(now)

    def _write(self, session: Session, part: Part) -> None:
        try:
            written = session.request(part.pdu, self._answered, part)
        except PduError as error:
            outcome = Outcome(What.REFUSED, "", error.answer, Err.REFUSED, 0, part.connection.label)
            self._tell(part.int_id, part.number, part.total, outcome)
            return
        if not written:  # the session is about to end, and gives this back then
            part.connection.first.appendleft(part)
            return
        part.connection.in_flight += 1
        self._submitted += 1
        if not self._pace.is_free:
            self._pace.take()

    def _pump(self, link: Connection, now: int) -> None:
        """Write what waits, as far as slots and speed go."""
        session = link.session
        while session is not None and session.room:
            if link.first:
                waiting = link.first
            elif link.waiting and link.in_flight < self._bulk:
                waiting = link.waiting
            else:
                return
            if link.in_flight >= self._window:
                return
            if not (self._pace.is_free or self._pace.room(now)):
                self._arm(now)
                return
            part = waiting.popleft()
            self._write(session, Part(link, part.int_id, part.number, part.total, part.pdu, now))

    def _give_back(self, link: Connection) -> None:
        """What was never written goes again at once."""
        while link.first or link.waiting:
            part = (link.first or link.waiting).popleft()
            self._tell(part.int_id, part.number, part.total, Outcome(What.LATER, link=link.label))

    # In

    def _answered(self, answer: Pdu | None, part: Part) -> None:
        link, sent_ms = part.connection, part.sent_ms
        link.in_flight -= 1
        now = self._clock_ms()
        if answer is not None and not answer.status and answer.command_id == _ANSWER:
            link.troubles = 0
            self._answers += 1
            self._waited_ms += now - sent_ms
            self._pace.accepted(now)
            outcome = Outcome(_ACCEPTED, answer.message_id, 0, 0, 0, link.label, sent_ms, now)
        else:
            outcome = self._judge(answer, link, sent_ms, now)
        try:
            self._listener.answered(self._id, part.int_id, part.number, part.total, outcome)
        except Exception:
            self._complain(part.int_id)
        if link.first or link.waiting:
            self._pump(link, now)
        if self._answers >= self._quota:
            self._look(now)
        if self._wanted:
            self._offer(now)
        if self._idle is not None and not self._links.in_flight:
            self._idle.set()

    def _look(self, now: int) -> None:
        """A round of answers is over: what it says of the round trip, and of the sizes where these are not fixed."""
        self._rtt_ms = self._mean_ms()
        answers, waited_ms, refused, short = self._answers, self._waited_ms, self._refused, self._short
        self._answers = self._waited_ms = self._refused = 0
        self._short = False
        if not self._links.limits.fixed:
            self._links.round(now, answers, waited_ms, refused, short)
            self._quota = self._links.sizing.quota

    def _mean_ms(self) -> float:
        """The round trip, the more of the round under way the more answers it has."""
        if not self._answers:
            return self._rtt_ms
        mean = self._waited_ms / self._answers
        share = min(1.0, self._answers * _RTT_SHARE) if self._rtt_ms else 1.0
        return self._rtt_ms + (mean - self._rtt_ms) * share

    def _measure(self) -> None:
        """Follow the sizes of now."""
        self._window = window = self._links.window
        percent = self.carrier.settings.reserve
        # What the other lanes may use. With a single slot nothing can be kept for lane 1, or they would never move.
        self._bulk = window - (max(1, window * percent // 100) if percent and window > 1 else 0)
        self._quota = self._links.sizing.quota

    def _judge(self, answer: Pdu | None, link: Connection, sent_ms: int, now: int) -> Outcome:
        """The outcome of a part that was not plainly accepted."""
        if answer is None:
            if link.is_open:
                link.suspect("submits were not answered in time")
                self._links.slowed(now)
            return Outcome(What.UNSURE, "", 0, 0, 0, link.label, sent_ms, now)
        if answer.status == statuses.ESME_RINVBNDSTS:
            link.suspect("the carrier says the link is not bound")
        else:
            link.troubles = 0
        # A generic_nack without an error says nothing but that there was one.
        status = answer.status or statuses.ESME_RINVCMDID
        verdict = judge(status, self._errors)
        retry_ms = 0
        if verdict.throttled:
            self._throttled += 1
            self._refused += 1
            before = self._pace.slowdowns
            retry_ms = self._pace.throttled(now)
            if self._pace.slowdowns != before:
                self._links.slowed(now)
        elif verdict.what is What.LATER:
            retry_ms = TEMPORARY_MS
        return Outcome(verdict.what, "", status, verdict.err, retry_ms, link.label, sent_ms, now)

    def _tell(self, int_id: int, number: int, total: int, outcome: Outcome) -> None:
        """Tell the listener."""
        try:
            self._listener.answered(self._id, int_id, number, total, outcome)
        except Exception:
            self._complain(int_id)

    def _complain(self, int_id: int) -> None:
        """The listener's mistakes are logged and cost no other part its answer."""
        log.exception("carrier_listener_failed carrier=%s int_id=%d", self.carrier.name, int_id)

    # Room that appears

    def _offer(self, now: int) -> None:
        """Tell that there is room again, or when the speed alone is in the way, wake up for it."""
        if not self._wanted:
            return
        if self._pace.is_free or self._pace.room(now):
            self._announce()
        else:
            self._arm(now)

    def _announce(self) -> None:
        """Tell the listener, once for all that changes during one turn of the loop."""
        self._wanted = False
        if not self._announcing and self._loop is not None:
            self._announcing = True
            self._loop.call_soon(self._notify)

    def _notify(self) -> None:
        self._announcing = False
        self._listener.changed(self.carrier.id)

    def _arm(self, now: int) -> None:
        """Wake up when the pause is over or the next token is there, if that is what one waits for."""
        wait_ms = self._pace.wait_ms(now)
        if wait_ms and self._timer is None and self._loop is not None:
            self._timer = self._loop.call_later(max(_NAP_MS, wait_ms) / 1000, self._wake)

    def _wake(self) -> None:
        self._timer = None
        now = self._clock_ms()
        for link in self._senders:
            self._pump(link, now)
        self._offer(now)
