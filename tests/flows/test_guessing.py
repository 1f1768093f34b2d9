"""Floods of wrong passwords against the whole program, over real sockets: who gets in, who is refused and how."""

import asyncio
from collections import Counter
from pathlib import Path
from urllib.parse import urlencode

import pytest
from tests.flows.rig import Program, parse_answer

PASSWORD = "Right-Passw0rd-1"
REFUSED, BANNED, CROWDED = b'"error_code": 2', b'"error_code": 4', b'"error_code": 9'


async def ask(program: Program, source: str, login: str, psw: str) -> bytes:
    """The balance, over a connection of its own from an address of 127.0.0.0/8."""
    reader, writer = await asyncio.open_connection(*program.address, local_addr=(source, 0))
    query = urlencode({"login": login, "psw": psw, "fmt": 3})
    writer.write(f"GET /sys/balance.php?{query} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    try:
        async with asyncio.timeout(30):
            return parse_answer(await reader.read()).body
    finally:
        writer.close()


def kind(body: bytes) -> str:
    """What an answer says."""
    for name, mark in (("wrong", REFUSED), ("banned", BANNED), ("crowded", CROWDED), ("in", b'"balance"')):
        if mark in body:
            return name
    raise AssertionError(body)


class Flood:
    """Guesses by many at once, each asking again as soon as he is answered, until told to stop."""

    def __init__(self, program: Program, sources: int, login: str) -> None:
        self.program, self.sources, self.login = program, sources, login
        self.told: Counter[str] = Counter()
        self.going = True

    async def __aenter__(self) -> "Flood":
        self._tasks = [asyncio.create_task(self._guess(number)) for number in range(40)]
        async with asyncio.timeout(30):
            while self.told.total() < 40:
                await asyncio.sleep(0.01)
        return self

    async def __aexit__(self, *error: object) -> None:
        self.going = False
        await asyncio.gather(*self._tasks)

    async def _guess(self, number: int) -> None:
        count = 0
        while self.going:
            count += 1
            source = number + 40 * count if self.sources > 40 else number
            address = f"127.1.{source % self.sources // 200}.{source % self.sources % 200 + 1}"
            login = self.login or f"nobody-{number}-{count}"
            self.told[kind(await ask(self.program, address, login, f"guess-{number}-{count}"))] += 1


@pytest.mark.parametrize(
    ("sources", "login", "failures"),
    [(1, "demo", 5), (1, "", 1_000_000), (400, "demo", 5), (30, "demo", 1_000_000), (30, "", 1_000_000)],
)
def test_customer_gets_in_while_others_guess(tmp_path: Path, sources: int, login: str, failures: int) -> None:
    """Known customers at once, new ones soon, whoever guesses what from where; nobody is told that he is wrong who is right."""

    async def story() -> None:
        environment = {
            "HELIOGRAPH_DEMO_PASSWORD": PASSWORD,
            "HELIOGRAPH_LIMITS_LOGIN_FAILURES": str(failures),
        }
        async with Program(tmp_path, "--demo", environment=environment) as program:
            async with Flood(program, sources, login) as flood:
                tries = 0
                while kind(answer := await ask(program, "127.2.0.1", "demo", PASSWORD)) != "in":
                    assert kind(answer) == "crowded"
                    tries += 1
                    assert (
                        tries < 250
                    )  # 400 addresses that were never seen must fail once first: 400 hashes, 4 s and more
                    await asyncio.sleep(0.1)
                for number in range(5):  # remembered, from wherever
                    assert kind(await ask(program, f"127.3.0.{number + 1}", "demo", PASSWORD)) == "in"
            assert flood.told["in"] == 0 and flood.told["wrong"] > 0
            assert await program.stop() == 0

    asyncio.run(story())
