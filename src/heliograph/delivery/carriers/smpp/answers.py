"""What an answer to submit_sm means for the part: command_status to outcome and err (SMPP 3.4, 5.1.3; spec sending 14.2)."""

from typing import NamedTuple

from heliograph.core.status import Err
from heliograph.delivery.carriers.contract import What
from heliograph.wire.smpp import statuses
from heliograph.wire.smpp.statuses import Nature

# Pause before a part that met a temporary error goes again; throttling has its own, growing one (`pacing.Pace`).
TEMPORARY_MS = 5_000

_RECEIPT = "receipt:"

# What is missing here ends as 255, refused without a code.
DEFAULT_ERRS: dict[int, Err] = {
    statuses.ESME_RINVDSTADR: Err.BAD_NUMBER,
    statuses.ESME_RINVSRCADR: Err.SENDER,
    statuses.ESME_RINVSRCTON: Err.SENDER,
    statuses.ESME_RINVSRCNPI: Err.SENDER,
    statuses.ESME_RMSGQFUL: Err.QUEUE_FULL,
    statuses.ESME_RTHROTTLED: Err.QUEUE_FULL,
}


class Errors(NamedTuple):
    """A carrier's own table: err by command_status, and by the code of a receipt (in the form of `plain_code`)."""

    commands: dict[int, int]
    receipts: dict[str, int]


class Verdict(NamedTuple):
    """How a part ended that was not accepted, and the err to show for it."""

    what: What
    err: int
    throttled: bool = False


def read_errors(table: dict[str, int]) -> Errors:
    """The setting ``errors``: keys "0x45" or "69" for a command_status, "receipt:NNN" for the code of a receipt.

    Raises ValueError for another key, or an err that is not 0 to 255.
    """
    errors = Errors({}, {})
    for key, err in table.items():
        if not 0 <= err <= 255:
            raise ValueError(f"errors: err {err} of {key!r} is not 0 to 255")
        name = key.strip().lower()
        if name.startswith(_RECEIPT):
            errors.receipts[plain_code(name.removeprefix(_RECEIPT))] = err
        else:
            try:
                errors.commands[int(name, 16 if name.startswith("0x") else 10)] = err
            except ValueError:
                raise ValueError(f"errors: {key!r} is neither a command_status nor receipt:CODE") from None
    return errors


def plain_code(code: str) -> str:
    """A receipt's code without the zeros before it and in lower case: "001", "1" and " 01" are the same code."""
    return code.strip().lower().lstrip("0") or "0"


def judge(status: int, errors: Errors) -> Verdict:
    """What a command_status other than 0 means; an unknown one is a refusal, so that nothing is sent for ever."""
    err = errors.commands.get(status)
    if err is None:
        err = DEFAULT_ERRS.get(status, Err.REFUSED)
    nature = statuses.nature(status)
    if nature is Nature.THROTTLED:
        return Verdict(What.LATER, err, True)
    return Verdict(What.LATER if nature is Nature.TEMPORARY else What.REFUSED, err)
