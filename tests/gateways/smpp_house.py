"""The SMPP door on loopback over a real store, and a client of our own to talk to it PDU by PDU."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.house import House, open_house

from heliograph.gateways.smpp import Limits, SmppDoor
from heliograph.gateways.smpp_orders import Orders
from heliograph.gateways.smpp_submits import Submits
from heliograph.services import accounts
from heliograph.services.credentials import Credentials
from heliograph.services.deliveries import Deliveries
from heliograph.services.guard import Guard
from heliograph.services.pieces import Pieces
from heliograph.wire.smpp import codec, tables
from heliograph.wire.smpp.pdus import Pdu

PASSWORD = "secret12"
SETTINGS = {"smpp": "yes", "smpp_addresses": "127.0.0.0/8"}


class Door:
    """A house with the SMPP door open."""

    def __init__(self, house: House, limits: Limits | None = None, incomplete_ms: int = 300_000) -> None:
        self.house = house
        self.guard = Guard(house.snapshots)
        self.credentials = Credentials(house.snapshots)
        self.pieces = Pieces(house.desk)
        self.submits = Submits(house.desk, house.submitting, self.pieces, self.clock_ms, incomplete_ms)
        self.deliveries = Deliveries(house.desk)
        self.door = SmppDoor(
            house.snapshots,
            self.credentials,
            self.guard,
            self.submits,
            self.pieces,
            self.deliveries,
            Orders(house.statuses, house.spawn, self.clock_ms),
            house.spawn,
            self.clock_ms,
            limits,
        )
        house.desk.batch.watch["deliveries.add"] = self.door.customers.take
        self.port = 0

    def clock_ms(self) -> int:
        """The time of the house."""
        return self.house.now

    async def open(self) -> None:
        """Listen."""
        await self.door.open()
        _, self.port = await self.door.start("127.0.0.1", 0)

    async def close(self) -> None:
        """End everything."""
        await self.door.stop(1.0)
        self.credentials.close()
        await asyncio.gather(*self.house.tasks)
        await self.house.desk.batch.settle()

    async def connect(self) -> "Client":
        """A connection that is not bound."""
        client = Client()
        await asyncio.get_running_loop().create_connection(lambda: client, "127.0.0.1", self.port)
        return client

    async def bind(self, command_id: int = tables.BIND_TRANSCEIVER, **more: Any) -> "Client":
        """A bound client."""
        client = await self.connect()
        answer = await client.ask(make_bind(command_id, **more))
        assert answer.status == 0, answer
        return client


class Client(asyncio.Protocol):
    """Writes PDUs and keeps what comes back; acknowledges every deliver_sm unless told otherwise."""

    def __init__(self) -> None:
        self.came: list[Pdu] = []
        self.delivered: list[Pdu] = []
        self.status: Callable[[Pdu], int | None] = lambda pdu: 0
        self.closed = asyncio.Event()
        self._news = asyncio.Event()
        self._rest = b""
        self._sequence = 0
        self.transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed.set()
        self._news.set()

    def data_received(self, data: bytes) -> None:
        data = self._rest + data
        start = 0
        while (length := codec.measure(data, start)) and start + length <= len(data):
            pdu = codec.decode(data, start, start + length)
            start += length
            if pdu.command_id == tables.DELIVER_SM:
                self.delivered.append(pdu)
                status = self.status(pdu)
                if status is not None:
                    self.write(Pdu(tables.DELIVER_SM_RESP, status, pdu.sequence))
            else:
                self.came.append(pdu)
        self._rest = data[start:]
        self._news.set()

    def write(self, pdu: Pdu) -> None:
        """One PDU."""
        self.transport.write(codec.encode(pdu))

    def request(self, pdu: Pdu) -> int:
        """One PDU with a sequence number of its own, which is given back."""
        self._sequence += 1
        pdu.sequence = self._sequence
        self.write(pdu)
        return self._sequence

    async def ask(self, pdu: Pdu) -> Pdu:
        """A request and its answer."""
        return await self.answer(self.request(pdu))

    async def answer(self, sequence: int) -> Pdu:
        """The answer to a request."""
        return await self.until(lambda: next((pdu for pdu in self.came if pdu.sequence == sequence), None))

    async def until(self, find: Callable[[], Any]) -> Any:
        """What ``find`` gives, as soon as it gives something."""
        async with asyncio.timeout(10):
            while not (found := find()):
                assert not self.closed.is_set(), "the connection was closed"
                self._news.clear()
                await self._news.wait()
        return found

    async def news(self, count: int) -> list[Pdu]:
        """The first so many deliver_sm."""
        await self.until(lambda: len(self.delivered) >= count)
        return self.delivered[:count]

    def close(self) -> None:
        """Hang up."""
        self.transport.close()


def make_bind(command_id: int = tables.BIND_TRANSCEIVER, **more: Any) -> Pdu:
    """A bind of the account "shop"."""
    return Pdu(command_id, **{"system_id": "shop", "password": PASSWORD, "interface_version": 0x34, **more})


def make_submit(phone: str = "79161234567", text: bytes = b"hello", **more: Any) -> Pdu:
    """A submit_sm."""
    values = {"destination_addr": phone, "short_message": text, "source_addr": "Shop", "registered_delivery": 1}
    return Pdu(tables.SUBMIT_SM, **{**values, **more})


@asynccontextmanager
async def open_door(
    backend: str, tmp_path: Path, limits: Limits | None = None, *, incomplete_ms: int = 300_000, **settings: str
) -> AsyncIterator[Door]:
    """The house of tests/house.py with the door open; "shop" has a password for SMPP."""
    async with open_house(backend, tmp_path, **{**SETTINGS, **settings}) as house:
        await accounts.add_password(house.db, "shop", PASSWORD, now_ms=house.now, kind="smpp")  # type: ignore[arg-type]
        await house.snapshots.refresh()
        door = Door(house, limits, incomplete_ms)
        await door.open()
        try:
            yield door
        finally:
            await door.close()
