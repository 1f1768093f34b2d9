"""News in memory, by host: bounded, so that the backlog of one host takes no room of the others' (design section 6 D)."""

from collections import deque
from typing import Any

from heliograph.callbacks.hosts import Hosts
from heliograph.callbacks.plans import Plan
from heliograph.callbacks.targets import Origin
from heliograph.services.callbacks import Callback

MOST = 20_000  # rows in memory; the rest waits in the table
MOST_PER_HOST = 2_000
# A host that is ill or not known yet holds rows for some turns only, and all of those together a quarter of memory.
TURNS = 4
TURNS_SLOW = 16  # of one that answers, but slowly: it may have 16 turns a second, and is read for once
ILL_PART = 4
# A new host may take an eighth of what is left of that quarter: 625 rows for the first, 547 for the second and so on.
NEW_PART = 8


class Held:
    """Rows that wait for their host's turn, or are under way until what became of them is on disk."""

    def __init__(self, hosts: Hosts, most: int = MOST) -> None:
        self._hosts = hosts
        self._most = most
        self._ids: set[int] = set()
        self._unproven: set[int] = set()  # those of them that were taken for a host that is ill or new
        self._waiting: dict[Any, deque[tuple[Callback, Plan]]] = {}
        self._firsts: dict[Any, int] = {}  # how many at the head of a host's queue go before all that is new

    def __len__(self) -> int:
        return len(self._ids)

    def __contains__(self, id_: object) -> bool:
        return id_ in self._ids

    @property
    def is_half_full(self) -> bool:
        """Whether reading more can wait."""
        return len(self._ids) >= self._most // 2

    def count(self, origin: Origin) -> int:
        """How many rows wait for a host's turn."""
        queue = self._waiting.get(origin)
        return 0 if queue is None else len(queue)

    def has_room(self, origin: Origin) -> bool:
        """Whether one more row of this host may be held."""
        most = MOST_PER_HOST if self._hosts.is_proven(origin) else self._most_unproven(origin)
        return len(self._ids) < self._most and self.count(origin) < most

    def _most_unproven(self, origin: Origin) -> int:
        left = max(0, self._most // ILL_PART - len(self._unproven))
        few = min(left, self._most_ill(origin))
        return few if self._hosts.is_ill(origin) else max(few, left // NEW_PART)

    def _most_ill(self, origin: Origin) -> int:
        """Some turns of what it may have under way; of one that is only probed, the next and the one after it."""
        if self._hosts.is_limited(origin):
            return 2
        return (TURNS if self._hosts.is_failing(origin) else TURNS_SLOW) * self._hosts.earned(origin)

    def add(self, callback: Callback, plan: Plan, now_ms: int) -> None:
        """Hold a row; one that is told again goes before newer news of its message, which may wait here already."""
        origin = plan.target.origin
        self._ids.add(callback.id)
        if not self._hosts.is_proven(origin):
            self._unproven.add(callback.id)
        queue = self._waiting.get(origin)
        if queue is None:
            queue = self._waiting[origin] = deque()
        if callback.tries:
            first = self._firsts.get(origin, 0)
            queue.insert(first, (callback, plan))
            self._firsts[origin] = first + 1
        else:
            queue.append((callback, plan))
        self._hosts.wait(origin, now_ms)

    def put_first(self, origin: Origin, rows: deque[tuple[Callback, Plan]], now_ms: int) -> None:
        """Rows that are held wait for their host's turn again, before all others."""
        self._waiting.setdefault(origin, deque()).extendleft(reversed(rows))
        self._firsts[origin] = self._firsts.get(origin, 0) + len(rows)
        self._hosts.wait(origin, now_ms)

    def pop(self, origin: Origin, now_ms: int) -> tuple[Callback, Plan] | None:
        """The row whose turn it is; the host waits for its next turn when it has more."""
        queue = self._waiting.get(origin)
        if not queue:
            return None
        row = queue.popleft()
        first = self._firsts.get(origin, 0)
        if first > 1:
            self._firsts[origin] = first - 1
        elif first:
            del self._firsts[origin]
        if queue:
            self._hosts.wait(origin, now_ms)
        else:
            del self._waiting[origin]
        return row

    def forget(self, id_: int) -> None:
        """Let go of a row that does not wait any more."""
        self._ids.discard(id_)
        self._unproven.discard(id_)

    def trim(self, origin: Origin) -> list[int]:
        """An ill host gives its room to others; returns the rows that were let go of, the newest."""
        queue = self._waiting.get(origin)
        if queue is None or not self._hosts.is_ill(origin):
            return []
        most, ids = self._most_ill(origin), []
        most = max(most, self._firsts.get(origin, 0))
        while len(queue) > most:
            ids.append(queue.pop()[0].id)
            self.forget(ids[-1])
        return ids

    def clear(self) -> None:
        """Let go of everything that waits; what is under way stays."""
        for queue in self._waiting.values():
            for callback, _ in queue:
                self.forget(callback.id)
        self._waiting.clear()
        self._firsts.clear()
