"""News of incoming texts and calls, for whoever stores them (seed 001; design section 6, flow E)."""

from typing import Protocol

from heliograph.core.accounts import Account
from heliograph.core.news import Incoming, read_remarks
from heliograph.services.births import news_rows
from heliograph.services.desk import Desk, Row


class Stored(Protocol):
    """What must be known of an incoming record that has been given to an account."""

    @property
    def id(self) -> int: ...
    @property
    def received_ms(self) -> int: ...


def incoming_rows(account: Account, inbound: Stored, desk: Desk, *, text: bool = False) -> list[tuple[str, Row]]:
    """The rows that tell an account of an incoming text or call, for the change that stores it; none when it wants to
    know nothing. A ``text`` goes over SMPP where the account wants that; calls, which SMPP has no words for, never."""
    settings = account.settings
    by_smpp = text and settings.smpp and settings.smpp_incoming
    if not by_smpp and not settings.events_days and not (settings.callback_url and settings.callback_incoming):
        return []
    return news_rows(settings, -inbound.id, account.id, 0, 0, inbound.received_ms, desk, by_smpp)


def incoming_of(row: Row) -> Incoming:
    """An incoming record from the columns that callbacks.incoming selects."""
    id_, phone, to_phone, text, sent_ms, received_ms, extra, sms_id = row
    remarks = read_remarks(extra)
    answered = "" if remarks.direct else sms_id
    # Not by its text: a subscriber may write "[waitcall] ", too.
    incomplete = bool(remarks.missing or remarks.number)
    return Incoming(
        id_,
        phone,
        to_phone,
        text,
        sent_ms,
        received_ms,
        remarks.smsc,
        answered,
        remarks.call,
        remarks.command,
        incomplete,
    )
