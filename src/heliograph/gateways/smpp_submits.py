"""Texts from customers: submit_sm, data_sm and submit_multi to submissions, answered when they are on disk (SMPP 3.4, 4.4
to 4.7; spec protocols 5.3)."""

import logging
from collections.abc import Callable

from heliograph.core.accounts import Account
from heliograph.core.messages import Accepted, Door, Flag, Kind, Recipient, Submission
from heliograph.core.numbers import normalize
from heliograph.core.pieces import Piece
from heliograph.core.prefixes import strip_prefix
from heliograph.core.reasons import Reason, Refusal, Refused
from heliograph.core.texts import COMMENT, MAX_TEXT, split_comment
from heliograph.gateways.smpp_customers import Bound, Customer
from heliograph.gateways.smpp_refusals import STATUSES, Denied, status_of_verdict
from heliograph.gateways.smpp_texts import (
    Content,
    decode,
    name_coding,
    read_content,
    read_sender,
    read_times,
    read_told,
    read_wishes,
)
from heliograph.services.desk import Desk
from heliograph.services.pieces import Pieces
from heliograph.services.submit import Answer, Submitting
from heliograph.wire.smpp import statuses, tables
from heliograph.wire.smpp.pdus import Destination, Failure, Pdu
from heliograph.wire.smpp.session import Session

log = logging.getLogger(__name__)

# Beyond 200 recipients a request is staged in portions; a list of that length is for the API.
MOST_DESTINATIONS = 200
_TEXTLESS = (Kind.HLR, Kind.PING)


