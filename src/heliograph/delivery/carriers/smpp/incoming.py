"""What the carrier sends by itself: receipts and texts, acknowledged when they are on disk (SMPP 3.4, 4.6)."""

import logging
from collections.abc import Callable

from heliograph.core.carriers import Carrier
from heliograph.delivery.carriers.contract import Listener
from heliograph.delivery.carriers.smpp import receipts
from heliograph.delivery.carriers.smpp.answers import Errors
from heliograph.delivery.carriers.smpp.inbound import Reader
from heliograph.wire.smpp import statuses, tables
from heliograph.wire.smpp.pdus import Pdu
from heliograph.wire.smpp.receipt import parse_receipt
from heliograph.wire.smpp.session import Session, State

log = logging.getLogger("heliograph.carrier")

_NEWS = frozenset((tables.DELIVER_SM, tables.DATA_SM))


class Incoming:
    """Passes on what one carrier sends."""

    def __init__(self, carrier: Carrier, listener: Listener, errors: Errors, clock_ms: Callable[[], int]) -> None:
        self._carrier = carrier
        self._listener = listener
        self._errors = errors
        self._clock_ms = clock_ms
        self._reader = Reader(carrier.settings)

    def received(self, session: Session, pdu: Pdu) -> None:
        """A request of the peer; a receipt or a text is acknowledged when the listener has it on disk."""
        command_id = pdu.command_id
        if command_id in _NEWS:
            told = parse_receipt(pdu)
            settle = _Settle(session, pdu)
            now_ms = self._clock_ms()
            if told is not None:
                news = receipts.translate(pdu, told, self._errors, now_ms)
                self._listener.receipt(self._carrier.id, news, settle)
            else:
                self._listener.inbound(self._carrier.id, self._reader.read(pdu, now_ms), settle)
        elif command_id | tables.RESPONSE in tables.COMMANDS:
            session.answer(pdu, statuses.ESME_RINVCMDID)
        else:
            log.info("carrier_notice carrier=%s command=%s", self._carrier.name, pdu.name)


class _Settle:
    """Answers a receipt or text of the peer, once; False when its session has ended."""

    __slots__ = ("_pdu", "_session")

    def __init__(self, session: Session, pdu: Pdu) -> None:
        self._session: Session | None = session
        self._pdu = pdu

    def __call__(self, stored: bool) -> bool:
        session, self._session = self._session, None
        if session is None:
            return True
        session.answer(self._pdu, statuses.ESME_ROK if stored else statuses.ESME_RX_T_APPN)
        return session.state is not State.CLOSED
