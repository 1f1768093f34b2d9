"""The SMPP carrier against the simulated one: scripted numbers, queries, texts of subscribers, a long run."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from tests.delivery.centres import Books, carrier, now_ms, unit, until

from heliograph.core.messages import Kind
from heliograph.delivery.carriers.contract import What
from heliograph.delivery.carriers.smpp import SmppCarrier
from heliograph.simulator.behaviour import Profile
from heliograph.simulator.server import Simulator


@asynccontextmanager
async def simulated(
    profile: Profile | None = None, **settings: Any
) -> AsyncIterator[tuple[Simulator, SmppCarrier, Books]]:
    """A simulated carrier and ours, bound to it."""
    simulator, books = Simulator(profile, {"acme": "s3cret"}), Books()
    _, port = await simulator.start()
    links = SmppCarrier(carrier(port, **settings), books, now_ms)
    await links.start()
    await until(lambda: links.stats()["bound"] == links.stats()["links"])
    try:
        yield simulator, links, books
    finally:
        await links.stop(0)
        await simulator.stop()


@pytest.mark.parametrize("form", ["text", "tlv", "both"])
@pytest.mark.parametrize(
    ("digits", "status", "err"),
    [
        ("0001", 1, 0),
        ("0002", 20, 1),
        ("0003", 3, 6),
        ("0010", 20, 6),
        ("0011", 20, 13),
        ("0020", 20, 255),
        ("0021", 20, 255),
        ("0026", 20, 11),
    ],
)
def test_scripted_fates_are_told_in_our_tables(form: str, digits: str, status: int, err: int) -> None:
    """Whatever the form of the receipt, the customer reads the same status."""

    async def main() -> None:
        async with simulated(Profile(receipts=form)) as (_, links, books):
            links.send(unit(phone=f"7999000{digits}"))
            await until(lambda: bool(books.outcomes and books.receipts))
            news = books.receipts[-1][0]
            assert (news.status, news.err, news.phone) == (status, err, f"7999000{digits}")
            assert news.ref == books.outcomes[1, 1].ref

    asyncio.run(main())


def test_number_query_is_answered() -> None:
    """Service type HLR, an empty text, and eight fields in the receipt."""

    async def main() -> None:
        async with simulated() as (_, links, books):
            links.send(unit(phone="79161234567", text="", kind=Kind.HLR))
            await until(lambda: bool(books.receipts))
            hlr = books.receipts[0][0].hlr
            assert hlr is not None
            assert set(hlr) == {"imsi", "msc", "mcc", "mnc", "cn", "net", "rcn", "rnet"}
            assert (hlr["mcc"], hlr["cn"]) == ("250", "Russia")

    asyncio.run(main())


def test_long_text_of_a_subscriber_comes_in_parts() -> None:
    """Each part is acknowledged on its own; putting them together is for those who keep them."""

    async def main() -> None:
        async with simulated() as (simulator, _, books):
            text = "Здравствуйте! " * 12
            parts = await simulator.inject("79161234567", "Shop", text)
            assert parts == len(books.inbounds) == books.inbounds[0][0].total > 1
            told = sorted((inbound for inbound, _ in books.inbounds), key=lambda inbound: inbound.number)
            assert "".join(inbound.text for inbound in told) == text
            assert len({inbound.reference for inbound in told}) == 1

    asyncio.run(main())


def test_carrier_with_a_limit_is_used_to_its_limit() -> None:
    """Faster than agreed is refused, slower is wasted: after the first second few are throttled and all get through."""

    async def main() -> None:
        async with simulated(Profile(throughput=200), rate=150.0, window=20) as (simulator, links, books):
            number = 0
            while number < 150:
                for _ in range(links.room(3)):
                    number += 1
                    links.send(unit(number, lane=3, phone=f"7916{number:07d}"))
                await asyncio.sleep(0.005)
            await until(lambda: len(books.outcomes) == number)
            assert books.count(What.ACCEPTED) == number
            assert simulator.stats().get("throttled", 0) == 0

    asyncio.run(main())


def test_carrier_that_throttles_now_and_then_keeps_its_speed() -> None:
    """One submit in fifty is throttled at random: those parts alone wait, nobody else does."""

    async def main() -> None:
        async with simulated(Profile(throttled=0.02), window=20) as (_, links, books):
            number = 0
            while number < 1000:
                for _ in range(links.room(3)):
                    number += 1
                    links.send(unit(number, lane=3, phone=f"7916{number:07d}"))
                await asyncio.sleep(0)
            await until(lambda: len(books.outcomes) == number)
            assert books.count(What.LATER) == links.stats()["throttled"] > 0
            assert {outcome.retry_ms for outcome in books.outcomes.values()} == {0, 2000}
            assert links.stats()["rate"] == 0

    asyncio.run(main())


def test_many_messages_go_through_with_all_their_receipts() -> None:
    """Two links, full windows, parts and receipts side by side: nothing lost, nothing twice."""

    async def main() -> None:
        async with simulated(links=2, window=50) as (simulator, links, books):
            number = 0
            while number < 2000:
                for _ in range(links.room(1)):
                    number += 1
                    links.send(unit(number, phone=f"7916{number:07d}"))
                await asyncio.sleep(0)
            await until(lambda: len(books.receipts) == number and len(books.outcomes) == number)
            refs = {outcome.ref for outcome in books.outcomes.values()}
            assert len(refs) == number
            assert {news.ref for news, _ in books.receipts} == refs
            assert simulator.stats()["destinations"] == number
            await until(lambda: simulator.stats()["acknowledged"] == number)

    asyncio.run(main())
