"""The callback client against scripted servers on loopback: connections, answers, time-outs, limits."""

import asyncio
import socket
from collections.abc import Callable
from typing import Any

import pytest
from tests.callbacks.receivers import LOOPBACK, OK, Exchange, answer_all, ask, opened, receive, reply_with, until

from heliograph.callbacks.client import Answer, Client, NoRoom
from heliograph.callbacks.targets import parse_target

Run = Callable[[Any], Any]


def test_request_is_what_the_reference_describes(run: Run) -> None:
    """Parameters go by POST in the body; a handler needs host, type and length to read them."""

    async def main() -> None:
        async with receive() as server, opened() as client:
            answer = await ask(client, server.target("/hook.php?a=1"), b"id=1&status=1", headers=((b"X-A", b"b"),))
            assert (answer.status, answer.error) == (200, "")
            head, body = server.requests[0].split(b"\r\n\r\n")
            assert head.startswith(b"POST /hook.php?a=1 HTTP/1.1\r\n")
            assert b"\r\nHost: 127.0.0.1:%d\r\n" % server.port in head
            assert b"\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 13\r\nX-A: b" in head
            assert body == b"id=1&status=1"

    run(main())


def test_connection_is_used_again(run: Run) -> None:
    """A connection per callback would cost more than the callback."""

    async def main() -> None:
        async with receive() as server, opened() as client:
            for _ in range(5):
                assert (await ask(client, server.target())).status == 200
            assert (server.connections, len(server.requests), client.connections, client.in_flight) == (1, 5, 1, 0)

    run(main())


def test_no_second_request_before_the_answer(run: Run) -> None:
    """Pipelining would let one slow callback hold those behind it."""

    async def main() -> None:
        together: list[bytes] = []

        async def script(exchange: Exchange) -> None:
            while await exchange.request() is not None:
                await asyncio.sleep(0.02)
                together.append(bytes(exchange.reader._buffer))  # type: ignore[attr-defined]
                exchange.writer.write(OK)

        async with receive(script) as server, opened() as client:
            answers = await asyncio.gather(*(ask(client, server.target()) for _ in range(3)))
            assert [answer.status for answer in answers] == [200] * 3
            assert (server.connections, together) == (3, [b""] * 3)

    run(main())


@pytest.mark.parametrize(
    "reply",
    [
        OK,
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" + OK,
        b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n",
    ],
    ids=["length", "no-content", "chunked", "interim", "http-1.0-kept"],
)
def test_delimited_answers_keep_the_connection(run: Run, reply: bytes) -> None:
    """Where the answer's end is known exactly, the next request can follow."""

    async def main() -> None:
        async with receive(reply_with(reply, OK)) as server, opened() as client:
            assert (await ask(client, server.target())).status in (200, 204)
            assert (await ask(client, server.target())).status == 200
            assert server.connections == 1

    run(main())


@pytest.mark.parametrize(
    "reply",
    [
        b"HTTP/1.1 200 OK\r\n\r\nuntil the end",
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\ncut",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok and more",
    ],
    ids=["no-length", "http-1.0", "close", "cut-short", "too-much"],
)
def test_other_answers_end_the_connection(run: Run, reply: bytes) -> None:
    """A connection whose next answer could be mistaken is not used again; the status counts all the same."""

    async def main() -> None:
        async with receive(reply_with(reply, close=True)) as server, opened() as client:
            for _ in range(2):
                assert (await ask(client, server.target())).status == 200
            assert (server.connections, client.connections) == (2, 0)

    run(main())


def test_answer_in_single_bytes_is_understood(run: Run) -> None:
    """Networks cut where they like."""

    async def main() -> None:
        async def script(exchange: Exchange) -> None:
            await exchange.request()
            for byte in b"HTTP/1.1 404 Not Found\r\ncontent-LENGTH: 3\r\n\r\nabc":
                exchange.writer.write(bytes([byte]))
                await asyncio.sleep(0)
            await answer_all(exchange)

        async with receive(script) as server, opened() as client:
            assert (await ask(client, server.target())).status == 404
            assert (await ask(client, server.target())).status == 200
            assert server.connections == 1

    run(main())


