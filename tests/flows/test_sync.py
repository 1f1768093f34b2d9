"""An answer with an id leaves only after the disk has confirmed it (design section 5; https://www.sqlite.org/pragma.html#pragma_synchronous)."""

import asyncio
import random
import re
import string
from pathlib import Path

import asyncpg
from tests.databases import fresh_url
from tests.flows.rig import Program, prepare

CALLS = "read,recvfrom,recvmsg,fdatasync,fsync,write,writev,sendto,sendmsg"
REQUESTS = 8
QUIET = {"HELIOGRAPH_DELIVERY_ENABLED": "no"}


def test_every_acceptance_is_synced_before_its_answer(tmp_path: Path) -> None:
    """Watched from outside: between reading a request and writing its id the log file is synced to the disk."""

    async def story() -> str:
        trace = tmp_path / "trace"
        # -D: the tracer is the grandchild, so that the server stays ours to stop.
        under = ("strace", "-D", "-f", "-y", "-s", "400", "-e", f"trace={CALLS}", "-o", str(trace))
        url = f"sqlite:///{tmp_path / 'synced.db'}"
        program = Program(tmp_path, database=url, environment=QUIET, under=under)
        await prepare(url, program.data, 1)
        async with program:
            for number in range(1, REQUESTS + 1):
                assert (await program.send(phones="79161234567", mes=f"marker-{number}-"))["id"] == number
            assert await program.stop() == 0
        return trace.read_text("utf-8", "replace")

    lines = asyncio.run(story()).splitlines()
    for number in range(1, REQUESTS + 1):
        asked = find(lines, rf"(read|recvfrom|recvmsg).*marker-{number}-")
        told = find(lines, rf'(write|writev|sendto|sendmsg).*\{{\\"id\\": {number}, ')
        between = lines[asked:told]
        assert asked < told
        # A call that was interrupted by another thread's stands on two lines; its end is what counts.
        started = [line for line in between if re.search(r"(fdatasync|fsync)\(\d+<[^>]*synced\.db-wal>", line)]
        ended = [line for line in between if re.search(r"(fdatasync|fsync).*= 0$", line)]
        assert started and ended, f"request {number} was answered before it was on disk"


def find(lines: list[str], pattern: str) -> int:
    """The first line that matches."""
    return next(number for number, line in enumerate(lines) if re.search(pattern, line))


def test_every_acceptance_is_flushed_by_postgresql_before_its_answer(tmp_path: Path) -> None:
    """PostgreSQL tells how far its log is on the disk: past this text when its id arrives, not a moment later."""

    async def story() -> None:
        url = await fresh_url("postgres", tmp_path)
        program = Program(tmp_path, database=url, environment=QUIET)
        await prepare(url, program.data, 1)
        chance = random.Random(1)
        watcher = await asyncpg.connect(url)
        try:
            async with program:
                for number in range(1, REQUESTS + 1):
                    # Of this length and without patterns, so that its rows take more than 600 octets of the log.
                    text = "".join(chance.choices(string.ascii_letters, k=600))
                    before = await watcher.fetchval("SELECT pg_current_wal_insert_lsn()")
                    assert (await program.send(phones="79161234567", mes=text))["id"] == number
                    flushed = await watcher.fetchval(
                        "SELECT pg_wal_lsn_diff(pg_current_wal_flush_lsn(), $1::pg_lsn)", before
                    )
                    assert flushed > 600
                assert await watcher.fetchval("SHOW fsync") == "on"
        finally:
            await watcher.close()

    asyncio.run(story())
