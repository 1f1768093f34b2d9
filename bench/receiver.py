"""The customer's handler: takes callbacks by HTTP, answers 200 and counts them by tag.

Orders: ``{"tag": T}`` tells what came under a tag, ``{"tag": T, "brief": true}`` only how many.
"""

import asyncio
import re
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

    def __init__(self) -> None:
        self.buffer = b""
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep it."""
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is none by inheritance

    def data_received(self, data: bytes) -> None:
        """Count every whole request and answer it."""
        assert self.transport is not None
        buffer = self.buffer + data
        while (head := buffer.find(b"\r\n\r\n")) >= 0:
            length = LENGTH.search(buffer, 0, head + 2)
            end = head + 4 + (int(length[1]) if length else 0)
            if len(buffer) < end:
                break
            mark = MARK.search(buffer, head, end)
            if mark:
                tallies[mark[2].decode()].add(int(mark[1]), int(mark[3]), marks.now_ns())
            self.transport.write(ANSWER)
            buffer = buffer[end:]
        self.buffer = buffer


def answer(order: dict[str, Any]) -> dict[str, Any]:
    """What came under a tag."""
    return tallies[order["tag"]].tell(brief=order.get("brief", False))


async def main() -> None:
    """Listen on a free port of loopback."""
    server = await asyncio.get_running_loop().create_server(Caller, "127.0.0.1", 0, backlog=1024)
    await obey(server.sockets[0].getsockname()[1], answer)


if __name__ == "__main__":
    run_tool(main)
