"""Texts from subscribers: on disk before the carrier gets its acknowledgement (design section 6, flow E)."""

from collections.abc import Callable
from typing import Protocol

import msgspec

from heliograph.services.batch import Change
from heliograph.services.desk import Desk


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
    """An incoming text as it is stored."""

    id: int
    carrier_id: int
    received_ms: int
    sent_ms: int
    phone: str
    to_phone: str
    text: str
    extra: str


class Part(msgspec.Struct, frozen=True, omit_defaults=True):
    """What few incoming texts have: the centre they came over, and which part of a long text they are."""

    smsc: str = ""
    reference: int = 0
    total: int = 1
    number: int = 1


class Incoming:
    """Takes incoming texts."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self.watchers: list[Callable[[Inbound], None]] = []
        self.received = 0

    def record(self, carrier_id: int, arrival: Arrival, settle: Callable[[bool], None], now_ms: int) -> None:
        """Store a text; ``settle(True)`` once it is on disk."""
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

        def done(error: Exception | None) -> None:
            settle(error is None)
            if error is None:
                self.received += 1
                for watcher in self.watchers:
                    watcher(inbound)

        self._desk.batch.add(Change([("inbound.add", msgspec.structs.astuple(inbound))], done))
