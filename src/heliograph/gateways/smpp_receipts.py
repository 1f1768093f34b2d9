"""What customers on SMPP are told, as deliver_sm: receipts and incoming texts (SMPP 3.4, 4.6 and appendix B; spec protocols 5.4, 5.5).

Receipts keep to what all clients read: ten-digit dates (UTC), a decimal ``err``, the id as in the answer to the submit.
"""

from collections.abc import Sequence
from urllib.parse import quote_plus

from heliograph.core.messages import PUBLIC_FLAGS, Kind, Message, decode_extra
from heliograph.core.news import HLR_FIELDS, Incoming
from heliograph.core.pieces import Piece
from heliograph.core.status import Status
from heliograph.wire.gsm import alphabet
from heliograph.wire.gsm.alphabet import Alphabet
from heliograph.wire.smpp import tables
from heliograph.wire.smpp.pdus import Pdu
from heliograph.wire.smpp.receipt import STATE_NAMES, format_text

TAG_COST, TAG_FLAG, TAG_PARTS = 0x2000, 0x2001, 0x2002
# Ours: the id of an incoming text, by which a repeat is known, and that of the message it answers.
TAG_INCOMING, TAG_ANSWERED = 0x2100, 0x2101
_OWN = (TAG_COST, TAG_FLAG, TAG_PARTS)
NETWORK_GSM = 3
SHORT = 254  # octets of short_message; longer texts go as message_payload (5.2.21)

STATES: dict[int, int] = {
    Status.STOPPED: tables.STATE_DELETED,
    Status.WAITING: tables.STATE_ENROUTE,
    Status.SENT: tables.STATE_ENROUTE,
    Status.DELIVERED: tables.STATE_DELIVERED,
    Status.READ: tables.STATE_DELIVERED,
    Status.CLICKED: tables.STATE_DELIVERED,
    Status.EXPIRED: tables.STATE_EXPIRED,
    Status.UNDELIVERABLE: tables.STATE_UNDELIVERABLE,
    Status.BAD_NUMBER: tables.STATE_REJECTED,
    Status.DENIED: tables.STATE_REJECTED,
    Status.NO_MONEY: tables.STATE_REJECTED,
    Status.UNREACHABLE: tables.STATE_REJECTED,
}


def state_of(status: int) -> int:
    """The message_state of a status (spec protocols 5.4)."""
    return STATES.get(status, tables.STATE_UNKNOWN)


def write_receipt(message: Message, int_id: int, status: int, err: int, at_ms: int) -> Pdu:
    """The receipt of a text that came whole."""
    state = state_of(status)
    id_ = str(int_id)
    if message.kind == Kind.HLR:
        text = _hlr_text(message, id_, state, err)
    else:
        text = format_text(
            id_, state, submitted_ms=message.created_ms, done_ms=at_ms, error=err, parts=min(message.parts, 999)
        )
    flags = message.flags & PUBLIC_FLAGS
    return _receipt(message.given, message.sender, id_, text, state, err, message.cost, flags, message.parts)


def write_part_receipts(message: Message, ids: Sequence[int], status: int, err: int, at_ms: int) -> list[Pdu]:
    """A receipt for each part that the customer sent; together they tell the whole's cost."""
    state = state_of(status)
    share, rest = divmod(message.cost, len(ids))
    pdus = []
    for number, int_id in enumerate(ids, 1):
        id_ = str(int_id)
        text = format_text(id_, state, submitted_ms=message.created_ms, done_ms=at_ms, error=err)
        cost = share + rest if number == len(ids) else share
        flags = message.flags & PUBLIC_FLAGS
        pdus.append(_receipt(message.given, message.sender, id_, text, state, err, cost, flags, 1))
    return pdus


def write_piece_receipt(piece: Piece, status: int, err: int, at_ms: int) -> Pdu:
    """The receipt of a part that never became part of a text."""
    state = state_of(status)
    id_ = str(piece.int_id)
    text = format_text(id_, state, submitted_ms=piece.received_ms, done_ms=at_ms, error=err)
    return _receipt(piece.destination, piece.source, id_, text, state, err, 0, 0, 1)


