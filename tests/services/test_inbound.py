"""Texts from subscribers (services/inbound.py)."""

import asyncio
import random
from pathlib import Path
from typing import Any

import pytest
from tests.databases import BACKENDS
from tests.house import KAZAKH, NORTH, NOW, PHONE, House, open_house

from heliograph.core.messages import Kind
from heliograph.delivery.carriers.contract import Inbound as Arrival
from heliograph.services.inbound import Inbound
from heliograph.services.owners import MEMORY_MS, find_owners
from heliograph.store.database import Full, Lost, Step

both = pytest.mark.parametrize("backend", BACKENDS)


async def take(house: House, arrival: Arrival) -> bool:
    future: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
    house.incoming.record(NORTH, arrival, future.set_result, house.now)
    return await future


@both
def test_incoming_text_is_on_disk_before_it_is_acknowledged(backend: str, tmp_path: Path) -> None:
    """And watchers see it, with the centre it came over; ids go on after a restart."""

    async def story() -> None:
        async with open_house(backend, tmp_path) as house:
            seen: list[Inbound] = []
            house.incoming.watchers.append(seen.append)
            assert await take(house, Arrival(PHONE, "7000", "да\x00 и нет", NOW - 5))
            assert await take(house, Arrival(PHONE, "7000", "more", NOW, smsc="42"))
            rows = [Inbound(*row) for row in await house.db.all("inbound.latest", 2**62, 9)]
            assert rows[::-1] == seen
            assert (seen[0].id, seen[0].text, seen[0].extra, seen[0].received_ms) == (1, "да и нет", "", NOW)
            assert seen[1].extra == '{"smsc":"42"}'
            next_one = await house.restart()
            assert await take(next_one, Arrival(PHONE, "7000", "and more", NOW))
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


async def owner(house: House, phone: str = PHONE) -> tuple[int, int]:
    """Whose an incoming text of this number becomes, and the message it answers."""
    assert await take(house, Arrival(phone, "7000", "answer", house.now))
    row = (await house.db.all("inbound.latest", 2**62, 1))[0]
    return int(row[8]), int(row[9])


@both
def test_answer_belongs_to_who_wrote_last(backend: str, tmp_path: Path) -> None:
    """The newest text that went out to the number within a week; nobody's when there is none."""

    async def story() -> None:
        async with open_house(backend, tmp_path) as house:
            assert await owner(house) == (0, 0)
            await house.send(PHONE, text="first")
            (second,) = await house.accepted(PHONE, text="second")
            await house.send(KAZAKH, text="to another")
            assert await owner(house) == (house.account.id, second.int_id)
            assert await owner(house, "8" + PHONE[1:]) == (house.account.id, second.int_id)
            assert await owner(house, "Shop24") == (0, 0)
            await house.send(PHONE, text="tomorrow", send_ms=house.now + 86_400_000)
            await house.send(PHONE, text="virtual", test=True)
            await house.send(PHONE, text="", kind=Kind.HLR)
            assert await owner(house) == (house.account.id, second.int_id)
            house.now += MEMORY_MS + 1
            assert await owner(house) == (0, 0)

    asyncio.run(story())


@both
def test_owner_is_found_in_any_block_of_the_index(backend: str, tmp_path: Path) -> None:
    """A week may hold many blocks of 65,536 messages; they are read from the newest down, in growing groups."""

    async def story() -> None:
        async with open_house(backend, tmp_path) as house:
            await house.send(PHONE, KAZAKH, text="seed")
            # Accounts and numbers all over a hundred blocks.
            rows = [list(row) for row in await house.db.all("messages.latest", 2**62, house.account.id, 1)]
            chance = random.Random(3)
            phones = [str(79160000000 + i) for i in range(40)]
            made: list[tuple[int, int, str]] = []
            for int_id in sorted(chance.sample(range(10, 100 << 16), 300)):
                row = rows[0][:]
                row[0], row[1], row[3] = int_id, chance.randrange(1, 5), chance.choice(phones)
                row[13], row[15], row[16] = chance.choice([1, 1, 20, 23, 22]), NOW, NOW
                made.append((int_id, row[1], row[3]) if row[13] in (1, 20) else (0, 0, ""))
                await house.db.transact([Step("messages.accept", [row])])
            found = await find_owners(house.desk, {*phones, "79990000000"}, NOW + 5)
            wanted = {phone: (account, int_id) for int_id, account, phone in made if phone}
            assert found == wanted and len(wanted) > 30

    asyncio.run(story())


def test_slow_store_changes_no_order(tmp_path: Path) -> None:
    """A customer who asks for what is above the last id he has seen must not miss a text that was slower."""

    async def story() -> None:
        async with open_house("sqlite", tmp_path) as house:
            open_ = asyncio.Event()
            ask = house.db.all

            async def slow(*args: Any) -> Any:
                await open_.wait()
                return await ask(*args)

            house.db.all = slow
            seen: list[str] = []
            house.incoming.watchers.append(lambda inbound: seen.append(inbound.text))
            first = asyncio.create_task(take(house, Arrival(PHONE, "7000", "0", NOW)))
            await asyncio.sleep(0)
            others = [asyncio.create_task(take(house, Arrival(str(i), "7000", str(i), NOW))) for i in range(1, 450)]
            await asyncio.sleep(0.01)
            assert seen == []
            open_.set()
            assert all(await asyncio.gather(first, *others))
            await house.incoming.settle()
            assert seen == [str(i) for i in range(450)]
            rows = await ask("inbound.latest", 2**62, 500)
            assert [row[6] for row in rows][::-1] == seen

    asyncio.run(story())


def test_store_that_is_away_asks_the_carrier_to_come_again(tmp_path: Path) -> None:
    """Stored for nobody, the text would never reach its customer."""

    async def story() -> None:
        async with open_house("sqlite", tmp_path) as house:
            await house.send(PHONE)
            ask = house.db.all

            async def away(*args: Any) -> Any:
                raise Lost("away")

            house.db.all = away
            assert not await take(house, Arrival(PHONE, "7000", "hello", NOW))
            house.db.all = ask
            assert (await owner(house))[0] == house.account.id
            assert len(await ask("inbound.latest", 2**62, 9)) == 1

    asyncio.run(story())
