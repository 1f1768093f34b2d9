"""The loop that tells customers: due rows to their hosts, one in flight per message, slow hosts in nobody's way (design section 6D)."""

import asyncio
import logging
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from typing import Any

from heliograph.callbacks.client import Answer, Client
from heliograph.callbacks.hosts import Hosts
from heliograph.callbacks.payloads import CONTENT_TYPE, render
from heliograph.callbacks.targets import BadTarget, Origin, Target, parse_target
from heliograph.core.accounts import Account
from heliograph.core.messages import Message
from heliograph.services.callbacks import Callback, Callbacks, callback_of

log = logging.getLogger(__name__)

MOST_HELD = 20_000  # rows in memory; the rest waits in the table
MOST_PER_HOST = 2_000
FEW = 10  # rows held for a host that is only probed: its backlog must not take the room of those that answer
PAGE = 1_000
TICK_S = 1.0
FAR_MS = 2**62
OK = frozenset({200, 404})  # 404 counts as told, too (seed 001)


class Sender:
    """Sends news; belongs to the event loop."""

    def __init__(
        self, callbacks: Callbacks, client: Client, clock_ms: Callable[[], int], most_held: int = MOST_HELD
    ) -> None:
        self._callbacks = callbacks
        self._client = client
        self._clock_ms = clock_ms
        self._most_held = most_held
        self._hosts = Hosts()
        self._waiting: OrderedDict[Any, deque[tuple[Callback, Target]]] = OrderedDict()
        self._held: set[int] = set()
        # Rows that left memory while a page was being read: the page may show them as they were.
        self._settled: set[int] = set()
        self._busy: dict[int, deque[tuple[Callback, Target]]] = {}
        # Messages of which older news is to be told again later, with its id: what is newer waits behind it.
        self._stalled: dict[int, int] = {}
        # Hosts of which rows are only in the table: newer ones wait there too, so that none overtakes them. And those that
        # the present walk over the table has found so.
        self._behind: set[Origin] = set()
        self._passed_over: set[Origin] = set()
        self._wake_ms = FAR_MS
        self._more = True
        self._after = 0
        self._reading = False
        self._pumping = False
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
        if callback.id == older_id:
            del self._stalled[callback.int_id]
        account = self._callbacks.find_account(callback)
        if account is None:
            self._callbacks.drop(callback, "the account wants no callbacks", now_ms)
            return True
        try:
            target = parse_target(account.settings.callback_url)
        except BadTarget as error:
            self._callbacks.drop(callback, f"bad callback address: {error}", now_ms)
            return True
        queue = self._waiting.get(target.origin)
        most = FEW if self._hosts.is_limited(target.origin) else MOST_PER_HOST
        full = len(self._held) >= self._most_held or (queue is not None and len(queue) >= most)
        if full or (live and target.origin in self._behind):
            self._leave(target.origin)
            return False
        if queue is None:
            queue = self._waiting[target.origin] = deque()
        queue.append((callback, target))
        self._held.add(callback.id)
        return True

    def _leave(self, origin: Origin) -> None:
        """A row of this host is left to the table."""
        self._behind.add(origin)
        self._passed_over.add(origin)
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
        for origin in list(self._waiting):
            queue = self._waiting[origin]
            while queue and self._hosts.may_send(origin, now_ms) and self._client.room(queue[0][1]) > 0:
                self._begin(*queue.popleft(), now_ms)
            if not queue:
                del self._waiting[origin]
        if self._waiting:
            self._waiting.move_to_end(next(iter(self._waiting)))
        if self._more and len(self._held) < self._most_held // 2 and not self._reading:
            self._reading = True
            self._spawn(self._read())

    def _begin(self, callback: Callback, target: Target, now_ms: int) -> None:
        """Send one row, unless another of the same message is under way."""
        if callback.int_id in self._busy:
            self._busy[callback.int_id].append((callback, target))
            return
        self._busy[callback.int_id] = deque()
        self._hosts.sent(target.origin, now_ms)
        account, message = self._callbacks.find_account(callback), self._callbacks.find(callback)
        if account is not None and message is not None:
            self._post(callback, target, message, account)
        else:
            self._spawn(self._fetch(callback, target))

    async def _fetch(self, callback: Callback, target: Target) -> None:
        account = self._callbacks.find_account(callback)
        try:
            message = await self._callbacks.fetch(callback)
        except Exception:
            log.exception("callback_fetch_failed")
            self._held.discard(callback.id)
            self._ended(callback, target, answered=True)
            self._more = True
            return
        if account is None or message is None:
            self._callbacks.drop(callback, "its message or account is gone", self._clock_ms())
            self._held.discard(callback.id)
            self._ended(callback, target, answered=True)
        elif self._client.room(target) > 0:
            self._post(callback, target, message, account)
        else:
            self._held.discard(callback.id)
            self._ended(callback, target, answered=True)
            self._more = True

    def _post(self, callback: Callback, target: Target, message: Message, account: Account) -> None:
        body = render(callback, message, account)
        headers = ((b"X-Heliograph-Event", b"%d" % callback.id),)
        self._client.post(target, body, CONTENT_TYPE, self._answered, (callback, target), headers)

    def _answered(self, answer: Answer, context: tuple[Callback, Target]) -> None:
        callback, target = context
        now_ms = self._clock_ms()
        ok = answer.status in OK
        detail = f"{answer.status or answer.error} in {answer.took_ms} ms"
        still_open = self._callbacks.record(callback, ok, detail, now_ms, lambda: self._let_go(callback))
        if still_open is not None:
            self._stalled[callback.int_id] = callback.id
            self._next_due(still_open.due_ms)
        self._ended(callback, target, answered=answer.status != 0)

    def _let_go(self, callback: Callback) -> None:
        """What became of it is on disk: from now on the table tells the truth about it."""
        self._held.discard(callback.id)
        if self._reading:
            self._settled.add(callback.id)

    def _ended(self, callback: Callback, target: Target, answered: bool) -> None:
        self._hosts.ended(target.origin, answered, self._clock_ms())
        if not answered and self._hosts.is_limited(target.origin):
            self._trim(target.origin)
        behind = self._busy.pop(callback.int_id)
        if behind and callback.int_id in self._stalled:
            self._held.difference_update(newer.id for newer, _ in behind)
        elif behind:
            queue = self._waiting.setdefault(target.origin, deque())
            queue.extendleft(reversed(behind))
        self._pump_soon()

    def _trim(self, origin: Origin) -> None:
        """A host that is only probed from now on gives its room to others; the newest rows leave first."""
        queue = self._waiting.get(origin)
        while queue is not None and len(queue) > FEW:
            self._held.discard(queue.pop()[0].id)
            self._leave(origin)

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
        self._more = True
        self._pump_soon()

    async def _read(self) -> None:
        """Walk over the due rows that memory does not hold; a host that is full is passed over."""
        try:
            self._more = False
            self._settled.clear()
            now_ms = self._clock_ms()
            if not self._after:
                self._passed_over.clear()
            rows = await self._callbacks.read_due(now_ms, self._after, PAGE)
            for callback in rows:
                if callback.id not in self._settled:
                    self._take(callback, live=False)
                self._after = callback.id
            if len(rows) == PAGE:
                self._more = True
            else:
                self._after = 0
                self._behind = set(self._passed_over)
                if self._behind:
                    await asyncio.sleep(TICK_S)
                    self._more = True
                else:
                    due_ms = await self._callbacks.next_due(now_ms)
                    if due_ms is not None:
                        self._next_due(due_ms)
        except Exception:
            log.exception("callbacks_read_failed")
            self._more = True
            await asyncio.sleep(TICK_S)
        finally:
            self._reading = False
            self._pump_soon()

    async def run(self) -> None:
        """The clock of the loop: paused hosts are probed again."""
        while not self._stopping:
            await asyncio.sleep(TICK_S)
            self._hosts.expire(self._clock_ms())
            self._pump_soon()

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
