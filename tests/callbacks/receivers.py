"""A scripted HTTP server on loopback for the tests of the callback client."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import ip_network
from typing import Any

from heliograph.callbacks.client import Answer, Client
from heliograph.callbacks.targets import Target, parse_target

LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Exchange:
    """One connection as the server sees it."""

    def __init__(
        self, receiver: "Receiver", reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int
    ) -> None:
        self._receiver = receiver
        self.reader = reader
        self.writer = writer
        self.number = number

    async def request(self) -> bytes | None:
        """The next whole request, or None when the client has closed."""
        try:
            head = await self.reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
            body = await self.reader.readexactly(length)
        except (asyncio.IncompleteReadError, ConnectionError):
            return None
        self._receiver.requests.append(head + body)
        return head + body


@dataclass
class Receiver:
    """A listening server; `connections` counts what was accepted, `open` what has not been closed by the client yet."""

    port: int = 0
    connections: int = 0
    open: int = 0
    requests: list[bytes] = field(default_factory=list)

    def target(self, path: str = "/", scheme: str = "http", host: str = "127.0.0.1") -> Target:
        return parse_target(f"{scheme}://{host}:{self.port}{path}")


Script = Callable[[Exchange], Awaitable[None]]


async def answer_all(exchange: Exchange, reply: bytes = OK) -> None:
    """The ordinary server: the same reply to every request, connection kept."""
    while await exchange.request() is not None:
        exchange.writer.write(reply)


def reply_with(*replies: bytes, close: bool = False) -> Script:
    """A script that gives these replies in order on a connection, piece by piece, then closes or goes on waiting."""

    async def script(exchange: Exchange) -> None:
        for reply in replies:
            if await exchange.request() is None:
                return
            exchange.writer.write(reply)
        if not close:
            await exchange.request()

    return script


@asynccontextmanager
async def receive(
    script: Script = answer_all, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None, port: int = 0
) -> AsyncIterator[Receiver]:
    """Serves `script` for each connection."""
    receiver = Receiver()
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.current_task())  # type: ignore[arg-type]
        receiver.connections += 1
        receiver.open += 1
        try:
            await script(Exchange(receiver, reader, writer, receiver.connections))
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            receiver.open -= 1
            writer.transport.abort() if tls else writer.close()

    server = await asyncio.start_server(serve, host, port, ssl=tls)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)


async def ask(client: Client, target: Target, body: bytes = b"status=1", **more: Any) -> Answer:
    """One post, awaited."""
    answers: asyncio.Queue[Answer] = asyncio.Queue()
    client.post(
        target,
        body,
        b"application/x-www-form-urlencoded",
        lambda answer, queue: queue.put_nowait(answer),
        answers,
        **more,
    )
    return await answers.get()


@asynccontextmanager
async def opened(**settings: Any) -> AsyncIterator[Client]:
    """A client that may call loopback, closed at the end."""
    client = Client(**{"allow": LOOPBACK, **settings})
    try:
        yield client
    finally:
        await client.close(0)
        await asyncio.sleep(0)


async def until(fact: Callable[[], bool]) -> None:
    """Waits for something that the other side of a socket is about to do; the test's own time limit bounds it."""
    while not fact():
        await asyncio.sleep(0.002)
