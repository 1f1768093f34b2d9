"""A running SMPP session, client or server, as an asyncio protocol (SMPP 3.4 Issue 1.2, section 2).

Reads are parsed many PDUs at a time and everything written during one turn of the loop leaves in one write. The
hot way out is `request` with a callback; `call` awaits the answer and is for binds, queries and the like.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Final

from . import codec, hot, statuses, tables
from .contract import OnAnswer, OnBind, Peer, SessionError, Settings, State
from .link import Link
from .pdus import Pdu, PduError

__all__ = ["OnAnswer", "OnBind", "Peer", "Session", "SessionError", "Settings", "State"]

log = logging.getLogger("heliograph.smpp")

_LAST_SEQUENCE: Final = 0x7FFFFFFF
_NO_BODY: Final = frozenset((tables.ENQUIRE_LINK, tables.UNBIND, tables.GENERIC_NACK))
_BOUND_AS: Final = {
    tables.BIND_TRANSMITTER: State.BOUND_TX,
    tables.BIND_RECEIVER: State.BOUND_RX,
    tables.BIND_TRANSCEIVER: State.BOUND_TRX,
}
_REQUESTS: Final = frozenset(number for number in tables.COMMANDS if not number & tables.RESPONSE) - _NO_BODY
_TO_CENTRE: Final = frozenset(number for number in _REQUESTS if tables.COMMANDS[number].to_centre) - tables.BINDS
_TO_ESME: Final = frozenset(number for number in _REQUESTS if tables.COMMANDS[number].to_esme)


class Session(Link):
    """One connection.

    `context` is the owner's to use. For reading: `is_bound`; `can_receive` and `can_transmit`, whether the ESME of
    this session takes deliver_sm and may submit; `bind_pdu`, the accepted bind on a server; `unanswered`, the peer's
    requests that wait for an answer; `strays`, answers that nobody waited for (late ones, mostly); `answers`, how many of
    the peer's requests were answered, by command_id << 32 | command_status (an owner may give all sessions one; what has no
    command of ours stands under generic_nack, enquire_link and unbind are not counted).
    """

    def __init__(self, peer: Peer, settings: Settings | None = None, on_bind: OnBind | None = None) -> None:
        super().__init__(settings or Settings())
        self.peer = peer
        self.context: Any = None
        self.state = State.OPEN
        self.is_bound = False
        self.can_receive = False
        self.can_transmit = False
        self.bind_pdu: Pdu | None = None
        self.strays = 0
        self.unanswered = 0
        self.answers: dict[int, int] = {}
        self._on_bind = on_bind
        self._requests = _TO_CENTRE if on_bind else _TO_ESME
        self._sequence = 0
        self._pending: dict[int, tuple[OnAnswer, Any, float]] = {}
        self._unbind: Pdu | None = None
        self._binding: asyncio.Task[None] | None = None

    # What the owner asks

    @property
    def room(self) -> int:
        """How many requests may be made now: what is left of the window, 0 when unbound or the peer does not read."""
        if not self.is_bound or not self.can_write:
            return 0
        left = self.settings.window - len(self._pending)
        return left if left > 0 else 0

    def request(self, pdu: Pdu, on_answer: OnAnswer, context: Any = None) -> bool:
        """Send a request within the window; its sequence number is set here.

        `on_answer(answer, context)` is called exactly once: with the answer (a generic_nack is one too), or with
        None when none came in time or the session ended. Returns False, and calls nothing, when there is no room.
        Raises `PduError` when the PDU cannot be written.
        """
        if not self.room:
            return False
        self._send_request(pdu, on_answer, context)
        return True

    async def call(self, pdu: Pdu) -> Pdu:
        """Send a request outside the window and wait for its answer. Raises `SessionError` when none comes."""
        if self._transport is None or self.state is State.CLOSED:
            raise SessionError(self._reason or "not connected")
        answered: asyncio.Future[Pdu | None] = self._loop.create_future()
        self._send_request(pdu, _settle, answered)
        answer = await answered
        if answer is None:
            raise SessionError(self._reason or "no answer in time")
        return answer

    async def bind(
        self,
        command_id: int,
        system_id: str,
        password: str,
        *,
        system_type: str = "",
        addr_ton: int = 0,
        addr_npi: int = 0,
        address_range: str = "",
    ) -> Pdu:
        """Bind as a client and return the answer; when its status is not 0 the connection is closed.

        Raises `SessionError` when no answer comes. `peer.bound` is called before anything that follows the answer.
        """
        pdu = Pdu(
            command_id,
            system_id=system_id,
            password=password,
            system_type=system_type,
            interface_version=0x34,
            addr_ton=addr_ton,
            addr_npi=addr_npi,
            address_range=address_range,
        )
        if self._transport is None or self.state is not State.OPEN:
            raise SessionError(self._reason or "not ready for a bind")
        answered: asyncio.Future[Pdu | None] = self._loop.create_future()
        self.state = State.BINDING
        self._send_request(pdu, self._bind_answered, (command_id, answered))
        answer = await answered
        if answer is None:
            self.close("bind was not answered")
            raise SessionError(self._reason)
        return answer

    def answer(self, request: Pdu, status: int = 0, message_id: str = "") -> None:
        """Answer one of the peer's requests. Safe after the end of the session: then nothing happens."""
        command_id = request.command_id | tables.RESPONSE
        if command_id in hot.WRITERS:
            self._write(hot.answer(command_id, status, request.sequence, message_id.encode("latin-1", "replace")))
        else:
            self._write(codec.encode(Pdu(command_id, status, request.sequence, message_id=message_id)))
        self._count(request.command_id, status)
        self._answered()

    def reply(self, pdu: Pdu) -> None:
        """Answer with a PDU of one's own making (query_sm_resp, submit_multi_resp, optional fields)."""
        self._write(codec.encode(pdu))
        self._count(pdu.command_id & ~tables.RESPONSE, pdu.status)
        self._answered()

    def ignore(self) -> None:
        """Leave one of the peer's requests without an answer for good, so that it no longer counts as waiting."""
        self._answered()

    def send(self, pdu: Pdu) -> None:
        """Send a PDU that has no answer (outbind, alert_notification); its sequence number is set here."""
        pdu.sequence = self._next_sequence()
        self._write(codec.encode(pdu))

    async def unbind(self, reason: str = "unbound") -> None:
        """Say goodbye, wait for the answer (no longer than an answer may take) and close."""
        if self.is_bound:
            self._leave(State.UNBINDING)
            try:
                await self.call(Pdu(tables.UNBIND))
            except SessionError:
                pass
        self.close(reason)
        await self.wait_closed()

    # What the link below tells

    def _is_full(self) -> bool:
        return self.unanswered >= self.settings.incoming

    def _enquire(self) -> None:
        self._write(codec.encode(Pdu(tables.ENQUIRE_LINK, 0, self._next_sequence())))

    def _resumed(self) -> None:
        if self.is_bound:
            self._tell(self.peer.ready, self)

    def _leaving(self) -> None:
        self._leave(State.UNBINDING)

    def _ended(self, reason: str) -> None:
        """Everybody who waits is told, the owner last."""
        self._leave(State.CLOSED)
        if self._binding:
            self._binding.cancel()
        pending, self._pending = self._pending, {}
        for on_answer, context, _ in pending.values():
            self._tell(on_answer, None, context)
        self._tell(self.peer.closed, self, reason)

    # Inside

    def _send_request(self, pdu: Pdu, on_answer: OnAnswer, context: Any) -> None:
        pdu.sequence = sequence = self._next_sequence()
        self._write(codec.encode(pdu))
        self._pending[sequence] = (on_answer, context, self._loop.time() + self.settings.timers.response_s)

    def _next_sequence(self) -> int:
        self._sequence = self._sequence + 1 if self._sequence < _LAST_SEQUENCE else 1
        return self._sequence

    def _dispatch(self, pdu: Pdu) -> None:
        command_id = pdu.command_id
        if command_id & tables.RESPONSE:
            entry = self._pending.pop(pdu.sequence, None)
            if entry is not None:
                self._tell(entry[0], pdu, entry[1])
            elif command_id != tables.ENQUIRE_LINK_RESP:
                self.strays += 1
        elif command_id in self._requests and self.is_bound:
            self._request(pdu)
        elif command_id == tables.ENQUIRE_LINK:
            self._write(codec.encode(Pdu(tables.ENQUIRE_LINK_RESP, 0, pdu.sequence)))
        else:
            self._unusual(pdu)

    def _request(self, pdu: Pdu) -> None:
        if not self.can_transmit and self._on_bind and pdu.command_id != tables.DATA_SM:
            self._deny(pdu, statuses.ESME_RINVBNDSTS)
            return
        wants_answer = pdu.command_id | tables.RESPONSE in tables.COMMANDS
        if wants_answer:
            self.unanswered += 1
            if self.unanswered >= self.settings.incoming and not self._held:
                self._hold()
        try:
            self.peer.pdu(self, pdu)
        except Exception:
            log.exception("smpp: the owner of the session failed on %r", pdu)
            if wants_answer:
                self.answer(pdu, statuses.ESME_RSYSERR)

    def _unusual(self, pdu: Pdu) -> None:
        """Binds, unbinds, and requests at a wrong time or to the wrong side."""
        if pdu.command_id == tables.UNBIND:
            self._unbind = pdu
            self._leave(State.UNBINDING)
            self._finish_unbind()
        elif pdu.command_id in tables.BINDS and self._on_bind:
            if self.state is State.OPEN:
                self._begin_bind(pdu)
            else:
                self._deny(pdu, statuses.ESME_RALYBND)
        elif pdu.command_id in self._requests and pdu.command_id == tables.OUTBIND:
            self._tell(self.peer.pdu, self, pdu)
        else:
            self._deny(pdu, statuses.ESME_RINVBNDSTS if pdu.command_id in self._requests else statuses.ESME_RINVCMDID)

    def _deny(self, pdu: Pdu, status: int) -> None:
        """Answer with an error, in the request's own answer when it has one."""
        response = pdu.command_id | tables.RESPONSE
        known = response in tables.COMMANDS and not pdu.command_id & tables.RESPONSE
        self._write(codec.encode(Pdu(response if known else tables.GENERIC_NACK, status, pdu.sequence)))
        self._count(pdu.command_id if known else tables.GENERIC_NACK, status)

    def _refuse(self, error: PduError) -> None:
        """A PDU whose limits are known and whose body is not: refuse it, go on."""
        if error.command_id & tables.RESPONSE and error.command_id in tables.COMMANDS:
            # The peer has decided; only the particulars are lost. The header says which request it was.
            self._dispatch(error.pdu)
        elif error.command_id & tables.RESPONSE:
            self.strays += 1
        else:
            self._deny(error.pdu, error.answer)

    def _begin_bind(self, pdu: Pdu) -> None:
        assert self._on_bind
        self.state = State.BINDING
        try:
            verdict = self._on_bind(self, pdu)
        except Exception:
            log.exception("smpp: the bind callback failed")
            verdict = statuses.ESME_RSYSERR
        if isinstance(verdict, int):
            self._finish_bind(pdu, verdict)
        else:
            self._binding = self._loop.create_task(self._await_bind(pdu, verdict))

    async def _await_bind(self, pdu: Pdu, verdict: Awaitable[int]) -> None:
        try:
            status = await verdict
        except Exception:
            log.exception("smpp: the bind callback failed")
            status = statuses.ESME_RSYSERR
        self._binding = None
        if self.state is State.BINDING:
            self._finish_bind(pdu, status)

    def _finish_bind(self, pdu: Pdu, status: int) -> None:
        answer = Pdu(pdu.command_id | tables.RESPONSE, status, pdu.sequence)
        if status == statuses.ESME_ROK:
            answer.system_id = self.settings.system_id
            answer.tlvs = {tables.TAG_SC_INTERFACE_VERSION: b"\x34"}
        self._write(codec.encode(answer))
        self._count(pdu.command_id, status)
        if status != statuses.ESME_ROK:
            self._flush()
            self.close(f"bind refused: {statuses.name(status)}")
            return
        self.bind_pdu = pdu
        self._become_bound(pdu.command_id)

    def _bind_answered(self, answer: Pdu | None, context: Any) -> None:
        command_id, answered = context
        if answer is not None and answer.status == statuses.ESME_ROK and answer.command_id != tables.GENERIC_NACK:
            self._become_bound(command_id)
        elif answer is not None:
            self.close(f"bind refused: {statuses.name(answer.status)}")
        _settle(answer, answered)

    def _leave(self, state: State) -> None:
        self.is_bound = self.can_receive = self.can_transmit = False
        if self.state is not State.CLOSED:
            self.state = state

    def _become_bound(self, command_id: int) -> None:
        self.state = _BOUND_AS[command_id]
        self.is_bound = True
        self.can_receive = self.state is not State.BOUND_TX
        self.can_transmit = self.state is not State.BOUND_RX
        self._timers.bound = True
        self._tell(self.peer.bound, self)

    def _count(self, command_id: int, status: int) -> None:
        key = command_id << 32 | status
        self.answers[key] = self.answers.get(key, 0) + 1

    def _answered(self) -> None:
        if self.unanswered:
            self.unanswered -= 1
        if self._held and self.unanswered <= self.settings.incoming // 2:
            self._hold()
        if self._unbind:
            self._finish_unbind()

    def _finish_unbind(self) -> None:
        """Answer the peer's unbind once all that he asked before has been answered."""
        if self._unbind and not self.unanswered:
            self._write(codec.encode(Pdu(tables.UNBIND_RESP, 0, self._unbind.sequence)))
            self._unbind = None
            self.close("unbound by the peer")

    def _expire(self, now: float) -> None:
        """Give up on requests whose time is over; all wait equally long, so the oldest come first."""
        if not self.settings.timers.response_s:
            return
        late = []
        for sequence, (_, _, deadline) in self._pending.items():
            if deadline > now:
                break
            late.append(sequence)
        for sequence in late:
            entry = self._pending.pop(sequence, None)
            if entry:
                self._tell(entry[0], None, entry[1])

    def _tell(self, callback: Callable[..., None], *arguments: Any) -> None:
        """Call the owner; his mistakes are logged and hurt neither the parser nor the other requests."""
        try:
            callback(*arguments)
        except Exception:
            log.exception("smpp: the owner of the session failed")


def _settle(answer: Pdu | None, answered: Any) -> None:
    if not answered.done():
        answered.set_result(answer)
