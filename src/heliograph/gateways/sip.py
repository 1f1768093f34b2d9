"""The SIP door: takes a call, learns who calls, and refuses it, so that it costs nobody anything (RFC 3261; docs/sip.md).

Nothing is ever accepted: no dialogue, no media. An INVITE is answered 100, the owner is told who calls and says whether
that call was waited for, and then comes the answer that ends it.
"""

import asyncio
import logging
import secrets
import socket
import time
from collections.abc import Callable
from typing import Any

from heliograph.core.sources import source_of
from heliograph.gateways.shares import Shares
from heliograph.gateways.sip_answers import ALLOW, find_fault, identify, make_tag, respond, stamp_request
from heliograph.gateways.sip_exchanges import Channel, Exchange, Exchanges
from heliograph.gateways.sip_invites import Invites, OnCall
from heliograph.gateways.sip_peers import Entry, Peers
from heliograph.gateways.sip_registration import Registration, RegistrationState
from heliograph.gateways.sip_settings import SipSettings
from heliograph.gateways.sip_sockets import (
    IDLE_S,
    STRANGER_S,
    TcpConnection,
    UdpChannel,
    UdpSocket,
    listen_udp,
    own_address,
)
from heliograph.wire.sip import tables
from heliograph.wire.sip.fields import find, stamp
from heliograph.wire.sip.messages import MessageError, Request, Response, encode, parse
from heliograph.wire.sip.transactions import CLIENT, INVITE_SERVER, SERVER, Event

log = logging.getLogger(__name__)

SWEEP_S = 5.0
UNREGISTER_S = 2.0


