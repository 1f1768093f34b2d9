"""status: what became of messages, and taking them out of the history (spec sending 12, spec clients 2.2 and 2.3)."""

from collections.abc import Mapping
from typing import Any

from heliograph.api.call import Call, write_id
from heliograph.api.inputs import Flag, Integer, Parameter
from heliograph.api.operation import Operation
from heliograph.api.shapes import ACK, Field, Record, Rows, Type
from heliograph.api.submissions import read_id
from heliograph.core.accounts import Settings
from heliograph.core.messages import PUBLIC_FLAGS, Kind, Message, decode_extra
from heliograph.core.money import format_money
from heliograph.core.ranges import Place
from heliograph.core.reasons import Reason, Refused
from heliograph.core.status import Status, name_status
from heliograph.core.zones import format_date

MAX_QUERIES = 5000

PHONE = Parameter("phone", "Number of the message, or a comma list in the order of the ids", required=True)
ID = Parameter("id", "Message id, or a comma list; a comma at its end makes the reply a list", required=True)
ALL = Integer("all", "1 tells everything of the message, 2 also country, operator and region", high=2)
DEL = Flag("del", "Takes the message out of the history, and stops it when it still waits")

_HLR_KEYS = ("imsi", "msc", "mcc", "mnc", "cn", "net", "rcn", "rnet")

_STATUS = Field("status", Type.NUMBER, "Status", "Status = {}")
_LAST_DATE = Field("last_date", help="Last change, in the account's zone", text="check_time = {}", none="23")
_LAST_TIMESTAMP = Field("last_timestamp", Type.NUMBER, "Last change, UNIX seconds", missing="0")
_ERR = Field("err", Type.NUMBER, "Error, when there is one", zero="023", missing="0")
_HLR = tuple(Field(key, help="Answer to an HLR query", none="0123") for key in _HLR_KEYS)
_ID = Field("id", Type.EITHER, "Message id", "ID = {}", none="0123")
_PHONE = Field("phone", help="Number as it was asked for")
_PLACE = (
    Field("country", help="Country"),
    Field("operator", help="Operator"),
    Field("operator_orig", help="Operator by the number's range"),
    Field("region", help="Region"),
)
_SINCE_FULL = (
    Field("cost", help="Price"),
    Field("sender_id", help="Sender name; HLR for such a query"),
    Field("status_name", help="Status in words"),
    Field("message", help="Text", free=True),
    Field("comment", help="Your comment, when there is one", zero="023"),
    Field("mccmnc", help="Country and network code"),
    Field("type", Type.NUMBER, "Kind of message"),
    Field("sms_cnt", Type.NUMBER, "Parts"),
)


def _full(place: tuple[Field, ...]) -> Record:
    """all=1 or 2; the orders of formats 0 and 1 are older than that of the keys and hold fewer values."""
    where = tuple(field.key for field in place if field.key != "operator_orig")
    last = ("cost", "sender_id", "status_name", "message")
    return Record(
        root="status",
        fields=(
            _STATUS,
            _LAST_DATE,
            _LAST_TIMESTAMP,
            Field("flag", Type.NUMBER, "Bits of the message: the low four are its kind"),
            Field("err", Type.NUMBER, "Error, 0 when there is none", zero="0", missing="0"),
            Field("send_date", help="Sent, in the account's zone"),
            Field("send_timestamp", Type.NUMBER, "Sent, UNIX seconds", missing="0"),
            _PHONE,
            *place,
            *_SINCE_FULL,
            *_HLR,
            _ID,
        ),
        text=("status", "last_date", "err", *_HLR_KEYS, "send_date", "phone", *where, *last, "id"),
        commas=("status", "last_timestamp", "err", *_HLR_KEYS, "send_timestamp", "phone", *where, *last, "id"),
    )


BRIEF = Record(
    root="status",
    fields=(
        _STATUS,
        _LAST_DATE,
        _LAST_TIMESTAMP,
        _ERR,
        *_HLR,
        _ID,
        Field("phone", help="Number as it was asked for, in lists", none="0123"),
    ),
    commas=("status", "last_timestamp", "err", *_HLR_KEYS, "id", "phone"),
    text=("status", "last_date", "err", *_HLR_KEYS, "id", "phone"),
)
FULL = _full(())
FULL_WITH_PLACE = _full(_PLACE)
RECORDS = (BRIEF, FULL, FULL_WITH_PLACE)
LISTS = tuple(Rows("list", record) for record in RECORDS)


def handle(call: Call) -> None:
    """Looks messages up, or deletes them."""
    params = call.params
    pairs, is_list = _read_pairs(PHONE.text(params), ID.text(params))
    full = ALL.read(params)
    if DEL.read(params):
        _delete(call, pairs)
        return
    _keep_pace(call, pairs)

    def finish(call: Call, messages: list[Message | None] | None) -> None:
        if messages is None:
            raise Refused(Reason.STORE_FULL)
        rows = [
            _describe(call, message, id, phone, full, is_list)
            for message, (id, phone) in zip(messages, pairs, strict=True)
        ]
        if is_list:
            call.answer(LISTS[full], rows)
        else:
            call.answer(RECORDS[full], rows[0])

    call.services.statuses.find(call.account.id, pairs, call.then(finish))


