"""Receipts and incoming texts on their way to customers over SMPP (spec protocols 5.4, 5.5; design section 6, flow D)."""

import asyncio
from pathlib import Path

import pytest
from tests.databases import BACKENDS
from tests.gateways.smpp_house import Client, Door, make_submit, open_door
from tests.house import HANDLER, PHONE, Answer, Report

from heliograph.gateways import smpp_outbox
from heliograph.gateways.smpp import Limits
from heliograph.wire.smpp import statuses, tables
from heliograph.wire.smpp.pdus import Pdu


async def submit(client: Client, text: str = "hello", **more: object) -> int:
    """A text; its id."""
    answer = await client.ask(make_submit(text=text.encode(), **more))
    assert answer.status == 0
    return int(answer.message_id)


async def carry(door: Door, int_id: int, status: int = 1, err: int = 0) -> None:
    """The carrier takes a text and reports its end."""
    held = door.house.desk.messages[int_id]
    await door.house.answer(await door.house.start(held), Answer("accepted", f"c{int_id}"))
    await door.house.report(Report(f"c{int_id}", status, held.phone, err))


async def leave(client: Client) -> None:
    """Hang up, and let the door see it."""
    client.close()
    await client.closed.wait()
    await asyncio.sleep(0.01)


def ids(pdus: list[Pdu]) -> list[int]:
    """Which texts receipts are of."""
    return [int(pdu.tlvs[0x001E][:-1]) for pdu in pdus]


async def left(door: Door) -> int:
    """Rows that still wait."""
    await door.house.desk.batch.settle()
    return sum(row[1] for row in await door.house.db.all("deliveries.count"))


@pytest.mark.parametrize("backend", BACKENDS)
def test_receipts_wait_for_the_next_bind_and_outlive_a_crash(backend: str, tmp_path: Path) -> None:
    """Nobody is bound: they are kept, in their order, over restarts."""

    async def story() -> None:
        async with open_door(backend, tmp_path) as door:
            client = await door.bind(tables.BIND_TRANSMITTER)
            sent = [await submit(client, f"text {n}") for n in range(5)]
            for int_id in sent:
                await carry(door, int_id)
            await leave(client)
            assert await left(door) == 5
            again = Door(await door.house.restart())
            await again.open()
            client = await again.bind(tables.BIND_RECEIVER)
            assert sorted(ids(await client.news(5))) == sent
            await leave(client)
            assert await left(again) == 0
            await again.close()

    asyncio.run(story())


def test_unanswered_receipt_is_repeated_with_the_same_octets(tmp_path: Path) -> None:
    """A client may tell a repeat from another receipt only by its text."""

    async def story() -> None:
        async with open_door("sqlite", tmp_path, Limits(answer_s=0.05, idle_s=0)) as door:
            client = await door.bind()
            silent = iter((None, 0))
            client.status = lambda pdu: next(silent)
            await carry(door, await submit(client))
            first, second = await client.news(2)
            assert (first.short_message, first.tlvs) == (second.short_message, second.tlvs)
            await asyncio.sleep(0.01)
            assert await left(door) == 0

    asyncio.run(story())


def test_receipt_that_was_not_acknowledged_goes_over_another_session(tmp_path: Path) -> None:
    """A connection that is lost takes nothing with it."""

    async def story() -> None:
        async with open_door("sqlite", tmp_path) as door:
            deaf, other = await door.bind(), await door.bind(tables.BIND_RECEIVER)
            deaf.status = other.status = lambda pdu: None
            sent = [await submit(deaf, f"text {n}") for n in range(4)]
            for int_id in sent:
                await carry(door, int_id)
            await deaf.news(2)
            await other.news(2)  # they take turns
            other.status = lambda pdu: 0
            for pdu in other.delivered:
                other.write(Pdu(tables.DELIVER_SM_RESP, 0, pdu.sequence))
            await leave(deaf)
            assert sorted(ids(await other.news(4))) == sent
            await asyncio.sleep(0.01)
            assert await left(door) == 0

    asyncio.run(story())


