"""What a drill found: the store's view of each text beside the carrier's and the customer's (design section 11)."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime

import msgspec

from heliograph.core.status import Err, Status, is_final
from heliograph.services.outcomes import Outcome


class Blow(msgspec.Struct, frozen=True):
    """Something that was killed, and when (UTC milliseconds): "kill 3" of the server, "carrier 1"."""

    name: str
    at_ms: int


class Doubt(msgspec.Struct, frozen=True):
    """A text that was marked as being written when the server or the carrier died: when it was found so and after which
    blow, how often the carrier took it, what ended the doubt ("receipt, status N", "wait", "open") and when. Times are
    of UTC, to the millisecond."""

    id: str
    phone: str
    at: str
    after: str
    at_carrier: int
    end: str
    ended: str


class Seen(msgspec.Struct):
    """What the outside saw, by text or number: ids that were answered, texts without an answer, what the carrier took
    and what it refused for good, statuses that the customer was told."""

    accepted: dict[str, str] = msgspec.field(default_factory=dict)
    unknown: set[str] = msgspec.field(default_factory=set)
    refused: int = 0
    taken: Counter[str] = msgspec.field(default_factory=Counter)
    rejected: set[str] = msgspec.field(default_factory=set)
    told: dict[str, list[int]] = msgspec.field(default_factory=dict)
    blows: list[Blow] = msgspec.field(default_factory=list)


class Report(msgspec.Struct, kw_only=True):
    """The figures of a drill; ``took_s`` in seconds, ``drain_s`` those of them after the load until nothing waited.

    ``doubtful_most`` is the number after one blow, ``doubtful_allowed`` what may be then: window x links.
    """

    database: str = ""
    kills: int = 0
    carrier_kills: int = 0
    accepted: int = 0
    unknown: int = 0
    unknown_kept: int = 0
    refused: int = 0
    sent: int = 0
    rejected: int = 0
    sent_twice: int = 0
    doubtful: int = 0
    doubtful_most: int = 0
    doubtful_allowed: int = 0
    by_receipt: int = 0
    by_wait: int = 0
    still_doubtful: int = 0
    lost: int = 0
    receipts_lost: int = 0
    callbacks: int = 0
    callbacks_repeated: int = 0
    callbacks_lost: int = 0
    drained: bool = True
    took_s: float = 0.0
    drain_s: float = 0.0
    faults: tuple[str, ...] = ()
    doubts: tuple[Doubt, ...] = ()
    lost_texts: tuple[str, ...] = ()
    passed: bool = True

    def lines(self) -> list[tuple[str, int, str]]:
        """The rows of the table: what, how many, what it means."""
        return [
            (
                "accepted",
                self.accepted,
                f"answered with an id; {self.database}, {self._blows()}, {self.took_s:.1f} s, "
                f"{self.drain_s:.1f} s of them to drain",
            ),
            ("unknown", self.unknown, f"no answer seen before a kill; {self.unknown_kept} of them were kept"),
            ("refused", self.refused, "answered with an error"),
            ("sent", self.sent, "different texts at the carrier"),
            ("rejected", self.rejected, "refused by the carrier for good"),
            ("sent twice", self.sent_twice, "must be 0"),
            (
                "doubtful",
                self.doubtful,
                f"being written at a kill; {self.doubtful_most} after one at most, {self.doubtful_allowed} are allowed",
            ),
            ("  by receipt", self.by_receipt, "their receipt came"),
            ("  by wait", self.by_wait, "none came: status 3, err 245, money back"),
            ("  open", self.still_doubtful, "still waiting; must be 0"),
            ("lost", self.lost, "accepted, never at the carrier, not doubtful; must be 0"),
            ("receipts lost", self.receipts_lost, "acknowledged to the carrier, no final status; must be 0"),
            ("callbacks", self.callbacks, f"{self.callbacks_repeated} of them told more than once"),
            ("callbacks lost", self.callbacks_lost, "final, never told and not waiting; must be 0"),
            ("ledger differences", len(self.faults), "must be 0"),
            *(
                []
                if self.drained
                else [("not drained", 1, "queue, receipts or callbacks did not become empty in time")]
            ),
        ]

    def _blows(self) -> str:
        carrier = f" and {self.carrier_kills} of the carrier" if self.carrier_kills else ""
        return f"{self.kills} kills{carrier}"


def compare(seen: Seen, outcomes: Mapping[str, Outcome], acknowledged: bool) -> Report:
    """Put the views together. ``acknowledged``: every receipt that the carrier made has been acknowledged."""
    report = Report(accepted=len(seen.accepted), unknown=len(seen.unknown), refused=seen.refused)
    report.unknown_kept = sum(text in outcomes for text in seen.unknown)
    report.sent = len(seen.taken)
    report.rejected = len(seen.rejected)
    report.sent_twice = sum(count > 1 for count in seen.taken.values())
    report.callbacks = len(seen.told)
    report.callbacks_repeated = sum(len(statuses) > 1 for statuses in seen.told.values())
    lost = [
        text
        for text in seen.accepted
        if text not in outcomes or not (text in seen.taken or text in seen.rejected or outcomes[text].doubted)
    ]
    report.lost, report.lost_texts = len(lost), tuple(lost[:100])
    report.doubts = tuple(_doubt(each, seen) for each in outcomes.values() if each.doubted)
    report.doubtful = len(report.doubts)
    report.doubtful_most = max(Counter(doubt.after for doubt in report.doubts).values(), default=0)
    ends = Counter(doubt.end for doubt in report.doubts)
    report.by_wait, report.still_doubtful = ends["wait"], ends["open"]
    report.by_receipt = report.doubtful - report.by_wait - report.still_doubtful
    for text, outcome in outcomes.items():
        if not is_final(outcome.status):
            report.receipts_lost += acknowledged and text in seen.taken
        elif outcome.status not in seen.told.get(outcome.phone, ()) and not outcome.untold:
            report.callbacks_lost += 1
    return report


def judge(report: Report) -> None:
    """Decide whether the drill is passed."""
    wrong = report.lost + report.sent_twice + report.receipts_lost + report.callbacks_lost + len(report.faults)
    wrong += report.still_doubtful
    report.passed = wrong == 0 and report.drained and report.doubtful_most <= report.doubtful_allowed


def _doubt(outcome: Outcome, seen: Seen) -> Doubt:
    if outcome.status == Status.EXPIRED and outcome.err == Err.NO_REPORT:
        end = "wait"
    elif is_final(outcome.status):
        end = f"receipt, status {outcome.status}"
    else:
        end = "open"
    # A server that was killed finds its doubts when it is back, so they belong to the last blow before.
    place = bisect_right(seen.blows, outcome.doubted_ms, key=lambda blow: blow.at_ms)
    after = seen.blows[place - 1].name if place else "no kill"
    ended = _write(outcome.changed_ms) if end != "open" else ""
    at_carrier = seen.taken[outcome.text]
    return Doubt(outcome.id, outcome.phone, _write(outcome.doubted_ms), after, at_carrier, end, ended)


def _write(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
