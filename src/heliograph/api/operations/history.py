"""get_messages: the history of what an account has sent (seed 000; spec sending 15, spec clients 2.3)."""

import re
from collections.abc import Mapping
from datetime import date
from typing import Any
from zlib import crc32

from heliograph.api.call import Call, write_id
from heliograph.api.inputs import Integer, Parameter
from heliograph.api.operation import Operation, Pace
from heliograph.api.shapes import Field, Record, Rows, Type
from heliograph.core.days import day_of, next_day, read_day, shift_months, start_of_day
from heliograph.core.histories import FOREVER, Kinds, Wanted
from heliograph.core.messages import Kind, Message
from heliograph.core.money import format_money
from heliograph.core.reasons import Reason, Refused
from heliograph.core.status import name_status
from heliograph.core.zones import format_date

MONTHS = 6
MOST, USUAL = 1000, 100
MOST_NUMBERS = 1000
MAIL = int(Kind.MAIL)

START = Parameter(
    "start",
    "First day of the period, in the account's time zone",
    form="dd.mm.yyyy",
    default="six months before its end",
)
END = Parameter("end", "Last day of the period, whole", form="dd.mm.yyyy", default="up to now, and what is scheduled")
PHONE = Parameter("phone", f"Number, or a list of up to {MOST_NUMBERS} numbers with commas between")
EMAIL = Parameter("email", f"E-mail address, or a list of up to {MOST_NUMBERS}; asks for e-mails whatever format says")
FORMAT = Integer("format", "0 all kinds of messages but e-mail, 8 e-mail", high=MAIL)
CNT = Integer("cnt", "Messages at most", low=1, high=MOST, missing=USUAL, default=str(USUAL), zero_is_absent=True)
PREV_ID = Integer(
    "prev_id",
    "Only messages before the one with this int_id: the last of a reply brings the next page",
    high=10**11 - 1,
)

_SEPARATORS = re.compile(r"[,;\n]")

MESSAGES = Rows(
    "list",
    Record(
        root="sms",
        fields=(
            Field("status", Type.NUMBER, "Status", "Status = {}"),
            Field("last_date", help="Last change, in the account's zone", text="check_time = {}"),
            Field("last_timestamp", Type.NUMBER, "Last change, UNIX seconds"),
            Field("err", Type.NUMBER, "Error, 0 when there is none", zero="0"),
            Field("send_date", help="Sent, in the account's zone"),
            Field("send_timestamp", Type.NUMBER, "Sent, UNIX seconds"),
            Field("phone", help="Number, or e-mail address"),
            Field("cost", help="Price"),
            Field("sender_id", help="Sender name; HLR for such a query"),
            Field("status_name", help="Status in words"),
            Field("message", help="Text", free=True),
            Field("mccmnc", help="Country and network code"),
            Field("country", help="Country"),
            Field("operator", help="Operator"),
            Field("region", help="Region"),
            Field("type", Type.NUMBER, "Kind of message"),
            Field("id", Type.EITHER, "Message id", "ID = {}"),
            Field("int_id", help="Global message id"),
            Field("sms_cnt", Type.NUMBER, "Parts"),
            Field("format", Type.NUMBER, "Kind of message, as type"),
            Field("crc", Type.NUMBER, "CRC-32 of the text in UTF-8"),
        ),
        text=(
            *("status", "last_date", "err", "send_date", "phone", "mccmnc", "country", "operator", "region", "cost"),
            *("sender_id", "status_name", "message", "type", "id", "int_id", "sms_cnt", "format", "crc"),
        ),
        commas=(
            *("status", "last_timestamp", "err", "send_timestamp", "phone", "mccmnc", "country", "operator", "region"),
            *("cost", "sender_id", "status_name", "message", "type", "id", "int_id", "sms_cnt", "format", "crc"),
        ),
    ),
)


def handle(call: Call) -> None:
    """Finds the messages and tells them, newest first."""

    def finish(call: Call, messages: list[Message] | None) -> None:
        if messages is None:
            raise Refused(Reason.STORE_FULL)
        if not messages:
            raise Refused(Reason.NOT_FOUND)
        call.answer_list(MESSAGES, messages, _describe)

    call.services.histories.find(call.account.id, _read(call), call.then(finish))


