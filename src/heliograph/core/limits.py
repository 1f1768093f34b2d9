"""Counters behind limits, pace and bans, with time as an argument (spec sending 9)."""

from collections import deque
from itertools import islice


class Window:
    """How often something happened within the last ``period_s`` seconds, for many keys, in bounded memory.

    Two buckets a key: the count of the running period and that of the one before would let bursts through,
    so exact times are kept, at most ``limit`` of them (more is over the limit anyway).
    """

    def __init__(self, limit: int, period_s: float, most_keys: int = 100_000) -> None:
        self.limit, self.period_ms, self.most_keys = limit, int(period_s * 1000), most_keys
        self._times: dict[object, deque[int]] = {}
        self._swept_ms = 0

    def count(self, key: object, now_ms: int) -> int:
        """How many there were within the period."""
        times = self._times.get(key)
        if times is None:
            return 0
        while times and times[0] <= now_ms - self.period_ms:
            times.popleft()
        if not times:
            del self._times[key]
            return 0
        return len(times)

    def take(self, key: object, now_ms: int) -> bool:
        """Note one more unless the limit is reached; whether it was taken."""
        if self.count(key, now_ms) >= self.limit:
            return False
        times = self._times.get(key)
        if times is None:
            self._sweep(now_ms)
            times = self._times[key] = deque()
        times.append(now_ms)
        return True

    def forget(self, key: object) -> None:
        """Start this key's count anew."""
        self._times.pop(key, None)

    def _sweep(self, now_ms: int) -> None:
        """Drop keys that are over, now and then; the oldest ones when there are too many."""
        if now_ms - self._swept_ms < self.period_ms and len(self._times) < self.most_keys:
            return
        self._swept_ms = now_ms
        old = now_ms - self.period_ms
        for key in [key for key, times in self._times.items() if times[-1] <= old]:
            del self._times[key]
        if len(self._times) >= self.most_keys:
            # A tenth at once: a walk over all keys is paid for by many new ones.
            for key in list(islice(self._times, self.most_keys // 10 + 1)):
                del self._times[key]


class Recent:
    """Which 63-bit prints were seen within the last minute: sixty one-second sets, so forgetting costs nothing."""

    def __init__(self, period_s: int = 60) -> None:
        self.period_s = period_s
        self._seen: dict[int, int] = {}
        self._slots: deque[tuple[int, list[int]]] = deque()

    def add(self, print_: int, now_ms: int) -> bool:
        """Note a print; False when it is there already, seen less than the period ago."""
        second = now_ms // 1000
        self._forget(second)
        if print_ in self._seen:
            return False
        self._seen[print_] = second
        if not self._slots or self._slots[-1][0] != second:
            self._slots.append((second, []))
        self._slots[-1][1].append(print_)
        return True

    def discard(self, print_: int) -> None:
        """Forget a print, for what was refused after all."""
        self._seen.pop(print_, None)

    def _forget(self, second: int) -> None:
        slots, seen = self._slots, self._seen
        while slots and slots[0][0] <= second - self.period_s:
            began, prints = slots.popleft()
            for print_ in prints:
                if seen.get(print_) == began:
                    del seen[print_]


class Runs:
    """Unbroken runs: how many in a row with gaps below ``gap_s`` (the flood rule of spec sending 9.3)."""

    def __init__(self, limit: int, gap_s: float, most_keys: int = 200_000) -> None:
        self.limit, self.gap_ms, self.most_keys = limit, int(gap_s * 1000), most_keys
        self._runs: dict[object, tuple[int, int]] = {}

    def take(self, key: object, now_ms: int) -> bool:
        """Note one more; False when the run is longer than the limit."""
        last, count = self._runs.get(key, (0, 0))
        count = count + 1 if now_ms - last < self.gap_ms else 1
        if last == 0 and len(self._runs) >= self.most_keys:
            old = now_ms - self.gap_ms
            self._runs = {k: v for k, v in self._runs.items() if v[0] > old}
            if len(self._runs) >= self.most_keys:
                for oldest in list(islice(self._runs, self.most_keys // 10 + 1)):
                    del self._runs[oldest]
        self._runs[key] = (now_ms, count)
        return count <= self.limit


class Days:
    """Counts that begin anew at midnight of a zone: the key says whose, the day is an argument."""

    def __init__(self) -> None:
        self._day: dict[int, int] = {}
        self._counts: dict[int, dict[object, int]] = {}

    def counts(self, account_id: int, day: int) -> dict[object, int]:
        """The account's counts of that day; those of another day are dropped."""
        if self._day.get(account_id) != day:
            self._day[account_id] = day
            self._counts[account_id] = {}
        return self._counts[account_id]


class Rate:
    """A bucket of tokens: ``rate`` a second, at most one second's worth saved; a rate of 0 gives none."""

    def __init__(self, rate: float, now_ms: int) -> None:
        self.rate = rate
        self._tokens = max(rate, 1.0) if rate > 0 else 0.0
        self._at_ms = now_ms

    def take(self, now_ms: int) -> bool:
        """Take one token when there is one."""
        most = max(self.rate, 1.0)
        self._tokens = min(most, self._tokens + max(0, now_ms - self._at_ms) * self.rate / 1000)
        self._at_ms = now_ms
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
