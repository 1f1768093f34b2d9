"""Customers on SMPP with the whole program: a foreign client, a customer who is away, the program killed (design section 6)."""

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest
import smpplib.client
import smpplib.consts
import smpplib.gsm
from tests.flows.rig import LOGIN, MONEY, PRICE, Carrier, Program, prepare, read_books, until
from tests.gateways.smpp_house import Client, make_bind, make_submit

from heliograph.services import accounts
from heliograph.store.opening import open_database
from heliograph.wire.smpp import tables

PASSWORD = "smpp1234"
ENVIRONMENT = {"HELIOGRAPH_SMPP_LISTEN": "127.0.0.1:0", "HELIOGRAPH_SMPP_ANSWER_S": "2"}
TEXT = "Ваш заказ 1512 собран и ждёт вас по адресу: Тверская улица, дом 7, с 9 до 21 часа. " * 2


async def prepare_customer(database: str, program: Program, carrier: Carrier, **settings: str) -> None:
    """A store with an account that may bind."""
    # What was written and never answered goes again at once: the test does not wait a day for its receipt.
    await prepare(database, program.data, carrier.port, carrier={"unsure": "again"})
    db = await open_database(database)
    try:
        await accounts.set_settings(db, LOGIN, {"smpp": "yes", "smpp_addresses": "127.0.0.1", **settings})
        await accounts.add_password(db, LOGIN, PASSWORD, now_ms=1, kind=accounts.SMPP)
    finally:
        await db.close()


async def find_port(program: Program) -> int:
    """Where the SMPP door listens; the line comes behind that of the HTTP door."""
    assert program.process is not None and program.process.stdout is not None
    line = (await program.process.stdout.readline()).decode()
    found = re.search(r"smpp://127\.0\.0\.1:(\d+)/", line)
    assert found, line
    return int(found[1])


async def bind(port: int, command_id: int = tables.BIND_TRANSCEIVER) -> Client:
    """A session of ours."""
    client = Client()
    await asyncio.get_running_loop().create_connection(lambda: client, "127.0.0.1", port)
    answer = await client.ask(make_bind(command_id, system_id=LOGIN, password=PASSWORD))
    assert answer.status == 0
    return client


def use_foreign_client(port: int, lenient: bool) -> tuple[list[str], list[bytes]]:
    """What smpplib makes of it: ids of the parts, and the receipts, until all are there."""
    ids: list[str] = []
    receipts: list[bytes] = []
    client = smpplib.client.Client("127.0.0.1", port, timeout=10, allow_unknown_opt_params=lenient)
    client.set_message_sent_handler(lambda pdu: ids.append(pdu.message_id.decode()))

    def take(pdu: Any) -> int:
        receipts.append(pdu.short_message)
        return 0

    client.set_message_received_handler(take)
    client.connect()
    client.bind_transceiver(system_id=LOGIN, password=PASSWORD)
    parts, coding, esm_class = smpplib.gsm.make_parts(TEXT)
    for part in parts:
        client.send_message(
            source_addr_ton=smpplib.consts.SMPP_TON_ALNUM,
            source_addr="FLOW",
            dest_addr_ton=smpplib.consts.SMPP_TON_INTL,
            destination_addr="79161234567",
            short_message=part,
            data_coding=coding,
            esm_class=esm_class,
            registered_delivery=True,
        )
    while len(receipts) < len(parts):
        client.read_once(auto_send_enquire_link=False)
    client.unbind()
    client.disconnect()
    return ids, receipts


