"""What a session and its owner know of each other: settings, states, and the few calls an owner answers (SMPP 3.4 Issue 1.2, section 2.2)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from enum import Enum
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from . import tables, timers
from .pdus import Pdu

if TYPE_CHECKING:
    from .session import Session

OnAnswer = Callable[[Pdu | None, Any], None]
OnBind = Callable[["Session", Pdu], "int | Awaitable[int]"]


class SessionError(Exception):
    """A request that got no answer because of a time-out or because the session ended; says why."""


class State(Enum):
    """Where a session stands (2.2); BOUND_TX, BOUND_RX and BOUND_TRX are named from the ESME's side."""

    OPEN = "open"
    BINDING = "binding"
    BOUND_TX = "transmitter"
    BOUND_RX = "receiver"
    BOUND_TRX = "transceiver"
    UNBINDING = "unbinding"
    CLOSED = "closed"


class Settings(msgspec.Struct, frozen=True):
    """How a session behaves.

    `window` is how many of our requests may be unanswered; `incoming` is how many of the peer's may wait for our
    answers before we stop reading from him; `system_id` is what a server calls itself in bind answers.
    """

    timers: timers.Settings = timers.Settings()
    window: int = 100
    incoming: int = 10_000
    max_length: int = tables.MAX_LENGTH
    system_id: str = "heliograph"


class Peer(Protocol):
    """What the owner of a session is told, always in the loop and in the order of the wire. Must not block."""

    def bound(self, session: Session) -> None:
        """The bind was accepted (its answer is already under way, or has come)."""

    def pdu(self, session: Session, pdu: Pdu) -> None:
        """A request other than bind, unbind and enquire_link; to be answered by `session.answer` or `reply`, now or later."""

    def ready(self, session: Session) -> None:
        """Writing was impossible (the peer did not read) and is possible again."""

    def closed(self, session: Session, reason: str) -> None:
        """The connection is gone. Told once; all unanswered requests were told None before."""
