"""Statuses of a message, their errors, and the one table by which a status moves (spec sending 14.1 and 14.2)."""

from collections.abc import Sequence
from enum import IntEnum

from heliograph.core.reasons import Reason


class Status(IntEnum):
    """Status codes of the reference API."""

    NOT_FOUND = -3
    STOPPED = -2
    WAITING = -1
    SENT = 0
    DELIVERED = 1
    READ = 2
    EXPIRED = 3
    CLICKED = 4
    UNDELIVERABLE = 20
    BAD_NUMBER = 22
    DENIED = 23
    NO_MONEY = 24
    UNREACHABLE = 25


NAMES = {
    Status.NOT_FOUND: ("Сообщение не найдено", "Message not found"),
    Status.STOPPED: ("Остановлено", "Stopped"),
    Status.WAITING: ("Ожидает отправки", "Waiting"),
    Status.SENT: ("Передано оператору", "Transferred to the operator"),
    Status.DELIVERED: ("Доставлено", "Delivered"),
    Status.READ: ("Прочитано", "Read"),
    Status.EXPIRED: ("Просрочено", "Expired"),
    Status.CLICKED: ("Нажата ссылка", "Link clicked"),
    Status.UNDELIVERABLE: ("Невозможно доставить", "Impossible to deliver"),
    Status.BAD_NUMBER: ("Неверный номер", "Wrong number"),
    Status.DENIED: ("Запрещено", "Forbidden"),
    Status.NO_MONEY: ("Недостаточно средств", "Not enough funds"),
    Status.UNREACHABLE: ("Недоступный номер", "Number is not available"),
}

FINAL = frozenset(
    {
        Status.DELIVERED,
        Status.READ,
        Status.EXPIRED,
        Status.CLICKED,
        Status.UNDELIVERABLE,
        Status.BAD_NUMBER,
        Status.DENIED,
        Status.NO_MONEY,
        Status.UNREACHABLE,
    }
)


class Err(IntEnum):
    """Delivery errors ("err") of the reference API."""

    NONE = 0
    NO_SUBSCRIBER = 1
    ABSENT = 6
    NO_SERVICE = 11
    HANDSET = 12
    BARRED = 13
    NO_SUPPORT = 21
    VIRTUAL = 200
    SIM_REPLACED = 219
    QUEUE_FULL = 220
    NO_ANSWER = 237
    NO_TEMPLATE = 238
    ADDRESS_NOT_ALLOWED = 239
    BUSY = 240
    PARTS_MISSING = 241
    MACHINE = 242
    NO_CONTRACT = 243
    MAILING_DENIED = 244
    NO_REPORT = 245
    OUTSIDE_HOURS = 246
    DAY_LIMIT = 247
    NO_ROUTE = 248
    BAD_NUMBER = 249
    NUMBER_DENIED = 250
    NUMBER_LIMIT = 251
    NUMBER_FORBIDDEN = 252
    SPAM = 253
    SENDER = 254
    REFUSED = 255


# A recipient that is refused before sending ends at once with this status and error (spec sending 14.2, last lines).
REFUSALS: dict[Reason, tuple[Status, Err]] = {
    Reason.BAD_NUMBER: (Status.BAD_NUMBER, Err.BAD_NUMBER),
    Reason.NO_ROUTE: (Status.UNREACHABLE, Err.NO_ROUTE),
    Reason.NO_PRICE: (Status.UNREACHABLE, Err.NO_ROUTE),
    Reason.NO_MONEY: (Status.NO_MONEY, Err.NONE),
    Reason.TEXT_DENIED: (Status.DENIED, Err.SPAM),
    Reason.SENDER_DENIED: (Status.DENIED, Err.SENDER),
    Reason.MAILING_DENIED: (Status.DENIED, Err.MAILING_DENIED),
    Reason.BLACK_LISTED: (Status.DENIED, Err.NUMBER_FORBIDDEN),
    Reason.DUPLICATE: (Status.DENIED, Err.NUMBER_LIMIT),
    Reason.FLOOD: (Status.DENIED, Err.NUMBER_LIMIT),
    Reason.NUMBER_LIMIT: (Status.DENIED, Err.NUMBER_LIMIT),
    Reason.DAY_LIMIT: (Status.DENIED, Err.DAY_LIMIT),
    Reason.OUTSIDE_HOURS: (Status.DENIED, Err.OUTSIDE_HOURS),
    Reason.NUMBER_DENIED: (Status.DENIED, Err.NUMBER_DENIED),
}

# A text that a carrier refuses ends with the status its error belongs to; 20 for all that are not named (14.2).
_OF_ERR = {int(err): status for status, err in REFUSALS.values() if err}


def status_of(err: int) -> Status:
    """The final status of a text that was refused with this error."""
    return _OF_ERR.get(err, Status.UNDELIVERABLE)


_NOWHERE: frozenset[int] = frozenset()
_NEXT: dict[int, frozenset[Status]] = {
    Status.STOPPED: frozenset(Status) - {Status.NOT_FOUND, Status.STOPPED},
    Status.WAITING: frozenset(Status) - {Status.NOT_FOUND, Status.WAITING},
    Status.SENT: FINAL | {Status.WAITING},  # back to waiting: the next route is tried
    Status.DELIVERED: frozenset({Status.READ, Status.CLICKED}),
    Status.READ: frozenset({Status.CLICKED}),
    # A carrier that gave up may still be proved wrong by the phone: late news of delivery is taken.
    Status.EXPIRED: frozenset({Status.DELIVERED, Status.READ, Status.CLICKED}),
}


def may_move(old: int, new: int) -> bool:
    """Whether a message in status ``old`` takes the news ``new``; a refused step is recorded, not applied."""
    return new in _NEXT.get(old, _NOWHERE)


def is_final(status: int) -> bool:
    """Whether nothing more is expected (1 may still become 2 or 4)."""
    return status in FINAL


def combine(parts: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """One (status, err) out of those of all parts: delivered when all are, failed as soon as one failed, waiting as long
    as one has still to go out, else sent."""
    if len(parts) == 1 and parts[0][0] in FINAL:
        return parts[0]
    for status, err in parts:
        if status in FINAL and status not in (Status.DELIVERED, Status.READ, Status.CLICKED):
            return status, err
    if all(status in FINAL for status, _ in parts):
        return min(parts)
    if any(status == Status.WAITING for status, _ in parts):
        return Status.WAITING, Err.NONE
    return Status.SENT, Err.NONE


def name_status(status: int, english: bool = False) -> str:
    """The name of a status, Russian unless ``english``."""
    return NAMES[Status(status)][1 if english else 0]
