"""What the service answers, as records (spec sending 7, 12 and 13; seeds 000 to 003).

Money is ``Decimal`` in the account's currency, times with ``_timestamp`` are UNIX seconds, dates are texts in the
account's zone as the service writes them. What an answer does not hold is the default here.
"""

from decimal import Decimal

import msgspec

# Statuses that stay; 1 may still become 2 (read) or 4 (link clicked).
FINAL = frozenset({1, 2, 3, 4, 20, 22, 23, 24, 25})
DELIVERED = frozenset({1, 2, 4})
NOT_FOUND = -3


class Recipient(msgspec.Struct, frozen=True):
    """One number of a request with ``op=1`` or ``err=1``; ``status`` and ``error`` only where there is a problem."""

    phone: str
    mccmnc: str = ""
    cost: Decimal | None = None
    status: int | None = None
    error: int | None = None


class Sent(msgspec.Struct, frozen=True):
    """A request that was taken: ``cnt`` parts of all texts together. ``cost`` with cost=2 and 3, ``balance`` with 3."""

    id: int | str
    cnt: int
    cost: Decimal | None = None
    balance: Decimal | None = None
    code: str = ""
    phones: tuple[Recipient, ...] = ()


class Price(msgspec.Struct, frozen=True):
    """What a request would cost: ``cnt`` parts of all texts together."""

    cost: Decimal
    cnt: int
    phones: tuple[Recipient, ...] = ()


class Status(msgspec.Struct, frozen=True):
    """What became of a message. Fields from ``send_date`` on need all=1, country, operator and region all=2."""

    status: int
    last_date: str = ""
    last_timestamp: int = 0
    err: int = 0
    id: int | str | None = None
    phone: str = ""
    send_date: str = ""
    send_timestamp: int = 0
    flag: int = 0
    country: str = ""
    operator: str = ""
    operator_orig: str = ""
    region: str = ""
    cost: Decimal | None = None
    sender_id: str = ""
    status_name: str = ""
    message: str = ""
    comment: str = ""
    mccmnc: str = ""
    type: int = 0
    sms_cnt: int = 0
    # Answers to an HLR query.
    imsi: str = ""
    msc: str = ""
    mcc: str = ""
    mnc: str = ""
    cn: str = ""
    net: str = ""
    rcn: str = ""
    rnet: str = ""

    @property
    def final(self) -> bool:
        """Whether nothing more is to be waited for."""
        return self.status in FINAL

    @property
    def delivered(self) -> bool:
        """Whether it has reached the subscriber."""
        return self.status in DELIVERED

    @property
    def found(self) -> bool:
        """Whether the service knows the message."""
        return self.status != NOT_FOUND


class Balance(msgspec.Struct, frozen=True):
    """Money on an account; ``credit`` where there is one."""

    balance: Decimal
    credit: Decimal = Decimal(0)
    currency: str = ""


class Message(msgspec.Struct, frozen=True):
    """A message of the history; ``int_id`` is unique, ``id`` may be shared by the recipients of one request."""

    int_id: str
    id: int | str
    status: int
    phone: str
    message: str = ""
    last_date: str = ""
    last_timestamp: int = 0
    err: int = 0
    send_date: str = ""
    send_timestamp: int = 0
    cost: Decimal | None = None
    sender_id: str = ""
    status_name: str = ""
    mccmnc: str = ""
    country: str = ""
    operator: str = ""
    region: str = ""
    type: int = 0
    sms_cnt: int = 0
    crc: int = 0


class Answer(msgspec.Struct, frozen=True):
    """A text that a subscriber has sent; ids rise with time."""

    id: int
    phone: str
    message: str = ""
    to_phone: str = ""
    received: str = ""
    sent: str = ""


class Statistics(msgspec.Struct, frozen=True):
    """One login and currency in a period: messages taken, money spent (``credit``) and paid in (``debit``)."""

    login: str
    sms: int
    credit: Decimal
    debit: Decimal
    currency: str


class Zone(msgspec.Struct, frozen=True):
    """Prices of a zone for one part; 0 where a kind is not offered."""

    zone: str
    name: str
    api: Decimal = Decimal(0)
    mass: Decimal = Decimal(0)
    mms: Decimal = Decimal(0)
    hlr: Decimal = Decimal(0)
    call: Decimal = Decimal(0)


class OperatorPrice(msgspec.Struct, frozen=True):
    """The price of a part to one operator."""

    mccmnc: str
    cost: Decimal


class Prices(msgspec.Struct, frozen=True):
    """The tariff of the account."""

    zones: tuple[Zone, ...]
    codes: tuple[OperatorPrice, ...] = ()
    mail: Decimal = Decimal(0)


class Operator(msgspec.Struct, frozen=True):
    """Whose a number is; ``tz`` is hours east of UTC. ``phone`` only in lists, as it was asked for."""

    country: str = ""
    operator: str = ""
    region: str = ""
    mcc: str = ""
    mnc: str = ""
    tz: str = ""
    phone: str = ""


class Link(msgspec.Struct, frozen=True):
    """Clicks on a short link: all, this month, today, yesterday, the month before."""

    id: int
    cnt: int
    cnt_mon: int
    cnt_day: int
    cnt_yes: int
    cnt_pmon: int
    link: str


class Task(msgspec.Struct, frozen=True):
    """An export: ``status`` 0 waiting, 1 in progress, 2 done, 3 cancelled, 4 failed; ``file`` when it is done."""

    id: int
    name: str = ""
    status: int = 0
    created: str = ""
    time: str = ""
    file: str = ""


class Progress(msgspec.Struct, frozen=True):
    """How far an export is; ``status`` as in ``Task``."""

    status: int
    rows_done: int = 0
    rows_all: int = 0
    percent: int = 0
    error: str = ""

    @property
    def final(self) -> bool:
        """Whether it has ended, well or not."""
        return self.status >= 2


class RentableNumber(msgspec.Struct, frozen=True):
    """A number for rent: ``cost`` of a full month, ``current_cost`` up to the end of this one."""

    phone: str
    cost: Decimal
    current_cost: Decimal | None = None
    type: int = 0
    info: str = ""


class Rent(msgspec.Struct, frozen=True):
    """What was taken for a number; 0 for one that the account had."""

    cost: Decimal


class WaitedCall(msgspec.Struct, frozen=True):
    """The number that a subscriber is to call within 15 minutes, and all that would do."""

    phone: str
    all_phones: tuple[str, ...] = ()


class Deed(msgspec.Struct, frozen=True):
    """The answer to an action: ``OK``."""

    result: str


class NewTask(msgspec.Struct, frozen=True):
    """The answer to a new export."""

    id: int
