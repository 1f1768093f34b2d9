"""What a customer's handler is sent, byte for byte (callbacks/payloads.py, core/news.py; seed 001)."""

import hashlib
import hmac
import json
from typing import Any
from urllib.parse import parse_qsl
from xml.etree import ElementTree

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests import records

from heliograph.callbacks.payloads import render, render_incoming, sign
from heliograph.callbacks.plans import parse_plan
from heliograph.core.accounts import Account, Settings
from heliograph.core.messages import Extra, Flag, Kind, Message, encode_extra
from heliograph.core.news import Incoming, incoming_fields, status_fields
from heliograph.services.callbacks import Callback

AT = 1_790_000_000_000  # 21.09.2026 17:13:20 in Moscow
ACCOUNT = Account(1, "shop", "RUR", 0, 1, Settings())
PLAIN = "http://x/"
SECRET = "s3cret-Key_1"
ALL_HASHES = f"http://x/?md5={SECRET}&sha1={SECRET}&crc32={SECRET}"


def news(status: int = 1, err: int = 0) -> Callback:
    return Callback(id=5, int_id=9, account_id=1, status=status, err=err, at_ms=AT, due_ms=AT)


CALLBACK = news()
MESSAGE = Message(
    9, 1, "17", "79161234567", "8916", 0, 0, "Shop", "hello", "", 2, 31_000, "25001", 1, 0, AT, AT, AT, AT, 1, 1, 1, 1
)
TEXT = Incoming(31, "79991234567", "79037654321", "Привет", AT - 2_000, AT, "79168999100", "17")
CALL = Incoming(32, "79991234567", "79037654321", "[waitcall] ", 0, 1_700_000_000_123, call=True)


def changed(**more: object) -> Message:
    return records.changed(MESSAGE, **more)


def told(
    url: str = PLAIN, callback: Callback = CALLBACK, message: Message = MESSAGE, account: Account = ACCOUNT
) -> bytes:
    return render(parse_plan(url), callback, message, account)


def form(body: bytes, charset: str = "windows-1251") -> dict[str, str]:
    """A form as PHP reads it."""
    return dict(parse_qsl(body.decode("ascii"), keep_blank_values=True, encoding=charset, strict_parsing=True))


def test_delivered_text_in_full() -> None:
    """The fields and their order as handlers have known them for years."""
    assert told() == (
        b"id=17&phone=79161234567&status=1&time=21.09.26+17%3A13%3A20&ts=1790000000"
        b"&cnt=2&type=0&cost=3.1&flag=0&sender=Shop"
    )


def test_failed_text_with_error_comment_and_zone() -> None:
    """err only when there is one; the account's zone; letters in windows-1251; our own flags stay inside."""
    account = msgspec.structs.replace(ACCOUNT, settings=Settings(tz="+5:30"))
    message = changed(
        id="order-7",
        sender="Магазин & K",
        comment="Заказ №15 😀",
        flags=Flag.TEMPLATE | Flag.TEST | Flag.DELETED | 1,
        kind=1,
    )
    assert told(callback=news(20, 6), message=message, account=account) == (
        b"id=order-7&phone=79161234567&status=20&time=21.09.26+19%3A43%3A20&ts=1790000000&err=6"
        b"&cnt=2&type=1&cost=3.1&flag=257&sender=%CC%E0%E3%E0%E7%E8%ED+%26+K&cmt=%C7%E0%EA%E0%E7+%B915+%3F"
    )


