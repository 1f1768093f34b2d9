"""Transactions as tables: an event and the time in, what to do out (RFC 3261, section 17 and figures 5 to 8).

Only those that a door needs which refuses every call: the server's for INVITE (its answers are all 300 or above) and for
everything else, and the client's for REGISTER.
"""

from __future__ import annotations

from enum import Enum
from typing import Final, NamedTuple

import msgspec


class Timing(msgspec.Struct, frozen=True):
    """The base of all timers, in ms (table 4)."""

    t1_ms: int = 500
    t2_ms: int = 4_000
    t4_ms: int = 5_000

    @property
    def patience_ms(self) -> int:
        """64 * T1, which bounds timers F, H and J: 32 s."""
        return 64 * self.t1_ms


class State(Enum):
    """The states of figures 6, 7 and 8. An INVITE server begins in PROCEEDING, the others in TRYING."""

    TRYING = "trying"
    PROCEEDING = "proceeding"
    COMPLETED = "completed"
    CONFIRMED = "confirmed"
    TERMINATED = "terminated"


class Event(Enum):
    """What happens to a transaction. PROVISIONAL and FINAL are the responses we give, or a client is given."""

    BEGIN = "begin"
    REQUEST = "request"
    PROVISIONAL = "provisional"
    FINAL = "final"
    ACK = "ack"
    REPEAT = "repeat"  # timers E and G: send again
    END = "end"  # timers F, H, J, I and K: stop waiting


class Do(Enum):
    """What whoever holds the transaction has to do."""

    NOTHING = "nothing"
    SEND = "send"  # the message that goes with this event
    RESEND = "resend"  # the last message again
    DELIVER = "deliver"  # hand the response on
    FAIL = "fail"  # nobody answered (timers F and H)


class Row(NamedTuple):
    """A cell of a table. `repeat`: what becomes of the repetitions over UDP, "start" at T1, "double" or "slow" (T2) when
    one has just been sent, "stop". `end` is the timer that begins: "patience" (64*T1 on every transport, F and H),
    "absorb" (64*T1 over UDP, 0 over TCP: J) or "settle" (T4 over UDP, 0 over TCP: I and K)."""

    state: State
    do: Do = Do.NOTHING
    repeat: str = ""
    end: str = ""


Table = dict[tuple[State, Event], Row]

# Figure 7. BEGIN is left out: the first thing is a 100 or a final response.
INVITE_SERVER: Final[Table] = {
    (State.PROCEEDING, Event.REQUEST): Row(State.PROCEEDING, Do.RESEND),
    (State.PROCEEDING, Event.PROVISIONAL): Row(State.PROCEEDING, Do.SEND),
    (State.PROCEEDING, Event.FINAL): Row(State.COMPLETED, Do.SEND, "start", "patience"),  # G and H
    (State.COMPLETED, Event.REQUEST): Row(State.COMPLETED, Do.RESEND),
    (State.COMPLETED, Event.REPEAT): Row(State.COMPLETED, Do.RESEND, "double"),
    (State.COMPLETED, Event.ACK): Row(State.CONFIRMED, Do.NOTHING, "stop", "settle"),  # I
    (State.COMPLETED, Event.END): Row(State.TERMINATED, Do.FAIL),
    (State.CONFIRMED, Event.END): Row(State.TERMINATED),
}

# Figure 8.
SERVER: Final[Table] = {
    (State.TRYING, Event.PROVISIONAL): Row(State.PROCEEDING, Do.SEND),
    (State.TRYING, Event.FINAL): Row(State.COMPLETED, Do.SEND, "", "absorb"),  # J
    (State.PROCEEDING, Event.REQUEST): Row(State.PROCEEDING, Do.RESEND),
    (State.PROCEEDING, Event.PROVISIONAL): Row(State.PROCEEDING, Do.SEND),
    (State.PROCEEDING, Event.FINAL): Row(State.COMPLETED, Do.SEND, "", "absorb"),
    (State.COMPLETED, Event.REQUEST): Row(State.COMPLETED, Do.RESEND),
    (State.COMPLETED, Event.END): Row(State.TERMINATED),
}

