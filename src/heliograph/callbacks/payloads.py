"""What a customer's handler is sent: a form, XML or JSON (seed 001, "Transmitting statuses"; spec management 5).

The form of a status is written in one go, for it is what most handlers get; everything else comes from the lists of
core/news.py. Characters that a charset lacks are ``?`` in a form and in what is hashed.
"""

import hashlib
import hmac
import json
import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from urllib.parse import quote_plus

from heliograph.callbacks.plans import FORM, JSON, KOI, UTF, WINDOWS, Plan
from heliograph.core.accounts import Account
from heliograph.core.messages import PUBLIC_FLAGS, Message, decode_extra
from heliograph.core.money import format_money
from heliograph.core.news import (
    Fields,
    Incoming,
    count,
    extra_fields,
    incoming_fields,
    status_fields,
    write_comment,
    write_stamp,
)
from heliograph.services.callbacks import Callback


def render(plan: Plan, callback: Callback, message: Message, account: Account) -> bytes:
    """The body that tells of one status."""
    if plan.fmt == FORM:
        body = _form(plan.charset, callback, message, account.settings.tz)
        if plan.echoes:
            body += _echo_form(plan, f"{message.id}:{message.phone}:{callback.status}")
        return body.encode("ascii")
    fields = status_fields(message, callback.status, callback.err, callback.at_ms, account.settings.tz)
    return _write(plan, fields, f"{message.id}:{message.phone}:{callback.status}")


def render_incoming(plan: Plan, incoming: Incoming) -> bytes:
    """The body that tells of an incoming text or call."""
    fields = incoming_fields(incoming)
    if incoming.call:
        hashed = f"{incoming.phone}:{incoming.received_ms // 1000}"
    else:
        hashed = f"{incoming.phone}:{incoming.text}:{incoming.to_phone}"
    if plan.fmt == FORM:
        escape = _ESCAPES[plan.charset]
        body = "&".join([f"{name}={escape(str(value))}" for name, value in fields])
        return (body + _echo_form(plan, hashed)).encode("ascii")
    return _write(plan, fields, hashed)


def sign(body: bytes, keys: Sequence[str], at_s: int) -> bytes:
    """The value of X-Heliograph-Signature: ``t=<seconds>,v1=<hex>`` with the HMAC-SHA-256 of ``<t>.<body>`` for each key."""
    signed = b"%d.%b" % (at_s, body)
    marks = [f"v1={hmac.new(key.encode(), signed, hashlib.sha256).hexdigest()}" for key in keys]
    return f"t={at_s},{','.join(marks)}".encode("ascii")


def _form(charset: str, callback: Callback, message: Message, zone: str) -> str:
    """``core.news.status_fields`` as a form."""
    at_s = callback.at_ms // 1000
    escape = _ESCAPES[charset]
    start = f"id={escape(message.id)}&phone={escape(message.phone)}&status={callback.status}"
    start = f"{start}&time={_stamp(at_s, zone)}&ts={at_s}"
    if callback.err:
        start = f"{start}&err={callback.err}"
    main = f"&type={message.kind}&cost={format_money(message.cost)}"
    main = f"{main}&flag={message.flags & PUBLIC_FLAGS}&sender={escape(message.sender)}"
    if not message.extra:
        main = f"{start}&cnt={message.parts}{main}"
        return f"{main}&cmt={escape(message.comment)}" if message.comment else main
    extra = decode_extra(message.extra)
    comment = write_comment(message.comment, extra)
    parts = [
        start,
        f"&syserr={extra.syserr}" if extra.syserr else "",
        f"&cnt={count(message, extra)}",
        main,
        f"&dtmf={escape(extra.dtmf)}" if extra.dtmf else "",
        f"&cmt={escape(comment)}" if comment else "",
    ]
    parts.extend([f"&{name}={escape(str(value))}" for name, value in extra_fields(message, extra)])
    return "".join(parts)


def _echo_form(plan: Plan, hashed: str) -> str:
    escape = _ESCAPES[plan.charset]
    pairs = [f"&{escape(echo.name)}={escape(plan.answer_echo(echo, hashed))}" for echo in plan.echoes]
    return "".join(pairs)


def _write(plan: Plan, fields: Fields, hashed: str) -> bytes:
    if plan.fmt == JSON:
        found: dict[str, int | str] = dict(fields)
        for echo in plan.echoes:
            found[echo.name] = plan.answer_echo(echo, hashed)
        # ASCII with escapes: it reads the same in every charset.
        return json.dumps(found).encode("ascii")
    hashed = _NOT_XML.sub(" ", hashed)  # as it is sent
    pieces = [f"<{name}>{_escape_xml(str(value))}</{name}>" for name, value in fields]
    hashed = _NOT_XML.sub(" ", hashed)  # the hash is over what is sent
    for echo in plan.echoes:
        value = _escape_xml(plan.answer_echo(echo, hashed))
        pieces.append(f"<{echo.element}>{value}</{echo.element}>")
    text = f'<?xml version="1.0" encoding="{plan.charset}"?><result>{"".join(pieces)}</result>'
    return text.encode(plan.charset, "xmlcharrefreplace")


@lru_cache(maxsize=4096)
def _stamp(at_s: int, zone: str) -> str:
    """The time, escaped; many messages end in one second."""
    return write_stamp(at_s, zone).replace(":", "%3A").replace(" ", "+")


_ESCAPED = re.compile(r"[^A-Za-z0-9_.~-]+")
# Characters that XML 1.0 cannot hold even when escaped (section 2.2).
_NOT_XML = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def _escape_xml(text: str) -> str:
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _NOT_XML.sub(" ", text).replace("\r", "&#13;")


def _escape_windows(text: str) -> str:
    """A value of the form; most are letters and digits with few signs between, which quote_plus is slow at."""
    if text.isascii() and text.isalnum():
        return text
    return _ESCAPED.sub(_quote_windows, text)


def _escape_utf(text: str) -> str:
    return text if text.isascii() and text.isalnum() else _ESCAPED.sub(_quote_utf, text)


def _escape_koi(text: str) -> str:
    return text if text.isascii() and text.isalnum() else _ESCAPED.sub(_quote_koi, text)


def _quote_windows(found: re.Match[str]) -> str:
    return _quote_signs(found[0], WINDOWS)


def _quote_utf(found: re.Match[str]) -> str:
    return _quote_signs(found[0], UTF)


def _quote_koi(found: re.Match[str]) -> str:
    return _quote_signs(found[0], KOI)


@lru_cache(maxsize=4096)
def _quote_signs(signs: str, charset: str) -> str:
    return quote_plus(signs, encoding=charset, errors="replace")


_ESCAPES: dict[str, Callable[[str], str]] = {WINDOWS: _escape_windows, UTF: _escape_utf, KOI: _escape_koi}
