"""Carriers that are away, come and go, fall silent or talk nonsense: nothing is lost and nobody spins (design section 6B)."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from tests.flows.processes import MOST_SHARE, cpu_s
from tests.flows.rig import KEY, Carrier, Program, drained, prepare, read_books

from heliograph.cli.drill_load import Load
from heliograph.cli.drill_report import Seen
from heliograph.simulator.behaviour import Profile

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
TEXTS = 40
WATCHED_S = 1.5
# Each link tries anew after 0.1 s, then twice as long, so some five times in the time that is watched.
MOST_CONNECTIONS = 30


class Impostor:
    """Something that listens where the carrier should be."""

    def __init__(self, talk: Talk) -> None:
        self.connections = 0
        self.port = 0
        self._talk = talk
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self, port: int = 0) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._tasks.add(asyncio.current_task())  # type: ignore[arg-type]
        self.connections += 1
        try:
            await self._talk(reader, writer)
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.transport.abort()

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.sleep(0)


async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Half-open: takes what comes and never answers."""
    while await reader.read(4096):
        pass


async def say_nonsense(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Bytes that are no PDU, as a web server on the wrong port would send."""
    writer.write(random.Random(5).randbytes(3000))
    await reader.read(100)


async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Closes at once."""


@asynccontextmanager
async def troubled(tmp_path: Path, talk: Talk | None) -> AsyncIterator[tuple[Program, Carrier, Impostor, str]]:
    """A server whose carrier is an impostor (or nobody), with texts accepted; yields it all for the recovery."""
    url = f"sqlite:///{tmp_path / 'trouble.db'}"
    impostor = Impostor(talk or hang_up)
    await impostor.start()
    if talk is None:
        await impostor.stop()
    carrier = Carrier()
    carrier.port = impostor.port
    program = Program(tmp_path, database=url)
    await prepare(url, program.data, impostor.port, carrier={"answer_s": "1", "links": "2"})
    try:
        async with program:
            yield program, carrier, impostor, url
    finally:
        await impostor.stop()
        await carrier.stop()


async def suffer_and_recover(tmp_path: Path, talk: Talk | None) -> None:
    """Texts are accepted during the trouble, the server stays calm, and all go out once it is over."""
    async with troubled(tmp_path, talk) as (program, carrier, impostor, url):
        for number in range(TEXTS):
            answer = await program.send(phones=f"791612345{number:02d}", mes=f"text {number}")
            assert answer["id"] == number + 1
        before = cpu_s(program.pid)
        await asyncio.sleep(WATCHED_S)
        assert cpu_s(program.pid) - before < WATCHED_S * MOST_SHARE
        assert impostor.connections <= MOST_CONNECTIONS
        await impostor.stop()
        await carrier.start()
        await drained(url, carrier)
        assert await program.stop() == 0
        books = await read_books(url)
        assert len(carrier.taken) == TEXTS and set(carrier.taken.values()) == {1}
        assert {each.status for each in books.messages.values()} == {1}
        assert not [each for each in books.messages.values() if each.doubted]
        assert "Traceback" not in program.log


def test_a_carrier_that_is_down_at_the_start_gets_everything_later(tmp_path: Path) -> None:
    """Texts are accepted and kept while nobody listens at the carrier."""
    asyncio.run(suffer_and_recover(tmp_path, None))


def test_a_carrier_that_never_answers_the_bind_is_left(tmp_path: Path) -> None:
    """A half-open carrier takes the connection and says nothing."""
    asyncio.run(suffer_and_recover(tmp_path, say_nothing))


def test_a_carrier_that_talks_nonsense_is_tried_again_with_pauses(tmp_path: Path) -> None:
    """Garbage ends the connection, not the server, and the pauses grow."""
    asyncio.run(suffer_and_recover(tmp_path, say_nonsense))


def test_a_carrier_that_hangs_up_is_tried_again_with_pauses(tmp_path: Path) -> None:
    """A carrier that closes every connection at once is not hammered."""
    asyncio.run(suffer_and_recover(tmp_path, hang_up))


def test_a_flapping_carrier_gets_every_text(tmp_path: Path) -> None:
    """It goes away four times under load: what it took unanswered is doubtful and joined by receipt, the rest goes once."""

    async def story() -> None:
        url = f"sqlite:///{tmp_path / 'flapping.db'}"
        seen = Seen()
        async with Carrier(Profile(response_delay_s=(0.01, 0.03))) as carrier:
            program = Program(tmp_path, database=url)
            settings = {"answer_s": "1", "links": "2", "unsure_s": "2", "patience_s": "0"}
            await prepare(url, program.data, carrier.port, carrier=settings)
            async with program:
                load = Load(program, KEY, seen, 600, 400, lambda: None)  # type: ignore[arg-type]
                async with asyncio.TaskGroup() as group:
                    group.create_task(load.run(10))
                    for moment in (60, 180, 300, 420):
                        await load.reach(moment)
                        await carrier.stop()
                        await asyncio.sleep(0.1)
                        await carrier.start()
                await drained(url, carrier)
                assert await program.stop() == 0
            books = await read_books(url)
            assert (len(seen.accepted), seen.unknown, seen.refused) == (600, set(), 0)
            assert set(carrier.taken.values()) == {1}
            missing = set(seen.accepted) - set(carrier.taken)
            doubted = {text for text, each in books.messages.items() if each.doubted}
            assert missing <= doubted
            assert len(doubted) <= 2 * 100 * 4  # links x window x times it went away
            # A carrier that goes away forgets receipts that it has not made yet; each one that it made has arrived.
            delivered = [text for text, each in books.messages.items() if each.status == 1]
            assert len(delivered) == carrier.simulator.stats()["receipts"] > 300
            assert {each.status for text, each in books.messages.items() if text not in doubted} <= {0, 1}
            assert books.faults == ()

    asyncio.run(story())
