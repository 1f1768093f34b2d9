"""What SMPP sessions are tested with: owners that remember, a listening server, and a peer that writes any octets."""

import asyncio
from collections.abc import Awaitable, Callable

from heliograph.wire.smpp import codec, statuses, tables
from heliograph.wire.smpp.contract import OnBind, Settings
from heliograph.wire.smpp.endpoints import Listener, connect, listen
from heliograph.wire.smpp.pdus import Pdu
from heliograph.wire.smpp.session import Session


class Owner:
    """A peer that remembers what it was told and answers every request at once unless told to hold."""

    def __init__(self, *, hold: bool = False) -> None:
        self.hold = hold
        self.seen: list[Pdu] = []
        self.events: list[str] = []
        self.sessions: list[Session] = []
        self.changed = asyncio.Event()

    def bound(self, session: Session) -> None:
        self.sessions.append(session)
        self.note("bound")

    def pdu(self, session: Session, pdu: Pdu) -> None:
        self.seen.append(pdu)
        self.note(pdu.name)
        if pdu.short_message == b"fail":
            raise RuntimeError("the owner's mistake")
        if not self.hold:
            session.answer(pdu, message_id=str(len(self.seen)))

    def ready(self, session: Session) -> None:
        self.note("ready")

    def closed(self, session: Session, reason: str) -> None:
        self.note(f"closed: {reason}")

    def note(self, event: str) -> None:
        self.events.append(event)
        self.changed.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for a condition that some event makes true."""
        async with asyncio.timeout(5):
            while not condition():
                self.changed.clear()
                await self.changed.wait()


def submit(text: bytes = b"hi") -> Pdu:
    return Pdu(tables.SUBMIT_SM, source_addr="ACME", destination_addr="79991234567", short_message=text)


def accept(session: Session, pdu: Pdu) -> int:
    """The plainest bind callback."""
    return statuses.ESME_ROK if pdu.password == "secret" else statuses.ESME_RINVPASWD


def dialogue(
    talk: Callable[[Owner, Listener], Awaitable[None]],
    *,
    settings: Settings | None = None,
    on_bind: OnBind = accept,
    hold: bool = False,
) -> Owner:
    """Run `talk` against a listening server and return the server's owner."""

    async def run() -> Owner:
        owner = Owner(hold=hold)
        listener = await listen("127.0.0.1", 0, owner, on_bind, settings)
        try:
            await asyncio.wait_for(talk(owner, listener), 10)
        finally:
            await listener.stop()
        return owner

    return asyncio.run(run())


async def bound(
    listener: Listener,
    owner: Owner | None = None,
    settings: Settings | None = None,
    kind: int = tables.BIND_TRANSCEIVER,
) -> Session:
    session = await connect(*listener.address, owner or Owner(), settings)
    answer = await session.bind(kind, "acme", "secret")
    assert answer.status == statuses.ESME_ROK
    return session


class Raw:
    """A peer that writes octets of any sort and reads whole PDUs."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def open(cls, listener: Listener, *, bind: bool = True) -> "Raw":
        raw = cls(*await asyncio.open_connection(*listener.address))
        if bind:
            raw.writer.write(codec.encode(Pdu(tables.BIND_TRANSCEIVER, sequence=1, system_id="a", password="secret")))
            assert (await raw.read()).status == statuses.ESME_ROK
        return raw

    async def read(self) -> Pdu:
        head = await self.reader.readexactly(4)
        return codec.decode(head + await self.reader.readexactly(int.from_bytes(head, "big") - 4))

    async def ended(self) -> bool:
        """Whether the other side has closed, possibly rudely."""
        try:
            return await self.reader.read(1) == b""
        except ConnectionError:
            return True

    async def close(self) -> None:
        self.writer.close()
        try:
            await self.writer.wait_closed()
        except ConnectionError:
            pass
