"""The carrier contract: what the dispatcher asks of a carrier and what a carrier tells it (design section 6, flows B and C)."""

from collections.abc import Callable
from typing import Protocol

from heliograph.core.carriers import Carrier
from heliograph.core.deliveries import Outcome as Outcome
from heliograph.core.deliveries import Receipt as Receipt
from heliograph.core.deliveries import Talk as Talk
from heliograph.core.deliveries import What as What


class Unit:
    """One message as a carrier gets it. ``missing`` names the parts (from 1) that are still to go, empty: all.

    ``text`` of a call (kind 7) is the digits to be told. A carrier gets such a unit only when its setting ``calls`` says
    that it places calls; how the call went it tells with ``Receipt.talk``.
    """

    __slots__ = ("dcs", "expires_ms", "int_id", "kind", "lane", "missing", "phone", "pid", "send_ms", "sender", "text")

    def __init__(
        self,
        int_id: int,
        phone: str,
        sender: str,
        text: str,
        kind: int,
        lane: int,
        send_ms: int,
        expires_ms: int,
        pid: int | None = None,
        dcs: int | None = None,
        missing: tuple[int, ...] = (),
    ) -> None:
        self.int_id = int_id
        self.phone = phone
        self.sender = sender
        self.text = text
        self.kind = kind
        self.lane = lane
        self.send_ms = send_ms
        self.expires_ms = expires_ms
        self.pid = pid
        self.dcs = dcs
        self.missing = missing


class Inbound:
    """A text from a subscriber, or one part of it (``reference``, ``total``, ``number`` from its header)."""

    __slots__ = ("number", "phone", "reference", "sent_ms", "smsc", "text", "to_phone", "total")

    def __init__(
        self,
        phone: str,
        to_phone: str,
        text: str,
        sent_ms: int,
        smsc: str = "",
        reference: int = 0,
        total: int = 1,
        number: int = 1,
    ) -> None:
        self.phone = phone
        self.to_phone = to_phone
        self.text = text
        self.sent_ms = sent_ms
        self.smsc = smsc
        self.reference = reference
        self.total = total
        self.number = number


Settle = Callable[[bool], object]


class Listener(Protocol):
    """Whom a carrier tells. ``settle(True)`` is called when the news is on disk, ``settle(False)`` when it could not be
    stored: only then does the carrier answer its peer (positively, or with a temporary error so that it comes again). It
    returns False where the peer is gone and gets no answer."""

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
