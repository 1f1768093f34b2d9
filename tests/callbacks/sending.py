"""A house with a running sender and a handler on loopback, for tests of callbacks."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl

from tests.callbacks.receivers import Receiver, opened
from tests.house import NOW, House, Report, open_house

from heliograph.callbacks.client import Client
from heliograph.callbacks.handlers import Handlers
from heliograph.callbacks.sender import Sender

FAR = 2**62
ERROR = b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n"


def bodies(receiver: Receiver) -> list[bytes]:
    """What was sent, in order."""
    return [request.split(b"\r\n\r\n", 1)[1] for request in receiver.requests]


def forms(receiver: Receiver) -> list[dict[str, str]]:
    """What was sent, as PHP reads it."""
    return [dict(parse_qsl(body.decode(), keep_blank_values=True, encoding="cp1251")) for body in bodies(receiver)]


def told(receiver: Receiver) -> list[tuple[str, int]]:
    """Id and status of every status, in order."""
    found = [re.match(r"id=(\w+)&phone=[^&]*&status=(\d+)&", body.decode()) for body in bodies(receiver)]
    return [(each[1], int(each[2])) for each in found if each]


def header(request: bytes, name: str) -> str:
    """A header of a request."""
    return request.split(f"{name}: ".encode())[1].split(b"\r\n")[0].decode()


def events(receiver: Receiver) -> list[int]:
    """The event ids, in order."""
    return [int(header(request, "X-Heliograph-Event")) for request in receiver.requests]


@asynccontextmanager
async def sending(
    house: House,
    client: Client | None = None,
    most_held: int = 20_000,
    most_stalled: int = 20_000,
    handlers: Handlers | None = None,
) -> AsyncIterator[Sender]:
    """A sender as the program builds it."""
    async with opened() as own:
        sender = Sender(
            house.callbacks, client or own, handlers or Handlers(), lambda: house.now, most_held, most_stalled
        )
        house.desk.batch.watch["callbacks.add"] = sender.take
        house.desk.batch.watch["staged.end"] = lambda _: sender.look()
        task = asyncio.create_task(sender.run())
        sender.take([])
        try:
            yield sender
        finally:
            house.desk.batch.watch.clear()
            await sender.stop(0.0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await house.desk.batch.settle()


@asynccontextmanager
async def house_at(
    receiver: Receiver, backend: str, tmp_path: Path, tail: str = "/told", **settings: str
) -> AsyncIterator[House]:
    """A house whose account is told at a receiver."""
    url = f"http://127.0.0.1:{receiver.port}{tail}"
    async with open_house(backend, tmp_path, callback_url=url, **settings) as house:
        yield house


async def emptied(house: House) -> None:
    """Wait until no news is left in the table."""
    while await house.callbacks.read_due(FAR, 0, 1):
        await asyncio.sleep(0.005)


async def expired_then_delivered(house: House, ref: str = "a1") -> Any:
    """A text that expires and is delivered all the same: two pieces of news."""
    await house.set_carrier(failover="refused")
    message = await house.sent(ref, text=ref)
    for status in (3, 1):
        assert await house.report(Report(ref, status))
    return message


async def receive_text(house: House, text: str = "yes", phone: str = "79161234567") -> None:
    """A subscriber's text, stored."""
    arrival = SimpleNamespace(
        phone=phone, to_phone="79037654321", text=text, sent_ms=NOW - 5_000, smsc="7916", reference=0, total=1, number=1
    )
    done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
    house.incoming.record(1, arrival, done.set_result, house.now)  # type: ignore[arg-type]
    assert await done
    await house.desk.batch.settle()