# Figure 6.
CLIENT: Final[Table] = {
    (State.TRYING, Event.BEGIN): Row(State.TRYING, Do.SEND, "start", "patience"),  # E and F
    (State.TRYING, Event.REPEAT): Row(State.TRYING, Do.RESEND, "double"),
    (State.TRYING, Event.PROVISIONAL): Row(State.PROCEEDING),
    (State.TRYING, Event.FINAL): Row(State.COMPLETED, Do.DELIVER, "stop", "settle"),  # K
    (State.TRYING, Event.END): Row(State.TERMINATED, Do.FAIL),
    (State.PROCEEDING, Event.REPEAT): Row(State.PROCEEDING, Do.RESEND, "slow"),
    (State.PROCEEDING, Event.PROVISIONAL): Row(State.PROCEEDING),
    (State.PROCEEDING, Event.FINAL): Row(State.COMPLETED, Do.DELIVER, "stop", "settle"),
    (State.PROCEEDING, Event.END): Row(State.TERMINATED, Do.FAIL),
    (State.COMPLETED, Event.END): Row(State.TERMINATED),
}


class Transaction:
    """One transaction: where it stands and which timers run. `reliable` is TCP, where nothing is repeated."""

    __slots__ = ("_end_ms", "_interval_ms", "_reliable", "_repeat_ms", "_table", "_timing", "state")

    def __init__(self, table: Table, timing: Timing, *, reliable: bool) -> None:
        self._table = table
        self._timing = timing
        self._reliable = reliable
        self._interval_ms = 0
        self._repeat_ms: int | None = None
        self._end_ms: int | None = None
        self.state = State.PROCEEDING if table is INVITE_SERVER else State.TRYING

    @property
    def due_ms(self) -> int | None:
        """When `expire` must be called next, None when no timer runs."""
        if self._repeat_ms is None or self._end_ms is None:
            return self._repeat_ms if self._end_ms is None else self._end_ms
        return min(self._repeat_ms, self._end_ms)

    def feed(self, event: Event, now_ms: int) -> Do:
        """Something has happened; what the table does not know in this state changes nothing."""
        row = self._table.get((self.state, event))
        if row is None:
            return Do.NOTHING
        self.state = row.state
        if row.repeat:
            self._repeat(row.repeat, now_ms)
        if row.end:
            self._end_ms = now_ms + self._lasting(row.end)
            if self._end_ms == now_ms:  # a timer of 0 ends the transaction with the event that starts it
                self.feed(Event.END, now_ms)
        if self.state is State.TERMINATED:
            self._repeat_ms = self._end_ms = None
        return row.do

    def expire(self, now_ms: int) -> Do:
        """Time has passed: what the timer that is due asks for; NOTHING when none is."""
        if self._end_ms is not None and now_ms >= self._end_ms:
            return self.feed(Event.END, now_ms)
        if self._repeat_ms is not None and now_ms >= self._repeat_ms:
            return self.feed(Event.REPEAT, now_ms)
        return Do.NOTHING

    def _repeat(self, what: str, now_ms: int) -> None:
        if self._reliable or what == "stop":
            self._repeat_ms = None
            return
        timing = self._timing
        if what == "start":
            self._interval_ms = timing.t1_ms
        else:
            self._interval_ms = min(2 * self._interval_ms, timing.t2_ms) if what == "double" else timing.t2_ms
        self._repeat_ms = now_ms + self._interval_ms

    def _lasting(self, what: str) -> int:
        if what == "patience":
            return self._timing.patience_ms
        if self._reliable:
            return 0
        return self._timing.patience_ms if what == "absorb" else self._timing.t4_ms
