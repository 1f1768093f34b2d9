"""When a session must be asked for life or given up (SMPP 3.4 Issue 1.2, section 7.2): state and time in, a verdict out."""

from __future__ import annotations

from enum import Enum

import msgspec


class Settings(msgspec.Struct, frozen=True):
    """The timers of a session in seconds; 0 switches one off.

    `init_s` bounds the time from connection to bind, `enquire_s` is the silence after which we ask for life,
    `response_s` how long any answer may take, `inactivity_s` the silence after which the session ends.
    """

    init_s: float = 10.0
    enquire_s: float = 30.0
    response_s: float = 30.0
    inactivity_s: float = 0.0

    @property
    def tick_s(self) -> float:
        """How often to ask for a verdict: a quarter of the shortest timer, between 10 ms and 1 s."""
        running = [value for value in (self.init_s, self.enquire_s, self.response_s, self.inactivity_s) if value > 0]
        return min(1.0, max(0.01, min(running, default=1.0) / 4))


class Verdict(Enum):
    """What is due: nothing, an enquire_link, or the end of the session (its value is the reason)."""

    NOTHING = ""
    ENQUIRE = "enquire"
    NOT_BOUND = "no bind in time"
    NO_LIFE = "enquire_link was not answered"
    INACTIVE = "inactive too long"
    STUCK = "the peer does not read"


class Timers:
    """The timers of one session. Every method takes the time in seconds of any monotonic clock."""

    __slots__ = ("bound", "enquired_at", "paused_at", "received_at", "settings", "started_at")

    def __init__(self, settings: Settings, now: float) -> None:
        self.settings = settings
        self.started_at = now
        self.received_at = now
        self.enquired_at: float | None = None
        self.paused_at: float | None = None
        self.bound = False

    def received(self, now: float) -> None:
        """Octets came in: the peer lives."""
        self.received_at = now
        self.enquired_at = None

    def paused(self, now: float) -> None:
        """The peer's buffers are full; nothing can be written."""
        self.paused_at = now

    def resumed(self) -> None:
        """Writing is possible again."""
        self.paused_at = None

    def verdict(self, now: float) -> Verdict:
        """What is due at `now`. ENQUIRE is told once; the answer to it is awaited from then on."""
        settings = self.settings
        silence = now - self.received_at
        if not self.bound and settings.init_s and now - self.started_at >= settings.init_s:
            return Verdict.NOT_BOUND
        if self.paused_at is not None and settings.response_s and now - self.paused_at >= settings.response_s:
            return Verdict.STUCK
        if self.enquired_at is not None:
            if settings.response_s and now - self.enquired_at >= settings.response_s:
                return Verdict.NO_LIFE
        elif self.bound and settings.enquire_s and silence >= settings.enquire_s:
            self.enquired_at = now
            return Verdict.ENQUIRE
        if self.bound and settings.inactivity_s and silence >= settings.inactivity_s:
            return Verdict.INACTIVE
        return Verdict.NOTHING
