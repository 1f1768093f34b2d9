"""Requests over keep-alive connections, one under way on each, as fast as answers come; prints one line of figures.

``python -m bench.asking --port P --paths FILE -n N -c C``: the paths of the file take turns. An answer counts as good when it
has the status ``--status`` (200) and holds ``--holds`` somewhere.
"""

import argparse
import asyncio
import re
from array import array
from pathlib import Path
from typing import cast

from bench import marks
from bench.children import run_tool, say

LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.I)


class Asking:
    """What is still to be asked and what was answered."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.paths = [line.encode() for line in Path(options.paths).read_text("utf-8").splitlines()]
        self.status, self.holds = f"HTTP/1.1 {options.status}".encode(), options.holds.encode()
        self.n, self.next, self.good, self.bad, self.size = options.n, 0, 0, 0, 0
        self.taken_ns = array("q")
        self.first_ns = self.last_ns = 0
        self.complaint = ""
        self.done = asyncio.get_running_loop().create_future()

    def take(self) -> bytes | None:
        """The next request."""
        if self.next >= self.n:
            return None
        path = self.paths[self.next % len(self.paths)]
        self.next += 1
        return b"GET %b HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: bench\r\n\r\n" % path

    def settle(self, sent_ns: int, answer: bytes) -> None:
        """An answer, whole."""
        self.last_ns = marks.now_ns()
        self.size += len(answer)
        self.taken_ns.append(self.last_ns - sent_ns)
        if answer.startswith(self.status) and self.holds in answer:
            self.good += 1
        else:
            self.bad += 1
            self.complaint = self.complaint or answer[:300].decode("latin-1")
        if self.good + self.bad >= self.n and not self.done.done():
            self.done.set_result(None)

    def tell(self) -> dict[str, object]:
        """The figures."""
        took_s = (self.last_ns - self.first_ns) / 1e9
        return {
            "good": self.good,
            "bad": self.bad,
            "rate": self.good / took_s if took_s > 0 else 0.0,
            "answer_ms": marks.percentiles(self.taken_ns),
            "bytes": self.size / max(1, self.good + self.bad),
            "complaint": self.complaint,
        }


class Connection(asyncio.Protocol):
    """One keep-alive connection."""

    def __init__(self, asking: Asking) -> None:
        self.asking = asking
        self.parts: list[bytes] = []
        self.missing = -1
        self.sent_ns = 0
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The first request goes at once."""
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is none by inheritance
        self.send()

    def send(self) -> None:
        """The next one."""
        request = self.asking.take()
        if request is not None and self.transport is not None:
            self.sent_ns = marks.now_ns()
            self.asking.first_ns = self.asking.first_ns or self.sent_ns
            self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        """A part of an answer."""
        self.parts.append(data)
        if self.missing < 0:
            whole = b"".join(self.parts)
            self.parts = [whole]
            head = whole.find(b"\r\n\r\n")
            length = LENGTH.search(whole, 0, head + 2) if head >= 0 else None
            if head < 0:
                return
            self.missing = head + 4 + (int(length[1]) if length else 0) - len(whole)
        else:
            self.missing -= len(data)
        if self.missing <= 0:
            answer = b"".join(self.parts)
            self.parts, self.missing = [], -1
            self.asking.settle(self.sent_ns, answer)
            self.send()

    def connection_lost(self, exc: Exception | None) -> None:
        """What it had asked is never answered."""
        if self.sent_ns and not self.asking.done.done():
            self.asking.settle(self.sent_ns, b"the connection was closed")


async def main() -> None:
    """Run the requests of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--paths", required=True)
    parser.add_argument("--status", type=int, default=200)
    parser.add_argument("--holds", default="")
    parser.add_argument("-n", type=int, required=True)
    parser.add_argument("-c", "--connections", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=300.0)
    options = parser.parse_args()
    asking = Asking(options)
    loop = asyncio.get_running_loop()
    for _ in range(min(options.connections, options.n)):
        await loop.create_connection(lambda: Connection(asking), "127.0.0.1", options.port)
    await asyncio.wait([asking.done], timeout=options.seconds)
    say(asking.tell())


if __name__ == "__main__":
    run_tool(main)
