"""The carrier: an SMPP server (3.4 Issue 1.2) that only answers, counts by tag and sends receipts, as fast as it can.

The simulator of Heliograph behaves like a real carrier and costs more for it; a bench wants to measure the other side.
Orders: ``{"tag": T}``, ``{"tag": T, "brief": true}`` as in the receiver; ``{"answer_s": S, "receipt_s": S}`` changes how long
an answer and, after it, a receipt take; ``{"deliver": N, "parts": P}`` sends texts of subscribers (bench/incoming.py), and
``{"delivered": true}`` asks how far that is.
"""

import asyncio
import os
import socket
import struct
import time
from collections import defaultdict, deque
from typing import Any, NamedTuple, cast

from bench import marks
from bench.children import obey, run_tool
from bench.incoming import Flood

HEADER = struct.Struct(">IIII")
RESPONSE = 0x80000000
GENERIC_NACK, SUBMIT, DELIVER, UNBIND, ENQUIRE = 0x80000000, 0x04, 0x05, 0x06, 0x15
RECEIVER, TRANSMITTER, TRANSCEIVER = 0x01, 0x02, 0x09
TICK_S = 0.002
EARLY_NS = int(TICK_S * 1e9 / 2)  # what is due within half a tick leaves now: on average nothing is late, nothing early
WINDOW = 100  # receipts under way on a session
SKIP = len(marks.PREFIX)


class Receipt(NamedTuple):
    """What a receipt will say."""

    source: bytes
    destination: bytes
    message_id: bytes


