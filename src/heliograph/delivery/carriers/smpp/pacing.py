"""How fast to submit and when to bind again: a token bucket that learns from throttling answers, and a back-off.

Both hold state only; time (milliseconds of any clock) and chance are arguments.
"""

from typing import Final

UNLIMITED: Final = 1 << 30

# A bucket holds 50 ms of the rate, so that in no second more than 1.05 times the rate goes out; at least one part.
_DEPTH_S: Final = 0.05
_FIRST_PAUSE_MS: Final = 500
_LAST_PAUSE_MS: Final = 30_000
_DECREASE: Final = 0.7
_FLOOR: Final = 1.0
# The limit rises by a tenth in the first good second, by a twentieth more in each that follows, by half at most: from a
# tenth of the rate to all of it in ten seconds.
_RISE: Final = 0.1
_RISE_MORE: Final = 0.05
_MOST_RISE: Final = 0.5
# Refusals slow the carrier down when they are more than a twentieth of the answers of the last one to two seconds, and
# six besides: chance alone (2 % refused, any number of answers) brings so many together in one look of 100,000. Or when
# five come in a row (3 in 10^9 at 2 %). Otherwise the part alone waits.
_SHARE: Final = 0.05
_BESIDES: Final = 6
_IN_A_ROW: Final = 5
_ALONE_MS: Final = 2000
_SECOND_MS: Final = 1000


