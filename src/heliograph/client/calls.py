"""The requests of the API as data: page, parameters, and how the answer is read (docs/reference; spec sending 2, 7, 8 and 12).

Nothing here touches a socket; the two clients share it.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import Enum
from typing import Any, Generic, NoReturn, TypedDict, TypeVar

import msgspec

from heliograph.client.errors import NOT_FOUND, ApiError, NoAnswer
from heliograph.client.records import (
    Answer,
    Balance,
    Deed,
    Link,
    Message,
    NewTask,
    Operator,
    Price,
    Prices,
    Progress,
    Rent,
    RentableNumber,
    Sent,
    Statistics,
    Status,
    Task,
    WaitedCall,
)

T = TypeVar("T")
Phones = str | Iterable[str | int]

# Errors come as text from some pages even when JSON was asked for (spec clients 2.1).
TEXT_ERROR = re.compile(r"ERROR = (\d+) \(([^)]*)\)(?:, ID - (\S+))?")
NUMBERS_AT_ONCE = 1000  # get_operator takes no more


class Repeat(Enum):
    """When a request may be made again that got no answer at all."""

    ALWAYS = "it changes nothing, or the same a second time"
    GUARDED = "a second one within a minute is refused as a duplicate"
    UNSENT = "only when it was not written"


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """One request: POST /sys/<page>.php with ``params``; the answer is a ``kind``."""

    page: str
    params: Mapping[str, object]
    kind: type[T]
    repeat: Repeat = Repeat.ALWAYS


class SendOptions(TypedDict, total=False):
    """What ``send`` and ``price`` take beside recipients and text; docs/reference/send.md says what each one means."""

    id: int | str
    sender: str
    translit: int
    tinyurl: bool
    time: str | datetime
    tz: int
    period: float
    freq: int
    flash: bool
    bin: int
    push: bool
    hlr: bool
    ping: bool
    call: bool
    valid: str | int
    maxsms: int
    userip: str
    imgcode: str
    test: bool
    lane: int
    cost: int
    op: bool
    err: bool
    list: str
    nl: bool


def send(phones: Phones, mes: str, options: SendOptions) -> Call[Sent]:
    """Send a text. ValueError for cost=1, which is ``price``."""
    if options.get("cost") == 1:
        raise ValueError("cost=1 sends nothing: use price()")
    return Call("send", _text(phones, mes, options), Sent, Repeat.GUARDED)


def price(phones: Phones, mes: str, options: SendOptions) -> Call[Price]:
    """What a text would cost."""
    return Call("send", {**_text(phones, mes, options), "cost": 1}, Price)


def status(phone: str, id: int | str, all: int) -> Call[Status]:
    """What became of one message."""
    return Call("status", {"phone": phone, "id": id, "all": all}, Status)


def statuses(pairs: Iterable[tuple[str, int | str]], all: int) -> Call[tuple[Status, ...]]:
    """What became of many; the commas at the end make the reply a list even for one."""
    known = [(str(phone), str(id)) for phone, id in pairs]
    params = {
        "phone": "".join(f"{phone}," for phone, _ in known),
        "id": "".join(f"{id}," for _, id in known),
        "all": all,
    }
    return Call("status", params, tuple[Status, ...])


def delete(phone: str, id: int | str) -> Call[Deed]:
    """Take a message out of the history, and stop it."""
    return Call("status", {"phone": phone, "id": id, "del": 1}, Deed, Repeat.UNSENT)


def balance() -> Call[Balance]:
    """Money on the account, with its currency."""
    return Call("balance", {"cur": 1}, Balance)


def history(
    start: date | str | None, end: date | str | None, phones: Phones, mail: bool, cnt: int, prev_id: str
) -> Call[tuple[Message, ...]]:
    """A page of the history, newest first, before the message ``prev_id``."""
    name = "email" if mail else "phone"
    params = {"get_messages": 1, "start": start, "end": end, name: _join(phones), "cnt": cnt, "prev_id": prev_id}
    if mail:
        params["format"] = 8
    return Call("get", params, tuple[Message, ...])


def answers(after_id: int | None, hour: int | None, to_phone: str, cnt: int | None) -> Call[tuple[Answer, ...]]:
    """Incoming texts, oldest first."""
    params = {"get_answers": 1, "after_id": after_id, "hour": hour, "to_phone": to_phone, "cnt": cnt}
    return Call("get", params, tuple[Answer, ...])


def statistics(start: date | str, end: date | str | None, mycur: bool, balance2: bool) -> Call[tuple[Statistics, ...]]:
    """Messages and money of a period."""
    params = {"get_stat": 1, "start": start, "end": end, "mycur": mycur, "balance2": balance2}
    return Call("get", params, tuple[Statistics, ...])


def prices() -> Call[Prices]:
    """The tariff."""
    return Call("get", {"get_price": 1}, Prices)


def operator(phone: str) -> Call[Operator]:
    """Whose a number is."""
    return Call("info", {"get_operator": 1, "phone": phone}, Operator)


def operators(phones: Phones) -> Call[tuple[Operator, ...]]:
    """Whose up to 1000 numbers are."""
    return Call("info", {"get_operator": 1, "phone": _join(phones) + ","}, tuple[Operator, ...])


def link(link: str, id: int | None) -> Call[Link]:
    """Clicks on a short link."""
    return Call("tinyurls", {"get": 1, "id": id, "link": link}, Link)


def exports(after_id: int, cnt: int | None) -> Call[tuple[Task, ...]]:
    """Exports by rising ids."""
    return Call("downloads", {"get_list": 1, "after_id": after_id, "cnt": cnt}, tuple[Task, ...])


def add_export(start: date | str, end: date | str | None, phones: Phones, form: str, name: str) -> Call[NewTask]:
    """Have a file written."""
    params = {"add": 1, "start": start, "end": end, "phone": _join(phones), "form": form, "name": name}
    return Call("downloads", params, NewTask, Repeat.UNSENT)


def export_progress(id: int) -> Call[Progress]:
    """How far an export is."""
    return Call("downloads", {"progress": 1, "id": id}, Progress)


def cancel_export(id: int) -> Call[Deed]:
    """End an export, or remove its file."""
    return Call("downloads", {"cancel": 1, "id": id}, Deed, Repeat.UNSENT)


def export_file(id: int) -> Call[bytes]:
    """The file of an export."""
    return Call("downloads", {"get_file": 1, "id": id}, bytes)


def numbers() -> Call[tuple[RentableNumber, ...]]:
    """Numbers for rent."""
    return Call("receive_phones", {"get": 1}, tuple[RentableNumber, ...])


def buy_number(phone: str, noprolong: bool) -> Call[Rent]:
    """Rent a number; one that the account has already costs nothing, so it may be asked again."""
    return Call("receive_phones", {"buy": 1, "phone": phone, "noprolong": noprolong}, Rent)


def change_number(phone: str, noprolong: bool) -> Call[Deed]:
    """Whether a number is paid for next month."""
    return Call("receive_phones", {"chg": 1, "phone": phone, "noprolong": int(noprolong)}, Deed)


def wait_call(phone: str) -> Call[WaitedCall]:
    """The number that a subscriber is to call."""
    return Call("wait_call", {"phone": phone}, WaitedCall)


def read(call: Call[T], body: bytes, charset: str) -> T:
    """The record of an answer. ApiError for a refusal, NoAnswer for what is neither."""
    try:
        text = body.decode(charset)
    except UnicodeDecodeError:
        raise NoAnswer(f"the answer is not {charset}", sent=True) from None
    found = TEXT_ERROR.match(text)
    if found is not None:
        raise ApiError(int(found[1]), found[2], _read_id(found[3]))
    raw = text.encode()
    try:
        head = msgspec.json.decode(raw)
        if isinstance(head, dict) and "error_code" in head:
            refusal = msgspec.convert(head, _Refusal, strict=False)
            raise ApiError(refusal.error_code, refusal.error, refusal.id)
        return msgspec.convert(head, call.kind, strict=False)
    except msgspec.DecodeError as error:  # ValidationError is one
        raise NoAnswer(f"the answer cannot be understood: {error}", sent=True) from None


def refuse(call: Call[bytes], body: bytes, charset: str) -> NoReturn:
    """What stands in the place of a file. ApiError for a refusal, NoAnswer for anything else."""
    read(Call(call.page, call.params, dict), body, charset)
    raise NoAnswer("the answer is no file", sent=True)


def is_empty(error: ApiError) -> bool:
    """Whether a page that lists something had nothing to list."""
    return error.code == NOT_FOUND


def join_params(params: Mapping[str, object]) -> dict[str, str]:
    """Parameters as texts: none for None, "" and False; a sender that is empty stays, it means no name."""
    texts = {}
    for name, value in params.items():
        if value is None or value is False or (value == "" and name != "sender"):
            continue
        texts[name] = _write(value)
    return texts


class _Refusal(msgspec.Struct):
    error_code: int
    error: str = ""
    id: int | str | None = None


def _text(phones: Phones, mes: str, options: SendOptions) -> dict[str, object]:
    params: dict[str, Any] = {"phones": _join(phones), "mes": mes, **options}
    moment = params.get("time")
    if isinstance(moment, datetime):
        if moment.tzinfo is None:
            raise ValueError("time has no zone: give an aware datetime, or a text that the account's zone is read for")
        params["time"] = f"0{int(moment.timestamp())}"
    return params


def _join(phones: Phones) -> str:
    return phones if isinstance(phones, str) else ",".join(map(str, phones))


def _write(value: object) -> str:
    if value is True:
        return "1"
    if isinstance(value, date):
        return value.strftime("%d.%m.%Y")
    return str(value)


def _read_id(text: str | None) -> int | str | None:
    return int(text) if text is not None and text.isdecimal() else text
