"""Questions and orders about texts that were submitted: query_sm, cancel_sm, replace_sm (SMPP 3.4, 4.8 to 4.10)."""

import logging
from collections.abc import Callable

from heliograph.core.accounts import Account
from heliograph.core.messages import Kind, Message
from heliograph.core.reasons import Refused
from heliograph.core.status import Status, is_final
from heliograph.gateways.smpp_outbox import Spawn
from heliograph.gateways.smpp_receipts import state_of
from heliograph.gateways.smpp_refusals import Denied
from heliograph.gateways.smpp_submits import clean
from heliograph.gateways.smpp_texts import decode
from heliograph.services.statuses import Statuses
from heliograph.wire.smpp import statuses, tables
from heliograph.wire.smpp.pdus import Pdu
from heliograph.wire.smpp.session import Session
from heliograph.wire.smpp.times import format_absolute

log = logging.getLogger(__name__)

FAILURES = {
    tables.QUERY_SM: statuses.ESME_RQUERYFAIL,
    tables.CANCEL_SM: statuses.ESME_RCANCELFAIL,
    tables.REPLACE_SM: statuses.ESME_RREPLACEFAIL,
}


class Orders:
    """Answers them; each is a look at the store."""

    def __init__(self, texts: Statuses, spawn: Spawn, clock_ms: Callable[[], int]) -> None:
        self._texts = texts
        self._spawn = spawn
        self._clock_ms = clock_ms

    def take(self, session: Session, pdu: Pdu, account: Account) -> None:
        """One of the three; exactly one answer follows."""
        self._spawn(self._run(session, pdu, account))

    async def _run(self, session: Session, pdu: Pdu, account: Account) -> None:
        failure = FAILURES[pdu.command_id]
        id_ = pdu.message_id
        if not (id_.isascii() and id_.isdigit() and len(id_) <= 18):
            session.answer(pdu, failure)
            return
        try:
            message = await self._texts.find_by_int_id(account.id, int(id_))
            if message is None:
                session.answer(pdu, failure)
            elif pdu.command_id == tables.QUERY_SM:
                session.reply(describe(pdu, message))
            elif pdu.command_id == tables.CANCEL_SM:
                cancelled = await self._texts.cancel(account, message, self._clock_ms())
                session.answer(pdu, statuses.ESME_ROK if cancelled else failure)
            else:
                await self._replace(session, pdu, account, message)
        except Denied as denied:
            session.answer(pdu, denied.status)
        except Refused:
            session.answer(pdu, failure)
        except Exception:
            log.exception("smpp_order_failed")
            session.answer(pdu, statuses.ESME_RSYSERR)

    async def _replace(self, session: Session, pdu: Pdu, account: Account, message: Message) -> None:
        """A new text, in as many parts, for one that waits; its time and life stay as they are."""
        if pdu.schedule_delivery_time or pdu.validity_period or message.kind not in (Kind.SMS, Kind.FLASH):
            raise Denied(statuses.ESME_RREPLACEFAIL)
        # The PDU has no data_coding: the text is in the session's default alphabet.
        text = decode(pdu.short_message, "latin-1" if session.context.latin1 else "gsm")
        text, kind = clean(text, message.kind == Kind.FLASH)
        if kind != message.kind:
            raise Denied(statuses.ESME_RREPLACEFAIL)
        replaced = await self._texts.replace(message, text)
        session.answer(pdu, statuses.ESME_ROK if replaced else statuses.ESME_RREPLACEFAIL)


def describe(pdu: Pdu, message: Message) -> Pdu:
    """The answer to query_sm."""
    final = is_final(message.status) or message.status == Status.STOPPED
    return Pdu(
        tables.QUERY_SM_RESP,
        sequence=pdu.sequence,
        message_id=pdu.message_id,
        final_date=format_absolute(message.changed_ms) if final else "",
        message_state=state_of(message.status),
        error_code=min(message.err, 255),
    )