HLR = {"net": "МТС", "imsi": "25001", "mcc": "250", "rcn": "Турция"}
CASES: list[tuple[str, dict[str, Any], dict[str, str], set[str]]] = [
    # name, changes of the message (extra as a record), fields that must be there, names that must not
    ("nothing special", {}, {"type": "0", "flag": "0", "cnt": "2"}, {"err", "syserr", "dtmf", "cmt", "calltime"}),
    ("never a text in a status", {"text": "secret"}, {}, {"mes", "waitcall", "text", "sms_id", "to"}),
    ("comment", {"comment": "order 7"}, {"cmt": "order 7"}, set()),
    ("no sender", {"sender": ""}, {"sender": ""}, set()),
    ("operator's error", {"extra": Extra(syserr=1063)}, {"syserr": "1063"}, {"err"}),
    ("end user's address stays inside", {"extra": Extra(user_ip="192.0.2.1")}, {}, {"userip", "user_ip", "extra"}),
    (
        "number query",
        {"kind": Kind.HLR, "flags": 4, "extra": Extra(hlr=HLR)},
        {"type": "4", "imsi": "25001", "mcc": "250", "net": "МТС", "rcn": "Турция"},
        {"msc", "mnc", "cn", "rnet"},
    ),
    ("its fields for such queries only", {"extra": Extra(hlr=HLR)}, {}, {"imsi", "mcc", "net"}),
    (
        "call",
        {"kind": Kind.CALL, "flags": 7, "extra": Extra(dtmf="12#", calltime=31, callmenu="2*1", ringtime=9)},
        {"type": "7", "flag": "7", "dtmf": "12#", "calltime": "31", "callmenu": "2*1", "ringtime": "9"},
        set(),
    ),
    ("call at once", {"extra": Extra(calltime=0, ringtime=0)}, {"calltime": "0", "ringtime": "0"}, {"callmenu"}),
    ("overtime", {"extra": Extra(overtime=75)}, {"cmt": "overtime: 01:15"}, set()),
    ("overtime behind a comment", {"comment": "a", "extra": Extra(overtime=5)}, {"cmt": "a\novertime: 00:05"}, set()),
    ("second balance", {"flags": Flag.SECOND_BALANCE}, {"flag": "32"}, set()),
    ("advertising template", {"flags": Flag.TEMPLATE | 0x600}, {"flag": "1792"}, set()),
    ("flags of our own stay inside", {"flags": Flag.TEST | Flag.DELETED | 2, "kind": 2}, {"flag": "2"}, set()),
]


@pytest.mark.parametrize("url", [PLAIN, "http://x/?charset=utf-8", "http://x/?fmt=2", "http://x/?fmt=3"])
@pytest.mark.parametrize(("name", "more", "there", "absent"), CASES, ids=[case[0] for case in CASES])
def test_presence_of_fields(url: str, name: str, more: dict[str, Any], there: dict[str, str], absent: set[str]) -> None:
    """Each rule of the page, in every format: handlers look whether a field is set."""
    extra = more.get("extra", Extra())
    fields = read(url, told(url, message=changed(**{**more, "extra": encode_extra(extra)})))
    assert there.items() <= fields.items() and not absent & fields.keys()


def read(url: str, body: bytes) -> dict[str, str]:
    """Any body as a mapping of texts."""
    plan = parse_plan(url)
    if plan.fmt == 2:
        return {element.tag: element.text or "" for element in ElementTree.fromstring(body)}
    if plan.fmt == 3:
        return {name: str(value) for name, value in json.loads(body).items()}
    return form(body, plan.charset)


def test_number_query_keeps_the_documented_order() -> None:
    """Only the fields that came."""
    extra = encode_extra(Extra(hlr={"net": "МТС", "imsi": "25001", "mcc": "250"}))
    tail = b"&sender=&imsi=25001&mcc=250&net=%CC%D2%D1"
    assert told(message=changed(kind=Kind.HLR, sender="", extra=extra)).endswith(tail)


@pytest.mark.parametrize(
    ("charset", "comment"),
    [("utf-8", "Заказ №15 😀"), ("koi8-r", "Заказ ?15 ?"), ("windows-1251", "Заказ №15 ?")],
)
def test_cyrillic_in_every_charset(charset: str, comment: str) -> None:
    """As the receiver's language decodes it; what a charset lacks is a question mark."""
    message = changed(comment="Заказ №15 😀", sender="Магазин")
    found = form(told(f"http://x/?charset={charset}", message=message), charset)
    assert (found["cmt"], found["sender"], found["charset"]) == (comment, "Магазин", charset)