class SipDoor:
    """Listens on the configured addresses, and registers at trunks that want it.

    `on_call(call, done)` is called once for each call however often its INVITE comes; `done(expected)` ends it with
    `settings.answer` or `settings.unexpected`. Without a word for `settings.answer_ms`, or when `on_call` raises, the
    caller gets 480 and may try again. `clock_ms` gives ms since the epoch.
    """

    def __init__(
        self,
        settings: SipSettings,
        on_call: OnCall,
        *,
        clock_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self.settings = settings
        self.clock_ms = clock_ms
        self._key = secrets.token_bytes(32)
        self._peers = Peers(settings, self._key)
        self._exchanges = Exchanges(settings.transactions, settings.timing)
        self._invites = Invites(settings, on_call, self._exchanges, clock_ms)
        self._shares = Shares(settings.connections_per_client)
        self._connections: dict[TcpConnection, str] = {}
        self._udp: list[UdpSocket] = []
        self._servers: list[Any] = []
        self._registrations = [Registration(each, self) for each in settings.registrars]
        self._timer: asyncio.TimerHandle | None = None
        self.stopping = False
        self.addresses: list[tuple[str, str, int]] = []
        self.received = self.malformed = self.refused = self.silenced = self.failures = self.turned_away = 0

    # --- the owner's side

    async def start(self) -> list[tuple[str, str, int]]:
        """Listens; gives ("udp" or "tcp", address, port) of each socket. OSError when an address is not free."""
        loop = asyncio.get_running_loop()
        try:
            for host, port in self.settings.listen_udp:
                self._udp.append(await listen_udp(self, host, port))
                self.addresses.append(("udp", *self._udp[-1].bound))
            for host, port in self.settings.listen_tcp:
                server: Any = await loop.create_server(lambda: TcpConnection(self), host or None, port, backlog=1024)
                self._servers.append(server)
                self.addresses += [("tcp", *each.getsockname()[:2]) for each in server.sockets]
        except OSError:
            await self.stop(0)
            raise
        for transport, host, port in self.addresses:
            log.info("sip_listening", extra={"transport": transport, "host": host, "port": port})
        self._timer = loop.call_later(SWEEP_S, self._sweep)
        for registration in self._registrations:
            registration.start()
        return self.addresses

    async def stop(self, grace_s: float = 5.0) -> None:
        """Takes no more calls (503), waits so long for answers that are under way, leaves the trunks, closes."""
        self.stopping = True
        for server in self._servers:
            server.close()
        if self._invites.waiting:
            await self._invites.settle(grace_s)
        await asyncio.gather(*(each.stop(UNREGISTER_S) for each in self._registrations))
        self._exchanges.close()
        if self._timer is not None:
            self._timer.cancel()
        for each in self._udp:
            each.transport.close()
        connections = list(self._connections)
        for connection in connections:
            connection.close()
        await asyncio.sleep(0)  # what was written goes out, closing is told
        for connection in connections:
            connection.abort()
        for server in self._servers:
            await server.wait_closed()

    def stats(self) -> dict[str, int]:
        """Counters since the start, and the gauges `transactions`, `waiting` (for `done`), `connections`, `registered`."""
        return {
            "transactions": len(self._exchanges),
            "waiting": self._invites.waiting,
            "connections": len(self._connections),
            "registrations": len(self._registrations),
            "registered": sum(each.state.registered for each in self._registrations),
            "received": self.received,
            "malformed": self.malformed,
            **self._invites.stats(),
            "refused": self.refused,
            "silenced": self.silenced,
            "wrong_passwords": self._peers.wrong,
            "repeated": self._exchanges.repeated,
            "unacknowledged": self._exchanges.unacknowledged,
            "dropped": self._exchanges.dropped,
            "turned_away": self.turned_away,
            "failures": self.failures + self._invites.failures,
        }

    def registrations(self) -> tuple[RegistrationState, ...]:
        """How it stands with each trunk."""
        return tuple(each.state for each in self._registrations)

    # --- for the sockets

    def receive(self, data: bytes, channel: UdpChannel | TcpConnection) -> None:
        """A message: parsed and handled; a mistake of ours in that is logged and costs this message alone."""
        self.received += 1
        try:
            message = parse(data, stream=channel.reliable)
        except MessageError as error:
            self.spoilt(error, channel)
            if isinstance(channel, TcpConnection):
                channel.close()  # where the next message begins is not sure
            return
        try:
            if isinstance(message, Request):
                self._take(message, channel, len(data))
            else:
                self._deliver(message)
        except Exception:
            self.failures += 1
            log.exception("sip_message_failed", extra={"peer": channel.address})

    def spoilt(self, error: MessageError, connection: UdpChannel | TcpConnection) -> None:
        """What is no message is told to peers only, and only when it can be answered."""
        self.malformed += 1
        request = error.request
        known = self._peers.standing(connection.address).allowed
        log.debug("sip_malformed", extra={"peer": connection.address, "reason": error.reason})
        if request is not None and known and request.method != tables.ACK:
            channel, stamped = self._stamp(request, connection)
            channel.send(encode(respond(stamped, error.status, make_tag(self._key, request, request.via))))

    def admit(self, connection: TcpConnection) -> bool:
        """Counts a new connection; False when there are too many, or nobody at its address will ever be answered."""
        source = source_of(connection.address)
        hopeless = (
            self.settings.silent and not self._peers.asks and not self._peers.standing(connection.address).allowed
        )
        if connection.ours:
            self._connections[connection] = ""
            return True
        full = self.stopping or hopeless or len(self._connections) >= self.settings.connections
        if full or not self._shares.take(source):
            self.turned_away += 1
            return False
        self._connections[connection] = source
        return True

    def release(self, connection: TcpConnection) -> None:
        """Forgets a closed connection."""
        source = self._connections.pop(connection, None)
        if source is not None:
            self._shares.give(source)

    # --- for registrations

    async def reach(self, host: str, port: int, transport: str) -> tuple[Channel, tuple[str, int]]:
        """A way to a registrar, and the address and port at which it can call us. OSError."""
        loop = asyncio.get_running_loop()
        if transport == "tcp":
            _, connection = await asyncio.wait_for(
                loop.create_connection(lambda: TcpConnection(self, ours=True), host, port),
                self.settings.timing.patience_ms / 1000,
            )
            listening = [each[2] for each in self.addresses if each[0] == "tcp"]
            return connection, (connection.local[0], listening[0] if listening else connection.local[1])
        for family, _, _, _, place in await loop.getaddrinfo(host, port, type=socket.SOCK_DGRAM):
            for each in self._udp:
                if each.family == family:
                    return UdpChannel(each.transport, place), (own_address(family, place), each.bound[1])
        raise OSError("no UDP socket of the registrar's address family")

    def ask(self, request: Request, channel: Channel, told: Callable[[Response | None], None]) -> None:
        """Sends a request of ours; `told` gets the final response, None when there is none in time."""
        data = encode(request)
        exchange = self._exchanges.open(_client_key(request.via.branch, request.method), CLIENT, channel, len(data))
        exchange.on_end = told
        self._exchanges.feed(exchange, Event.BEGIN, data)

    # --- requests

    def _stamp(self, request: Request, channel: UdpChannel | TcpConnection) -> tuple[Channel, Request]:
        """Where the answer goes (sections 18.2.1 and 18.2.2; RFC 3581), and the request with its top Via completed.

        It goes back to the address it came from, whatever Via says: nobody can send our answers to somebody else.
        """
        via = stamp(request.via, channel.address, channel.port)
        target: Channel = channel
        if isinstance(channel, UdpChannel) and find(via.params, "rport") is None:
            target = channel.at_port(via.port or tables.PORT)
        return target, stamp_request(request, via)

    def _take(self, request: Request, channel: UdpChannel | TcpConnection, size: int) -> None:
        original = request.via
        base = identify(request, original, channel.address)
        method = request.method
        exchange = self._exchanges.find((*base, tables.INVITE if method == tables.ACK else method))
        if method == tables.ACK:
            if exchange is not None:
                self._exchanges.feed(exchange, Event.ACK)
            return
        if exchange is not None:
            self._exchanges.feed(exchange, Event.REQUEST)
            return
        target, request = self._stamp(request, channel)
        tag = make_tag(self._key, request, original)
        if method == tables.CANCEL:
            invite = self._exchanges.find((*base, tables.INVITE))
            if invite is not None:
                self._exchanges.finish(self._open(request, (*base, method), target, invite.tag, size), 200)
                self._invites.cancel(invite)
                return
        entry, user = self._peers.judge(request, channel.address, self.clock_ms())
        if entry is not Entry.IN:
            self._turn_away(request, target, tag, entry, size)
            return
        exchange = self._open(request, (*base, method), target, tag, size)
        if method == tables.CANCEL:
            self._exchanges.finish(exchange, 481)
            return
        fault = find_fault(request)
        if fault is not None:
            self._exchanges.finish(exchange, *fault)
        elif method == tables.OPTIONS:
            self._exchanges.finish(exchange, 200, (ALLOW, ("Accept", "application/sdp")))
        elif self.stopping:
            self._exchanges.finish(exchange, 503)
        else:
            trusted = self._peers.standing(channel.address).trusted
            self._invites.take(request, exchange, address=channel.address, trusted=trusted, user=user)

    def _open(self, request: Request, key: tuple[str, ...], channel: Channel, tag: str, size: int) -> Exchange:
        table = INVITE_SERVER if request.method == tables.INVITE else SERVER
        exchange = self._exchanges.open(key, table, channel, size)
        exchange.request, exchange.tag = request, tag
        return exchange

    def _turn_away(self, request: Request, channel: Channel, tag: str, entry: Entry, size: int) -> None:
        """Answers a stranger, or does not. Nothing is remembered for him and nothing repeated (section 8.2.7).

        Over UDP the address may be somebody else's, who must not get more than was sent: only a challenge may be longer,
        for nobody could log in otherwise, and of those one address gets one a second.
        """
        now_ms = self.clock_ms()
        asked = entry is not Entry.FORBIDDEN
        if not self._peers.may_answer(channel.address, now_ms):
            self.silenced += 1
            return
        status = 401 if asked else 403
        extra = self._peers.challenge(now_ms, stale=entry is Entry.STALE) if asked else ()
        data = encode(respond(request, status, tag, extra))
        if not asked:
            log.info("sip_stranger_refused", extra={"peer": channel.address, "method": request.method})
        elif request.get("Authorization") is not None and entry is not Entry.STALE:
            log.warning("sip_login_failed", extra={"peer": channel.address})
        if not asked and (self.settings.silent or (not channel.reliable and len(data) > size)):
            self.silenced += 1
            return
        self.refused += 1
        channel.send(data)

    # --- the rest

    def _deliver(self, response: Response) -> None:
        exchange = self._exchanges.find(_client_key(response.via.branch, response.cseq.method))
        if exchange is not None:
            self._exchanges.feed(exchange, Event.FINAL if response.status >= 200 else Event.PROVISIONAL, b"", response)

    def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(SWEEP_S, self._sweep)
        now = loop.time()
        for connection in list(self._connections):
            allowed = self._peers.standing(connection.address).allowed
            connection.check(now, IDLE_S if allowed else STRANGER_S)


def _client_key(branch: str, method: str) -> tuple[str, ...]:
    return ("", branch, method)
