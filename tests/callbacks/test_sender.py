"""The loop that tells customers, with the real client against servers on loopback (callbacks/sender.py)."""

import asyncio
import socket
from pathlib import Path

import pytest
from tests.callbacks.receivers import OK, Exchange, answer_all, receive, reply_with, until
from tests.callbacks.sending import (
    ERROR,
    FAR,
    emptied,
    events,
    expired_then_delivered,
    house_at,
    sending,
    told,
)
from tests.databases import BACKENDS
from tests.house import HANDLER, NOW, Report, make, open_house

from heliograph.core.money import SCALE
from heliograph.services import accounts

both = pytest.mark.parametrize("backend", BACKENDS)
MISSING = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"


@both
def test_news_is_told_once_and_leaves_the_table(backend: str, tmp_path: Path) -> None:
    """Straight from the commit, with the event's id; the story of the message says so."""

    async def story() -> None:
        async with receive() as receiver, house_at(receiver, backend, tmp_path) as house, sending(house) as sender:
            messages = [await house.sent(f"a{n}", text=f"{n}") for n in range(5)]
            for n in range(5):
                assert await house.report(Report(f"a{n}"))
            await until(lambda: len(receiver.requests) == 5)
            await emptied(house)
            assert sorted(told(receiver)) == [(m.id, 1) for m in messages] and len(set(events(receiver))) == 5
            await until(lambda: sender.held == 0)
            assert (await house.events(messages[0]))[-1] == "callback"

    asyncio.run(story())


def test_404_counts_as_told(tmp_path: Path) -> None:
    """As the reference says; a handler that was removed is not asked fifty times."""

    async def script(exchange: Exchange) -> None:
        await answer_all(exchange, MISSING)

    async def story() -> None:
        async with receive(script) as receiver, house_at(receiver, "sqlite", tmp_path) as house, sending(house):
            await house.sent("a1")
            assert await house.report(Report("a1"))
            await until(lambda: len(receiver.requests) == 1)
            await emptied(house)

    asyncio.run(story())


@both
def test_news_of_one_message_keeps_its_order(backend: str, tmp_path: Path) -> None:
    """While "expired" is on its way "delivered" waits, so that the customer ends up with the truth."""

    async def story() -> None:
        gate = asyncio.Event()

        async def script(exchange: Exchange) -> None:
            while await exchange.request() is not None:
                await gate.wait()
                exchange.writer.write(OK)

        async with receive(script) as receiver, house_at(receiver, backend, tmp_path) as house, sending(house):
            message = await expired_then_delivered(house)
            await until(lambda: len(receiver.requests) == 1)
            await asyncio.sleep(0.05)
            assert told(receiver) == [(message.id, 3)]
            gate.set()
            await emptied(house)
            assert told(receiver) == [(message.id, 3), (message.id, 1)]

    asyncio.run(story())


@both
def test_failed_news_comes_again_after_four_minutes_and_newer_news_waits_for_it(backend: str, tmp_path: Path) -> None:
    """The second attempt has the same event id; what came meanwhile does not overtake it, from memory or the table."""

    async def story() -> None:
        async with (
            receive(reply_with(ERROR, *[OK] * 9)) as receiver,
            house_at(receiver, backend, tmp_path) as house,
            sending(house) as sender,
        ):
            await house.set_carrier(failover="refused")
            message = await house.sent("a1")
            assert await house.report(Report("a1", 3))
            await until(lambda: sender.held == 0 and len(receiver.requests) == 1)
            (row,) = await house.callbacks.read_due(FAR, 0, 9)
            assert (row.due_ms, row.tries) == (NOW + 240_000, 1)
            assert await house.report(Report("a1", 1))
            for moment in (NOW, NOW + 239_999):
                house.now = moment
                sender.look()
                await asyncio.sleep(0.05)
                assert told(receiver) == [(message.id, 3)]
            house.now = NOW + 240_000
            sender.look()
            await emptied(house)
            assert told(receiver) == [(message.id, 3), (message.id, 3), (message.id, 1)]
            assert events(receiver)[0] == events(receiver)[1] < events(receiver)[2]

    asyncio.run(story())