def _read(call: Call) -> Wanted:
    params = call.params
    start_ms, end_ms = _read_period(call)
    numbers, addresses = PHONE.text(params), EMAIL.text(params)
    phones = [*_read_items(call, PHONE, numbers), *_read_items(call, EMAIL, addresses)]
    kind = FORMAT.read(params)
    if kind not in (0, MAIL):
        raise Refused(Reason.BAD_PARAMETERS, "format is 0 or 8")
    kinds = Kinds.TEXTS
    if kind == MAIL or (addresses and not numbers):
        kinds = Kinds.MAILS
    elif addresses:
        kinds = Kinds.ALL
    return Wanted(
        start_ms=start_ms,
        end_ms=end_ms,
        kinds=kinds,
        phones=tuple(phones),
        before=PREV_ID.read(params) or FOREVER,
        limit=CNT.read(params),
    )


def _read_period(call: Call) -> tuple[int, int]:
    """From the first moment of ``start`` to the end of ``end``: six months at most, and the last six when nothing is said."""
    zone = call.account.settings.tz
    start, end = _read_day(call, START), _read_day(call, END)
    last = end or day_of(call.now_ms, zone)
    earliest = shift_months(last, -MONTHS)
    if start is None:
        start = earliest
    if end is not None and end < start:
        raise Refused(Reason.BAD_PARAMETERS, "end lies before start")
    if start < earliest:
        raise Refused(Reason.BAD_PARAMETERS, f"a period of more than {MONTHS} months")
    return start_of_day(start, zone), FOREVER if end is None else start_of_day(next_day(end), zone)


def _read_day(call: Call, parameter: Parameter) -> date | None:
    text = parameter.text(call.params).strip()
    if not text:
        return None
    try:
        return read_day(text)
    except ValueError:
        raise Refused(Reason.BAD_PARAMETERS, f"{parameter.name} is a date like 31.12.2026") from None


def _read_items(call: Call, parameter: Parameter, text: str) -> list[str]:
    """International numbers and addresses; unreadable items match nothing, but one must be readable."""
    if not text:
        return []
    if sum(map(text.count, ",;\n")) >= MOST_NUMBERS:
        raise Refused(Reason.BAD_PARAMETERS, f"more than {MOST_NUMBERS} items of {parameter.name}")
    found: list[str] = []
    for item in _SEPARATORS.split(text):
        if "@" in item:
            # Names of hosts are the same in capitals; those of mailboxes are so nearly everywhere.
            found += {item.strip(), item.strip().lower()}
        elif parameter is PHONE and (phone := call.services.normalize(item)):
            found.append(phone)
    if not found:
        raise Refused(Reason.BAD_PARAMETERS, f"{parameter.name} holds nothing readable")
    return found


def _describe(call: Call, message: Message) -> Mapping[str, Any]:
    settings = call.account.settings
    place = call.services.places.look_up(message.phone)
    sent_ms = message.send_ms or message.created_ms
    return {
        "status": message.status,
        "last_date": format_date(message.changed_ms, settings.tz),
        "last_timestamp": message.changed_ms // 1000,
        "err": message.err,
        "send_date": format_date(sent_ms, settings.tz),
        "send_timestamp": sent_ms // 1000,
        "phone": message.phone,
        "cost": format_money(message.cost),
        "sender_id": "HLR" if message.kind == Kind.HLR else message.sender,
        "status_name": name_status(message.status, settings.english),
        "message": message.text,
        "mccmnc": message.mccmnc,
        "country": place.country_in(settings.english) if place else "",
        "operator": place.operator if place else "",
        "region": place.region_in(settings.english) if place else "",
        "type": int(message.kind),
        "id": write_id(message.id),
        "int_id": message.int_id,
        "sms_cnt": message.parts,
        "format": int(message.kind),
        "crc": crc32(message.text.encode("utf-8", "surrogatepass")),
    }


OPERATIONS = (
    Operation(
        name="get_messages",
        page="get",
        flag="get_messages",
        title="History of sent messages",
        help="Tells the messages of a period, newest first: all, or those to some numbers or e-mail addresses.",
        handler=handle,
        parameters=(START, END, PHONE, EMAIL, FORMAT, CNT, PREV_ID),
        replies=(("", MESSAGES),),
        errors=((1, "Bad parameter, or a period of more than six months"), (3, "No message found")),
        words={Reason.NOT_FOUND: (3, "message not found")},
        limits=("3 identical requests a minute", "30 requests an hour"),
        paces=(Pace(3), Pace(30, 3600, identical=False)),
    ),
)
