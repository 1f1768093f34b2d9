"""TLS connections before their handshake is done: counted, bounded in time, and ended like any other (RFC 8446).

The loop's own TLS server tells of a connection only when its handshake is done; until then nobody would count it, and
an address could hold any number of them.
"""

import asyncio
import logging
import socket
import ssl
from typing import TYPE_CHECKING, Any

from heliograph.gateways.http_connection import HttpConnection
from heliograph.gateways.tls import accept_all

if TYPE_CHECKING:
    from heliograph.gateways.http import HttpDoor

log = logging.getLogger("heliograph.gateways.http")

BACKLOG = 2048


class TlsListener:
    """Accepts connections for one door, and shakes hands with those that it admits."""

    def __init__(self, door: "HttpDoor", context: ssl.SSLContext) -> None:
        self._door = door
        self._context = context
        self._tasks: list[asyncio.Task[None]] = []
        self.sockets: list[socket.socket] = []

    async def start(self, host: str, port: int) -> None:
        """Listens on every address of the host; OSError when one is not free."""
        loop = asyncio.get_running_loop()
        kind = socket.SOCK_STREAM
        found = await loop.getaddrinfo(host or None, port, type=kind, flags=socket.AI_PASSIVE)
        try:
            for family, _, _, _, address in dict.fromkeys(found):
                listener = socket.create_server(address, family=family, backlog=BACKLOG)
                listener.setblocking(False)
                self.sockets.append(listener)
        except OSError:
            self.close()
            raise
        self._tasks = [loop.create_task(self._accept(listener)) for listener in self.sockets]

    def close(self) -> None:
        """Listens no longer; connections go on."""
        for task in self._tasks:
            task.cancel()
        for listener in self.sockets:
            listener.close()

    async def wait_closed(self) -> None:
        """Until that is done."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, listener: socket.socket) -> None:
        async for accepted, peer in accept_all(listener):
            self._receive(accepted, peer)

    def _receive(self, accepted: socket.socket, peer: Any) -> None:
        handshake = TlsHandshake(self._door, accepted)
        address, trusted = self._door.judge(peer)
        if self._door.admit(handshake, "" if trusted else address):
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            handshake.task = self._door.spawn(handshake.run(self._context))
        else:
            accepted.close()  # a word of explanation would cost a handshake
            self._door.release(handshake)


class TlsHandshake:
    """An accepted socket until `HttpConnection` takes its place in the door."""

    def __init__(self, door: "HttpDoor", accepted: socket.socket) -> None:
        self._door = door
        self._socket = accepted
        self.task: asyncio.Task[None] | None = None

    async def run(self, context: ssl.SSLContext) -> None:
        """Until the connection is made, or has failed."""
        limits = self._door.limits
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: HttpConnection(self._door, self),
                self._socket,
                ssl=context,
                ssl_handshake_timeout=limits.head_s,
                ssl_shutdown_timeout=limits.linger_s,
            )
        except OSError as error:  # ssl.SSLError is one: no TLS, an old version, a client that left
            self._door.timed_out += isinstance(error, ConnectionAbortedError)  # the loop's word for the time limit
            log.debug("tls_handshake_failed", extra={"kind": type(error).__name__})
        finally:
            self._door.release(self)

    # --- as the door asks of a connection

    def check(self, now: float) -> None:
        """The handshake has its own time limit."""

    def stop(self) -> None:
        """Nothing was asked yet, so nobody waits for an answer."""
        self.abort()

    def abort(self) -> None:
        """Ends the handshake."""
        if self.task is not None:
            self.task.cancel()
