"""The load of a drill: texts over many HTTP connections, and the customer's handler that is told what became of them (spec sending 2)."""

import asyncio
import re
from collections.abc import Callable
from urllib.parse import parse_qs

from heliograph.cli.drill_report import Seen
from heliograph.cli.drill_server import Server

FIRST_PHONE = 79_160_000_000  # one number a text: a receipt without an id finds its text by it
ANSWER_S = 20.0
SENT = re.compile(rb'^\{"id": ?"?(\d+)"?, "cnt": ?1\}$')


class Load:
    """Sends ``messages`` texts at ``rate`` a second and notes what was answered. ``tell`` is called after each text."""

    def __init__(
        self, server: Server, key: str, seen: Seen, messages: int, rate: int, tell: Callable[[], None]
    ) -> None:
        self._server = server
        self._key = key
        self._seen = seen
        self._messages = messages
        self._rate = rate
        self._tell = tell
        self.next = 0
        self.tried = 0
        self._goal: tuple[float, asyncio.Event] | None = None

    async def reach(self, tried: float) -> None:
        """Wait until so many texts were tried."""
        if self.tried < tried:
            self._goal = tried, asyncio.Event()
            await self._goal[1].wait()

    async def run(self, connections: int) -> None:
        """All texts over this many connections; while the server is down they wait for it."""
        pace_s = connections / self._rate
        async with asyncio.TaskGroup() as group:
            for _ in range(connections):
                group.create_task(self._send_all(pace_s))

    async def _send_all(self, pace_s: float) -> None:
        loop = asyncio.get_running_loop()
        stream: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        due = loop.time()
        while self.next < self._messages:
            due = max(due, loop.time() - 1.0)
            await asyncio.sleep(max(0.0, due - loop.time()))
            await self._server.up.wait()
            due += pace_s
            if stream is not None and stream[0].at_eof():  # the server died while nothing was asked of it
                stream[1].close()
                stream = None
            if stream is None:
                try:
                    stream = await asyncio.open_connection(*self._server.address)
                except OSError:
                    await asyncio.sleep(0.02)
                    continue
            number, self.next = self.next, self.next + 1
            if number >= self._messages:
                break
            if not await self._send(number, *stream):
                stream[1].close()
                stream = None
            self._count()
        if stream is not None:
            stream[1].close()

    def _count(self) -> None:
        self.tried += 1
        if self._goal is not None and self.tried >= self._goal[0]:
            self._goal[1].set()
        self._tell()

    async def _send(self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One request; whether the connection may be used again."""
        text = f"drill {number}"
        query = f"apikey={self._key}&phones={FIRST_PHONE + number}&mes=drill%20{number}&fmt=3"
        try:
            writer.write(f"GET /sys/send.php?{query} HTTP/1.1\r\nHost: drill\r\n\r\n".encode())
            async with asyncio.timeout(ANSWER_S):
                body = await read_answer(reader)
        except (OSError, EOFError, ValueError, TimeoutError):
            self._seen.unknown.add(text)
            return False
        found = SENT.match(body.strip())
        if found:
            self._seen.accepted[text] = found[1].decode()
        else:
            self._seen.refused += 1
        return True


async def read_answer(reader: asyncio.StreamReader) -> bytes:
    """The body of an HTTP/1.1 answer with Content-Length. EOFError, OSError, ValueError."""
    head = await reader.readuntil(b"\r\n\r\n")
    found = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
    if found is None:
        raise ValueError("an answer without Content-Length")
    return await reader.readexactly(int(found[1]))


class Handler:
    """The customer's HTTP handler: notes the statuses it is told."""

    def __init__(self, seen: Seen) -> None:
        self._seen = seen
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()

    async def start(self) -> str:
        """Listen on loopback; the address for the account's settings."""
        self._server = await asyncio.start_server(self._talk, "127.0.0.1", 0)
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/told"

    async def stop(self) -> None:
        """Close everything."""
        if self._server is not None:
            self._server.close()
        for writer in list(self._open):
            writer.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            while True:
                form = parse_qs((await read_answer(reader)).decode("ascii", "replace"))
                self._seen.told.setdefault(form["phone"][0], []).append(int(form["status"][0]))
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK")
                await writer.drain()
        except (OSError, EOFError, ValueError, KeyError):
            pass  # the server was killed in the middle, or somebody else knocked
        finally:
            self._open.discard(writer)
            writer.close()
