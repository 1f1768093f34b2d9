"""The HTTP door: sockets in, requests to the application, answers out (RFC 9112; spec/sending 1.1, spec/clients 2.4).

A protocol of our own on httptools: it saves some 14 µs a request against a general server and knows what the
service's clients send. It answers faults of transport itself; what an API client must understand (a body too large, a
failure of the application) it answers with what the application's author gives it, so that the status stays 200.
"""

import asyncio
import logging
import ssl as tls
import time
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, NamedTuple

from heliograph.api.request import App, Request, Response, Stream, plain
from heliograph.core.sources import source_of
from heliograph.gateways.http_connection import HttpConnection
from heliograph.gateways.http_reader import Exchange
from heliograph.gateways.proxies import Network, TrustedProxies
from heliograph.gateways.shares import Shares
from heliograph.gateways.tls import Certificate
from heliograph.gateways.tls_handshake import BACKLOG, TlsHandshake, TlsListener

log = logging.getLogger(__name__)

MAX_HEAD = 64 * 1024  # bytes; URLs of 60 KB are in use
MAX_BODY = 10 * 1024 * 1024  # bytes; 50,000 recipients are 0.6 MB, the rest is room for files
MAX_RECEIVING = 256 * 1024 * 1024  # bytes of bodies in the course of being received, all connections together


class Limits(NamedTuple):
    """Time limits in seconds; each is noticed up to one `sweep_s` late."""

    head_s: float = 10.0  # from the first byte (on a new connection from its beginning) to the end of the head; TLS too
    body_s: float = 30.0  # for every `body_progress` bytes of a body
    body_progress: int = 16 * 1024
    body_rate: int = 4096  # bytes a second that a body must average when `body_s` are over
    idle_s: float = 75.0  # between an answer and the next request
    crowded_idle_s: float = 5.0  # the same when nine tenths of all connections are in use
    answer_s: float = 300.0  # for the application to reply; a connection that waits longer is cut
    write_s: float = 60.0  # without the client taking a byte
    linger_s: float = 5.0  # to throw away what a refused client still sends
    sweep_s: float = 1.0
    certificate_s: float = 5.0  # between two looks at the certificate's files


