"""Long incoming texts in the store (services/fragments.py)."""

import asyncio
import random
from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.databases import BACKENDS
from tests.house import NORTH, NOW, PHONE, SOUTH, House, open_house

from heliograph.delivery.carriers.contract import Inbound as Arrival
from heliograph.services.inbound import Inbound
from heliograph.store.database import Full, Lost, Step

both = pytest.mark.parametrize("backend", BACKENDS)
WAIT_MS = 600_000


def part(number: int, text: str, total: int = 2, reference: int = 7, phone: str = PHONE) -> Arrival:
    return Arrival(phone, "7000", text, NOW - 5, "42", reference, total, number)


def hand(house: House, arrival: Arrival, carrier_id: int = NORTH) -> asyncio.Future[bool]:
    future: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
    house.incoming.record(carrier_id, arrival, future.set_result, house.now)
    return future


async def take(house: House, arrival: Arrival, carrier_id: int = NORTH) -> bool:
    return await hand(house, arrival, carrier_id)


async def texts(house: House) -> list[str]:
    return [row[6] for row in await house.db.all("inbound.latest", 2**62, 10_000)][::-1]


async def waiting(house: House) -> int:
    return int((await house.db.one("fragments.waiting"))[0])


@both
def test_parts_are_on_disk_and_survive_a_restart(backend: str, tmp_path: Path) -> None:
    """The carrier was told that it need not bring them again."""

    async def story() -> None:
        async with open_house(backend, tmp_path) as house:
            assert await take(house, part(3, "c", 3))
            assert await take(house, part(1, "a\ud83d", 3))
            assert (await waiting(house), await texts(house)) == (2, [])
            later = await house.restart()
            seen: list[Inbound] = []
            later.incoming.watchers.append(seen.append)
            assert await take(later, part(2, "\ude00b", 3))
            assert (await waiting(later), await texts(later)) == (0, ["a😀bc"])
            assert (seen[0].extra, seen[0].sent_ms) == ('{"smsc":"42","total":3}', NOW - 5)
            assert await take(later, part(2, "\ude00b", 3)), "a repeat is acknowledged"
            assert await texts(later) == ["a😀bc"]

    asyncio.run(story())


@both
def test_all_parts_at_once_in_any_order_are_one_text(backend: str, tmp_path: Path) -> None:
    """They come within one commit, over several links, mixed with those of others, and again."""

    async def story() -> None:
        async with open_house(backend, tmp_path) as house:
            chance = random.Random(7)
            arrivals: list[Arrival] = []
            wanted = set()
            for n in range(60):
                total = chance.randrange(2, 6)
                words = [f"{n}.{number} " for number in range(1, total + 1)]
                wanted.add("".join(words))
                parts = [part(i, word, total, n % 5, f"7916{n:07d}") for i, word in enumerate(words, 1)]
                arrivals += parts * chance.randrange(1, 3)
            chance.shuffle(arrivals)
            assert all(await asyncio.gather(*[hand(house, arrival) for arrival in arrivals]))
            found = await texts(house)
            assert len(found) == 60 and set(found) == wanted
            house.now += WAIT_MS + 1
            assert await house.incoming.sweep(house.now) > 0
            house.now += WAIT_MS + 1
            await house.incoming.sweep(house.now)
            assert (len(await texts(house)), await house.db.one("fragments.old", 2**62, 9)) == (60, None)

    asyncio.run(story())


@both
def test_text_without_a_part_is_told_in_part_and_the_part_later(backend: str, tmp_path: Path) -> None:
    """Not lost, and marked: the mark in the text, the numbers in its record."""

    async def story() -> None:
        async with open_house(backend, tmp_path) as house:
            assert await take(house, part(1, "one ", 3)) and await take(house, part(3, "three", 3))
            house.now += WAIT_MS - 1
            assert await house.incoming.sweep(house.now) == 0
            house.now += 2
            assert await house.incoming.sweep(house.now) == 1
            assert await texts(house) == ["one …three"]
            house = await house.restart()
            for _ in range(2):
                assert await take(house, part(2, "two ", 3))
            assert await texts(house) == ["one …three", "two "]
            rows = [Inbound(*row) for row in await house.db.all("inbound.latest", 2**62, 9)][::-1]
            assert rows[0].extra == '{"smsc":"42","total":3,"missing":[2]}'
            assert rows[1].extra == '{"smsc":"42","total":3,"number":2}'
            assert house.incoming.incomplete == 1

    asyncio.run(story())


@both
def test_same_reference_of_others_is_another_text(backend: str, tmp_path: Path) -> None:
    """Of another carrier, subscriber, number or count of parts."""

    async def story() -> None:
        async with open_house(backend, tmp_path) as house:
            await take(house, part(1, "a"))
            for other, carrier in (
                (part(2, "b"), SOUTH),
                (part(2, "b", 3), NORTH),
                (part(2, "b", phone="1"), NORTH),
                (part(2, "b", reference=8), NORTH),
            ):
                assert await take(house, other, carrier)
            assert await texts(house) == []
            await take(house, part(2, "b"))
            assert await texts(house) == ["ab"]

    asyncio.run(story())


@both
def test_part_that_was_not_stored_comes_again(backend: str, tmp_path: Path) -> None:
    """What a full disk refused is told to the carrier, and nothing in memory takes it for kept."""

    async def story() -> None:
        async with open_house(backend, tmp_path) as house:
            house.db.fault = Full("full")
            assert not await take(house, part(1, "a"))
            house.db.fault = None
            assert await take(house, part(2, "b"))
            assert await texts(house) == []
            assert await take(house, part(1, "a"))
            assert await texts(house) == ["ab"]
            ask = house.db.all

            async def away(*args: object) -> Sequence[object]:
                raise Lost("away")

            house.db.all = away
            assert not await take(house, part(1, "x", reference=9))
            house.db.all = ask
            assert await take(house, part(1, "x", reference=9))

    asyncio.run(story())


@both
def test_flood_of_open_texts_is_rows(backend: str, tmp_path: Path) -> None:
    """Their number holds nobody up: the next text is put together as before, and memory knows none of them."""

    async def story() -> None:
        async with open_house(backend, tmp_path) as house:
            rows = [(n + 1, NORTH, str(n), "7000", 1, 2, 1, "x", 0, 0, "") for n in range(30_000)]
            await house.db.transact([Step("fragments.put", rows)])
            assert await take(house, part(1, "a")) and await take(house, part(2, "b"))
            assert await texts(house) == ["ab"]
            assert house.incoming.fragments._moving == {}
            keys = await house.incoming.fragments.find_old(house.now, 300)
            assert len(keys) == 300 and len(await house.incoming.fragments.load(keys)) == 300

    asyncio.run(story())


@both
def test_header_that_makes_no_sense_is_a_text(backend: str, tmp_path: Path) -> None:
    """Part 0 or 3 of 2 would never be whole."""

    async def story() -> None:
        async with open_house(backend, tmp_path) as house:
            for number in (0, 3):
                assert await take(house, part(number, f"no {number}"))
            assert await texts(house) == ["no 0", "no 3"]

    asyncio.run(story())
