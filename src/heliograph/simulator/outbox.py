"""Receipts and incoming texts on their way to a customer: kept until he acknowledges them, over any of his binds (SMPP 3.4, 2.5 and 5.2.17)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final

import msgspec

from heliograph.wire.smpp import receipt, statuses, tables
from heliograph.wire.smpp.pdus import Pdu
from heliograph.wire.smpp.session import Session

from .behaviour import AS_TEXT, AS_TLV

# Receipts of customers who are away: some 400 octets each, so a million is 400 MB at worst.
LIMIT: Final = 1_000_000
# How long a deliver_sm that was refused for the moment waits before it goes again.
RETRY_S: Final = 1.0
_GSM_NETWORK: Final = b"\x03"


class Parcel(msgspec.Struct, gc=False):
    """What waits for a customer: a receipt to `request` (the submit_sm), or a ready `pdu` of an incoming text.

    A receipt is sent `copies` times, after one that says ENROUTE when `enroute` is set. Hidden from the garbage collector, which a million of them would keep busy: they end by acknowledgement.
    """

    customer: Customer
    session: Session | None = None
    request: Pdu | None = None
    pdu: Pdu | None = None
    message_id: str = ""
    state: int = 0
    error: int = 0
    submitted_ms: int = 0
    done_ms: int = 0
    tlvs: dict[int, bytes] | None = None
    copies: int = 1
    enroute: bool = False
    acknowledged: Callable[[], None] | None = None


def write_receipt(parcel: Parcel, form: str) -> Pdu:
    """The deliver_sm of a receipt in a profile's form: text, optional fields or both."""
    request = parcel.request
    assert request is not None
    pdu = Pdu(
        tables.DELIVER_SM,
        source_addr_ton=request.dest_addr_ton,
        source_addr_npi=request.dest_addr_npi,
        source_addr=request.destination_addr,
        dest_addr_ton=request.source_addr_ton,
        dest_addr_npi=request.source_addr_npi,
        destination_addr=request.source_addr,
        esm_class=tables.ESM_INTERMEDIATE if parcel.state == tables.STATE_ENROUTE else tables.ESM_RECEIPT,
    )
    if form != AS_TLV:
        plain = request.data_coding == tables.CODING_DEFAULT and not request.esm_class & tables.ESM_UDH
        pdu.short_message = receipt.format_text(
            parcel.message_id,
            parcel.state,
            submitted_ms=parcel.submitted_ms,
            done_ms=parcel.done_ms,
            error=parcel.error,
            text=request.text[:20].decode("ascii", "replace") if plain else "",
        ).encode("latin-1", "replace")
    if form != AS_TEXT:
        pdu.tlvs = {
            tables.TAG_RECEIPTED_MESSAGE_ID: parcel.message_id.encode("latin-1") + b"\0",
            tables.TAG_MESSAGE_STATE: bytes((parcel.state,)),
            tables.TAG_NETWORK_ERROR_CODE: _GSM_NETWORK + parcel.error.to_bytes(2, "big"),
        }
    if parcel.tlvs:
        pdu.tlvs = pdu.tlvs | parcel.tlvs
    return pdu


class Customer:
    """One system_id: his sessions and what waits for him."""

    def __init__(self, system_id: str, form: str, later: Callable[[float, Callable[[], None]], None]) -> None:
        self.system_id = system_id
        self.sessions: list[Session] = []
        self.waiting: deque[Parcel] = deque()
        self.in_flight = 0
        self.sent = 0
        self.acknowledged = 0
        self.refused = 0
        self.dropped = 0
        self._form = form
        self._later = later

    def add(self, parcel: Parcel) -> None:
        """Take a parcel and send what there is room for. The oldest one goes when more than LIMIT wait."""
        if len(self.waiting) >= LIMIT:
            self.waiting.popleft()
            self.dropped += 1
        self.waiting.append(parcel)
        self.pump()

    def pump(self) -> None:
        """Send what waits while a receiving session has room, each receipt by the session that submitted if it can."""
        while self.waiting:
            parcel = self.waiting[0]
            session = parcel.session
            if session is None or not (session.can_receive and session.room):
                session = self._find_session()
                if session is None:
                    return
            self.waiting.popleft()
            pdu = parcel.pdu or write_receipt(parcel, self._form)
            if session.request(pdu, self._answered, parcel):
                self.in_flight += 1
                self.sent += 1

    def _find_session(self) -> Session | None:
        for session in self.sessions:
            if session.can_receive and session.room:
                return session
        return None

    def _answered(self, answer: Pdu | None, parcel: Parcel) -> None:
        self.in_flight -= 1
        if answer is None:
            # Nobody knows whether it arrived: it goes again as soon as somebody is there.
            parcel.session = None
            self.waiting.appendleft(parcel)
            self._later(RETRY_S, self.pump)
            return
        if answer.status == statuses.ESME_ROK:
            self.acknowledged += 1
            if parcel.acknowledged:
                parcel.acknowledged()
        elif statuses.is_temporary(answer.status):
            self._later(RETRY_S, lambda: self.add(parcel))
        else:
            self.refused += 1
        self.pump()
