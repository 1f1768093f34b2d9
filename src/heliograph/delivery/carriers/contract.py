"""The carrier contract: what the dispatcher asks of a carrier and what a carrier tells it (design section 6, flows B and C)."""

from collections.abc import Callable
from enum import StrEnum
from typing import Protocol

import msgspec

from heliograph.core.carriers import Carrier


class What(StrEnum):
    """How one part ended at the carrier."""

    ACCEPTED = "accepted"
    LATER = "later"
    REFUSED = "refused"
    UNSURE = "unsure"


class Outcome(msgspec.Struct, frozen=True):
    """The answer to one part: the carrier's id, or why not. ``retry_ms`` is the pause before another try (later only)."""

    what: What
    ref: str = ""
    code: int = 0
    err: int = 0
    retry_ms: int = 0
    link: str = ""
    sent_ms: int = 0
    answered_ms: int = 0


class Unit(msgspec.Struct, frozen=True):
    """One message as a carrier gets it. ``missing`` names the parts (from 1) that are still to go, empty: all."""

    int_id: int
    phone: str
    sender: str
    text: str
    kind: int
    lane: int
    send_ms: int
    expires_ms: int
    pid: int | None = None
    dcs: int | None = None
    missing: tuple[int, ...] = ()


class Receipt(msgspec.Struct, frozen=True):
    """News of one part, translated: ``status`` and ``err`` by our tables, ``ref`` as the carrier wrote it.

    ``detail`` is the carrier's own wording without the text of the message; ``hlr`` holds imsi, msc, mcc, mnc,
    cn, net, rcn, rnet as far as they came.
    """

    ref: str
    phone: str
    status: int
    err: int
    at_ms: int
    detail: str
    hlr: dict[str, str] | None = None


class Inbound(msgspec.Struct, frozen=True):
    """A text from a subscriber, or one part of it (``reference``, ``total``, ``number`` from its header)."""

    phone: str
    to_phone: str
    text: str
    sent_ms: int
    smsc: str = ""
    reference: int = 0
    total: int = 1
    number: int = 1


Settle = Callable[[bool], None]


class Listener(Protocol):
    """Whom a carrier tells. ``settle(True)`` is called when the news is on disk, ``settle(False)`` when it could not be
    stored: only then does the carrier answer its peer (positively, or with a temporary error so that it comes again)."""

    def answered(self, carrier_id: int, int_id: int, part: int, total: int, outcome: Outcome) -> None:
        """One part of a unit ended; called exactly once for each part that ``send`` was asked for."""

    def receipt(self, carrier_id: int, receipt: Receipt, settle: Settle) -> None:
        """A delivery receipt came."""

    def inbound(self, carrier_id: int, inbound: Inbound, settle: Settle) -> None:
        """A text from a subscriber came."""

    def changed(self, carrier_id: int) -> None:
        """A link came up or went down, or room appeared where there was none."""


class CarrierLinks(Protocol):
    """A carrier with its links, whatever its kind."""

    carrier: Carrier

    @property
    def up(self) -> bool:
        """Whether at least one link can send."""

    @property
    def down_since_ms(self) -> int:
        """When the last link was lost (or the carrier started without one); 0 while it is up."""

    def room(self, lane: int) -> int:
        """Parts that may be handed over now: free window slots of all links, less what is kept for lane 1,
        limited by the rate and by throttling answers."""

    def send(self, unit: Unit) -> None:
        """Write the unit's parts. Never raises: what cannot be written is answered (later, refused) at once."""

    async def start(self) -> None:
        """Begin to bind and to keep bound; returns at once."""

    async def stop(self, grace_s: float) -> None:
        """Wait for answers under way, unbind, close; what stays unanswered is told as unsure."""

    def stats(self) -> dict[str, float]:
        """Figures for the metrics page: links, links_most, bound, in_flight, window, window_most, rate, rtt_ms, submitted,
        throttled; ``window`` is that of all links together."""
