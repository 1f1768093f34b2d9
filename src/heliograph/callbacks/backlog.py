"""Which news only the table holds, by handler, and where to go on reading it (design section 6 D).

The table is walked over from its beginning, page by page. That takes long when a customer's handler has been off for a day,
so for a handler that answers and has run out of rows in memory its own rows are read at once, from the first that was left.
"""

from collections import OrderedDict

from heliograph.callbacks.targets import Address

FAR_ID = 2**62  # beyond any row's


class Backlog:
    """Ids of rows that memory had no room for. Newer rows of such a handler wait in the table as well, so that none is overtaken."""

    def __init__(self) -> None:
        self._left: dict[Address, int] = {}  # the first row of each handler that was left
        self._passed: dict[Address, int] = {}  # the same, of the present walk alone
        self._wanted: OrderedDict[Address, None] = OrderedDict()
        self._fetched: Address | None = None
        self._fetched_left = 0  # the first row of it that was left while its rows were being read
        self.after = 0  # where the walk goes on

    def holds(self, address: Address) -> bool:
        """Whether rows of this handler are left."""
        return address in self._left

    def __bool__(self) -> bool:
        return bool(self._left)

    def __len__(self) -> int:
        """How many handlers have rows that are left."""
        return len(self._left)

    def leave(self, address: Address, id_: int) -> None:
        """Memory has no room for a row of this handler."""
        self._left[address] = min(self._left.get(address, id_), id_)
        self._passed[address] = min(self._passed.get(address, id_), id_)
        if address == self._fetched:
            self._fetched_left = min(self._fetched_left or id_, id_)

    def concerns(self, address: Address) -> bool:
        """Whether rows of this handler are being read now: of all handlers, unless it is one that is read for."""
        return self._fetched is None or address == self._fetched

    def may_take(self, address: Address, id_: int, live: bool) -> bool:
        """Whether a row may be held without overtaking one that was left; a ``live`` one does not come from the table."""
        if live:
            return address not in self._left
        left = self._fetched_left if self._fetched is not None else self._passed.get(address, 0)
        return not left or id_ <= left

    # -- rows of one handler ------------------------------------------------------------
    def want(self, address: Address) -> None:
        """Memory runs out of rows of a handler that takes them."""
        if address in self._left:
            self._wanted[address] = None

    @property
    def is_wanted(self) -> bool:
        """Whether some handler is to be read for."""
        return bool(self._wanted)

    def begin_fetch(self) -> int:
        """Begins to read for the handler that has waited longest; returns the id behind which its rows are."""
        address = self._wanted.popitem(last=False)[0]
        self._fetched, self._fetched_left = address, 0
        return self._left.get(address, 1) - 1

    @property
    def is_full(self) -> bool:
        """Whether memory has no more room for rows of the handler that is read for."""
        return self._fetched_left > 0

    def is_fetching(self, address: Address) -> bool:
        """Whether rows of this handler are being read."""
        return address == self._fetched

    def end_fetch(self, seen: int) -> None:
        """Its rows were read up to the id ``seen``, or up to the last (``FAR_ID``). It is wanted again when there is room."""
        address = self._fetched
        assert address is not None
        self._fetched = None
        left = min(self._fetched_left or FAR_ID, seen + 1)
        if left >= FAR_ID:
            self._left.pop(address, None)
            self._passed.pop(address, None)
            return
        self._left[address] = left
        self._passed[address] = left  # the walk may be beyond it
        if not self._fetched_left:
            self._wanted[address] = None

    # -- all rows --------------------------------------------------------------------
    def begin_walk(self) -> None:
        """From the beginning: what is left now will be met again."""
        self.after = 0
        self._passed.clear()

    def end_walk(self) -> None:
        """The whole table was seen: left is what was passed over."""
        self.after = 0
        self._left = dict(self._passed)
