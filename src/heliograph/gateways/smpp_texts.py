"""From a submit_sm to a text: alphabets, headers, places in a long text, times (SMPP 3.4, 5.2; spec protocols 5.3)."""

from heliograph.core.messages import Flag
from heliograph.core.pieces import Wishes
from heliograph.gateways.smpp_refusals import Denied
from heliograph.wire.gsm import udh
from heliograph.wire.gsm.alphabet import Alphabet, decode_as
from heliograph.wire.smpp import statuses, tables
from heliograph.wire.smpp.pdus import Pdu
from heliograph.wire.smpp.times import parse_time

GSM, LATIN1, BINARY, UCS2 = "gsm", "latin-1", "", "utf-16-be"
DEST_ADDR_SUBUNIT = 0x0005
DISPLAY = b"\x01"
DAY_S = 86_400

_CODECS = {
    tables.CODING_ASCII: LATIN1,
    tables.CODING_LATIN1: LATIN1,
    tables.CODING_JIS: "shift_jis",
    tables.CODING_CYRILLIC: "iso8859-5",
    tables.CODING_HEBREW: "iso8859-8",
    tables.CODING_UCS2: UCS2,
    tables.CODING_JIS_EXTENDED: "euc_jp",
    tables.CODING_KSC5601: "euc_kr",
    tables.CODING_BINARY: BINARY,
    tables.CODING_BINARY_ALT: BINARY,
}
_BOTH = int(Flag.TELL_DELIVERED | Flag.TELL_FAILED)
# registered_delivery's two low bits: none, every end, failures only, and (SMPP 5.0) deliveries only.
_TOLD = (0, _BOTH, int(Flag.TELL_FAILED), int(Flag.TELL_DELIVERED))
# What an octet string of "8 bit" may hold to be taken for ISO-8859-1 text.
_CONTROLS = frozenset(range(0x20)) - {0x0A, 0x0D} | {0x7F}


class Content:
    """What a PDU says: octets without a header of concatenation, how they are written, the place in a long text."""

    __slots__ = ("coding", "data", "flash", "header", "place")

    def __init__(self, coding: str, flash: bool, data: bytes, place: udh.Concatenation | None, header: bool) -> None:
        self.coding = coding
        self.flash = flash
        self.data = data
        self.place = place
        self.header = header

    @property
    def is_binary(self) -> bool:
        """Whether it is for a machine: a header with more than a place, or octets that are no text."""
        if self.header:
            return True
        return self.coding == BINARY and not _CONTROLS.isdisjoint(self.data)


def read_content(pdu: Pdu, latin1: bool) -> Content:
    """What a submit_sm, data_sm or submit_multi says. Raises Denied for a coding that nobody knows."""
    tlvs = pdu.tlvs
    data = pdu.short_message
    coding = pdu.data_coding
    flash = False
    if tlvs:
        data = data or tlvs.get(tables.TAG_MESSAGE_PAYLOAD, b"")
        flash = tlvs.get(DEST_ADDR_SUBUNIT) == DISPLAY
    if coding == 0:
        name = LATIN1 if latin1 else GSM
    else:
        name, by_class = name_coding(coding, latin1)
        flash = flash or by_class
    place: udh.Concatenation | None = None
    header = False
    if pdu.esm_class & tables.ESM_UDH:
        try:
            elements, rest = udh.parse(data)
        except udh.UdhError:
            raise Denied(statuses.ESME_RINVESMCLASS) from None
        place = udh.find_concatenation(elements)
        header = len(elements) > (place is not None)
        if not header:
            data = rest
    elif tlvs and tables.TAG_SAR_MSG_REF_NUM in tlvs:
        place = read_sar(tlvs)
    if place is not None and place.total == 1:
        place = None
    return Content(name, flash, data, place, header)