def test_news_behind_one_that_fails_under_way_waits_as_well(tmp_path: Path) -> None:
    """It was in memory already when the older one failed."""

    async def story() -> None:
        gate = asyncio.Event()

        async def script(exchange: Exchange) -> None:
            for reply in (ERROR, OK, OK, OK):
                if await exchange.request() is None:
                    return
                await gate.wait()
                exchange.writer.write(reply)

        async with (
            receive(script) as receiver,
            house_at(receiver, "sqlite", tmp_path) as house,
            sending(house) as sender,
        ):
            message = await expired_then_delivered(house)
            await until(lambda: len(receiver.requests) == 1)
            gate.set()
            await until(lambda: sender.held == 0)
            assert told(receiver) == [(message.id, 3)] and len(await house.callbacks.read_due(FAR, 0, 9)) == 2
            house.now += 240_000
            sender.look()
            await emptied(house)
            assert told(receiver) == [(message.id, 3), (message.id, 3), (message.id, 1)]

    asyncio.run(story())


def test_news_is_given_up_after_fifty_attempts(tmp_path: Path) -> None:
    """1 request every 4 minutes, 50 in all."""

    async def script(exchange: Exchange) -> None:
        await answer_all(exchange, ERROR)

    async def story() -> None:
        async with (
            receive(script) as receiver,
            house_at(receiver, "sqlite", tmp_path) as house,
            sending(house) as sender,
        ):
            await house.sent("a1")
            assert await house.report(Report("a1"))
            for number in range(1, 51):
                await until(lambda number=number: len(receiver.requests) == number and sender.held == 0)  # type: ignore[misc]
                house.now += 240_000
                sender.look()
            await emptied(house)
            await asyncio.sleep(0.02)
            assert len(receiver.requests) == 50 and len(set(events(receiver))) == 1

    asyncio.run(story())


def test_hung_host_does_not_delay_another(tmp_path: Path) -> None:
    """One customer's server takes requests and never answers; the other customer's news goes out all the while."""

    async def hang(exchange: Exchange) -> None:
        while await exchange.request() is not None:
            pass

    async def story() -> None:
        async with receive(hang) as hung, receive() as healthy, house_at(hung, "sqlite", tmp_path) as house:
            url = f"http://127.0.0.1:{healthy.port}/"
            options = {"callback_url": url, "any_sender": "yes"}
            await accounts.create(house.db, "other", tariff="basic", now_ms=NOW, settings=options)  # type: ignore[arg-type]
            await accounts.top_up(house.db, "other", 100 * SCALE, now_ms=NOW)  # type: ignore[arg-type]
            await house.desk.take_balances()
            await house.snapshots.refresh()
            other = house.snapshots.current.accounts_by_login["other"]
            async with sending(house):
                # Test mode ends each text at once: one piece of news a text.
                for number in range(60):
                    for account in (house.account, other):
                        submission = make(f"7916123{number:04d}", text=f"{number}", test=True)
                        house.submitting.accept(account, submission, NOW, lambda _: None)
                await until(lambda: len(healthy.requests) == 60)
                assert 0 < len(hung.requests) < 20

    asyncio.run(story())