class Submits:
    """Takes texts of all sessions. ``incomplete_ms`` is how long the parts of a text may take to come."""

    def __init__(
        self,
        desk: Desk,
        submitting: Submitting,
        pieces: Pieces,
        clock_ms: Callable[[], int],
        incomplete_ms: int = 300_000,
    ) -> None:
        self._desk = desk
        self._submitting = submitting
        self._pieces = pieces
        self._clock_ms = clock_ms
        self._incomplete_ms = incomplete_ms

    def take(self, session: Session, pdu: Pdu) -> None:
        """A submit_sm, data_sm or submit_multi; exactly one answer follows, now or when it is on disk."""
        bound: Bound = session.context
        customer = bound.customer
        now_ms = self._clock_ms()
        account = self._desk.snapshots.current.accounts.get(customer.account_id)
        if account is None or account.settings.blocked or not account.settings.smpp:
            session.answer(pdu, statuses.ESME_RSUBMITFAIL)
            return
        if not customer.may_submit(account, now_ms):
            session.answer(pdu, statuses.ESME_RTHROTTLED)
            return
        try:
            if pdu.command_id == tables.SUBMIT_MULTI:
                self._take_many(session, pdu, bound, account, now_ms)
            else:
                self._take_one(session, pdu, bound, account, now_ms)
        except Denied as denied:
            session.answer(pdu, denied.status)
        except Refused as refused:
            session.answer(pdu, STATUSES[refused.reason])

    def _take_one(self, session: Session, pdu: Pdu, bound: Bound, account: Account, now_ms: int) -> None:
        content = read_content(pdu, bound.latin1)
        if not pdu.destination_addr:
            raise Denied(statuses.ESME_RINVDSTADR)
        if content.place is not None and not content.is_binary:
            self._take_piece(session, pdu, content, bound, account, now_ms)
            return
        text, kind = read_text(pdu, content)
        submission = self._submission(pdu, content, text, kind, (pdu.destination_addr,), account, now_ms)
        self._accept(account, submission, _Answer(session, pdu, bound.customer, str(submission.int_id), self), now_ms)

    def _submission(
        self,
        pdu: Pdu,
        content: Content,
        text: str,
        kind: Kind,
        destinations: tuple[str, ...],
        account: Account,
        now_ms: int,
    ) -> Submission:
        send_ms = valid_s = 0
        if pdu.schedule_delivery_time or pdu.validity_period:
            send_ms, valid_s = read_times(pdu, now_ms)
        return Submission(
            recipients=tuple([Recipient(given, text) for given in destinations]),
            kind=kind,
            sender=read_sender(pdu.source_addr),
            send_ms=send_ms,
            valid_s=valid_s,
            lane=1 if pdu.priority_flag else account.settings.smpp_lowest_lane,
            door=Door.SMPP,
            flags=read_told(pdu.registered_delivery),
            int_id=self._desk.take_int_ids(len(destinations)),
        )

    def _accept(self, account: Account, submission: Submission, done: "Callable[[Answer], None]", now_ms: int) -> None:
        self._submitting.accept(account, submission, now_ms, done)

    # -- parts ---------------------------------------------------------------------
    def _take_piece(
        self, session: Session, pdu: Pdu, content: Content, bound: Bound, account: Account, now_ms: int
    ) -> None:
        """A part of a long text: stored alone, or with the others when it is the last that was missing."""
        place = content.place
        assert place is not None
        piece = Piece(
            int_id=self._desk.take_int_ids(),
            account_id=account.id,
            received_ms=now_ms,
            reference=place.reference,
            total=place.total,
            number=place.number,
            source=pdu.source_addr,
            destination=pdu.destination_addr,
            data=content.data,
            wishes=read_wishes(pdu, content, bound.latin1, account.settings.smpp_lowest_lane, now_ms),
        )
        known = self._pieces.find(piece)
        if known is not None and known.data == piece.data:
            self._pieces.touch(known, now_ms, _Stored(session, pdu, bound.customer, known.int_id, self))
            return
        if known is not None:  # the reference has come round: what was begun with it will not become whole
            self._end(self._pieces.take(piece), account, now_ms)
        whole = self._pieces.complete(piece)
        if not whole:
            if not self._pieces.has_room(account.id):
                raise Denied(statuses.ESME_RMSGQFUL)
            self._pieces.add(piece, _Stored(session, pdu, bound.customer, piece.int_id, self))
            return
        answer = _Answer(session, pdu, bound.customer, str(piece.int_id), self, whole)
        self._join(whole, account, answer, now_ms)

    def _join(self, whole: list[Piece], account: Account, answer: "_Answer", now_ms: int) -> None:
        """One text of all its parts; the last one's id is the message's, the others become part of it."""
        try:
            submission = join(whole, whole[-1] if answer.own is None else answer.own)
        except Denied as denied:
            answer(Refusal(Reason.BAD_PARAMETERS), denied.status)
            return
        except Refused as refused:
            answer(Refusal(refused.reason, refused.detail))
            return
        self._accept(account, submission, answer, now_ms)

    def sweep(self, now_ms: int) -> None:
        """Parts whose others have not come in time: refused, or sent as they are, as the account is set."""
        accounts = self._desk.snapshots.current.accounts
        for parts in self._pieces.take_late(now_ms - self._incomplete_ms):
            account = accounts.get(parts[0].account_id)
            self._end(parts, account, now_ms)

    def _end(self, parts: list[Piece], account: Account | None, now_ms: int) -> None:
        if not parts:
            return
        if account is None or account.settings.smpp_incomplete != "send":
            self._pieces.refuse(parts, Refusal(Reason.NOT_POSSIBLE), now_ms)
            return
        try:
            submission = join(parts, None, self._desk.take_int_ids())
        except (Denied, Refused):
            self._pieces.refuse(parts, Refusal(Reason.NOT_POSSIBLE), now_ms)
            return
        self._accept(account, submission, _Late(parts, self._pieces, now_ms), now_ms)

    def unjoin(self, whole: list[Piece], own: Piece, refusal: Refusal) -> None:
        """The whole was not taken: its parts wait again when that may change, or are over."""
        others = [piece for piece in whole if piece is not own]
        if refusal.reason is Reason.STORE_FULL:
            self._pieces.give_back(others)
        else:
            self._pieces.refuse(others, refusal, self._clock_ms())

    # -- many ----------------------------------------------------------------------
    def _take_many(self, session: Session, pdu: Pdu, bound: Bound, account: Account, now_ms: int) -> None:
        """One text to several numbers; the ids of the texts follow each other in the order of the numbers."""
        failures = [_failure(each, statuses.ESME_RINVDLNAME) for each in pdu.destinations if each.is_list]
        wanted = list(dict.fromkeys(each.address for each in pdu.destinations if not each.is_list and each.address))
        if not wanted or len(wanted) > MOST_DESTINATIONS:
            raise Denied(statuses.ESME_RINVNUMDESTS if not failures else statuses.ESME_RINVDLNAME)
        content = read_content(pdu, bound.latin1)
        if content.place is not None and not content.is_binary:
            raise Denied(statuses.ESME_RINVESMCLASS)  # parts go one by one, or the text goes whole
        text, kind = read_text(pdu, content)
        submission = self._submission(pdu, content, text, kind, tuple(wanted), account, now_ms)
        plan = self._desk.snapshots.current.plan
        names = {normalize(each.address, plan) or each.address: each for each in pdu.destinations if not each.is_list}
        answer = _Many(session, pdu, bound.customer, str(submission.int_id), self, failures, names)
        self._accept(account, submission, answer, now_ms)


