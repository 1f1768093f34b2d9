"""Dialogues with the HTTP door over real sockets."""

import asyncio
import contextlib
import logging
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import Any

import pytest
import uvloop

from heliograph.api.params import decode
from heliograph.api.request import Reply, Request, Response, Stream, plain, redirect
from heliograph.gateways.http import HttpDoor, Limits

Runner = Callable[[Coroutine[Any, Any, None]], None]

# Long enough for a busy machine, and no test waits for them.
QUICK = Limits(sweep_s=0.02, linger_s=1.0)


@pytest.fixture(params=["uvloop", "asyncio"])
def run(request: pytest.FixtureRequest) -> Runner:
    """Runs a dialogue on each of the loops."""
    return uvloop.run if request.param == "uvloop" else asyncio.run


def echo(request: Request, reply: Reply) -> None:
    """An application that says what it was asked."""
    reply(plain(f"{request.method} {request.path}?{request.query.decode('latin-1')} {request.body.decode('latin-1')}"))


class Held:
    """An application that keeps its replies until it is told to give them."""

    def __init__(self) -> None:
        self.waiting: list[tuple[Request, Reply]] = []

    def __call__(self, request: Request, reply: Reply) -> None:
        self.waiting.append((request, reply))

    async def come(self, count: int = 1) -> None:
        while len(self.waiting) < count:
            await asyncio.sleep(0.002)

    def release(self) -> None:
        waiting, self.waiting = self.waiting, []
        for request, reply in waiting:
            reply(plain(request.path))


class Client:
    """A socket with a reader of answers."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def head(self) -> tuple[int, dict[bytes, bytes]]:
        raw = await self.reader.readuntil(b"\r\n\r\n")
        lines = raw[:-4].split(b"\r\n")
        return int(lines[0].split()[1]), dict(line.split(b": ", 1) for line in lines[1:])

    async def answer(self) -> tuple[int, dict[bytes, bytes], bytes]:
        status, headers = await self.head()
        return status, headers, await self.reader.readexactly(int(headers[b"Content-Length"]))

    async def text(self) -> bytes:
        return (await self.answer())[2]

    async def closed(self) -> bytes:
        """What still comes until the other side closes."""
        return await self.reader.read()

    def close(self) -> None:
        self.writer.close()


def dialogue(
    run: Runner,
    talk: Callable[[HttpDoor, Callable[..., Awaitable[Client]]], Awaitable[None]],
    app: Callable[[Request, Reply], None] = echo,
    **settings: Any,
) -> None:
    """Opens a door, lets `talk` connect to it, and shuts both."""

    async def whole() -> None:
        door = HttpDoor(app, **{"limits": QUICK, **settings})
        host, port = await door.start("127.0.0.1", 0)
        clients = []

        async def connect(**options: Any) -> Client:
            clients.append(Client(*await asyncio.open_connection(host, port, **options)))
            return clients[-1]

        try:
            await asyncio.wait_for(talk(door, connect), 20)
        finally:
            await door.stop(0.01)
            for client in clients:
                client.close()
        assert door.stats()["connections"] == 0
        assert door.stats()["receiving"] == 0

    run(whole())


GET = b"GET %b HTTP/1.1\r\nHost: x\r\n\r\n"


def test_connection_is_kept_and_content_length_is_set(run: Runner) -> None:
    """HTTP/1.1 stays open, and its answers are never chunked (spec/clients 2.4)."""

    async def talk(door: HttpDoor, connect: Callable[..., Awaitable[Client]]) -> None:
        client = await connect()
        for number in range(3):
            client.send(GET % b"/a?n=%d" % number)
            status, headers, body = await client.answer()
            assert (status, body) == (200, b"GET /a?n=%d " % number)
            assert headers[b"Server"] == b"Heliograph"
            assert headers[b"Content-Type"] == b"text/plain; charset=utf-8"
            assert b"Connection" not in headers
            assert b"Transfer-Encoding" not in headers
        assert door.stats()["requests"] == door.stats()["answered"] == 3

    dialogue(run, talk)


@pytest.mark.parametrize(
    ("request_bytes", "connection"),
    [
        (b"GET /a HTTP/1.0\r\n\r\n", b"close"),
        (b"GET /a HTTP/1.1\r\nConnection: Close\r\n\r\n", b"close"),
        (b"GET /a HTTP/1.1\r\nConnection: close\r\n\r\nGET /b HTTP/1.1\r\n\r\n", b"close"),
    ],
)
def test_connection_closes_when_asked(run: Runner, request_bytes: bytes, connection: bytes) -> None:
    """The PHP library's socket fallback reads until the close; nothing follows the answer."""

    async def talk(door: HttpDoor, connect: Callable[..., Awaitable[Client]]) -> None:
        client = await connect()
        client.send(request_bytes)
        _, headers, body = await client.answer()
        assert headers[b"Connection"] == connection
        assert body == b"GET /a? "
        assert await client.closed() == b""

    dialogue(run, talk)


