"""Texts from subscribers: on disk before the carrier gets its acknowledgement (design section 6, flow E)."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

import msgspec

from heliograph.core.numbers import normalize
from heliograph.services.batch import Change
from heliograph.services.desk import Desk, Row
from heliograph.services.moments import SLACK_MS, find_id
from heliograph.services.news import incoming_rows

log = logging.getLogger(__name__)
Spawn = Callable[[Coroutine[Any, Any, None]], None]

MEMORY_MS = 7 * 86_400_000  # so long a subscriber answers to who has written to him
TOGETHER = 200  # texts whose owners are looked for at once
BLOCK_BITS = 16  # an index block is 65,536 messages (docs/adr/0009)
PROBES = 4096  # places of the index looked at by one query, at some 2 µs each


class Arrival(Protocol):
    """An incoming text as a carrier tells it (delivery/carriers/contract.py)."""

    @property
    def phone(self) -> str: ...
    @property
    def to_phone(self) -> str: ...
    @property
    def text(self) -> str: ...
    @property
    def sent_ms(self) -> int: ...
    @property
    def smsc(self) -> str: ...
    @property
    def reference(self) -> int: ...
    @property
    def total(self) -> int: ...
    @property
    def number(self) -> int: ...


class Inbound(msgspec.Struct, frozen=True):
    """An incoming text as it is stored: whose it is (0: nobody's), and the message it answers (0: none)."""

    id: int
    carrier_id: int
    received_ms: int
    sent_ms: int
    phone: str
    to_phone: str
    text: str
    extra: str
    account_id: int = 0
    int_id: int = 0


class Part(msgspec.Struct, frozen=True, omit_defaults=True):
    """What few incoming texts have: the centre they came over, and which part of a long text they are; ``call`` and
    ``direct`` as in core.news.Remarks."""

    smsc: str = ""
    reference: int = 0
    total: int = 1
    number: int = 1
    call: bool = False
    direct: bool = False


class Incoming:
    """Takes incoming texts, finds out whose they are, and stores them in the order in which they came.

    They belong to the account that has last written to their sender. Only the store is asked: nobody answers a text
    that has not gone out, and none goes out before it is on disk. One look-up at a time serves all that have come
    meanwhile, so that no text overtakes another. When the store cannot be asked the text is not taken and its carrier
    brings it again, as when it cannot be stored.
    """

    def __init__(self, desk: Desk, spawn: Spawn) -> None:
        self._desk = desk
        self._spawn = spawn
        self._waiting: deque[tuple[Inbound, Callable[[bool], None]]] = deque()
        self._looking: asyncio.Event | None = None
        self.watchers: list[Callable[[Inbound], None]] = []
        self.received = 0

    def record(self, carrier_id: int, arrival: Arrival, settle: Callable[[bool], None], now_ms: int) -> None:
        """Store a text; ``settle(True)`` once it is on disk, ``settle(False)`` when it could not be taken."""
        extra = msgspec.json.encode(Part(arrival.smsc, arrival.reference, arrival.total, arrival.number)).decode()
        inbound = Inbound(
            id=self._desk.take_inbound(),
            carrier_id=carrier_id,
            received_ms=now_ms,
            sent_ms=arrival.sent_ms,
            phone=arrival.phone,
            to_phone=arrival.to_phone,
            # No database's text can hold NUL or half a character; refused, the carrier would send it for ever.
            text=arrival.text.replace("\x00", "").encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace"),
            extra="" if extra == "{}" else extra,
        )
        self._waiting.append((inbound, settle))
        if self._looking is None:
            self._looking = asyncio.Event()
            self._spawn(self._take_all(self._looking))

    async def settle(self) -> None:
        """Returns when everything that has come is in the batch, or was refused."""
        if self._looking is not None:
            await self._looking.wait()

    async def _take_all(self, over: asyncio.Event) -> None:
        try:
            while self._waiting:
                group = [self._waiting.popleft() for _ in range(min(TOGETHER, len(self._waiting)))]
                await self._take(group)
        finally:
            self._looking = None
            over.set()

    async def _take(self, group: list[tuple[Inbound, Callable[[bool], None]]]) -> None:
        # Messages have international numbers; some carriers write their subscribers in the country's own notation.
        plan = self._desk.snapshots.current.plan
        phones = {inbound.phone: normalize(inbound.phone, plan) or inbound.phone for inbound, _ in group}
        try:
            owners = await find_owners(self._desk, set(phones.values()), group[-1][0].received_ms)
        except Exception as error:
            log.error("inbound_not_taken", extra={"texts": len(group), "error": str(error)})
            for _, settle in group:
                settle(False)
            return
        for inbound, settle in group:
            account_id, int_id = owners.get(phones[inbound.phone], (0, 0))
            self._store(msgspec.structs.replace(inbound, account_id=account_id, int_id=int_id), settle)

    def _store(self, inbound: Inbound, settle: Callable[[bool], None]) -> None:
        def done(error: Exception | None) -> None:
            settle(error is None)
            if error is None:
                self.received += 1
                for watcher in self.watchers:
                    watcher(inbound)

        rows: list[tuple[str, Row]] = [("inbound.add", msgspec.structs.astuple(inbound))]
        account = self._desk.snapshots.current.accounts.get(inbound.account_id)
        if account is not None:
            rows += incoming_rows(account, inbound, self._desk)
        self._desk.batch.add(Change(rows, done))


async def find_owners(desk: Desk, phones: set[str], now_ms: int) -> dict[str, tuple[int, int]]:
    """(account_id, int_id) of the newest message that went out to each number within the last seven days; none for the
    others. Messages in the future, refused ones, number queries and those of test mode do not count.

    The index is read in groups of blocks from the newest down (docs/adr/0009), each twice as large as the one before.
    """
    since_ms = now_ms - MEMORY_MS
    lowest = await find_id(desk.db, since_ms // 3_600_000 * 3_600_000 - SLACK_MS) >> BLOCK_BITS
    row = await desk.db.one("messages.last")
    block = (int(row[0]) if row else 0) >> BLOCK_BITS
    found: dict[str, tuple[int, int]] = {}
    count = 1
    while block >= lowest and len(found) < len(phones):
        wanted = sorted(phones - found.keys())
        first = max(lowest, block - min(count, max(1, PROBES // len(wanted))) + 1)
        numbers = msgspec.json.encode(wanted).decode()
        for phone, account_id, int_id in await desk.db.all("inbound.asked", numbers, first, block, since_ms, now_ms):
            found[phone] = (int(account_id), int(int_id))
        block = first - 1
        count *= 2
    return found