def test_xml_and_json_hold_everything_whatever_the_charset() -> None:
    """Numbers are numbers in JSON, texts are texts; XML declares its charset and escapes what that lacks."""
    message = changed(id="a<b", comment='Тест 😀 & "x"\x07')
    body = told("http://x/?fmt=2&who=%3Cme%3E", news(20, 6), message)
    assert body.startswith(b'<?xml version="1.0" encoding="windows-1251"?><result><id>a&lt;b</id><phone>79161234567<')
    assert read("http://x/?fmt=2", body)["cmt"] == 'Тест 😀 & "x" ' and "Тест".encode("cp1251") in body
    assert read("http://x/?fmt=2", body)["who"] == "<me>"
    found = json.loads(told("http://x/?fmt=3&charset=utf-8&n=1", news(20, 6), changed(comment="Тест 😀")))
    assert found == {
        "id": 17,
        "phone": "79161234567",
        "status": 20,
        "time": "21.09.26 17:13:20",
        "ts": 1_790_000_000,
        "err": 6,
        "cnt": 2,
        "type": 0,
        "cost": "3.1",
        "flag": 0,
        "sender": "Shop",
        "cmt": "Тест 😀",
        "fmt": "3",
        "charset": "utf-8",
        "n": "1",
    }


def test_incoming_text_in_full() -> None:
    """Stamps are UNIX seconds; the answered message has its own field."""
    assert form(render_incoming(parse_plan(PLAIN), TEXT)) == {
        "id": "31",
        "sms_id": "17",
        "phone": "79991234567",
        "mes": "Привет",
        "to": "79037654321",
        "smsc": "79168999100",
        "sent": "1789999998",
        "time": "1790000000",
    }


@pytest.mark.parametrize(
    ("more", "there", "absent"),
    [
        ({"sms_id": ""}, {}, {"sms_id"}),
        ({"text": ""}, {"mes": ""}, {"waitcall"}),
        ({"sent_ms": 0}, {"sent": "1790000000"}, set()),
        ({"smsc": ""}, {"smsc": ""}, set()),
        ({"text": "[waitcall] "}, {"mes": "[waitcall] "}, {"waitcall", "ts"}),
        ({"call": True}, {"waitcall": "1", "ts": "1790000000"}, {"mes", "id", "to", "sms_id", "time"}),
    ],
)
@pytest.mark.parametrize("url", [PLAIN, "http://x/?fmt=2", "http://x/?fmt=3"])
def test_presence_of_fields_of_what_comes_in(
    url: str, more: dict[str, Any], there: dict[str, str], absent: set[str]
) -> None:
    """``mes`` says incoming, ``waitcall`` says call; a subscriber's text cannot make it a call."""
    fields = read(url, render_incoming(parse_plan(url), msgspec.structs.replace(TEXT, **more)))
    assert there.items() <= fields.items() and not absent & fields.keys()


def test_call_in_full() -> None:
    """Three fields."""
    assert render_incoming(parse_plan(PLAIN), CALL) == b"waitcall=1&phone=79991234567&ts=1700000000"


def test_hashes_stand_where_the_secrets_stood() -> None:
    """The worked values of the reference notes, all three at once; the secret itself is never sent."""
    body = told(ALL_HASHES, message=changed(id="1042", phone="79991234567"))
    found = form(body)
    assert found["md5"] == "a48c9a245b6d460579f17f77efabdcf1" and found["crc32"] == "384583360"
    assert found["sha1"] == "6e9854676f172d840629b272121ef6f5a82fd089" and SECRET.encode() not in body
    call = form(render_incoming(parse_plan(ALL_HASHES), CALL))
    assert (call["md5"], call["crc32"]) == ("463e3826501c7159fed0102ef1fef758", "1033515571")


@pytest.mark.parametrize(
    ("query", "md5"),
    [
        ("", "856eb65e780c532894b2658f90c95d54"),
        ("&fmt=2", "856eb65e780c532894b2658f90c95d54"),
        ("&charset=utf-8", "3c3698cb3c7fd2c34d74afbccef3ccc0"),
        ("&charset=utf-8&fmt=3", "3c3698cb3c7fd2c34d74afbccef3ccc0"),
        ("&charset=koi8-r&fmt=2", "3c3698cb3c7fd2c34d74afbccef3ccc0"),
    ],
)
def test_hash_is_over_the_text_in_the_charset_it_is_sent_in(query: str, md5: str) -> None:
    """A handler hashes what it was sent."""
    url = f"http://x/?md5={SECRET}{query}"
    body = render_incoming(parse_plan(url), TEXT)
    assert read(url, body)["md5"] == md5 and SECRET.encode() not in body


