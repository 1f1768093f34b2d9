"""One connection to a carrier: connects, binds, is held, and comes back after a pause (SMPP 3.4, section 2)."""

import asyncio
import logging
import ssl
from collections import deque
from collections.abc import Callable
from typing import NamedTuple, Protocol

from heliograph.core.carriers import Settings
from heliograph.delivery.carriers.smpp.pacing import Backoff
from heliograph.wire.smpp import endpoints, statuses, tables, timers
from heliograph.wire.smpp.contract import SessionError
from heliograph.wire.smpp.contract import Settings as SessionSettings
from heliograph.wire.smpp.pdus import Pdu, PduError
from heliograph.wire.smpp.session import Session

log = logging.getLogger("heliograph.carrier")

_CONNECT_S = 10.0
# Answers that fail to come in a row, with none between them, after which the link is made anew.
_TROUBLES = 3


class Part:
    """A part on its way: which it is, on which connection, its PDU, and when it was written (0: not yet)."""

    __slots__ = ("connection", "int_id", "number", "pdu", "sent_ms", "total")

    def __init__(
        self,
        connection: "Connection",
        int_id: int,
        number: int,
        total: int,
        pdu: Pdu,
        sent_ms: int,
    ) -> None:
        self.connection = connection
        self.int_id = int_id
        self.number = number
        self.total = total
        self.pdu = pdu
        self.sent_ms = sent_ms


class Owner(Protocol):
    """Whom a connection tells, always in the loop."""

    def opened(self, connection: "Connection") -> None:
        """The connection is bound."""

    def closed(self, connection: "Connection") -> None:
        """A bound connection is gone; what was unanswered has been told."""

    def ended(self, connection: "Connection", *, refused: bool) -> None:
        """An additional connection is over and does not come back; ``refused``: the carrier would not bind it."""

    def writable(self, connection: "Connection") -> None:
        """The peer reads again."""

    def received(self, session: Session, pdu: Pdu) -> None:
        """A request of the peer."""


class Bind(NamedTuple):
    """A connection of a link: the link's number, its own label and command."""

    number: int
    label: str
    command_id: int


class Login(NamedTuple):
    """How to connect and bind. The password is for the bind alone and never logged."""

    carrier: str
    settings: Settings
    password: str
    ssl_context: ssl.SSLContext | None


