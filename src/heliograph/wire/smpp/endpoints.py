"""Opening and accepting the TCP (or TLS) connections that carry sessions (SMPP 3.4 Issue 1.2, section 2.1)."""

from __future__ import annotations

import asyncio
import ssl as tls
from collections.abc import Callable
from typing import Any

from .contract import OnBind, Peer, Settings
from .session import Session


async def connect(
    host: str,
    port: int,
    peer: Peer,
    settings: Settings | None = None,
    *,
    ssl: tls.SSLContext | None = None,
    server_hostname: str | None = None,
    source_host: str | None = None,
    timeout_s: float = 10.0,
) -> Session:
    """Open a connection as a client; the next step is `session.bind`.

    `ssl` is the caller's context, `server_hostname` the name to check in the certificate (default: `host`),
    `source_host` the local address to come from. Raises OSError (ssl.SSLError is one) or TimeoutError.
    """
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(timeout_s):
        _, session = await loop.create_connection(
            lambda: Session(peer, settings),
            host,
            port,
            ssl=ssl,
            server_hostname=(server_hostname or host) if ssl else None,
            local_addr=(source_host, 0) if source_host else None,
        )
    return session


class _Counted(Session):
    """A session that its listener knows while it lives."""

    def __init__(self, listener: Listener) -> None:
        super().__init__(listener.peer, listener.settings, listener.on_bind)
        self._listener = listener

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Enter the listener's books."""
        super().connection_made(transport)
        self._listener.sessions.add(self)
        if self._listener.admit is not None and not self._listener.admit(self):
            self.abort("turned away")

    def _ended(self, reason: str) -> None:
        """Leave them."""
        self._listener.sessions.discard(self)
        super()._ended(reason)


class Listener:
    """A listening socket and the sessions that came through it; made by `listen`."""

    def __init__(self, peer: Peer, on_bind: OnBind, settings: Settings | None = None) -> None:
        self.peer = peer
        self.on_bind = on_bind
        self.settings = settings or Settings()
        self.sessions: set[Session] = set()
        # Asked about each new connection before anything is read from it; one that is not admitted is dropped.
        self.admit: Callable[[Session], bool] | None = None
        # An asyncio.Server, or uvloop's, whose ``sockets`` is a list where asyncio has a tuple.
        self._server: Any = None

    @property
    def address(self) -> tuple[str, int]:
        """Host and port in use (the port that the system chose when 0 was asked)."""
        assert self._server is not None
        host, port = self._server.sockets[0].getsockname()[:2]
        return str(host), int(port)

    async def start(self, host: str, port: int, ssl: tls.SSLContext | None = None) -> None:
        """Begin to accept. Raises OSError when the address is not to be had."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: _Counted(self), host, port, ssl=ssl, backlog=1024, ssl_handshake_timeout=10.0 if ssl else None
        )

    async def stop(self, *, goodbye_s: float | None = 1.0) -> None:
        """Accept no more, unbind every session, and drop those that have not gone after `goodbye_s` seconds; with None
        drop all at once and unbind nobody."""
        if self._server:
            self._server.close()
        leaving = []
        if goodbye_s is not None:
            leaving = [asyncio.ensure_future(session.unbind("the server stops")) for session in list(self.sessions)]
        if leaving:
            await asyncio.wait(leaving, timeout=goodbye_s)
        dropped = list(self.sessions)
        for session in dropped:
            session.abort("the server stops")
        for session in dropped:
            await session.wait_closed()
        if leaving:
            await asyncio.wait(leaving)
        if self._server:
            await self._server.wait_closed()


async def listen(
    host: str,
    port: int,
    peer: Peer,
    on_bind: OnBind,
    settings: Settings | None = None,
    *,
    ssl: tls.SSLContext | None = None,
) -> Listener:
    """Accept sessions as a server.

    `on_bind(session, pdu)` returns the command_status of the bind answer (0 accepts), at once or awaited; a
    refused connection is closed after the answer.
    """
    listener = Listener(peer, on_bind, settings)
    await listener.start(host, port, ssl)
    return listener
