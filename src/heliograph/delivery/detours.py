"""Texts whose carrier has no link for too long, or was switched off, go to the next route (design section 6, flow B)."""

from collections.abc import Callable, Mapping
from functools import partial

from heliograph.core.messages import Message
from heliograph.core.routing import Route
from heliograph.core.status import Err, Status
from heliograph.delivery.line import LANES, PAGE, Line, is_waiting
from heliograph.services.attempts import missing_of
from heliograph.services.dispatch import Dispatch

# Texts of a carrier without a link that are looked at in one go (some 5 ms when all of them move on), and how often at
# each tick: 2,000 a second.
SIFTED = 200
SIFTS = 5


class Detours:
    """Finds other carriers for texts of those in ``lines`` and of those ``switched_off``.

    ``release(message)`` lets go of a text in memory, ``claim(line, message, now_ms)`` ends one whose time is over, and
    ``rerouted(message)`` takes one that has another carrier.
    """

    def __init__(
        self,
        dispatch: Dispatch,
        lines: Mapping[int, Line],
        release: Callable[[Message], None],
        claim: Callable[[Line, Message, int], int],
        rerouted: Callable[[Message], None],
    ) -> None:
        self._dispatch = dispatch
        self._lines = lines
        self._release = release
        self._claim = claim
        self._rerouted = rerouted
        self.switched_off: list[int] = []

    def sift(self, line: Line, now_ms: int) -> None:
        """A carrier without a link for longer than its patience gives its waiting texts to the next route."""
        settings = line.links.carrier.settings
        down_ms = line.links.down_since_ms
        if not down_ms:
            return
        patient = now_ms - down_ms < settings.patience_s * 1000 or "down" not in settings.failover
        # With no link up at all nothing can move on, only expire.
        stuck = patient or not any(other.links.up for other in self._lines.values())
        for number, lane in line.lanes.items():
            if len(lane):
                keep = partial(self._stays, line, stuck, now_ms)
                line.sifted[number] = lane.sift(line.sifted[number], SIFTED, keep)

    def _stays(self, line: Line, stuck: bool, now_ms: int, message: Message) -> bool:
        """Whether a text goes on waiting for its carrier; one that does not has moved on or ended."""
        # What has gone in part goes on here: the next carrier could only send all of it again.
        movable = not stuck and message.status == Status.WAITING and not missing_of(message)
        route = self._find_open(message, now_ms) if movable else None
        if route is not None:
            self._release(message)
            self._dispatch.reroute(message, route, "the carrier has no link", now_ms, partial(self._rerouted, message))
            return False
        if message.status == Status.WAITING and message.expires_ms > now_ms:
            return True
        self._claim(line, message, now_ms)
        return False

    def _find_open(self, message: Message, now_ms: int) -> Route | None:
        """The next route whose carrier has a link."""
        for route in self._dispatch.find_routes(message, now_ms):
            line = self._lines.get(route.carrier_id)
            if line is not None and line.links.up and not line.closing:
                return route
        return None

    async def move_on(self, now_ms: int) -> None:
        """What waits for a carrier that was switched off goes to the next route, or ends when its time is over."""
        for carrier_id in self.switched_off:
            for lane in LANES:
                for message in await self._dispatch.read_due(carrier_id, lane, now_ms, PAGE):
                    if not is_waiting(message, carrier_id) or message.pending:
                        continue
                    route = self._find_open(message, now_ms)
                    if message.expires_ms <= now_ms:
                        self._dispatch.end(message, Status.EXPIRED, Err.NONE, now_ms)
                    elif route is not None:
                        why = "the carrier is switched off"
                        self._dispatch.reroute(message, route, why, now_ms, partial(self._rerouted, message))
