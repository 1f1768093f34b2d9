"""No room for the store: a clear refusal, nothing half-written, and everything works again when there is room (design section 5)."""

import asyncio
import resource
from pathlib import Path

from tests.flows.rig import MONEY, PRICE, Carrier, Program, drained, prepare, read_books

CROWDED = {"error": "too many concurrent requests", "error_code": 9}


def limit(pid: int, octets: int) -> None:
    """The largest file that a process may write from now on, as a quota; -1 takes it off."""
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (octets, resource.RLIM_INFINITY))


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
                balance = await program.ask("balance")  # what only reads still works
                assert float(balance.body) * 10_000 == MONEY - PRICE
                limit(program.pid, resource.RLIM_INFINITY)
                for number in range(5):
                    answer = await program.send(phones=f"791612345{number:02d}", mes=f"full {number}")
                    assert "id" in answer, answer
                await drained(url, carrier)
                assert await program.stop() == 0
            books = await read_books(url)
            assert set(carrier.taken) == {"before", *(f"full {n}" for n in range(5))}
            assert set(carrier.taken.values()) == {1}
            assert len(books.messages) == 6
            assert (books.balance, books.faults) == (MONEY - 6 * PRICE, ())

    asyncio.run(story())


def test_outcomes_and_receipts_outlive_a_full_disk(tmp_path: Path) -> None:
    """What a carrier says while nothing can be written is kept in memory or asked for again, and is on disk afterwards."""

    async def story() -> None:
        url = f"sqlite:///{tmp_path / 'full.db'}"
        async with Carrier() as carrier:
            program = Program(tmp_path, database=url)
            await prepare(url, program.data, carrier.port)
            async with program:
                for number in range(3):
                    assert "id" in await program.send(phones=f"7999000010{number}", mes=f"late {number}")
                assert "id" in await program.send(phones="79990000024", mes="answered after a second")
                size = (tmp_path / "log").stat().st_size
                limit(program.pid, size)
                await asyncio.sleep(1.6)  # response and receipts come now
                limit(program.pid, resource.RLIM_INFINITY)
                await drained(url, carrier)
                assert await program.stop() == 0
            books = await read_books(url)
            assert {each.status for each in books.messages.values()} == {1}
            assert not [each for each in books.messages.values() if each.doubted]
            assert set(carrier.taken.values()) == {1}
            assert (books.faults, books.orphans) == ((), 0)

    asyncio.run(story())
