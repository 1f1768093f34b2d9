"""Whose turn it is to be called: handlers that answer quickly never wait for handlers that do not (design section 6 D, the circuit breaker).

Calls under way are counted in two purses. A *quick* call is one to a handler whose last answer was quick, or which is new; when it
takes longer than `SLOW_MS`, it moves to the *slow* purse and leaves its place to others. Calls to handlers that answer slowly, or
that failed lately, count in the slow purse from the start. So a handler that hangs holds a quick place for half a second, once.
"""

from collections import OrderedDict
from collections.abc import Hashable
from typing import Any

SLOW_MS = 500
# However much a handler has earned, it has no more under way than a quarter of what is free, so that handlers which were quick and
# hang at the same moment leave places for the others: of 200, first 40, then 32, 25 and so on (one is always possible).
SHARE = 4
# Of the slow purse, handlers that failed lately take a quarter, and with handlers that answer slowly three quarters: the last one
# is kept for quick calls that turn out to be slow. A place there is held for a whole time-out, so it is what ill handlers share.
QUARTERS_FAILING = 1
QUARTERS_SLOW = 3

QUICK, SLOW, FAILING = 0, 1, 2
_FAR_MS = 2**62


class Call:
    """One call under way, from `begin` to `end` or `withdraw`."""

    __slots__ = ("began_ms", "handler", "kind", "quick")

    def __init__(self, handler: "_Handler", kind: int, began_ms: int) -> None:
        self.handler = handler
        self.kind = kind
        self.quick = kind == QUICK  # the purse it is counted in
        self.began_ms = began_ms


class _Handler:
    """What is known of one. `earned` is how many calls it may have under way by its latest answers."""

    __slots__ = (
        "changed_ms",
        "earned",
        "failures",
        "in_flight",
        "name",
        "pause_ms",
        "queued",
        "resume_ms",
        "slow",
        "waits",
    )

    def __init__(self, name: Hashable) -> None:
        self.name = name
        self.in_flight = 0
        self.earned = 1
        self.slow = False  # its last answer was, or a call of it is
        self.failures = 0  # in a row
        self.pause_ms = self.resume_ms = self.changed_ms = 0
        self.waits = False  # somebody has something for it
        self.queued = -1  # the queue it stands in, by kind

    def kind(self) -> int:
        """Which of the three it is now."""
        if self.failures:
            return FAILING
        return SLOW if self.slow else QUICK


