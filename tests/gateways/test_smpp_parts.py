"""Long texts that come in parts over SMPP (spec protocols 5.3)."""

import asyncio
from pathlib import Path

import pytest
from tests.databases import BACKENDS
from tests.gateways.smpp_house import Door, make_submit, open_door
from tests.house import PRICE, SCALE, Answer, Report

from heliograph.wire.smpp import statuses
from heliograph.wire.smpp.pdus import Pdu

TEXT = "Заказ 1512 собран и ждёт вас по адресу Тверская, 7. " * 3 + "😀"


def parts_of(text: str = TEXT, reference: int = 7, size: int = 67, **more: object) -> list[Pdu]:
    """A text in UCS-2 with headers; the last character may lie on a border."""
    octets = text.encode("utf-16-be")
    chunks = [octets[start : start + 2 * size] for start in range(0, len(octets), 2 * size)]
    return [
        make_submit(
            text=bytes((5, 0, 3, reference, len(chunks), number)) + chunk, data_coding=8, esm_class=0x40, **more
        )
        for number, chunk in enumerate(chunks, 1)
    ]


async def deliver(door: Door, int_id: int) -> None:
    """The carrier takes the text in parts and delivers it."""
    held = door.house.desk.messages[int_id]
    answers = [Answer("accepted", f"c{number}") for number in range(held.parts)]
    await door.house.answer(await door.house.start(held), *answers)
    for number in range(held.parts):
        await door.house.report(Report(f"c{number}"))


@pytest.mark.parametrize("backend", BACKENDS)
def test_parts_become_one_text_with_one_charge_and_a_receipt_each(backend: str, tmp_path: Path) -> None:
    """A client with a window of one sends each part after the answer to the one before."""

    async def story() -> None:
        async with open_door(backend, tmp_path) as door:
            client = await door.bind()
            ids = []
            for part in parts_of():
                answer = await client.ask(part)
                assert answer.status == 0
                ids.append(int(answer.message_id))
            assert len(set(ids)) == len(ids) == 3
            message = await door.house.row(ids[-1])
            assert (message.text, message.parts, message.cost) == (TEXT, 3, 3 * PRICE)
            assert await door.house.balance() == 1000 * SCALE - 3 * PRICE
            await deliver(door, ids[-1])
            receipts = await client.news(3)
            assert [int(pdu.tlvs[0x001E][:-1]) for pdu in receipts] == ids
            assert [pdu.tlvs[0x2000] for pdu in receipts] == [b"1.5000\0"] * 3
            assert len(await door.house.stored()) == 1

    asyncio.run(story())


@pytest.mark.parametrize("backend", BACKENDS)
def test_parts_outlive_a_crash(backend: str, tmp_path: Path) -> None:
    """A part that was answered is on disk: after a restart the last one completes the text."""

    async def story() -> None:
        async with open_door(backend, tmp_path) as door:
            client = await door.bind()
            first, second, third = parts_of()
            ids = [int((await client.ask(part)).message_id) for part in (second, first)]
            client.close()
            await client.closed.wait()
            again = Door(await door.house.restart())
            await again.open()
            client = await again.bind()
            ids.append(int((await client.ask(third)).message_id))
            assert len(set(ids)) == 3
            assert (await again.house.row(ids[-1])).text == TEXT
            assert await again.house.db.all("pieces.waiting") == []
            await again.close()

    asyncio.run(story())


def test_parts_sent_at_once_are_one_text(tmp_path: Path) -> None:
    """With a wide window the last part comes before the others are on disk."""

    async def story() -> None:
        async with open_door("sqlite", tmp_path) as door:
            client = await door.bind()
            numbers = [client.request(part) for part in parts_of()]
            answers = [await client.answer(number) for number in numbers]
            assert [answer.status for answer in answers] == [0, 0, 0]
            assert [row.text for row in await door.house.stored()] == [TEXT]
            assert await door.house.db.all("pieces.waiting") == []

    asyncio.run(story())