class Carrier:
    """All sessions and what waits for them."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.answer_s = 0.0
        self.receipt_s = 0.1
        self.sessions: list[Session] = []
        self.answers: deque[tuple[int, Session, bytes]] = deque()
        self.receipts: deque[tuple[int, Receipt]] = deque()
        self.waiting: deque[Receipt] = deque()
        self.tallies: defaultdict[bytes, marks.Tally] = defaultdict(marks.Tally)
        # A carrier's ids do not come back: the process id keeps those of two runs apart.
        self.prefix, self.ids = f"{os.getpid():X}".encode(), 0
        self.ticking = False
        self.flood = Flood()

    def take(self, session: "Session", body: bytes, at: int, sequence: int, now_ns: int) -> bytes:
        """One submit_sm: what to answer now, b"" when it is answered later."""
        submit = read_submit(body, at)
        words = submit.text.split(b" ", 3)
        if len(words) > 2 and words[0] == b"HB":
            self.tallies[words[1]].add(int(submit.destination[SKIP:]), int(words[2]), now_ns)
        self.ids += 1
        message_id = b"%b%08X" % (self.prefix, self.ids)
        answer = HEADER.pack(17 + len(message_id), SUBMIT | RESPONSE, 0, sequence) + message_id + b"\0"
        due_ns = now_ns + int(self.answer_s * 1e9)
        if submit.wants_receipt:
            receipt = Receipt(submit.source, submit.destination, message_id)
            self.receipts.append((due_ns + int(self.receipt_s * 1e9), receipt))
            self.wake()
        if not self.answer_s:
            return answer
        self.answers.append((due_ns, session, answer))
        self.wake()
        return b""

    def wake(self) -> None:
        """Look at what is due in a moment."""
        if not self.ticking:
            self.ticking = True
            self.loop.call_later(TICK_S, self.tick)

    def tick(self) -> None:
        """Send what is due; many PDUs leave in one write."""
        self.ticking = False
        now_ns = marks.now_ns() + EARLY_NS
        out: defaultdict[Session, list[bytes]] = defaultdict(list)
        while self.answers and self.answers[0][0] <= now_ns:
            _, session, answer = self.answers.popleft()
            out[session].append(answer)
        for session, pieces in out.items():
            session.write(b"".join(pieces))
        while self.receipts and self.receipts[0][0] <= now_ns:
            self.waiting.append(self.receipts.popleft()[1])
        self.deliver()
        if self.answers or self.receipts:
            self.wake()

    def deliver(self) -> None:
        """Give waiting receipts to the sessions that have room, in turn."""
        for session in self.sessions:
            if not self.waiting:
                return
            session.deliver(self.waiting)

    def answer(self, order: dict[str, Any]) -> dict[str, Any]:
        """An order from outside."""
        if "tag" in order:
            return self.tallies[order["tag"].encode()].tell(order)
        if "deliver" in order:
            self.flood.begin(order["deliver"], order["parts"])
            for session in self.sessions:
                session.pour()
        if "deliver" in order or "delivered" in order:
            return self.flood.tell()
        self.answer_s = order.get("answer_s", self.answer_s)
        self.receipt_s = order.get("receipt_s", self.receipt_s)
        return {}


class Submit(NamedTuple):
    """What we want to know of a submit_sm."""

    source: bytes
    destination: bytes
    wants_receipt: bool
    text: bytes


def read_submit(body: bytes, at: int) -> Submit:
    """The fields of section 4.4.1 that matter here; ``at`` is where the body begins."""
    at = body.index(0, at) + 3  # service_type, then TON and NPI of the source
    end = body.index(0, at)
    source, at = body[at:end], end + 3
    end = body.index(0, at)
    destination, at = body[at:end], end + 4  # esm_class, protocol_id, priority_flag
    at = body.index(0, at) + 1  # schedule_delivery_time
    at = body.index(0, at) + 1  # validity_period
    length, start = body[at + 4], at + 5
    return Submit(source, destination, bool(body[at] & 1), body[start : start + length])


def write_receipt(receipt: Receipt, sequence: int) -> bytes:
    """A deliver_sm that says DELIVRD (appendix B), with the optional fields as well."""
    stamp = time.strftime("%y%m%d%H%M", time.gmtime()).encode()
    said = b"id:%b sub:001 dlvrd:001 submit date:%b done date:%b stat:DELIVRD err:000 text:" % (
        receipt.message_id,
        stamp,
        stamp,
    )
    body = b"".join(
        (
            b"\0\x01\x01" + receipt.destination + b"\0\x05\0" + receipt.source + b"\0",
            b"\x04\0\0\0\0\0\0\0\0" + bytes((len(said),)) + said,
            b"\0\x1e" + (len(receipt.message_id) + 1).to_bytes(2, "big") + receipt.message_id + b"\0",
            b"\x04\x27\0\x01\x02",
        )
    )
    return HEADER.pack(16 + len(body), DELIVER, 0, sequence) + body


class Session(asyncio.Protocol):
    """One connection of a customer."""

    def __init__(self, carrier: Carrier) -> None:
        self.carrier = carrier
        self.buffer = b""
        self.sequence = 0
        self.under_way: dict[int, Receipt] = {}
        self.poured: dict[int, int] = {}
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Nothing is said before a bind."""
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is none by inheritance

    def connection_lost(self, exc: Exception | None) -> None:
        """What was not acknowledged waits for another connection."""
        if self in self.carrier.sessions:
            self.carrier.sessions.remove(self)
        self.carrier.waiting.extendleft(reversed(self.under_way.values()))
        self.under_way = {}

    def write(self, data: bytes) -> None:
        """Unless it is gone."""
        if self.transport is not None and not self.transport.is_closing():
            self.transport.write(data)

    def deliver(self, waiting: deque[Receipt]) -> None:
        """Receipts, within the window."""
        pieces = []
        while waiting and len(self.under_way) < WINDOW:
            receipt = waiting.popleft()
            self.sequence += 1
            self.under_way[self.sequence] = receipt
            pieces.append(write_receipt(receipt, self.sequence))
        if pieces:
            self.write(b"".join(pieces))

    def pour(self) -> None:
        """Texts of subscribers, within the window."""
        pieces, flood, now_ns = [], self.carrier.flood, marks.now_ns()
        while flood.waits and len(self.poured) < WINDOW:
            self.sequence += 1
            self.poured[self.sequence] = now_ns
            pieces.append(flood.write(self.sequence))
        if pieces:
            self.write(b"".join(pieces))

    def data_received(self, data: bytes) -> None:
        """Answer every whole PDU, in one write."""
        assert self.transport is not None
        # A side that leaves Nagle's algorithm on would wait for the kernel's delayed acknowledgement otherwise.
        self.transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        buffer, at, now_ns = self.buffer + data, 0, marks.now_ns()
        pieces = []
        while len(buffer) - at >= 16:
            length, command, status, sequence = HEADER.unpack_from(buffer, at)
            if not 16 <= length <= 65536:
                self.transport.abort()
                return
            if len(buffer) - at < length:
                break
            sent_ns = self.poured.pop(sequence, 0) if command == DELIVER | RESPONSE else 0
            if sent_ns:
                self.carrier.flood.end(sent_ns, status, now_ns)
            elif command == SUBMIT:
                pieces.append(self.carrier.take(self, buffer, at + 16, sequence, now_ns))
            else:
                pieces.append(self.react(command, sequence))
            at += length
        self.buffer = buffer[at:]
        self.write(b"".join(pieces))
        if self.carrier.waiting:
            self.carrier.deliver()
        if self.carrier.flood.waits:
            self.pour()

    def react(self, command: int, sequence: int) -> bytes:
        """The answer to anything but a submit_sm."""
        if command == DELIVER | RESPONSE:
            self.under_way.pop(sequence, None)
            return b""
        if command in (RECEIVER, TRANSMITTER, TRANSCEIVER):
            if command != TRANSMITTER:
                self.carrier.sessions.append(self)
            return HEADER.pack(22, command | RESPONSE, 0, sequence) + b"bench\0"
        if command in (ENQUIRE, UNBIND):
            return HEADER.pack(16, command | RESPONSE, 0, sequence)
        return b"" if command & RESPONSE else HEADER.pack(16, GENERIC_NACK, 3, sequence)


async def main() -> None:
    """Listen on a free port of loopback."""
    carrier = Carrier()
    server = await carrier.loop.create_server(lambda: Session(carrier), "127.0.0.1", 0)
    await obey(server.sockets[0].getsockname()[1], carrier.answer)


if __name__ == "__main__":
    run_tool(main)
