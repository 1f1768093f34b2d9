"""The transactions that are under way at the SIP door, and their timers: so many at most, one timer of the loop for all (RFC 3261, section 17)."""

import asyncio
import heapq
from collections.abc import Callable
from itertools import count
from typing import Any, Protocol

from heliograph.gateways.sip_answers import respond
from heliograph.wire.sip.messages import Request, Response, encode
from heliograph.wire.sip.transactions import Do, Event, State, Table, Timing, Transaction

# Bytes of messages for each transaction that may be held, all together: a real one has 2 KB at most, and 64 KB were possible.
ROOM = 4096
TURN = 256  # timers that are seen to in one turn of the loop, some 10 µs each

Key = tuple[str, ...]


class Channel(Protocol):
    """Where a message came from and its answers go to."""

    address: str
    reliable: bool

    def send(self, data: bytes) -> None:
        """Send a message; what cannot be sent is lost, as in a network."""


class Exchange:
    """A transaction with all that is remembered of it: `request` until it is answered, then only the bytes of the answer."""

    __slots__ = (
        "channel",
        "deadline_ms",
        "key",
        "last",
        "machine",
        "on_deadline",
        "on_end",
        "queued_ms",
        "request",
        "size",
        "tag",
    )

    def __init__(self, key: Key, table: Table, timing: Timing, channel: Channel, size: int) -> None:
        self.key = key
        self.size = size
        self.machine = Transaction(table, timing, reliable=channel.reliable)
        self.channel = channel
        self.request: Request | None = None
        self.tag = ""
        self.last = b""
        self.deadline_ms: int | None = None
        self.on_deadline: Callable[[], None] | None = None
        self.on_end: Callable[[Response | None], None] | None = None  # a client's: the response, None for none
        self.queued_ms: int | None = None

    @property
    def due_ms(self) -> int | None:
        """When it must be looked at next."""
        due = self.machine.due_ms
        if self.deadline_ms is None or due is None:
            return self.deadline_ms if due is None else due
        return min(due, self.deadline_ms)


class Exchanges:
    """Transactions by key, at most `limit`, and `limit` * ROOM bytes of their requests: beyond that the oldest are dropped."""

    def __init__(self, limit: int, timing: Timing) -> None:
        self._limit = limit
        self._timing = timing
        self._held: dict[Key, Exchange] = {}
        self._size = 0
        self._heap: list[tuple[int, int, Exchange]] = []
        self._order = count()
        self._timer: asyncio.Handle | None = None
        self._armed_ms: int | None = None
        self._loop: Any = None  # uvloop's or asyncio's
        self.dropped = self.unacknowledged = self.repeated = 0

    def __len__(self) -> int:
        """How many are under way."""
        return len(self._held)

    def now_ms(self) -> int:
        """The time that transactions are told: monotonic, in ms."""
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
        return int(self._loop.time() * 1000)

    def find(self, key: Key) -> Exchange | None:
        """The transaction with this key, if it is under way."""
        return self._held.get(key)

    def open(self, key: Key, table: Table, channel: Channel, size: int) -> Exchange:
        """A new transaction, by a request of `size` bytes; the oldest make room when there are too many."""
        self._size += size
        while self._held and (len(self._held) >= self._limit or self._size > self._limit * ROOM):
            oldest = self._held.pop(next(iter(self._held)))
            self._size -= oldest.size
            oldest.queued_ms = None
            oldest.machine.state = State.TERMINATED
            self.dropped += 1
            self._end(oldest, None)
        exchange = self._held[key] = Exchange(key, table, self._timing, channel, size)
        return exchange

    def feed(self, exchange: Exchange, event: Event, data: bytes = b"", response: Response | None = None) -> None:
        """Something has happened to a transaction; `data` is the message that goes with it."""
        self._do(exchange, exchange.machine.feed(event, self.now_ms()), data, response)
        self._see(exchange)

    def finish(self, exchange: Exchange, status: int, extra: tuple[tuple[str, str], ...] = ()) -> None:
        """Send the final answer to a request that has none yet; the request is not needed any more."""
        request, exchange.request = exchange.request, None
        exchange.deadline_ms = exchange.on_deadline = None
        if request is not None:
            self.feed(exchange, Event.FINAL, encode(respond(request, status, exchange.tag, extra)))

    def wait(self, exchange: Exchange, patience_ms: int, call: Callable[[], None]) -> None:
        """Call this when the transaction has not been given another deadline or ended by then."""
        exchange.deadline_ms = self.now_ms() + patience_ms
        exchange.on_deadline = call
        self._see(exchange)

    def close(self) -> None:
        """Forget all; the clients' are told."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._armed_ms = None, None
        held, self._held = self._held, {}
        self._heap.clear()
        self._size = 0
        for exchange in held.values():
            self._end(exchange, None)

    def _do(self, exchange: Exchange, do: Do, data: bytes, response: Response | None) -> None:
        if do is Do.SEND:
            exchange.last = data
            exchange.channel.send(data)
        elif do is Do.RESEND:
            self.repeated += 1
            exchange.channel.send(exchange.last)
        elif do is Do.DELIVER:
            self._end(exchange, response)
        elif do is Do.FAIL:
            self.unacknowledged += exchange.on_end is None
            self._end(exchange, None)

    def _end(self, exchange: Exchange, response: Response | None) -> None:
        told, exchange.on_end = exchange.on_end, None
        exchange.deadline_ms = exchange.on_deadline = None
        if told is not None:
            told(response)

    def _see(self, exchange: Exchange) -> None:
        """Put a transaction among those that wait for their time, or take it away when it has ended."""
        if exchange.machine.state is State.TERMINATED:
            if self._held.get(exchange.key) is exchange:
                del self._held[exchange.key]
                self._size -= exchange.size
            exchange.queued_ms = None
            return
        due = exchange.due_ms
        if due is None or (exchange.queued_ms is not None and exchange.queued_ms <= due):
            return
        exchange.queued_ms = due
        heapq.heappush(self._heap, (due, next(self._order), exchange))
        if len(self._heap) > 2 * len(self._held) + 1000:  # most wait for nothing any more
            self._heap = [each for each in self._heap if each[2].queued_ms == each[0]]
            heapq.heapify(self._heap)
        self._arm()

    def _arm(self) -> None:
        due = self._heap[0][0] if self._heap else None
        if due is None or (self._armed_ms is not None and self._armed_ms <= due):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._armed_ms = due
        self._timer = self._loop.call_at((due + 1) / 1000, self._run)

    def _run(self) -> None:
        self._timer, self._armed_ms = None, None
        now = self.now_ms()
        try:
            for _ in range(TURN):
                if not self._heap or self._heap[0][0] > now:
                    break
                due, _, exchange = heapq.heappop(self._heap)
                if exchange.queued_ms == due:
                    exchange.queued_ms = None
                    self._expire(exchange, now)
        finally:  # a mistake in one must not stop the clock of all others
            self._arm()

    def _expire(self, exchange: Exchange, now: int) -> None:
        if exchange.deadline_ms is not None and exchange.deadline_ms <= now and exchange.on_deadline is not None:
            call, exchange.deadline_ms, exchange.on_deadline = exchange.on_deadline, None, None
            call()
        self._do(exchange, exchange.machine.expire(now), b"", None)
        self._see(exchange)
