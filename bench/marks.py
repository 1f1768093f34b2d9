"""How a text of the bench is recognised at the carrier and in a callback, and what is counted of it.

A text is ``HB <tag> <ns> <filler>`` with a comment ``b=<tag>.<ns>`` that comes back in the callback; ``ns`` is the time of
its submission on the monotonic clock, which all processes of a machine share. Its number is in its destination.
"""

import time
from array import array
from typing import Any

FILLER = "the quick brown fox jumps over the lazy dog"
PREFIX = "4917"  # German mobile numbers: eight more digits hold the number of the text
now_ns = time.monotonic_ns


def write(tag: str, ns: str = "%019d") -> str:
    """A text and its comment, with a place for the time of submission unless it is given."""
    return f"HB {tag} {ns} {FILLER}\n~~~\nb={tag}.{ns}"


class Tally:
    """What arrived under one tag: how many, whether twice, how late (nanoseconds)."""

    def __init__(self) -> None:
        self.times = bytearray()
        self.count = self.unique = self.first_ns = self.last_ns = 0
        self.late_ns = array("q")

    def add(self, number: int, sent_ns: int, at_ns: int) -> None:
        """Text ``number`` came at ``at_ns``."""
        self.first_ns = self.first_ns or at_ns
        self.last_ns = at_ns
        self.count += 1
        if number >= len(self.times):
            self.times.extend(bytes(number + 4096 - len(self.times)))
        if not self.times[number]:
            self.unique += 1
            self.late_ns.append(at_ns - sent_ns)
        self.times[number] = min(255, self.times[number] + 1)

    def tell(self, *, brief: bool = False) -> dict[str, Any]:
        """For a JSON line; ``brief`` spares the sorting."""
        counts = {"unique": self.unique, "twice": self.count - self.unique}
        if brief:
            return counts
        return counts | {"first_ns": self.first_ns, "last_ns": self.last_ns, "late_ms": percentiles(self.late_ns)}


def percentiles(ns: Any) -> dict[str, float]:
    """p50, p99 and max in milliseconds; empty when there is nothing."""
    ordered = sorted(ns)
    if not ordered:
        return {}
    last = len(ordered) - 1
    p50, p99 = (ordered[min(last, int(share * len(ordered)))] / 1e6 for share in (0.50, 0.99))
    return {"p50": round(p50, 3), "p99": round(p99, 3), "max": round(ordered[-1] / 1e6, 3)}
