"""What a customer's handler is sent about a message: a form, in windows-1251 (seed 001, "Transmitting statuses")."""

import time
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
    t = time.gmtime(at_ms // 1000 + offset_min(account.settings.tz, at_ms) * 60)
    stamp = f"{t.tm_mday:02d}.{t.tm_mon:02d}.{t.tm_year % 100:02d}+{t.tm_hour:02d}%3A{t.tm_min:02d}%3A{t.tm_sec:02d}"
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


def _escape(text: str) -> str:
    return quote_plus(text, encoding=CHARSET, errors="replace")
