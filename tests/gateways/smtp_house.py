"""The mail door on a real store, and clients for it."""

import asyncio
import smtplib
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

from tests.house import House, open_house

from heliograph.gateways.postroom import Postroom
from heliograph.gateways.smtp import SmtpDoor, SmtpLimits
from heliograph.gateways.tls import Certificate
from heliograph.services import accounts
from heliograph.services.credentials import Credentials
from heliograph.services.guard import Guard

KEY = "mail-key-0123456789"
PASSWORD = "secret-word-1"
SEND = "send@send.example.ru"
Result = TypeVar("Result")


class MailHouse:
    """A door, the store behind it, and where it listens."""

    def __init__(self, house: House, limits: SmtpLimits | None, **options: Any) -> None:
        self.house = house
        self.credentials = Credentials(house.snapshots)
        self.guard = Guard(house.snapshots)
        clock = lambda: house.now  # noqa: E731 - a clock that the test moves
        self.postroom = Postroom(house.desk, self.credentials, self.guard, house.submitting, clock)
        self.door = SmtpDoor(self.postroom, self.guard, clock, limits=limits, **options)
        self.address = ("", 0)

    async def call(self, work: Callable[[smtplib.SMTP], Result], context: ssl.SSLContext | None = None) -> Result:
        """What a blocking client sees, greeted and at the end quit; with a context TLS from the first byte."""

        def talk() -> Result:
            host, port = self.address
            kind = smtplib.SMTP_SSL if context else smtplib.SMTP
            more = {"context": context} if context else {}
            client = kind(host, port, local_hostname="client", timeout=10, **more)  # type: ignore[arg-type]
            try:
                client.ehlo()
                return work(client)
            finally:
                client.close()

        return await asyncio.to_thread(talk)

    async def mail(self, letter: bytes | str, to: str = SEND) -> tuple[int, bytes]:
        """Bring one letter; the answer to it, or the first refusal."""
        raw = letter.encode("koi8-r") if isinstance(letter, str) else letter

        def send(client: smtplib.SMTP) -> tuple[int, bytes]:
            client.mail("a@example.ru")
            code, words = client.rcpt(to)
            return (code, words) if code != 250 else client.data(raw)

        return await self.call(send)

    async def raw(self, *said: bytes) -> bytes:
        """Everything that is answered to octets as they are, until the server ends it or says no more for a while."""
        reader, writer = await asyncio.open_connection(*self.address)
        for each in said:
            writer.write(each)
            await writer.drain()
        answer = b""
        try:
            async with asyncio.timeout(5):
                while more := await reader.read(65536):
                    answer += more
        finally:
            writer.close()
        return answer


@asynccontextmanager
async def open_mail(
    backend: str,
    tmp_path: Path,
    *,
    limits: SmtpLimits | None = None,
    pair: Any = None,
    implicit: bool = False,
    **options: Any,
) -> AsyncIterator[MailHouse]:
    """The account "shop" with a key and a password, and a door on loopback."""
    async with open_house(backend, tmp_path) as house:
        db: Any = house.db
        await accounts.create_key(db, "shop", key=KEY, now_ms=house.now)
        await accounts.add_password(db, "shop", PASSWORD, now_ms=house.now)
        await house.snapshots.refresh()
        mail = MailHouse(house, limits, **options)
        certificate = Certificate(*pair) if pair else None
        mail.address = await mail.door.start("127.0.0.1", 0, certificate, implicit=implicit)
        try:
            yield mail
        finally:
            await mail.door.stop(2.0)
            mail.credentials.close()
