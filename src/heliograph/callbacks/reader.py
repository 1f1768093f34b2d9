"""Reads due news from the table into memory, page by page; for handlers that answer at once (design section 6 D)."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from heliograph.callbacks.backlog import FAR_ID, Backlog
from heliograph.callbacks.handlers import Handlers
from heliograph.callbacks.held import MOST_PER_HANDLER, Held
from heliograph.callbacks.stalled import Stalled
from heliograph.callbacks.targets import Address
from heliograph.services.callbacks import Callback, Callbacks

log = logging.getLogger(__name__)

PAGE = 1_000
WALK_S = 1.0  # from the end of a walk that has passed over rows to the next
# After a page of which memory could take nothing: walking over a large backlog must not fill a processor.
IDLE_PAGE_S = 0.02
# Pages read at once for one handler, and handlers that answer slowly which are read for in one second: 20 and 32 pages are some
# 60 and 100 ms of a processor.
PAGES_FETCHED = 20
SLOW_FETCHED = 32
FAR_MS = 2**62


class _Restarted(Exception):  # noqa: N818 (a condition, not a failure)
    """What is being read is of no use any more: the table is read anew."""


class Reader:
    """Walks over the table while there is room, and reads for handlers that run out of rows.

    ``take(callback)`` holds a row or leaves it to the table; ``moved()`` is called when rows may have been taken.
    """

    def __init__(
        self,
        callbacks: Callbacks,
        held: Held,
        stalled: Stalled,
        handlers: Handlers,
        take: Callable[[Callback], None],
        moved: Callable[[], None],
        clock_ms: Callable[[], int],
    ) -> None:
        self._callbacks = callbacks
        self._held = held
        self._stalled = stalled
        self._handlers = handlers
        self._take = take
        self._moved = moved
        self._clock_ms = clock_ms
        self.backlog = Backlog()
        # Rows that left memory while a page was being read: the page may show them as they were.
        self._settled: set[int] = set()
        self._thirsty: dict[Address, None] = {}  # handlers that answer slowly and have run out of rows
        self.wake_ms = FAR_MS
        self._more = True
        self._walk_s = 0.0  # when the walk goes on, in the loop's time
        self._once_more = False  # rows that the present walk has passed are wanted
        self._task: asyncio.Task[None] | None = None
        # Until the whole table was seen once, rows behind `_reached` are unknown: of messages made before `since_ms` there
        # may be older news among them.
        self.since_ms = clock_ms()
        self._reached = 0
        self._has_fetched = False  # last
        self._has_failed = False  # something, since the walk began: its pages may not show that yet
        self._passed_over = False  # since the last page was asked for

    @property
    def knows_all(self) -> bool:
        """Whether the whole table was seen since the start or since it was changed from outside."""
        return self._reached == FAR_ID

    @property
    def is_reading(self) -> bool:
        """Whether a page is being read."""
        return self._task is not None

    # -- when to read ----------------------------------------------------------------
    def leave(self, address: Address, id_: int) -> None:
        """A row of this handler is left to the table."""
        # Rows of a handler that has some left may be read before the walk comes by.
        known = self.backlog.holds(address) or self.backlog.is_fetching(address)
        if id_ > self._reached and not known:
            self.pass_over()
            return
        self.backlog.leave(address, id_)
        self._more = True

    def pass_over(self) -> None:
        """A row was left to the table that the first walk is still to come by."""
        self._passed_over = self._more = self._once_more = True

    def settle(self, id_: int, is_open: bool) -> None:
        """What became of a row is on disk, and whether it is to be told again: from now on the table tells the truth."""
        if self._task is not None:
            self._settled.add(id_)
        self._has_failed = self._has_failed or is_open

    def refill(self, address: Address) -> None:
        """Read for a handler that answers before memory has no more rows of it; for a slow one in the next second."""
        if not self.backlog.holds(address) or self._stalled.has_forgotten(address):
            return  # of the latter, most of what is left waits for older news: the walk passes by often enough
        count = self._held.count(address)
        if not self._handlers.is_ill(address):
            if count <= MOST_PER_HANDLER // 4:
                self.backlog.want(address)
        elif count <= self._handlers.earned(address) and not self._handlers.is_failing(address):
            self._thirsty[address] = None

    def refill_slow(self) -> None:
        """Once a second: handlers that answer slowly are read for."""
        for address in list(self._thirsty)[:SLOW_FETCHED]:
            del self._thirsty[address]
            self.backlog.want(address)

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
        """Read the table anew: nothing that is known of it holds any more."""
        self.backlog = Backlog()
        self.since_ms = self._clock_ms()
        self._reached = 0
        self.look()

    def read_on(self) -> None:
        """Read when there is room: for handlers that wait for their rows, or the next page of the walk."""
        if self._task is not None or self._held.is_half_full:
            return
        loop = asyncio.get_running_loop()
        may_walk = self._more and self._walk_s <= loop.time()
        if self.backlog.is_wanted and not (may_walk and self._has_fetched):
            self._has_fetched = True
            self._task = loop.create_task(self._read(self._fetch))
        elif may_walk:
            self._has_fetched = False  # by turns
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
        except _Restarted:
            self._more = True
        except Exception:
            log.exception("callbacks_read_failed")
            self._rest(WALK_S)
        finally:
            self._task = None
            self._moved()

    def _check(self, backlog: Backlog) -> None:
        """What was read is of use only while nobody has begun anew."""
        if backlog is not self.backlog:
            raise _Restarted

    async def _page(self, backlog: Backlog, after: int, now_ms: int, walking: bool) -> tuple[list[Callback], bool]:
        """A page of the table, of which memory takes what it has room for; and whether that was anything."""
        self._settled.clear()
        self._passed_over = False
        rows = await self._callbacks.read_due(now_ms, after, PAGE)
        self._check(backlog)
        if walking and rows:
            self._reached = max(self._reached, rows[-1].id)
        taken = []
        for callback in rows:
            if callback.id not in self._settled and callback.id not in self._held:
                self._take(callback)
                self._check(backlog)
                if callback.id in self._held:
                    taken.append(callback)
        await self._callbacks.read_ahead(taken)
        self._check(backlog)
        return rows, bool(taken)

    async def _fetch(self) -> None:
        """Rows of one handler, from the first that was left, until there is no more room for them."""
        now_ms, backlog = self._clock_ms(), self.backlog
        if not backlog.is_wanted:
            return  # begun anew since
        seen = after = backlog.begin_fetch()
        try:
            for _ in range(PAGES_FETCHED):
                rows, taken = await self._page(backlog, after, now_ms, False)
                seen = rows[-1].id if len(rows) == PAGE else FAR_ID
                if len(rows) < PAGE or backlog.is_full:
                    break
                after = seen
                if not taken:
                    await asyncio.sleep(IDLE_PAGE_S)
        finally:
            backlog.end_fetch(seen)

    async def _walk(self) -> None:
        """The next page of the due rows that memory does not hold; a handler that is full is passed over."""
        self._more = False
        now_ms, backlog = self._clock_ms(), self.backlog
        if not backlog.after:
            backlog.begin_walk()
            self._has_failed = False
            if self._stalled.must_learn:
                await self._learn()
                self._check(backlog)
        rows, taken = await self._page(backlog, backlog.after, now_ms, True)
        # What was left to the first walk while its last page was being read may stand behind that page.
        if len(rows) == PAGE or (self._passed_over and not self.knows_all):
            backlog.after = rows[-1].id if rows else backlog.after
            self._rest(0.0 if taken or len(rows) < PAGE else IDLE_PAGE_S)
            return
        self._reached = FAR_ID
        backlog.end_walk()
        if self._once_more:
            self._once_more, self._more = False, True
        elif backlog:
            self._rest(WALK_S)
        else:
            await self._end_walk(backlog, now_ms)

    async def _learn(self) -> None:
        """What the table holds of news that was tried before: newer news of the same messages waits behind it."""
        self._settled.clear()
        rows = await self._callbacks.read_tried(self._stalled.most)
        known = [row for row in rows if row[1] not in self._held and row[1] not in self._settled]
        self._stalled.learn(known, len(rows) < self._stalled.most)

    async def _end_walk(self, backlog: Backlog, now_ms: int) -> None:
        """The whole table was seen, and memory holds all of it that is due."""
        due_ms = await self._callbacks.next_due(now_ms)
        self._check(backlog)
        if due_ms is not None:
            self.wake_at(due_ms)
        elif not self._has_failed:
            self._stalled.settle(self._held)

    def stop(self) -> None:
        """Read nothing more."""
        if self._task is not None:
            self._task.cancel()
