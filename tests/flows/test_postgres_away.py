"""PostgreSQL that dies under load or has no room: clear refusals meanwhile, nothing lost, healed by itself (design section 5)."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
from tests.databases import start_postgres
from tests.flows.processes import MOST_SHARE, cpu_s
from tests.flows.rig import KEY, MONEY, PRICE, Carrier, Program, customer, drained, prepare, read_books, until

from heliograph.cli.drill_load import Load
from heliograph.cli.drill_report import Seen
from heliograph.simulator.behaviour import Profile

CROWDED = {"error": "too many concurrent requests", "error_code": 9}
PATIENCE_S = 1


class Postgres:
    """A server of the test's own, to be killed."""

    def __init__(self) -> None:
        self.server: Any = start_postgres()
        self.url: str = self.server.get_uri()

    def kill(self) -> None:
        """SIGKILL for the whole of it, as when the machine takes the memory back."""
        head = psutil.Process(self.server.get_postmaster_info().process.pid)
        every = [head, *head.children(recursive=True)]
        for process in every:
            process.send_signal(signal.SIGKILL)
        psutil.wait_procs(every, 10)

    def start(self) -> None:
        """Again, on the same data."""
        self.server.start()


@asynccontextmanager
async def postgres() -> AsyncIterator[Postgres]:
    """A server, removed at the end."""
    own = await asyncio.to_thread(Postgres)
    try:
        yield own
    finally:
        await asyncio.to_thread(own.server.cleanup)


def test_a_database_that_dies_under_load_costs_nobody_anything(tmp_path: Path) -> None:
    """Killed three times and back within the patience: requests wait, none is refused, none is lost or done twice."""

    async def story() -> None:
        seen = Seen()
        async with postgres() as own, customer() as told, Carrier(Profile(response_delay_s=(0.0, 0.02))) as carrier:
            program = Program(tmp_path, database=own.url)
            await prepare(own.url, program.data, carrier.port, callback_url=told.url)
            async with program:
                pid = program.pid
                load = Load(program, KEY, seen, 600, 300, lambda: None)  # type: ignore[arg-type]
                async with asyncio.TaskGroup() as group:
                    group.create_task(load.run(20))
                    for moment in (100, 250, 400):
                        await load.reach(moment)
                        await asyncio.to_thread(own.kill)
                        await asyncio.to_thread(own.start)
                await drained(own.url, carrier)
                assert program.pid == pid
                assert await program.stop() == 0
            books = await read_books(own.url)
            assert (len(seen.accepted), seen.unknown, seen.refused) == (600, set(), 0)
            assert set(carrier.taken) == set(seen.accepted) == set(books.messages)
            assert set(carrier.taken.values()) == {1}
            assert {each.status for each in books.messages.values()} == {1}
            assert not [each for each in books.messages.values() if each.doubted]
            assert len({form["phone"] for form in told.forms}) == 600
            assert (books.balance, books.faults) == (MONEY - 600 * PRICE, ())

    asyncio.run(story())


def test_a_database_that_stays_away_is_a_clear_refusal(tmp_path: Path) -> None:
    """Beyond the patience customers are told to come again, receipts stay with the carrier, and all goes on by itself."""

    async def story() -> None:
        async with postgres() as own, customer() as told, Carrier() as carrier:
            patience = {"HELIOGRAPH_STORE_PATIENCE_S": str(PATIENCE_S)}
            program = Program(tmp_path, database=own.url, environment=patience)
            await prepare(own.url, program.data, carrier.port, callback_url=told.url)
            async with program:
                seen = Seen()
                load = Load(program, KEY, seen, 100, 200, lambda: None)  # type: ignore[arg-type]
                loading = asyncio.create_task(load.run(20))
                await load.reach(30)
                await asyncio.to_thread(own.kill)
                # A second one is answered at once: the patience counts from the loss, not from each request.
                for number in range(3):
                    assert await program.send(phones=f"7916123450{number}", mes=f"away {number}") == CROWDED
                assert await program.status("79161234500", 1) == CROWDED
                assert float((await program.ask("balance")).body) > 0
                await loading
                assert seen.refused > 0
                before = cpu_s(program.pid)
                await asyncio.sleep(1.0)
                assert cpu_s(program.pid) - before < 1.0 * MOST_SHARE
                await asyncio.to_thread(own.start)
                await until(lambda: accepts(program))
                await drained(own.url, carrier)
                assert await program.stop() == 0
            books = await read_books(own.url)
            kept = {*seen.accepted, "back"}
            assert kept <= set(books.messages)
            assert set(carrier.taken) == set(books.messages) and set(carrier.taken.values()) == {1}
            assert {each.status for each in books.messages.values()} == {1}
            assert len({form["phone"] for form in told.forms}) == len(books.messages)
            assert (books.balance, books.faults) == (MONEY - len(books.messages) * PRICE, ())
            assert "Traceback" not in program.log

    asyncio.run(story())


def test_a_program_can_be_ended_while_its_database_is_away(tmp_path: Path) -> None:
    """What it could not store is found out at the next start; nobody has to kill it."""

    async def story() -> None:
        async with postgres() as own, Carrier() as carrier:
            program = Program(tmp_path, database=own.url, environment={"HELIOGRAPH_STORE_PATIENCE_S": str(PATIENCE_S)})
            await prepare(own.url, program.data, carrier.port)
            async with program:
                assert "id" in await program.send(phones="79161234500", mes="before")
                await drained(own.url, carrier)
                await asyncio.to_thread(own.kill)
                assert await program.send(phones="79161234501", mes="away") == CROWDED
                assert await program.stop() == 0
                await asyncio.to_thread(own.start)
                await program.start()
                assert await accepts(program)
                await drained(own.url, carrier)
            assert carrier.taken == {"before": 1, "back": 1}

    asyncio.run(story())


async def accepts(program: Program) -> bool:
    """Whether a text is accepted again."""
    return "id" in await program.send(phones="79161234599", mes="back")