def test_hash_in_xml_is_over_what_xml_can_hold() -> None:
    """A subscriber's escape character would make every hash wrong, and the handler refuse the text 50 times."""
    url = f"http://x/?md5={SECRET}&fmt=2&charset=utf-8"
    text = msgspec.structs.replace(TEXT, text="a\x1b\r\nb")
    found = read(url, render_incoming(parse_plan(url), text))
    wanted = f"{TEXT.phone}:{found['mes']}:{TEXT.to_phone}:{SECRET}"
    assert (found["mes"], found["md5"]) == ("a \r\nb", hashlib.md5(wanted.encode()).hexdigest())


def test_hash_in_koi8() -> None:
    """Not worked out in the notes; the same rule."""
    found = form(render_incoming(parse_plan(f"http://x/?md5={SECRET}&charset=koi8-r"), TEXT), "koi8-r")
    wanted = f"{TEXT.phone}:{TEXT.text}:{TEXT.to_phone}:{SECRET}".encode("koi8-r")
    assert found["md5"] == hashlib.md5(wanted).hexdigest() and found["mes"] == "Привет"


def test_signature_covers_time_and_body_for_each_key() -> None:
    """While a key is being changed both hold; the example of the guide checks it in the same way."""
    body = told()
    mark = sign(body, ("new", "old"), 1_790_000_001).decode()
    stamp, *marks = mark.split(",")
    assert stamp == "t=1790000001"
    assert marks == [
        f"v1={hmac.new(key, b'1790000001.' + body, hashlib.sha256).hexdigest()}" for key in (b"new", b"old")
    ]


@pytest.mark.parametrize("phone", ["не номер", "1&status=1", "+7 (916)", "a=b#c"])
def test_bad_number_cannot_break_the_form(phone: str) -> None:
    """A refused recipient is told as it was typed; it must not stop the sender nor forge a field."""
    body = told(callback=news(status=22, err=249), message=changed(phone=phone))
    assert body.count(b"&status=") == 1 and body.startswith(b"id=17&phone=") and b" " not in body


URLS = [
    PLAIN,
    "http://x/?charset=utf-8",
    "http://x/?charset=koi8-r&a=b",
    "http://x/?fmt=2",
    "http://x/?fmt=3",
    ALL_HASHES,
]


@given(st.text(max_size=60), st.text(max_size=60), st.text(max_size=60), st.sampled_from(URLS))
def test_any_text_becomes_a_body(phone: str, sender: str, comment: str, url: str) -> None:
    """Whatever a customer or a subscriber wrote, the sender of callbacks goes on, and each format can be read."""
    message = changed(phone=phone, sender=sender, comment=comment)
    found = read(url, told(url, message=message))
    assert [name for name, _ in status_fields(message, 1, 0, AT, "")] == list(found)[: 11 if comment else 10]
    incoming = Incoming(1, phone, sender, comment, 1, 2)
    found = read(url, render_incoming(parse_plan(url), incoming))
    assert [name for name, _ in incoming_fields(incoming)] == list(found)[:7]


@given(st.text(max_size=30), st.text(max_size=30), st.sampled_from([Extra(), Extra(dtmf="1", calltime=3, hlr=HLR)]))
def test_form_holds_what_the_list_of_fields_holds(sender: str, comment: str, extra: Extra) -> None:
    """The form is written by code of its own, for speed; it must not drift from the other formats."""
    message = changed(sender=sender, comment=comment, extra=encode_extra(extra), kind=4)
    body = told("http://x/?charset=utf-8", news(20, 6), message).decode()
    fields = status_fields(message, 20, 6, AT, ACCOUNT.settings.tz)
    pairs = parse_qsl(body, keep_blank_values=True)[: len(fields)]
    assert pairs == [(name, str(value).encode("utf-8", "replace").decode()) for name, value in fields]


def test_hash_of_a_text_is_over_what_xml_can_hold() -> None:
    """A control character, which XML has no way to write, is a blank in the text; the receiver hashes what it reads."""
    text = msgspec.structs.replace(TEXT, text="a\x0cb\r\n&<ж")
    read_back = ElementTree.fromstring(render_incoming(parse_plan(f"http://x/?fmt=2&charset=utf-8&md5={SECRET}"), text))
    found = {element.tag: element.text or "" for element in read_back}
    hashed = f"{found['phone']}:{found['mes']}:{found['to']}:{SECRET}".encode()
    assert found["mes"] == "a b\r\n&<ж" and found["md5"] == hashlib.md5(hashed).hexdigest()
