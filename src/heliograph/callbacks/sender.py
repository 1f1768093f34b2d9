"""The loop that tells customers: due rows to their hosts, one in flight per message, slow hosts in nobody's way (design section 6D)."""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from heliograph.callbacks.backlog import Backlog
from heliograph.callbacks.client import Answer, Client
from heliograph.callbacks.hosts import Call, Hosts
from heliograph.callbacks.payloads import render, render_incoming, sign
from heliograph.callbacks.plans import Plan, parse_plan
from heliograph.callbacks.targets import BadTarget, Origin
from heliograph.core.accounts import Account
from heliograph.services.callbacks import Callback, Callbacks, callback_of
from heliograph.store.database import StoreError

log = logging.getLogger(__name__)

MOST_HELD = 20_000  # rows in memory; the rest waits in the table
MOST_PER_HOST = 2_000
# A host that is ill or not known yet holds rows for some turns only, and all of those together a quarter of memory: their
# backlogs must not take the room of those that answer.
TURNS_HELD = 4
TURNS_HELD_SLOW = 16  # of one that answers, but slowly: it may have 16 turns a second, and is read for once
ILL_PART = 4
# A new host may take an eighth of what is left of that quarter: 625 rows for the first, 547 for the second and so on.
NEW_PART = 8
PAGE = 1_000
TICK_S = 1.0
# After a page of which memory could take nothing: walking over a large backlog must not fill a processor.
IDLE_PAGE_S = 0.02
# Pages read at once for one host, and hosts that answer slowly which are read for in one second: 20 and 32 pages are some
# 60 and 100 ms of a processor.
PAGES_FETCHED = 20
SLOW_FETCHED = 32
MOST_STALLED = 20_000
FAR_MS = 2**62
OK = frozenset({200, 404})  # 404 counts as told, too (seed 001)


