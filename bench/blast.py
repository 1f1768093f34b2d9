"""An SMPP client that does nothing but submit, to find how fast a carrier of ours can be (3.4 Issue 1.2)."""

import asyncio
from typing import cast

from bench import marks
from bench.carrier import ENQUIRE, HEADER, RESPONSE, SUBMIT, TRANSCEIVER
from bench.installation import Figures

WINDOW = 100
ANSWER_S = 60.0


class Blast(asyncio.Protocol):
    """One bind with a window of submits, each answer followed by the next; receipts are acknowledged and counted."""

    def __init__(self, n: int, login: str = "blast", password: str = "blast", number: int = 0) -> None:
        self.n = n
        self._who = f"{login}\0{password}\0".encode()
        self._first = number  # of its texts, so that those of several binds differ
        self.sent = self.answered = self.told = self.refused = 0
        self.first_ns = self.answered_ns = self.told_ns = 0
        self.buffer = b""
        self.done = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Bind."""
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is none by inheritance
        body = self._who + b"\0\x34\0\0\0"
        self.transport.write(HEADER.pack(16 + len(body), TRANSCEIVER, 0, 1) + body)

    def submit(self, room: int) -> bytes:
        """As many submit_sm as fit."""
        pieces = []
        for _ in range(min(room, self.n - self.sent)):
            text = b"HB blast %019d the quick brown fox jumps over the lazy dog" % marks.now_ns()
            number = b"%b%08d" % (marks.PREFIX.encode(), self._first + self.sent)
            body = b"\0\x05\0BENCH\0\x01\x01" + number + b"\0\0\0\0\0\0\x01\0\0\0" + bytes((len(text),)) + text
            self.sent += 1
            pieces.append(HEADER.pack(16 + len(body), SUBMIT, 0, self.sent + 1) + body)
        return b"".join(pieces)

    def data_received(self, data: bytes) -> None:
        """Answers make room; everything else is acknowledged."""
        buffer, at, room = self.buffer + data, 0, 0
        pieces = []
        while len(buffer) - at >= 16:
            length, command, status, sequence = HEADER.unpack_from(buffer, at)
            if len(buffer) - at < length:
                break
            at += length
            if command == TRANSCEIVER | RESPONSE:
                self.first_ns = marks.now_ns()
                room = WINDOW
            elif command == SUBMIT | RESPONSE:
                self.refused += status != 0
                self.answered += 1
                room += 1
            elif not command & RESPONSE:
                end = b"" if command == ENQUIRE else b"\0"
                pieces.append(HEADER.pack(16 + len(end), command | RESPONSE, 0, sequence) + end)
                self.told += command != ENQUIRE
        self.buffer = buffer[at:]
        self.transport.write(b"".join(pieces) + self.submit(room))
        self.look()

    def look(self) -> None:
        """Whether all is answered and told."""
        now_ns = marks.now_ns()
        if self.answered == self.n and not self.answered_ns:
            self.answered_ns = now_ns
        if self.told >= self.n and self.answered_ns and not self.done.done():
            self.told_ns = now_ns
            self.done.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing more will come."""
        if not self.done.done():
            self.done.set_exception(RuntimeError("the carrier hung up"))


async def find_ceilings(port: int, n: int) -> Figures:
    """Submits answered and receipts delivered a second over one bind."""
    _, blast = await asyncio.get_running_loop().create_connection(lambda: Blast(n), "127.0.0.1", port)
    try:
        await asyncio.wait_for(blast.done, ANSWER_S)
    except TimeoutError:
        raise RuntimeError(f"{blast.answered} of {n} answered, {blast.told} receipts") from None
    finally:
        blast.transport.abort()
    seconds = (blast.answered_ns - blast.first_ns) / 1e9
    return {"answered_per_s": n / seconds, "receipts_per_s": n / ((blast.told_ns - blast.first_ns) / 1e9)}
