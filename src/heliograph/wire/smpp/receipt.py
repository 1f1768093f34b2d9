"""Delivery receipts in deliver_sm: optional fields and the customary text (SMPP 3.4 Issue 1.2, 5.3.2 and appendix B)."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

import msgspec

from . import tables
from .pdus import Pdu

STATES: Final[dict[str, int]] = {
    "ENROUTE": tables.STATE_ENROUTE,
    "DELIVRD": tables.STATE_DELIVERED,
    "EXPIRED": tables.STATE_EXPIRED,
    "DELETED": tables.STATE_DELETED,
    "UNDELIV": tables.STATE_UNDELIVERABLE,
    "ACCEPTD": tables.STATE_ACCEPTED,
    "UNKNOWN": tables.STATE_UNKNOWN,
    "REJECTD": tables.STATE_REJECTED,
}
STATE_NAMES: Final[dict[int, str]] = {number: name for name, number in STATES.items()}
# Spellings met beside the standard's seven letters.
_OTHER_SPELLINGS: Final[dict[str, int]] = {
    "DELIVERED": tables.STATE_DELIVERED,
    "DELIVERD": tables.STATE_DELIVERED,
    "UNDELIVERABLE": tables.STATE_UNDELIVERABLE,
    "UNDELIVERED": tables.STATE_UNDELIVERABLE,
    "UNDELIVRD": tables.STATE_UNDELIVERABLE,
    "FAILED": tables.STATE_UNDELIVERABLE,
    "ACCEPTED": tables.STATE_ACCEPTED,
    "ACKED": tables.STATE_ACCEPTED,
    "REJECTED": tables.STATE_REJECTED,
    "BUFFERED": tables.STATE_ENROUTE,
    "BUFFERD": tables.STATE_ENROUTE,
    "SCHEDULED": tables.STATE_ENROUTE,
}
_SPELLINGS: Final[dict[str, int]] = STATES | _OTHER_SPELLINGS

# What nine of ten receipts look like, read in one step; the rest goes through `_KEY`.
_CUSTOMARY: Final = re.compile(
    r"id:(\S+) sub:\d+ dlvrd:\d+ submit date:(\d+) done date:(\d+) stat:([A-Z]+) err:(\w+) text:([^\0\r\n]*)\Z"
)
# Without the flag in esm_class a text must look very much like a receipt, or subscribers could write one.
_TELLTALE: Final = frozenset(("id", "stat", "submit date", "done date"))
_KEY: Final = re.compile(r"(?i)(?<![a-z0-9_])(id|sub|dlvrd|submit[ _]date|done[ _]date|stat|err|text)\s*:")


class Receipt(msgspec.Struct, frozen=True):
    """What a receipt says.

    `state` is a message_state (1 to 8), 0 when it is not told. `error` is the carrier's code as it was written,
    "" when none. `done_date` is milliseconds since the epoch, taking the text's date as UTC since it names no zone;
    None when missing or unreadable. `network_type` is the first octet of network_error_code, 0 when not told.
    """

    message_id: str
    state: int
    error: str = ""
    done_date: int | None = None
    text: str = ""
    network_type: int = 0

    @property
    def state_name(self) -> str:
        """The state's seven letters, UNKNOWN for a state outside the standard."""
        return STATE_NAMES.get(self.state, "UNKNOWN")

    @property
    def is_final(self) -> bool:
        """Whether nothing more will happen to the message."""
        return self.state not in (0, tables.STATE_ENROUTE, tables.STATE_ACCEPTED)


def parse_receipt(pdu: Pdu) -> Receipt | None:
    """The receipt in a deliver_sm (or data_sm), None when there is none; never raises.

    Optional fields win over the text. A text counts as a receipt when esm_class says so and it has an id or a
    state, or, whatever esm_class says, when it has `id:`, `stat:` and both dates (some centres forget the flag).
    """
    marked = pdu.esm_class & tables.ESM_TYPE_MASK in (tables.ESM_RECEIPT, tables.ESM_INTERMEDIATE)
    fields = read_fields(pdu.text.decode("latin-1"))
    tlvs = pdu.tlvs
    message_id = _cstring(tlvs.get(tables.TAG_RECEIPTED_MESSAGE_ID, b"")) or fields.get("id", "")
    raw_state = tlvs.get(tables.TAG_MESSAGE_STATE, b"")
    state = raw_state[0] if len(raw_state) == 1 else _state_of(fields.get("stat"))
    # A receipted_message_id without a state in an ordinary text is a reply that quotes, not a receipt.
    unmarked = fields.keys() >= _TELLTALE or (tables.TAG_RECEIPTED_MESSAGE_ID in tlvs and raw_state)
    if not ((marked and (message_id or state)) or (unmarked and message_id)):
        return None
    error, network_type = _error_of(tlvs.get(tables.TAG_NETWORK_ERROR_CODE, b""), fields.get("err", ""))
    return Receipt(
        message_id, state, error, _date_of(fields.get("done date", "")), fields.get("text", ""), network_type
    )