class Sender:
    """Sends news; belongs to the event loop."""

    def __init__(
        self,
        callbacks: Callbacks,
        client: Client,
        hosts: Hosts,
        clock_ms: Callable[[], int],
        most_held: int = MOST_HELD,
    ) -> None:
        self._callbacks = callbacks
        self._client = client
        self._clock_ms = clock_ms
        self._most_held = most_held
        self._hosts = hosts
        self._waiting: dict[Any, deque[tuple[Callback, Plan]]] = {}
        self._held: set[int] = set()
        self._unproven: set[int] = set()  # those of them that were taken for a host that is ill or new
        # Rows that left memory while a page was being read: the page may show them as they were.
        self._settled: set[int] = set()
        self._busy: dict[int, deque[tuple[Callback, Plan]]] = {}
        # Messages of which older news is to be told again later, with its id: what is newer waits behind it. While the table
        # may hold more such news than is here (after a start, after a change from outside) it is asked about each message.
        self._stalled: dict[int, int] = {}
        self._unsure = True
        self._unsure_of: set[Origin] = set()  # the hosts of which it was more than memory remembers
        self._mark = ""
        self._backlog = Backlog()
        self._thirsty: dict[Origin, None] = {}  # hosts that answer slowly and have run out of rows
        self._wake_ms = FAR_MS
        self._more = True
        self._walk_s = 0.0  # when the walk goes on, in the loop's time
        self._once_more = False  # rows that the present walk has passed are wanted
        self._reading = False
        self._pumping = False
        self._waking = False
        self._fetching: set[asyncio.Task[None]] = set()
        self._stopping = False

    @property
    def held(self) -> int:
        """Rows in memory: waiting or under way."""
        return len(self._held)

    def take(self, rows: Sequence[Sequence[Any]]) -> None:
        """News that has just been committed (services/batch.py, watch)."""
        for row in rows:
            self._take(callback_of(tuple(row)), live=True)
        self._pump_soon()

    def _take(self, callback: Callback, live: bool) -> bool:
        """Hold a row in memory when there is room; whether it is held. A ``live`` one does not come from the table."""
        if callback.id in self._held:
            return True
        now_ms = self._clock_ms()
        older_id = self._stalled.get(callback.int_id, FAR_MS)
        if callback.id > older_id:
            # In the table as well: it is read with the older one. The time says nothing here, for the older one may have
            # become due after this page was read.
            return True
        account = self._callbacks.find_account(callback)
        if account is None:
            self._callbacks.drop(callback, "the account wants no callbacks", now_ms)
            return True
        try:
            plan = parse_plan(account.settings.callback_url)
        except BadTarget as error:
            self._callbacks.drop(callback, f"bad callback address: {error}", now_ms)
            return True
        origin = plan.target.origin
        if not live and not self._backlog.concerns(origin):
            return False
        queue = self._waiting.get(origin)
        proven = self._hosts.is_proven(origin)
        most = MOST_PER_HOST if proven else self._most_unproven(origin)
        full = len(self._held) >= self._most_held or (len(queue) if queue is not None else 0) >= most
        if full or not self._backlog.may_take(origin, callback.id, live):
            self._leave(origin, callback.id)
            return False
        if callback.id == older_id:
            del self._stalled[callback.int_id]  # not before there was room: it must not be overtaken
        self._held.add(callback.id)
        if not proven:
            self._unproven.add(callback.id)
        if queue is None:
            queue = self._waiting[origin] = deque()
        queue.append((callback, plan))
        self._hosts.wait(origin, now_ms)
        return True

    def _most_unproven(self, origin: Origin) -> int:
        """How many rows memory holds for a host that has not earned all its calls."""
        left = max(0, self._most_held // ILL_PART - len(self._unproven))
        few = min(left, self._most_ill(origin))
        return few if self._hosts.is_ill(origin) else max(few, left // NEW_PART)

    def _most_ill(self, origin: Origin) -> int:
        """How many of an ill host: some turns of what it may have under way, or the next and the one after it."""
        if self._hosts.is_limited(origin):
            return 2
        return (TURNS_HELD if self._hosts.is_failing(origin) else TURNS_HELD_SLOW) * self._hosts.earned(origin)

    def _forget(self, id_: int) -> None:
        """Memory lets go of a row."""
        self._held.discard(id_)
        self._unproven.discard(id_)

    def _leave(self, origin: Origin, id_: int) -> None:
        """A row of this host is left to the table."""
        self._backlog.leave(origin, id_)
        self._more = True

    # -- sending ----------------------------------------------------------------
    def _pump_soon(self) -> None:
        if not self._pumping and not self._stopping:
            self._pumping = True
            asyncio.get_running_loop().call_soon(self._pump)

    def _pump(self) -> None:
        """Hand over what the hosts have room for, host by host in turn."""
        self._pumping = False
        if self._stopping:
            return
        now_ms = self._clock_ms()
        while (origin := self._hosts.next_turn(now_ms)) is not None:
            queue = self._waiting.get(origin)
            if not queue:
                continue
            self._begin(*queue.popleft(), now_ms)
            if queue:
                self._hosts.wait(origin, now_ms)
            else:
                self._waiting.pop(origin, None)
            if self._backlog.holds(origin):
                self._refill(origin, len(queue))
        if (wait_ms := self._hosts.wait_ms(now_ms)) is not None and not self._waking:
            self._waking = True
            asyncio.get_running_loop().call_later((wait_ms + 1) / 1000, self._wake)
        self._read_soon()

    def _refill(self, origin: Origin, held: int) -> None:
        """Read for a host that answers before memory has no more rows of it; for a slow one in the next second."""
        if not self._hosts.is_ill(origin):
            if held <= MOST_PER_HOST // 4:
                self._backlog.want(origin)
        elif held <= self._hosts.earned(origin) and not self._hosts.is_failing(origin):
            self._thirsty[origin] = None

    def _wake(self) -> None:
        """Places have become free by time alone."""
        self._waking = False
        self._pump_soon()

    def _begin(self, callback: Callback, plan: Plan, now_ms: int) -> None:
        """Send one row, unless another of the same message is under way, or older news of it has failed meanwhile."""
        if callback.id > self._stalled.get(callback.int_id, FAR_MS):
            self._forget(callback.id)  # it is in the table
            return
        if callback.int_id in self._busy:
            self._busy[callback.int_id].append((callback, plan))
            return
        self._busy[callback.int_id] = deque()
        call = self._hosts.begin(plan.target.origin, now_ms)
        account, message = self._callbacks.find_account(callback), self._callbacks.find(callback)
        if account is not None and message is not None and not self._is_unsure(plan):
            self._post(callback, plan, call, render(plan, callback, message, account), account)
        else:
            self._spawn(self._fetch(callback, plan, call))

    def _is_unsure(self, plan: Plan) -> bool:
        """Whether the table may hold older news of its message of which memory knows nothing."""
        return self._unsure or plan.target.origin in self._unsure_of

    async def _fetch(self, callback: Callback, plan: Plan, call: Call) -> None:
        """Send one row of which something must be asked from the store."""
        account = self._callbacks.find_account(callback)
        try:
            older_id = await self._callbacks.find_older(callback) if self._is_unsure(plan) else None
            body = await self._write(callback, plan, account) if older_id is None and account is not None else b""
        except Exception:
            log.exception("callback_fetch_failed")
            self._put_back(callback, plan, call)
            return
        if older_id is not None:
            if len(self._stalled) < MOST_STALLED:
                self._stalled[callback.int_id] = older_id
            self._put_back(callback, plan, call, more=False)
        elif account is None or not body:
            self._callbacks.drop(callback, "its message or account is gone", self._clock_ms())
            self._unstall(callback)
            self._put_back(callback, plan, call, more=False)
        elif self._client.room(plan.target) > 0:
            self._post(callback, plan, call, body, account)
        else:
            self._put_back(callback, plan, call)

    async def _write(self, callback: Callback, plan: Plan, account: Account) -> bytes:
        """The body; empty when what it is about is gone."""
        if callback.int_id < 0:
            incoming = await self._callbacks.fetch_incoming(callback)
            return b"" if incoming is None else render_incoming(plan, incoming)
        message = await self._callbacks.fetch(callback)
        return b"" if message is None else render(plan, callback, message, account)

    def _put_back(self, callback: Callback, plan: Plan, call: Call, more: bool = True) -> None:
        """It was not sent: memory lets go of it, and with ``more`` the table is read again."""
        self._forget(callback.id)
        if more:
            self._read_again()
        self._hosts.withdraw(call, self._clock_ms())
        self._free(callback, plan)

    def _post(self, callback: Callback, plan: Plan, call: Call, body: bytes, account: Account) -> None:
        headers: tuple[tuple[bytes, bytes], ...] = ((b"X-Heliograph-Event", b"%d" % callback.id),)
        keys = self._callbacks.keys_of(account)
        if keys:
            headers = (*headers, (b"X-Heliograph-Signature", sign(body, keys, self._clock_ms() // 1000)))
        self._client.post(plan.target, body, plan.content_type, self._answered, (callback, plan, call), headers)

    def _answered(self, answer: Answer, context: tuple[Callback, Plan, Call]) -> None:
        callback, plan, call = context
        now_ms = self._clock_ms()
        ok = answer.status in OK
        detail = f"{answer.status or answer.error} in {answer.took_ms} ms"
        still_open = self._callbacks.record(callback, ok, detail, now_ms, lambda: self._let_go(callback, plan))
        if still_open is not None:
            self._stalled[callback.int_id] = callback.id
            self._next_due(still_open.due_ms)
        else:
            self._unstall(callback)
        self._hosts.end(call, answer.status != 0, now_ms)
        if self._hosts.is_ill(plan.target.origin):
            self._trim(plan.target.origin)
        self._free(callback, plan)

    def _unstall(self, callback: Callback) -> None:
        """It is over: what waits behind it in the table may be told."""
        if self._stalled.get(callback.int_id) == callback.id:
            del self._stalled[callback.int_id]
            self._read_again()

    def _let_go(self, callback: Callback, plan: Plan) -> None:
        """What became of it is on disk: from now on the table tells the truth about it, and alone when memory is full."""
        self._forget(callback.id)
        if len(self._stalled) > MOST_STALLED and self._stalled.get(callback.int_id) == callback.id:
            del self._stalled[callback.int_id]
            self._unsure_of.add(plan.target.origin)
        if self._reading:
            self._settled.add(callback.id)

    def _free(self, callback: Callback, plan: Plan) -> None:
        """Nothing of this message is under way any more: what waited behind it is next, unless it is to be told again."""
        behind = self._busy.pop(callback.int_id)
        if behind and callback.int_id in self._stalled:
            for newer, _ in behind:
                self._forget(newer.id)
        elif behind:
            queue = self._waiting.setdefault(plan.target.origin, deque())
            queue.extendleft(reversed(behind))
            self._hosts.wait(plan.target.origin, self._clock_ms())
        self._pump_soon()

    def _trim(self, origin: Origin) -> None:
        """A host that is ill from now on gives its room to others; the newest rows leave first."""
        queue = self._waiting.get(origin)
        if queue is None:
            return
        most = self._most_ill(origin)
        while len(queue) > most:
            newest = queue.pop()[0].id
            self._forget(newest)
            self._leave(origin, newest)

    # -- the table ----------------------------------------------------------------
    def _next_due(self, due_ms: int) -> None:
        """A row has a later time: look at the table then."""
        if due_ms < self._wake_ms:
            self._wake_ms = due_ms
            delay_s = max(0.0, (due_ms - self._clock_ms()) / 1000)
            asyncio.get_running_loop().call_later(min(delay_s, 3600.0), self.look)

    def look(self) -> None:
        """Look at the table: a later time has come, or a large request has become valid."""
        self._wake_ms = FAR_MS
        self._hosts.resume(self._clock_ms())
        self._read_again()
        self._pump_soon()

    def _read_again(self) -> None:
        """Read the table, from its beginning when a walk over it is under way."""
        self._more = True
        self._walk_s = 0.0
        self._once_more = self._once_more or self._reading or self._backlog.after > 0

    def _read_soon(self) -> None:
        """Read on, when there is room: for hosts that wait for their rows, or the next page of the walk."""
        if self._reading or len(self._held) >= self._most_held // 2:
            return
        loop = asyncio.get_running_loop()
        if self._backlog.is_wanted:
            self._reading = True
            self._spawn(self._read(self._fetch_rows))
        elif self._more and self._walk_s <= loop.time():
            self._reading = True
            self._spawn(self._read(self._walk))

    def _rest(self, seconds: float) -> None:
        """The walk goes on after so many seconds."""
        self._more = True
        loop = asyncio.get_running_loop()
        self._walk_s = loop.time() + seconds
        if seconds:
            loop.call_later(seconds + 0.001, self._pump_soon)

    async def _read(self, how: Callable[[], Awaitable[None]]) -> None:
        self._settled.clear()
        try:
            await how()
        except Exception:
            log.exception("callbacks_read_failed")
            self._rest(TICK_S)
        finally:
            self._reading = False
            self._pump_soon()

    async def _fetch_rows(self) -> None:
        """Rows of one host, from the first that was left, until there is no more room for them."""
        now_ms = self._clock_ms()
        backlog = self._backlog
        after = backlog.begin_fetch()
        at_end = False
        try:
            for _ in range(PAGES_FETCHED):
                self._settled.clear()
                rows = await self._callbacks.read_due(now_ms, after, PAGE)
                taken = await self._hold(rows)
                at_end = len(rows) < PAGE
                if at_end or backlog.is_full:
                    break
                after = rows[-1].id
                if not taken:
                    await asyncio.sleep(IDLE_PAGE_S)
        finally:
            backlog.end_fetch(after, at_end)

    async def _hold(self, rows: list[Callback]) -> list[Callback]:
        """Takes rows from the table; returns those that memory holds now."""
        taken = []
        for callback in rows:
            if callback.id not in self._settled and callback.id not in self._held:
                self._take(callback, live=False)
                if callback.id in self._held:
                    taken.append(callback)
        await self._callbacks.read_ahead(taken)
        return taken

    async def _walk(self) -> None:
        """The next page of the due rows that memory does not hold; a host that is full is passed over."""
        self._more = False
        backlog, now_ms = self._backlog, self._clock_ms()
        if not backlog.after:
            backlog.begin_walk()
            if self._unsure:
                await self._learn()
        rows = await self._callbacks.read_due(now_ms, backlog.after, PAGE)
        taken = await self._hold(rows)
        if len(rows) == PAGE:
            backlog.after = rows[-1].id
            self._rest(0.0 if taken else IDLE_PAGE_S)
            return
        backlog.end_walk()
        if self._once_more:
            self._once_more, self._more = False, True
        elif backlog:
            self._rest(TICK_S)
        else:
            await self._end_walk(now_ms)

    async def _learn(self) -> None:
        """What the table holds of news that was tried before: newer news of the same messages waits behind it."""
        rows = await self._callbacks.read_tried(MOST_STALLED)
        for int_id, id_ in rows:
            if id_ not in self._held and id_ not in self._settled:
                self._stalled.setdefault(int_id, id_)
        self._unsure = len(rows) == MOST_STALLED

    async def _end_walk(self, now_ms: int) -> None:
        """The whole table was seen, and memory holds all of it that is due."""
        due_ms = await self._callbacks.next_due(now_ms)
        if due_ms is not None:
            self._next_due(due_ms)
            return
        # Nothing is left for later but what memory knows of: all that is stalled is held, or was taken away from outside.
        self._unsure = False
        self._unsure_of.clear()
        self._stalled = {int_id: id_ for int_id, id_ in self._stalled.items() if id_ in self._held}

    async def run(self) -> None:
        """The clock of the loop: paused hosts are probed again, and changes of the command line are seen."""
        while not self._stopping:
            await asyncio.sleep(TICK_S)
            self._hosts.resume(self._clock_ms())
            self._hosts.expire(self._clock_ms())
            for origin in list(self._thirsty)[:SLOW_FETCHED]:
                del self._thirsty[origin]
                self._backlog.want(origin)
            await self._see_mark()
            self._pump_soon()

    async def _see_mark(self) -> None:
        try:
            mark = await self._callbacks.mark()
        except StoreError:
            return  # it is away, and the refresh of the facts says so
        if mark != self._mark:
            self._mark = mark
            self.reconsider()

    def reconsider(self) -> None:
        """Somebody else has changed the table: what waits in memory is let go of and read anew; what is under way ends."""
        for queue in self._waiting.values():
            for callback, _ in queue:
                self._forget(callback.id)
        self._waiting.clear()
        self._stalled.clear()
        self._unsure = True
        self._backlog.begin_walk()
        self.look()

    def _spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._fetching.add(task)
        task.add_done_callback(self._fetching.discard)

    async def stop(self, grace_s: float) -> None:
        """Start nothing more, wait for what is under way; the rest stays in the table."""
        self._stopping = True
        await self._client.close(grace_s)
        for task in list(self._fetching):
            task.cancel()