def test_http_1_0_may_stay_open(run: Runner) -> None:
    """An old client that asks for it is told so."""

    async def talk(door: HttpDoor, connect: Callable[..., Awaitable[Client]]) -> None:
        client = await connect()
        for _ in range(2):
            client.send(b"GET /a HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n")
            assert (await client.answer())[1][b"Connection"] == b"keep-alive"

    dialogue(run, talk)


def test_pipelined_requests_are_answered_in_order(run: Runner) -> None:
    """One is under way at a time, whatever came in one read."""
    app = Held()

    async def talk(door: HttpDoor, connect: Callable[..., Awaitable[Client]]) -> None:
        client = await connect()
        client.send(b"".join(GET % b"/%d" % number for number in range(5)))
        await app.come()
        client.send(b"".join(GET % b"/%d" % number for number in range(5, 8)))
        for number in range(8):
            await app.come()
            await asyncio.sleep(0)
            assert [request.path for request, _ in app.waiting] == [f"/{number}"]
            app.release()
            assert await client.text() == b"/%d" % number

    dialogue(run, talk, app)


def test_thousands_of_pipelined_requests_do_not_recurse(run: Runner) -> None:
    """Answers given within the call are a loop, so the stack does not grow."""

    async def talk(door: HttpDoor, connect: Callable[..., Awaitable[Client]]) -> None:
        client = await connect()
        upgrade = b"GET /u HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
        client.send((GET % b"/a") * 3000 + upgrade * 1500)
        for number in range(4500):
            assert await client.text() == (b"GET /a? " if number < 3000 else b"GET /u? ")

    dialogue(run, talk)


def test_request_in_single_bytes_is_read(run: Runner) -> None:
    """A slow line cuts anywhere."""

    async def talk(door: HttpDoor, connect: Callable[..., Awaitable[Client]]) -> None:
        client = await connect()
        for byte in b"POST /a?b=c HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc":
            client.send(bytes([byte]))
            await asyncio.sleep(0)
        assert await client.text() == b"POST /a?b=c abc"

    dialogue(run, talk)


def test_chunked_body_is_joined(run: Runner) -> None:
    """Node's form-data sends chunks; trailers are no headers."""
    seen: list[Request] = []

    def app(request: Request, reply: Reply) -> None:
        seen.append(request)
        echo(request, reply)

    async def talk(door: HttpDoor, connect: Callable[..., Awaitable[Client]]) -> None:
        client = await connect()
        client.send(b"POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n")
        client.send(b"4\r\ndefg\r\n0\r\nX-Trailer: 1\r\n\r\n" + GET % b"/b")
        assert await client.text() == b"POST /a? abcdefg"
        assert await client.text() == b"GET /b? "
        assert seen[0].headers == {b"transfer-encoding": b"chunked"}

    dialogue(run, talk, app)


def test_continue_is_sent_before_the_body(run: Runner) -> None:
    """curl and .NET wait for it with larger bodies; behind another request it waits its turn."""
    app = Held()

    async def talk(door: HttpDoor, connect: Callable[..., Awaitable[Client]]) -> None:
        client = await connect()
        client.send(GET % b"/first" + b"POST /a HTTP/1.1\r\nExpect: 100-Continue\r\nContent-Length: 3\r\n\r\n")
        await app.come()
        app.release()
        assert await client.text() == b"/first"
        assert (await client.head())[0] == 100
        client.send(b"abc")
        await app.come()
        assert app.waiting[0][0].body == b"abc"
        app.release()
        assert await client.text() == b"/a"

    dialogue(run, talk, app)


def test_head_has_the_length_and_no_body(run: Runner) -> None:
    """RFC 9110, 9.3.2."""

    async def talk(door: HttpDoor, connect: Callable[..., Awaitable[Client]]) -> None:
        client = await connect()
        client.send(b"HEAD /a HTTP/1.1\r\n\r\n" + GET % b"/b")
        status, headers = await client.head()
        assert (status, headers[b"Content-Length"]) == (200, b"9")
        assert await client.text() == b"GET /b? "

    dialogue(run, talk)


