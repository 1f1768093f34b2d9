"""News in memory, by handler: bounded, so that the backlog of one handler takes no room of the others' (design section 6 D)."""

from collections import deque

from heliograph.callbacks.handlers import Handlers
from heliograph.callbacks.targets import Address
from heliograph.services.callbacks import Callback

MOST = 20_000  # rows in memory; the rest waits in the table
MOST_PER_HANDLER = 2_000
# A handler that is ill or not known yet holds rows for some turns only, and all of those together a quarter of memory.
TURNS = 4
TURNS_SLOW = 16  # of one that answers, but slowly: it may have 16 turns a second, and is read for once
ILL_PART = 4
# A new handler may hold an eighth of what is left of that quarter: 555 rows the first, 493 the second and so on.
NEW_PART = 8


class Held:
    """Rows that wait for their handler's turn, or are under way until what became of them is on disk."""

    def __init__(self, handlers: Handlers, most: int = MOST) -> None:
        self._handlers = handlers
        self._most = most
        self._ids: set[int] = set()
        self._unproven: set[int] = set()  # those of them that were taken for a handler that is ill or new
        self._waiting: dict[Address, deque[Callback]] = {}

    def __len__(self) -> int:
        return len(self._ids)

    def __contains__(self, id_: object) -> bool:
        return id_ in self._ids

    @property
    def is_half_full(self) -> bool:
        """Whether reading more can wait."""
        return len(self._ids) >= self._most // 2

    def count(self, address: Address) -> int:
        """How many rows wait for a handler's turn."""
        queue = self._waiting.get(address)
        return 0 if queue is None else len(queue)

    def has_room(self, address: Address) -> bool:
        """Whether one more row of this handler may be held."""
        most = MOST_PER_HANDLER if self._handlers.is_proven(address) else self._most_unproven(address)
        return len(self._ids) < self._most and self.count(address) < most

    def _most_unproven(self, address: Address) -> int:
        left = max(0, self._most // ILL_PART - len(self._unproven))
        few = min(left, self._most_ill(address))
        return few if self._handlers.is_ill(address) else max(few, left // NEW_PART)

    def _most_ill(self, address: Address) -> int:
        """Some turns of what it may have under way; of one that is only probed, the next and the one after it."""
        if self._handlers.is_limited(address):
            return 2
        return (TURNS if self._handlers.is_failing(address) else TURNS_SLOW) * self._handlers.earned(address)

    def add(self, callback: Callback, address: Address, now_ms: int) -> None:
        """Hold a row until its handler's turn; the older go first, for the table may give back one that is older than what
        waits here."""
        self._ids.add(callback.id)
        if not self._handlers.is_proven(address):
            self._unproven.add(callback.id)
        queue = self._waiting.get(address)
        if queue is None:
            queue = self._waiting[address] = deque()
        place = len(queue)
        while place and queue[place - 1].id > callback.id:
            place -= 1
        queue.insert(place, callback)
        self._handlers.wait(address, now_ms)

    def pop(self, address: Address, now_ms: int) -> Callback | None:
        """The row whose turn it is; the handler waits for its next turn when it has more."""
        queue = self._waiting.get(address)
        if not queue:
            return None
        callback = queue.popleft()
        if queue:
            self._handlers.wait(address, now_ms)
        else:
            del self._waiting[address]
        return callback

    def forget(self, id_: int) -> None:
        """Let go of a row that does not wait any more."""
        self._ids.discard(id_)
        self._unproven.discard(id_)

    def trim(self, address: Address) -> list[int]:
        """An ill handler gives its room to others; returns the rows that were let go of, the newest."""
        queue = self._waiting.get(address)
        if queue is None or not self._handlers.is_ill(address):
            return []
        most, ids = self._most_ill(address), []
        while len(queue) > most:
            ids.append(queue.pop().id)
            self.forget(ids[-1])
        return ids

    def clear(self) -> None:
        """Let go of everything that waits; what is under way stays."""
        for queue in self._waiting.values():
            for callback in queue:
                self.forget(callback.id)
        self._waiting.clear()
