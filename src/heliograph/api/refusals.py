"""The HTTP dictionary of refusals: number and words on the wire (spec sending 8.2, spec clients 2.1).

Clients compare the words of 2 to 9 as texts, so they are kept byte for byte. Only error 1 carries a detail.
"""

import re
from typing import Any

from heliograph.core.reasons import Reason

PARAMETERS = "parameters error"
AUTHORISE = "authorise error"
DENIED = "message is denied"
REPEATED = "duplicate request, wait a minute"
CROWDED = "too many concurrent requests"

REFUSALS: dict[Reason, tuple[int, str]] = {
    Reason.BAD_PARAMETERS: (1, PARAMETERS),
    Reason.LATER_FEATURE: (1, PARAMETERS),
    Reason.TOO_LARGE: (1, PARAMETERS),
    Reason.BAD_LOGIN: (2, AUTHORISE),
    Reason.ADDRESS_NOT_ALLOWED: (2, AUTHORISE),
    Reason.ACCOUNT_BLOCKED: (2, AUTHORISE),
    Reason.NO_MONEY: (3, "no money"),
    Reason.NOT_FOUND: (3, "not found"),
    Reason.ADDRESS_BANNED: (4, "ip is blocked"),
    Reason.BAD_TIME: (5, "invalid date"),
    Reason.NOT_POSSIBLE: (5, "operation failed"),
    Reason.TEXT_DENIED: (6, DENIED),
    Reason.SENDER_DENIED: (6, DENIED),
    Reason.MAILING_DENIED: (6, DENIED),
    Reason.BLACK_LISTED: (6, DENIED),
    Reason.DUPLICATE: (6, DENIED),
    Reason.FLOOD: (6, DENIED),
    Reason.DAY_LIMIT: (6, DENIED),
    Reason.NUMBER_LIMIT: (6, DENIED),
    Reason.OUTSIDE_HOURS: (6, DENIED),
    Reason.NUMBER_DENIED: (6, DENIED),
    Reason.BAD_NUMBER: (7, "invalid number"),
    Reason.NO_ROUTE: (8, "can't to deliver"),
    Reason.NO_PRICE: (8, "can't to deliver"),
    Reason.REPEATED_REQUEST: (9, REPEATED),
    Reason.TOO_MANY_REQUESTS: (9, REPEATED),
    Reason.TOO_MANY_AT_ONCE: (9, CROWDED),
    Reason.TOO_MANY_TASKS: (9, CROWDED),
    # Nothing of ours can be read into 9 that is wrong: wait a little and ask again.
    Reason.STORE_FULL: (9, CROWDED),
    Reason.BAD_CODE: (10, "invalid code"),
}

_DETAIL_MAX = 120
# Clients take the text up to the first ")", and one cuts replies at ", " and " - ".
_UNSAFE = re.compile(r"[()\[\]{}<>\x00-\x1f]+")


def describe(reason: Reason, detail: str = "", id: int | str | None = None) -> dict[str, Any]:
    """The value of the error shape; ``detail`` is added to error 1 only, ``id`` to those of stored messages (3, 6, 7, 8)."""
    number, words = REFUSALS[reason]
    if number == 1:
        if reason is Reason.LATER_FEATURE and detail:
            detail = f"{detail} comes in a later version"
        elif reason is Reason.TOO_LARGE:
            detail = detail or "request is too large"
        words = add_detail(words, detail)
    value: dict[str, Any] = {"error": words, "error_code": number}
    if id is not None:
        value["id"] = id
    return value


def add_detail(words: str, detail: str) -> str:
    """``words: detail`` without anything that a client could take for the end of the text."""
    detail = " ".join(_UNSAFE.sub(" ", detail).replace(",", ";").replace(" - ", " ").split())
    return f"{words}: {detail[:_DETAIL_MAX]}" if detail else words
