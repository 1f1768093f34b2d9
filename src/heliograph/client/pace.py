"""How often something may be asked, so that the service need not refuse it (spec sending 9; docs/limits.md)."""

from collections import deque
from collections.abc import Iterator


class Pace:
    """``limit`` requests within any ``period_s`` seconds; it tells how long to wait, and leaves the waiting to others."""

    def __init__(self, limit: int, period_s: float) -> None:
        self._times: deque[float] = deque(maxlen=limit)
        self._limit, self._period_s = limit, period_s

    def reserve(self, now_s: float) -> float:
        """Take a turn; the seconds to wait for it."""
        at_s = now_s
        if len(self._times) == self._limit:
            at_s = max(now_s, self._times[0] + self._period_s)
        self._times.append(at_s)
        return at_s - now_s


def poll_delays(first_s: float = 1.0, most_s: float = 15.0) -> Iterator[float]:
    """Seconds between questions about the same message: quick ones first, rarer later."""
    delay_s = first_s
    while True:
        yield delay_s
        delay_s = min(delay_s * 2, most_s)
