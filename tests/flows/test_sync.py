"""Nothing is answered before the disk has it: by traces of system calls (design section 5; https://www.sqlite.org/pragma.html#pragma_synchronous).

An answer is an id to a customer, a submit_sm to a carrier (its start mark must be on disk), and a deliver_sm_resp.
"""

import asyncio
import os
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg
from tests.databases import fresh_url, start_postgres
from tests.flows.rig import Carrier, Program, drained, prepare

from heliograph.wire.smpp import codec, tables
from heliograph.wire.smpp.pdus import PduError

READS = ("read", "recvfrom", "recvmsg")
WRITES = ("write", "writev", "sendto", "sendmsg", "pwrite64")
SYNCS = ("fdatasync", "fsync")
# Strings in hexadecimal, whole; file names behind descriptors.
STRACE = ("strace", "-f", "-y", "-xx", "-s", "4200", "-e", f"trace={','.join((*READS, *WRITES, *SYNCS))}")
REQUESTS = 6


@dataclass
class Call:
    """A system call: lines of the trace at which it began and ended, and the octets that it moved."""

    name: str
    began: int
    ended: int
    text: str
    data: bytes


def read_trace(path: Path) -> list[Call]:
    """Calls in the order in which they ended; one that another thread's interrupted stands on two lines."""
    calls, open_ = [], {}
    for number, line in enumerate(path.read_text("ascii", "replace").splitlines()):
        thread, _, text = line.partition(" ")
        text = text.strip()
        began = number
        if text.endswith("<unfinished ...>"):
            open_[thread] = number, text.removesuffix("<unfinished ...>")
            continue
        if text.startswith("<... "):
            began, before = open_.pop(thread, (number, ""))
            text = before + text.partition("resumed>")[2]
        name = text.partition("(")[0]
        if name in (*READS, *WRITES, *SYNCS):
            # File names behind descriptors stand in <>, strings in quotes.
            strings = re.findall(r'"((?:\\x[0-9a-f]{2})*)"', re.sub(r"<[^>]*>", "", text))
            data = b"".join(bytes.fromhex(each.replace("\\x", "")) for each in strings)
            calls.append(Call(name, began, number, text, data))
    return calls


def is_synced(calls: list[Call], after: int, before: int, file: str = "") -> bool:
    """Whether a sync (of a file) that began after one line ended well before another."""
    return any(
        call.name in SYNCS and call.began > after and call.ended < before and call.text.endswith("= 0")
        for call in calls
        if file.encode().hex() in call.text.replace("\\x", "") or file in call.text
    )


def first(calls: list[Call], names: tuple[str, ...], fits: Callable[[bytes], bool], after: int = -1) -> Call:
    """The first call of these that moved what fits."""
    return next(call for call in calls if call.name in names and call.began > after and fits(call.data))


def pdus(data: bytes) -> list[tuple[int, int]]:
    """Command and sequence of each SMPP PDU, if they are such."""
    found, start = [], 0
    try:
        while len(data) - start >= 16:
            end = start + codec.measure(data, start)
            found.append((int.from_bytes(data[start + 4 : start + 8]), int.from_bytes(data[start + 12 : start + 16])))
            start = end
    except PduError:
        return []
    return found


def answers_of(calls: list[Call], number: int) -> list[tuple[str, Call, Call]]:
    """For text ``number``: how it was handed to the store after it was read, and what was written because of it, twice."""
    marker = f"marker-{number}-".encode()
    asked = first(calls, READS, lambda data: marker in data and b"HTTP" in data)
    stored = first(calls, WRITES, lambda data: marker in data and not pdus(data), after=asked.ended)
    told = first(calls, WRITES, lambda data: f'{{"id": {number}, '.encode() in data)
    submitted = first(calls, WRITES, lambda data: marker in data and tables.SUBMIT_SM in dict(pdus(data)))
    return [("answered", stored, told), ("submitted", stored, submitted)]


def receipts_of(calls: list[Call]) -> list[tuple[str, Call, Call]]:
    """Each deliver_sm that was read, and its answer."""
    found = []
    for call in calls:
        for command, sequence in pdus(call.data) if call.name in READS else ():
            if command == tables.DELIVER_SM:
                answer = (tables.DELIVER_SM_RESP, sequence)
                found.append(("acknowledged", call, first(calls, WRITES, lambda data, a=answer: a in pdus(data))))  # type: ignore[misc]
    return found


async def trade(url: str, folder: Path, trace: Path) -> list[Call]:
    """Texts one after the other, delivered by a carrier; the trace of the program."""
    # -D: the tracer is the grandchild, so that the server stays ours to stop.
    under = (STRACE[0], "-D", *STRACE[1:], "-o", str(trace))
    async with Carrier() as carrier:
        program = Program(folder, database=url, under=under)
        await prepare(url, program.data, carrier.port)
        async with program:
            for number in range(1, REQUESTS + 1):
                assert (await program.send(phones=f"7916123456{number}", mes=f"marker-{number}-"))["id"] == number
            await drained(url, carrier)
            assert await program.stop() == 0
    return read_trace(trace)


