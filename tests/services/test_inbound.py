"""Texts from subscribers (services/inbound.py)."""

import asyncio
from pathlib import Path

import pytest
from tests.databases import BACKENDS
from tests.house import NORTH, NOW, PHONE, House, open_house

from heliograph.delivery.carriers.contract import Inbound as Arrival
from heliograph.services.inbound import Inbound
from heliograph.store.database import Full

both = pytest.mark.parametrize("backend", BACKENDS)


async def take(house: House, arrival: Arrival) -> bool:
    future: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
    house.incoming.record(NORTH, arrival, future.set_result, house.now)
    return await future


@both
def test_incoming_text_is_on_disk_before_it_is_acknowledged(backend: str, tmp_path: Path) -> None:
    """And watchers see it, with its place in a long text; ids go on after a restart."""

    async def story() -> None:
        async with open_house(backend, tmp_path) as house:
            seen: list[Inbound] = []
            house.incoming.watchers.append(seen.append)
            assert await take(house, Arrival(PHONE, "7000", "да\x00 и нет", NOW - 5))
            assert await take(house, Arrival(PHONE, "7000", "part", NOW, reference=7, total=2, number=2, smsc="42"))
            rows = [Inbound(*row) for row in await house.db.all("inbound.latest", 2**62, 9)]
            assert rows[::-1] == seen
            assert (seen[0].id, seen[0].text, seen[0].extra, seen[0].received_ms) == (1, "да и нет", "", NOW)
            assert seen[1].extra == '{"smsc":"42","reference":7,"total":2,"number":2}'
            next_one = await house.restart()
            assert await take(next_one, Arrival(PHONE, "7000", "more", NOW))
            assert [row[0] for row in await house.db.all("inbound.latest", 2**62, 9)] == [3, 2, 1]

    asyncio.run(story())


@both
def test_text_with_half_a_character_is_stored(backend: str, tmp_path: Path) -> None:
    """A carrier would send again for ever what can never be stored."""

    async def story() -> None:
        async with open_house(backend, tmp_path) as house:
            assert await take(house, Arrival(PHONE, "7000", "half \ud83d", NOW))
            assert (await house.db.all("inbound.latest", 2**62, 9))[0][6] == "half \ufffd"

    asyncio.run(story())


def test_full_store_asks_the_carrier_to_come_again(tmp_path: Path) -> None:
    """Nothing is acknowledged that is not on disk."""

    async def story() -> None:
        async with open_house("sqlite", tmp_path) as house:
            house.db.fault = Full("full")
            assert not await take(house, Arrival(PHONE, "7000", "hello", NOW))
            house.db.fault = None
            assert await take(house, Arrival(PHONE, "7000", "hello", NOW))
            assert house.incoming.received == 1

    asyncio.run(story())
