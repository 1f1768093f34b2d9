"""Where the figures of /metrics are read: what each room shows of itself (design section 11)."""

from collections.abc import Mapping, Sized
from typing import Protocol

from heliograph.core.carriers import Carrier
from heliograph.services.callbacks import Callbacks
from heliograph.services.clicks import Clicks
from heliograph.services.deliveries import Deliveries
from heliograph.services.desk import Desk
from heliograph.services.errands import Errands
from heliograph.services.guard import Guard
from heliograph.services.inbound import Incoming
from heliograph.services.numbers import Numbers
from heliograph.services.receipts import Receipts
from heliograph.services.retention import Retention
from heliograph.services.waits import Waits
from heliograph.web.redirect import Redirect
from heliograph.web.survey import Survey


class Links(Protocol):
    """A carrier (delivery/carriers/contract.py)."""

    carrier: Carrier

    @property
    def up(self) -> bool: ...
    @property
    def down_since_ms(self) -> int: ...
    def stats(self) -> dict[str, float]: ...


class Line(Protocol):
    """A carrier's place in the dispatcher."""

    @property
    def links(self) -> Links: ...


class Loop(Protocol):
    """The dispatcher (delivery/dispatcher.py). ``ticked_ms`` is when its clock last went round."""

    sent: int
    ticked_ms: int

    @property
    def lines(self) -> Mapping[int, Line]: ...
    @property
    def in_flight(self) -> int: ...
    def depth(self) -> dict[tuple[str, int], int]: ...


class Reading(Protocol):
    """The reader of callbacks; the handlers of which rows are left to the table."""

    @property
    def backlog(self) -> Sized: ...


class Holding(Protocol):
    """The sender of callbacks."""

    @property
    def held(self) -> int: ...
    @property
    def reader(self) -> Reading: ...


class Turns(Protocol):
    """The handlers of customers: calls under way, and how many handlers are only probed."""

    @property
    def quick(self) -> int: ...
    @property
    def slow(self) -> int: ...
    def count_limited(self) -> int: ...


class Door(Protocol):
    """A door: HTTP, SIP or SMTP."""

    def stats(self) -> dict[str, int]: ...


class Outboxes(Protocol):
    """The customers of the SMPP door; how much news of theirs is in memory."""

    @property
    def held(self) -> int: ...


class SmppDoor(Protocol):
    """The SMPP door (gateways/smpp.py)."""

    accepted: int
    turned_away: int

    @property
    def sessions(self) -> int: ...
    @property
    def customers(self) -> Outboxes: ...
    @property
    def deliveries(self) -> Deliveries: ...
    def count_sessions(self) -> dict[str, int]: ...
    def count_answers(self) -> dict[tuple[str, str], int]: ...


class Letters(Protocol):
    """What became of letters (gateways/postroom.py)."""

    accepted: int
    repeated: int
    refused: int
    put_off: int


class Doors(Protocol):
    """Those that are open (doors.py)."""

    @property
    def smtp(self) -> Door | None: ...


class Sources(Protocol):
    """The installation (app.py), as far as figures are read from it."""

    desk: Desk
    guard: Guard
    receipts: Receipts
    callbacks: Callbacks
    survey: Survey
    retention: Retention
    numbers: Numbers
    waits: Waits
    incoming: Incoming
    errands: Errands
    clicks: Clicks
    redirect: Redirect

    @property
    def dispatcher(self) -> Loop: ...
    @property
    def sender(self) -> Holding: ...
    @property
    def handlers(self) -> Turns: ...
    @property
    def door(self) -> Door: ...
    @property
    def smpp(self) -> SmppDoor: ...
    @property
    def postroom(self) -> Letters: ...
    @property
    def doors(self) -> Doors: ...
    @property
    def sip(self) -> Door | None: ...