@pytest.mark.parametrize("answer", [statuses.ESME_RX_T_APPN, statuses.ESME_RMSGQFUL, statuses.ESME_RSYSERR])
def test_refused_for_now_is_brought_again(tmp_path: Path, answer: int) -> None:
    """The client's own trouble costs him no receipt."""

    async def story() -> None:
        async with open_door("sqlite", tmp_path) as door:
            client = await door.bind()
            said = iter((answer, 0))
            client.status = lambda pdu: next(said)
            outbox = door.door.customers.all()[0].outbox
            outbox.first_pause_s = 0.01
            await carry(door, await submit(client))
            await client.news(2)
            await asyncio.sleep(0.01)
            assert await left(door) == 0

    asyncio.run(story())


def test_refused_for_good_is_over(tmp_path: Path) -> None:
    """ESME_RX_P_APPN says never again; the story of the text has it."""

    async def story() -> None:
        async with open_door("sqlite", tmp_path) as door:
            client = await door.bind()
            client.status = lambda pdu: statuses.ESME_RX_P_APPN
            int_id = await submit(client)
            await carry(door, int_id)
            await client.news(1)
            await asyncio.sleep(0.01)
            assert await left(door) == 0
            assert "deliver_sm" in await door.house.events(await door.house.row(int_id))

    asyncio.run(story())


@pytest.mark.parametrize(
    ("registered", "status", "receipts"), [(1, 1, 1), (1, 20, 1), (2, 1, 0), (2, 20, 1), (3, 1, 1), (3, 20, 0)]
)
def test_receipts_are_those_asked_for(tmp_path: Path, registered: int, status: int, receipts: int) -> None:
    """registered_delivery: every end, failures only, deliveries only."""

    async def story() -> None:
        async with open_door("sqlite", tmp_path) as door:
            client = await door.bind()
            await carry(door, await submit(client, registered_delivery=registered), status, 6 if status == 20 else 0)
            if receipts:
                (told,) = await client.news(1)
                assert told.tlvs[0x0427] == (b"\x02" if status == 1 else b"\x05")
                assert (b"err:006" in told.short_message) == (status == 20)
            await asyncio.sleep(0.01)
            assert await left(door) == 0 and len(client.delivered) == receipts

    asyncio.run(story())


def test_without_registered_delivery_the_handler_is_told(tmp_path: Path) -> None:
    """The one or the other, never both (spec management 5.3)."""

    async def story() -> None:
        async with open_door("sqlite", tmp_path, callback_url=HANDLER) as door:
            client = await door.bind()
            for registered, handled in ((0, 1), (1, 1)):
                await carry(door, await submit(client, f"r{registered}", registered_delivery=registered))
                await door.house.desk.batch.settle()
                assert (await door.house.db.one("callbacks.count"))[0] == handled
            assert len(await client.news(1)) == 1

    asyncio.run(story())


def test_steps_before_the_end_are_told_in_their_order(tmp_path: Path) -> None:
    """With 0x10 a text that is with the operator is ENROUTE; its end comes behind, though the first is not acknowledged."""

    async def story() -> None:
        async with open_door("sqlite", tmp_path) as door:
            client = await door.bind()
            client.status = lambda pdu: None
            await carry(door, await submit(client, registered_delivery=0x11))
            (step,) = await client.news(1)
            assert (step.esm_class, step.tlvs[0x0427]) == (0x20, b"\x01")
            client.write(Pdu(tables.DELIVER_SM_RESP, 0, step.sequence))
            _, end = await client.news(2)
            assert (end.esm_class, end.tlvs[0x0427]) == (0x04, b"\x02")

    asyncio.run(story())


def test_more_than_memory_holds_comes_from_the_table(tmp_path: Path) -> None:
    """A client who was away for long, or reads slowly, costs no memory and loses nothing."""

    async def story() -> None:
        async with open_door("sqlite", tmp_path, Limits(deliver_window=3)) as door:
            client = await door.bind(tables.BIND_TRANSMITTER)
            sent = [await submit(client, f"text {n}", phone=f"7916123{n:04d}") for n in range(25)]
            for int_id in sent[:20]:
                await carry(door, int_id)
            receiver = await door.bind(tables.BIND_RECEIVER)
            outbox = door.door.customers.all()[0].outbox
            outbox.most = 4
            for int_id in sent[20:]:
                await carry(door, int_id)
                assert outbox.held <= 20
            assert sorted(ids(await receiver.news(25))) == sent
            await asyncio.sleep(0.01)
            assert await left(door) == 0 and len(receiver.delivered) == 25

    asyncio.run(story())