def read_sar(tlvs: dict[int, bytes]) -> udh.Concatenation:
    """The place of a part by its three optional fields; Denied when they do not fit each other."""
    tags = (tables.TAG_SAR_MSG_REF_NUM, tables.TAG_SAR_TOTAL_SEGMENTS, tables.TAG_SAR_SEGMENT_SEQNUM)
    reference, total, number = (int.from_bytes(tlvs.get(tag, b""), "big") for tag in tags)
    if not 1 <= number <= total <= 0xFF:
        raise Denied(statuses.ESME_RINVOPTPARAMVAL)
    return udh.Concatenation(reference, total, number)


def name_coding(coding: int, latin1: bool) -> tuple[str, bool]:
    """The codec of a data_coding and whether it says "flash" (class 0). 0x01 to 0x0F are SMPP's own; from 0x10 on they are
    the coding groups of 3GPP TS 23.038, section 4. Raises Denied."""
    name: str | None
    if coding < 0x10:
        name = _CODECS.get(coding)
        flash = False
    elif coding >> 4 == 0xF:
        name = BINARY if coding & 0x04 else LATIN1 if latin1 else GSM
        flash = coding & 0x03 == 0
    else:
        # General group; bit 5 says compressed, bit 4 that there is a class.
        plain = LATIN1 if latin1 else GSM
        name = None if coding & 0xE0 else {0x00: plain, 0x04: BINARY, 0x08: UCS2}.get(coding & 0x0C)
        flash = coding & 0x13 == 0x10
    if name is None:
        raise Denied(statuses.ESME_RINVDCS)
    return name, flash


def decode(data: bytes, coding: str) -> str:
    """The text. Raises Denied for octets that are none in this coding; closing NULs of C strings are dropped."""
    try:
        if coding == GSM:
            text = decode_as(data, Alphabet.GSM7)
        elif coding == BINARY:
            text = data.decode(LATIN1)
        else:
            text = data.decode(coding)
    except (UnicodeDecodeError, ValueError):
        raise Denied(statuses.ESME_RINVDCS) from None
    if "\0" in text:
        text = text.rstrip("\0")
        if "\0" in text:  # no database's text can hold it
            raise Denied(statuses.ESME_RINVDCS)
    return text


def read_sender(address: str) -> str | None:
    """None is the account's own name, an empty text none at all (spec protocols 5.3)."""
    if not address:
        return None
    return "" if address == "." else address


def read_told(registered: int) -> int:
    """The flags for what the customer wants to be told (5.2.17)."""
    if not registered:
        return 0
    flags = _TOLD[registered & tables.REGISTERED_RECEIPT_MASK]
    return flags | Flag.TELL_STEPS if registered & tables.REGISTERED_INTERMEDIATE else flags


def read_times(pdu: Pdu, now_ms: int) -> tuple[int, int]:
    """When to send in milliseconds (0: now) and for how many seconds (0: the default). Raises Denied."""
    send_ms = valid_s = 0
    if pdu.schedule_delivery_time:
        try:
            send_ms = parse_time(pdu.schedule_delivery_time, now_ms) or 0
        except (ValueError, OverflowError):
            raise Denied(statuses.ESME_RINVSCHED) from None
        if send_ms <= now_ms:
            send_ms = 0
    if pdu.validity_period:
        start_ms = send_ms or now_ms
        try:
            until_ms = parse_time(pdu.validity_period, start_ms) or 0
        except (ValueError, OverflowError):
            raise Denied(statuses.ESME_RINVEXPIRY) from None
        valid_s = (until_ms - start_ms) // 1000
        if valid_s <= 0:
            raise Denied(statuses.ESME_RINVEXPIRY)
        valid_s = min(valid_s, DAY_S)
    return send_ms, valid_s


def read_wishes(pdu: Pdu, content: Content, latin1: bool, lowest_lane: int, now_ms: int) -> Wishes:
    """All that a part says beside its text."""
    send_ms, valid_s = read_times(pdu, now_ms)
    return Wishes(
        coding=pdu.data_coding,
        latin1=latin1,
        flash=content.flash,
        sender=read_sender(pdu.source_addr),
        flags=read_told(pdu.registered_delivery),
        send_ms=send_ms,
        valid_s=valid_s,
        lane=1 if pdu.priority_flag else lowest_lane,
    )