def test_long_url_is_read(run: Runner) -> None:
    """Lists of numbers come in URLs of 60 KB."""

    async def talk(door: HttpDoor, connect: Callable[..., Awaitable[Client]]) -> None:
        client = await connect()
        phones = b"7" * 60_000
        client.send(GET % (b"/a?phones=" + phones))
        assert await client.text() == b"GET /a?phones=" + phones + b" "

    dialogue(run, talk)


@pytest.mark.parametrize(
    "head",
    [
        GET % (b"/" + b"a" * 70_000),
        b"GET / HTTP/1.1\r\nX: " + b"a" * 70_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"X: aaaaaaaaaa\r\n" * 5000 + b"\r\n",
        b"GET / HTTP/1.1\r\nX: " + b"a" * 70_000,
        b"GET /?\xff" + b"a" * 70_000,
    ],
)
def test_head_over_the_limit_is_refused(run: Runner, head: bytes) -> None:
    """64 KiB for the request line and headers."""

    async def talk(door: HttpDoor, connect: Callable[..., Awaitable[Client]]) -> None:
        client = await connect()
        client.send(head)
        assert (await client.answer())[0] == 431
        assert await client.closed() == b""

    dialogue(run, talk)


@pytest.mark.parametrize(
    "head",
    [
        b"POST /big?fmt=3 HTTP/1.1\r\nContent-Length: 5000\r\n\r\n",
        b"POST /big?fmt=3 HTTP/1.1\r\nContent-Length: 5000\r\nExpect: 100-continue\r\n\r\n",
        b"POST /big?fmt=3 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n7d0\r\n" + b"x" * 2000 + b"\r\n",
    ],
)
def test_large_body_is_refused_without_being_read(run: Runner, head: bytes) -> None:
    """The application words the refusal in the asked format, with status 200, and the connection closes."""
    asked: list[Request] = []

    def too_large(head: Request) -> Response:
        asked.append(head)
        return plain("ERROR = 1 (parameters error)")

    async def talk(door: HttpDoor, connect: Callable[..., Awaitable[Client]]) -> None:
        client = await connect()
        client.send(GET % b"/a" + head)
        assert await client.text() == b"GET /a? "
        status, headers, body = await client.answer()
        assert (status, body) == (200, b"ERROR = 1 (parameters error)")
        assert headers[b"Connection"] == b"close"
        assert (asked[0].path, asked[0].query, asked[0].body) == ("/big", b"fmt=3", b"")
        assert await client.closed() == b""
        assert door.stats()["too_large"] == 1
        assert door.stats()["requests"] == 1

    dialogue(run, talk, max_body=1000, too_large=too_large)


def test_refused_client_may_finish_sending(run: Runner) -> None:
    """Most clients write the whole body before they read; a reset would cost them the answer."""

    async def talk(door: HttpDoor, connect: Callable[..., Awaitable[Client]]) -> None:
        client = await connect()
        client.send(b"POST /a HTTP/1.1\r\nContent-Length: 4000000\r\n\r\n")
        for _ in range(40):
            client.send(b"x" * 100_000)
            await client.writer.drain()
        assert await client.text() == b"request body too large"

    dialogue(run, talk, max_body=1000, limits=Limits(linger_s=20))


def test_bodies_of_all_connections_are_bounded_together(run: Runner) -> None:
    """Thousands of connections with half a body each must not fill the memory."""

    async def talk(door: HttpDoor, connect: Callable[..., Awaitable[Client]]) -> None:
        first, second = await connect(), await connect()
        first.send(b"POST /a HTTP/1.1\r\nContent-Length: 900\r\n\r\n" + b"x" * 800)
        while door.stats()["receiving"] < 800:
            await asyncio.sleep(0.002)
        second.send(b"POST /a HTTP/1.1\r\nContent-Length: 900\r\n\r\n" + b"x" * 800)
        assert (await second.answer())[0] == 503
        first.send(b"x" * 100)
        assert (await first.answer())[0] == 200

    dialogue(run, talk, max_receiving=1000)


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"hello\r\n\r\n",
        b"GET /a\r\n\r\n",
        b"GET /a HTTP/9.9\r\n\r\n",
        b"GET /a HTTP/1.1\r\nno colon\r\n\r\n",
        b"GET /a HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        b"GET /a HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"POST /a HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET /a\r\nX: y HTTP/1.1\r\n\r\n",
        b"GET /a?b\r\n\r\nGET /c HTTP/1.1\r\n\r\n",
        b"CONNECT host:80 HTTP/1.1\r\n\r\nabc",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ],
)
def test_garbage_is_refused_and_closed(run: Runner, garbage: bytes) -> None:
    """Nothing of it reaches the application."""

    async def talk(door: HttpDoor, connect: Callable[..., Awaitable[Client]]) -> None:
        client = await connect()
        client.send(garbage)
        assert (await client.answer())[0] == 400
        assert await client.closed() == b""
        assert door.stats()["requests"] == 0

    dialogue(run, talk)


