"""The customers' handlers: take callbacks by HTTP, answer 200 and count them by tag.

``--hosts 127.0.1.1 127.0.1.2 …`` listens on several addresses and one port, as if each were a customer's machine;
``--answer-s S`` lets every answer take that long; ``--dead`` listens and never takes a connection. A request to ``/never/…``
is never answered, one to ``/break/…`` ends its connection; neither is counted.
Orders: ``{"tag": T}`` tells what came under a tag, ``{"tag": T, "brief": true}`` only how many.
"""

import argparse
import asyncio
import re
import socket
from collections import defaultdict
from typing import Any, cast

from bench import marks
from bench.children import obey, run_tool

LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.I)
MARK = re.compile(rb"phone=" + marks.PREFIX.encode() + rb"(\d{8})&.*?cmt=b(?:=|%3D)(\w+)\.(\d+)", re.I)
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nOK"

tallies: defaultdict[str, marks.Tally] = defaultdict(marks.Tally)


class Caller(asyncio.Protocol):
    """A connection of the service."""

    def __init__(self, answer_s: float) -> None:
        self.answer_s = answer_s
        self.buffer = b""
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep it."""
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is none by inheritance

    def data_received(self, data: bytes) -> None:
        """Take every whole request."""
        assert self.transport is not None
        buffer = self.buffer + data
        while (head := buffer.find(b"\r\n\r\n")) >= 0:
            length = LENGTH.search(buffer, 0, head + 2)
            end = head + 4 + (int(length[1]) if length else 0)
            if len(buffer) < end:
                break
            if buffer.startswith(b"POST /break/"):
                self.transport.abort()
            elif not buffer.startswith(b"POST /never/"):
                self.answer(buffer, head, end)
            buffer = buffer[end:]
        self.buffer = buffer

    def answer(self, buffer: bytes, head: int, end: int) -> None:
        """Count one request and answer it."""
        assert self.transport is not None
        mark = MARK.search(buffer, head, end)
        if mark:
            tallies[mark[2].decode()].add(int(mark[1]), int(mark[3]), marks.now_ns())
        if self.answer_s:
            asyncio.get_running_loop().call_later(self.answer_s, self.transport.write, ANSWER)
        else:
            self.transport.write(ANSWER)


def answer(order: dict[str, Any]) -> dict[str, Any]:
    """What came under a tag."""
    return tallies[order["tag"]].tell(order)


def listen(hosts: list[str], backlog: int) -> list[socket.socket]:
    """A listening socket on each address, all on one free port."""
    sockets: list[socket.socket] = []
    for host in hosts:
        sockets.append(socket.create_server((host, sockets[0].getsockname()[1] if sockets else 0), backlog=backlog))
    return sockets


async def main() -> None:
    """Listen on a free port of loopback."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hosts", nargs="+", default=["127.0.0.1"])
    parser.add_argument("--answer-s", type=float, default=0.0)
    parser.add_argument("--dead", action="store_true")
    options = parser.parse_args()
    sockets = listen(options.hosts, 0 if options.dead else 1024)
    if not options.dead:
        for one in sockets:
            await asyncio.get_running_loop().create_server(lambda: Caller(options.answer_s), sock=one, backlog=1024)
    await obey(sockets[0].getsockname()[1], answer)


if __name__ == "__main__":
    run_tool(main)