class Connection:
    """A bound connection with what waits on it.

    ``number`` is that of its link (a split one has two connections), ``label`` names it in outcomes and logs;
    ``first`` (lane 1) and ``waiting`` are parts handed over and not written yet, ``in_flight`` counts the written,
    unanswered ones. An
    ``additional`` one is tried once and does not come back when it was lost. ``troubles`` counts answers that failed to
    come, in a row.
    """

    __slots__ = (
        "_bound_ms",
        "_chance",
        "_clock_ms",
        "_leaving",
        "_login",
        "_owner",
        "_task",
        "additional",
        "command_id",
        "first",
        "in_flight",
        "label",
        "number",
        "session",
        "troubles",
        "waiting",
    )

    def __init__(
        self,
        owner: Owner,
        login: Login,
        bind: "Bind",
        clock_ms: Callable[[], int],
        chance: Callable[[], float],
        *,
        additional: bool = False,
    ) -> None:
        self.number, self.label, command_id = bind
        self.additional = additional
        self.command_id = command_id
        self.session: Session | None = None
        self.first: deque[Part] = deque()
        self.waiting: deque[Part] = deque()
        self.in_flight = 0
        self._owner = owner
        self._login = login
        self._clock_ms = clock_ms
        self._chance = chance
        self.troubles = 0
        self._leaving = False
        self._bound_ms = 0
        self._task: asyncio.Task[None] | None = None

    @property
    def can_submit(self) -> bool:
        """Whether this is a connection to submit over (bound or not)."""
        return self.command_id != tables.BIND_RECEIVER

    @property
    def bound_ms(self) -> int:
        """When it was bound last, 0 while it never was."""
        return self._bound_ms

    @property
    def is_open(self) -> bool:
        """Whether it is bound and not about to end."""
        return self.session is not None and self.session.is_bound

    def start(self) -> None:
        """Begin to bind and to keep bound."""
        self._leaving = False
        self._task = asyncio.get_running_loop().create_task(self._run(), name=f"smpp {self._login.carrier}{self.label}")

    async def stop(self, goodbye_s: float) -> None:
        """Unbind, close, and bind no more; cut after ``goodbye_s`` seconds without an answer to the unbind."""
        self._leaving = True
        session = self.session
        if session is not None:
            try:
                await asyncio.wait_for(session.unbind("the carrier is stopped"), goodbye_s)
            except TimeoutError:
                session.abort("unbind was not answered")
                await session.wait_closed()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    def suspect(self, reason: str) -> None:
        """An answer did not come in time, or made no sense; several in a row end the session."""
        self.troubles += 1
        if self.troubles == 1:
            log.warning("carrier_link_doubtful carrier=%s link=%s reason=%r", self._login.carrier, self.label, reason)
        if self.troubles >= _TROUBLES and self.session is not None:
            self.session.abort(reason)

    # What the session tells

    def bound(self, session: Session) -> None:
        """The bind was accepted."""
        self.session = session
        self.troubles = 0
        self._bound_ms = self._clock_ms()
        log.info("carrier_bound carrier=%s link=%s", self._login.carrier, self.label)
        self._owner.opened(self)

    def pdu(self, session: Session, pdu: Pdu) -> None:
        """A request of the peer."""
        self._owner.received(session, pdu)

    def ready(self, session: Session) -> None:
        """The peer reads again."""
        self._owner.writable(self)

    def closed(self, session: Session, reason: str) -> None:
        """The connection is gone."""
        if self.session is session:
            level = logging.INFO if self._leaving else logging.WARNING
            log.log(level, "carrier_link_lost carrier=%s link=%s reason=%r", self._login.carrier, self.label, reason)
            self.session = None
            self._owner.closed(self)

    # Inside

    async def _run(self) -> None:
        backoff = Backoff(int(self._login.settings.reconnect_s * 1000))
        while not self._leaving:
            self._bound_ms = 0
            refused = False
            try:
                refused = await self._hold()
            except (OSError, ValueError, SessionError, PduError) as error:
                # A TimeoutError and errors of TLS are OSErrors; a host name that is none is a ValueError.
                reason = error.reason if isinstance(error, PduError) else str(error) or type(error).__name__
                log.warning("carrier_unreachable carrier=%s link=%s reason=%r", self._login.carrier, self.label, reason)
            except Exception:
                log.exception("carrier_link_failed carrier=%s link=%s", self._login.carrier, self.label)
            if self.additional:
                if not self._leaving:
                    self._owner.ended(self, refused=refused)
                return
            held_ms = self._clock_ms() - self._bound_ms if self._bound_ms else 0
            await asyncio.sleep(backoff.pause_ms(held_ms, self._chance()) / 1000)

    async def _hold(self) -> bool:
        """Connect, bind, and stay until the end of the session; whether the bind was refused."""
        settings = self._login.settings
        context = None
        if settings.tls:
            context = self._login.ssl_context or await asyncio.to_thread(make_context, settings)
        session = await endpoints.connect(
            settings.host, settings.port, self, _session_settings(settings), ssl=context, timeout_s=_CONNECT_S
        )
        try:
            answer = await session.bind(
                self.command_id, settings.system_id, self._login.password, system_type=settings.system_type
            )
            refused = bool(answer.status) or answer.command_id == tables.GENERIC_NACK
            if refused:
                code = statuses.name(answer.status)
                log.warning("carrier_bind_refused carrier=%s link=%s code=%s", self._login.carrier, self.label, code)
            await session.wait_closed()
            return refused
        finally:
            session.abort("the carrier is stopped")
            await session.wait_closed()


def make_context(settings: Settings) -> ssl.SSLContext:
    """The TLS context that the settings describe. Raises OSError when the file cannot be read or used."""
    context = ssl.create_default_context(cafile=settings.tls_ca or None)
    if not settings.tls_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _session_settings(settings: Settings) -> SessionSettings:
    return SessionSettings(
        timers=timers.Settings(
            init_s=max(_CONNECT_S, settings.answer_s),
            enquire_s=settings.enquire_s,
            response_s=settings.answer_s,
        ),
        window=max(settings.window, settings.window_most),
    )
