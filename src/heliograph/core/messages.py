"""Messages and the submissions they come from (design section 4; kinds in spec sending 6.1)."""

from enum import IntEnum, IntFlag
from typing import Any

import msgspec

from heliograph.core.links import Trails
from heliograph.core.message import Message as Message


class Kind(IntEnum):
    """Type numbers of the reference API (spec sending 6.1); 13 to 15 are our suggestion there."""

    SMS = 0
    FLASH = 1
    BINARY = 2
    PUSH = 3
    HLR = 4
    PING = 5
    MMS = 6
    CALL = 7
    MAIL = 8
    VIBER = 10
    SOCIAL = 12
    WHATSAPP = 13
    TELEGRAM = 14
    BOT = 15


TEXTLESS = frozenset({Kind.HLR, Kind.PING})
LINKED = frozenset({Kind.SMS, Kind.FLASH})  # texts for people: those in which links are shortened
CODE_WORD = "code"  # the text of a call by which the service makes up and tells a code (spec sending 6.6)


class Door(IntEnum):
    """Where a submission came in; statuses go to the client handler for the first three only (seed 001)."""

    HTTP = 1
    SMTP = 2
    SMPP = 3
    SOAP = 4
    WEB = 5
    OMS = 6


class Flag(IntFlag):
    """Bits of ``flag`` (seed 001): the low four are the kind; 16 and above are our own and stay inside."""

    SECOND_BALANCE = 1 << 5
    TEMPLATE = 1 << 8
    TEST = 1 << 16
    DELETED = 1 << 17
    # What an SMPP customer asked to be told (registered_delivery): the ends he wants receipts of, and the steps before.
    TELL_DELIVERED = 1 << 18
    TELL_FAILED = 1 << 19
    TELL_STEPS = 1 << 20
    PIECES = 1 << 21  # it came in parts that have ids of their own (services/pieces.py)
    INCOMPLETE = 1 << 22  # and not all of them: its own id is none that the customer knows


PUBLIC_FLAGS = 0xFFFF
TOLD_BY_SMPP = Flag.TELL_DELIVERED | Flag.TELL_FAILED | Flag.TELL_STEPS
LANE_CODE, LANE_RATE, LANE_BULK = 1, 2, 3


class Recipient(msgspec.Struct, frozen=True):
    """One line of a submission: where it goes, and what is its own in ``list`` (spec sending 3.4).

    ``text`` of a binary message is its payload in hex, with the "~~~" tail of spec 6.2 still behind it.
    """

    given: str
    text: str
    sender: str | None = None
    zone_min: int | None = None


class Submission(msgspec.Struct, frozen=True, kw_only=True):
    """What any door hands over: everything the customer said, decoded, nothing decided yet.

    ``sender`` None is the account's default, an empty text or "." is no name; ``send_ms`` 0 is now;
    ``zone_min`` is the zone (minutes east of UTC) in which a full date was read, None for the other forms
    of ``time``; ``valid_s`` 0 is the default of 24 hours; ``shorten`` asks for short links. ``trails`` is not said by the
    customer: it comes with the short links of an account that tracks them (services.links). Neither are ``also``, rows of
    the batch that are written in its transaction, and ``confirms``: it answers a stop, so it goes out to a number on the
    account's own black list. ``code`` is what a call tells
    when its text is ``CODE_WORD``; one submission has one code. ``flags`` are our own bits (``Flag``), ``int_id`` the first of
    the ids that the door has taken for it (0: none), ``pieces`` the parts that were stored before and become it.
    """

    recipients: tuple[Recipient, ...]
    kind: Kind = Kind.SMS
    id: str | None = None
    sender: str | None = None
    translit: int = 0
    send_ms: int = 0
    zone_min: int | None = None
    period_s: int = 0
    freq_s: int = 0
    valid_s: int = 0
    maxsms: int = 0
    lane: int = 1
    test: bool = False
    user_ip: str = ""
    client: str = ""
    door: Door = Door.HTTP
    also: tuple[tuple[str, tuple[Any, ...]], ...] = ()
    confirms: bool = False
    shorten: bool = False
    trails: Trails | None = None
    code: str = ""
    flags: int = 0
    int_id: int = 0
    pieces: tuple[int, ...] = ()


class Verdict(msgspec.Struct, frozen=True):
    """What became of one recipient; ``status`` and ``err`` are set only where there is a problem."""

    phone: str
    mccmnc: str
    cost: int
    parts: int
    status: int = 0
    err: int = 0


class Quote(msgspec.Struct, frozen=True):
    """The price of a submission that was only asked for (cost=1)."""

    cost: int
    parts: int
    verdicts: tuple[Verdict, ...]


class Accepted(msgspec.Struct, frozen=True):
    """A submission that is on disk. ``balance`` is what is left after it."""

    id: str
    parts: int
    cost: int
    balance: int
    verdicts: tuple[Verdict, ...]
    test: bool = False


class Extra(msgspec.Struct, frozen=True, omit_defaults=True):
    """What few messages have, kept as JSON in one column: binary's pid and dcs, HLR results, the end user's address.

    ``syserr`` is the operator's own error. Of calls: the keys pressed while it was heard (``dtmf``) and in a menu, and
    seconds of the call, of ringing and beyond the planned length; ``code`` is told by a call whose text is ``CODE_WORD``.
    """

    pid: int | None = None
    dcs: int | None = None
    hlr: dict[str, str] | None = None
    user_ip: str = ""
    subject: str = ""
    syserr: int = 0
    dtmf: str = ""
    calltime: int | None = None
    callmenu: str = ""
    ringtime: int | None = None
    overtime: int = 0
    code: str = ""


def decode_extra(text: str) -> Extra:
    """The extra column of a message."""
    return msgspec.json.decode(text, type=Extra) if text else _NO_EXTRA


def encode_extra(extra: Extra) -> str:
    """The text for the extra column; empty when there is nothing."""
    text = msgspec.json.encode(extra).decode()
    return "" if text == "{}" else text


_NO_EXTRA = Extra()
