"""What the simulated carrier does with a message: profiles, scripted numbers and one pure decision (errors: 3GPP 29.002 by the service's own numbers)."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from hashlib import blake2b
from math import log
from typing import Final, NamedTuple

from heliograph.wire.smpp import statuses, tables

ERROR_NONE: Final = 0
ERROR_UNKNOWN_SUBSCRIBER: Final = 1
ERROR_ABSENT: Final = 6
ERROR_NO_SERVICE: Final = 11
ERROR_BARRED: Final = 13

SAME: Final = "same"
HEX_RESPONSE: Final = "hex response"
HEX_RECEIPT: Final = "hex receipt"
UPPER_RECEIPT: Final = "upper receipt"
ZEROS_RECEIPT: Final = "zeros receipt"
NOTATIONS: Final = (SAME, HEX_RESPONSE, HEX_RECEIPT, UPPER_RECEIPT, ZEROS_RECEIPT)

AS_TEXT: Final = "text"
AS_TLV: Final = "tlv"
AS_BOTH: Final = "both"


class Plan(NamedTuple):
    """What happens to one submit_sm. Times are seconds from its arrival to the answer and from the answer to the receipt.

    `state` is the message_state of the receipt, 0 for none; `copies` how often the receipt comes; `early` puts it
    before the answer; `answered` false means that no submit_sm_resp ever comes (a receipt may).
    """

    outcome: str
    status: int = statuses.ESME_ROK
    answered: bool = True
    answer_s: float = 0.0
    state: int = tables.STATE_DELIVERED
    error: int = ERROR_NONE
    receipt_s: float = 0.0
    copies: int = 1
    early: bool = False
    notation: str = SAME
    enroute: bool = False

    @property
    def accepted(self) -> bool:
        """Whether the carrier has taken the message, answered or not."""
        return self.status == statuses.ESME_ROK


@dataclass(frozen=True, slots=True)
class Profile:
    """How a carrier behaves towards numbers that no script names.

    Rates are shares of all submits from 0 to 1; what they leave over is delivered. `failed` to `doubled` exclude
    each other; `disordered` and `wrong_notation` come on top. Receipts come after `delay_s` (from, to) seconds, or,
    when `mean_delay_s` is above 0, after an exponential time with that mean. `throughput` is submits a second, 0
    without limit. `receipt_window` is how many deliver_sm may be unanswered on a bind.
    """

    name: str = "custom"
    seed: int = 1
    failed: float = 0.0
    expired: float = 0.0
    rejected: float = 0.0
    throttled: float = 0.0
    silent: float = 0.0
    unanswered: float = 0.0
    doubled: float = 0.0
    disordered: float = 0.0
    wrong_notation: float = 0.0
    notation: str = HEX_RECEIPT
    delay_s: tuple[float, float] = (0.0, 0.0)
    mean_delay_s: float = 0.0
    response_delay_s: tuple[float, float] = (0.0, 0.0)
    throughput: int = 0
    receipts: str = AS_BOTH
    receipt_window: int = 100

    def __post_init__(self) -> None:
        """Refuse rates that cannot be, with a ValueError."""
        exclusive = (
            self.failed, self.expired, self.rejected, self.throttled, self.silent, self.unanswered, self.doubled,
        )  # fmt: skip
        if min(*exclusive, self.disordered, self.wrong_notation) < 0 or sum(exclusive) > 1.0 + 1e-9:
            raise ValueError("rates are shares from 0 to 1, and those of the outcomes add up to no more than 1")
        if max(self.disordered, self.wrong_notation) > 1:
            raise ValueError("a rate is a share from 0 to 1")
        if self.notation not in NOTATIONS or self.receipts not in (AS_TEXT, AS_TLV, AS_BOTH):
            raise ValueError("unknown notation or form of receipts")

    @property
    def delivered(self) -> float:
        """The share that is delivered, doubled receipts included."""
        return 1.0 - self.failed - self.expired - self.rejected - self.throttled - self.silent - self.unanswered


PRESETS: Final[dict[str, Profile]] = {
    profile.name: profile
    for profile in (
        Profile("healthy", failed=0.02, delay_s=(0.05, 0.5)),
        Profile("demo", delay_s=(1.0, 3.0)),
        Profile("flaky", failed=0.15, expired=0.05, rejected=0.05, throttled=0.05, silent=0.02, delay_s=(0.1, 5.0)),
        Profile("throttling", throughput=50, throttled=0.02, delay_s=(0.1, 1.0)),
        Profile("dead", unanswered=1.0),
        Profile("slow", mean_delay_s=20.0, response_delay_s=(0.5, 2.0)),
        Profile(
            "messy", failed=0.05, silent=0.05, unanswered=0.02, doubled=0.1, disordered=0.2, wrong_notation=0.3,
            delay_s=(0.0, 2.0), response_delay_s=(0.0, 0.05),
        ),
        Profile("instant"),
    )
}  # fmt: skip


def profile_named(name: str) -> Profile:
    """A preset. Raises ValueError that names them all."""
    try:
        return PRESETS[name]
    except KeyError:
        raise ValueError(f"no profile {name!r}; there are {', '.join(PRESETS)}") from None


SCRIPTED_PREFIX: Final = "7999000"

_DELIVERED: Final = Plan("delivered")
_THROTTLED: Final = Plan("throttled", statuses.ESME_RTHROTTLED)
_UNKNOWN_SUBSCRIBER: Final = Plan("failed", state=tables.STATE_UNDELIVERABLE, error=ERROR_UNKNOWN_SUBSCRIBER)


class Script(NamedTuple):
    """A row: the last four digits, what they do in words, and the plans that successive submits to the number meet in turn.

    `later_parts` replaces the plan for the second and further parts of a long text.
    """

    digits: str
    meaning: str
    steps: tuple[Plan, ...]
    later_parts: Plan | None = None


SCRIPTS: Final[dict[str, Script]] = {
    row.digits: row
    for row in (
        Script("0001", "delivered at once", (_DELIVERED,)),
        Script("0002", "undeliverable, the number does not exist (err 1)", (_UNKNOWN_SUBSCRIBER,)),
        Script("0003", "expired", (Plan("expired", state=tables.STATE_EXPIRED, error=ERROR_ABSENT),)),
        Script("0004", "rejected at submit (ESME_RINVDSTADR)", (Plan("rejected", statuses.ESME_RINVDSTADR),)),
        Script(
            "0005", "throttled twice (ESME_RTHROTTLED), accepted and delivered the third time",
            (_THROTTLED, _THROTTLED, _DELIVERED),
        ),
        Script("0006", "accepted, no receipt ever", (Plan("silent", state=0),)),
        Script("0007", "delivered, the receipt comes twice", (Plan("doubled", copies=2),)),
        Script("0008", "delivered, the receipt comes before the response", (Plan("disordered", early=True),)),
        Script("0009", "delivered, the receipt has the id in hexadecimal", (Plan("wrong notation", notation=HEX_RECEIPT),)),
        Script(
            "0010", "undeliverable, absent subscriber (err 6)",
            (Plan("failed", state=tables.STATE_UNDELIVERABLE, error=ERROR_ABSENT),),
        ),
        Script(
            "0011", "undeliverable, the subscriber is barred (err 13)",
            (Plan("failed", state=tables.STATE_UNDELIVERABLE, error=ERROR_BARRED),),
        ),
        Script("0012", "delivered late, after 30 seconds", (Plan("delivered", receipt_s=30.0),)),
        Script(
            "0013", "of a long text the first part fails and the others are delivered",
            (Plan("failed", state=tables.STATE_UNDELIVERABLE, error=ERROR_ABSENT),), _DELIVERED,
        ),
        Script("0014", "no answer to the submit, no receipt", (Plan("unanswered", answered=False, state=0),)),
        Script(
            "0015", "a temporary error (ESME_RSYSERR), accepted and delivered the second time",
            (Plan("temporary", statuses.ESME_RSYSERR), _DELIVERED),
        ),
        Script("0016", "no answer to the submit, delivered all the same", (Plan("unanswered", answered=False),)),
        Script(
            "0017", "delivered, the response has the id in hexadecimal and the receipt in decimal",
            (Plan("wrong notation", notation=HEX_RESPONSE),),
        ),
        Script(
            "0018", "delivered, the response has small hexadecimal letters and the receipt capital ones",
            (Plan("wrong notation", notation=UPPER_RECEIPT),),
        ),
        Script("0019", "delivered, the receipt's id has zeros before it", (Plan("wrong notation", notation=ZEROS_RECEIPT),)),
        Script("0020", "accepted, then rejected by receipt (REJECTD)", (Plan("failed", state=tables.STATE_REJECTED, error=255),)),
        Script("0021", "accepted, then deleted (DELETED)", (Plan("failed", state=tables.STATE_DELETED),)),
        Script("0022", "accepted, then state UNKNOWN", (Plan("failed", state=tables.STATE_UNKNOWN),)),
        Script("0023", "the queue is full for ever (ESME_RMSGQFUL)", (Plan("throttled", statuses.ESME_RMSGQFUL),)),
        Script("0024", "answered after 1 second, then delivered", (Plan("delivered", answer_s=1.0),)),
        Script("0025", "an ENROUTE receipt first, then delivered", (Plan("delivered", enroute=True),)),
        Script(
            "0026", "undeliverable, no SMS service (err 11)",
            (Plan("failed", state=tables.STATE_UNDELIVERABLE, error=ERROR_NO_SERVICE),),
        ),
        *(
            Script(f"01{seconds:02d}", f"delivered after {seconds} s", (Plan("delivered", receipt_s=float(seconds)),))
            for seconds in range(100)
        ),
    )
}  # fmt: skip


def scripted_table() -> list[tuple[str, str]]:
    """The scripted numbers for people: (number, what happens), the hundred timed ones as one row."""
    rows = [(SCRIPTED_PREFIX + row.digits, row.meaning) for row in SCRIPTS.values() if not row.digits.startswith("01")]
    return [*rows, (SCRIPTED_PREFIX + "01dd", "delivered after dd seconds, 00 to 99")]


def decide(profile: Profile, number: str, serial: int, part: int = 1) -> Plan:
    """The fate of the submit number `serial` (from 0) to `number`; `part` is its place in a long text.

    Pure: the same profile, number, serial and part give the same plan on any machine. Other numbers' traffic and
    the order of arrival do not matter.
    """
    number = number.removeprefix("+")
    if number.startswith(SCRIPTED_PREFIX):
        script = SCRIPTS.get(number[len(SCRIPTED_PREFIX) :])
        if script is not None:
            if part > 1 and script.later_parts is not None:
                return script.later_parts
            return script.steps[serial % len(script.steps)]
    return _by_chance(profile, draws(profile.seed, number, serial))


_DRAWS: Final = struct.Struct(">6I")


def draws(seed: int, number: str, serial: int) -> tuple[float, ...]:
    """Six even draws from [0, 1) that depend on the arguments alone (a hash is ten times cheaper than seeding a generator)."""
    digest = blake2b(f"{seed}:{number}:{serial}".encode(), digest_size=24).digest()
    return tuple([value / 4_294_967_296 for value in _DRAWS.unpack(digest)])


# The fields of `Profile` that exclude each other, with what they lead to.
_OUTCOMES: Final = (
    ("failed", Plan("failed", state=tables.STATE_UNDELIVERABLE)),
    ("expired", Plan("expired", state=tables.STATE_EXPIRED, error=ERROR_ABSENT)),
    ("rejected", Plan("rejected", statuses.ESME_RINVDSTADR)),
    ("throttled", _THROTTLED),
    ("silent", Plan("silent", state=0)),
    ("unanswered", Plan("unanswered", answered=False, state=0)),
    ("doubled", Plan("doubled", copies=2)),
)
_FAILURES: Final = (ERROR_UNKNOWN_SUBSCRIBER, ERROR_ABSENT, ERROR_BARRED)


def _by_chance(profile: Profile, luck: tuple[float, ...]) -> Plan:
    lot, order_lot, notation_lot, delay_lot, answer_lot, error_lot = luck
    plan = _DELIVERED
    for name, choice in _OUTCOMES:
        rate = getattr(profile, name)
        if lot < rate:
            plan = choice
            break
        lot -= rate
    low, high = profile.response_delay_s
    return Plan(
        plan.outcome,
        plan.status,
        plan.answered,
        low + (high - low) * answer_lot,
        plan.state,
        _FAILURES[int(error_lot * 3)] if plan.outcome == "failed" else plan.error,
        _delay(profile, delay_lot),
        plan.copies,
        order_lot < profile.disordered,
        profile.notation if notation_lot < profile.wrong_notation else SAME,
    )


def _delay(profile: Profile, lot: float) -> float:
    if profile.mean_delay_s > 0:
        return -log(1.0 - lot) * profile.mean_delay_s
    low, high = profile.delay_s
    return low + (high - low) * lot


def notate(number: int, notation: str) -> tuple[str, str]:
    """A message's id as the response and as the receipt write it."""
    plain = str(number)
    if notation == HEX_RESPONSE:
        return f"{number:x}", plain
    if notation == HEX_RECEIPT:
        return plain, f"{number:x}"
    if notation == UPPER_RECEIPT:
        return f"{number:x}", f"{number:X}"
    if notation == ZEROS_RECEIPT:
        return plain, plain.rjust(16, "0")
    return plain, plain


class Bucket:
    """A limit of `rate` submits a second with room for one second's burst; 0 is no limit. Time is an argument."""

    __slots__ = ("_at", "_level", "rate")

    def __init__(self, rate: int, now: float) -> None:
        self.rate = rate
        self._level = float(rate)
        self._at = now

    def take(self, now: float) -> bool:
        """Whether one more fits at `now` (seconds, never going back)."""
        if not self.rate:
            return True
        self._level = min(float(self.rate), self._level + (now - self._at) * self.rate)
        self._at = now
        if self._level < 1.0:
            return False
        self._level -= 1.0
        return True