def test_backlog_of_a_host_that_refuses_leaves_room_for_others(tmp_path: Path) -> None:
    """A customer whose server is off for a day has a backlog larger than memory; the others' news does not wait for it."""

    async def story() -> None:
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))  # never listens
            ill = f"http://127.0.0.1:{closed.getsockname()[1]}/"
            async with receive() as healthy, house_at(healthy, "sqlite", tmp_path) as house:
                options = {"callback_url": ill, "any_sender": "yes"}
                await accounts.create(house.db, "other", tariff="basic", now_ms=NOW, settings=options)  # type: ignore[arg-type]
                await accounts.top_up(house.db, "other", 100 * SCALE, now_ms=NOW)  # type: ignore[arg-type]
                await house.desk.take_balances()
                await house.snapshots.refresh()
                other = house.snapshots.current.accounts_by_login["other"]
                async with sending(house, most_held=40) as sender:
                    for number in range(120):
                        submission = make(f"7916123{number:04d}", text=f"{number}", test=True)
                        house.submitting.accept(other, submission, NOW, lambda _: None)
                        await asyncio.sleep(0)
                    await until(lambda: sender.held < 40)
                    for number in range(60):
                        submission = make(f"7916124{number:04d}", text=f"{number}", test=True)
                        house.submitting.accept(house.account, submission, NOW, lambda _: None)
                    await until(lambda: len(healthy.requests) == 60)
                    assert len(await house.callbacks.read_due(FAR, 0, 999)) >= 120

    asyncio.run(story())


@both
def test_restart_goes_on_from_the_table(backend: str, tmp_path: Path) -> None:
    """What was due is told, and what is due later is not forgotten beside it."""

    async def story() -> None:
        async with receive() as receiver, house_at(receiver, backend, tmp_path) as house:
            for n in range(3):
                await house.sent(f"a{n}", text=f"{n}")
                assert await house.report(Report(f"a{n}"))
            later = (await house.callbacks.read_due(FAR, 0, 9))[0]
            house.callbacks.record(later, False, "500", NOW)
            await house.desk.batch.settle()
            next_one = await house.restart(1000)
            async with sending(next_one) as sender:
                await until(lambda: len(receiver.requests) == 2)
                await until(lambda: sender.reader.wake_ms == NOW + 240_000)
                next_one.now = NOW + 240_000
                sender.look()
                await emptied(next_one)
            assert events(receiver)[2] == later.id and sorted(told(receiver)) == [("1", 1), ("2", 1), ("3", 1)]

    asyncio.run(story())


@both
def test_news_of_a_large_request_is_told_when_it_is_valid(backend: str, tmp_path: Path) -> None:
    """Its refused numbers are told, but never of a request that came to nothing."""

    async def story() -> None:
        async with receive() as receiver, house_at(receiver, backend, tmp_path) as house, sending(house):
            phones = [f"7916{n:07d}" for n in range(700)]
            await house.accept(make("12", *phones))  # not enough money
            await house.accept(make("12", *phones[:300]))
            await until(lambda: len(receiver.requests) == 1)
            await emptied(house)
            assert told(receiver) == [("2", 22)]

    asyncio.run(story())


def test_news_that_nobody_wants_is_dropped(tmp_path: Path) -> None:
    """The customer took his handler away: the table is not filled with what cannot be told."""

    async def story() -> None:
        async with open_house("sqlite", tmp_path, callback_url=HANDLER) as house:
            message = await house.sent("a1")
            assert await house.report(Report("a1"))
            await house.set(callback_url="")
            async with sending(house):
                await emptied(house)
            assert (await house.events(message))[-1] == "callback"

    asyncio.run(story())


def test_end_leaves_what_was_not_told_in_the_table(tmp_path: Path) -> None:
    """Stopping in the middle of a request: the row stays, with a later time."""

    async def hang(exchange: Exchange) -> None:
        while await exchange.request() is not None:
            pass

    async def story() -> None:
        async with receive(hang) as receiver, house_at(receiver, "sqlite", tmp_path) as house:
            async with sending(house):
                for n in range(12):
                    await house.sent(f"a{n}", text=f"{n}")
                    assert await house.report(Report(f"a{n}"))
                await until(lambda: len(receiver.requests) > 0)
            assert len(await house.callbacks.read_due(FAR, 0, 99)) == 12

    asyncio.run(story())
