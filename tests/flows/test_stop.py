"""SIGTERM under load: doors first, then what is under way, then the store (design section 6; app.close)."""

import asyncio
import random
from pathlib import Path

from tests.flows.rig import KEY, Carrier, Program, customer, drained, prepare, read_books

from heliograph.cli.drill_load import Load
from heliograph.cli.drill_report import Seen
from heliograph.simulator.behaviour import Profile

PROFILE = Profile(delay_s=(0.02, 0.2), response_delay_s=(0.02, 0.05))


def test_sigterm_under_load_loses_and_doubles_nothing(backend_url: str, tmp_path: Path) -> None:
    """A deployment restarts the server at noon: every accepted text goes once, and none is even doubtful."""

    async def story() -> None:
        seen = Seen()
        async with customer() as told, Carrier(PROFILE) as carrier:
            program = Program(tmp_path, database=backend_url)
            await prepare(backend_url, program.data, carrier.port, callback_url=told.url)
            await program.start()
            chance = random.Random(7)
            load = Load(program, KEY, seen, 700, 700, lambda: None)  # type: ignore[arg-type]
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(load.run(20))
                    for moment in (100, 300, 500):
                        await load.reach(moment + chance.randrange(50))
                        assert await program.stop() == 0
                        await program.start()
                await drained(backend_url, carrier)
                assert await program.stop() == 0
            finally:
                await program.kill()
            books = await read_books(backend_url)
            assert seen.refused == 0
            assert set(seen.accepted) <= set(books.messages) == set(carrier.taken)
            assert set(carrier.taken.values()) == {1}
            assert not [each for each in books.messages.values() if each.doubted or each.status != 1]
            assert len(told.forms) == len(books.messages)
            assert (books.faults, books.orphans) == ((), 0)
            assert "rror" not in program.log

    asyncio.run(story())