class Pace:
    """The speed of one carrier over all its links.

    ``limit`` is the parts a second allowed now, 0 when nothing bounds them. Throttling answers beyond a small share
    pause the carrier (half a second, doubling up to 30 s while nothing is accepted in between) and take the limit to
    0.7 of itself; each second of accepted parts raises it by a tenth and more. Without a configured rate the limit
    starts from what was accepted in the last second, and is lifted again once twice that has been reached.
    ``is_free`` says that nothing bounds or pauses it, so that nobody need ask for room; ``slowdowns`` counts the pauses.
    """

    __slots__ = (
        "_accepted",
        "_before",
        "_filled_ms",
        "_helped",
        "_in_a_row",
        "_measured",
        "_paused_ms",
        "_peak",
        "_rate",
        "_refused",
        "_rise",
        "_since_ms",
        "_streak",
        "_tokens",
        "is_free",
        "limit",
        "slowdowns",
    )

    def __init__(self, rate: float, now_ms: int) -> None:
        self.limit = rate
        self.is_free = not rate
        self.slowdowns = 0
        self._rate = rate
        self._tokens = max(1.0, rate * _DEPTH_S)
        self._filled_ms = now_ms
        self._paused_ms = 0
        self._streak = 0
        self._peak = rate
        self._rise = _RISE
        # Answers of this second, and (accepted, refused) of the one before.
        self._accepted = 0
        self._refused = 0
        self._before = (0, 0)
        self._in_a_row = 0
        # Whether anything was accepted since the last pause.
        self._helped = True
        self._measured = 0.0
        self._since_ms = now_ms

    def room(self, now_ms: int) -> int:
        """How many parts may go now."""
        if self._paused_ms and self._is_paused(now_ms):
            return 0
        if not self.limit:
            return UNLIMITED
        elapsed = now_ms - self._filled_ms
        if elapsed:
            self._filled_ms = now_ms
            if elapsed > 0:  # a clock that was set back gives nothing
                depth = max(1.0, self.limit * _DEPTH_S)
                self._tokens = min(depth, self._tokens + elapsed * self.limit / 1000)
        return max(0, int(self._tokens + 1e-9))

    def take(self) -> None:
        """One part goes."""
        if self.limit:
            self._tokens -= 1

    def wait_ms(self, now_ms: int) -> int:
        """Milliseconds until at least one part may go; 0 when one may go now."""
        if self._is_paused(now_ms):
            return self._paused_ms - now_ms
        if self.room(now_ms):
            return 0
        return int((1 - self._tokens) * 1000 / self.limit) + 1

    def accepted(self, now_ms: int) -> None:
        """A part was accepted; once a second this looks back and speeds up."""
        self._accepted += 1
        self._in_a_row = 0
        elapsed = now_ms - self._since_ms
        if elapsed >= 0:
            self._helped = True
        if elapsed >= _SECOND_MS or elapsed < 0:
            self._look_back(now_ms, elapsed)

    def throttled(self, now_ms: int) -> int:
        """A part was throttled; returns the milliseconds after which to try it again.

        A few refusals among accepted parts are about their recipients (a full queue of his, say) and slow nobody else
        down. Answers that come during a pause belong to parts sent before it and are no new reason for another.
        """
        if self._is_paused(now_ms):
            return self._paused_ms - now_ms
        if now_ms - self._since_ms >= _SECOND_MS:
            self._look_back(now_ms, now_ms - self._since_ms)
        self._refused += 1
        self._in_a_row += 1
        accepted, refused = self._before
        refused += self._refused
        answers = accepted + self._accepted + refused
        if self._in_a_row < _IN_A_ROW and refused < _BESIDES + answers * _SHARE:
            return _ALONE_MS
        self._slow_down(now_ms)
        return self._paused_ms - now_ms

    def _slow_down(self, now_ms: int) -> None:
        self.is_free = False
        self.slowdowns += 1
        base = self.limit or max(self._measured, float(self._accepted), _FLOOR)
        if not self._rate and not self.limit:
            self._peak = base
        floor = min(self._rate, _FLOOR) if self._rate else _FLOOR
        self.limit = max(floor, base * _DECREASE)
        self._rise = _RISE
        # Pauses grow where a pause did not help.
        self._streak = 0 if self._helped else self._streak + 1
        self._paused_ms = now_ms + min(_FIRST_PAUSE_MS << min(self._streak, 10), _LAST_PAUSE_MS)
        self._helped = False
        # The pause saves no tokens and is no time in which something could have been accepted.
        self._tokens, self._filled_ms = 1.0, self._paused_ms
        self._before, self._in_a_row = (0, 0), 0
        self._accepted, self._refused, self._since_ms = 0, 0, self._paused_ms

    def _is_paused(self, now_ms: int) -> bool:
        if self._paused_ms - now_ms > _LAST_PAUSE_MS:  # the clock was set back
            self._paused_ms = 0
        if self._paused_ms > now_ms:
            return True
        self._paused_ms = 0
        return False

    def _look_back(self, now_ms: int, elapsed: int) -> None:
        """The end of a second: what was accepted in it, and a step faster. ``elapsed`` below 0: the clock was set back."""
        if elapsed < 0 and self._paused_ms:
            return  # an answer during a pause; the second begins at the end of it
        if elapsed > 0:
            self._measured = self._accepted * 1000 / elapsed
            if self._accepted and self.limit != self._rate:
                self._speed_up(elapsed)
        recent = 0 <= elapsed < 2 * _SECOND_MS
        self._before = (self._accepted, self._refused) if recent else (0, 0)
        if not recent:
            self._in_a_row = 0
        self._accepted, self._refused, self._since_ms = 0, 0, now_ms

    def _speed_up(self, elapsed: int) -> None:
        self.limit += max(_FLOOR, self.limit * self._rise) * elapsed / 1000
        self._rise = min(_MOST_RISE, self._rise + _RISE_MORE)
        if self._rate:
            self.limit = min(self._rate, self.limit)
        elif self.limit > 2 * self._peak:
            self.limit = 0.0
            self.is_free = True


class Backoff:
    """Pauses before binding again: the first as configured, doubling up to a minute while nothing holds."""

    __slots__ = ("_first_ms", "_next_ms")

    LONGEST_MS: Final = 60_000
    # A bind that is dropped at once is a failure too; one that held this long is not.
    HELD_MS: Final = 5_000

    def __init__(self, first_ms: int) -> None:
        self._first_ms = max(1, first_ms)
        self._next_ms = self._first_ms

    def pause_ms(self, held_ms: int, chance: float) -> int:
        """Milliseconds to wait after a link that was bound for ``held_ms`` (0: never).

        ``chance`` (0 to 1) takes up to a fifth off, so that many links do not come back at the same moment.
        """
        if held_ms >= self.HELD_MS:
            self._next_ms = self._first_ms
        pause = min(self._next_ms, self.LONGEST_MS)
        self._next_ms = min(pause * 2, self.LONGEST_MS)
        return max(1, int(pause * (1 - 0.2 * chance)))
