"""The SMPP door for customers: who may bind, and what their sessions ask (SMPP 3.4; spec protocols 5; docs/smpp.md)."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any, NamedTuple

from heliograph.core.accounts import Account
from heliograph.core.reasons import Refusal
from heliograph.core.sources import source_of
from heliograph.gateways.shares import Shares
from heliograph.gateways.smpp_customers import Bound, Customers
from heliograph.gateways.smpp_orders import FAILURES, Orders
from heliograph.gateways.smpp_outbox import Spawn
from heliograph.gateways.smpp_refusals import STATUSES
from heliograph.gateways.smpp_submits import Submits
from heliograph.gateways.tls import Certificate
from heliograph.services.credentials import Credentials
from heliograph.services.deliveries import Deliveries
from heliograph.services.guard import Guard, is_within, networks_of
from heliograph.services.pieces import Pieces
from heliograph.services.snapshot import Snapshot, Snapshots
from heliograph.wire.smpp import statuses, tables, timers
from heliograph.wire.smpp.endpoints import Listener
from heliograph.wire.smpp.pdus import Pdu
from heliograph.wire.smpp.session import Session, Settings, State

log = logging.getLogger(__name__)

KIND = "smpp"  # of passwords (services.credentials.rows_for)
ISO = "ISO"  # the system_type that makes data_coding 0 mean ISO-8859-1
SWEEP_S = 1.0
EXPIRE_S = 600.0
CERTIFICATE_S = 5.0
STEP_S = 0.02
_KINDS = (State.BOUND_TX, State.BOUND_RX, State.BOUND_TRX)
_TEXTS = frozenset((tables.SUBMIT_SM, tables.SUBMIT_MULTI, tables.DATA_SM))


class Limits(NamedTuple):
    """What sessions may do: times in seconds, counts of requests and of connections."""

    init_s: float = 10.0  # from the connection to the bind; a TLS handshake may take as long
    idle_s: float = 120.0  # without a single PDU; at half of it we ask for life
    answer_s: float = 30.0  # for the answer to our deliver_sm
    window: int = 2000  # requests of a session that wait for our answers before we stop reading from it
    deliver_window: int = 100  # our deliver_sm that wait for a session's answers
    connections: int = 2000
    connections_per_client: int = 100


class SmppDoor:
    """Listens on any number of addresses. ``clock_ms`` gives milliseconds since the epoch."""

    def __init__(
        self,
        snapshots: Snapshots,
        credentials: Credentials,
        guard: Guard,
        submits: Submits,
        pieces: Pieces,
        deliveries: Deliveries,
        orders: Orders,
        spawn: Spawn,
        clock_ms: Callable[[], int],
        limits: Limits | None = None,
    ) -> None:
        self.limits = limits = limits or Limits()
        self.customers = Customers(snapshots, deliveries, spawn, clock_ms)
        self._snapshots = snapshots
        self._credentials = credentials
        self._guard = guard
        self._submits = submits
        self._pieces = pieces
        self.deliveries = deliveries
        self._orders = orders
        self._spawn = spawn
        self._clock_ms = clock_ms
        self._settings = Settings(
            timers=timers.Settings(
                init_s=limits.init_s,
                enquire_s=limits.idle_s / 2,
                response_s=limits.answer_s,
                inactivity_s=limits.idle_s,
            ),
            window=limits.deliver_window,
            incoming=limits.window,
        )
        self._listeners: list[Listener] = []
        self._shares = Shares(limits.connections_per_client)
        self._admitted: dict[Session, str] = {}
        self._binding: dict[int, int] = {}  # binds under way, by account
        self._certificates: list[Certificate] = []
        self._timer: asyncio.TimerHandle | None = None
        self._looked_s = self._expired_s = 0.0
        self.stopping = False
        self._answers: dict[int, int] = {}  # of all sessions (Session.answers)
        self.accepted = self.turned_away = 0

    @property
    def sessions(self) -> int:
        """Connections, bound or not."""
        return len(self._admitted)

    def count_sessions(self) -> dict[str, int]:
        """Bound sessions, by what they are bound as."""
        found = {state.value: 0 for state in _KINDS}
        for session in self._admitted:
            if session.state in _KINDS:
                found[session.state.value] += 1
        return found

    def count_answers(self) -> dict[tuple[str, str], int]:
        """Requests answered since the start, by the names of command and command_status."""
        return {
            (tables.COMMANDS[key >> 32].name, statuses.name(key & 0xFFFFFFFF)): count
            for key, count in self._answers.items()
        }

    # -- the owner's side ------------------------------------------------------------
    async def open(self) -> None:
        """Take over what the last run left: parts that wait."""
        await self._pieces.open()
        self._snapshots.listeners.append(self._review)

    async def start(self, host: str, port: int, certificate: Certificate | None = None) -> tuple[str, int]:
        """Listen; the address in use (port 0 chooses one). OSError when it is not free."""
        listener = Listener(self, self._on_bind, self._settings)
        listener.admit = self._admit
        await listener.start(host, port, certificate.context if certificate is not None else None)
        self._listeners.append(listener)
        if certificate is not None:
            self._certificates.append(certificate)
        if self._timer is None:
            self._looked_s = self._expired_s = asyncio.get_running_loop().time()
            self._sweep()
        log.info("smpp_listening", extra={"host": host, "port": listener.address[1], "tls": certificate is not None})
        return listener.address

    async def stop(self, grace_s: float = 5.0) -> None:
        """Accept nobody, unbind everybody, and drop who does not go in time; texts that wait for their commit are
        answered before."""
        self.stopping = True
        if self._timer is not None:
            self._timer.cancel()
        for _ in range(int(grace_s / STEP_S)):
            if not any(customer.waiting for customer in self.customers.all()):
                break
            await asyncio.sleep(STEP_S)
        await asyncio.gather(*(listener.stop(goodbye_s=1.0) for listener in self._listeners))

    # -- connections and binds -------------------------------------------------------
    def _admit(self, session: Session) -> bool:
        client = client_of(session)
        source = source_of(client)
        banned = self._guard.is_banned(client, self._clock_ms())
        if self.stopping or banned or len(self._admitted) >= self.limits.connections or not self._shares.take(source):
            self.turned_away += 1
            return False
        self._admitted[session] = source
        self.accepted += 1
        session.answers = self._answers
        return True

    async def _on_bind(self, session: Session, pdu: Pdu) -> int:
        """The command_status of a bind."""
        client = client_of(session)
        status = await self._judge(session, pdu, client)
        if status != statuses.ESME_ROK:
            found = {"client": client, "status": statuses.name(status)}
            log.info("smpp_bind_refused", extra=found)
        return status

    async def _judge(self, session: Session, pdu: Pdu, client: str) -> int:
        login = pdu.system_id
        if self.stopping or self._guard.is_banned(client, self._clock_ms()):
            return statuses.ESME_RBINDFAIL
        verdict: asyncio.Future[Account | Refusal | None] = asyncio.get_running_loop().create_future()
        if login:  # without one the password would be looked for among the API keys
            self._credentials.verify(login, pdu.password, "", client, verdict.set_result, KIND)
        else:
            verdict.set_result(None)
        account = await verdict
        if isinstance(account, Refusal):
            return STATUSES[account.reason]
        if account is None:
            known = self._snapshots.current.accounts_by_login.get(login)
            if known is None or not is_listed(
                known, client
            ):  # as for HTTP: the customer's own addresses are not banned
                self._guard.note_login_failed(client, login, self._clock_ms())
            return statuses.ESME_RINVPASWD
        if account.settings.blocked or not account.settings.smpp or not is_listed(account, client):
            why = "blocked" if account.settings.blocked else "smpp=no" if not account.settings.smpp else "address"
            log.warning("smpp_not_allowed", extra={"login": login, "client": client, "why": why})
            return statuses.ESME_RBINDFAIL
        customer = self.customers.reserve(account)
        if len(customer.sessions) >= account.settings.smpp_sessions:
            return statuses.ESME_RALYBND
        customer.sessions.append(session)
        session.context = Bound(customer, client, login, pdu.system_type.strip().upper() == ISO)
        return statuses.ESME_ROK

    # -- what the sessions tell (heliograph.wire.smpp.contract.Peer) ------------------
    def bound(self, session: Session) -> None:
        """A customer is here: what waited for him goes out."""
        bound: Bound = session.context
        log.info("smpp_bound", extra={"login": bound.login, "client": bound.client, "as": session.state.value})
        if session.can_receive:
            bound.customer.outbox.open(session)

    def pdu(self, session: Session, pdu: Pdu) -> None:
        """A request of a customer."""
        command_id = pdu.command_id
        if self.stopping:
            session.answer(pdu, statuses.ESME_RSYSERR)
        elif command_id == tables.SUBMIT_SM:
            self._submits.take(session, pdu)
        elif not session.can_transmit:
            session.answer(pdu, statuses.ESME_RINVBNDSTS)
        elif command_id in _TEXTS:
            self._submits.take(session, pdu)
        elif command_id in FAILURES:
            customer = session.context.customer
            account = self.customers.account_of(customer)
            if account is None:
                session.answer(pdu, FAILURES[command_id])
            elif not customer.may_submit(account, self._clock_ms()):  # each is a look at the store
                session.answer(pdu, statuses.ESME_RTHROTTLED)
            else:
                self._orders.take(session, pdu, account)
        else:
            session.answer(pdu, statuses.ESME_RINVCMDID)

    def ready(self, session: Session) -> None:
        """A customer reads again."""
        session.context.customer.outbox.pump_soon()

    def closed(self, session: Session, reason: str) -> None:
        """A connection is gone; what it had not acknowledged goes over another one, or waits in the table."""
        source = self._admitted.pop(session, None)
        if source is not None:
            self._shares.give(source)
        bound: Bound | None = session.context
        if bound is None:
            return
        customer = bound.customer
        if session in customer.sessions:
            customer.sessions.remove(session)
        customer.outbox.close(session)
        log.info("smpp_closed", extra={"login": bound.login, "client": bound.client, "reason": reason})

    # -- time ------------------------------------------------------------------------
    def _review(self, snapshot: Snapshot) -> None:
        """Settings have changed: whoever may not be here any longer is unbound."""
        for customer in self.customers.all():
            account = snapshot.accounts.get(customer.account_id)
            for session in list(customer.sessions):
                bound: Bound = session.context
                allowed = account is not None and account.settings.smpp and not account.settings.blocked
                if account is None or not allowed or not is_listed(account, bound.client):
                    self._spawn(session.unbind("no longer allowed"))

    def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        now_s = loop.time()
        self._timer = loop.call_later(SWEEP_S, self._sweep)
        self._submits.sweep(self._clock_ms())
        for customer in self.customers.all():
            self.customers.forget(customer)
        if self._certificates and now_s - self._looked_s >= CERTIFICATE_S:
            self._looked_s = now_s
            self._spawn(self._renew_certificates())
        if now_s - self._expired_s >= EXPIRE_S:
            self._expired_s = now_s
            self._spawn(self._expire())

    async def _renew_certificates(self) -> None:
        loop = asyncio.get_running_loop()
        for certificate in self._certificates:
            if await loop.run_in_executor(None, certificate.changed):
                certificate.reload()

    async def _expire(self) -> None:
        try:
            await self.deliveries.expire(self._clock_ms())
            await self._pieces.expire(self._clock_ms())
        except Exception:
            log.exception("smpp_not_expired")


def client_of(session: Any) -> str:
    """The address that a session comes from, without its port."""
    host, _, _ = session.peer_address.rpartition(":")
    return str(host.removeprefix("::ffff:"))


def is_listed(account: Account, client: str) -> bool:
    """Whether SMPP sessions of an account may come from an address."""
    return bool(account.settings.smpp_addresses) and is_within(client, networks_of(account.settings.smpp_addresses))