def test_oversize_body_is_cut_off(run: Run) -> None:
    """A handler that answers with a film must not fill memory or line."""

    async def main() -> None:
        async def script(exchange: Exchange) -> None:
            await exchange.request()
            exchange.writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")
            while True:
                exchange.writer.write(b"x" * 65536)
                await exchange.writer.drain()

        async with receive(script) as server, opened() as client:
            answer = await ask(client, server.target())
            assert (answer.status, answer.error) == (200, "the body was cut off after 64 KiB")
            assert client.connections == 0
            await until(lambda: server.open == 0)

    run(main())


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (b"SSH-2.0-OpenSSH_9.2\r\n", "not HTTP/1"),
        (b"HTTP/2 200\r\n\r\n", "not HTTP/1"),
        (b"HTTP/1.1 twohundred\r\n\r\n", "not HTTP/1"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 17000, "longer than 16 KiB"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 1000, "longer than 16 KiB"),
    ],
    ids=["banner", "http-2", "words", "long-head", "endless-interim"],
)
def test_garbage_is_an_error_not_an_exception(run: Run, reply: bytes, error: str) -> None:
    """Anything may listen at the address a customer has typed."""

    async def main() -> None:
        async with receive(reply_with(reply)) as server, opened() as client:
            answer = await ask(client, server.target())
            assert answer.status == 0
            assert error in answer.error
            assert client.connections == 0

    run(main())


def test_redirect_is_not_followed(run: Run) -> None:
    """A redirect could lead to an address that is refused, and turns POST into GET; its status is the answer."""

    async def main() -> None:
        async with receive() as other:
            reply = b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:%d/\r\nContent-Length: 0\r\n\r\n" % other.port
            async with receive(reply_with(reply)) as server, opened() as client:
                assert (await ask(client, server.target())).status == 302
                assert other.requests == []

    run(main())


def test_stale_connection_is_replaced_once(run: Run) -> None:
    """Servers close idle connections whenever they like; a callback that meets this is not a failed one."""

    async def main() -> None:
        async def script(exchange: Exchange) -> None:
            await exchange.request()
            exchange.writer.write(OK)
            if exchange.number == 1:
                await exchange.request()  # takes the second request and closes without a word
            else:
                await answer_all(exchange)

        async with receive(script) as server, opened() as client:
            assert (await ask(client, server.target(), b"n=1")).status == 200
            assert (await ask(client, server.target(), b"n=2")).status == 200
            assert server.connections == 2
            assert [request[-3:] for request in server.requests] == [b"n=1", b"n=2", b"n=2"]

    run(main())


def test_fresh_connection_closed_without_answer_is_not_repeated(run: Run) -> None:
    """A server that dies of a request must not get it again at once."""

    async def main() -> None:
        async with receive(reply_with(b"", close=True)) as server, opened() as client:
            answer = await ask(client, server.target())
            assert answer.status == 0
            assert "closed the connection without an answer" in answer.error
            assert len(server.requests) == 1

    run(main())


def test_used_connection_closed_in_the_middle_is_not_repeated(run: Run) -> None:
    """Once an answer has begun, the handler has worked: repeating is the queue's decision."""

    async def main() -> None:
        async with receive(reply_with(OK, b"HTTP/1.1 20", close=True)) as server, opened() as client:
            assert (await ask(client, server.target())).status == 200
            answer = await ask(client, server.target())
            assert answer.status == 0
            assert "in the middle of its answer" in answer.error
            assert len(server.requests) == 2

    run(main())


async def hang(exchange: Exchange) -> None:
    """Takes requests and never answers."""
    while await exchange.request() is not None:
        pass


def test_hanging_host_holds_no_other(run: Run) -> None:
    """One customer's dead handler is the ordinary case."""

    async def main() -> None:
        async with receive(hang) as slow, receive() as quick, opened() as client:
            waiting = [asyncio.create_task(ask(client, slow.target())) for _ in range(4)]
            await until(lambda: len(slow.requests) == 4)
            assert (await ask(client, quick.target())).status == 200
            assert (client.in_flight, any(task.done() for task in waiting)) == (4, False)
            await client.close(0)
            await asyncio.gather(*waiting)

    run(main())


