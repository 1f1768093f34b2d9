"""No room for the store: a clear refusal, nothing half-written, and everything works again when there is room (design section 5)."""

import asyncio
import os
import re
import resource
from pathlib import Path

import asyncpg
from tests.databases import fresh_url
from tests.flows.rig import MONEY, PRICE, Carrier, Program, customer, drained, prepare, read_books, until

SEGMENT = 16 * 2**20  # octets of a file of PostgreSQL's log, which are made in advance: those can still be written
# Rows of 1,900 octets that are not kept leave a table that can only grow beyond that; smaller ones than those of any
# text take the places between them.
SWELL = """INSERT INTO messages SELECT (jsonb_populate_record(NULL::messages, m.one || jsonb_build_object(
  'int_id', -n, 'id', 'x' || n, 'text', repeat('x', $3::int)))).*
  FROM (SELECT to_jsonb(messages) AS one FROM messages LIMIT 1) m, generate_series($1::int, $2) n"""
CROWDED = {"error": "too many concurrent requests", "error_code": 9}


def limit(pid: int, octets: int) -> None:
    """The largest file that a process may write from now on, as a quota; -1 takes it off."""
    owner = Path(f"/proc/{pid}").stat()
    if owner.st_uid == os.getuid():
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (octets, resource.RLIM_INFINITY))
        return
    # Root starts PostgreSQL under another account, and none but that may set its limits.
    os.setresgid(owner.st_gid, owner.st_gid, 0)
    os.setresuid(owner.st_uid, owner.st_uid, 0)
    try:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (octets, resource.RLIM_INFINITY))
    finally:
        os.setresuid(0, 0, 0)
        os.setresgid(0, 0, 0)


def test_a_full_disk_refuses_clearly_and_heals_by_itself(tmp_path: Path) -> None:
    """Clients are told to come again, nobody pays for nothing, and no restart is needed."""

    async def story() -> None:
        url = f"sqlite:///{tmp_path / 'full.db'}"
        async with Carrier() as carrier:
            program = Program(tmp_path, database=url)
            await prepare(url, program.data, carrier.port)
            async with program:
                assert (await program.send(phones="79161234567", mes="before"))["id"] == 1
                await drained(url, carrier)
                size = (tmp_path / "log").stat().st_size
                limit(program.pid, size)  # smaller than the store and its log: nothing more can be written
                refused = [await program.send(phones=f"791612345{n:02d}", mes=f"full {n}") for n in range(5)]
                assert refused == [CROWDED] * 5
                many = ",".join(str(79_160_000_000 + number) for number in range(500))
                assert await program.send(phones=many, mes="all or none") == CROWDED
                balance = await program.ask("balance")  # what only reads still works
                assert float(balance.body) * 10_000 == MONEY - PRICE
                limit(program.pid, resource.RLIM_INFINITY)
                for number in range(5):
                    answer = await program.send(phones=f"791612345{number:02d}", mes=f"full {number}")
                    assert "id" in answer, answer
                await drained(url, carrier)
                assert await program.stop() == 0
            books = await read_books(url)
            assert "all or none" not in books.messages
            assert set(carrier.taken) == {"before", *(f"full {n}" for n in range(5))}
            assert set(carrier.taken.values()) == {1}
            assert len(books.messages) == 6
            assert (books.balance, books.faults) == (MONEY - 6 * PRICE, ())

    asyncio.run(story())


async def swell(url: str, first: int, last: int, length: int) -> list[int]:
    """Fill the table of messages with rows of texts of a length; the processes that serve the program."""
    connection = await asyncpg.connect(url)
    try:
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute(SWELL, first, last, length)
        await transaction.rollback()
        await connection.execute("CHECKPOINT")
        assert await connection.fetchval("SELECT pg_relation_size('messages')") > SEGMENT
        asked = (
            "SELECT pid FROM pg_stat_activity WHERE application_name = 'heliograph' AND datname = current_database()"
        )
        return [row[0] for row in await connection.fetch(asked)]
    finally:
        await connection.close()


def test_a_full_disk_of_postgresql_refuses_clearly_and_heals_by_itself(tmp_path: Path) -> None:
    """The same where the store is a server: texts, outcomes, receipts and callbacks, all or nothing, and no restart."""

    async def story() -> None:
        url = await fresh_url("postgres", tmp_path)
        async with customer() as told, Carrier() as carrier:
            program = Program(tmp_path, database=url)
            await prepare(url, program.data, carrier.port, callback_url=told.url)
            async with program:
                assert (await program.send(phones="79161234567", mes="before"))["id"] == 1
                await drained(url, carrier)
                await swell(url, 1, 8800, 1700)
                assert "id" in await program.send(phones="79990000102", mes="delivered after two seconds")
                served = await swell(url, 9001, 12_000, 0)
                for pid in served:
                    limit(pid, SEGMENT)
                answers = [await program.send(phones=f"791612345{n:02d}", mes=f"full {n}") for n in range(8)]
                accepted = [n for n, answer in enumerate(answers) if "id" in answer]  # into what room was left
                assert [answer for answer in answers if "id" not in answer] == [CROWDED] * (8 - len(accepted))
                assert len(accepted) < 4
                await until(lambda: carrier.simulator.stats()["sent"] > 1 + len(accepted))  # the receipt comes
                for pid in served:
                    limit(pid, resource.RLIM_INFINITY)
                again = [n for n in range(8) if n not in accepted]
                for number in again:
                    assert "id" in await program.send(phones=f"791612345{number:02d}", mes=f"full {number}")
                await drained(url, carrier)
                await until(lambda: len({form["phone"] for form in told.forms}) == 10)
                assert await program.stop() == 0
            assert "the disk of the database is full; make room, nothing of this was kept" in program.log
            books = await read_books(url)
            assert set(carrier.taken) == set(books.messages) and set(carrier.taken.values()) == {1}
            assert len(books.messages) == 10
            assert {each.status for each in books.messages.values()} == {1}
            assert (books.balance, books.faults, books.orphans) == (MONEY - 10 * PRICE, (), 0)

    asyncio.run(story())


def test_outcomes_and_receipts_outlive_a_full_disk(tmp_path: Path) -> None:
    """What a carrier says while nothing can be written is kept in memory or asked for again, and is on disk afterwards;
    so are the customer's callbacks."""

    async def story() -> None:
        url = f"sqlite:///{tmp_path / 'full.db'}"
        async with customer() as told, Carrier() as carrier:
            program = Program(tmp_path, database=url)
            await prepare(url, program.data, carrier.port, callback_url=told.url)
            async with program:
                for number in range(3):
                    assert "id" in await program.send(phones=f"7999000010{number}", mes=f"late {number}")
                assert "id" in await program.send(phones="79990000024", mes="answered after a second")
                size = (tmp_path / "log").stat().st_size
                limit(program.pid, size)
                await asyncio.sleep(1.6)  # response and receipts come now
                figures = await program.raw(b"GET /metrics HTTP/1.1\r\nHost: flow\r\nConnection: close\r\n\r\n")
                failed = re.search(rb"\nheliograph_store_failed_changes_total (\d+)", figures.body)
                assert failed and int(failed[1]) > 0
                limit(program.pid, resource.RLIM_INFINITY)
                await drained(url, carrier)
                assert await program.stop() == 0
            books = await read_books(url)
            assert {each.status for each in books.messages.values()} == {1}
            assert not [each for each in books.messages.values() if each.doubted]
            assert set(carrier.taken.values()) == {1}
            assert (books.faults, books.orphans) == ((), 0)
            assert {form["phone"] for form in told.forms} == {each.phone for each in books.messages.values()}

    asyncio.run(story())
