"""A small HTTP/1.1 client for callbacks: many short POST requests over kept connections (RFC 9110, RFC 9112).

No task, future or timer belongs to a request: an answer ends in a plain call. A task exists only while a connection
is opened, one timer looks after all time-outs, and requests are not pipelined.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar, cast

from heliograph.callbacks.addresses import Network, Resolver
from heliograph.callbacks.answers import AnswerReader, BadAnswer
from heliograph.callbacks.dialer import Dialer, explain
from heliograph.callbacks.targets import Origin, Target

C = TypeVar("C")


class Answer:
    """How a request ended. `status` is the server's, or 0 when there was none; then `error` says why.

    With a status, `error` is empty or a note (a body that was cut off); the handler has answered all the same.
    `took_ms` counts from `post`.
    """

    __slots__ = ("error", "status", "took_ms")

    def __init__(
        self,
        status: int,
        error: str,
        took_ms: int,
    ) -> None:
        self.status = status
        self.error = error
        self.took_ms = took_ms


class NoRoom(Exception):  # noqa: N818 (a condition in the caller's words)
    """`post` was called although `room` was 0: a mistake of the caller."""


class _Request:
    __slots__ = ("context", "deadline", "done", "payload", "repeated", "started", "target")

    def __init__(
        self,
        target: Target,
        payload: bytes,
        done: Callable[[Answer, Any], None],
        context: Any,
        started: float,
        total_s: float,
    ) -> None:
        self.target = target
        self.payload = payload
        self.done = done
        self.context = context
        self.started = started
        self.deadline = started + total_s
        self.repeated = False


class _Pool:
    """What one origin has: idle connections (the last used at the end), and the number of requests and connections."""

    __slots__ = ("connections", "idle", "in_flight")

    def __init__(self) -> None:
        self.idle: list[_Connection] = []
        self.in_flight = 0
        self.connections = 0


class _Connection(asyncio.Protocol):
    __slots__ = ("_client", "idle_since", "lost", "opened", "pool", "reader", "request", "transport", "used")

    def __init__(self, client: "Client", pool: _Pool) -> None:
        self._client = client
        self.pool = pool
        self.opened = self.idle_since = client.now()
        self.request: _Request | None = None
        self.reader = AnswerReader()
        self.used = False  # has carried an answer
        self.lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        # One write is one whole request: nothing is gained by waiting for more (Nagle).
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._client.connected(self)

    def data_received(self, data: bytes) -> None:
        if self.request is None:
            self.transport.abort()  # nobody asked
            return
        try:
            complete = self.reader.feed(data)
        except BadAnswer as bad:
            self._client.fail(self, str(bad))
            return
        if complete:
            self._client.answered(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True
        self._client.connection_lost(self, exc)


class Client:
    """Posts to many hosts at once. Make it and use it inside one running loop.

    total_cap       requests under way, and connections
    allow                networks that may be called although they are private or reserved
    tls                  context for https; the default verifies against the system's authorities
    connect_s            for finding the name, connecting and the TLS handshake together
    total_s              from `post` to the end of the answer
    idle_s, age_s        an unused connection is closed after the first, a busy one renewed after the second (its name may
                         have moved)
    """

    def __init__(
        self,
        *,
        total_cap: int = 512,
        allow: Iterable[Network] = (),
        tls: ssl.SSLContext | None = None,
        connect_s: float = 10.0,
        total_s: float = 30.0,
        idle_s: float = 30.0,
        age_s: float = 300.0,
        resolver: Resolver | None = None,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._total_cap = total_cap
        self._dialer = Dialer(resolver or Resolver(), allow, tls or ssl.create_default_context(), connect_s)
        self._total_s = total_s
        self._idle_s = idle_s
        self._age_s = age_s
        self._pools: dict[Origin, _Pool] = {}
        self._connections: set[_Connection] = set()
        self._idle: dict[_Connection, None] = {}  # all idle ones, the longest idle first
        self._openings: dict[_Request, asyncio.Task[None]] = {}
        self._in_flight = 0
        self._timer: asyncio.TimerHandle | None = None
        # Time-outs are met to a fiftieth of the shortest of them, and looked for twice a second at most.
        self._sweep_s = min(0.5, min(total_s, idle_s) / 50)
        self._closing = False
        self._drained = asyncio.Event()

    @property
    def in_flight(self) -> int:
        """Requests under way."""
        return self._in_flight

    @property
    def connections(self) -> int:
        """Open connections, idle ones included."""
        return len(self._connections)

    def now(self) -> float:
        """The loop's time in seconds."""
        return self._loop.time()

    @property
    def room(self) -> int:
        """How many more requests may be posted now. Whose turn it is, `Handlers` says."""
        return 0 if self._closing else self._total_cap - self._in_flight

    def post(
        self,
        target: Target,
        body: bytes,
        content_type: bytes,
        done: Callable[[Answer, C], None],
        context: C,
        headers: Sequence[tuple[bytes, bytes]] = (),
    ) -> None:
        """Sends one request; `done(answer, context)` is called exactly once, later, from the loop.

        A redirect is not followed: its status is the answer. A request on a kept connection that the server closes
        without one byte of answer is repeated once on a new connection, so a server that works through a request and
        closes silently may see it twice; callbacks are delivered at least once in any case.
        `headers` are further (name, value) pairs. Raises NoRoom, and ValueError for a line break in a header.
        """
        pool = self._pools.get(target.origin)
        if self.room <= 0:
            raise NoRoom("the client is closing" if self._closing else "no room for another request")
        more = _lines(headers) if headers else b""
        payload = b"%b%b\r\nContent-Length: %d\r\n%b\r\n%b" % (target.prefix, content_type, len(body), more, body)
        request = _Request(target, payload, done, context, self._loop.time(), self._total_s)
        if pool is None:
            pool = self._pools[target.origin] = _Pool()
        pool.in_flight += 1
        self._in_flight += 1
        if self._timer is None:
            self._timer = self._loop.call_later(self._sweep_s, self._sweep)
        while pool.idle:
            connection = pool.idle.pop()
            del self._idle[connection]
            if not connection.transport.is_closing():
                self._send(connection, request)
                return
        self._open(pool, request)

    def _send(self, connection: _Connection, request: _Request) -> None:
        connection.request = request
        connection.reader.reset()
        connection.transport.write(request.payload)

    # --- opening ---

    def _open(self, pool: _Pool, request: _Request) -> None:
        if len(self._connections) + len(self._openings) >= self._total_cap and self._idle:
            self._discard(next(iter(self._idle)))
        self._openings[request] = self._loop.create_task(self._connect(pool, request))

    async def _connect(self, pool: _Pool, request: _Request) -> None:
        error = ""
        try:
            connection = await self._dialer.dial(request.target, lambda: _Connection(self, pool), request.deadline)
        except (OSError, ValueError) as failure:
            error = self._dialer.explain(failure)
        except Exception as bug:
            error = "internal error"
            self._loop.call_exception_handler({"message": "a callback's connection failed", "exception": bug})
        del self._openings[request]
        if not error and connection.lost:
            error = "the server closed the connection without an answer"
        if error:
            self._finish(pool, request, 0, error)
            return
        self._send(connection, request)

    # --- called by connections ---

    def connected(self, connection: _Connection) -> None:
        """A connection is open. Whoever asked for it takes it in the loop's next round; if he has gone, it is idle in time."""
        connection.pool.connections += 1
        self._connections.add(connection)

    def answered(self, connection: _Connection) -> None:
        """The answer is complete: keeps the connection or lets it go, then tells the caller."""
        request, reader, pool = connection.request, connection.reader, connection.pool
        assert request is not None
        connection.request = None
        connection.used = True
        now = self._loop.time()
        if (
            reader.keep_alive
            and not self._closing
            and now - connection.opened < self._age_s
            and not connection.transport.get_write_buffer_size()  # answered before it had read the request
        ):
            connection.idle_since = now
            pool.idle.append(connection)
            self._idle[connection] = None
        else:
            self._discard(connection)
        self._finish(pool, request, reader.status, reader.note)

    def fail(self, connection: _Connection, error: str) -> None:
        """Gives up the request on this connection, and the connection. A status that has come stands."""
        request = connection.request
        assert request is not None
        connection.request = None
        self._forget(connection)
        connection.transport.abort()
        self._finish(connection.pool, request, connection.reader.status, error)

    def connection_lost(self, connection: _Connection, exc: Exception | None) -> None:
        """The server has closed, or the network has failed."""
        self._forget(connection)
        request, reader = connection.request, connection.reader
        if request is None:
            return
        connection.request = None
        if reader.end():
            self._finish(connection.pool, request, reader.status, reader.note)
        elif connection.used and not reader.started and not request.repeated:
            request.repeated = True  # it went stale while it was idle: see `post`
            self._open(connection.pool, request)
        else:
            where = "in the middle of its answer" if reader.started else "without an answer"
            why = f" ({explain(exc)})" if exc is not None else ""
            self._finish(connection.pool, request, 0, f"the server closed the connection {where}{why}")

    def _discard(self, connection: _Connection) -> None:
        self._forget(connection)
        if connection.transport.get_write_buffer_size():
            connection.transport.abort()  # close would wait for a server that does not read
        else:
            connection.transport.close()

    def _forget(self, connection: _Connection) -> None:
        if connection in self._connections:
            self._connections.discard(connection)
            connection.pool.connections -= 1
        if connection in self._idle:
            del self._idle[connection]
            connection.pool.idle.remove(connection)

    def _finish(self, pool: _Pool, request: _Request, status: int, error: str) -> None:
        pool.in_flight -= 1
        self._in_flight -= 1
        if self._closing and not self._in_flight:
            self._drained.set()
        answer = Answer(status, error, round((self._loop.time() - request.started) * 1000))
        try:
            request.done(answer, request.context)
        except Exception as bug:
            # The caller's mistake must not stop the other requests of this read or sweep.
            self._loop.call_exception_handler({"message": "a callback's done function failed", "exception": bug})

    # --- time ---

    def _sweep(self) -> None:
        now = self._loop.time()
        late = [c for c in self._connections if c.request is not None and c.request.deadline <= now]
        for connection in late:
            if connection.request is not None:  # the caller's done may have ended others
                self.fail(connection, f"no complete answer within {self._total_s:g} s")
        unused = [c for c in self._connections if c.request is None and c.idle_since + self._idle_s <= now]
        for connection in unused:
            self._discard(connection)
        empty = [origin for origin, pool in self._pools.items() if not pool.connections and not pool.in_flight]
        for origin in empty:
            del self._pools[origin]
        self._timer = self._loop.call_later(self._sweep_s, self._sweep) if self._pools else None

    async def close(self, grace_s: float = 5.0) -> None:
        """Takes nothing more, waits up to `grace_s` seconds for what is under way, then gives up the rest
        (each is told "the client was closed") and closes every connection."""
        self._closing = True
        for connection in list(self._idle):
            self._discard(connection)
        if self._in_flight and grace_s > 0:
            try:
                async with asyncio.timeout(grace_s):
                    await self._drained.wait()
            except TimeoutError:
                pass
        openings = list(self._openings.items())
        for _, task in openings:
            task.cancel()
        await asyncio.gather(*(task for _, task in openings), return_exceptions=True)
        for request, _ in openings:
            if self._openings.pop(request, None) is not None:
                self._finish(self._pools[request.target.origin], request, 0, "the client was closed")
        for connection in list(self._connections):
            if connection.request is not None:
                self.fail(connection, "the client was closed")
            else:
                self._forget(connection)
                connection.transport.abort()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        await self._dialer.close()


def _lines(headers: Sequence[tuple[bytes, bytes]]) -> bytes:
    lines = b"\r\n".join([name + b": " + value for name, value in headers])
    if lines.count(b"\r") != len(headers) - 1 or lines.count(b"\n") != len(headers) - 1:
        raise ValueError("a line break in a header")
    return lines + b"\r\n"
