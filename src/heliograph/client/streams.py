"""A small HTTP/1.1 client over asyncio streams: POST, kept connections, lengths and chunks (RFC 9112, sections 6, 7 and 9)."""

import asyncio
import contextlib
import ssl
import time
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

from heliograph.client.errors import NoAnswer
from heliograph.client.replies import BODY_MOST, CONNECT_S, FORM, HEAD_MOST, IDLE_S, PIECE, judge
from heliograph.client.tries import Host

T = TypeVar("T")
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Take = Callable[[bytes], Awaitable[object]]


class Broken(Exception):  # noqa: N818
    """The connection ended too early or went silent, or what came is not HTTP."""


@dataclass(frozen=True, slots=True)
class Head:
    """Status and headers of an answer; names in small letters."""

    status: int
    headers: dict[str, str]
    version: str

    @property
    def keeps(self) -> bool:
        """Whether the connection may be used again."""
        bounded = "content-length" in self.headers or self.chunked
        return bounded and self.version == "HTTP/1.1" and "close" not in self.headers.get("connection", "").lower()

    @property
    def chunked(self) -> bool:
        """Whether the body comes in chunks."""
        return self.headers.get("transfer-encoding", "").lower() == "chunked"


class StreamPool:
    """Idle connections by host. ``timeout_s`` is how long a server may say nothing."""

    def __init__(self, timeout_s: float, context: ssl.SSLContext | None) -> None:
        self._timeout_s, self._context = timeout_s, context
        self._idle: dict[Host, deque[tuple[float, Streams]]] = {}

    async def post(self, host: Host, page: str, body: bytes) -> bytes:
        """The body of the answer. NoAnswer."""
        pieces = bytearray()
        head = await self._ask(host, page, body, lambda _: _collect(pieces))
        answer = bytes(pieces)
        judge(host.header, head.status, len(answer))
        return answer

    async def fetch(self, host: Host, page: str, body: bytes, write: Take) -> bytes | None:
        """Hand the pieces of an attachment to ``write``; the body of what is none. NoAnswer, what ``write`` raises."""
        pieces = bytearray()

        def choose(head: Head) -> Take:
            return write if "content-disposition" in head.headers else _collect(pieces)

        head = await self._ask(host, page, body, choose)
        if "content-disposition" in head.headers:
            return None
        answer = bytes(pieces)
        judge(host.header, head.status, len(answer))
        return answer

    async def close(self) -> None:
        """Close what is idle."""
        while self._idle:
            _, kept = self._idle.popitem()
            for _, (_, writer) in kept:
                await _end(writer)

    async def _ask(self, host: Host, page: str, body: bytes, choose: Callable[[Head], Take]) -> Head:
        reader, writer = await self._take(host)
        kept = False
        try:
            path = f"{host.path}sys/{page}.php"
            head = f"POST {path} HTTP/1.1\r\nHost: {host.header}\r\nContent-Type: {FORM}\r\nContent-Length: {len(body)}"
            writer.write(f"{head}\r\n\r\n".encode("ascii") + body)
            await self._timed(writer.drain())
            answer = parse_head(await self._timed(reader.readuntil(b"\r\n\r\n")))
            take, total = choose(answer), 0
            async with contextlib.aclosing(self._read_body(reader, answer)) as pieces:
                async for piece in pieces:
                    total += len(piece)
                    if total > BODY_MOST and "content-disposition" not in answer.headers:
                        raise Broken(f"an answer of more than {BODY_MOST >> 20} MiB")
                    await take(piece)
            kept = answer.keeps
        except Broken as error:
            raise NoAnswer(f"{host.header}: {error}", sent=True) from None
        finally:
            if kept:
                self._idle.setdefault(host, deque()).append((time.monotonic(), (reader, writer)))
            else:
                await _end(writer)
        return answer

    async def _read_body(self, reader: asyncio.StreamReader, head: Head) -> AsyncGenerator[bytes, None]:
        if head.chunked:
            while size := _read_size(await self._timed(reader.readuntil(b"\r\n"))):
                async for piece in self._read_exactly(reader, size):
                    yield piece
                if await self._timed(reader.readexactly(2)) != b"\r\n":
                    raise Broken("a chunk without its end")
            while await self._timed(reader.readuntil(b"\r\n")) != b"\r\n":
                pass  # trailers
        elif "content-length" in head.headers:
            length = head.headers["content-length"]
            if not (length.isascii() and length.isdigit() and len(length) < 16):
                raise Broken("a length that is no number")
            async for piece in self._read_exactly(reader, int(length)):
                yield piece
        else:
            while piece := await self._timed(reader.read(PIECE)):
                yield piece

    async def _read_exactly(self, reader: asyncio.StreamReader, size: int) -> AsyncGenerator[bytes, None]:
        while size:
            piece = await self._timed(reader.read(min(size, PIECE)))
            if not piece:
                raise Broken("the answer ended too early")
            size -= len(piece)
            yield piece

    async def _timed(self, read: Coroutine[Any, Any, T]) -> T:
        try:
            async with asyncio.timeout(self._timeout_s):
                return await read
        except _GONE as error:  # here alone: an OSError of the caller's own file is none of the connection
            raise Broken(_say(error)) from None

    async def _take(self, host: Host) -> Streams:
        kept = self._idle.get(host)
        while kept:
            since_s, (reader, writer) = kept.pop()
            if time.monotonic() - since_s < IDLE_S and not reader.at_eof() and not writer.is_closing():
                return reader, writer
            await _end(writer)
        if host.tls and self._context is None:
            self._context = ssl.create_default_context()
        context = self._context if host.tls else None
        try:
            async with asyncio.timeout(min(self._timeout_s, CONNECT_S)):
                return await asyncio.open_connection(host.name, host.port, ssl=context, limit=HEAD_MOST)
        except (OSError, TimeoutError) as error:
            raise NoAnswer(f"{host.header}: {_say(error)}", sent=False) from None


_GONE = (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError)


def parse_head(raw: bytes) -> Head:
    """Status line and headers. Broken."""
    lines = raw.decode("latin-1").split("\r\n")
    first = lines[0].split(" ", 2)
    if len(first) < 2 or not first[0].startswith("HTTP/1.") or not (first[1].isascii() and first[1].isdigit()):
        raise Broken("what came is not HTTP")
    headers = {}
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        if colon:
            headers[name.strip().lower()] = value.strip()
    return Head(int(first[1]), headers, first[0])


def _read_size(line: bytes) -> int:
    digits = line.partition(b";")[0].strip()
    try:
        size = int(digits, 16)
    except ValueError:
        raise Broken("a chunk without its size") from None
    if size < 0 or len(digits) > 15:
        raise Broken("a chunk without its size")
    return size


def _collect(pieces: bytearray) -> Take:
    async def take(piece: bytes) -> None:
        pieces.extend(piece)

    return take


async def _end(writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()  # all that is wanted has come: no reason to wait for a farewell
    with contextlib.suppress(OSError):
        await writer.wait_closed()


def _say(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, asyncio.IncompleteReadError):
        return "the connection was closed without an answer"
    if isinstance(error, asyncio.LimitOverrunError):
        return "a head of more than 64 KiB"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