class HttpDoor:
    """Listens on any number of addresses for one application.

    `app(request, reply)` as in `api.request`. `too_large(head)` answers a request whose body is over `max_body`
    bytes (the body is not read, `head.body` is empty); `failed(request)` answers when the application raised.
    Neither may raise. `trusted` are the networks of reverse proxies. `max_per_client` bounds the connections of one
    address (of one /64 in IPv6). `clock` gives nanoseconds since the epoch.
    """

    def __init__(
        self,
        app: App,
        *,
        too_large: Callable[[Request], Response] = lambda _: plain("request body too large"),
        failed: Callable[[Request], Response] = lambda _: plain("internal error", 500),
        trusted: Iterable[Network] = (),
        max_body: int = MAX_BODY,
        max_head: int = MAX_HEAD,
        max_connections: int = 4096,
        max_per_client: int = 512,
        max_receiving: int = MAX_RECEIVING,
        limits: Limits | None = None,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self._app = app
        self.too_large = too_large
        self._failed = failed
        self.proxies = TrustedProxies(trusted)
        self.max_body = max_body
        self.max_head = max_head
        self._max_connections = max_connections
        self._max_receiving = max_receiving
        # Connections of each client; and bytes of his large bodies, a quarter of all.
        self.shares = Shares(max_per_client)
        self.large = Shares(max(max_receiving // 4, max_body))
        self.limits = limits or Limits()
        self.idle_s = self.limits.idle_s
        self.clock = clock
        self.now = 0.0  # the loop's time at the last sweep
        self.stopping = False
        self._servers: list[Any] = []
        self._certificates: list[Certificate] = []
        self._looked = 0.0
        self._connections: dict[HttpConnection | TlsHandshake, str] = {}  # and for which source each is counted
        self._tasks: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._empty: asyncio.Event | None = None
        self.receiving = 0
        self.accepted = self.turned_away = self.requests = self.answered = self.dropped = 0
        self.failures = self.bad_requests = self.too_large_bodies = self.timed_out = 0

    async def start(self, host: str, port: int, ssl: Certificate | tls.SSLContext | None = None) -> tuple[str, int]:
        """Listens; gives the address and port in use (port 0 chooses one). OSError when the address is not free."""
        loop = asyncio.get_running_loop()
        if self._timer is None:
            self._empty = asyncio.Event()
            self._looked = loop.time()
            self._sweep()
        if isinstance(ssl, Certificate):
            self._certificates.append(ssl)
        server: Any  # uvloop's servers are not asyncio's
        if ssl is None:
            server = await loop.create_server(
                lambda: HttpConnection(self), host, port, backlog=BACKLOG, reuse_address=True
            )
        else:
            server = TlsListener(self, ssl.context if isinstance(ssl, Certificate) else ssl)
            await server.start(host, port)
        self._servers.append(server)  # a server nobody refers to vanishes silently
        address = server.sockets[0].getsockname()
        log.info("http_listening", extra={"host": address[0], "port": address[1], "tls": ssl is not None})
        return address[0], address[1]

    async def stop(self, grace_s: float = 10.0) -> None:
        """Stops accepting, closes idle connections, waits `grace_s` for requests under way, then cuts the rest."""
        self.stopping = True
        for server in self._servers:
            server.close()
        for connection in list(self._connections):
            connection.stop()
        if not await self._emptied(grace_s):
            log.warning("http_connections_cut", extra={"count": len(self._connections)})
            for connection in list(self._connections):
                connection.abort()
            await self._emptied(1.0)  # the loop reports a cut connection a little later
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._timer is not None:
            self._timer.cancel()
        for server in self._servers:
            await server.wait_closed()

    async def _emptied(self, patience_s: float) -> bool:
        """Waits until no connection is left; False when some are."""
        if self._connections and self._empty is not None:
            self._empty.clear()
            try:
                await asyncio.wait_for(self._empty.wait(), patience_s)
            except TimeoutError:
                return False
        return True

    def stats(self) -> dict[str, int]:
        """Counters since the start, and the gauges `connections` and `receiving` (bytes of unfinished bodies)."""
        return {
            "connections": len(self._connections),
            "receiving": self.receiving,
            "accepted": self.accepted,
            "turned_away": self.turned_away,
            "requests": self.requests,
            "answered": self.answered,
            "dropped": self.dropped,
            "failures": self.failures,
            "bad_requests": self.bad_requests,
            "too_large": self.too_large_bodies,
            "timed_out": self.timed_out,
        }

    # --- for the connections

    def judge(self, peer: Any) -> tuple[str, bool]:
        """The address of a connection's other end, and whether it is a trusted proxy; from its socket's name."""
        judged = self.proxies.judge(peer[0]) if isinstance(peer, tuple) and peer else None
        return judged or ("127.0.0.1", False)

    def admit(self, connection: HttpConnection | TlsHandshake, address: str) -> bool:
        """Counts a new connection; False when there are too many, of all or of this address, or the door is stopping.

        "" as the address: of a trusted proxy, whose clients are counted by their requests.
        """
        source = source_of(address)
        full = len(self._connections) >= self._max_connections or self.stopping or not self.shares.take(source)
        # One that is turned away is swept like any other until it has closed.
        self._connections[connection] = "" if full else source
        if full:
            self.turned_away += 1
            return False
        self.accepted += 1
        return True

    def release(self, connection: HttpConnection | TlsHandshake) -> None:
        """Forgets a closed connection."""
        self.shares.give(self._connections.pop(connection, ""))
        if not self._connections and self._empty is not None:
            self._empty.set()

    def receive(self, size: int) -> bool:
        """Counts bytes of a body; False when all bodies together are over the bound."""
        self.receiving += size
        return self.receiving <= self._max_receiving

    def handle(self, exchange: Exchange) -> None:
        """Gives a request to the application; its exception is logged and answered here."""
        self.requests += 1
        try:
            self._app(exchange.request, exchange)
        except Exception:
            answer = self.explain(exchange.request)
            if not exchange.replied:
                exchange(answer)

    def explain(self, request: Request) -> Response:
        """Logs the exception being handled and gives the answer for it. The query is left out: it holds passwords."""
        self.failures += 1
        log.exception("http_request_failed", extra={"method": request.method, "path": request.path})
        return self.say(self._failed, request)

    def say(self, word: Callable[[Request], Response], request: Request) -> Response:
        """What the application's author wants said; a bare 500 when even that fails."""
        try:
            return word(request)
        except Exception:
            log.exception("http_fallback_failed", extra={"method": request.method, "path": request.path})
            return plain("internal error", 500)

    def spawn(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        """Runs a stream; the door holds the task until it ends."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def discard(self, stream: Stream) -> None:
        """Closes a stream that nobody will read."""
        self.spawn(self.close_stream(stream))

    async def close_stream(self, stream: Stream) -> None:
        """Lets a generator run its `finally`; other iterators have nothing to close."""
        close = getattr(stream.chunks, "aclose", None)
        if close is None:
            return
        try:
            await close()
        except Exception:
            log.exception("http_stream_close_failed")

    # --- time

    def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        self.now = now = loop.time()
        self._timer = loop.call_later(self.limits.sweep_s, self._sweep)
        crowded = len(self._connections) * 10 >= self._max_connections * 9
        self.idle_s = self.limits.crowded_idle_s if crowded else self.limits.idle_s
        for connection in list(self._connections):
            connection.check(now)
        if self._certificates and not self.stopping and now - self._looked >= self.limits.certificate_s:
            self._looked = now
            self.spawn(self._renew_certificates())

    async def _renew_certificates(self) -> None:
        """Reads the disk in a worker; the live context is changed on the loop, where handshakes happen."""
        loop = asyncio.get_running_loop()
        for certificate in self._certificates:
            if await loop.run_in_executor(None, certificate.changed):
                certificate.reload()
