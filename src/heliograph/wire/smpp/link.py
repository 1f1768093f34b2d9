"""The lower half of a session: octets to PDUs and back, one write for many, back-pressure and the clock (SMPP 3.4 Issue 1.2, section 3.1)."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from typing import Final, cast

from . import codec, tables, timers
from .contract import Settings
from .pdus import Pdu, PduError

# A connection that is being closed and whose last octets nobody takes is cut after this many seconds.
_LINGER_S: Final = 5.0
# PDUs that are parsed in one turn of the loop. A read may bring 256 KiB, some 1,300 submits of 200 octets: at 20 µs each
# these would hold up all else for 26 ms, 64 of them for little more than one.
_TURN: Final = 64


class Link(asyncio.Protocol, ABC):
    """A connection that speaks PDUs. `Session` above it decides what they mean, and answers through the hooks below."""

    def __init__(self, settings: Settings) -> None:
        # With those of `Session` and of a listener's sessions there are 30 attributes. Objects of a class share one table
        # of names for up to 30 (CPython 3.11); with more, every PDU takes a twentieth longer.
        self.settings = settings
        self.can_write = True
        self._transport: asyncio.Transport | None = None
        self._rest = b""
        self._out: list[bytes] = []
        self._behind = False
        self._flushing = False
        self._held = False
        self._reason = ""
        self._loop: asyncio.AbstractEventLoop = asyncio.get_running_loop()
        self._timers = timers.Timers(settings.timers, self._loop.time())
        self._ticker: asyncio.TimerHandle | None = None
        self._linger: asyncio.TimerHandle | None = None
        self._gone: asyncio.Event = asyncio.Event()

    # What the session above answers

    @abstractmethod
    def _dispatch(self, pdu: Pdu) -> None:
        """A PDU came."""

    @abstractmethod
    def _refuse(self, error: PduError) -> None:
        """A PDU came whose limits are known and whose body is not."""

    @abstractmethod
    def _is_full(self) -> bool:
        """Whether so many requests wait for our answers that reading must stop."""

    @abstractmethod
    def _expire(self, now: float) -> None:
        """Time has passed: give up on requests that waited too long."""

    @abstractmethod
    def _enquire(self) -> None:
        """Silence has lasted: ask for life."""

    @abstractmethod
    def _resumed(self) -> None:
        """Writing is possible again."""

    @abstractmethod
    def _leaving(self) -> None:
        """The connection is about to be closed."""

    @abstractmethod
    def _ended(self, reason: str) -> None:
        """The connection is gone."""

    # What the owner asks

    @property
    def peer_address(self) -> str:
        """The other side as "host:port", empty before the connection."""
        name = self._transport.get_extra_info("peername") if self._transport else None
        return f"{name[0]}:{name[1]}" if isinstance(name, tuple) else ""

    def close(self, reason: str = "closed") -> None:
        """Write what is waiting and close. `peer.closed` follows with this reason unless one was set before."""
        self._reason = self._reason or reason
        if self._transport and not self._transport.is_closing():
            self._flush()
            self._leaving()
            self._linger = self._loop.call_later(_LINGER_S, self._transport.abort)
            self._transport.close()

    def abort(self, reason: str) -> None:
        """Drop the connection at once, unwritten octets included."""
        self._reason = self._reason or reason
        self._leaving()
        if self._transport:
            self._transport.abort()

    async def wait_closed(self) -> None:
        """Wait until the connection is gone and the peer has been told."""
        await self._gone.wait()

    # What asyncio tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection stands; the clock for the bind begins to run."""
        # uvloop's transports behave like asyncio's and do not descend from them.
        self._transport = cast("asyncio.Transport", transport)
        self._ticker = self._loop.call_later(self.settings.timers.tick_s, self._tick)

    def data_received(self, data: bytes) -> None:
        """Parse every whole PDU of a read, many of them in several turns of the loop; no more is read meanwhile."""
        self._timers.received(self._loop.time())
        if self._rest:
            data = self._rest + data
            self._rest = b""
        if self._behind:  # it was under way when the reading stopped
            self._rest = data
        else:
            self._parse(data, 0)

    def pause_writing(self) -> None:
        """The peer does not read: make no more requests, and read no more that we would have to answer."""
        self.can_write = False
        self._timers.paused(self._loop.time())
        self._hold()

    def resume_writing(self) -> None:
        """The peer reads again."""
        self.can_write = True
        self._timers.resumed()
        self._hold()
        self._resumed()

    def connection_lost(self, exc: Exception | None) -> None:
        """The end."""
        self._reason = self._reason or (f"connection lost ({exc})" if exc else "closed by the peer")
        for timer in (self._ticker, self._linger):
            if timer:
                timer.cancel()
        self._ticker = None
        if self._behind:
            # The answers among what was read count; requests are refused from here on.
            self._leaving()
        else:
            self._end()

    def _end(self) -> None:
        self._out.clear()
        self._ended(self._reason)
        self._gone.set()

    def _parse(self, data: bytes, start: int) -> None:
        """A turn: parse PDUs from `start` on, write all that was answered to them at once, see to the rest."""
        size, limit, behind = len(data), self.settings.max_length, False
        self._flushing = True
        try:
            for _ in range(_TURN):
                if size - start < 4:
                    break
                end = start + codec.measure(data, start, limit=limit)
                if end > size:
                    break
                try:
                    pdu = codec.decode(data, start, end)
                except PduError as error:
                    self._refuse(error)
                else:
                    self._dispatch(pdu)
                start = end
            else:
                behind = start < size
        except PduError as error:
            self._give_up(error)
            start, self._rest = size, b""
        except BaseException:
            self._fail()
            raise
        finally:
            self._flushing = False
        self._flush()
        if self._rest and not behind:
            data, start, behind = data[start:] + self._rest, 0, True
            self._rest = b""
        if behind:
            self._loop.call_soon(self._parse, data, start)
        elif start < size and not self._reason:
            self._rest = data[start:]
        if behind != self._behind:
            self._catch_up(behind)

    def _catch_up(self, behind: bool) -> None:
        """More was read than one turn may parse, or the last of it has been parsed."""
        self._behind = behind
        self._hold()
        if self._ticker is None and not behind:  # the connection was lost meanwhile
            self._end()

    def _fail(self) -> None:
        """A mistake of ours in a turn: nobody would go on with the rest, so the connection ends."""
        self._rest = b""
        self.abort("the session failed")
        if self._behind:
            self._catch_up(False)

    def _write(self, data: bytes) -> None:
        if self._transport is None or self._gone.is_set():
            return
        self._out.append(data)
        if not self._flushing:
            self._flushing = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flushing = False
        if self._out and self._transport and not self._transport.is_closing():
            data = self._out[0] if len(self._out) == 1 else b"".join(self._out)
            self._out.clear()
            self._transport.write(data)

    def _give_up(self, error: PduError) -> None:
        self._write(codec.encode(Pdu(tables.GENERIC_NACK, error.answer, error.sequence)))
        self._flush()
        self.close(f"not SMPP: {error.reason}")

    def _hold(self) -> None:
        """Stop or resume reading, as the peer reads our answers and we keep up with what he writes."""
        wanted = not self.can_write or self._behind or self._is_full()
        if wanted == self._held or self._transport is None or self._transport.is_closing():
            return
        self._held = wanted
        if wanted:
            self._transport.pause_reading()
        else:
            # What was not read says nothing about the peer's silence.
            self._timers.received(self._loop.time())
            self._transport.resume_reading()

    def _tick(self) -> None:
        now = self._loop.time()
        self._ticker = self._loop.call_later(self.settings.timers.tick_s, self._tick)
        self._expire(now)
        if self._held and self.can_write:
            self._timers.received(now)
        verdict = self._timers.verdict(now)
        if verdict is timers.Verdict.ENQUIRE:
            self._enquire()
        elif verdict is not timers.Verdict.NOTHING:
            self.abort(verdict.value)
