"""The INVITEs at the SIP door: each call is told to its owner once, and ends with what he says of it (RFC 3261, sections 8.2.2.2, 9.2 and 17.2.1)."""

import asyncio
import logging
from collections.abc import Callable

from heliograph.gateways.sip_answers import Call, find_called, find_caller, mask_number, respond
from heliograph.gateways.sip_calls import Calls, Memory
from heliograph.gateways.sip_exchanges import Exchange, Exchanges
from heliograph.gateways.sip_settings import SipSettings
from heliograph.wire.sip.messages import Request, encode
from heliograph.wire.sip.transactions import Event, State

log = logging.getLogger(__name__)

# Told of a call; it must say once, on the loop, whether that call was waited for. It may do so later.
OnCall = Callable[[Call, Callable[[bool], None]], None]


class Invites:
    """Takes INVITEs that were let in and are sound; `clock_ms` gives ms since the epoch."""

    def __init__(
        self, settings: SipSettings, on_call: OnCall, exchanges: Exchanges, clock_ms: Callable[[], int]
    ) -> None:
        self._settings = settings
        self._on_call = on_call
        self._exchanges = exchanges
        self._clock_ms = clock_ms
        self._calls = Calls(settings.transactions, settings.answer_ms + settings.timing.patience_ms)
        self._idle = asyncio.Event()
        self._idle.set()
        self.waiting = self.failures = 0
        self.calls = self.expected = self.unexpected = self.anonymous = 0
        self.cancelled = self.merged = self.late = self.unanswered = 0

    def stats(self) -> dict[str, int]:
        """Counters since the start."""
        return {
            "calls": self.calls,
            "expected": self.expected,
            "unexpected": self.unexpected,
            "anonymous": self.anonymous,
            "cancelled": self.cancelled,
            "merged": self.merged,
            "late": self.late,
            "unanswered": self.unanswered,
        }

    async def settle(self, grace_s: float) -> None:
        """Waits until every call has its answer, so long at most."""
        try:
            await asyncio.wait_for(self._idle.wait(), grace_s)
        except TimeoutError:
            log.warning("sip_calls_unanswered", extra={"count": self.waiting})

    def take(self, request: Request, exchange: Exchange, *, address: str, trusted: bool, user: str) -> None:
        """An INVITE from a peer at this address, `trusted` to say who calls, logged in as `user` ("": by its address)."""
        now = self._exchanges.now_ms()
        known = self._calls.find(request, now)
        if known is not None:
            self._repeat(request, exchange, known)
            return
        caller = find_caller(request, trusted)
        called = find_called(request, self._settings.called_from_to)
        if not caller.number or not called:
            self.anonymous += caller.anonymous
            status = self._settings.anonymous if caller.anonymous else self._settings.unexpected
            log.info(
                "sip_call_without_number", extra={"peer": address, "anonymous": caller.anonymous, "answer": status}
            )
            self._exchanges.finish(exchange, status)
            return
        call = Call(caller.number, called, address, request.call_id, caller.asserted, user, self._clock_ms())
        self._ask(request, exchange, call, self._calls.add(request, now))

    def cancel(self, invite: Exchange) -> None:
        """The call ends when it has not already (section 9.2)."""
        if invite.machine.state is State.PROCEEDING:
            self.cancelled += 1
            ended, invite.on_end = invite.on_end, None
            self._exchanges.finish(invite, 487)
            if ended is not None:
                ended(None)

    def _ask(self, request: Request, exchange: Exchange, call: Call, memory: Memory) -> None:
        """Tells the owner, who has so long to answer."""
        self._exchanges.feed(exchange, Event.PROVISIONAL, encode(respond(request, 100)))
        self.calls += 1
        self.waiting += 1
        self._idle.clear()
        exchange.on_end = lambda _: self._abandon(memory)  # cancelled, or dropped for want of room
        self._exchanges.wait(exchange, self._settings.answer_ms, lambda: self._expire(exchange, memory))
        try:
            self._on_call(call, lambda expected: self._answer(exchange, memory, call, expected))
        except Exception:
            self.failures += 1
            log.exception("sip_call_failed", extra={"peer": call.peer})
            self._expire(exchange, memory)

    def _repeat(self, request: Request, exchange: Exchange, known: Memory) -> None:
        """An INVITE of a call that is known: by another way (482, section 8.2.2.2), or tried again by somebody who did
        not take the answer."""
        number = request.cseq.number
        if number <= known.cseq or (known.status is None and not known.given_up):
            self.merged += 1
            self._exchanges.finish(exchange, 482)
            return
        known.cseq = number
        self._exchanges.finish(exchange, known.status or 480)

    def _answer(self, exchange: Exchange, memory: Memory, call: Call, expected: bool) -> None:
        """The owner has spoken."""
        if memory.status is not None or memory.given_up:
            self.late += 1
            return
        memory.status = self._settings.answer if expected else self._settings.unexpected
        exchange.on_end = None
        self._settle()
        self.expected += expected
        self.unexpected += not expected
        numbers = {"caller": mask_number(call.caller), "called": mask_number(call.called)}
        log.info("sip_call", extra={**numbers, "peer": call.peer, "expected": expected, "answer": memory.status})
        self._exchanges.finish(exchange, memory.status)

    def _expire(self, exchange: Exchange, memory: Memory) -> None:
        """Nothing was said in time: the caller may try again, and that will be another call."""
        if memory.status is not None or memory.given_up:
            return
        exchange.on_end = None
        self._calls.forget(memory)
        self._abandon(memory)
        self.unanswered += 1
        self._exchanges.finish(exchange, 480)

    def _abandon(self, memory: Memory) -> None:
        """What the owner says of this call from now on comes too late."""
        memory.given_up = True
        self._settle()

    def _settle(self) -> None:
        self.waiting -= 1
        if not self.waiting:
            self._idle.set()
