"""Texts that their carrier brings once more (services/repeats.py)."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from tests.databases import BACKENDS
from tests.house import KAZAKH, NORTH, PHONE, SOUTH, House, open_house

from heliograph.delivery.carriers.contract import Inbound as Arrival
from heliograph.services.repeats import IMPATIENT_MS, LAST_MS

both = pytest.mark.parametrize("backend", BACKENDS)
WAIT_MS = 600_000


async def come(house: House, text: str, phone: str = PHONE, carrier_id: int = NORTH, *, told: bool = True) -> None:
    """A text that is taken; ``told``: its carrier gets the answer."""
    future: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    def settle(stored: bool) -> bool:
        future.set_result(stored)
        return told

    house.incoming.record(carrier_id, Arrival(phone, "7000", text, house.now), settle, house.now)
    assert await future, "a repeat is acknowledged, too"


async def texts(house: House) -> list[str]:
    return [row[6] for row in await house.db.all("inbound.latest", 2**62, 5000)][::-1]


@both
def test_text_whose_answer_a_kill_cut_off_is_stored_once(backend: str, tmp_path: Path) -> None:
    """The carrier knows nothing of it and brings it again; told twice it would be answered and forwarded twice."""

    async def story() -> None:
        async with open_house(backend, tmp_path) as house:
            await come(house, "long ago")
            house.now += LAST_MS + 1
            for text in ("shop: price", "yes", "yes"):
                await come(house, text)
            later = await house.restart()
            later.now = house.now + WAIT_MS // 2
            for text in ("yes", "shop: price", "yes", "long ago", "shop: price"):
                await come(later, text)
            await come(later, "yes", KAZAKH)
            await come(later, "yes", carrier_id=SOUTH)
            assert await texts(later) == ["long ago", "price", "yes", "yes", "long ago", "price", "yes", "yes"]
            assert later.incoming.repeats.count == 3
            again = await later.restart()
            again.now = later.now + WAIT_MS + 1
            await come(again, "yes", KAZAKH)
            assert (await texts(again))[-2:] == ["yes", "yes"], "so late it is another one"

    asyncio.run(story())


@both
def test_text_whose_link_was_gone_is_stored_once(backend: str, tmp_path: Path) -> None:
    """A slow store, a carrier that hangs up meanwhile; whoever writes the same twice is heard twice."""

    async def story() -> None:
        async with open_house(backend, tmp_path) as house:
            await come(house, "hello?", told=False)
            await come(house, "hello?")
            await come(house, "hello?")
            assert await texts(house) == ["hello?", "hello?"]

    asyncio.run(story())


@both
def test_carrier_without_patience_is_answered_with_the_first(backend: str, tmp_path: Path) -> None:
    """A store that is slow for longer than the carrier waits; the same twice at once are two texts all the same."""

    async def story() -> None:
        async with open_house(backend, tmp_path) as house:
            open_ = asyncio.Event()
            ask = house.db.all

            async def slow(*args: Any) -> Any:
                await open_.wait()
                return await ask(*args)

            house.db.all = slow
            first = [asyncio.create_task(come(house, "hello?")) for _ in range(2)]
            await asyncio.sleep(0)
            house.now += IMPATIENT_MS
            again = [asyncio.create_task(come(house, "hello?")) for _ in range(2)]
            await asyncio.sleep(0)
            open_.set()
            await asyncio.gather(*first, *again)
            await come(house, "hello?")
            assert await texts(house) == ["hello?"] * 3

    asyncio.run(story())


@both
def test_who_has_written_something_else_may_write_the_same_again(backend: str, tmp_path: Path) -> None:
    """Stop, start, and stop once more: the last one must count. A stop without a sender stops nobody."""

    async def story() -> None:
        async with open_house(backend, tmp_path) as house:
            await come(house, "shop: stop")
            later = await house.restart()
            for text in ("shop: start", "shop: stop"):
                await come(later, text)
            await come(later, "shop: stop", phone="")
            assert await texts(later) == ["stop", "start", "stop", "stop"]
            assert set(later.snapshots.current.blacklist) == {PHONE}

    asyncio.run(story())


@both
def test_all_texts_of_the_last_moment_are_known_again(backend: str, tmp_path: Path) -> None:
    """More of them than one question to the store tells."""

    async def story() -> None:
        async with open_house(backend, tmp_path) as house:
            wanted = [(f"text {number}", f"7916{number // 10:07d}") for number in range(2100)]
            await asyncio.gather(*(come(house, *text) for text in wanted))
            later = await house.restart()
            await asyncio.gather(*(come(later, *text) for text in reversed(wanted)))
            assert len(await texts(later)) == len(wanted) == later.incoming.repeats.count

    asyncio.run(story())
