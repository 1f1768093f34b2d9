"""The sockets of the SIP door: datagrams, and connections that carry one message after another (RFC 3261, section 18)."""

import asyncio
import contextlib
import ipaddress
import socket
from functools import lru_cache
from typing import Any, Protocol

from heliograph.wire.sip.framing import PONG, Framer
from heliograph.wire.sip.messages import MessageError

TURN = 32  # messages of a connection that are handled in one turn of the loop, some 200 µs each
PARTIAL_S = 10.0  # for the rest of a message whose beginning came
IDLE_S = 900.0  # for a silent connection of a peer; trunks keep theirs alive more often
STRANGER_S = 30.0  # for one of an address that may not call by itself
RECEIVE_BUFFER = 4 * 1024 * 1024  # bytes: some 4,000 calls that come while the loop is busy; the system may give less
MAX_UNSENT = 256 * 1024  # bytes that a peer has not taken; then the connection is cut


class Owner(Protocol):
    """What sockets tell the door."""

    def receive(self, data: bytes, channel: "UdpChannel | TcpConnection") -> None:
        """A message came, whole."""

    def admit(self, connection: "TcpConnection") -> bool:
        """A connection was made; False: it is one too many."""

    def release(self, connection: "TcpConnection") -> None:
        """It is gone."""

    def spoilt(self, error: MessageError, connection: "TcpConnection") -> None:
        """A connection carries what has no limits."""


@lru_cache(maxsize=8192)
def plain(address: str) -> str:
    """An address in its usual form: without zone, and as IPv4 when it is only mapped to IPv6."""
    found = ipaddress.ip_address(address.partition("%")[0])
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return str(mapped or found)


class UdpChannel:
    """Where a datagram came from; answers go there. `place` is as the socket has it."""

    __slots__ = ("_place", "_transport", "address", "port")

    reliable = False

    def __init__(self, transport: Any, place: Any) -> None:
        self._transport = transport
        self._place = place
        self.address = plain(place[0])
        self.port: int = place[1]

    def at_port(self, port: int) -> "UdpChannel":
        """The same host, another port."""
        return UdpChannel(self._transport, (self._place[0], port, *self._place[2:]))

    def send(self, data: bytes) -> None:
        """Send a datagram; what the system refuses (too long, no way there) is lost like any other."""
        with contextlib.suppress(OSError, ValueError):
            if not self._transport.is_closing():
                self._transport.sendto(data, self._place)


class UdpSocket(asyncio.DatagramProtocol):
    """A socket that listens."""

    def __init__(self, owner: Owner) -> None:
        self._owner = owner
        self.transport: Any = None
        self.family = 0
        self.bound: tuple[str, int] = ("", 0)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is bound."""
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        """A datagram; line ends and zeros alone only keep a NAT open."""
        if data.strip(b"\r\n\0"):
            self._owner.receive(data, UdpChannel(self.transport, addr))

    def error_received(self, exc: Exception) -> None:
        """A host or port that cannot be reached: whoever is there repeats, or is gone."""


class TcpConnection(asyncio.Protocol):
    """A connection, whoever made it."""

    reliable = True

    def __init__(self, owner: Owner, *, ours: bool = False) -> None:
        self._owner = owner
        self.ours = ours  # made by us, to a registrar
        self._framer = Framer()
        self._transport: Any = None
        self._loop = asyncio.get_running_loop()
        self._busy = False
        self.heard_s = self._loop.time()
        self.begun_s: float | None = None
        self.lost = asyncio.Event()
        self.address = ""
        self.port = 0
        self.local: tuple[str, int] = ("", 0)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It stands, unless there are too many."""
        self._transport = transport
        peer, local = transport.get_extra_info("peername"), transport.get_extra_info("sockname")
        if not peer or not local:  # it has gone already
            transport.close()
            return
        self.address, self.port, self.local = plain(peer[0]), peer[1], (plain(local[0]), local[1])
        if not self._owner.admit(self):
            self.abort()

    def data_received(self, data: bytes) -> None:
        """Bytes."""
        self.heard_s = self._loop.time()
        self._framer.feed(data)
        if not self._busy:
            self._handle()

    def connection_lost(self, exc: Exception | None) -> None:
        """The end."""
        self._owner.release(self)
        self.lost.set()

    def send(self, data: bytes) -> None:
        """Write; a peer that does not read is cut off."""
        if self._transport.is_closing():
            return
        self._transport.write(data)
        if self._transport.get_write_buffer_size() > MAX_UNSENT:
            self.abort()

    def close(self) -> None:
        """Write what is waiting and close."""
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Cut it."""
        if self._transport is not None:
            self._transport.abort()

    def check(self, now_s: float, patience_s: float) -> None:
        """Cut it when it has been silent for longer, or a message is begun and does not go on."""
        if (not self.ours and now_s - self.heard_s > patience_s) or (
            self.begun_s is not None and now_s - self.begun_s > PARTIAL_S
        ):
            self.abort()

    def _handle(self) -> None:
        self._busy = False
        framer = self._framer
        for _ in range(TURN):
            if self._transport.is_closing():
                return
            try:
                message = framer.cut()
            except MessageError as error:
                self._owner.spoilt(error, self)
                self.close()
                return
            self._pong()
            if message is None:
                break
            self.begun_s = None
            self._owner.receive(message, self)
        else:
            self._busy = True
            self._transport.pause_reading()
            self._loop.call_soon(self._go_on)
            return
        if framer.waiting <= len(PONG):  # a single line end is somebody's pong
            self.begun_s = None
        elif self.begun_s is None:
            self.begun_s = self._loop.time()

    def _go_on(self) -> None:
        if not self._transport.is_closing():
            self._transport.resume_reading()
        self._handle()

    def _pong(self) -> None:
        for _ in range(min(self._framer.pings, TURN)):
            self.send(PONG)
        self._framer.pings = 0


async def listen_udp(owner: Owner, host: str, port: int) -> UdpSocket:
    """A socket at this address, "" for every IPv4 address. OSError."""
    loop = asyncio.get_running_loop()
    every = "0.0.0.0"  # noqa: S104 - the operator asked for it
    family, _, _, _, place = (await loop.getaddrinfo(host or every, port, type=socket.SOCK_DGRAM))[0]
    bound = socket.socket(family, socket.SOCK_DGRAM)
    try:
        bound.setblocking(False)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        bound.bind(place)
        _, protocol = await loop.create_datagram_endpoint(lambda: UdpSocket(owner), sock=bound)
    except OSError:
        bound.close()
        raise
    protocol.family, protocol.bound = family, bound.getsockname()[:2]
    return protocol


def own_address(family: int, place: Any) -> str:
    """The address that this host has on its way to another; nothing is sent."""
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.connect(place)
        return str(probe.getsockname()[0])
