"""From a decided recipient to a message and its rows, for one transaction or a staged request (design section 6, flow A)."""

from collections.abc import Iterable
from hashlib import blake2b
from operator import itemgetter
from typing import NamedTuple

from heliograph.core.accounts import Account, Settings
from heliograph.core.links import Trails
from heliograph.core.messages import (
    LANE_BULK,
    LANE_CODE,
    LANE_RATE,
    TOLD_BY_SMPP,
    Accepted,
    Door,
    Extra,
    Flag,
    Message,
    Quote,
    Recipient,
    Submission,
    Verdict,
    encode_extra,
)
from heliograph.core.numbers import Plan, normalize
from heliograph.core.reasons import Reason, Refusal
from heliograph.core.status import REFUSALS, Err, Status
from heliograph.services.batch import is_exchanged
from heliograph.services.deciding import Decision
from heliograph.services.desk import Desk, Row, accept_row
from heliograph.services.entries import entry_rows
from heliograph.services.quotas import Quotas
from heliograph.store.database import Broken, Busy, Full, Lost

DAY_S = 86_400


class Survey(NamedTuple):
    """A submission looked over: what makes it identical to another (63 bits), its recipients without repeats, in the order
    given, and the international number of each (None for a bad one)."""

    print: int
    recipients: list[Recipient]
    phones: list[str | None]


def survey(account: Account, submission: Submission, plan: Plan) -> Survey:
    """Look a submission over; pure, some 3 µs a recipient, so many of them are surveyed in a thread.

    Identical are account, kind, sorted recipients with their texts, sender (spec 16 no. 15). Numbers count in their
    international form and an unnamed sender as the account's own, so that a repeat written otherwise is still one.
    """
    recipients = list(submission.recipients)
    if len(recipients) > 1:
        recipients = unique(recipients)
    phones = [normalize(recipient.given, plan) for recipient in recipients]
    sender = account.settings.sender if submission.sender is None else submission.sender
    hashed = blake2b(f"{account.id}\x1f{submission.kind}\x1f{sender}".encode(), digest_size=8)
    lines = [(phone or recipient.given, recipient) for phone, recipient in zip(phones, recipients, strict=True)]
    if len(lines) > 1:
        lines.sort(key=itemgetter(0))
    text = None
    for phone, recipient in lines:
        line = f"\x1e{phone}\x1f{recipient.sender or ''}"
        if recipient.text != text:
            text = recipient.text
            line = f"{line}\x1f{text}"
        hashed.update(line.encode())
    return Survey(int.from_bytes(hashed.digest(), "big") >> 1, recipients, phones)


def unique(recipients: Iterable[Recipient]) -> list[Recipient]:
    """Recipients without repeats of one number with one text (spec sending 3.1: send once), in the order given."""
    kept: dict[tuple[str, str], Recipient] = {}
    for recipient in recipients:
        kept.setdefault((recipient.given, recipient.text), recipient)
    return list(kept.values())


def choose_lane(account: Account, submission: Submission, count: int, quotas: Quotas, now_ms: int) -> int:
    """One recipient within the account's rate: lane 1; beyond it: lane 2; several: lane 3. Wishes only lower it."""
    if count > 1:
        return LANE_BULK
    lane = max(submission.lane, account.settings.lane)
    if lane == LANE_CODE and not quotas.is_fast(account, now_ms):
        return LANE_RATE
    return lane


def make_message(
    account: Account,
    submission: Submission,
    decision: Decision,
    int_id: int,
    id_: str,
    lane: int,
    now_ms: int,
    print_: int,
    test: bool,
) -> Message:
    """A message as it is first stored."""
    status, err, flags = Status.WAITING, Err.NONE, submission.kind | submission.flags
    if decision.reason is not None:
        status, err = REFUSALS[decision.reason]
    elif test:
        status, err, flags = Status.DELIVERED, Err.VIRTUAL, flags | Flag.TEST
    text, due_ms = decision.text, decision.due_ms or now_ms
    extra = ""
    if text.pid is not None or submission.user_ip or submission.code:
        extra = encode_extra(Extra(pid=text.pid, dcs=text.dcs, user_ip=submission.user_ip, code=submission.code))
    valid_s = submission.valid_s or DAY_S
    if account.settings.valid_minutes:
        valid_s = min(valid_s, account.settings.valid_minutes * 60)
    route = decision.route
    return Message(
        int_id=int_id,
        account_id=account.id,
        id=id_,
        phone=decision.phone,
        given=decision.given,
        kind=submission.kind,
        flags=flags,
        sender=decision.sender,
        text=text.text,
        comment=text.comment,
        parts=text.parts,
        cost=0 if test else decision.cost,
        mccmnc=decision.mccmnc,
        status=status,
        err=err,
        send_ms=due_ms,
        created_ms=now_ms,
        changed_ms=now_ms,
        expires_ms=due_ms + valid_s * 1000,
        lane=lane,
        route_id=route.id if route else 0,
        carrier_id=route.carrier_id if route else 0,
        door=submission.door,
        fingerprint=print_,
        extra=extra,
    )


def rows_of(
    message: Message, account: Account, desk: Desk, *, told: bool, staged: bool = False
) -> list[tuple[str, Row]]:
    """The rows of a new message; ``told`` lets a final status reach the customer's handler.

    The charge of a staged message is not among them: one row charges the whole request at its end; and its news waits in
    the table, told to nobody before. News to be fetched is in the order of its commits, so the caller keeps the rows of
    ``feed.add`` of a staged request back until its end.
    """
    rows: list[tuple[str, Row]] = [accept_row(message)]
    if message.status == Status.WAITING:
        rows.append(
            ("queue.add", (message.int_id, message.carrier_id, message.lane, message.send_ms, message.started_ms))
        )
    elif told:
        for query, row in callback_rows(message, account, desk):
            rows.append(("callbacks.stage" if staged and query == "callbacks.add" else query, row))
    if message.status == Status.WAITING and not staged:
        rows.extend(entry_rows(account, message.created_ms, "charge", -message.cost, message.int_id, 1, texts=1))
    return rows