def test_garbage_behind_a_request_does_not_cost_its_answer(run: Runner) -> None:
    """What was understood is answered first."""
    app = Held()

    async def talk(door: HttpDoor, connect: Callable[..., Awaitable[Client]]) -> None:
        client = await connect()
        client.send(GET % b"/a" + b"\x00\x01garbage\r\n\r\n")
        await app.come()
        app.release()
        assert await client.text() == b"/a"
        assert (await client.answer())[0] == 400
        assert await client.closed() == b""

    dialogue(run, talk, app)


@pytest.mark.parametrize("cut", [None, 10, 20, 38, 60])
def test_unescaped_url_is_read(run: Runner, cut: int | None) -> None:
    """Raw UTF-8, blanks and line ends in the URL (spec/clients 2.4), in one piece or two."""
    seen: list[dict[str, str]] = []

    def app(request: Request, reply: Reply) -> None:
        seen.append(dict(decode(request)))
        reply(plain("ok"))

    async def talk(door: HttpDoor, connect: Callable[..., Awaitable[Client]]) -> None:
        client = await connect()
        for _ in range(2):
            raw = "GET /sys/send.php?charset=utf-8&mes=Два слова\nключ: знач\r\n#5 50%&fmt=1 HTTP/1.1\r\nHost: x\r\n\r\n".encode()
            client.send(raw[:cut])
            if cut is not None:
                await asyncio.sleep(0.01)
                client.send(raw[cut:])
            assert await client.text() == b"ok"
        expected = {"charset": "utf-8", "mes": "Два слова\nключ: знач\r\n#5 50%", "fmt": "1"}
        assert seen == [expected, expected]

    dialogue(run, talk, app)


def test_unescaped_url_with_a_body_is_read(run: Runner) -> None:
    """The repair of a head leaves what follows it alone."""

    async def talk(door: HttpDoor, connect: Callable[..., Awaitable[Client]]) -> None:
        client = await connect()
        client.send(b"POST /a?b=c d HTTP/1.1\r\nContent-Length: 3\r\n\r\na b" + GET % b"/b")
        assert await client.text() == b"POST /a?b=c%20d a b"
        assert await client.text() == b"GET /b? "

    dialogue(run, talk)


def test_paths_are_decoded_and_absolute_urls_accepted(run: Runner) -> None:
    """RFC 9112, 3.2: a server takes the form that is meant for proxies."""

    async def talk(door: HttpDoor, connect: Callable[..., Awaitable[Client]]) -> None:
        client = await connect()
        client.send(GET % b"http://host:80/sys/send%2Ephp?a=%41")
        assert await client.text() == b"GET /sys/send.php?a=%41 "
        client.send(GET % b"http://host?a=1")
        assert (await client.answer())[0] == 200
        client.send(GET % b"//sys///send.php?a=//b")
        assert await client.text() == b"GET /sys/send.php?a=//b "

    dialogue(run, talk)


def test_upgrade_to_http_2_is_ignored(run: Runner) -> None:
    """Java's client offers it with every first request."""

    async def talk(door: HttpDoor, connect: Callable[..., Awaitable[Client]]) -> None:
        client = await connect()
        offer = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMA\r\n"
        client.send(b"POST /a HTTP/1.1\r\nContent-Length: 3\r\n" + offer[:20])
        await asyncio.sleep(0.01)
        client.send(offer[20:] + b"\r\nabc")
        assert await client.text() == b"POST /a? abc"
        client.send(GET % b"/b")
        assert await client.text() == b"GET /b? "

    dialogue(run, talk)


