"""The SMPP door for customers over real sockets (spec protocols 5, spec clients 2.7)."""

import asyncio
from pathlib import Path

import pytest
from tests.databases import BACKENDS
from tests.gateways.smpp_house import make_submit, open_door
from tests.house import Answer, Report

from heliograph.wire.smpp import tables


@pytest.mark.parametrize("backend", BACKENDS)
def test_text_is_on_disk_and_its_receipt_comes_back(backend: str, tmp_path: Path) -> None:
    """The whole round: bind, submit, the carrier's receipt, deliver_sm, acknowledged."""

    async def story() -> None:
        async with open_door(backend, tmp_path) as door:
            client = await door.bind()
            answer = await client.ask(make_submit())
            assert (answer.status, answer.command_id) == (0, tables.SUBMIT_SM_RESP)
            message = await door.house.row(int(answer.message_id))
            assert (message.phone, message.text, message.sender, message.door) == ("79161234567", "hello", "Shop", 3)
            held = door.house.desk.messages[message.int_id]
            await door.house.answer(await door.house.start(held), Answer("accepted", "a1"))
            await door.house.report(Report("a1"))
            (receipt,) = await client.news(1)
            assert receipt.esm_class == 4
            assert (receipt.source_addr, receipt.destination_addr) == ("79161234567", "Shop")
            assert receipt.short_message.startswith(
                f"id:{answer.message_id} sub:001 dlvrd:001 submit date:2609211413 done date:2609211413 "
                "stat:DELIVRD err:000 text:".encode()
            )
            assert receipt.tlvs[0x001E] == answer.message_id.encode() + b"\0"
            assert receipt.tlvs[0x0427] == b"\x02"
            assert receipt.tlvs[0x0423] == b"\x03\x00\x00"
            assert receipt.tlvs[0x2000] == b"1.5000\0"
            assert (receipt.tlvs[0x2001], receipt.tlvs[0x2002]) == (b"\0\0", b"\0\x01")
            client.close()
            await client.closed.wait()
            await door.house.desk.batch.settle()
            assert await door.house.db.all("deliveries.count") == []

    asyncio.run(story())