def _receipt(
    phone: str, sender: str, id_: str, text: str, state: int, err: int, cost: int, flags: int, parts: int
) -> Pdu:
    source_ton, source_npi, source = read_address(phone)
    dest_ton, dest_npi, destination = read_address(sender)
    return Pdu(
        tables.DELIVER_SM,
        source_addr_ton=source_ton,
        source_addr_npi=source_npi,
        source_addr=source,
        dest_addr_ton=dest_ton,
        dest_addr_npi=dest_npi,
        destination_addr=destination,
        esm_class=tables.ESM_INTERMEDIATE if state == tables.STATE_ENROUTE else tables.ESM_RECEIPT,
        short_message=text.encode("latin-1", "replace")[:SHORT],
        tlvs={
            tables.TAG_RECEIPTED_MESSAGE_ID: id_.encode() + b"\0",
            tables.TAG_MESSAGE_STATE: bytes((state,)),
            tables.TAG_NETWORK_ERROR_CODE: bytes((NETWORK_GSM, err >> 8 & 0xFF, err & 0xFF)),
            # Up to 6 characters, so large amounts lose their last decimals.
            TAG_COST: f"{cost // 10_000}.{cost % 10_000:04d}"[:6].encode() + b"\0",
            TAG_FLAG: (flags & 0xFFFF).to_bytes(2, "big"),
            TAG_PARTS: min(parts, 0xFFFF).to_bytes(2, "big"),
        },
    )


def _hlr_text(message: Message, id_: str, state: int, err: int) -> str:
    found = decode_extra(message.extra).hlr or {}
    told = "".join(f" {name}:{quote_plus(found[name])}" for name in HLR_FIELDS if name in found)
    return f"id:{id_} stat:{STATE_NAMES[state]} err:{err:03d}{told}"


def write_incoming(incoming: Incoming, latin1: bool, ids: bool) -> Pdu:
    """A subscriber's text, with fields of ours if ``ids`` is set. To a session where 0 means ISO-8859-1 nothing is sent in
    that coding."""
    source_ton, source_npi, source = read_address(incoming.phone)
    dest_ton, dest_npi, destination = read_address(incoming.to_phone)
    coding = tables.CODING_UCS2
    data = b""
    if latin1:
        try:
            data, coding = incoming.text.encode("latin-1"), tables.CODING_LATIN1
        except UnicodeEncodeError:
            pass
    elif alphabet.fits(incoming.text):
        data, coding = alphabet.encode_as(incoming.text, Alphabet.GSM7), tables.CODING_DEFAULT
    if coding == tables.CODING_UCS2:
        data = incoming.text.encode("utf-16-be", "replace")
    long = len(data) > SHORT
    tlvs = {TAG_INCOMING: b"%d\0" % incoming.id} if ids else {}
    if ids and incoming.sms_id:
        tlvs[TAG_ANSWERED] = incoming.sms_id.encode("latin-1", "replace") + b"\0"
    if long:
        tlvs[tables.TAG_MESSAGE_PAYLOAD] = data[:0xFFFF]
    return Pdu(
        tables.DELIVER_SM,
        source_addr_ton=source_ton,
        source_addr_npi=source_npi,
        source_addr=source,
        dest_addr_ton=dest_ton,
        dest_addr_npi=dest_npi,
        destination_addr=destination,
        data_coding=coding,
        short_message=b"" if long else data,
        tlvs=tlvs,
    )


def drop_own_fields(pdu: Pdu) -> None:
    """Leave of a receipt only what the standard knows, for clients that refuse the rest."""
    for tag in _OWN:
        pdu.tlvs.pop(tag, None)


def read_address(address: str) -> tuple[int, int, str]:
    """Type of number, numbering plan and address as SMPP has them."""
    digits = address.removeprefix("+")
    if digits.isascii() and digits.isdigit():
        return tables.TON_INTERNATIONAL, tables.NPI_ISDN, digits[:20]
    if not address:
        return tables.TON_UNKNOWN, tables.NPI_UNKNOWN, ""
    return tables.TON_ALPHANUMERIC, tables.NPI_UNKNOWN, address.encode("latin-1", "replace").decode("latin-1")[:20]
