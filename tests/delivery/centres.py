"""What the SMPP carrier is tested against: a scripted centre on loopback, and a listener that keeps books."""

import asyncio
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from tests.records import changed

from heliograph.core.carriers import Carrier, Settings
from heliograph.core.messages import Kind
from heliograph.delivery.carriers.contract import Inbound, Outcome, Receipt, Settle, Unit, What
from heliograph.delivery.carriers.smpp import SmppCarrier
from heliograph.wire.smpp import tables
from heliograph.wire.smpp.contract import Settings as SessionSettings
from heliograph.wire.smpp.endpoints import Listener as Door
from heliograph.wire.smpp.pdus import Pdu
from heliograph.wire.smpp.session import Session

PHONE = "79991234567"
Answer = Callable[[Session, Pdu], None]


def unit(int_id: int = 1, text: str = "hello", **more: Any) -> Unit:
    """A message; the rest as given."""
    plain = Unit(int_id, PHONE, "Shop", text, Kind.SMS, 1, 0, 0)
    return changed(plain, **more)


class Books:
    """A listener that writes down all it is told, and settles what comes in unless ``hold`` is set."""

    def __init__(self) -> None:
        self.outcomes: dict[tuple[int, int], Outcome] = {}
        self.totals: dict[int, int] = {}
        self.times: Counter[tuple[int, int]] = Counter()
        self.receipts: list[tuple[Receipt, Settle]] = []
        self.inbounds: list[tuple[Inbound, Settle]] = []
        self.changes = 0
        self.hold = False
        self.on_change: Callable[[], None] = lambda: None

    def answered(self, carrier_id: int, int_id: int, part: int, total: int, outcome: Outcome) -> None:
        self.outcomes[int_id, part] = outcome
        self.totals[int_id] = total
        self.times[int_id, part] += 1

    def receipt(self, carrier_id: int, receipt: Receipt, settle: Settle) -> None:
        self.receipts.append((receipt, settle))
        if not self.hold:
            settle(True)

    def inbound(self, carrier_id: int, inbound: Inbound, settle: Settle) -> None:
        self.inbounds.append((inbound, settle))
        if not self.hold:
            settle(True)

    def changed(self, carrier_id: int) -> None:
        self.changes += 1
        self.on_change()

    def count(self, what: What) -> int:
        """How many parts ended so."""
        return sum(outcome.what is what for outcome in self.outcomes.values())


class Centre:
    """An SMPP server: keeps the submits it gets, answers each by ``answer`` (default: accepted, ids from m1)."""

    def __init__(self) -> None:
        self.submits: list[Pdu] = []
        self.sessions: list[Session] = []
        self.answers: list[Pdu] = []
        self.binds: list[Pdu] = []
        self.bind_status = 0
        self.most_open = 0
        self.open = 0
        self.answer: Answer = self.accept
        self.port = 0
        self._door: Door | None = None

    async def start(self, tls: ssl.SSLContext | None = None) -> None:
        self._door = Door(self, self._on_bind, SessionSettings(window=1000))
        await self._door.start("127.0.0.1", self.port, tls)
        self.port = self._door.address[1]

    async def stop(self) -> None:
        if self._door:
            await self._door.stop(goodbye_s=0.2)
            self._door = None

    def accept(self, session: Session, pdu: Pdu) -> None:
        session.answer(pdu, message_id=f"m{len(self.submits)}")

    def keep(self, session: Session, pdu: Pdu) -> None:
        """An answer that is none: the submit waits."""

    def release(self) -> None:
        """Answer all that waits."""
        for number, pdu in enumerate(self.submits, 1):
            self.sessions[0].answer(pdu, message_id=f"m{number}")

    def bound(self, session: Session) -> None:
        self.sessions.append(session)

    def pdu(self, session: Session, pdu: Pdu) -> None:
        self.submits.append(pdu)
        self.most_open = max(self.most_open, session.unanswered)
        self.answer(session, pdu)

    def ready(self, session: Session) -> None:
        pass

    def closed(self, session: Session, reason: str) -> None:
        if session in self.sessions:
            self.sessions.remove(session)

    def deliver(self, text: str | bytes, command_id: int = tables.DELIVER_SM, **more: Any) -> None:
        """Send a deliver_sm over the first session that takes it; answers go to ``answers``."""
        data = text.encode() if isinstance(text, str) else text
        pdu = Pdu(command_id, source_addr=PHONE, destination_addr="Shop", **more)
        if command_id == tables.DATA_SM:
            pdu.tlvs = {**pdu.tlvs, tables.TAG_MESSAGE_PAYLOAD: data}
        else:
            pdu.short_message = data
        session = next(session for session in self.sessions if session.can_receive)
        assert session.request(pdu, self._delivered)

    def _delivered(self, answer: Pdu | None, context: Any) -> None:
        if answer is not None:
            self.answers.append(answer)

    def _on_bind(self, session: Session, pdu: Pdu) -> int:
        self.binds.append(pdu)
        return self.bind_status


def carrier(port: int, **settings: Any) -> Carrier:
    """A carrier at a port of this machine, quick to come back."""
    chosen = {"port": port, "system_id": "acme", "reconnect_s": 0.02, **settings}
    return Carrier(7, "north", "smpp", True, Settings(**chosen), "s3cret")


def now_ms() -> int:
    """The loop's clock."""
    return int(asyncio.get_running_loop().time() * 1000) + 1_700_000_000_000


async def until(fact: Callable[[], bool], seconds: float = 10.0) -> None:
    """Wait until something has become true."""
    async with asyncio.timeout(seconds):
        while not fact():
            await asyncio.sleep(0.002)


@asynccontextmanager
async def bound(centre: Centre | None = None, **settings: Any) -> AsyncIterator[tuple[Centre, SmppCarrier, Books]]:
    """A centre and a carrier that is bound to it with all its links."""
    centre = centre or Centre()
    books = Books()
    await centre.start()
    links = SmppCarrier(carrier(centre.port, **settings), books, now_ms, chance=lambda: 0.0)
    await links.start()
    connections = links.carrier.settings.links * (2 if links.carrier.settings.bind == "split" else 1)
    await until(lambda: len(centre.sessions) == connections and links.stats()["bound"] == links.stats()["links"])
    try:
        yield centre, links, books
    finally:
        await links.stop(0.0)
        await centre.stop()