@pytest.mark.parametrize(
    "started", [b"", b"GET /a HT", b"GET /a?\xff ", b"POST /a HTTP/1.1\r\nContent-Length: 9\r\n\r\nab"]
)
def test_slow_requests_are_closed(run: Runner, started: bytes) -> None:
    """Neither a head nor a body may take for ever; a client that has begun is told."""

    async def talk(door: HttpDoor, connect: Callable[..., Awaitable[Client]]) -> None:
        client = await connect()
        client.send(started)
        if started:
            assert (await client.answer())[0] == 408
        assert await client.closed() == b""
        assert door.stats()["timed_out"] == 1
        assert door.stats()["requests"] == 0

    dialogue(run, talk, limits=Limits(sweep_s=0.01, head_s=0.05, body_s=0.05, linger_s=0.2))


def test_idle_connection_is_closed(run: Runner) -> None:
    """After an answer the client has the idle time, not that of a head."""

    async def talk(door: HttpDoor, connect: Callable[..., Awaitable[Client]]) -> None:
        client = await connect()
        client.send(GET % b"/a")
        assert (await client.answer())[0] == 200
        assert await client.closed() == b""
        assert door.stats()["timed_out"] == 1

    dialogue(run, talk, limits=Limits(sweep_s=0.01, idle_s=0.05))


def test_client_that_does_not_read_is_cut(run: Runner) -> None:
    """Its answers wait in a bounded buffer, its requests are no longer taken, and then it goes."""
    taken = 0

    def app(request: Request, reply: Reply) -> None:
        nonlocal taken
        taken += 1
        reply(Response(200, b"text/plain", b"x" * 1_000_000))

    async def talk(door: HttpDoor, connect: Callable[..., Awaitable[Client]]) -> None:
        client = await connect(limit=1000)
        client.send((GET % b"/a") * 1000)
        while door.stats()["connections"]:
            await asyncio.sleep(0.01)
        assert taken < 50
        assert door.stats()["timed_out"] == 1

    dialogue(run, talk, app, limits=Limits(sweep_s=0.01, write_s=0.1))


def test_half_open_client_gets_its_answer(run: Runner) -> None:
    """Simple scripts shut their side after the request."""
    app = Held()

    async def talk(door: HttpDoor, connect: Callable[..., Awaitable[Client]]) -> None:
        client = await connect()
        client.send(GET % b"/a" + GET % b"/b" + b"GET /unfinis")
        client.writer.write_eof()
        await app.come()
        await asyncio.sleep(0.01)
        app.release()
        await app.come()
        app.release()
        assert await client.text() == b"/a"
        assert await client.text() == b"/b"
        assert await client.closed() == b""

    dialogue(run, talk, app)


def test_half_open_client_without_a_request_is_closed(run: Runner) -> None:
    """Nobody is waiting for anything."""

    async def talk(door: HttpDoor, connect: Callable[..., Awaitable[Client]]) -> None:
        client = await connect()
        client.send(b"GET /unfinis")
        client.writer.write_eof()
        assert await client.closed() == b""

    dialogue(run, talk)


def test_reply_to_a_client_that_left_is_dropped(run: Runner) -> None:
    """What is being committed goes on; the reply finds nobody, and that is counted."""
    app = Held()

    async def talk(door: HttpDoor, connect: Callable[..., Awaitable[Client]]) -> None:
        client = await connect()
        client.send(GET % b"/a")
        await app.come()
        raw = client.writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # so that the close is a reset
        client.writer.transport.abort()
        while door.stats()["connections"]:
            await asyncio.sleep(0.002)
        app.release()
        assert door.stats()["dropped"] == 1
        assert door.stats()["answered"] == 0

    dialogue(run, talk, app)


def test_second_reply_reaches_nobody(run: Runner, caplog: pytest.LogCaptureFixture) -> None:
    """It must never become the answer to the next request, which may be another customer's."""

    def app(request: Request, reply: Reply) -> None:
        reply(plain(request.path))
        reply(plain("again"))

    async def talk(door: HttpDoor, connect: Callable[..., Awaitable[Client]]) -> None:
        client = await connect()
        client.send(GET % b"/a" + GET % b"/b")
        assert await client.text() == b"/a"
        assert await client.text() == b"/b"

    dialogue(run, talk, app)
    assert [record.message for record in caplog.records if record.levelno >= logging.ERROR] == ["http_reply_twice"] * 2