def test_part_that_comes_twice_keeps_its_id(tmp_path: Path) -> None:
    """A client that had no answer sends it again; the text must not have it twice."""

    async def story() -> None:
        async with open_door("sqlite", tmp_path) as door:
            client = await door.bind()
            first, second, third = parts_of()
            one, two = await client.ask(first), await client.ask(first)
            assert one.message_id == two.message_id
            assert [(await client.ask(part)).status for part in (second, third)] == [0, 0]
            assert [row.text for row in await door.house.stored()] == [TEXT]

    asyncio.run(story())


@pytest.mark.parametrize("backend", BACKENDS)
def test_whole_that_is_refused_ends_its_parts_with_receipts(backend: str, tmp_path: Path) -> None:
    """Parts were accepted before it was known that the money is short; nobody waits for their end in vain."""

    async def story() -> None:
        async with open_door(backend, tmp_path) as door:
            client = await door.bind()
            parts = parts_of("я" * 900)
            await door.house.desk.batch.settle()
            door.house.desk.purses.reserve(door.house.account.id, 1000 * SCALE - PRICE)
            answers = [await client.ask(part) for part in parts]
            assert [answer.status for answer in answers[:-1]] == [0] * (len(parts) - 1)
            assert answers[-1].status == statuses.ESME_RSUBMITFAIL
            receipts = await client.news(len(parts) - 1)
            assert {pdu.tlvs[0x001E][:-1].decode() for pdu in receipts} == {a.message_id for a in answers[:-1]}
            assert {pdu.tlvs[0x0427] for pdu in receipts} == {b"\x08"}

    asyncio.run(story())


@pytest.mark.parametrize(("setting", "sent"), [("refuse", False), ("send", True)])
def test_parts_that_stay_alone_end_as_the_account_is_set(tmp_path: Path, setting: str, sent: bool) -> None:
    """Refused with receipts, or sent as they are."""

    async def story() -> None:
        async with open_door("sqlite", tmp_path, smpp_incomplete=setting) as door:
            client = await door.bind()
            first, second, _ = parts_of()
            ids = [(await client.ask(part)).message_id for part in (first, second)]
            door.submits.sweep(door.house.now + 299_000)
            await door.house.desk.batch.settle()
            assert door.pieces.waiting == 2
            door.submits.sweep(door.house.now + 301_000)
            await door.house.desk.batch.settle()
            assert door.pieces.waiting == 0
            stored = await door.house.stored()
            assert [row.text for row in stored] == ([TEXT[:134]] if sent else [])
            if sent:
                await deliver(door, stored[0].int_id)
            receipts = await client.news(2)
            assert sorted(pdu.tlvs[0x001E][:-1].decode() for pdu in receipts) == ids
            assert {pdu.tlvs[0x0427] for pdu in receipts} == {b"\x02" if sent else b"\x05"}
            assert await door.house.db.all("pieces.waiting") == []

    asyncio.run(story())


def test_reference_that_comes_round_ends_what_was_begun(tmp_path: Path) -> None:
    """Eight bits come round: the parts of the text before must not get into the next one."""

    async def story() -> None:
        async with open_door("sqlite", tmp_path) as door:
            client = await door.bind()
            await client.ask(parts_of("старое " * 20)[0])
            for part in parts_of("новое! " * 20):
                assert (await client.ask(part)).status == 0
            assert [row.text for row in await door.house.stored()] == ["новое! " * 20]
            (receipt,) = await client.news(1)
            assert receipt.tlvs[0x0427] == b"\x05"

    asyncio.run(story())


def test_parts_of_one_account_are_bounded(tmp_path: Path) -> None:
    """Somebody who never completes anything fills neither memory nor disk."""

    async def story() -> None:
        async with open_door("sqlite", tmp_path) as door:
            door.pieces.most_of_account = 3
            client = await door.bind()
            answers = [await client.ask(parts_of(reference=n)[0]) for n in range(4)]
            assert [answer.status for answer in answers] == [0, 0, 0, statuses.ESME_RMSGQFUL]

    asyncio.run(story())
