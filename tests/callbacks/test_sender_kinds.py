"""What goes over the wire of statuses, incoming texts and calls; outages and restarts (callbacks/sender.py)."""

import asyncio
import hashlib
import hmac
import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
from tests.callbacks.receivers import Exchange, answer_all, receive, until
from tests.callbacks.sending import (
    ERROR,
    FAR,
    bodies,
    emptied,
    events,
    expired_then_delivered,
    forms,
    header,
    house_at,
    receive_text,
    sending,
    told,
)
from tests.databases import BACKENDS
from tests.house import Report

from heliograph.services import callback_keys
from heliograph.store.database import Query, Step

both = pytest.mark.parametrize("backend", BACKENDS)
SECRET = "s3cret-Key_1"


@both
def test_three_kinds_of_news_arrive(backend: str, tmp_path: Path) -> None:
    """Told apart as the reference says: by ``mes`` and ``waitcall``."""

    async def story() -> None:
        async with receive() as receiver, house_at(receiver, backend, tmp_path) as house:
            message = await house.sent("a1")
            assert await house.report(Report("a1"))
            for text in ("Да, хочу", "call"):
                await receive_text(house, text)
            extra = Query("test.call", """UPDATE inbound SET extra = '{"call":true}' WHERE text = 'call'""", 0)
            await house.db.transact([Step(extra, [()])])
            async with sending(house):
                await emptied(house)
            numbers, found = zip(
                *sorted(zip(events(receiver), forms(receiver), strict=True), key=lambda pair: pair[0]), strict=True
            )
            assert [("mes" in form, "waitcall" in form) for form in found] == [(0, 0), (1, 0), (0, 1)]
            assert (found[1]["sms_id"], found[1]["mes"], found[1]["smsc"]) == (message.id, "Да, хочу", "7916")
            assert found[2].keys() == {"waitcall", "phone", "ts"}
            assert [event[2].split(":")[0] for event in await house.db.all("events.of", -1)] == [
                f"status 0, event {numbers[1]}"
            ]

    asyncio.run(story())


def test_address_of_the_reference_on_the_wire(tmp_path: Path) -> None:
    """What stands before ``?`` is the request line, what stands behind it is in the body, the secret nowhere."""

    async def story() -> None:
        tail = f"/cb!tok=9&v=2?charset=utf-8&fmt=3&md5={SECRET}&src=smsc"
        async with receive() as receiver, house_at(receiver, "sqlite", tmp_path, tail) as house, sending(house):
            message = await house.sent("a1")
            assert await house.report(Report("a1"))
            await emptied(house)
            (request,) = receiver.requests
            assert request.startswith(b"POST /cb?tok=9&v=2 HTTP/1.1\r\n") and SECRET.encode() not in request
            assert header(request, "Content-Type") == "application/json; charset=utf-8"
            found = json.loads(bodies(receiver)[0])
            wanted = hashlib.md5(f"{message.id}:{message.phone}:1:{SECRET}".encode()).hexdigest()
            assert (found["md5"], found["src"], found["id"], found["status"]) == (wanted, "smsc", int(message.id), 1)
            assert (await house.events(message))[-1] == "callback"

    asyncio.run(story())


def test_xml_of_an_incoming_text_on_the_wire(tmp_path: Path) -> None:
    """Incoming texts obey the same address."""

    async def story() -> None:
        async with receive() as receiver, house_at(receiver, "sqlite", tmp_path, "/?fmt=2") as house, sending(house):
            await house.sent("a1")
            await receive_text(house, "Привет <b>")
            await emptied(house)
            assert header(receiver.requests[0], "Content-Type") == "application/xml; charset=windows-1251"
            assert ElementTree.fromstring(bodies(receiver)[0]).findtext("mes") == "Привет <b>"

    asyncio.run(story())


class Plain:
    """Seals nothing: the house reads keys as they stand in the store."""

    def seal(self, text: str) -> str:
        return text

    def unseal(self, text: str) -> str:
        return text


def test_signed_with_both_keys_while_they_change(tmp_path: Path) -> None:
    """A handler that knows only the old key, or only the new one, finds its own."""

    async def story() -> None:
        async with receive() as receiver, house_at(receiver, "sqlite", tmp_path) as house:
            plain = Plain()
            for key in ("the-first-key-of-two", "the-second-key-of-two"):
                await callback_keys.add(house.db, plain, "shop", key)  # type: ignore[arg-type]
            await house.snapshots.refresh()
            async with sending(house):
                await house.sent("a1")
                assert await house.report(Report("a1"))
                await emptied(house)
            stamp, *marks = header(receiver.requests[0], "X-Heliograph-Signature").split(",")
            signed = f"{stamp.removeprefix('t=')}.".encode() + bodies(receiver)[0]
            assert marks == [
                f"v1={hmac.new(key, signed, hashlib.sha256).hexdigest()}"
                for key in (b"the-second-key-of-two", b"the-first-key-of-two")
            ]
            assert int(stamp.removeprefix("t=")) == house.now // 1000

    asyncio.run(story())


