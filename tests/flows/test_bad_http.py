"""Oversized, slow and senseless HTTP on the whole program: it answers or closes, keeps its memory and goes on (design section 13)."""

import asyncio
import os
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.flows.rig import Answer, Program

QUICK = {"HELIOGRAPH_HTTP_HEADER_S": "0.5", "HELIOGRAPH_HTTP_BODY_S": "0.5", "HELIOGRAPH_HTTP_MAX_BODY_MB": "1"}
DEMO = "login=demo&psw=demo"
# A body of the largest size, its parsed form and some slack of the allocator; the floods below are many times that.
MOST_GROWTH = 24 * 2**20


def resident(pid: int) -> int:
    """Octets of memory that a process holds."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


@asynccontextmanager
async def demo(tmp_path: Path) -> AsyncIterator[Program]:
    """A demo with short patience; at its end it must still work and have logged no bug."""
    async with Program(tmp_path, "--demo", environment=QUICK) as program:
        yield program
        assert (await program.raw(get(f"/sys/balance.php?{DEMO}&fmt=3"))).json["balance"]
        assert await program.stop() == 0
        assert "Traceback" not in program.log


def get(target: str) -> bytes:
    """A GET that closes."""
    return f"GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode("latin-1")


def test_every_error_of_the_api_is_http_200(tmp_path: Path) -> None:
    """4xx turns a clean error into a transport failure in half of the clients."""
    cases = {
        "/sys/send.php": 2,
        "/sys/send.php?login=demo&psw=wrong&phones=79161234567&mes=x": 2,
        f"/sys/send.php?{DEMO}&phones=79161234567": 1,
        f"/sys/send.php?{DEMO}&phones=12&mes=x": 7,
        f"/sys/send.php?{DEMO}&phones=79161234567&mes=x&time=nonsense": 5,
        f"/sys/send.php?{DEMO}&phones=79161234567&mes=%00": 1,
        f"/sys/send.php?{DEMO}&phones=79161234567&mes=%ff%fe&charset=utf-8": 1,
    }

    async def story() -> None:
        async with demo(tmp_path) as program:
            for target, code in cases.items():
                sign = "&" if "?" in target else "?"
                answer = await program.raw(get(f"{target}{sign}fmt=3"))
                assert (answer.status, answer.json["error_code"]) == (200, code), target

    asyncio.run(story())


async def pour(program: Program, head: bytes, octets: int) -> Answer | None:
    """Write a head and then this many octets as fast as they are taken; the answer, None when cut off."""
    reader, writer = await asyncio.open_connection(program.host, program.port)
    try:
        writer.write(head)
        piece = b"a" * 65_536
        for _ in range(octets // len(piece)):
            writer.write(piece)
            await writer.drain()
        async with asyncio.timeout(10):
            raw = await reader.read(-1)
    except ConnectionError:
        return None
    finally:
        writer.transport.abort()
    head_, _, body = raw.partition(b"\r\n\r\n")
    return Answer(int(head_.split()[1]), {}, body) if raw else None


def test_oversized_requests_are_refused_and_leave_no_memory_behind(tmp_path: Path) -> None:
    """Bodies and heads without an end, with and without a length, eight at a time."""
    form = b"POST /sys/send.php?fmt=3 HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    floods = (
        form + b"Content-Length: 40000000\r\n\r\n",
        form + b"Transfer-Encoding: chunked\r\n\r\n2625a00\r\n",
        b"GET /sys/send.php?mes=",
        b"GET / HTTP/1.1\r\nX-Long: ",
    )

    async def story() -> None:
        async with demo(tmp_path) as program:
            await program.raw(get(f"/sys/balance.php?{DEMO}"))
            before = resident(program.pid)
            for flood in floods:
                answers = await asyncio.gather(*(pour(program, flood, 40_000_000) for _ in range(8)))
                for answer in answers:
                    assert answer is None or answer.status in (200, 400, 413, 414, 431), answer
            assert resident(program.pid) - before < MOST_GROWTH

    asyncio.run(story())


def test_slow_and_silent_clients_are_closed_and_hold_up_nobody(tmp_path: Path) -> None:
    """Two hundred connections that never finish a request, while others are served."""

    async def story() -> None:
        async with demo(tmp_path) as program:
            links = [await asyncio.open_connection(program.host, program.port) for _ in range(200)]
            for number, (_, writer) in enumerate(links):
                if number % 3 == 1:
                    writer.write(b"POST /sys/send.php HTT")
                elif number % 3 == 2:
                    writer.write(b"POST /sys/send.php HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nlogin=")
            for number in range(20):
                answer = await program.raw(get(f"/sys/send.php?{DEMO}&phones=79161234567&mes=t{number}&fmt=3"))
                assert answer.json["id"] == number + 1
            async with asyncio.timeout(15):
                await asyncio.gather(*(read_out(reader) for number, (reader, _) in enumerate(links) if number % 3))
            for _, writer in links:
                writer.transport.abort()

    asyncio.run(story())


async def read_out(reader: asyncio.StreamReader) -> None:
    """Read until the other side has closed, in whatever way."""
    try:
        await reader.read(-1)
    except ConnectionError:
        pass


def test_garbage_is_answered_or_closed(tmp_path: Path) -> None:
    """Random bytes, TLS, SMPP and broken chunks on the HTTP door."""
    chance = random.Random(11)
    broken = [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + chance.randbytes(300),
        b"\x00\x00\x00\x2f\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00\x01" + bytes(31),
        b"GET\r\n\r\n",
        b"\r\n" * 500,
        b"POST /sys/send.php HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"POST /sys/send.php HTTP/1.1\r\nContent-Length: -5\r\n\r\n",
        b"POST /sys/send.php HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 9\r\n\r\nabcde",
        *(chance.randbytes(chance.randrange(1, 2000)) for _ in range(60)),
    ]

    async def story() -> None:
        async with demo(tmp_path) as program:
            for bytes_ in broken:
                reader, writer = await asyncio.open_connection(program.host, program.port)
                try:
                    writer.write(bytes_)
                    writer.write_eof()
                    async with asyncio.timeout(5):
                        raw = await reader.read(-1)
                    assert raw == b"" or raw.startswith(b"HTTP/1.1 ")
                except ConnectionError:
                    pass
                finally:
                    writer.transport.abort()

    asyncio.run(story())
