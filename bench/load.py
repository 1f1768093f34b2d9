"""The load: texts by HTTP over keep-alive connections, one request under way on each; prints one line of figures.

``python -m bench.load --port P --key K --tag T -n N -c C`` as fast as answers come; ``--rate R`` at a fixed pace, where a
text's time counts from when it was due; ``--seconds S`` ends it early.
"""

import argparse
import asyncio
import re
from array import array
from typing import cast
from urllib.parse import quote_plus

from bench import marks
from bench.children import run_tool, say

LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.I)
ANSWER_S = 30.0


def write_request(key: str, tag: str) -> bytes:
    """A request with places for the number of the text and, twice, its time."""
    mes = quote_plus(marks.write(tag, "@NS@")).replace("%", "%%").replace("%%40NS%%40", "%019d")
    path = f"/sys/send.php?apikey={key}&phones={marks.PREFIX}%08d&fmt=3&charset=utf-8&mes={mes}"
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()


class Load:
    """What is still to be sent and what came of the rest."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.template = write_request(options.key, options.tag)
        self.next = self.accepted = self.refused = self.unknown = 0
        self.taken_ns = array("q")
        self.first_ns = self.last_ns = 0
        self.complaint = ""
        self.idle: list[Connection] = []
        self.alive = 0
        self.ended = False
        self.done = asyncio.get_running_loop().create_future()

    def take(self) -> int | None:
        """The number of the next text."""
        if self.ended or self.next >= self.options.n:
            return None
        self.next += 1
        return self.next - 1

    def settle(self, sent_ns: int, answer: bytes | None) -> None:
        """An answer came, or (None) never will."""
        at_ns = marks.now_ns()
        if answer is None:
            self.unknown += 1
        elif answer.startswith(b"HTTP/1.1 200") and b'"cnt"' in answer:
            self.accepted += 1
            self.last_ns = at_ns
            self.taken_ns.append(at_ns - sent_ns)
        else:
            self.refused += 1
            self.complaint = self.complaint or answer[:400].decode("latin-1")
        self.look()

    def look(self) -> None:
        """Whether that was all."""
        settled = self.accepted + self.refused + self.unknown
        if settled >= self.next and (self.ended or self.next >= self.options.n) and not self.done.done():
            self.done.set_result(None)

    def end(self) -> None:
        """Send no more."""
        self.ended = True
        self.look()

    def tell(self) -> dict[str, object]:
        """The figures."""
        took_s = (self.last_ns - self.first_ns) / 1e9
        return {
            "sent": self.next,
            "accepted": self.accepted,
            "refused": self.refused,
            "unknown": self.unknown,
            "first_ns": self.first_ns,
            "rate": self.accepted / took_s if took_s > 0 else 0.0,
            "answer_ms": marks.percentiles(self.taken_ns),
            "complaint": self.complaint,
        }


class Connection(asyncio.Protocol):
    """One keep-alive connection."""

    def __init__(self, load: Load) -> None:
        self.load = load
        self.buffer = b""
        self.sent_ns = 0
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The first request goes at once, or waits for its turn."""
        self.load.alive += 1
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is none by inheritance
        self.get_ready()

    def get_ready(self) -> None:
        """The next one, or a place among the idle."""
        if self.load.options.rate:
            self.load.idle.append(self)
            return
        number = self.load.take()
        if number is not None:
            self.send(number, marks.now_ns())

    def send(self, number: int, ns: int) -> None:
        """Text ``number``, counted from ``ns``."""
        assert self.transport is not None
        self.sent_ns = ns
        self.load.first_ns = self.load.first_ns or ns
        self.transport.write(self.load.template % (number, ns, ns))

    def data_received(self, data: bytes) -> None:
        """A part of an answer."""
        buffer = self.buffer + data
        head = buffer.find(b"\r\n\r\n")
        length = LENGTH.search(buffer, 0, head + 2) if head >= 0 else None
        if length is None or len(buffer) < head + 4 + int(length[1]):
            self.buffer = buffer
            return
        self.buffer = b""
        sent_ns, self.sent_ns = self.sent_ns, 0
        self.load.settle(sent_ns, buffer)
        self.get_ready()

    def connection_lost(self, exc: Exception | None) -> None:
        """What it had asked is never answered; it is not asked again. Without any connection the load is over."""
        self.load.alive -= 1
        if not self.load.alive:
            self.load.ended = True
        if self.sent_ns:
            self.load.settle(self.sent_ns, None)
        self.load.look()


async def keep_pace(load: Load) -> None:
    """Text i is due at start + i/rate, whether the former ones were answered or not."""
    start_ns = marks.now_ns() + 20_000_000
    for i in range(load.options.n):
        due_ns = start_ns + int(i * 1e9 / load.options.rate)
        await asyncio.sleep(max(0.0, (due_ns - marks.now_ns()) / 1e9))
        while not load.idle:
            await asyncio.sleep(0.001)
        number = load.take()
        if number is None:
            return
        load.idle.pop().send(number, due_ns)


async def main() -> None:
    """Run the load of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--key", required=True)
    parser.add_argument("--tag", required=True)
    parser.add_argument("-n", type=int, default=1000)
    parser.add_argument("-c", "--connections", type=int, default=32)
    parser.add_argument("--rate", type=float, default=0.0)
    parser.add_argument("--seconds", type=float, default=300.0)
    load = Load(parser.parse_args())
    loop = asyncio.get_running_loop()
    for _ in range(load.options.connections):
        await loop.create_connection(lambda: Connection(load), "127.0.0.1", load.options.port)
    pace = asyncio.create_task(keep_pace(load)) if load.options.rate else None
    loop.call_later(load.options.seconds, load.end)
    await asyncio.wait([load.done], timeout=load.options.seconds + ANSWER_S)
    if pace is not None:
        pace.cancel()
    say(load.tell())


if __name__ == "__main__":
    run_tool(main)
