"""One HTTP/1 connection: the order of answers, backpressure, its end (RFC 9112, section 9; spec/clients 2.4).

At most one request is under way; others that came in the same read wait parsed, and bytes that come meanwhile wait
unparsed, with reading paused. So answers leave in order, memory per connection is bounded by one read and one body,
and the usual client (one request, one answer) costs no pause at all.

Time limits are kept by the door, which looks at all connections once a sweep: a connection only notes when it entered
its present state, by the door's coarse clock.
"""

import asyncio
import logging
from typing import TYPE_CHECKING, cast

from heliograph.api.request import Answer, Response, Stream
from heliograph.gateways.http_answer import LAST_CHUNK, chunk, render, stream_head
from heliograph.gateways.http_reader import BUSY, TOO_SLOW, Exchange, RequestReader

if TYPE_CHECKING:
    from heliograph.gateways.http import HttpDoor
    from heliograph.gateways.tls_handshake import TlsHandshake

log = logging.getLogger("heliograph.gateways.http")


class HttpConnection(asyncio.Protocol):
    """The protocol of one accepted socket; `door` holds the application, the limits and the counters."""

    _reader: RequestReader
    _transport: asyncio.Transport | None

    def __init__(self, door: "HttpDoor", handshake: "TlsHandshake | None" = None) -> None:
        self._door = door
        self._handshake = handshake  # whose place it takes
        self._transport = None
        self._secure = False
        self._current: Exchange | None = None
        self._pumping = False
        self._held = bytearray()  # bytes that came while a request was under way
        self._paused = False
        self._closing = False
        self._streaming: asyncio.Task[None] | None = None
        self._writable: asyncio.Event | None = None
        self._stalled = False  # the socket takes no more for now
        self._unsent = 0
        self._since = door.now

    # --- the socket

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport = cast(asyncio.Transport, transport)  # uvloop's does not derive from it
        self._transport = transport
        door = self._door
        address, trusted = door.judge(transport.get_extra_info("peername"))
        self._secure = transport.get_extra_info("sslcontext") is not None
        self._reader = RequestReader(door, address, trusted, self._secure)
        if self._handshake is not None:
            door.release(self._handshake)
        if not door.admit(self, "" if trusted else address):
            transport.write(render(BUSY, "1.1", False, False))
            self._close(linger=False)

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        self._reader.close()
        self._reader.ready.clear()
        self._held.clear()
        self._door.release(self)
        if self._streaming is not None:
            self._streaming.cancel()

    def eof_received(self) -> bool:
        """Keeps the socket open for the answers that are due; TLS cannot be half open, and a stream has no end."""
        self._reader.deaf = True
        due = self._current is not None or bool(self._reader.ready)
        return due and self._streaming is None and not self._secure

    def pause_writing(self) -> None:
        self._stalled = True
        self._since = self._door.now

    def resume_writing(self) -> None:
        self._stalled = False
        self._since = self._door.now
        if self._writable is not None:
            self._writable.set()
        elif self._current is None:
            self._pump()

    def data_received(self, data: bytes) -> None:
        reader = self._reader
        if reader.deaf:
            return
        if self._current is not None or reader.ready:
            self._held += data
            if not self._paused and self._transport is not None:
                self._paused = True
                self._transport.pause_reading()
            return
        reader.feed(data)
        if reader.ready or reader.continue_due:
            self._pump()

    # --- answering

    def _pump(self) -> None:
        """Hands on what waits, one request at a time. A loop, not a recursion: replies may come within the call."""
        if self._pumping:
            return
        self._pumping = True
        ready = self._reader.ready
        try:
            while True:
                while ready and self._current is None and not self._stalled and not self._closing:
                    self._hand_on(ready.popleft())
                if self._current is not None or ready or not self._held or self._reader.deaf:
                    break
                held = bytes(self._held)
                self._held.clear()
                self._reader.feed(held)
        finally:
            self._pumping = False
        if self._current is None and not ready:
            self._listen_on()

    def _listen_on(self) -> None:
        """All is answered: closes when nothing more can come, or goes on reading."""
        if self._transport is None or self._closing:
            return
        if self._reader.deaf:
            self._close(linger=False)
            return
        if self._paused:
            self._paused = False
            self._transport.resume_reading()
        if self._reader.continue_due:
            self._reader.continue_due = False
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _hand_on(self, exchange: Exchange) -> None:
        self._current = exchange
        exchange.connection = self
        self._since = self._door.now
        if exchange.refusal is not None:
            exchange(exchange.refusal)
        else:
            self._door.handle(exchange)

    def answer(self, exchange: Exchange, answer: Answer) -> None:
        """Writes the answer to the request under way, or drops it when the client has gone."""
        door = self._door
        transport = self._transport
        if transport is None:
            door.dropped += 1
            if isinstance(answer, Stream):
                door.discard(answer)
            return
        keep = exchange.keep and not door.stopping
        head_only = exchange.request.method == "HEAD"
        try:
            if isinstance(answer, Stream):
                self._begin_stream(exchange, answer, keep, head_only)
                return
            data = render(answer, exchange.version, keep, head_only)
        except Exception:
            data = render(door.explain(exchange.request), exchange.version, keep, head_only)
        transport.write(data)
        self._finish(exchange, keep)

    def _finish(self, exchange: Exchange, keep: bool) -> None:
        self._door.answered += 1
        self._current = None
        self._since = self._door.now
        if not keep:
            self._close(linger=exchange.refusal is not None)
        elif not self._pumping:
            reader = self._reader
            if reader.ready or self._held or self._paused or reader.deaf or reader.continue_due:
                self._pump()

    # --- streams

    def _begin_stream(self, exchange: Exchange, stream: Stream, keep: bool, head_only: bool) -> None:
        assert self._transport is not None
        chunked = exchange.version != "1.0" and stream.length is None
        keep = keep and (chunked or stream.length is not None)
        self._transport.write(stream_head(stream, exchange.version, keep))
        if not head_only and not self._door.stopping:
            self._writable = asyncio.Event()
            self._streaming = self._door.spawn(self._stream(exchange, stream, self._writable, keep))
            self._streaming.add_done_callback(self._stream_ended)
            return
        self._door.discard(stream)
        if chunked and not head_only:
            self._transport.write(LAST_CHUNK)
        # The door stops: what was promised to be of some length does not come.
        self._finish(exchange, keep and (head_only or not stream.length))

    async def _stream(self, exchange: Exchange, stream: Stream, writable: asyncio.Event, keep: bool) -> None:
        """Writes the pieces as they come; ends with the last of them, the client's leaving or the door's stop."""
        chunked = exchange.version != "1.0" and stream.length is None
        broken = False
        written = 0
        try:
            async for piece in stream.chunks:
                if self._transport is None:
                    break
                written += len(piece)
                if stream.length is not None and written > stream.length:
                    broken = True
                    break
                if piece:
                    self._transport.write(chunk(piece) if chunked else piece)
                if self._stalled:
                    writable.clear()
                    await writable.wait()
        except asyncio.CancelledError:
            keep = False
        except Exception:
            broken = True
            log.exception("http_stream_failed", extra={"path": exchange.request.path})
        await self._door.close_stream(stream)
        self._streaming = self._writable = None
        if self._transport is None:
            return
        if broken or (stream.length is not None and written != stream.length):
            self._transport.abort()  # without the last chunk, or short, so that the client sees it is not whole
            return
        if chunked:
            self._transport.write(LAST_CHUNK)
        self._finish(exchange, keep)

    def _stream_ended(self, task: "asyncio.Task[None]") -> None:
        """A stream that was cancelled before it began, or again while it closed, has not ended its answer."""
        if task.cancelled():
            self.abort()

    # --- ending

    def _close(self, linger: bool) -> None:
        """Closes once all is written.

        With `linger` what the client still sends is read and thrown away for a while: a socket closed with bytes
        unread is reset, and a refused client would lose its answer.
        """
        transport = self._transport
        if transport is None or self._closing:
            return
        self._closing = self._reader.deaf = True
        self._since = self._door.now
        self._held.clear()
        if not linger:
            transport.close()
            return
        if self._paused:
            self._paused = False
            transport.resume_reading()
        if transport.can_write_eof():
            transport.write_eof()

    def _give_up(self, answer: Response) -> None:
        """Ends a request that did not arrive in time."""
        if self._transport is not None:
            self._transport.write(render(answer, "1.1", False, False))
            self._close(linger=True)

    def stop(self) -> None:
        """Closes an idle connection; another closes with the answer it is waiting for. Streams end now."""
        if self._streaming is not None:
            self._streaming.cancel()
        elif self._closing and self._transport is not None:
            self._transport.close()  # was lingering
        elif self._current is None and not self._reader.ready and not self._reader.head and not self._reader.in_body:
            self._close(linger=False)

    def abort(self) -> None:
        """Closes at once, whatever is unsent."""
        if self._transport is not None:
            self._transport.abort()

    # --- time

    def check(self, now: float) -> None:
        """Ends what takes too long; called once a sweep with the loop's time in seconds."""
        limits = self._door.limits
        reader = self._reader
        if self._stalled or self._closing:
            self._check_writing(now)
        elif self._current is not None:
            if self._streaming is None and now - self._since > limits.answer_s:
                log.error("http_request_unanswered", extra={"path": self._current.request.path})
                self.abort()
        elif reader.in_body or reader.head:
            if reader.lags(now, limits) if reader.in_body else now - reader.since > limits.head_s:
                self._door.timed_out += 1
                self._give_up(TOO_SLOW)
        elif now - self._since > (self._door.idle_s if reader.complete else limits.head_s):
            self._door.timed_out += 1
            self._close(linger=False)

    def _check_writing(self, now: float) -> None:
        """A client that reads slowly may take its time; one that takes nothing is dropped."""
        if self._transport is None:
            return
        limits = self._door.limits
        unsent = self._transport.get_write_buffer_size()
        if unsent and unsent != self._unsent:
            self._unsent = unsent
            self._since = now
        elif now - self._since > (limits.write_s if unsent else limits.linger_s):
            self._door.timed_out += bool(unsent)
            self.abort()
