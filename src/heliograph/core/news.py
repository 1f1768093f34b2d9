"""What customers are told, as fields in the order of the reference (seed 001, "Transmitting statuses and messages").

One list of fields for XML, JSON and the events that are fetched; the form of callbacks/payloads.py holds the same.
"""

import time

import msgspec

from heliograph.core.messages import PUBLIC_FLAGS, Extra, Kind, Message, decode_extra
from heliograph.core.money import format_money
from heliograph.core.zones import offset_min

Value = int | str
Fields = list[tuple[str, Value]]

HLR_FIELDS = ("imsi", "msc", "mcc", "mnc", "cn", "net", "rcn", "rnet")
CALL_FIELDS = ("calltime", "callmenu", "ringtime")
HASHES = ("md5", "sha1", "crc32")
_STATUS_FIELDS = (
    "id",
    "phone",
    "status",
    "time",
    "ts",
    "err",
    "syserr",
    "cnt",
    "type",
    "cost",
    "flag",
    "sender",
    "dtmf",
    "cmt",
)
_INCOMING_FIELDS = ("sms_id", "mes", "to", "smsc", "sent", "waitcall", "stop", "start", "incomplete")
RESERVED = frozenset((*_STATUS_FIELDS, *_INCOMING_FIELDS, *HLR_FIELDS, *CALL_FIELDS))
"""Names of fields; what else a handler's address holds behind its ``?`` is told back under its own name."""

CALL_TEXT = "[waitcall] "
"""The text of an incoming record that stands for a call."""

_MOST_ID = 2**31 - 1


class Remarks(msgspec.Struct, frozen=True):
    """What the ``extra`` of an incoming record says that customers are told.

    ``call`` is a call that was waited for; ``direct`` a text to a dedicated number or with the prefix "login: ", which
    answers no message whatever was sent before; ``command`` is "stop" or "start"; ``missing`` are parts of a long text that
    did not come in time, ``number`` is that of one which came later.
    """

    smsc: str = ""
    call: bool = False
    direct: bool = False
    command: str = ""
    missing: tuple[int, ...] = ()
    number: int = 0


class Incoming(msgspec.Struct, frozen=True):
    """An incoming text or call as it is told. ``sms_id`` is the account's id of the message it answers, or empty."""

    id: int
    phone: str
    to_phone: str
    text: str
    sent_ms: int
    received_ms: int
    smsc: str = ""
    sms_id: str = ""
    call: bool = False
    command: str = ""
    incomplete: bool = False


def read_remarks(extra: str) -> Remarks:
    """The remarks of an incoming record's extra column (JSON, empty for none)."""
    return msgspec.json.decode(extra, type=Remarks) if extra else _NO_REMARKS


_NO_REMARKS = Remarks()


def write_stamp(at_s: int, zone: str) -> str:
    """DD.MM.YY hh:mm:ss in a zone; ``at_s`` are UNIX seconds."""
    t = time.gmtime(at_s + offset_min(zone, at_s * 1000) * 60)
    return f"{t.tm_mday:02d}.{t.tm_mon:02d}.{t.tm_year % 100:02d} {t.tm_hour:02d}:{t.tm_min:02d}:{t.tm_sec:02d}"


def write_id(id: str) -> Value:
    """A message id as it goes out: a number unless it is a text of the caller's own (spec sending 7.1)."""
    if id.isascii() and id.isdigit() and (number := int(id)) <= _MOST_ID and str(number) == id:
        return number
    return id


def write_comment(comment: str, extra: Extra) -> str:
    """The customer's comment; the overtime of a call is a line of its own behind it."""
    if not extra.overtime:
        return comment
    line = f"overtime: {extra.overtime // 60:02d}:{extra.overtime % 60:02d}"
    return f"{comment}\n{line}" if comment else line


def count(message: Message, extra: Extra) -> int:
    """Parts of a text; seconds of a call, once it has been placed (seed 001, ``cnt``)."""
    return message.parts if message.kind != Kind.CALL or extra.calltime is None else extra.calltime


def extra_fields(message: Message, extra: Extra) -> Fields:
    """Behind the comment: what a number query found, how a call went."""
    fields: Fields = []
    if message.kind == Kind.HLR and extra.hlr:
        fields += [(name, extra.hlr[name]) for name in HLR_FIELDS if name in extra.hlr]
    if extra.calltime is not None:
        fields.append(("calltime", extra.calltime))
    if extra.callmenu:
        fields.append(("callmenu", extra.callmenu))
    if extra.ringtime is not None:
        fields.append(("ringtime", extra.ringtime))
    return fields


def status_fields(message: Message, status: int, err: int, at_ms: int, zone: str) -> Fields:
    """A status of a message: ``err`` only when not zero, ``time`` in the account's zone, ``cmt`` when there is one."""
    extra = decode_extra(message.extra)
    at_s = at_ms // 1000
    fields: Fields = [
        ("id", write_id(message.id)),
        ("phone", message.phone),
        ("status", status),
        ("time", write_stamp(at_s, zone)),
        ("ts", at_s),
    ]
    if err:
        fields.append(("err", err))
    if extra.syserr:
        fields.append(("syserr", extra.syserr))
    fields += [
        ("cnt", count(message, extra)),
        ("type", message.kind),
        ("cost", format_money(message.cost)),
        ("flag", message.flags & PUBLIC_FLAGS),
        ("sender", message.sender),
    ]
    if extra.dtmf:
        fields.append(("dtmf", extra.dtmf))
    comment = write_comment(message.comment, extra)
    if comment:
        fields.append(("cmt", comment))
    return fields + extra_fields(message, extra)


def incoming_fields(incoming: Incoming) -> Fields:
    """An incoming text (``sms_id`` only when it answers a message), or a call."""
    received_s = incoming.received_ms // 1000
    if incoming.call:
        return [("waitcall", 1), ("phone", incoming.phone), ("ts", received_s)]
    fields: Fields = [("id", incoming.id)]
    if incoming.sms_id:
        fields.append(("sms_id", write_id(incoming.sms_id)))
    fields += [
        ("phone", incoming.phone),
        ("mes", incoming.text),
        ("to", incoming.to_phone),
        ("smsc", incoming.smsc),
        ("sent", (incoming.sent_ms or incoming.received_ms) // 1000),
        ("time", received_s),
    ]
    if incoming.command:
        fields.append((incoming.command, 1))
    if incoming.incomplete:
        fields.append(("incomplete", 1))
    return fields
