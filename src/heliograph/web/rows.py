"""A message as a line of the live page's table (names and numbers of statuses and errors: spec sending 14.1 and 14.2)."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache

import msgspec

from heliograph.core.messages import Kind, Message
from heliograph.core.money import format_money
from heliograph.core.status import Err, Status, name_status
from heliograph.core.zones import offset_min
from heliograph.services.inbound import Inbound, Part

SHOWN = 140  # characters of a text: three lines of the table

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_GOOD = frozenset({Status.DELIVERED, Status.READ, Status.CLICKED})
_TONES = {Status.WAITING: "waiting", Status.SENT: "moving", Status.EXPIRED: "late", Status.STOPPED: "late"}


class Line(msgspec.Struct, frozen=True):
    """One line, all of it ready to be shown. `key` names it and sorts it: the greater, the newer."""

    key: str
    tone: str
    time: str
    at: str
    id: str
    kind: str
    phone: str
    sender: str
    text: str
    parts: str
    cost: str
    status: str
    err: str


def line_of(message: Message, zone: str) -> Line:
    """The line of a message; times in the named zone."""
    time, at = _show_time(message.created_ms, zone)
    return Line(
        key=f"{message.created_ms:014d}m{message.int_id:012d}",
        tone="good" if message.status in _GOOD else _TONES.get(Status(message.status), "bad"),
        time=time,
        at=at,
        id=message.id,
        kind="" if message.kind == Kind.SMS else _name_kind(message.kind),
        phone=message.phone,
        sender=message.sender,
        text=shorten(message.text),
        parts=str(message.parts),
        cost=show_money(message.cost - message.refunded),
        status=name_status(message.status, english=True),
        err=_name_err(message.err) if message.err else "",
    )


def line_of_inbound(inbound: Inbound, zone: str) -> Line:
    """The line of an incoming text: its sender's number, and the number it was sent to as "sender"."""
    time, at = _show_time(inbound.received_ms, zone)
    part = msgspec.json.decode(inbound.extra or "{}", type=Part)
    return Line(
        key=f"{inbound.received_ms:014d}i{inbound.id:012d}",
        tone="incoming",
        time=time,
        at=at,
        id=str(inbound.id),
        kind="incoming",
        phone=inbound.phone,
        sender=f"to {inbound.to_phone}",
        text=shorten(inbound.text),
        parts=f"{part.number} of {part.total}" if part.number else str(part.total),
        cost="",
        status="Received",
        err="",
    )


def shorten(text: str) -> str:
    """At most SHOWN characters, line ends as blanks."""
    text = " ".join(text[: SHOWN * 2].split()) if len(text) > SHOWN or "\n" in text else text
    return text if len(text) <= SHOWN else text[: SHOWN - 1].rstrip() + "…"


def show_money(amount: int) -> str:
    """An amount for people, with two decimals at least: 3.80, 1000.00, 0.0525."""
    text = format_money(amount)
    whole, _, fraction = text.partition(".")
    return f"{whole}.{fraction.ljust(2, '0')}"


def _show_time(at_ms: int, zone: str) -> tuple[str, str]:
    """The time of day for people and the full time for programs."""
    return _show_second(at_ms // 1000, offset_min(zone, at_ms))


@lru_cache(maxsize=512)
def _show_second(second: int, minutes: int) -> tuple[str, str]:
    local = _EPOCH + timedelta(seconds=second + minutes * 60)
    sign = "-" if minutes < 0 else "+"
    hours, rest = divmod(abs(minutes), 60)
    return local.strftime("%H:%M:%S"), f"{local:%Y-%m-%dT%H:%M:%S}{sign}{hours:02d}:{rest:02d}"


@lru_cache(maxsize=64)
def _name_kind(kind: int) -> str:
    """hlr, flash and so on; the number of a kind that has no name."""
    return Kind(kind).name.lower() if kind in Kind._value2member_map_ else str(kind)


@lru_cache(maxsize=256)
def _name_err(err: int) -> str:
    """The number of an error, and what it means when it is one of the reference."""
    if err not in Err._value2member_map_:
        return f"error {err}"
    return f"error {err}, {Err(err).name.lower().replace('_', ' ')}"
