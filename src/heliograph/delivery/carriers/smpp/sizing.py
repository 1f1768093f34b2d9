"""How many submits may be unanswered on a link and how many links to hold, between limits: each step is a trial.

Holds state only; time (milliseconds of any clock) is an argument. By Little's law the parts a second that windows of
W slots give are W / round trip, so a step from W to W' is judged by the round trips before and after it: where they
stay, throughput rose in full proportion; where they grew in proportion, the carrier only queues and the step is undone.
"""

from typing import Final, NamedTuple

from heliograph.core.carriers import Settings

# Answers of a round: at least so many, and at least the time in which the clock's milliseconds are a small error.
_LEAST_ANSWERS: Final = 50
_ROUND_MS: Final = 100
# A step goes half up; after a failed one a quarter, so that the knee is met more closely.
_STEP: Final = 0.5
_LEAST_STEP: Final = 0.25
# A larger size is kept when it brings this share of what it would without any queue. 1.5 times the window: no more than
# 1.5 / (1 + 0.5 / 3) = 1.29 times the round trip.
_WORTH: Final = 1 / 3
# A round trip so many times as long as when the window was found good asks whether a smaller one would do.
_SLOWER: Final = 1.5
# Throttled answers beyond this share of a round let nothing grow (`pacing` slows down by the same share).
_CALM: Final = 0.05
_DECREASE: Final = 0.7
# Pauses before the next try of what failed; doubling. A refused link costs the carrier a bind: it is asked seldom.
_WINDOW_PAUSE_MS: Final = 2_000
_LONGEST_WINDOW_PAUSE_MS: Final = 60_000
_LINK_PAUSE_MS: Final = 10_000
_REFUSED_PAUSE_MS: Final = 600_000
_LONGEST_LINK_PAUSE_MS: Final = 3_600_000
_TROUBLE_PAUSE_MS: Final = 5_000
# Back to the smallest window after so long without a submit; a link that was not needed for three minutes is closed,
# and one more each minute that follows.
_IDLE_MS: Final = 60_000
_SURPLUS_MS: Final = 180_000
_NEXT_SURPLUS_MS: Final = 60_000


class Limits(NamedTuple):
    """The smallest and largest window of a link and number of links; equal ones are fixed."""

    window: int
    window_most: int
    links: int
    links_most: int

    @classmethod
    def of(cls, settings: Settings) -> "Limits":
        """Those of a carrier: a largest value that is not above the smallest fixes it."""
        window, links = settings.window, settings.links
        return cls(window, max(window, settings.window_most), links, max(links, settings.links_most))

    @property
    def fixed(self) -> bool:
        """Whether nothing can change."""
        return self.window == self.window_most and self.links == self.links_most


class Round(NamedTuple):
    """What some answers showed.

    ``waited_ms`` is the sum of the round trips of the ``answers`` that accepted a part; ``throttled`` counts refusals for
    speed; ``short``: while they came, texts were at hand for more than half of all slots; ``whole``: all links are bound.
    """

    answers: int
    waited_ms: int
    throttled: int
    short: bool
    whole: bool


class _Trial(NamedTuple):
    """What there was before a step, and the round trip there."""

    window: int
    links: int
    rtt_ms: float


