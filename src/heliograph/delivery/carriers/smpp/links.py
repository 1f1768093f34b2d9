"""The links of one carrier: those that are always held, and those that are opened and closed as `sizing` decides."""

import asyncio
import logging
from collections.abc import Callable
from typing import Protocol

from heliograph.delivery.carriers.smpp.connection import Bind, Connection, Login
from heliograph.delivery.carriers.smpp.connection import Owner as ConnectionOwner
from heliograph.delivery.carriers.smpp.sizing import Limits, Round, Sizing
from heliograph.wire.smpp import tables

log = logging.getLogger("heliograph.carrier")

_TICK_S = 1.0
_DRAIN_S = 0.05
# How long an unbind may take; a centre that still owes answers may hold its own back until it has given them.
_GOODBYE_S = 2.0
_CURT_GOODBYE_S = 0.2
# A link that is lost so soon after one more was bound was given up for it: the carrier allows no more.
_TAKEOVER_MS = 5_000


class Owner(ConnectionOwner, Protocol):
    """Whom the links tell; the connections tell it too."""

    def resized(self) -> None:
        """The window or the links to send over are others now."""


class Links:
    """Connections by number. ``senders`` are those that parts may be given to, ``bound`` counts the bound ones of them.

    A link that is closed for good leaves ``senders`` at once, is answered what it is owed, and then unbound.
    """

    def __init__(self, owner: Owner, login: Login, clock_ms: Callable[[], int], chance: Callable[[], float]) -> None:
        self.limits = Limits.of(login.settings)
        self.sizing = Sizing(self.limits, clock_ms())
        self.connections: list[Connection] = []
        self.senders: list[Connection] = []
        self.bound = 0
        self._owner = owner
        self._login = login
        self._clock_ms = clock_ms
        self._chance = chance
        self._numbers: list[int] = []
        self._told = (self.limits.window, self.limits.links, False)
        self._leaving: set[asyncio.Task[None]] = set()
        self._ticker: asyncio.TimerHandle | None = None
        for number in range(1, self.limits.links + 1):
            self._add(number, additional=False)

    @property
    def in_flight(self) -> int:
        """Parts written and not answered."""
        return sum(connection.in_flight for connection in self.connections)

    @property
    def window(self) -> int:
        """Slots of each link, now."""
        return self.sizing.window

    def start(self) -> None:
        """Begin to bind and to keep bound."""
        for connection in self.connections:
            connection.start()
        if not self.limits.fixed and self._ticker is None:
            self._ticker = asyncio.get_running_loop().call_later(_TICK_S, self._tick)

    async def stop(self) -> None:
        """Unbind and close all; what was opened in addition is gone."""
        if self._ticker is not None:
            self._ticker.cancel()
            self._ticker = None
        goodbye_s = _CURT_GOODBYE_S if self.in_flight else _GOODBYE_S
        await asyncio.gather(*(connection.stop(goodbye_s) for connection in self.connections))
        for task in self._leaving:
            task.cancel()
        self.connections[:] = [each for each in self.connections if not each.additional]
        self.senders[:] = [each for each in self.connections if each.can_submit]
        self._numbers = list(range(1, self.limits.links + 1))
        self.sizing = Sizing(self.limits, self._clock_ms())
        self._follow()

    # What happens to connections

    def opened(self, connection: Connection) -> None:
        """It is bound."""
        if connection in self.senders:
            self.bound += 1
        if connection.additional and self.sizing.opening:
            link = [each for each in self.connections if each.number == connection.number]
            if all(each.is_open for each in link):
                self.sizing.linked(self._clock_ms())
                self._follow()

    def closed(self, connection: Connection) -> None:
        """It was bound and is gone."""
        if connection in self.senders:
            self.bound -= 1
        newest = max(self.connections, key=lambda each: each.bound_ms)
        now_ms = self._clock_ms()
        recent = 0 <= now_ms - newest.bound_ms < _TAKEOVER_MS and newest.number in self._numbers
        if recent and newest.additional and newest.is_open and not connection.additional:
            log.warning("carrier_link_taken_over carrier=%s link=%s", self._login.carrier, connection.label)
            self._close(newest.number)
            self.sizing.link_gone(now_ms, refused=True)
            self._follow()

    def ended(self, connection: Connection, *, refused: bool) -> None:
        """An additional one is over: without its other half, and no more of its kind for a while."""
        self.connections.remove(connection)
        if connection in self.senders:
            self.senders.remove(connection)
        if connection.number in self._numbers:
            self._close(connection.number)
            self.sizing.link_gone(self._clock_ms(), refused=refused)
            self._follow()

    # What the answers say

    def round(self, now_ms: int, answers: int, waited_ms: int, throttled: int, short: bool) -> None:
        """Some answers came (`sizing.Round`)."""
        self.sizing.round(now_ms, Round(answers, waited_ms, throttled, short, self._whole))
        self._follow()

    def slowed(self, now_ms: int) -> None:
        """The carrier throttles beyond chance, or leaves a submit unanswered."""
        self.sizing.slowed(now_ms)
        self._follow()

    # Inside

    @property
    def _whole(self) -> bool:
        return self.bound == len(self.senders)

    def _tick(self) -> None:
        self._ticker = asyncio.get_running_loop().call_later(_TICK_S, self._tick)
        self.sizing.tick(self._clock_ms(), self.in_flight, whole=self._whole)
        self._follow()

    def _follow(self) -> None:
        """Open and close links until there are as many as decided."""
        while len(self._numbers) < self.sizing.links:
            number = next(number for number in range(1, 1000) if number not in self._numbers)
            log.info("carrier_link_added carrier=%s number=%d", self._login.carrier, number)
            for connection in self._add(number, additional=True):
                connection.start()
        while len(self._numbers) > self.sizing.links:
            number = self._numbers[-1]
            log.info("carrier_link_closed carrier=%s number=%d", self._login.carrier, number)
            self._close(number)
        size = (self.sizing.window, self.sizing.links, self.sizing.opening)
        if size != self._told:
            self._told = size
            self._owner.resized()

    def _add(self, number: int, *, additional: bool) -> list[Connection]:
        added = [
            Connection(self._owner, self._login, bind, self._clock_ms, self._chance, additional=additional)
            for bind in _binds(self._login.settings.bind, number)
        ]
        self._numbers.append(number)
        self.connections += added
        self.senders += [connection for connection in added if connection.can_submit]
        return added

    def _close(self, number: int) -> None:
        """Give nothing more to the connections of a link, and see them off."""
        self._numbers.remove(number)
        for connection in self.connections:
            if connection.number == number:
                if connection in self.senders:
                    self.senders.remove(connection)
                    self.bound -= connection.is_open
                task = asyncio.get_running_loop().create_task(self._see_off(connection))
                self._leaving.add(task)
                task.add_done_callback(self._leaving.discard)

    async def _see_off(self, connection: Connection) -> None:
        """Wait for what the link owes (no longer than an answer may take), unbind, forget."""
        deadline = asyncio.get_running_loop().time() + self._login.settings.answer_s
        while connection.is_open and (connection.in_flight or connection.first or connection.waiting):
            if asyncio.get_running_loop().time() > deadline:
                break
            await asyncio.sleep(_DRAIN_S)
        await connection.stop(_GOODBYE_S)
        if connection in self.connections:
            self.connections.remove(connection)


def _binds(bind: str, number: int) -> list[Bind]:
    """The connections of a link: their labels and binds."""
    if bind == "transceiver":
        return [Bind(number, f"#{number}", tables.BIND_TRANSCEIVER)]
    return [Bind(number, f"#{number}t", tables.BIND_TRANSMITTER), Bind(number, f"#{number}r", tables.BIND_RECEIVER)]