def test_no_key_no_signature(tmp_path: Path) -> None:
    """An empty key would look like safety."""

    async def story() -> None:
        async with receive() as receiver, house_at(receiver, "sqlite", tmp_path) as house, sending(house):
            await house.sent("a1")
            assert await house.report(Report("a1"))
            await emptied(house)
            assert b"X-Heliograph-Signature" not in receiver.requests[0]

    asyncio.run(story())


def test_redirects_are_not_followed(tmp_path: Path) -> None:
    """A handler must not lead the server to where it may not call."""

    async def script(exchange: Exchange) -> None:
        where = b"http://127.0.0.1:1/"
        await answer_all(exchange, b"HTTP/1.1 302 Found\r\nLocation: " + where + b"\r\nContent-Length: 0\r\n\r\n")

    async def story() -> None:
        async with receive(script) as receiver, house_at(receiver, "sqlite", tmp_path) as house:
            async with sending(house) as sender:
                message = await house.sent("a1")
                assert await house.report(Report("a1"))
                await until(lambda: len(receiver.requests) == 1 and sender.held == 0)
            (row,) = await house.callbacks.read_due(FAR, 0, 9)
            story = await house.db.all("events.of", message.int_id)
            assert row.tries == 1 and "302" in story[-1][2]

    asyncio.run(story())


@both
def test_newer_news_waits_for_older_after_a_restart(backend: str, tmp_path: Path) -> None:
    """Memory has forgotten that "expired" is to be told again: "delivered" must not overtake it all the same."""

    async def story() -> None:
        answers = [ERROR]

        async def script(exchange: Exchange) -> None:
            while await exchange.request() is not None:
                exchange.writer.write(answers[0])

        async with receive(script) as receiver, house_at(receiver, backend, tmp_path) as house:
            await house.set_carrier(failover="refused")
            message = await house.sent("a1")
            async with sending(house) as sender:
                assert await house.report(Report("a1", 3))
                await until(lambda: sender.held == 0 and len(receiver.requests) == 1)
            answers[0] = answers[0].replace(b"500 Oops", b"200 OK")
            next_one = await house.restart(1_000)
            async with sending(next_one) as sender:
                await next_one.sent("b1", text="b")
                assert await next_one.report(Report("a1", 1)) and await next_one.report(Report("b1"))
                await until(lambda: len(receiver.requests) == 2)
                await asyncio.sleep(0.05)
                assert [status for id_, status in told(receiver) if id_ == message.id] == [3]
                next_one.now += 240_000
                sender.look()
                await emptied(next_one)
                assert [status for id_, status in told(receiver) if id_ == message.id] == [3, 3, 1]

    asyncio.run(story())


@both
def test_handler_that_was_down_for_three_hours_gets_everything_in_order(backend: str, tmp_path: Path) -> None:
    """45 repeats of 50 are not yet the end; of each message the older news comes first, and nothing comes twice."""

    async def story() -> None:
        async with receive() as receiver:
            port = receiver.port
        async with house_at(receiver, backend, tmp_path) as house, sending(house, most_held=60) as sender:
            messages = [await expired_then_delivered(house, f"a{n}") for n in range(20)]
            for n in range(20):
                await receive_text(house, f"{n}")
            for _ in range(44):
                house.now += 240_000
                sender.look()
                await until(lambda: not sender.reader.is_reading and sender._client.in_flight == 0)
            assert len(await house.callbacks.read_due(FAR, 0, 99)) == 60
            async with receive(port=port) as healthy:
                house.now += 240_000
                sender.look()
                async with asyncio.timeout(20):
                    while await house.callbacks.read_due(FAR, 0, 1):
                        house.now += 60_000
                        sender.look()
                        await asyncio.sleep(0.01)
                for message in messages:
                    assert [status for id_, status in told(healthy) if id_ == message.id] == [3, 1]
                assert sorted(int(form["mes"]) for form in forms(healthy) if "mes" in form) == list(range(20))
                assert len(set(events(healthy))) == len(healthy.requests) == 60

    asyncio.run(story())


@both
def test_order_holds_when_memory_cannot_remember_all_that_failed(backend: str, tmp_path: Path) -> None:
    """A handler that answers 500 for a day to millions of calls: memory stays small, the table is asked instead."""

    async def story() -> None:
        answers = [ERROR]

        async def script(exchange: Exchange) -> None:
            while await exchange.request() is not None:
                exchange.writer.write(answers[0])

        async with (
            receive(script) as receiver,
            house_at(receiver, backend, tmp_path) as house,
            sending(house, most_stalled=2) as sender,
        ):
            await house.set_carrier(failover="refused")
            messages = [await house.sent(f"a{n}", text=f"{n}") for n in range(6)]
            for n in range(6):
                assert await house.report(Report(f"a{n}", 3))
            await until(lambda: len(receiver.requests) == 6 and sender.held == 0)
            for n in range(6):
                assert await house.report(Report(f"a{n}", 1))
            await asyncio.sleep(0.1)
            assert {status for _, status in told(receiver)} == {3} and len(sender.stalled) <= 8
            answers[0] = answers[0].replace(b"500 Oops", b"200 OK")
            house.now += 240_000
            sender.look()
            async with asyncio.timeout(10):
                await emptied(house)
            for message in messages:
                assert [status for id_, status in told(receiver) if id_ == message.id] == [3, 3, 1]

    asyncio.run(story())
