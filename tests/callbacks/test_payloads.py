"""What a customer's handler is sent, byte for byte (callbacks/payloads.py; seed 001)."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests import records

from heliograph.callbacks.payloads import render
from heliograph.core.accounts import Account, Settings
from heliograph.core.messages import Extra, Flag, Kind, Message, encode_extra
from heliograph.services.callbacks import Callback

AT = 1_790_000_000_000  # 21.09.2026 17:13:20 in Moscow
ACCOUNT = Account(1, "shop", "RUR", 0, 1, Settings())


def news(status: int = 1, err: int = 0) -> Callback:
    return Callback(id=5, int_id=9, account_id=1, status=status, err=err, at_ms=AT, due_ms=AT)


CALLBACK = news()
MESSAGE = Message(
    9, 1, "17", "79161234567", "8916", 0, 0, "Shop", "hello", "", 2, 31_000, "25001", 1, 0, AT, AT, AT, AT, 1, 1, 1, 1
)


def changed(**more: object) -> Message:
    return records.changed(MESSAGE, **more)


def test_delivered_text_in_full() -> None:
    """The fields and their order as handlers have known them for years."""
    assert render(CALLBACK, MESSAGE, ACCOUNT) == (
        b"id=17&phone=79161234567&status=1&time=21.09.26+17%3A13%3A20&ts=1790000000"
        b"&cnt=2&type=0&cost=3.1&flag=0&sender=Shop"
    )


def test_failed_text_with_error_comment_and_zone() -> None:
    """err only when there is one; the account's zone; letters in windows-1251; our own flags stay inside."""
    callback = news(status=20, err=6)
    account = msgspec.structs.replace(ACCOUNT, settings=Settings(tz="+5:30"))
    message = changed(
        id="order-7",
        sender="Магазин & K",
        comment="Заказ №15 😀",
        flags=Flag.TEMPLATE | Flag.TEST | Flag.DELETED | 1,
        kind=1,
    )
    assert render(callback, message, account) == (
        b"id=order-7&phone=79161234567&status=20&time=21.09.26+19%3A43%3A20&ts=1790000000&err=6"
        b"&cnt=2&type=1&cost=3.1&flag=257&sender=%CC%E0%E3%E0%E7%E8%ED+%26+K&cmt=%C7%E0%EA%E0%E7+%B915+%3F"
    )


def test_number_query_carries_what_was_found() -> None:
    """Only the fields that came, in their documented order, and only for such queries."""
    extra = encode_extra(Extra(hlr={"net": "МТС", "imsi": "25001", "mcc": "250"}))
    tail = b"&sender=&imsi=25001&mcc=250&net=%CC%D2%D1"
    assert render(CALLBACK, changed(kind=Kind.HLR, sender="", extra=extra), ACCOUNT).endswith(tail)
    assert b"imsi" not in render(CALLBACK, changed(extra=extra), ACCOUNT)


@pytest.mark.parametrize("phone", ["не номер", "1&status=1", "+7 (916)", "a=b#c"])
def test_bad_number_cannot_break_the_form(phone: str) -> None:
    """A refused recipient is told as it was typed; it must not stop the sender nor forge a field."""
    body = render(news(status=22, err=249), changed(phone=phone), ACCOUNT)
    assert body.count(b"&status=") == 1 and body.startswith(b"id=17&phone=") and b" " not in body


@given(st.text(max_size=60), st.text(max_size=60), st.text(max_size=60))
def test_any_text_becomes_an_ascii_form(phone: str, sender: str, comment: str) -> None:
    """Whatever a customer wrote, the sender of callbacks goes on."""
    body = render(CALLBACK, changed(phone=phone, sender=sender, comment=comment), ACCOUNT)
    assert body.isascii() and body.count(b"=") == (11 if comment else 10)
