"""What one client may cost: memory of one who does not read, sessions that do nothing, and TLS (SMPP 3.4, 2.8)."""

import asyncio
import ssl
from pathlib import Path

from tests.gateways.smpp_house import Client, make_bind, make_submit, open_door
from tests.gateways.test_http_tls import write_pair

from heliograph.gateways.smpp import Limits
from heliograph.gateways.tls import Certificate
from heliograph.wire.smpp import codec, tables
from heliograph.wire.smpp.pdus import Pdu


def test_session_whose_window_is_full_is_not_read(tmp_path: Path) -> None:
    """Its own socket holds what it writes too fast, not our memory; all of it is answered in the end."""

    async def story() -> None:
        async with open_door("sqlite", tmp_path, Limits(window=5)) as door:
            client = await door.bind()
            seen = 0
            (customer,) = door.door.customers.all()
            # Of 4 KiB each, so that one read of 256 KiB brings 64 of them and all are five reads.
            padding = {0x1400: b"x" * 4096}
            numbers = [client.request(make_submit(f"7916{n:07d}", b"%d" % n, tlvs=padding)) for n in range(300)]
            while len([pdu for pdu in client.came if pdu.sequence in numbers]) < 300:
                seen = max(seen, customer.waiting)
                await asyncio.sleep(0)
            # What one read has brought is taken; then nothing more is read.
            assert seen <= 5 + 2 * 64
            assert {pdu.status for pdu in client.came} == {0}

    asyncio.run(story())


def test_client_that_does_not_read_is_held_and_dropped(tmp_path: Path) -> None:
    """Answers and receipts that nobody takes must not pile up; the others are served meanwhile."""

    async def story() -> None:
        async with open_door("sqlite", tmp_path, Limits(window=50, answer_s=0.3, idle_s=0)) as door:
            deaf, other = await door.bind(), await door.bind()
            deaf.transport.pause_reading()
            deaf.transport.set_write_buffer_limits(0)
            one = codec.encode(Pdu(tables.ENQUIRE_LINK, 0, 7))
            async with asyncio.timeout(10):
                while not deaf.transport.is_closing() and door.door.sessions == 2:
                    if deaf.transport.get_write_buffer_size() < 1 << 20:
                        deaf.transport.write(one * 20_000)
                    await asyncio.sleep(0.01)
            assert (await other.ask(make_submit())).status == 0
            deaf.transport.abort()

    asyncio.run(story())


def test_door_with_tls_takes_binds(tmp_path: Path) -> None:
    """The same over TLS from the first byte; a client that does not speak it gets nowhere."""

    async def story() -> None:
        async with open_door("sqlite", tmp_path) as door:
            cert, key = write_pair(tmp_path, "smpp")
            _, port = await door.door.start("127.0.0.1", 0, Certificate(cert, key))
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            client = Client()
            loop = asyncio.get_running_loop()
            await loop.create_connection(lambda: client, "127.0.0.1", port, ssl=context)
            assert (await client.ask(make_bind())).status == 0
            assert (await client.ask(make_submit())).status == 0
            plain = Client()
            await loop.create_connection(lambda: plain, "127.0.0.1", port)
            plain.write(make_bind())
            await asyncio.wait_for(plain.closed.wait(), 5)

    asyncio.run(story())
