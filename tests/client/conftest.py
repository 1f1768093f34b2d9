"""A server that answers as it is told, byte for byte, and a client of each kind to ask it."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qs

import pytest

from heliograph.client import AsyncClient, Client

Ask = Callable[..., Awaitable[Any]]
SILENCE, CUT = b"silence", b"<cut>"


class Peer:
    """Answers each request with the next of ``answers``, the last one for ever; b"" closes the connection, ``CUT`` behind it."""

    def __init__(self, *answers: bytes) -> None:
        self.answers = list(answers)
        self.forms: list[dict[str, str]] = []
        self.paths: list[str] = []
        self.connections = 0
        self.url = ""

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        self.connections += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
                form = parse_qs((await reader.readexactly(length)).decode("ascii"), keep_blank_values=True)
                self.paths.append(head.split(b" ")[1].decode())
                self.forms.append({name: values[0] for name, values in form.items()})
                answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
                if answer == SILENCE:
                    await asyncio.Event().wait()
                writer.write(answer.removesuffix(CUT))
                await writer.drain()
                if (
                    not answer
                    or answer.endswith(CUT)
                    or b"Connection: close" in answer
                    or b"\r\nContent-Length" not in answer
                ):
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()


def say(body: str | bytes, more: str = "") -> bytes:
    """An answer of the API."""
    raw = body.encode() if isinstance(body, str) else body
    return (
        f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n{more}Content-Length: {len(raw)}\r\n\r\n".encode() + raw
    )


@asynccontextmanager
async def listening(peer: Peer, tls: ssl.SSLContext | None = None) -> AsyncIterator[Peer]:
    """A peer on a free port."""
    tasks: set[asyncio.Task[None]] = set()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await peer.talk(reader, writer)
        except asyncio.CancelledError:
            writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0, ssl=tls)
    peer.url = f"http{'s' if tls else ''}://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    try:
        yield peer
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)


@asynccontextmanager
async def blocking(url: str, **options: Any) -> AsyncIterator[Ask]:
    """The blocking client: its methods by name, in a thread."""
    with Client(url, key="k", **{"pause_s": 0.01, **options}) as client:

        async def ask(name: str, *arguments: Any, **more: Any) -> Any:
            def work() -> Any:
                found = getattr(client, name)(*arguments, **more)
                return list(found) if hasattr(found, "__next__") else found

            return await asyncio.to_thread(work)

        yield ask


@asynccontextmanager
async def awaited(url: str, **options: Any) -> AsyncIterator[Ask]:
    """The asynchronous one."""
    async with AsyncClient(url, key="k", **{"pause_s": 0.01, **options}) as client:

        async def ask(name: str, *arguments: Any, **more: Any) -> Any:
            found = getattr(client, name)(*arguments, **more)
            return [each async for each in found] if hasattr(found, "__anext__") else await found

        yield ask


@pytest.fixture(params=[blocking, awaited], ids=["blocking", "awaited"])
def client(request: pytest.FixtureRequest) -> Any:
    """Either client: ``async with client(url) as ask: await ask("send", …)``."""
    return request.param