def test_failure_of_the_application_is_logged_once_and_answered(run: Runner, caplog: pytest.LogCaptureFixture) -> None:
    """The client sees an error in its own format; the log has the traceback and the path, never the query."""

    def app(request: Request, reply: Reply) -> None:
        raise KeyError("lost")

    def failed(request: Request) -> Response:
        return plain(f"ERROR = 1 ({request.path})")

    async def talk(door: HttpDoor, connect: Callable[..., Awaitable[Client]]) -> None:
        client = await connect()
        client.send(GET % b"/sys/send.php?psw=secret")
        status, _, body = await client.answer()
        assert (status, body) == (200, b"ERROR = 1 (/sys/send.php)")
        assert door.stats()["failures"] == 1

    dialogue(run, talk, app, failed=failed)
    (record,) = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert record.message == "http_request_failed"
    assert record.exc_info is not None
    assert record.__dict__["path"] == "/sys/send.php"
    assert "secret" not in str(record.__dict__)


def test_answer_that_would_split_is_a_failure(run: Runner, caplog: pytest.LogCaptureFixture) -> None:
    """A line end in a header would let its author write headers of ours."""

    def app(request: Request, reply: Reply) -> None:
        reply(Response(200, b"text/plain", b"", ((b"X", b"a\r\nSet-Cookie: b"),)))

    async def talk(door: HttpDoor, connect: Callable[..., Awaitable[Client]]) -> None:
        client = await connect()
        client.send(GET % b"/a")
        status, headers, _ = await client.answer()
        assert status == 500
        assert b"Set-Cookie" not in headers

    dialogue(run, talk, app)
    assert "http_request_failed" in caplog.text


def test_failing_fallback_still_answers(run: Runner, caplog: pytest.LogCaptureFixture) -> None:
    """The last word is a bare 500."""

    def fail(*_: object) -> Response:
        raise ValueError("no")

    async def talk(door: HttpDoor, connect: Callable[..., Awaitable[Client]]) -> None:
        client = await connect()
        client.send(GET % b"/a")
        assert (await client.answer())[0] == 500

    dialogue(run, talk, fail, failed=fail)
    assert "http_fallback_failed" in caplog.text


def test_request_that_is_never_answered_is_cut(run: Runner, caplog: pytest.LogCaptureFixture) -> None:
    """A lost reply is a bug, and must not hold a connection for ever."""

    async def talk(door: HttpDoor, connect: Callable[..., Awaitable[Client]]) -> None:
        client = await connect()
        client.send(GET % b"/a")
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            await client.answer()

    dialogue(run, talk, lambda request, reply: None, limits=Limits(sweep_s=0.01, answer_s=0.05))
    assert "http_request_unanswered" in caplog.text


def test_connections_beyond_the_limit_are_turned_away(run: Runner) -> None:
    """They hear why, and those inside are not disturbed."""

    async def talk(door: HttpDoor, connect: Callable[..., Awaitable[Client]]) -> None:
        inside = [await connect(), await connect()]
        for client in inside:
            client.send(GET % b"/a")
            await client.text()
        outside = await connect()
        assert (await outside.answer())[0] == 503
        inside[0].send(GET % b"/b")
        assert await inside[0].text() == b"GET /b? "
        assert door.stats()["turned_away"] == 1

    dialogue(run, talk, max_connections=2)


def test_redirect_and_empty_statuses(run: Runner) -> None:
    """Short links redirect; 204 has neither body nor length."""

    def app(request: Request, reply: Reply) -> None:
        reply(redirect("https://пример.рф/a b\r\n") if request.path == "/l" else Response(204, b"", b""))

    async def talk(door: HttpDoor, connect: Callable[..., Awaitable[Client]]) -> None:
        client = await connect()
        client.send(GET % b"/l")
        status, headers, _ = await client.answer()
        assert (status, headers[b"Location"]) == (
            303,
            b"https://%D0%BF%D1%80%D0%B8%D0%BC%D0%B5%D1%80.%D1%80%D1%84/a%20b%0D%0A",
        )
        client.send(GET % b"/204")
        status, headers = await client.head()
        assert (status, b"Content-Length" in headers) == (204, False)
        client.send(GET % b"/l")
        assert (await client.answer())[0] == 303

    dialogue(run, talk, app)


