"""Killed while letters come: what was answered is on disk, and what is brought again is sent once (docs/smtp.md)."""

import asyncio
import random
import re
from pathlib import Path

from tests.flows.rig import KEY, MONEY, PRICE, Carrier, Program, prepare, read_books, until

LETTERS, KILLS, CLIENTS = 240, 3, 8
SMTP = re.compile(r"listens on smtp://([^:/]+):(\d+)/")
ENVIRONMENT = {
    "HELIOGRAPH_SMTP_LISTEN": "127.0.0.1:0",
    "HELIOGRAPH_SMTP_DOMAINS": "*",
    "HELIOGRAPH_SMTP_RELAYS": "127.0.0.1",
}


async def bring(address: tuple[str, int], number: int) -> bool:
    """One letter as a mail server brings it; whether it was answered with 250."""
    letter = f"Message-ID: <{number}@flow>\r\n\r\n:{KEY}::0:0,0,:7916{number:07d}:letter {number}\r\n.\r\n"
    try:
        reader, writer = await asyncio.open_connection(*address)
    except OSError:
        return False
    try:
        for said in ("HELO flow\r\n", "MAIL FROM:<a@flow>\r\n", "RCPT TO:<send@flow>\r\n", "DATA\r\n", letter):
            if not (await reader.readline()).startswith((b"2", b"3")):
                return False
            writer.write(said.encode())
        return (await reader.readline()).startswith(b"250")
    except OSError:
        return False
    finally:
        writer.close()


async def address_of(program: Program) -> tuple[str, int]:
    """Where its mail door is, as it prints."""
    assert program.process is not None and program.process.stdout is not None
    while True:
        found = SMTP.search((await program.process.stdout.readline()).decode())
        if found:
            return found[1], int(found[2])


class Relay:
    """A mail server with letters to bring."""

    def __init__(self) -> None:
        self.chance = random.Random(7)
        self.waiting = list(range(LETTERS))
        self.answered: set[int] = set()

    async def work(self, program: Program, address: tuple[str, int]) -> None:
        """Bring letters until none waits or the server is gone; what was not answered again, and a tenth of what was."""
        while self.waiting and program.process is not None:
            number = self.waiting.pop(self.chance.randrange(len(self.waiting)))
            if not await bring(address, number):
                self.waiting.append(number)
                await asyncio.sleep(0.01)
                continue
            self.answered.add(number)
            if self.chance.random() < 0.1:
                self.waiting.append(number)

    async def reach(self, count: int) -> None:
        """Until so many were answered."""
        await until(lambda: len(self.answered) >= count)


def test_letters_over_kills_are_sent_once(backend_url: str, tmp_path: Path) -> None:
    """Each text is there once, paid once and never at the carrier twice; nothing that was answered is lost."""

    async def story() -> None:
        relay = Relay()
        async with Carrier() as carrier:
            await prepare(backend_url, tmp_path / "data", carrier.port)
            for run in range(KILLS + 1):
                async with Program(tmp_path, database=backend_url, environment=ENVIRONMENT) as program:
                    address = await address_of(program)
                    working = [asyncio.create_task(relay.work(program, address)) for _ in range(CLIENTS)]
                    if run < KILLS:
                        await relay.reach((run + 1) * LETTERS // (KILLS + 1))
                        await program.kill()
                    await asyncio.gather(*working)
                    await program.stop()
            books = await read_books(backend_url)
            assert relay.answered == set(range(LETTERS))
            assert len(books.messages) == LETTERS
            assert books.faults == ()
            assert books.balance == MONEY - LETTERS * PRICE
            assert set(carrier.taken.values()) == {1}

    asyncio.run(story())
