"""The OMS dictionary of refusals: code and severity on the wire (spec protocols 7.4, [MS-OMS] 2.2.4)."""

from typing import Final, NamedTuple

from heliograph.core.reasons import Reason
from heliograph.core.status import REFUSALS as VERDICTS

OK: Final = "ok"
OTHER: Final = "other"
INVALID_RECIPIENT: Final = "invalidRecipient"
CROSS_CARRIER: Final = "crossCarrier"
LENGTH_LIMIT: Final = "lengthLimit"
LOW_BALANCE: Final = "lowBalance"
PER_DAY_LIMIT: Final = "perDayMsgLimit"
SERVICE_NETWORK: Final = "serviceNetwork"
UNREGISTERED_SERVICE: Final = "unregisteredService"

CODES: dict[Reason, str] = {
    Reason.BAD_PARAMETERS: OTHER,
    Reason.LATER_FEATURE: UNREGISTERED_SERVICE,
    Reason.BAD_LOGIN: "invalidUser",
    Reason.ADDRESS_NOT_ALLOWED: "invalidUser",
    # Not expiredUser: a right password that is of no use must look like a wrong one.
    Reason.ACCOUNT_BLOCKED: "invalidUser",
    Reason.NO_MONEY: LOW_BALANCE,
    Reason.ADDRESS_BANNED: OTHER,
    Reason.BAD_TIME: OTHER,
    Reason.TEXT_DENIED: "invalidChar",
    Reason.SENDER_DENIED: OTHER,
    Reason.MAILING_DENIED: OTHER,
    Reason.BLACK_LISTED: INVALID_RECIPIENT,
    # Outlook asks again when the network broke: what was sent a moment ago is sent.
    Reason.DUPLICATE: OK,
    Reason.REPEATED_REQUEST: OK,
    Reason.FLOOD: OTHER,
    Reason.DAY_LIMIT: PER_DAY_LIMIT,
    Reason.NUMBER_LIMIT: OTHER,
    Reason.OUTSIDE_HOURS: OTHER,
    Reason.NUMBER_DENIED: CROSS_CARRIER,
    Reason.BAD_NUMBER: INVALID_RECIPIENT,
    Reason.NO_ROUTE: CROSS_CARRIER,
    Reason.NO_PRICE: CROSS_CARRIER,
    Reason.TOO_MANY_REQUESTS: OTHER,
    Reason.TOO_MANY_AT_ONCE: OTHER,
    Reason.TOO_MANY_TASKS: OTHER,
    Reason.BAD_CODE: OTHER,
    Reason.NOT_FOUND: OTHER,
    Reason.NOT_POSSIBLE: OTHER,
    Reason.TOO_LARGE: OTHER,
    Reason.STORE_FULL: SERVICE_NETWORK,
}
ABOUT_RECIPIENTS = frozenset({INVALID_RECIPIENT, CROSS_CARRIER})

# Of several recipients the bad ones have a status and an error (spec sending 14.2). Where reasons share them, the first in
# this order that is no "ok" is told: it is not known that a copy was meant.
_OF_VERDICT = {
    (int(status), int(err)): CODES[reason]
    for reason, (status, err) in reversed(VERDICTS.items())
    if CODES[reason] != OK
}


class Complaint(NamedTuple):
    """One ``error`` of a response: its code, words, and the phones it is about."""

    code: str
    text: str = ""
    phones: tuple[str, ...] = ()


class Complaints:
    """The errors of one message, each code once."""

    __slots__ = ("_found",)

    def __init__(self) -> None:
        self._found: dict[str, Complaint] = {}

    def add(self, complaint: Complaint) -> None:
        """One more; "ok" is none."""
        if complaint.code == OK:
            return
        known = self._found.get(complaint.code, complaint)
        phones = tuple(dict.fromkeys((*known.phones, *complaint.phones)))
        self._found[complaint.code] = Complaint(known.code, known.text, phones)

    def all(self) -> list[Complaint]:
        """What is to be told: never nothing."""
        return list(self._found.values()) or [Complaint(OK)]


def code_of_verdict(status: int, err: int) -> str:
    """The code for a recipient with this status and error."""
    return _OF_VERDICT.get((status, err), OTHER)