class Handlers:
    """The turns of handlers, and how they have behaved.

    per_handler  calls to one handler at once; it begins with one, each answer earns it one more, each failure halves them
    quick     calls under way at once to handlers that answer within `SLOW_MS` or are new
    slow      further calls that take longer, or are to handlers that answered slowly or not at all
    failures  so many calls in a row without any answer *limit* a handler: one call at once, and after each failure a pause that
              doubles from `pause_ms` to `pause_most_ms`. One answer ends it.
    kept_ms   a handler that failed is remembered so long after its last call, one that is well for `well_ms`

    A handler is any hashable name of one, best a target's `address`. Times are milliseconds of any clock that does not go back.
    """

    def __init__(
        self,
        per_handler: int = 8,
        quick: int = 200,
        slow: int = 600,
        failures: int = 5,
        pause_ms: int = 1_000,
        pause_most_ms: int = 60_000,
        kept_ms: int = 3_600_000,
        well_ms: int = 60_000,
    ) -> None:
        self._per_handler = per_handler
        self._most_quick = quick
        self._most_slow = slow
        self._most_failures = failures
        self._pause_ms = pause_ms
        self._pause_most_ms = pause_most_ms
        self._kept_ms = kept_ms
        self._well_ms = well_ms
        self._handlers: dict[Hashable, _Handler] = {}
        # Handlers that may have a turn, in order, by kind. Who has all his calls under way stands nowhere until one ends; who is
        # paused stands in `_paused`.
        self._queues: list[OrderedDict[_Handler, None]] = [OrderedDict(), OrderedDict(), OrderedDict()]
        self._paused: dict[_Handler, None] = {}
        self._resume_ms = _FAR_MS  # the first of their pauses ends
        self._under_way = [0, 0, 0]  # by kind at the start
        self._in_quick = 0
        self._in_slow = 0
        self._quick_calls: OrderedDict[Call, None] = OrderedDict()  # in the order of their start

    # -- turns ---------------------------------------------------------------------
    def wait(self, handler: Hashable, now_ms: int) -> None:
        """There is something for this handler; `next_turn` gives its name when it may be sent."""
        state = self._handlers.get(handler)
        if state is None:
            state = self._handlers[handler] = _Handler(handler)
            state.changed_ms = now_ms
        if not state.waits:
            state.waits = True
            self._enqueue(state, now_ms)

    def next_turn(self, now_ms: int) -> Any:
        """The next handler that one call may be made to now; None when there is none. Call `wait` again if it has more."""
        self._move_late(now_ms)
        for kind, queue in enumerate(self._queues):
            while queue and self._has_place(kind):
                state = queue.popitem(last=False)[0]
                state.queued = -1
                if state.kind() == kind and self._may_have_more(state) and now_ms >= state.resume_ms:
                    state.waits = False
                    return state.name
                self._enqueue(state, now_ms)  # it has changed meanwhile
                if 0 <= state.queued < kind:
                    return self.next_turn(now_ms)
        return None

    def wait_ms(self, now_ms: int) -> int | None:
        """After how many milliseconds places become free by time alone, for handlers that wait for one; None when none does."""
        if not self._queues[QUICK] or not self._quick_calls or self._in_slow >= self._most_slow:
            return None
        return max(0, next(iter(self._quick_calls)).began_ms + SLOW_MS - now_ms)

    def resume(self, now_ms: int) -> None:
        """Handlers whose pause is over stand in the queues again."""
        if now_ms < self._resume_ms:
            return
        self._resume_ms = _FAR_MS
        for state in [state for state in self._paused if now_ms >= state.resume_ms]:
            del self._paused[state]
            self._enqueue(state, now_ms)
        for state in self._paused:
            self._resume_ms = min(self._resume_ms, state.resume_ms)

    def _move_late(self, now_ms: int) -> None:
        """Quick calls that have become slow leave their places."""
        while self._quick_calls and self._in_slow < self._most_slow:
            call = next(iter(self._quick_calls))
            if now_ms - call.began_ms < SLOW_MS:
                break
            del self._quick_calls[call]
            call.quick = False
            call.handler.slow = True
            self._in_quick -= 1
            self._in_slow += 1

    def _enqueue(self, state: _Handler, now_ms: int) -> None:
        """Where a handler that something waits for stands now."""
        if not state.waits or state.queued >= 0 or not self._may_have_more(state):
            return
        if now_ms < state.resume_ms:
            self._paused[state] = None
            self._resume_ms = min(self._resume_ms, state.resume_ms)
            return
        state.queued = state.kind()
        self._queues[state.queued][state] = None

    def _may_have_more(self, state: _Handler) -> bool:
        """Whether a handler has calls left of what it has earned, and of its share of what is free."""
        if not state.in_flight:
            return True
        free = min(self._most_quick - self._in_quick, self._most_slow - self._in_slow)
        return state.in_flight < min(state.earned, free // SHARE)

    def _has_place(self, kind: int) -> bool:
        if kind == QUICK:
            return self._in_quick < self._most_quick
        if self._in_slow >= max(1, self._most_slow * QUARTERS_SLOW // 4):
            return False
        return kind == SLOW or self._under_way[FAILING] < max(1, self._most_slow * QUARTERS_FAILING // 4)

    # -- calls ---------------------------------------------------------------------
    def begin(self, handler: Hashable, now_ms: int) -> Call:
        """A call is being made; `end` or `withdraw` must follow."""
        state = self._handlers.get(handler)
        if state is None:
            state = self._handlers[handler] = _Handler(handler)
        call = Call(state, state.kind(), now_ms)
        state.in_flight += 1
        state.changed_ms = now_ms
        self._under_way[call.kind] += 1
        if call.quick:
            self._in_quick += 1
            self._quick_calls[call] = None
        else:
            self._in_slow += 1
        return call

    def end(self, call: Call, answered: bool, now_ms: int) -> None:
        """It has ended: with an answer of whatever status, or with none (time-out, refused, no address)."""
        state = call.handler
        state.changed_ms = now_ms
        if answered:
            state.failures = state.pause_ms = state.resume_ms = 0
            state.slow = now_ms - call.began_ms >= SLOW_MS
            if state.earned < self._per_handler:
                state.earned += 1
        else:
            state.failures += 1
            state.earned = max(1, state.earned // 2)
            # Those that were under way together fail together: they are one round and cause one pause.
            if self._is_limited(state) and now_ms >= state.resume_ms:
                state.earned = 1
                state.pause_ms = min(state.pause_ms * 2 or self._pause_ms, self._pause_most_ms)
                state.resume_ms = now_ms + state.pause_ms
        self._leave(call, now_ms)

    def withdraw(self, call: Call, now_ms: int) -> None:
        """It was not made after all: that says nothing about the handler."""
        self._leave(call, now_ms)

    def _leave(self, call: Call, now_ms: int) -> None:
        state = call.handler
        state.in_flight -= 1
        self._under_way[call.kind] -= 1
        if call.quick:
            self._in_quick -= 1
            del self._quick_calls[call]
        else:
            self._in_slow -= 1
        if now_ms >= state.resume_ms:
            self._paused.pop(state, None)
        self._enqueue(state, now_ms)

    # -- what is known ---------------------------------------------------------------
    def is_proven(self, handler: Hashable) -> bool:
        """Whether it has answered quickly, so often that it has earned all its calls."""
        state = self._handlers.get(handler)
        return state is not None and state.kind() == QUICK and state.earned >= self._per_handler

    def is_ill(self, handler: Hashable) -> bool:
        """Whether it answers slowly or failed lately."""
        state = self._handlers.get(handler)
        return state is not None and state.kind() != QUICK

    def is_failing(self, handler: Hashable) -> bool:
        """Whether its last call had no answer."""
        state = self._handlers.get(handler)
        return state is not None and state.failures > 0

    def is_limited(self, handler: Hashable) -> bool:
        """Whether the handler is only being probed."""
        state = self._handlers.get(handler)
        return state is not None and self._is_limited(state)

    def _is_limited(self, state: _Handler) -> bool:
        return state.failures >= self._most_failures

    def earned(self, handler: Hashable) -> int:
        """How many calls it may have under way by its answers."""
        state = self._handlers.get(handler)
        return 1 if state is None else state.earned

    @property
    def quick(self) -> int:
        """Calls under way in the quick purse."""
        return self._in_quick

    @property
    def slow(self) -> int:
        """Calls under way in the slow purse."""
        return self._in_slow

    def count_limited(self) -> int:
        """How many handlers are only being probed."""
        return sum(1 for state in self._handlers.values() if self._is_limited(state))

    def expire(self, now_ms: int) -> int:
        """Forgets handlers that nothing was sent to for long; returns how many. Call it every few seconds."""
        old = [
            state
            for state in self._handlers.values()
            if not state.in_flight
            and not state.waits
            and now_ms - state.changed_ms >= (self._kept_ms if state.failures else self._well_ms)
        ]
        for state in old:
            del self._handlers[state.name]
        return len(old)