def read_text(pdu: Pdu, content: Content) -> tuple[str, Kind]:
    """Text and kind of what came whole; binary content in hex with its protocol id and coding behind it."""
    if content.is_binary:
        if not content.data:
            raise Denied(statuses.ESME_RINVMSGLEN)
        return f"{content.data.hex()}{COMMENT}pid: {pdu.protocol_id}, dcs: {pdu.data_coding}", Kind.BINARY
    return clean(decode(content.data, content.coding), content.flash)


def clean(text: str, flash: bool) -> tuple[str, Kind]:
    """The text without a prefix that chooses its kind, and the kind. Raises Denied, and Refused for later kinds."""
    kind = Kind.FLASH if flash else None
    named: Kind | None = None
    if text.startswith("__"):
        text, named = strip_prefix(text, kind)
    kind = kind or named or Kind.SMS
    if kind is Kind.CALL:
        raise Refused(Reason.LATER_FEATURE, "call")
    if kind not in _TEXTLESS:
        said = split_comment(text)[0] if len(text) > MAX_TEXT or "~~~" in text else text
        if not 0 < len(said) <= MAX_TEXT:
            raise Denied(statuses.ESME_RINVMSGLEN)
    return text, kind


def join(whole: list[Piece], own: Piece | None, int_id: int = 0) -> Submission:
    """The submission of parts in their order. ``own`` is the part that came last and is not stored: its id is that of
    the message, unless ``int_id`` is given. Octets are joined before they are read, for a character may lie on a border."""
    first = whole[0].wishes
    same = all(piece.wishes.coding == first.coding and piece.wishes.latin1 == first.latin1 for piece in whole)
    if same:
        text = decode(b"".join([piece.data for piece in whole]), _codec(whole[0]))
    else:
        text = "".join([decode(piece.data, _codec(piece)) for piece in whole])
    text, kind = clean(text, first.flash)
    flags = 0
    for piece in whole:
        flags |= piece.wishes.flags
    stored = tuple([piece.int_id for piece in whole if piece is not own])
    return Submission(
        recipients=(Recipient(whole[0].destination, text),),
        kind=kind,
        sender=first.sender,
        send_ms=first.send_ms,
        valid_s=first.valid_s,
        lane=max(piece.wishes.lane for piece in whole),
        door=Door.SMPP,
        flags=flags | (Flag.PIECES if own is not None else Flag.PIECES | Flag.INCOMPLETE) if stored else flags,
        int_id=int_id or (own.int_id if own is not None else 0),
        pieces=stored,
    )


