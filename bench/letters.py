"""Letters in over SMTP: many on one connection each, and a connection for each letter (RFC 5321)."""

import asyncio
from collections.abc import Iterator

from bench import marks
from bench.children import memory_mb
from bench.customers import find_port
from bench.installation import Figures
from bench.plan import Plan, Runs
from bench.preparation import BULK, PASSWORD

CONNECTIONS = 16
ANSWER_S = 60.0


def measure_smtp(plan: Plan) -> Runs:
    """Orders of one text, answered when it is on disk: on connections that stay, and on one for each letter."""
    runs: Runs = {}
    port, first = find_port(), 1_000_000
    more = {
        "HELIOGRAPH_SMTP_LISTEN": f"127.0.0.1:{port}",
        "HELIOGRAPH_SMTP_DOMAINS": "*",
        "HELIOGRAPH_SMTP_RELAYS": "127.0.0.0/8",
    }
    with plan.install(more=more) as installation:
        installation.warm_up()
        for name, each in (("connections that stay", 10**9), ("a connection for each letter", 1)):
            for number in range(plan.runs):
                plan.tell(f"SMTP, {name}, run {number + 1}")
                n = plan.count(6_000)
                found = asyncio.run(send_letters(port, n, each, first))
                first += n
                runs.setdefault(name, []).append({**found, "server_mb": memory_mb(installation.server.pid)})
    return runs


async def send_letters(port: int, n: int, each: int, first: int) -> Figures:
    """So many letters over a few clients, ``each`` letters a connection."""
    waiting = iter(range(first, first + n))
    began = marks.now_ns()
    times: list[int] = []
    async with asyncio.timeout(ANSWER_S):
        await asyncio.gather(*[_client(port, waiting, each, times) for _ in range(CONNECTIONS)])
    took_s = (marks.now_ns() - began) / 1e9
    times.sort()
    return {
        "answered_per_s": n / took_s,
        "answer_ms_p50": times[n // 2] / 1e6,
        "answer_ms_p99": times[n * 99 // 100] / 1e6,
    }


async def _client(port: int, numbers: Iterator[int], each: int, times: list[int]) -> None:
    left = 0
    reader = writer = None
    for number in numbers:
        began = marks.now_ns()
        if left == 0:
            if writer is not None:
                writer.close()
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            await _expect(reader, b"220")
            await _say(reader, writer, b"HELO bench\r\n", b"250")
            left = each
        assert reader is not None and writer is not None
        await _say(reader, writer, b"MAIL FROM:<bench@localhost>\r\n", b"250")
        await _say(reader, writer, b"RCPT TO:<send@localhost>\r\n", b"250")
        await _say(reader, writer, b"DATA\r\n", b"354")
        phone = f"{marks.PREFIX}{number:08d}"
        order = f"{BULK}:{PASSWORD}::0:0,0,BENCH:{phone}:the quick brown fox jumps over the lazy dog {number}"
        letter = f"Content-Type: text/plain; charset=utf-8\r\n\r\n{order}\r\n.\r\n"
        await _say(reader, writer, letter.encode(), b"250")
        times.append(marks.now_ns() - began)
        left -= 1
    if writer is not None:
        writer.close()


async def _say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, said: bytes, code: bytes) -> None:
    writer.write(said)
    await _expect(reader, code)


async def _expect(reader: asyncio.StreamReader, code: bytes) -> None:
    line = await reader.readline()
    if not line.startswith(code):
        raise RuntimeError(f"{code.decode()} was expected: {line!r}")