class Ticker:
    """Server-sent events that can be watched from outside."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.closed = asyncio.Event()

    async def events(self) -> AsyncIterator[bytes]:
        try:
            for number in range(self.count):
                yield b"data: %d\n\n" % number
            if self.count > 3:
                await asyncio.Event().wait()
        finally:
            self.closed.set()

    def __call__(self, request: Request, reply: Reply) -> None:
        reply(Stream(self.events()) if request.path == "/events" else plain("ok"))


def test_stream_is_chunked_and_the_connection_goes_on(run: Runner) -> None:
    """HTTP/1.1 knows where a stream ends, so the next request may follow."""

    async def talk(door: HttpDoor, connect: Callable[..., Awaitable[Client]]) -> None:
        client = await connect()
        client.send(GET % b"/events" + GET % b"/a")
        _, headers = await client.head()
        assert headers[b"Content-Type"].startswith(b"text/event-stream")
        assert headers[b"Transfer-Encoding"] == b"chunked"
        assert await client.reader.readuntil(b"0\r\n\r\n") == b"9\r\ndata: 0\n\n\r\n9\r\ndata: 1\n\n\r\n0\r\n\r\n"
        assert await client.text() == b"ok"

    dialogue(run, talk, Ticker(2))


class Download:
    """A file of so many pieces, said to be ``length`` bytes long, that tells when it is closed."""

    def __init__(self, pieces: list[bytes], length: int, endless: bool = False) -> None:
        self.pieces = pieces
        self.length = length
        self.endless = endless
        self.given = 0
        self.closed = asyncio.Event()

    def __aiter__(self) -> "Download":
        return self

    async def __anext__(self) -> bytes:
        if self.given < len(self.pieces):
            self.given += 1
            return self.pieces[self.given - 1]
        if self.endless:
            await asyncio.Event().wait()
        raise StopAsyncIteration

    async def aclose(self) -> None:
        self.closed.set()

    def __call__(self, request: Request, reply: Reply) -> None:
        file = Stream(self, b"text/csv", headers=((b"X-Own", b"1"),), length=self.length)
        reply(file if request.path == "/file" else plain("ok"))


@pytest.mark.parametrize("version", [b"1.1", b"1.0"])
def test_stream_of_known_length_says_so_and_the_connection_goes_on(run: Runner, version: bytes) -> None:
    """A client knows how far he is; no chunks, so HTTP/1.0 may keep its connection, too."""

    async def talk(door: HttpDoor, connect: Callable[..., Awaitable[Client]]) -> None:
        client = await connect()
        for path in (b"/file", b"/a"):
            client.send(b"GET %b HTTP/%b\r\nHost: a\r\nConnection: keep-alive\r\n\r\n" % (path, version))
        _, headers = await client.head()
        assert headers[b"Content-Length"] == b"600000"
        assert b"Transfer-Encoding" not in headers
        assert await client.reader.readexactly(600_000) == b"x" * 300_000 + b"y" * 300_000
        assert await client.text() == b"ok"
        assert download.closed.is_set()

    download = Download([b"x" * 300_000, b"y" * 300_000], 600_000)
    dialogue(run, talk, download)


@pytest.mark.parametrize("length", [9, 11])
def test_stream_that_does_not_keep_its_length_breaks_the_connection(run: Runner, length: int) -> None:
    """A file that was cut or has grown meanwhile: what would follow could be taken for the next answer."""

    async def talk(door: HttpDoor, connect: Callable[..., Awaitable[Client]]) -> None:
        client = await connect()
        client.send(GET % b"/file" + GET % b"/a")
        await client.head()
        with contextlib.suppress(ConnectionError):
            assert len(await client.reader.read(-1)) < length
        await download.closed.wait()

    download = Download([b"12345", b"67890"], length)
    dialogue(run, talk, download)


def test_stream_of_known_length_is_cut_when_the_door_stops(run: Runner) -> None:
    """The client sees that the file is not whole."""

    async def talk(door: HttpDoor, connect: Callable[..., Awaitable[Client]]) -> None:
        client = await connect()
        client.send(GET % b"/file")
        await client.head()
        assert await client.reader.readexactly(5) == b"12345"
        await door.stop(5.0)
        with contextlib.suppress(ConnectionError):
            assert await client.reader.read(-1) == b""
        assert download.closed.is_set()

    download = Download([b"12345"], 100, endless=True)
    dialogue(run, talk, download)


def test_stream_to_http_1_0_ends_with_the_connection(run: Runner) -> None:
    """There are no chunks in HTTP/1.0."""

    async def talk(door: HttpDoor, connect: Callable[..., Awaitable[Client]]) -> None:
        client = await connect()
        client.send(b"GET /events HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        _, headers = await client.head()
        assert b"Transfer-Encoding" not in headers
        assert await client.closed() == b"data: 0\n\ndata: 1\n\n"

    dialogue(run, talk, Ticker(2))


def test_stream_ends_when_the_client_leaves(run: Runner) -> None:
    """The generator's `finally` runs, so that no subscription is left behind."""

    ticker = Ticker(5)

    async def talk(door: HttpDoor, connect: Callable[..., Awaitable[Client]]) -> None:
        client = await connect()
        client.send(GET % b"/events")
        await client.reader.readuntil(b"data: 4")
        client.close()
        await ticker.closed.wait()

    dialogue(run, talk, ticker)


