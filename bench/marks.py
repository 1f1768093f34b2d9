"""How a text of the bench is recognised at the carrier and in a callback, and what is counted of it.

A text is ``HB <tag> <ns> <filler>`` with a comment ``b=<tag>.<ns>`` that comes back in the callback; ``ns`` is the time of
its submission on the monotonic clock, which all processes of a machine share. Its number is in its destination.
"""

import time
from array import array
from collections.abc import Sequence
from typing import Any

FILLER = "the quick brown fox jumps over the lazy dog"
PREFIX = "4917"  # German mobile numbers: eight more digits hold the number of the text
PASSWORD = "bench"
now_ns = time.monotonic_ns


def login_of(number: int) -> str:
    """The login of one of many accounts."""
    return f"b{number}"


def write(tag: str, ns: str = "%019d") -> str:
    """A text and its comment, with a place for the time of submission unless it is given."""
    return f"HB {tag} {ns} {FILLER}\n~~~\nb={tag}.{ns}"


class Tally:
    """What arrived under one tag: how many, whether twice, how late (nanoseconds)."""

    def __init__(self) -> None:
        self.times = bytearray()
        self.count = self.unique = self.first_ns = self.last_ns = 0
        self.sent_ns, self.late_ns = array("q"), array("q")
        self.told = 0

    def add(self, number: int, sent_ns: int, at_ns: int) -> None:
        """Text ``number`` came at ``at_ns``."""
        self.first_ns = self.first_ns or at_ns
        self.last_ns = at_ns
        self.count += 1
        if number >= len(self.times):
            self.times.extend(bytes(number + 4096 - len(self.times)))
        if not self.times[number]:
            self.unique += 1
            self.sent_ns.append(sent_ns)
            self.late_ns.append(at_ns - sent_ns)
        self.times[number] = min(255, self.times[number] + 1)

    def tell(self, order: dict[str, Any]) -> dict[str, Any]:
        """For a JSON line. ``brief`` in the order spares the sorting; ``fresh`` tells only of the delays since it was last
        said, ``since_ns`` and ``until_ns`` only of those of texts sent between."""
        counts = {"unique": self.unique, "twice": self.count - self.unique}
        if order.get("brief"):
            return counts
        if order.get("fresh"):
            fresh_ns, self.told = self.late_ns[self.told :], len(self.late_ns)
            return counts | {"late_ms": percentiles(fresh_ns)}
        late_ns = between(self.sent_ns, self.late_ns, order.get("since_ns", 0), order.get("until_ns", 0))
        return counts | {"first_ns": self.first_ns, "last_ns": self.last_ns, "late_ms": percentiles(late_ns)}


def between(sent_ns: Sequence[int], values: Sequence[int], since_ns: int, until_ns: int) -> Sequence[int]:
    """The values of texts sent from ``since_ns`` on and before ``until_ns``; 0 is no limit."""
    if not since_ns and not until_ns:
        return values
    pairs = zip(sent_ns, values, strict=True)
    return [value for sent, value in pairs if sent >= since_ns and (not until_ns or sent < until_ns)]


def percentiles(ns: Sequence[int]) -> dict[str, float]:
    """p50, p99 and max in milliseconds; empty when there is nothing."""
    ordered = sorted(ns)
    if not ordered:
        return {}
    last = len(ordered) - 1
    p50, p99 = (ordered[min(last, int(share * len(ordered)))] / 1e6 for share in (0.50, 0.99))
    return {"p50": round(p50, 3), "p99": round(p99, 3), "max": round(ordered[-1] / 1e6, 3)}