def _codec(piece: Piece) -> str:
    wishes = piece.wishes
    if wishes.coding == 0:
        return "latin-1" if wishes.latin1 else "gsm"
    return name_coding(wishes.coding, wishes.latin1)[0]


class _Answer:
    """Answers one PDU, once; ``whole`` are the parts of its text when it completes one."""

    __slots__ = ("_customer", "_id", "_owner", "_pdu", "_session", "_whole", "own")

    def __init__(
        self, session: Session, pdu: Pdu, customer: Customer, id_: str, owner: Submits, whole: list[Piece] | None = None
    ) -> None:
        customer.waiting += 1
        self._session = session
        self._pdu = pdu
        self._customer = customer
        self._id = id_
        self._owner = owner
        self._whole = whole
        self.own: Piece | None = None
        if whole is not None:
            self.own = next(piece for piece in whole if str(piece.int_id) == id_)

    def __call__(self, answer: Answer, status: int = 0) -> None:
        self._customer.waiting -= 1
        if isinstance(answer, Accepted):
            self._session.answer(self._pdu, statuses.ESME_ROK, self._id)
            return
        if self._whole is not None and self.own is not None:
            self._owner.unjoin(self._whole, self.own, answer)
        self._session.answer(self._pdu, status or STATUSES[answer.reason])


class _Stored:
    """Answers a part that is stored and waits for others."""

    __slots__ = ("_customer", "_int_id", "_owner", "_pdu", "_session")

    def __init__(self, session: Session, pdu: Pdu, customer: Customer, int_id: int, owner: Submits) -> None:
        customer.waiting += 1
        self._session = session
        self._pdu = pdu
        self._customer = customer
        self._int_id = int_id
        self._owner = owner

    def __call__(self, error: Exception | None) -> None:
        self._customer.waiting -= 1
        if error is None:
            self._session.answer(self._pdu, statuses.ESME_ROK, str(self._int_id))
        else:
            self._session.answer(self._pdu, statuses.ESME_RMSGQFUL)


class _Late:
    """Takes note of what became of parts that were sent without the others."""

    __slots__ = ("_now_ms", "_parts", "_pieces")

    def __init__(self, parts: list[Piece], pieces: Pieces, now_ms: int) -> None:
        self._parts = parts
        self._pieces = pieces
        self._now_ms = now_ms

    def __call__(self, answer: Answer) -> None:
        if isinstance(answer, Refusal):
            if answer.reason is Reason.STORE_FULL:
                self._pieces.give_back(self._parts)
            else:
                self._pieces.refuse(self._parts, answer, self._now_ms)


class _Many:
    """Answers a submit_multi: its id, and the addresses that were refused."""

    __slots__ = ("_customer", "_failures", "_id", "_names", "_owner", "_pdu", "_session")

    def __init__(
        self,
        session: Session,
        pdu: Pdu,
        customer: Customer,
        id_: str,
        owner: Submits,
        failures: list[Failure],
        names: dict[str, Destination],
    ) -> None:
        customer.waiting += 1
        self._session = session
        self._pdu = pdu
        self._customer = customer
        self._id = id_
        self._owner = owner
        self._failures = failures
        self._names = names

    def __call__(self, answer: Answer) -> None:
        self._customer.waiting -= 1
        made = Pdu(tables.SUBMIT_MULTI_RESP, sequence=self._pdu.sequence)
        if isinstance(answer, Accepted):
            failures = list(self._failures)
            for verdict in answer.verdicts:
                if verdict.status:
                    found = self._names.get(verdict.phone) or Destination(verdict.phone[:20])
                    failures.append(_failure(found, status_of_verdict(verdict.status, verdict.err)))
            made.message_id, made.failures = self._id, tuple(failures)
        else:
            made.status = STATUSES[answer.reason]
        self._session.reply(made)


def _failure(each: Destination, status: int) -> Failure:
    return Failure(each.address, each.ton, each.npi, status)