def _read_pairs(phones: str, ids: str) -> tuple[list[tuple[str, str]], bool]:
    """(id, phone as given) of each query, and whether the reply is a list: a comma anywhere makes it one."""
    phone_list = [item for part in phones.split(",") if (item := part.strip())]
    id_list = [id for part in ids.split(",") if (id := read_id(part)) is not None]
    if not phone_list or not id_list:
        raise Refused(Reason.BAD_PARAMETERS, "phone or id is missing")
    if len(phone_list) == 1:
        phone_list *= len(id_list)
    elif len(id_list) == 1:
        id_list *= len(phone_list)
    if len(phone_list) != len(id_list):
        raise Refused(Reason.BAD_PARAMETERS, "phone and id differ in length")
    if len(id_list) > MAX_QUERIES:
        raise Refused(Reason.BAD_PARAMETERS, f"more than {MAX_QUERIES} messages")
    return list(zip(id_list, phone_list, strict=True)), "," in phones or "," in ids


def _keep_pace(call: Call, wanted: list[tuple[str, str]]) -> None:
    """Five queries a minute for one message (also when it is asked for as a list), one for a list of several."""
    normalize = call.services.normalize
    identity = "\0".join(f"{id} {normalize(phone) or phone}" for id, phone in wanted)
    if len(wanted) == 1:
        call.pace("status", identity, 5)
    else:
        call.pace("status list", identity, 1)


def _delete(call: Call, wanted: list[tuple[str, str]]) -> None:
    """OK when every one of them could be deleted, error 5 otherwise."""
    results: list[bool] = []

    def finish(call: Call, deleted: bool) -> None:
        results.append(deleted)
        if len(results) < len(wanted):
            return
        if not all(results):
            raise Refused(Reason.NOT_POSSIBLE)
        call.answer(ACK, None)

    for id, phone in wanted:
        call.services.statuses.delete(call.account, id, phone, call.now_ms, call.then(finish))


def _describe(call: Call, message: Message | None, id: str, phone: str, full: int, is_list: bool) -> Mapping[str, Any]:
    """The value of one message; ``phone`` goes back as it was given."""
    settings = call.account.settings
    value: dict[str, Any] = {"phone": phone}
    if message is None:
        value["status"] = int(Status.NOT_FOUND)
        if full:
            value["status_name"] = name_status(Status.NOT_FOUND, settings.english)
    else:
        value.update(
            status=message.status,
            last_date=format_date(message.changed_ms, settings.tz),
            last_timestamp=message.changed_ms // 1000,
            err=message.err,
        )
        if message.kind == Kind.HLR:
            hlr = decode_extra(message.extra).hlr or {}
            value.update({key: hlr.get(key, "") for key in _HLR_KEYS})
        if full:
            _add_details(value, message, settings)
        if full == 2:
            _add_place(value, call.services.places.look_up(message.phone), settings.english)
    if is_list:
        value["id"] = write_id(id)
    elif not full:
        del value["phone"]
    return value


def _add_details(value: dict[str, Any], message: Message, settings: Settings) -> None:
    sent_ms = message.send_ms or message.created_ms
    value.update(
        flag=message.flags & PUBLIC_FLAGS,
        send_date=format_date(sent_ms, settings.tz),
        send_timestamp=sent_ms // 1000,
        cost=format_money(message.cost),
        sender_id="HLR" if message.kind == Kind.HLR else message.sender,
        status_name=name_status(message.status, settings.english),
        message=message.text,
        comment=message.comment,
        mccmnc=message.mccmnc,
        type=message.kind,
        sms_cnt=message.parts,
    )


def _add_place(value: dict[str, Any], place: Place | None, english: bool) -> None:
    operator = place.operator if place else ""
    value.update(
        country=place.country_in(english) if place else "",
        operator=operator,
        operator_orig=operator,
        region=place.region_in(english) if place else "",
    )


OPERATIONS = (
    Operation(
        name="status",
        page="status",
        title="Status of messages",
        help="Tells what became of one or many messages, and deletes them.",
        handler=handle,
        parameters=(PHONE, ID, ALL, DEL),
        replies=(
            ("all=0", BRIEF),
            ("all=1", FULL),
            ("all=2", FULL_WITH_PLACE),
            ("a comma in phone or id", LISTS[2]),
            ("del=1", ACK),
        ),
        errors=((1, "Missing or bad parameter"), (5, "The message could not be deleted")),
        words={Reason.NOT_POSSIBLE: (5, "can't delete message")},
        limits=("5 requests a minute for one message", "1 request a minute for one list of messages"),
    ),
)
