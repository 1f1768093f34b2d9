"""A histogram that costs a search in a short tuple, for what is observed with every message (Prometheus: cumulative buckets)."""

from bisect import bisect_left
from collections.abc import Sequence


class Buckets:
    """Counts observations by upper bounds. Belongs to the event loop; an observation costs some 0.2 µs."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        """``bounds`` rise; a value that equals one counts under it, as `le` means less or equal."""
        self.bounds = tuple(bounds)
        self.counts = [0] * (len(self.bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        """Count one value, in the unit of the bounds."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def cumulate(self, scale: float = 1.0) -> list[tuple[str, float]]:
        """Pairs of upper bound (times ``scale``) and how many values lie at or below it, the last one for all."""
        pairs = []
        count = 0
        for bound, here in zip(self.bounds, self.counts, strict=False):
            count += here
            pairs.append((f"{bound * scale:g}", float(count)))
        pairs.append(("+Inf", float(count + self.counts[-1])))
        return pairs