@pytest.mark.parametrize("fields", ["yes", "no"])
def test_foreign_client_sends_a_long_text_and_has_its_receipts(backend_url: str, tmp_path: Path, fields: str) -> None:
    """Parts of a Cyrillic text: one text at the carrier, one charge, a receipt for each part. As it comes, this library
    takes no optional fields beyond the standard."""

    async def story() -> None:
        async with Carrier() as carrier:
            program = Program(tmp_path, database=backend_url, environment=ENVIRONMENT)
            await prepare_customer(backend_url, program, carrier, smpp_fields=fields)
            async with program:
                ids, receipts = await asyncio.to_thread(use_foreign_client, await find_port(program), fields == "yes")
                assert [record.whole for record in carrier.records][-1] == TEXT
                told = [re.match(rb"id:(\d+) .* stat:DELIVRD err:000", text) for text in receipts]
                assert [found and found[1].decode() for found in told] == ids
                assert await program.stop() == 0
            books = await read_books(backend_url)
            assert list(books.messages) == [TEXT]
            assert books.balance == MONEY - len(ids) * PRICE and books.faults == ()

    asyncio.run(story())


def test_receipts_wait_for_a_customer_who_is_away(backend_url: str, tmp_path: Path) -> None:
    """Sent by a transmitter that leaves; told at the next bind, after a restart."""

    async def story() -> None:
        async with Carrier() as carrier:
            program = Program(tmp_path, database=backend_url, environment=ENVIRONMENT)
            await prepare_customer(backend_url, program, carrier)
            async with program:
                client = await bind(await find_port(program), tables.BIND_TRANSMITTER)
                sent = {(await client.ask(make_submit(text=b"t%d" % n))).message_id for n in range(10)}
                client.close()
                db = await open_database(backend_url)

                async def kept() -> bool:
                    return [row[1] for row in await db.all("deliveries.count")] == [10]

                await until(kept)
                await program.stop()
                await program.start()
                receiver = await bind(await find_port(program), tables.BIND_RECEIVER)
                told = await receiver.news(10)
                assert {pdu.tlvs[0x001E][:-1].decode() for pdu in told} == sent

                async def empty() -> bool:
                    return await db.all("deliveries.count") == []

                await until(empty)
                await db.close()

    asyncio.run(story())


class _Customer:
    """Sends texts whatever happens, and notes ids that were answered and receipts that were acknowledged."""

    def __init__(self) -> None:
        self.sent = 0
        self.answered: set[str] = set()
        self.told: dict[str, set[bytes]] = {}

    async def go_on(self, client: Client, count: int) -> None:
        """So many texts with a window of ten; ends early when the connection does."""
        try:
            for _ in range(0, count, 10):
                numbers = []
                for _ in range(10):
                    self.sent += 1
                    numbers.append(client.request(make_submit(f"7916123{self.sent:04d}", b"k%d" % self.sent)))
                for number in numbers:
                    answer = await client.answer(number)
                    assert answer.status == 0
                    self.answered.add(answer.message_id)
        except AssertionError:
            assert client.closed.is_set()

    def note(self, client: Client) -> None:
        """Take over what was told."""
        for pdu in client.delivered:
            self.told.setdefault(pdu.tlvs[0x001E][:-1].decode(), set()).add(pdu.short_message)


def test_no_receipt_is_lost_when_the_program_is_killed(backend_url: str, tmp_path: Path) -> None:
    """Three kills in the middle of texts and receipts; all that was answered is told in the end, repeats word by word."""

    async def story() -> None:
        async with Carrier() as carrier:
            program = Program(tmp_path, database=backend_url, environment=ENVIRONMENT)
            await prepare_customer(backend_url, program, carrier)
            customer = _Customer()
            async with program:
                for pause_s in (0.05, 0.12, 0.2):
                    client = await bind(await find_port(program))
                    work = asyncio.create_task(customer.go_on(client, 400))
                    await asyncio.sleep(pause_s)
                    await program.kill()
                    await work
                    await client.closed.wait()
                    customer.note(client)
                    await program.start()
                assert customer.answered
                client = await bind(await find_port(program))

                def all_told() -> bool:
                    customer.note(client)
                    return customer.answered <= customer.told.keys()

                await until(all_told)
                assert {len(texts) for texts in customer.told.values()} == {1}

    asyncio.run(story())
