"""One vocabulary of refusal for every door (design sections 4 and 12; numbers in spec sending 8.2 and 14.2)."""

from enum import StrEnum

import msgspec


class Reason(StrEnum):
    """Why a customer's request was refused. Each door keeps a complete dictionary of it, which a test proves."""

    BAD_PARAMETERS = "bad parameters"
    LATER_FEATURE = "not available here yet"
    BAD_LOGIN = "wrong login, password or key"
    ADDRESS_NOT_ALLOWED = "address outside the account's list"
    ACCOUNT_BLOCKED = "account is blocked"
    NO_MONEY = "not enough money"
    ADDRESS_BANNED = "address is banned for a while"
    BAD_TIME = "bad time"
    TEXT_DENIED = "text is forbidden"
    SENDER_DENIED = "sender name is not registered"
    MAILING_DENIED = "mailings are forbidden"
    BLACK_LISTED = "number is on a black list"
    DUPLICATE = "a copy of a recent message"
    FLOOD = "too many messages to one number"
    DAY_LIMIT = "daily limit of messages"
    NUMBER_LIMIT = "daily limit for one number"
    OUTSIDE_HOURS = "outside the allowed hours"
    NUMBER_DENIED = "number is forbidden by the account's settings"
    BAD_NUMBER = "bad number"
    NO_ROUTE = "no route to the number"
    NO_PRICE = "no price for the number"
    REPEATED_REQUEST = "identical request within a minute"
    TOO_MANY_REQUESTS = "too many requests within a minute"
    TOO_MANY_AT_ONCE = "too many requests at once"
    TOO_MANY_TASKS = "too many deferred tasks"
    BAD_CODE = "wrong captcha code"
    NOT_FOUND = "not found"
    NOT_POSSIBLE = "could not be done"
    TOO_LARGE = "request is too large"
    STORE_FULL = "the store is full or away for now"


class Refused(Exception):  # noqa: N818 - the field's word, and it reads as what happened
    """What a customer can cause; ``detail`` is for the operator's eyes and never holds texts or passwords."""

    def __init__(self, reason: Reason, detail: str = "") -> None:
        super().__init__(f"{reason.value}: {detail}" if detail else reason.value)
        self.reason = reason
        self.detail = detail


class Refusal(msgspec.Struct, frozen=True):
    """A refusal as a value, for what is decided inside a batch; ``id`` is set when the message was stored all the same."""

    reason: Reason
    detail: str = ""
    id: str = ""