def read_fields(text: str) -> dict[str, str]:
    """The `key:value` pairs of a receipt's text, keys in lower case; any order, any case, the first of doubles counts."""
    customary = _CUSTOMARY.match(text)
    if customary:
        message_id, submit, done, stat, err, rest = customary.groups()
        return {"id": message_id, "submit date": submit, "done date": done, "stat": stat, "err": err, "text": rest}
    fields: dict[str, str] = {}
    marks = list(_KEY.finditer(text))
    for place, mark in enumerate(marks):
        key = mark[1].lower().replace("_", " ")
        if key == "text":
            fields.setdefault(key, text[mark.end() :].strip("\0\r\n"))
            break
        end = marks[place + 1].start() if place + 1 < len(marks) else len(text)
        value = text[mark.end() : end].strip(" \0\r\n\t;,")
        fields.setdefault(key, value if "date" in key else value.split(" ")[0])
    return fields


def format_text(
    message_id: str,
    state: int,
    *,
    submitted_ms: int,
    done_ms: int,
    error: str | int = 0,
    parts: int = 1,
    delivered: int | None = None,
    text: str = "",
) -> str:
    """A receipt's text in the form that every client knows: ten-digit dates in UTC, three-digit numbers.

    `delivered` is how many parts arrived, by default all or none by the state. Only the first 20 characters of the
    message's text are told, as the standard's appendix B has it.
    """
    if delivered is None:
        delivered = parts if state == tables.STATE_DELIVERED else 0
    err = f"{error:03d}" if isinstance(error, int) else error
    return (
        f"id:{message_id} sub:{parts:03d} dlvrd:{delivered:03d} submit date:{_write_date(submitted_ms)} "
        f"done date:{_write_date(done_ms)} stat:{STATE_NAMES.get(state, 'UNKNOWN')} err:{err} text:{text[:20]}"
    )


def _cstring(raw: bytes) -> str:
    return raw.split(b"\0", 1)[0].decode("latin-1").strip()


def _state_of(stat: str | None) -> int:
    if stat is None:
        return 0
    if stat.isascii() and stat.isdigit() and 1 <= len(stat) <= 2:
        return int(stat)
    return _SPELLINGS.get(stat.upper(), tables.STATE_UNKNOWN if stat else 0)


def _error_of(raw: bytes, written: str) -> tuple[str, int]:
    """The text's code wins, because carriers document that one; the optional field is the network's."""
    network_type = raw[0] if len(raw) == 3 else 0
    if written:
        return written, network_type
    return (str(int.from_bytes(raw[1:], "big")), network_type) if len(raw) == 3 else ("", 0)


@lru_cache(maxsize=256)
def _date_of(written: str) -> int | None:
    digits = written.replace(" ", "").replace("-", "").replace(":", "")
    if not (digits.isascii() and digits.isdigit()) or len(digits) not in (10, 12, 14):
        return None
    if len(digits) == 14:
        digits = digits[2:]
    year, month, day, hour, minute = (int(digits[place : place + 2]) for place in range(0, 10, 2))
    try:
        moment = datetime(2000 + year, month, day, hour, minute, int(digits[10:12] or 0), tzinfo=UTC)
    except ValueError:
        return None
    return int(moment.timestamp()) * 1000


@lru_cache(maxsize=256)
def _write_minute(minute: int) -> str:
    return f"{datetime.fromtimestamp(minute * 60, UTC):%y%m%d%H%M}"


def _write_date(at_ms: int) -> str:
    return _write_minute(at_ms // 60_000)