def test_stream_ends_when_the_door_stops(run: Runner) -> None:
    """A live page must not hold up the stop, and its stream is ended properly."""

    ticker = Ticker(5)

    async def talk(door: HttpDoor, connect: Callable[..., Awaitable[Client]]) -> None:
        client = await connect()
        client.send(GET % b"/events")
        await client.reader.readuntil(b"data: 4")
        await door.stop(10)
        assert (await client.closed()).endswith(b"0\r\n\r\n")
        assert ticker.closed.is_set()

    dialogue(run, talk, ticker)


def test_stream_that_has_not_begun_does_not_hold_up_the_stop(run: Runner) -> None:
    """The door may stop in the very moment in which the stream was promised."""
    doors: list[HttpDoor] = []
    stops: list[asyncio.Task[None]] = []

    def app(request: Request, reply: Reply) -> None:
        stops.append(asyncio.get_running_loop().create_task(doors[0].stop(10)))
        reply(Stream(Ticker(5).events()))

    async def talk(door: HttpDoor, connect: Callable[..., Awaitable[Client]]) -> None:
        doors.append(door)
        client = await connect()
        client.send(GET % b"/events")
        await client.closed()
        await stops[0]

    dialogue(run, talk, app)


def test_stream_waits_for_a_slow_reader(run: Runner) -> None:
    """What is produced is bounded by what the client takes."""
    made = 0

    async def flood() -> AsyncIterator[bytes]:
        nonlocal made
        while True:
            made += 1
            yield b"x" * 100_000

    async def talk(door: HttpDoor, connect: Callable[..., Awaitable[Client]]) -> None:
        client = await connect(limit=1000)
        client.send(GET % b"/a")
        await client.head()
        before = -1
        while made != before:
            before = made
            await asyncio.sleep(0.05)
        assert made < 500

    dialogue(run, talk, lambda request, reply: reply(Stream(flood())))


def test_broken_stream_is_cut(run: Runner, caplog: pytest.LogCaptureFixture) -> None:
    """Without the last chunk, so the client knows that it is not whole."""

    async def broken() -> AsyncIterator[bytes]:
        yield b"a"
        raise ValueError("no")

    async def talk(door: HttpDoor, connect: Callable[..., Awaitable[Client]]) -> None:
        client = await connect()
        client.send(GET % b"/a")
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            await client.reader.readuntil(b"0\r\n\r\n")

    dialogue(run, talk, lambda request, reply: reply(Stream(broken())))
    assert "http_stream_failed" in caplog.text


def test_stop_lets_requests_under_way_be_answered(run: Runner) -> None:
    """Idle connections close at once, nobody new gets in, and what waits for a commit is answered."""
    app = Held()

    async def talk(door: HttpDoor, connect: Callable[..., Awaitable[Client]]) -> None:
        idle, busy = await connect(), await connect()
        idle.send(GET % b"/idle")
        await app.come()
        app.release()
        await idle.text()
        busy.send(GET % b"/busy")
        await app.come()
        stopping = asyncio.create_task(door.stop(10))
        assert await idle.closed() == b""
        with pytest.raises(OSError):
            await connect()
        app.release()
        _, headers, body = await busy.answer()
        assert (headers[b"Connection"], body) == (b"close", b"/busy")
        await stopping

    dialogue(run, talk, app)


def test_stop_cuts_what_outlasts_the_grace(run: Runner) -> None:
    """The stop ends even when an answer never comes."""
    app = Held()

    async def talk(door: HttpDoor, connect: Callable[..., Awaitable[Client]]) -> None:
        client = await connect()
        client.send(GET % b"/a")
        await app.come()
        await door.stop(0.02)
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            await client.answer()
        app.release()

    dialogue(run, talk, app)


def test_port_in_use_is_an_os_error(run: Runner) -> None:
    """The caller says so and ends."""

    async def whole() -> None:
        taken = socket.create_server(("127.0.0.1", 0))
        door = HttpDoor(echo)
        with pytest.raises(OSError):
            await door.start("127.0.0.1", taken.getsockname()[1])
        await door.stop(0)
        taken.close()

    run(whole())