@pytest.mark.parametrize(("text", "coding"), [("Hello {you}", 0), ("Привет", 8), ("длинный " * 60, 8)])
@pytest.mark.parametrize("system_type", ["", "ISO"])
def test_incoming_texts_come_over_smpp(tmp_path: Path, text: str, coding: int, system_type: str) -> None:
    """Where the account wants it, and long ones whole; an ISO session is never sent coding 0."""

    async def story() -> None:
        settings = {"smpp_incoming": "yes", "smpp_incoming_ids": "yes", "callback_url": HANDLER}
        async with open_door("sqlite", tmp_path, **settings) as door:
            client = await door.bind(system_type=system_type)
            asked = await submit(client, registered_delivery=0)
            await carry(door, asked)
            door.house.incoming.record(1, _Arrival(PHONE, "7000", text), lambda stored: None, door.house.now)
            (told,) = await client.news(1)
            assert (told.esm_class, told.source_addr, told.destination_addr) == (0, PHONE, "7000")
            wanted = 3 if system_type and coding == 0 else coding
            assert told.data_coding == wanted
            codec = {0: "latin-1", 3: "latin-1", 8: "utf-16-be"}[wanted]
            body = told.text.replace(b"\x1b(", b"{").replace(b"\x1b)", b"}") if wanted == 0 else told.text
            assert body.decode(codec) == text
            assert (0x0424 in told.tlvs) == (len(text) > 127)
            assert (told.tlvs[0x2100], told.tlvs[0x2101]) == (b"1\0", b"%d\0" % asked)
            await asyncio.sleep(0.01)
            assert await left(door) == 0
            assert (await door.house.db.one("callbacks.count"))[0] == 1  # the status of the text, to the handler

    asyncio.run(story())


@pytest.mark.parametrize("backend", BACKENDS)
def test_incoming_text_without_fields_of_ours(backend: str, tmp_path: Path) -> None:
    """Unless they are asked for, for clients stumble over what the standard does not know (smpplib)."""

    async def story() -> None:
        async with open_door(backend, tmp_path, smpp_incoming="yes") as door:
            client = await door.bind()
            door.house.incoming.record(1, _Arrival(PHONE, "7000", "shop: hi"), lambda stored: None, door.house.now)
            (told,) = await client.news(1)
            assert (told.short_message, told.tlvs) == (b"hi", {})

    asyncio.run(story())


class _Arrival:
    """An incoming text as a carrier tells it."""

    def __init__(self, phone: str, to_phone: str, text: str) -> None:
        self.phone, self.to_phone, self.text = phone, to_phone, text
        self.sent_ms = self.reference = 0
        self.smsc = ""
        self.total = self.number = 1


def test_number_query_tells_what_it_found(tmp_path: Path) -> None:
    """The receipt of __HLR__ has the fields of the reference, URL-encoded."""

    async def story() -> None:
        async with open_door("sqlite", tmp_path) as door:
            client = await door.bind()
            answer = await client.ask(make_submit(text="__HLR__".encode("utf-16-be"), data_coding=8))
            held = door.house.desk.messages[int(answer.message_id)]
            await door.house.answer(await door.house.start(held), Answer("accepted", "h1"))
            found = {"imsi": "250010", "mcc": "250", "cn": "Russian Federation"}
            await door.house.report(Report("h1", hlr=found))
            (told,) = await client.news(1)
            text = f"id:{answer.message_id} stat:DELIVRD err:000 imsi:250010 mcc:250 cn:Russian+Federation"
            assert told.short_message.decode() == text

    asyncio.run(story())


def test_news_that_nobody_fetches_ends(tmp_path: Path) -> None:
    """After so many days, in portions."""

    async def story() -> None:
        async with open_door("sqlite", tmp_path) as door:
            client = await door.bind(tables.BIND_TRANSMITTER)
            await carry(door, await submit(client))
            await door.deliveries.expire(door.house.now + 6 * 86_400_000)
            assert await left(door) == 1
            await door.deliveries.expire(door.house.now + 8 * 86_400_000)
            await door.pieces.expire(door.house.now + 8 * 86_400_000)
            assert await left(door) == 0

    asyncio.run(story())


def test_pauses_grow_and_have_an_end() -> None:
    """Repeats to a client in trouble become rarer, and never cease."""
    pauses = [smpp_outbox.pause_after(n) for n in range(1, 12)]
    assert pauses[:3] == [5.0, 10.0, 20.0] and pauses[-1] == 300.0
