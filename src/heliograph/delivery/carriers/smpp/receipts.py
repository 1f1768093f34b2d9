"""A carrier's receipt in our words: state and code to status and err (SMPP 3.4, appendix B; spec sending 14.1, 14.2)."""

import re
from urllib.parse import unquote_plus

from heliograph.core.status import Err, Status
from heliograph.delivery.carriers.contract import Receipt, Talk
from heliograph.delivery.carriers.smpp.answers import Errors, plain_code
from heliograph.wire.smpp import receipt as wire
from heliograph.wire.smpp import tables
from heliograph.wire.smpp.pdus import Pdu

# Vendor fields with the results of a number query, from 0x1400 on.
HLR_NAMES = ("imsi", "msc", "mcc", "mnc", "cn", "net", "rcn", "rnet")
HLR_TAGS = dict(enumerate(HLR_NAMES, 0x1400))
# And with how a call went (docs/codes.md): digits, or signs of a telephone's keys, as C-octet strings.
TAG_CALLTIME, TAG_RINGTIME, TAG_KEYS, TAG_MENU, TAG_OVERTIME = range(0x1408, 0x140D)
_HLR_TEXT = re.compile(rf"(?i)(?<![a-z0-9_])({'|'.join(HLR_NAMES)}):(\S*)")
_MESSAGE_TEXT = re.compile(rb"(?i)text\s*:")
_MAX_DETAIL = 200
_MAX_KEYS = 100
_MAX_CODE = 9
_KEYS = re.compile(r"[^0-9*#A-D,;:]")

# Codes of receipts as most centres write them: the errors of MAP (3GPP TS 29.002, 17.6.6), of which our own table
# took its low numbers. Others end as 255, refused without a code.
MAP_ERRS: dict[str, Err] = {
    "1": Err.NO_SUBSCRIBER,  # unknownSubscriber
    "5": Err.NO_SUBSCRIBER,  # unidentifiedSubscriber
    "6": Err.ABSENT,  # absentSubscriberSM
    "9": Err.BARRED,  # illegalSubscriber
    "10": Err.NO_SERVICE,  # bearerServiceNotProvisioned
    "11": Err.NO_SERVICE,  # teleserviceNotProvisioned
    "12": Err.HANDSET,  # illegalEquipment
    "13": Err.BARRED,  # callBarred
    "21": Err.NO_SUPPORT,  # facilityNotSupported
    "27": Err.ABSENT,  # absentSubscriber
    "31": Err.ABSENT,  # subscriberBusyForMT-SMS
    "32": Err.HANDSET,  # sm-DeliveryFailure
    "33": Err.ABSENT,  # messageWaitingListFull, which is kept for absent ones
}

# Plain numbers: looking up a member of an enumeration costs more than the rest.
_STATUSES: dict[int, int] = {
    tables.STATE_DELIVERED: int(Status.DELIVERED),
    tables.STATE_EXPIRED: int(Status.EXPIRED),
    tables.STATE_DELETED: int(Status.UNDELIVERABLE),
    tables.STATE_UNDELIVERABLE: int(Status.UNDELIVERABLE),
    tables.STATE_REJECTED: int(Status.UNDELIVERABLE),
}
_SENT = int(Status.SENT)


def translate(pdu: Pdu, told: wire.Receipt, errors: Errors, now_ms: int) -> Receipt:
    """The receipt ``told`` of a deliver_sm or data_sm.

    Its time is that of arrival: the dates in a receipt name no zone. They are in ``detail``, as the carrier wrote them.
    """
    words = _own_words(pdu.text)
    return Receipt(
        told.message_id.replace("\0", ""),
        pdu.source_addr.removeprefix("+"),
        _STATUSES.get(told.state, _SENT),
        0 if told.state == tables.STATE_DELIVERED else judge(told.state, told.error, errors),
        now_ms,
        words[:_MAX_DETAIL] or f"message_state:{told.state} err:{told.error}",
        read_hlr(pdu.tlvs, words),
        read_talk(pdu.tlvs),
        read_syserr(told),
    )


def read_syserr(told: wire.Receipt) -> int:
    """The carrier's own number of the error with which a text ended; 0 for none, or when it is no number."""
    if told.state == tables.STATE_DELIVERED or told.state not in _STATUSES:
        return 0
    code = plain_code(told.error)
    return int(code) if code.isascii() and code.isdigit() and len(code) <= _MAX_CODE else 0


def judge(state: int, code: str, errors: Errors) -> int:
    """The err of a message_state and the carrier's code: the carrier's table, then the usual codes, then the state."""
    if state == tables.STATE_DELIVERED or state not in _STATUSES:
        return Err.NONE
    plain = plain_code(code)
    err = errors.receipts.get(plain)
    if err is not None:
        return err
    if state == tables.STATE_EXPIRED:
        return int(MAP_ERRS.get(plain, Err.ABSENT))
    if state == tables.STATE_UNDELIVERABLE:
        return int(MAP_ERRS.get(plain, Err.REFUSED))
    return Err.REFUSED


def read_hlr(tlvs: dict[int, bytes], words: str) -> dict[str, str] | None:
    """The results of a number query, from vendor fields or the receipt's words (URL-encoded there); None without any."""
    found: dict[str, str] = {}
    for tag, raw in tlvs.items():
        if tag in HLR_TAGS:
            found[HLR_TAGS[tag]] = _clean(raw.split(b"\0", 1)[0])
    if "msi:" in words or "MSI:" in words:
        for key, value in _HLR_TEXT.findall(words):
            found.setdefault(key.lower(), unquote_plus(value).replace("\0", ""))
    return found or None


def read_talk(tlvs: dict[int, bytes]) -> Talk | None:
    """How a call went; None when the receipt tells neither the seconds of the call nor of ringing."""
    if TAG_CALLTIME not in tlvs and TAG_RINGTIME not in tlvs:
        return None
    overtime_s = _read_seconds(tlvs, TAG_OVERTIME) or 0
    keys, menu = (_KEYS.sub("", _text_of(tlvs, tag)) for tag in (TAG_KEYS, TAG_MENU))
    return Talk(_read_seconds(tlvs, TAG_CALLTIME), _read_seconds(tlvs, TAG_RINGTIME), keys, menu, overtime_s)


def _read_seconds(tlvs: dict[int, bytes], tag: int) -> int | None:
    text = _text_of(tlvs, tag)
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 6 else None


def _text_of(tlvs: dict[int, bytes], tag: int) -> str:
    return _clean(tlvs.get(tag, b"").split(b"\0", 1)[0])[:_MAX_KEYS]


def _own_words(raw: bytes) -> str:
    """What the carrier says without the text of the message, which comes last."""
    at = raw.lower().find(b"text:")
    if at < 0:
        mark = _MESSAGE_TEXT.search(raw)
        at = mark.start() if mark else len(raw)
    return _clean(raw[:at]).strip()


def _clean(raw: bytes) -> str:
    """Octets as text; databases take no NUL."""
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    return text.replace("\0", "")
