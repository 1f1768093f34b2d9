"""The loop that tells customers: due rows to their hosts, one in flight per message, slow hosts in nobody's way (design section 6D)."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from heliograph.callbacks import held, stalled
from heliograph.callbacks.client import Answer, Client
from heliograph.callbacks.held import Held
from heliograph.callbacks.hosts import Call, Hosts
from heliograph.callbacks.payloads import render, render_incoming, sign
from heliograph.callbacks.plans import Plan, parse_plan
from heliograph.callbacks.reader import Reader
from heliograph.callbacks.stalled import Stalled
from heliograph.callbacks.targets import BadTarget
from heliograph.core.accounts import Account
from heliograph.services.callbacks import Callback, Callbacks, callback_of
from heliograph.store.database import StoreError

log = logging.getLogger(__name__)

TICK_S = 1.0
OK = frozenset({200, 404})  # 404 counts as told, too (seed 001)


class Sender:
    """Sends news; belongs to the event loop. Its ``reader`` fills memory from the table."""

    def __init__(
        self,
        callbacks: Callbacks,
        client: Client,
        hosts: Hosts,
        clock_ms: Callable[[], int],
        most_held: int = held.MOST,
        most_stalled: int = stalled.MOST,
    ) -> None:
        self._callbacks = callbacks
        self._client = client
        self._hosts = hosts
        self._clock_ms = clock_ms
        self._held = Held(hosts, most_held)
        self.stalled = Stalled(most_stalled)
        self.reader = Reader(callbacks, self._held, self.stalled, hosts, self._take, self._pump_soon, clock_ms)
        # News that waits for older news of the same message that is under way, by message.
        self._busy: dict[int, deque[tuple[Callback, Plan]]] = {}
        self._mark = ""
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

    def _take(self, callback: Callback, live: bool = False) -> None:
        """Hold a row in memory, or leave it to the table. A ``live`` one does not come from there."""
        if callback.id in self._held:
            return
        older_id = self.stalled.older(callback.int_id)
        if callback.id > older_id:
            # In the table as well: it is read with the older one. The time says nothing here, for the older one may have
            # become due after this page was read.
            return
        plan = self._plan(callback)
        if plan is None:
            return
        origin, backlog = plan.target.origin, self.reader.backlog
        if not live and not backlog.concerns(origin):
            return
        if not self._held.has_room(origin) or not backlog.may_take(origin, callback.id, live):
            self.reader.leave(origin, callback.id)
            return
        self.stalled.end(callback.int_id, callback.id)  # not before there was room: it must not be overtaken
        self._held.add(callback, plan, self._clock_ms())

    def _plan(self, callback: Callback) -> Plan | None:
        """Where it goes; None when it was dropped, for nobody wants it."""
        account = self._callbacks.find_account(callback)
        if account is None:
            self._callbacks.drop(callback, "the account wants no callbacks", self._clock_ms())
            return None
        try:
            return parse_plan(account.settings.callback_url)
        except BadTarget as error:
            self._callbacks.drop(callback, f"bad callback address: {error}", self._clock_ms())
            return None

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
        self._hosts.resume(now_ms)
        while (origin := self._hosts.next_turn(now_ms)) is not None:
            row = self._held.pop(origin, now_ms)
            if row is not None:
                self._begin(*row, now_ms)
                self.reader.refill(origin)
        if (wait_ms := self._hosts.wait_ms(now_ms)) is not None and not self._waking:
            self._waking = True
            asyncio.get_running_loop().call_later((wait_ms + 1) / 1000, self._wake)
        self.reader.read_on()

    def _wake(self) -> None:
        """Places have become free by time alone."""
        self._waking = False
        self._pump_soon()

    def _begin(self, callback: Callback, plan: Plan, now_ms: int) -> None:
        """Send one row, unless another of the same message is under way, or older news of it has failed meanwhile."""
        if callback.id > self.stalled.older(callback.int_id):
            self._held.forget(callback.id)  # it is in the table
            return
        if callback.int_id in self._busy:
            self._busy[callback.int_id].append((callback, plan))
            return
        self._busy[callback.int_id] = deque()
        call = self._hosts.begin(plan.target.origin, now_ms)
        account, message = self._callbacks.find_account(callback), self._callbacks.find(callback)
        if account is not None and message is not None and not self.stalled.is_unsure(plan.target.origin):
            self._post(callback, plan, call, render(plan, callback, message, account), account)
        else:
            self._spawn(self._fetch(callback, plan, call))

    async def _fetch(self, callback: Callback, plan: Plan, call: Call) -> None:
        """Send one row of which something must be asked from the store."""
        account = self._callbacks.find_account(callback)
        try:
            unsure = self.stalled.is_unsure(plan.target.origin)
            older_id = await self._callbacks.find_older(callback) if unsure else None
            body = await self._write(callback, plan, account) if older_id is None and account is not None else b""
        except Exception:
            log.exception("callback_fetch_failed")
            self._put_back(callback, plan, call)
            return
        if older_id is not None:
            self.stalled.found(callback.int_id, older_id)
            self._put_back(callback, plan, call, more=False)
        elif account is None or not body:
            self._callbacks.drop(callback, "its message or account is gone", self._clock_ms())
            self._over(callback)
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
        self._held.forget(callback.id)
        if more:
            self.reader.read_again()
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
            self.stalled.add(callback.int_id, callback.id)
            self.reader.wake_at(still_open.due_ms)
        else:
            self._over(callback)
        self._hosts.end(call, answer.status != 0, now_ms)
        for id_ in self._held.trim(plan.target.origin):
            self.reader.leave(plan.target.origin, id_)
        self._free(callback, plan)

    def _over(self, callback: Callback) -> None:
        """It is over: what waits behind it in the table may be told."""
        if self.stalled.end(callback.int_id, callback.id):
            self.reader.read_again()

    def _let_go(self, callback: Callback, plan: Plan) -> None:
        """What became of it is on disk."""
        self._held.forget(callback.id)
        self.stalled.keep(callback.int_id, callback.id, plan.target.origin)
        self.reader.settle(callback.id)

    def _free(self, callback: Callback, plan: Plan) -> None:
        """Nothing of this message is under way any more: what waited behind it is next, unless it is to be told again."""
        behind = self._busy.pop(callback.int_id)
        if behind and callback.int_id in self.stalled:
            for newer, _ in behind:
                self._held.forget(newer.id)
        elif behind:
            self._held.put_first(plan.target.origin, behind, self._clock_ms())
        self._pump_soon()

    # -- from outside -------------------------------------------------------------
    def look(self) -> None:
        """Look at the table: a large request has become valid."""
        self.reader.look()

    async def run(self) -> None:
        """The clock of the loop: paused hosts are probed again, and changes of the command line are seen."""
        while not self._stopping:
            await asyncio.sleep(TICK_S)
            self._hosts.expire(self._clock_ms())
            self.reader.refill_slow()
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
        self._held.clear()
        self.stalled.reset()
        self.reader.restart()

    def _spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._fetching.add(task)
        task.add_done_callback(self._fetching.discard)

    async def stop(self, grace_s: float) -> None:
        """Start nothing more, wait for what is under way; the rest stays in the table."""
        self._stopping = True
        await self._client.close(grace_s)
        self.reader.stop()
        for task in list(self._fetching):
            task.cancel()
