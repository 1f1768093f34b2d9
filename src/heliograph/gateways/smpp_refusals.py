"""The SMPP door's dictionary of refusals: reason to command_status (SMPP 3.4, 5.1.3; spec protocols 5.6)."""

from heliograph.core.reasons import Reason
from heliograph.core.status import REFUSALS
from heliograph.wire.smpp import statuses


class Denied(Exception):  # noqa: N818 - the field's word
    """A PDU that cannot be taken; ``status`` is the command_status of its answer."""

    def __init__(self, status: int) -> None:
        super().__init__(statuses.name(status))
        self.status = status


# Copies and floods are no ESME_RTHROTTLED: gateways would bring them again for ever.
STATUSES: dict[Reason, int] = {
    Reason.BAD_PARAMETERS: statuses.ESME_RINVMSGLEN,
    Reason.LATER_FEATURE: statuses.ESME_RSUBMITFAIL,
    Reason.BAD_LOGIN: statuses.ESME_RINVPASWD,
    Reason.ADDRESS_NOT_ALLOWED: statuses.ESME_RBINDFAIL,
    Reason.ACCOUNT_BLOCKED: statuses.ESME_RBINDFAIL,
    Reason.ADDRESS_BANNED: statuses.ESME_RBINDFAIL,
    Reason.NO_MONEY: statuses.ESME_RSUBMITFAIL,
    Reason.BAD_TIME: statuses.ESME_RINVSCHED,
    Reason.TEXT_DENIED: statuses.ESME_RSUBMITFAIL,
    Reason.SENDER_DENIED: statuses.ESME_RINVSRCADR,
    Reason.MAILING_DENIED: statuses.ESME_RSUBMITFAIL,
    Reason.BLACK_LISTED: statuses.ESME_RSUBMITFAIL,
    Reason.DUPLICATE: statuses.ESME_RSUBMITFAIL,
    Reason.FLOOD: statuses.ESME_RSUBMITFAIL,
    Reason.DAY_LIMIT: statuses.ESME_RSUBMITFAIL,
    Reason.NUMBER_LIMIT: statuses.ESME_RSUBMITFAIL,
    Reason.OUTSIDE_HOURS: statuses.ESME_RSUBMITFAIL,
    Reason.NUMBER_DENIED: statuses.ESME_RSUBMITFAIL,
    Reason.BAD_NUMBER: statuses.ESME_RINVDSTADR,
    Reason.NO_ROUTE: statuses.ESME_RSUBMITFAIL,
    Reason.NO_PRICE: statuses.ESME_RSUBMITFAIL,
    Reason.REPEATED_REQUEST: statuses.ESME_RSUBMITFAIL,
    Reason.TOO_MANY_REQUESTS: statuses.ESME_RTHROTTLED,
    Reason.TOO_MANY_AT_ONCE: statuses.ESME_RTHROTTLED,
    Reason.TOO_MANY_TASKS: statuses.ESME_RMSGQFUL,
    Reason.BAD_CODE: statuses.ESME_RSUBMITFAIL,
    Reason.NOT_FOUND: statuses.ESME_RINVMSGID,
    Reason.NOT_POSSIBLE: statuses.ESME_RSYSERR,
    Reason.TOO_LARGE: statuses.ESME_RINVMSGLEN,
    Reason.STORE_FULL: statuses.ESME_RMSGQFUL,
}

_BY_VERDICT = {(int(status), int(err)): STATUSES[reason] for reason, (status, err) in REFUSALS.items()}


def status_of_verdict(status: int, err: int) -> int:
    """The error of one address of submit_multi, by what its text was stored with."""
    return _BY_VERDICT.get((status, err), statuses.ESME_RSUBMITFAIL)