class Sizing:
    """The sizes of one carrier: ``window`` slots on each of ``links`` links.

    The owner gives rounds of about ``quota`` answers and a tick each second, and follows ``window`` and ``links``.
    While ``opening``, a link more was asked for that is neither bound (`linked`) nor gone (`link_gone`) yet.
    """

    def __init__(self, limits: Limits, now_ms: int) -> None:
        self.limits = limits
        self.window = limits.window
        self.links = limits.links
        self.opening = False
        self._trial: _Trial | None = None
        self._step = _STEP
        # The round trip when the present window was found good; 0: it never was tried.
        self._good_ms = 0.0
        self._flush = 0
        self._window_failures = 0
        self._link_failures = 0
        self._window_pause_ms = 0
        self._link_pause_ms = 0
        self._shrunk_ms = 0
        self._busy_ms = now_ms
        self._needed_ms = now_ms
        self._short = False
        self._shorts = 0
        self._settle(now_ms)

    @property
    def quota(self) -> int:
        """Answers that make a round: one for each slot, of those before a change too, so that the next round has seen
        nothing of them."""
        return max(_LEAST_ANSWERS, self.window * self.links, self._flush)

    def round(self, now_ms: int, news: Round) -> None:
        """Answers came: judge the trial under way, or begin one where texts wait."""
        self._short = self._short or news.short
        if self.opening:
            return
        if self._flush:  # these were written before the change
            self._flush = 0
            self._begin(now_ms)
            return
        self._answers += news.answers
        self._waited_ms += news.waited_ms
        self._throttled += news.throttled
        self._shorts = self._shorts + 1 if news.short else 0
        if 0 <= now_ms - self._since_ms < _ROUND_MS or not self._answers:
            return
        rtt_ms = max(1.0, self._waited_ms / self._answers)
        calm = self._throttled <= _CALM * (self._answers + self._throttled)
        self._begin(now_ms)
        if self._trial is not None:
            self._judge(self._trial, now_ms, rtt_ms)
        elif self._good_ms and self.window > self.limits.window and rtt_ms >= _SLOWER * self._good_ms:
            self._try(max(self.limits.window, int(self.window / (1 + _STEP))), self.links, now_ms, rtt_ms)
            return
        if not self._flush and calm and self._shorts > 1:
            self._grow(now_ms, rtt_ms, news.whole)

    def slowed(self, now_ms: int) -> None:
        """The carrier throttles beyond chance, or leaves submits unanswered: smaller windows, and no step for a while.

        Counts once a second: a whole window may tell the same news.
        """
        if 0 <= now_ms - self._shrunk_ms < 1000:
            return
        self._shrunk_ms = now_ms
        trial = self._trial
        if trial is not None and trial.links < self.links:
            self.links = trial.links
            self._fail_link(now_ms, _LINK_PAUSE_MS)
        self._trial = None
        self.window = max(self.limits.window, int(self.window * _DECREASE))
        self._good_ms = 0.0
        self._window_pause_ms = max(self._window_pause_ms, now_ms + _TROUBLE_PAUSE_MS)
        self._link_pause_ms = max(self._link_pause_ms, now_ms + _TROUBLE_PAUSE_MS)
        self._settle(now_ms)

    def linked(self, now_ms: int) -> None:
        """The link that was asked for is bound: the trial of it begins."""
        self.opening = False
        self._settle(now_ms)

    def link_gone(self, now_ms: int, *, refused: bool) -> None:
        """An additional link could not be bound or was lost; ``refused``: the carrier wants no more of them."""
        self.opening = False
        self._trial = None
        self.links = max(self.limits.links, self.links - 1)
        self._fail_link(now_ms, _REFUSED_PAUSE_MS if refused else _LINK_PAUSE_MS)
        self._settle(now_ms)

    def tick(self, now_ms: int, in_flight: int, *, whole: bool) -> None:
        """A second has passed: what is not used is given back. No link is closed unless all are bound (``whole``)."""
        limits = self.limits
        short, self._short = self._short, False
        if in_flight or short or now_ms < self._busy_ms:
            self._busy_ms = now_ms
        elif now_ms - self._busy_ms >= _IDLE_MS:
            if self.window > limits.window:
                self.window = limits.window
            self._trial, self._good_ms, self._step, self._window_failures = None, 0.0, _STEP, 0
            self._settle(now_ms)
        # Needed is a link without which more than half of the slots would be taken.
        needed = short or in_flight * 2 > (self.links - 1) * self.window
        if needed or self.opening or not whole or now_ms < self._needed_ms:
            self._needed_ms = now_ms
        elif now_ms - self._needed_ms >= _SURPLUS_MS and self.links > limits.links:
            self.links -= 1
            self._trial = None
            self._needed_ms = now_ms - _SURPLUS_MS + _NEXT_SURPLUS_MS
            self._settle(now_ms)

    # Steps

    def _grow(self, now_ms: int, rtt_ms: float, whole: bool) -> None:
        """A larger window while that is allowed and not known to be of no use, else a link more."""
        limits = self.limits
        if self.window < limits.window_most and _is_over(self._window_pause_ms, now_ms):
            window = max(self.window + 1, int(self.window * (1 + self._step)))
            # What would be left for a last step is too little to be judged.
            if window * (1 + _LEAST_STEP) >= limits.window_most:
                window = limits.window_most
            self._try(window, self.links, now_ms, rtt_ms)
        elif self.links < limits.links_most and whole and _is_over(self._link_pause_ms, now_ms):
            self.opening = True
            self._try(self.window, self.links + 1, now_ms, rtt_ms)

    def _try(self, window: int, links: int, now_ms: int, rtt_ms: float) -> None:
        self._trial = _Trial(self.window, self.links, rtt_ms)
        before = self.window * self.links
        self.window, self.links = window, links
        self._settle(now_ms, before)

    def _judge(self, trial: _Trial, now_ms: int, rtt_ms: float) -> None:
        """Keep the larger of two sizes when it is worth it, else the smaller."""
        self._trial = None
        before, now = trial.window * trial.links, self.window * self.links
        gain = now / rtt_ms / (before / trial.rtt_ms) - 1
        worth = gain / (now / before - 1) >= _WORTH
        if worth == (now > before):
            self._good_ms = rtt_ms
            if links_more := self.links > trial.links:
                self._link_failures = 0
            elif now > before:
                self._window_failures, self._step = 0, _STEP
            if now < before and self.window > self.limits.window:
                # A smaller one did as well: perhaps a still smaller one does.
                self._try(max(self.limits.window, int(self.window / (1 + _STEP))), self.links, now_ms, rtt_ms)
            elif links_more:
                self._window_pause_ms = 0  # what was of no use on one link less may be of use now
            return
        if self.links > trial.links:
            self._fail_link(now_ms, _LINK_PAUSE_MS)
        else:
            self._fail_window(now_ms)
            self._good_ms = trial.rtt_ms
        self.window, self.links = trial.window, trial.links
        self._settle(now_ms, now)

    def _fail_window(self, now_ms: int) -> None:
        pause_ms = min(_LONGEST_WINDOW_PAUSE_MS, _WINDOW_PAUSE_MS << min(self._window_failures, 10))
        self._window_failures += 1
        self._step = _LEAST_STEP
        self._window_pause_ms = now_ms + pause_ms

    def _fail_link(self, now_ms: int, pause_ms: int) -> None:
        self._link_pause_ms = now_ms + min(_LONGEST_LINK_PAUSE_MS, pause_ms << min(self._link_failures, 10))
        self._link_failures += 1

    def _settle(self, now_ms: int, before: int = 0) -> None:
        """Let the answers of all parts that are under way go by; there were ``before`` slots for them."""
        self._flush = max(before, self.window * self.links)
        self._begin(now_ms)

    def _begin(self, now_ms: int) -> None:
        self._answers = self._waited_ms = self._throttled = 0
        self._since_ms = now_ms


def _is_over(pause_ms: int, now_ms: int) -> bool:
    """Whether a pause has ended; one that is longer than any belongs to a clock that was set back."""
    return not now_ms < pause_ms <= now_ms + _LONGEST_LINK_PAUSE_MS
