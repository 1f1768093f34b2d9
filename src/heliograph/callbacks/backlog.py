"""Which news only the table holds, by host, and where to go on reading it (design section 6 D).

The table is walked over from its beginning, page by page. That takes long when a customer's handler has been off for a day,
so for a host that answers and has run out of rows in memory its own rows are read at once, from the first that was left.
"""

from collections import OrderedDict

from heliograph.callbacks.targets import Origin

FAR_ID = 2**62  # beyond any row's


class Backlog:
    """Ids of rows that memory had no room for. Newer rows of such a host wait in the table as well, so that none is overtaken."""

    def __init__(self) -> None:
        self._left: dict[Origin, int] = {}  # the first row of each host that was left
        self._passed: dict[Origin, int] = {}  # the same, of the present walk alone
        self._wanted: OrderedDict[Origin, None] = OrderedDict()
        self._fetched: Origin | None = None
        self._fetched_left = 0  # the first row of it that was left while its rows were being read
        self.after = 0  # where the walk goes on

    def holds(self, origin: Origin) -> bool:
        """Whether rows of this host are left."""
        return origin in self._left

    def __bool__(self) -> bool:
        return bool(self._left)

    def __len__(self) -> int:
        """How many hosts have rows that are left."""
        return len(self._left)

    def leave(self, origin: Origin, id_: int) -> None:
        """Memory has no room for a row of this host."""
        self._left[origin] = min(self._left.get(origin, id_), id_)
        self._passed[origin] = min(self._passed.get(origin, id_), id_)
        if origin == self._fetched:
            self._fetched_left = min(self._fetched_left or id_, id_)

    def concerns(self, origin: Origin) -> bool:
        """Whether rows of this host are being read now: of all hosts, unless it is one that is read for."""
        return self._fetched is None or origin == self._fetched

    def may_take(self, origin: Origin, id_: int, live: bool) -> bool:
        """Whether a row may be held without overtaking one that was left; a ``live`` one does not come from the table."""
        if live:
            return origin not in self._left
        left = self._fetched_left if self._fetched is not None else self._passed.get(origin, 0)
        return not left or id_ <= left

    # -- rows of one host ------------------------------------------------------------
    def want(self, origin: Origin) -> None:
        """Memory runs out of rows of a host that takes them."""
        if origin in self._left:
            self._wanted[origin] = None

    @property
    def is_wanted(self) -> bool:
        """Whether some host is to be read for."""
        return bool(self._wanted)

    def begin_fetch(self) -> int:
        """Begins to read for the host that has waited longest; returns the id behind which its rows are."""
        origin = self._wanted.popitem(last=False)[0]
        self._fetched, self._fetched_left = origin, 0
        return self._left.get(origin, 1) - 1

    @property
    def is_full(self) -> bool:
        """Whether memory has no more room for rows of the host that is read for."""
        return self._fetched_left > 0

    def is_fetching(self, origin: Origin) -> bool:
        """Whether rows of this host are being read."""
        return origin == self._fetched

    def end_fetch(self, seen: int) -> None:
        """Its rows were read up to the id ``seen``, or up to the last (``FAR_ID``). It is wanted again when there is room."""
        origin = self._fetched
        assert origin is not None
        self._fetched = None
        left = min(self._fetched_left or FAR_ID, seen + 1)
        if left >= FAR_ID:
            self._left.pop(origin, None)
            self._passed.pop(origin, None)
            return
        self._left[origin] = left
        self._passed[origin] = left  # the walk may be beyond it
        if not self._fetched_left:
            self._wanted[origin] = None

    # -- all rows --------------------------------------------------------------------
    def begin_walk(self) -> None:
        """From the beginning: what is left now will be met again."""
        self.after = 0
        self._passed.clear()

    def end_walk(self) -> None:
        """The whole table was seen: left is what was passed over."""
        self.after = 0
        self._left = dict(self._passed)
