"""Many small appointments on one timer: a wheel of two-millisecond slots, of which only those in use exist."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from heapq import heappop, heappush
from typing import Any, Final

# A timer of the loop for each receipt would cost more than the receipt; 2 ms of lateness nobody notices.
TICK_S: Final = 0.002

log = logging.getLogger("heliograph.simulator")


class Agenda:
    """Calls callbacks at times of the loop's clock, slot by slot, within a slot in the order they were made.

    Must be made and used inside the loop.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        # Callback, argument, callback, argument, ...: without a record for each, the garbage collector has nothing
        # to walk through while a hundred thousand receipts wait.
        self._slots: dict[int, list[Any]] = {}
        self._order: list[int] = []
        self._timer: asyncio.TimerHandle | None = None
        self._timer_slot = 0

    @property
    def size(self) -> int:
        """How many appointments wait."""
        return sum(len(slot) for slot in self._slots.values()) // 2

    def at(self, due: float, callback: Callable[[Any], None], argument: Any) -> None:
        """Call `callback(argument)` at `due` (seconds of loop.time()), never before this call has returned."""
        # Rounded up: early would put receipts before responses.
        number = int(due / TICK_S) + 1
        slot = self._slots.get(number)
        if slot is not None:
            slot += (callback, argument)
            return
        self._slots[number] = [callback, argument]
        heappush(self._order, number)
        if self._timer is None or number < self._timer_slot:
            self._arm()

    def clear(self) -> None:
        """Forget everything."""
        self._slots.clear()
        self._order.clear()
        if self._timer:
            self._timer.cancel()
            self._timer = None

    def _arm(self) -> None:
        if self._timer:
            self._timer.cancel()
        self._timer_slot = self._order[0]
        self._timer = self._loop.call_at(self._timer_slot * TICK_S, self._run)

    def _run(self) -> None:
        self._timer = None
        limit = int(self._loop.time() / TICK_S)
        while self._order and self._order[0] <= limit:
            # What is made meanwhile for a time gone by gets a slot of its own and is served by this loop.
            entries = iter(self._slots.pop(heappop(self._order)))
            for callback, argument in zip(entries, entries, strict=True):
                try:
                    callback(argument)
                except Exception:
                    log.exception("simulator: an appointment failed")
        if self._order and self._timer is None:
            self._arm()
