"""Commands by text, from the incoming text to its answer (services/commands.py)."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.databases import BACKENDS
from tests.house import NORTH, PHONE, House, open_house

from heliograph.delivery.carriers.contract import Inbound as Arrival
from heliograph.services import accounts
from heliograph.services.commands import GUESSES, Commands
from heliograph.services.credentials import Credentials

KEY = "command-key-0123456789"
PASSWORD = "sms-secret-1"
STRANGER = "79160000009"
both = pytest.mark.parametrize("backend", BACKENDS)


@asynccontextmanager
async def open_commands(backend: str, tmp_path: Path, **settings: str) -> AsyncIterator[House]:
    """A house whose account takes commands from one phone."""
    async with open_house(backend, tmp_path, command_phones=f"+{PHONE}", **settings) as house:
        db: Any = house.db
        await accounts.create_key(db, "shop", key=KEY, now_ms=house.now)
        await accounts.add_password(db, "shop", PASSWORD, now_ms=house.now)
        await house.snapshots.refresh()
        credentials = Credentials(house.snapshots)
        house.incoming.commands = Commands(house.desk, credentials, house.submitting, house.spawn, lambda: house.now)
        try:
            yield house
        finally:
            await rest(house)
            credentials.close()


async def rest(house: House) -> None:
    """Everything that was begun is over."""
    while house.tasks:
        await asyncio.gather(*house.tasks)


async def write(house: House, text: str, phone: str = PHONE) -> list[tuple[str, str]]:
    """An incoming text; the texts that it makes, in the order in which they are sent."""
    before = len(await house.stored())
    future: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
    house.incoming.record(NORTH, Arrival(phone, "7000", text, house.now), future.set_result, house.now)
    assert await future
    await rest(house)
    house.now += 120_000  # the next answer may be the same
    return [(message.phone, message.text) for message in (await house.stored())[before:]]


async def kept(house: House) -> tuple[str, int]:
    """Text and account of the newest incoming text on disk."""
    row = (await house.db.all("inbound.latest", 2**62, 1))[0]
    return str(row[6]), int(row[8])


@both
def test_commands_are_done_and_answered(backend: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """All of them; no secret is on disk, in an answer or in the log."""

    async def story() -> None:
        async with open_commands(backend, tmp_path, command_recipients="79160000001,79160000002") as house:
            assert await write(house, f"shop {PASSWORD} bal") == [(PHONE, "OK 1000 RUR")]
            assert await kept(house) == ("shop *** bal", house.account.id)
            sent = await write(house, f"shop: {KEY} SEND 79160000003 hello you")
            assert sent == [("79160000003", "hello you"), (PHONE, "OK 2 1 1.5")]
            assert await write(house, f"shop {KEY} STAT 2") == [(PHONE, "OK 2 waiting 1")]
            assert await write(house, f"shop {KEY} STAT 99") == [(PHONE, "ERROR 3 not found")]
            assert [phone for phone, _ in await write(house, f"shop {KEY} ALL hi")] == [
                "79160000001",
                "79160000002",
                PHONE,
            ]
            assert await write(house, f"shop {KEY} STOP") == [(PHONE, "OK mailings paused")]
            await house.snapshots.refresh()
            assert (await write(house, f"shop {KEY} ALL more"))[-1] == (PHONE, "ERROR 6 mailings are forbidden")
            assert await write(house, f"shop {KEY} START") == [(PHONE, "OK mailings go on")]
            await house.snapshots.refresh()
            assert not house.account.settings.mailings_paused
            assert await write(house, f"shop {KEY} SEND nobody x") == [(PHONE, "ERROR 1 SEND phone,phone text")]
            told = [message.text for message in await house.stored()]
            told += [row[6] for row in await house.db.all("inbound.latest", 2**62, 100)]
            assert not any(KEY in text or PASSWORD in text for text in told)

    with caplog.at_level(logging.DEBUG):
        asyncio.run(story())
    assert KEY not in caplog.text and PASSWORD not in caplog.text


@both
def test_strangers_command_nothing(backend: str, tmp_path: Path) -> None:
    """Their text is an ordinary one, without the secret if it names the account."""

    async def story() -> None:
        async with open_commands(backend, tmp_path) as house:
            assert await write(house, f"shop {KEY} BAL", STRANGER) == []
            assert (await kept(house))[0] == "shop *** BAL"
            assert await write(house, "hello there", PHONE) == []
            assert (await kept(house))[0] == "hello there"

    asyncio.run(story())


def test_secrets_cannot_be_guessed(tmp_path: Path) -> None:
    """Senders can be forged: after a few wrong ones nothing is checked nor answered for half an hour."""

    async def story() -> None:
        async with open_commands("sqlite", tmp_path) as house:
            for number in range(GUESSES):
                answer = await write(house, f"shop guess{number} BAL")
                assert answer == [(PHONE, "ERROR 2 wrong login, password or key")]
            assert await write(house, f"shop {KEY} BAL") == []
            house.now += 1_800_000
            assert len(await write(house, f"shop {KEY} BAL")) == 1

    asyncio.run(story())


def test_account_without_trusted_phones_takes_no_commands(tmp_path: Path) -> None:
    """It is off until it is set up."""

    async def story() -> None:
        async with open_commands("sqlite", tmp_path) as house:
            await house.set(command_phones="")
            assert await write(house, f"shop {KEY} BAL") == []

    asyncio.run(story())