def test_hanging_request_times_out_and_its_connection_is_closed(run: Run) -> None:
    """A late answer must not be taken for the next request's."""

    async def main() -> None:
        async with receive(hang) as slow, opened(total_s=0.1) as client:
            for answer in await asyncio.gather(*(ask(client, slow.target()) for _ in range(3))):
                assert (answer.status, answer.error) == (0, "no complete answer within 0.1 s")
                assert answer.took_ms >= 100
            await until(lambda: slow.open == 0)
            assert (client.connections, client.in_flight) == (0, 0)

    run(main())


def test_status_stands_when_the_body_never_ends(run: Run) -> None:
    """The handler has said 200: sending the callback again because of its body would be a repeat."""

    async def main() -> None:
        async with (
            receive(reply_with(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nok")) as server,
            opened(total_s=0.1) as client,
        ):
            answer = await ask(client, server.target())
            assert (answer.status, answer.error) == (200, "no complete answer within 0.1 s")

    run(main())


def test_refused_connection_is_an_answer(run: Run) -> None:
    """A handler that is down gives a reason to show to the customer."""

    async def main() -> None:
        with socket.socket() as bound:
            bound.bind(("127.0.0.1", 0))
            async with opened() as client:
                answer = await ask(client, parse_target(f"http://127.0.0.1:{bound.getsockname()[1]}/"))
                assert (answer.status, answer.error) == (0, "connection refused")

    run(main())


def test_tls_handshake_that_hangs_is_bounded(run: Run) -> None:
    """Connecting has a limit of its own, the handshake included."""

    async def main() -> None:
        async def mute(exchange: Exchange) -> None:
            await exchange.reader.read(-1)

        async with receive(mute) as server, opened(connect_s=0.1) as client:
            answer = await ask(client, server.target(scheme="https"))
            assert (answer.status, answer.error) == (0, "no connection within 0.1 s")

    run(main())


def test_cap_of_all_is_kept(run: Run) -> None:
    """Sockets are bounded whatever asks for them; what is beyond waits in the queue, not here, and an answer makes room."""

    async def main() -> None:
        async with receive() as healthy, receive(hang) as dead, opened(total_cap=3) as client:
            for _ in range(2):
                client.post(dead.target(), b"", b"text/plain", lambda *_: None, None)
            assert (client.room, client.in_flight) == (1, 2)
            for _ in range(3):
                assert (await ask(client, healthy.target())).status == 200
            client.post(healthy.target(), b"", b"text/plain", lambda *_: None, None)
            with pytest.raises(NoRoom):
                client.post(healthy.target(), b"", b"text/plain", lambda *_: None, None)
            await until(lambda: client.room == 1)

    run(main())


def test_idle_connection_gives_way_when_all_are_taken(run: Run) -> None:
    """Connections of quiet hosts must not keep a busy one from opening its own."""

    async def main() -> None:
        async with receive() as first, receive() as second, opened(total_cap=1) as client:
            assert (await ask(client, first.target())).status == 200
            assert (await ask(client, second.target())).status == 200
            await until(lambda: first.open == 0)
            assert client.connections == 1

    run(main())


def test_idle_connection_is_closed_and_its_host_forgotten(run: Run) -> None:
    """Many customers called once a day must cost neither sockets nor memory."""

    async def main() -> None:
        async with receive() as server, opened(idle_s=0.05) as client:
            assert (await ask(client, server.target())).status == 200
            await until(lambda: server.open == 0 and not client._pools and client._timer is None)
            assert client.connections == 0

    run(main())


def test_old_connection_is_renewed(run: Run) -> None:
    """A name may have moved to another address while a busy connection still leads to the first."""

    async def main() -> None:
        async with receive() as server, opened(age_s=0) as client:
            for _ in range(2):
                assert (await ask(client, server.target())).status == 200
            assert server.connections == 2

    run(main())


def test_unasked_bytes_end_an_idle_connection(run: Run) -> None:
    """They would be taken for the next request's answer."""

    async def main() -> None:
        async def script(exchange: Exchange) -> None:
            await exchange.request()
            exchange.writer.write(OK)
            await asyncio.sleep(0.01)
            exchange.writer.write(b"HTTP/1.1 500 Late\r\n\r\n")
            await exchange.request()

        async with receive(script) as server, opened() as client:
            assert (await ask(client, server.target())).status == 200
            await until(lambda: client.connections == 0)
            assert (await ask(client, server.target())).status == 200

    run(main())


def test_mistake_in_done_does_not_stop_the_client(run: Run) -> None:
    """One faulty callback row must not take the connection, or the others' time-outs, with it."""

    async def main() -> None:
        seen: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: seen.append(context))

        def fail(answer: Answer, context: None) -> None:
            raise KeyError("a bug")

        async with receive() as server, opened() as client:
            client.post(server.target(), b"", b"text/plain", fail, None)
            await until(lambda: bool(seen))
            assert isinstance(seen[0]["exception"], KeyError)
            assert (await ask(client, server.target())).status == 200
            assert server.connections == 1

    run(main())


def test_done_may_post_the_next_at_once(run: Run) -> None:
    """The sender refills from inside the answer; the freed connection takes it."""

    async def main() -> None:
        async with receive() as server, opened(total_cap=1) as client:
            target = server.target()
            ended = asyncio.Event()

            def again(answer: Answer, left: int) -> None:
                assert answer.status == 200
                if left:
                    client.post(target, b"%d" % left, b"text/plain", again, left - 1)
                else:
                    ended.set()

            client.post(target, b"first", b"text/plain", again, 20)
            await ended.wait()
            assert (len(server.requests), server.connections) == (21, 1)

    run(main())


def test_early_answer_to_a_server_that_does_not_read_ends_the_connection(run: Run) -> None:
    """The rest of the request is still unsent: neither another request nor a polite close can follow it."""

    async def main() -> None:
        async def script(exchange: Exchange) -> None:
            exchange.writer.transport.pause_reading()  # type: ignore[attr-defined]
            await asyncio.sleep(0.05)
            exchange.writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
            await asyncio.Event().wait()

        async with receive(script) as server, opened() as client:
            answer = await ask(client, server.target(), b"x" * 30_000_000)
            assert answer.status == 413
            assert client.connections == 0

    run(main())


def test_line_break_in_a_header_is_refused(run: Run) -> None:
    """It would let a value write headers of its own."""

    async def main() -> None:
        async with opened() as client:
            with pytest.raises(ValueError, match="line break"):
                client.post(
                    parse_target("http://127.0.0.1/"), b"", b"text/plain", lambda *_: None, None, [(b"X", b"a\r\nY: b")]
                )
            assert client.in_flight == 0

    run(main())


def test_close_waits_for_what_is_under_way(run: Run) -> None:
    """A stop of the program lets the last callbacks be answered instead of repeating them after the start."""

    async def main() -> None:
        async def script(exchange: Exchange) -> None:
            await exchange.request()
            await asyncio.sleep(0.05)
            exchange.writer.write(OK)
            await exchange.request()

        async with receive(script) as server, opened() as client:
            waiting = asyncio.create_task(ask(client, server.target()))
            await until(lambda: bool(server.requests))
            await client.close(5)
            assert (await waiting).status == 200
            assert (client.in_flight, client.connections, client.room) == (0, 0, 0)
            with pytest.raises(NoRoom, match="closing"):
                client.post(server.target(), b"", b"text/plain", lambda *_: None, None)

    run(main())


def test_close_tells_those_it_gives_up(run: Run) -> None:
    """Every post is answered exactly once, whether it was sent, its connection only opened or not even begun."""

    async def main() -> None:
        async def mute(exchange: Exchange) -> None:
            await exchange.reader.read(-1)

        async with receive(mute) as server:
            client = Client(allow=LOOPBACK)
            answers: list[Answer] = []
            for scheme in ("http", "https"):
                client.post(
                    server.target(scheme=scheme), b"", b"text/plain", lambda answer, _: answers.append(answer), None
                )
            await until(lambda: server.connections == 2)
            client.post(server.target(), b"", b"text/plain", lambda answer, _: answers.append(answer), None)
            await client.close(0)
            assert [(answer.status, answer.error) for answer in answers] == [(0, "the client was closed")] * 3
            assert (client.in_flight, client.connections) == (0, 0)
            await until(lambda: server.open == 0)

    run(main())