def test_every_answer_waits_for_the_sync_of_its_own_cause(tmp_path: Path) -> None:
    """SQLite: between the text's way into its log, or a receipt's into the program, and what is said because of it, a
    sync of that log begins and ends well."""
    trace = tmp_path / "trace"
    calls = asyncio.run(trade(f"sqlite:///{tmp_path / 'synced.db'}", tmp_path, trace))
    said = [each for number in range(1, REQUESTS + 1) for each in answers_of(calls, number)] + receipts_of(calls)
    assert len(said) == 3 * REQUESTS
    for what, cause, effect in said:
        assert cause.ended < effect.began
        assert is_synced(calls, cause.ended, effect.began, "synced.db-wal"), f"{what} before it was on disk"


@asynccontextmanager
async def traced(url: str, trace: Path) -> AsyncIterator[None]:
    """Trace the processes of PostgreSQL that serve the program, and the one that may write its log for them."""
    side = await asyncpg.connect(url)
    asked = """SELECT pid FROM pg_stat_activity WHERE backend_type = 'walwriter'
               OR application_name = 'heliograph' AND datname = current_database()"""
    pids = [row[0] for row in await side.fetch(asked)]
    await side.close()
    owner = Path(f"/proc/{pids[0]}").stat()
    # Root starts PostgreSQL under another account; its tracer must be of that as well.
    alien = owner.st_uid != os.getuid()
    account = {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": ()} if alien else {}
    attach = [part for pid in pids for part in ("-p", str(pid))]
    tracer = await asyncio.create_subprocess_exec(
        *STRACE, *attach, stderr=asyncio.subprocess.PIPE, stdin=asyncio.subprocess.DEVNULL, cwd="/", **account
    )
    assert tracer.stderr is not None
    lines: list[bytes] = []
    async with asyncio.timeout(10):
        while sum(b" attached" in line for line in lines) < len(pids):
            lines.append(await tracer.stderr.readline())
            assert lines[-1], lines
    rest = asyncio.create_task(tracer.stderr.read())
    try:
        yield
    finally:
        tracer.terminate()
        lines.append(await rest)
        await tracer.wait()
        trace.write_bytes(re.sub(rb"\[pid +(\d+)\] ", rb"\1 ", b"".join(lines)))


def test_every_answer_waits_for_postgresql_and_that_for_its_disk(tmp_path: Path) -> None:
    """A chain of two traces: what is said follows the word that its COMMIT is done, and that word follows a sync."""

    async def story() -> tuple[list[Call], list[Call]]:
        url = await fresh_url("postgres", tmp_path)
        under = (STRACE[0], "-D", *STRACE[1:], "-o", str(tmp_path / "trace"))
        async with Carrier() as carrier:
            program = Program(tmp_path, database=url, under=under)
            await prepare(url, program.data, carrier.port)
            async with program:
                async with traced(url, tmp_path / "server"):
                    for number in range(1, REQUESTS + 1):
                        sent = await program.send(phones=f"7916123456{number}", mes=f"marker-{number}-")
                        assert sent["id"] == number
                    await drained(url, carrier)
                assert await program.stop() == 0
        return read_trace(tmp_path / "trace"), read_trace(tmp_path / "server")

    calls, server = asyncio.run(story())
    commits = [call for call in calls if call.name in WRITES and b"; COMMIT\x00" in call.data]
    said = [each for number in range(1, REQUESTS + 1) for each in answers_of(calls, number)] + receipts_of(calls)
    assert len(said) == 3 * REQUESTS
    for what, cause, effect in said:
        asked = next(call for call in commits if call.began > cause.ended)
        done = first(calls, READS, lambda data: b"COMMIT\x00" in data, after=asked.began)
        assert done.ended < effect.began, f"{what} before its transaction was committed"
    asked_of_server = [call for call in server if call.name in READS and b"; COMMIT\x00" in call.data]
    assert len(asked_of_server) >= REQUESTS
    for call in asked_of_server:
        told = first(server, WRITES, lambda data: b"COMMIT\x00" in data, after=call.began)
        assert is_synced(server, call.ended, told.began), "PostgreSQL answered before it was on disk"


def test_a_server_does_not_start_on_a_database_that_keeps_nothing(tmp_path: Path) -> None:
    """fsync = off is a sentence that says what to change, and no door was ever open."""

    async def story() -> tuple[int | None, str]:
        server = await asyncio.to_thread(start_postgres, "fsync = off")
        try:
            program = Program(tmp_path, database=server.get_uri())
            try:
                await program.start()
            except AssertionError:
                assert program.process is not None
                return await program.process.wait(), program.log
            finally:
                await program.kill()
            return 0, ""
        finally:
            await asyncio.to_thread(server.cleanup)

    code, log = asyncio.run(story())
    assert code == 1
    assert "the PostgreSQL server has fsync = off; set fsync = on in postgresql.conf" in log
    assert "Traceback" not in log
