"""Many small appointments on one timer: a heap that is looked at every two milliseconds at most."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from heapq import heappop, heappush
from typing import Any, Final

# A timer of the loop for each receipt would cost more than the receipt; 2 ms of lateness nobody notices.
TICK_S: Final = 0.002


class Agenda:
    """Calls callbacks at times of the loop's clock, in order; must be made and used inside the loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._heap: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self._count = 0
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0

    @property
    def size(self) -> int:
        """How many appointments wait."""
        return len(self._heap)

    def at(self, due: float, callback: Callable[..., None], *arguments: Any) -> None:
        """Call `callback(*arguments)` at `due` (seconds of loop.time()), never before this call has returned."""
        self._count += 1
        heappush(self._heap, (due, self._count, callback, arguments))
        if self._timer is None:
            self._arm(due)
        elif due < self._timer_at - TICK_S:
            self._timer.cancel()
            self._arm(due)

    def clear(self) -> None:
        """Forget everything."""
        self._heap.clear()
        if self._timer:
            self._timer.cancel()
            self._timer = None

    def _arm(self, due: float) -> None:
        self._timer_at = max(due, self._loop.time() + TICK_S)
        self._timer = self._loop.call_at(self._timer_at, self._run)

    def _run(self) -> None:
        self._timer = None
        now = self._loop.time()
        try:
            while self._heap and self._heap[0][0] <= now:
                _, _, callback, arguments = heappop(self._heap)
                callback(*arguments)
        finally:
            if self._heap and self._timer is None:
                self._arm(self._heap[0][0])
