"""What a customer's handler is sent about a message: a form, in windows-1251 (seed 001, "Transmitting statuses")."""

import re
import time
from functools import lru_cache
from urllib.parse import quote_plus

from heliograph.core.accounts import Account
from heliograph.core.messages import PUBLIC_FLAGS, Kind, Message, decode_extra
from heliograph.core.money import format_money
from heliograph.core.zones import offset_min
from heliograph.services.callbacks import Callback

CONTENT_TYPE = b"application/x-www-form-urlencoded; charset=windows-1251"
CHARSET = "windows-1251"  # the handler's default
HLR_FIELDS = ("imsi", "msc", "mcc", "mnc", "cn", "net", "rcn", "rnet")


def render(callback: Callback, message: Message, account: Account) -> bytes:
    """The body of one status: ``err`` only when not zero, ``time`` in the account's zone, the HLR fields where they are."""
    at_ms = callback.at_ms
    stamp = _stamp(at_ms // 1000, account.settings.tz)
    parts = [
        f"id={_escape(message.id)}&phone={_escape(message.phone)}&status={callback.status}&time={stamp}&ts={at_ms // 1000}",
        f"&err={callback.err}" if callback.err else "",
        f"&cnt={message.parts}&type={message.kind}&cost={format_money(message.cost)}&flag={message.flags & PUBLIC_FLAGS}",
        f"&sender={_escape(message.sender)}",
        f"&cmt={_escape(message.comment)}" if message.comment else "",
    ]
    if message.kind == Kind.HLR and message.extra:
        found = decode_extra(message.extra).hlr or {}
        parts.extend(f"&{name}={_escape(found[name])}" for name in HLR_FIELDS if name in found)
    return "".join(parts).encode("ascii")


@lru_cache(maxsize=4096)
def _stamp(at_s: int, zone: str) -> str:
    """DD.MM.YY hh:mm:ss, escaped; many messages end in one second."""
    t = time.gmtime(at_s + offset_min(zone, at_s * 1000) * 60)
    return f"{t.tm_mday:02d}.{t.tm_mon:02d}.{t.tm_year % 100:02d}+{t.tm_hour:02d}%3A{t.tm_min:02d}%3A{t.tm_sec:02d}"


_ESCAPED = re.compile(r"[^A-Za-z0-9_.~-]+")


def _escape(text: str) -> str:
    """A value of the form; most are letters and digits with few signs between, which quote_plus is slow at."""
    if text.isascii() and text.isalnum():
        return text
    return _ESCAPED.sub(_quote, text)


def _quote(found: re.Match[str]) -> str:
    return _quote_signs(found[0])


@lru_cache(maxsize=4096)
def _quote_signs(signs: str) -> str:
    return quote_plus(signs, encoding=CHARSET, errors="replace")
