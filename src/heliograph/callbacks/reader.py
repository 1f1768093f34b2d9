"""Reads due news from the table into memory, page by page; for hosts that answer at once (design section 6 D)."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from heliograph.callbacks.backlog import Backlog
from heliograph.callbacks.held import MOST_PER_HOST, Held
from heliograph.callbacks.hosts import Hosts
from heliograph.callbacks.stalled import Stalled
from heliograph.callbacks.targets import Origin
from heliograph.services.callbacks import Callback, Callbacks

log = logging.getLogger(__name__)

PAGE = 1_000
WALK_S = 1.0  # from the end of a walk that has passed over rows to the next
# After a page of which memory could take nothing: walking over a large backlog must not fill a processor.
IDLE_PAGE_S = 0.02
# Pages read at once for one host, and hosts that answer slowly which are read for in one second: 20 and 32 pages are some
# 60 and 100 ms of a processor.
PAGES_FETCHED = 20
SLOW_FETCHED = 32
FAR_MS = 2**62


class Reader:
    """Walks over the table while there is room, and reads for hosts that run out of rows.

    ``take(callback)`` holds a row or leaves it to the table; ``moved()`` is called when rows may have been taken.
    """

    def __init__(
        self,
        callbacks: Callbacks,
        held: Held,
        stalled: Stalled,
        hosts: Hosts,
        take: Callable[[Callback], None],
        moved: Callable[[], None],
        clock_ms: Callable[[], int],
    ) -> None:
        self._callbacks = callbacks
        self._held = held
        self._stalled = stalled
        self._hosts = hosts
        self._take = take
        self._moved = moved
        self._clock_ms = clock_ms
        self.backlog = Backlog()
        # Rows that left memory while a page was being read: the page may show them as they were.
        self._settled: set[int] = set()
        self._thirsty: dict[Origin, None] = {}  # hosts that answer slowly and have run out of rows
        self.wake_ms = FAR_MS
        self._more = True
        self._walk_s = 0.0  # when the walk goes on, in the loop's time
        self._once_more = False  # rows that the present walk has passed are wanted
        self._task: asyncio.Task[None] | None = None

    @property
    def is_reading(self) -> bool:
        """Whether a page is being read."""
        return self._task is not None

    # -- when to read ----------------------------------------------------------------
    def leave(self, origin: Origin, id_: int) -> None:
        """A row of this host is left to the table."""
        self.backlog.leave(origin, id_)
        self._more = True

    def settle(self, id_: int) -> None:
        """What became of a row is on disk: from now on the table tells the truth about it."""
        if self._task is not None:
            self._settled.add(id_)

    def refill(self, origin: Origin) -> None:
        """Read for a host that answers before memory has no more rows of it; for a slow one in the next second."""
        if not self.backlog.holds(origin):
            return
        count = self._held.count(origin)
        if not self._hosts.is_ill(origin):
            if count <= MOST_PER_HOST // 4:
                self.backlog.want(origin)
        elif count <= self._hosts.earned(origin) and not self._hosts.is_failing(origin):
            self._thirsty[origin] = None

    def refill_slow(self) -> None:
        """Once a second: hosts that answer slowly are read for."""
        for origin in list(self._thirsty)[:SLOW_FETCHED]:
            del self._thirsty[origin]
            self.backlog.want(origin)

    def wake_at(self, due_ms: int) -> None:
        """A row has a later time: look at the table then."""
        if due_ms < self.wake_ms:
            self.wake_ms = due_ms
            delay_s = max(0.0, (due_ms - self._clock_ms()) / 1000)
            asyncio.get_running_loop().call_later(min(delay_s, 3600.0), self.look)

    def look(self) -> None:
        """Look at the table: a later time has come, or a large request has become valid."""
        self.wake_ms = FAR_MS
        self.read_again()
        self._moved()

    def read_again(self) -> None:
        """Read the table, from its beginning when a walk over it is under way."""
        self._more = True
        self._walk_s = 0.0
        self._once_more = self._once_more or self._task is not None or self.backlog.after > 0

    def restart(self) -> None:
        """Read the table anew."""
        self.backlog.begin_walk()
        self.look()

    def read_on(self) -> None:
        """Read when there is room: for hosts that wait for their rows, or the next page of the walk."""
        if self._task is not None or self._held.is_half_full:
            return
        loop = asyncio.get_running_loop()
        if self.backlog.is_wanted:
            self._task = loop.create_task(self._read(self._fetch))
        elif self._more and self._walk_s <= loop.time():
            self._task = loop.create_task(self._read(self._walk))

    def _rest(self, seconds: float) -> None:
        """The walk goes on after so many seconds."""
        self._more = True
        loop = asyncio.get_running_loop()
        self._walk_s = loop.time() + seconds
        if seconds:
            loop.call_later(seconds + 0.001, self._moved)

    # -- reading -----------------------------------------------------------------------
    async def _read(self, how: Callable[[], Awaitable[None]]) -> None:
        try:
            await how()
        except Exception:
            log.exception("callbacks_read_failed")
            self._rest(WALK_S)
        finally:
            self._task = None
            self._moved()

    async def _page(self, after: int, now_ms: int) -> tuple[list[Callback], bool]:
        """A page of the table, of which memory takes what it has room for; and whether that was anything."""
        self._settled.clear()
        rows = await self._callbacks.read_due(now_ms, after, PAGE)
        taken = []
        for callback in rows:
            if callback.id not in self._settled and callback.id not in self._held:
                self._take(callback)
                if callback.id in self._held:
                    taken.append(callback)
        await self._callbacks.read_ahead(taken)
        return rows, bool(taken)

    async def _fetch(self) -> None:
        """Rows of one host, from the first that was left, until there is no more room for them."""
        now_ms, backlog = self._clock_ms(), self.backlog
        after = backlog.begin_fetch()
        at_end = False
        try:
            for _ in range(PAGES_FETCHED):
                rows, taken = await self._page(after, now_ms)
                at_end = len(rows) < PAGE
                if at_end or backlog.is_full:
                    break
                after = rows[-1].id
                if not taken:
                    await asyncio.sleep(IDLE_PAGE_S)
        finally:
            backlog.end_fetch(after, at_end)

    async def _walk(self) -> None:
        """The next page of the due rows that memory does not hold; a host that is full is passed over."""
        self._more = False
        now_ms, backlog = self._clock_ms(), self.backlog
        if not backlog.after:
            backlog.begin_walk()
            if self._stalled.must_learn:
                await self._learn()
        rows, taken = await self._page(backlog.after, now_ms)
        if len(rows) == PAGE:
            backlog.after = rows[-1].id
            self._rest(0.0 if taken else IDLE_PAGE_S)
            return
        backlog.end_walk()
        if self._once_more:
            self._once_more, self._more = False, True
        elif backlog:
            self._rest(WALK_S)
        else:
            await self._end_walk(now_ms)

    async def _learn(self) -> None:
        """What the table holds of news that was tried before: newer news of the same messages waits behind it."""
        self._settled.clear()
        rows = await self._callbacks.read_tried(self._stalled.most)
        known = [row for row in rows if row[1] not in self._held and row[1] not in self._settled]
        self._stalled.learn(known, len(rows) < self._stalled.most)

    async def _end_walk(self, now_ms: int) -> None:
        """The whole table was seen, and memory holds all of it that is due."""
        due_ms = await self._callbacks.next_due(now_ms)
        if due_ms is not None:
            self.wake_at(due_ms)
        else:
            self._stalled.settle(self._held)

    def stop(self) -> None:
        """Read nothing more."""
        if self._task is not None:
            self._task.cancel()