def trail_rows(message: Message, trails: Trails, desk: Desk) -> list[tuple[str, Row]]:
    """Put links of the recipient's own into a new message that goes out: their rows. Its length stays the same."""
    if message.status != Status.WAITING:
        return []
    message.text, laid = trails.lay(message.text, desk.take_links)
    return [("trails.add", (id_, link_id, message.int_id)) for id_, link_id in laid]


def callback_rows(message: Message, account: Account | None, desk: Desk) -> list[tuple[str, Row]]:
    """The rows that tell the customer of the message's present status, at his handler and where he fetches news, as he
    wants it. Statuses are told only for messages sent by HTTP, SMTP or SMPP (seed 001)."""
    if account is None or message.door > Door.SMPP:
        return []
    settings, status = account.settings, message.status
    by_smpp = message.flags & TOLD_BY_SMPP != 0
    if by_smpp:
        if not is_told_by_smpp(message.flags, status):
            return []
    elif not settings.events_days and not (settings.callback_url and settings.callback_statuses):
        return []
    return news_rows(settings, message.int_id, account.id, status, message.err, message.changed_ms, desk, by_smpp)


def is_told_by_smpp(flags: int, status: int) -> bool:
    """Whether the customer's registered_delivery asks for a receipt of a status (SMPP 3.4, 5.2.17). What comes after the
    delivery (read, link opened) is none: clients expect one receipt of it."""
    if status == Status.DELIVERED:
        return flags & Flag.TELL_DELIVERED != 0
    if status == Status.SENT:
        return flags & Flag.TELL_STEPS != 0
    return status not in (Status.READ, Status.CLICKED) and flags & Flag.TELL_FAILED != 0


def news_rows(
    settings: Settings,
    int_id: int,
    account_id: int,
    status: int,
    err: int,
    at_ms: int,
    desk: Desk,
    by_smpp: bool = False,
) -> list[tuple[str, Row]]:
    """One piece of news for the SMPP sessions or the handler (when there is one), and to be fetched (when the account
    keeps news; steps before the end are not kept)."""
    event = desk.take_event(at_ms)
    rows: list[tuple[str, Row]] = []
    if by_smpp:
        rows.append(("deliveries.add", (event, int_id, account_id, status, err, at_ms)))
        if status == Status.SENT and int_id > 0:
            return rows
    elif settings.callback_url and (settings.callback_statuses if int_id > 0 else settings.callback_incoming):
        rows.append(("callbacks.add", (event, int_id, account_id, status, err, at_ms, at_ms)))
    if settings.events_days:
        rows.append(("feed.add", (account_id, event, int_id, status, err, at_ms)))
    return rows


def verdict_of(decision: Decision) -> Verdict:
    """What is told about one recipient."""
    if decision.reason is None:
        return Verdict(decision.phone, decision.mccmnc, decision.cost, decision.text.parts)
    status, err = REFUSALS[decision.reason]
    return Verdict(decision.phone, decision.mccmnc, 0, decision.text.parts, status, err)


class Tally:
    """What is told of a submission's decisions, gathered as they are made."""

    __slots__ = ("_reason", "_whole", "cost", "parts", "texts", "verdicts")

    def __init__(self) -> None:
        self.verdicts: list[Verdict] = []
        self.cost = 0
        self.parts = 0  # of those that go out
        self.texts = 0  # those
        self._whole = 0
        self._reason: Reason | None = None

    def add(self, decision: Decision) -> None:
        """One more."""
        self.verdicts.append(verdict_of(decision))
        self._whole += decision.text.parts
        if decision.reason is None:
            self.texts += 1
            self.parts += decision.text.parts
            self.cost += decision.cost
        elif self._reason is None:
            self._reason = decision.reason

    @property
    def reason(self) -> Reason | None:
        """Why nothing of it goes out; None when something does."""
        return None if self.texts else self._reason

    def answer(self, id_: str, total: int, balance: int, test: bool) -> Accepted:
        """The answer to an accepted submission."""
        parts = self._whole if len(self.verdicts) == 1 else self.parts
        return Accepted(id_, parts, total, balance, tuple(self.verdicts), test)

    def quote(self, test: bool) -> Quote | Refusal:
        """The answer to a price query; a refusal when nothing of it would go out."""
        if self.reason is not None:
            return Refusal(self.reason)
        return Quote(0 if test else self.cost, self.parts, tuple(self.verdicts))


def answer_of(decisions: list[Decision], id_: str, total: int, balance: int, test: bool) -> Accepted:
    """The answer to an accepted submission."""
    tally = Tally()
    for decision in decisions:
        tally.add(decision)
    return tally.answer(id_, total, balance, test)


def reason_of(error: Exception) -> Reason:
    """What a failed commit means to the customer."""
    if isinstance(error, Full | Busy | Lost) and not may_be_kept(error):
        return Reason.STORE_FULL
    if is_exchanged(error):  # only until the snapshot is renewed; a repeat is priced in the new currency
        return Reason.STORE_FULL
    if isinstance(error, Broken) and error.which.startswith("overdraft"):
        return Reason.NO_MONEY
    return Reason.NOT_POSSIBLE


def may_be_kept(error: Exception | None) -> bool:
    """Whether a commit that failed may have reached the disk all the same: its texts may go out, so a repeat of their
    request must be refused and they count."""
    return isinstance(error, Lost) and error.unknown
