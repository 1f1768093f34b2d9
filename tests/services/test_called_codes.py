"""Codes by call through the services: price, route, what is stored, what a carrier gets, how a call went (docs/codes.md)."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from tests.databases import BACKENDS
from tests.house import HANDLER, NOW, PHONE, SOUTH, Answer, House, Report, make, open_house

from heliograph.core.messages import Accepted, Extra, Kind, Quote, decode_extra
from heliograph.core.news import status_fields
from heliograph.core.reasons import Reason, Refusal
from heliograph.core.status import Err, Status
from heliograph.core.tariffs import Prices, Zone
from heliograph.delivery.carriers.contract import Talk
from heliograph.delivery.dispatcher import unit_of
from heliograph.services import tariffs
from heliograph.services.submit import STAGE_OVER

both = pytest.mark.parametrize("backend", BACKENDS)
CALL: dict[str, Any] = {"text": "code", "kind": Kind.CALL}
CALL_PRICE = 12_000


async def sell_calls(house: House) -> None:
    """A price for calls to Russia, and a carrier that places them (south, the second choice for texts)."""
    zone = Zone(1, "Russia", ("RU",), Prices(sms=15_000, call=CALL_PRICE))
    await tariffs.replace_prices(house.db, "basic", (zone,), {})
    await house.set_carrier("south", calls="yes")


@both
def test_call_costs_its_own_price_and_takes_a_carrier_that_places_calls(backend: str, tmp_path: Path) -> None:
    """A carrier for texts is never asked to call, whatever its priority."""

    async def story() -> None:
        async with open_house(backend, tmp_path) as house:
            await sell_calls(house)
            answer = await house.send(PHONE, code="042917", **CALL)
            assert isinstance(answer, Accepted)
            assert (answer.parts, answer.cost) == (1, CALL_PRICE)
            (message,) = await house.stored()
            assert (message.kind, message.flags, message.text, message.carrier_id) == (7, 7, "code", SOUTH)
            assert decode_extra(message.extra) == Extra(code="042917")
            unit = unit_of(message, ())
            assert (unit.kind, unit.text) == (7, "042917")
            assert await house.ledger(message) == [("charge", -CALL_PRICE)]
            text = await house.send(PHONE)
            assert isinstance(text, Accepted)
            assert (await house.stored())[1].carrier_id != SOUTH

    asyncio.run(story())


@both
def test_call_without_route_or_price_is_refused(backend: str, tmp_path: Path) -> None:
    """248, and nothing is charged: an SMS at the price of a text would not be what was asked for."""

    async def story() -> None:
        async with open_house(backend, tmp_path) as house:
            assert await house.send(PHONE, code="1", **CALL) == Refusal(Reason.NO_PRICE, id="1")
            await sell_calls(house)
            await house.set_carrier("south", calls="no")
            assert await house.send(PHONE, code="2", **CALL) == Refusal(Reason.NO_ROUTE, id="2")
            assert [(m.status, m.err) for m in await house.stored()] == [(Status.UNREACHABLE, 248)] * 2
            assert await house.balance() == 10_000_000

    asyncio.run(story())


@both
def test_price_query_prices_the_call(backend: str, tmp_path: Path) -> None:
    """cost=1 goes by the same price list."""

    async def story() -> None:
        async with open_house(backend, tmp_path) as house:
            await sell_calls(house)
            quote = await house.price(make(PHONE, **CALL))
            assert isinstance(quote, Quote)
            assert (quote.cost, quote.parts) == (CALL_PRICE, 1)

    asyncio.run(story())


@both
def test_repeated_call_is_one_call_over_a_restart(backend: str, tmp_path: Path) -> None:
    """A client that repeats its request would make the phone ring twice with two codes, of which it knows one."""

    async def story() -> None:
        async with open_house(backend, tmp_path, no_duplicates="yes") as house:
            await sell_calls(house)
            assert isinstance(await house.send(PHONE, code="042917", **CALL), Accepted)
            assert await house.send(PHONE, code="111111", **CALL) == Refusal(Reason.REPEATED_REQUEST)
            next_one = await house.restart()
            assert await next_one.send(PHONE, code="222222", **CALL) == Refusal(Reason.REPEATED_REQUEST)
            two = await next_one.send(PHONE, "79161234568", code="333333", **CALL)
            assert isinstance(two, Accepted)
            assert [verdict.err for verdict in two.verdicts] == [Err.NUMBER_LIMIT, 0]

    asyncio.run(story())


@both
def test_every_number_of_a_large_request_is_told_the_code(backend: str, tmp_path: Path) -> None:
    """Also where texts are written in portions: a reply has one code."""

    async def story() -> None:
        async with open_house(backend, tmp_path) as house:
            await sell_calls(house)
            phones = [str(79160000000 + n) for n in range(STAGE_OVER + 1)]
            assert isinstance(await house.send(*phones, code="042917", **CALL), Accepted)
            stored = await house.stored()
            assert {decode_extra(message.extra).code for message in stored} == {"042917"}
            assert len(stored) == STAGE_OVER + 1

    asyncio.run(story())


@both
def test_call_is_told_with_its_seconds(backend: str, tmp_path: Path) -> None:
    """cnt of a call is its length; the code stays inside, for whoever reads the handler's log could use it."""

    async def story() -> None:
        async with open_house(backend, tmp_path, callback_url=HANDLER) as house:
            await sell_calls(house)
            (message,) = await house.accepted(PHONE, code="042917", user_ip="192.0.2.1", **CALL)
            before = dict(status_fields(message, 0, 0, NOW, "UTC"))
            assert (before["cnt"], before["type"]) == (1, 7)
            await house.answer(await house.start(message), Answer("accepted", "c1"))
            report = Report("c1")
            report.talk = Talk(11, 6, "12#")
            assert await house.report(report, SOUTH)
            row = await house.row(message)
            assert (row.status, row.parts) == (Status.DELIVERED, 1)
            told = dict(status_fields(row, row.status, 0, NOW, "UTC"))
            assert (told["cnt"], told["type"], told["calltime"], told["ringtime"], told["dtmf"]) == (
                11,
                7,
                11,
                6,
                "12#",
            )
            assert "042917" not in str(told)
            extra = decode_extra(row.extra)
            assert (extra.code, extra.user_ip) == ("042917", "192.0.2.1")

    asyncio.run(story())


@both
def test_early_news_of_a_call_outlives_a_restart(backend: str, tmp_path: Path) -> None:
    """The call was over before the carrier's answer was on disk."""

    async def story() -> None:
        async with open_house(backend, tmp_path) as house:
            await sell_calls(house)
            (message,) = await house.accepted(PHONE, code="042917", **CALL)
            await house.start(message)
            report = Report("c1")
            report.talk = Talk(9, 4, menu="2*1", overtime_s=3)
            assert await house.report(report, SOUTH)
            next_one = await house.restart()
            extra = decode_extra((await next_one.row(message)).extra)
            assert (extra.calltime, extra.ringtime, extra.callmenu, extra.overtime) == (9, 4, "2*1", 3)
            assert extra.code == "042917"

    asyncio.run(story())
