"""The day's limit for one visitor: when a day begins, and who is one visitor."""

import asyncio
from pathlib import Path

import pytest
from tests.databases import BACKENDS
from tests.house import NOW, PHONE, House, open_house

from heliograph.core.days import day_of, start_of_day
from heliograph.core.messages import Accepted
from heliograph.core.reasons import Reason, Refusal

OTHER = "79161234568"
DAY_MS = 86_400_000


async def is_sent(house: House, phone: str, text: str, user_ip: str) -> bool:
    """Whether a text goes out for this visitor; else the limit refused it."""
    answer = await house.send(phone, text=text, user_ip=user_ip)
    assert isinstance(answer, Accepted) or (isinstance(answer, Refusal) and answer.reason is Reason.NUMBER_LIMIT)
    return isinstance(answer, Accepted)


@pytest.mark.parametrize("backend", BACKENDS)
def test_visitors_of_one_ipv6_network_share_a_limit(backend: str, tmp_path: Path) -> None:
    """Whoever has one address of a /64 has all of them; a limit that he walks around is none. It holds over a restart."""

    async def story() -> None:
        async with open_house(backend, tmp_path, ip_limit="1") as house:
            assert await is_sent(house, PHONE, "one", "2001:db8:0:1::5")
            assert not await is_sent(house, OTHER, "two", "2001:db8:0:1:ffff::6")
            assert await is_sent(house, OTHER, "three", "2001:db8:0:2::5")
            house = await house.restart()
            assert not await is_sent(house, OTHER, "four", "2001:db8:0:1::7")

    asyncio.run(story())


@pytest.mark.parametrize("zone", ["Europe/Moscow", "Asia/Kathmandu", "America/St_Johns", "Etc/GMT-12"])
def test_limit_begins_anew_at_midnight_of_the_account(zone: str, tmp_path: Path) -> None:
    """To the millisecond, in zones of half and quarter hours as well, before a restart and after one."""
    midnight_ms = start_of_day(day_of(NOW + DAY_MS, zone), zone)

    async def story() -> None:
        async with open_house("sqlite", tmp_path, ip_limit="1", tz=zone) as house:
            house.now = midnight_ms - 1
            assert await is_sent(house, PHONE, "one", "192.0.2.1")
            assert not await is_sent(house, PHONE, "two", "192.0.2.1")
            house = await house.restart(1)
            assert house.now == midnight_ms
            assert await is_sent(house, PHONE, "three", "192.0.2.1")
            house = await house.restart(1)
            assert not await is_sent(house, PHONE, "four", "192.0.2.1")

    asyncio.run(story())
