"""The loop that tells customers: due rows to their handlers, one in flight per message, slow handlers in nobody's way (design section 6D)."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from heliograph.callbacks import held, stalled
from heliograph.callbacks.client import Answer, Client
from heliograph.callbacks.handlers import Call, Handlers
from heliograph.callbacks.held import Held
from heliograph.callbacks.payloads import render, render_incoming, sign
from heliograph.callbacks.plans import Plan, parse_plan
from heliograph.callbacks.reader import Reader
from heliograph.callbacks.stalled import Stalled
from heliograph.callbacks.targets import Address, BadTarget
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
        handlers: Handlers,
        clock_ms: Callable[[], int],
        most_held: int = held.MOST,
        most_stalled: int = stalled.MOST,
    ) -> None:
        self._callbacks = callbacks
        self._client = client
        self._handlers = handlers
        self._clock_ms = clock_ms
        self._held = Held(handlers, most_held)
        self.stalled = Stalled(most_stalled)
        self.reader = Reader(callbacks, self._held, self.stalled, handlers, self._take, self._pump_soon, clock_ms)
        # News that waits for older news of the same message that is under way, by message.
        self._busy: dict[int, deque[Callback]] = {}
        self._unnoted: set[int] = set()  # told or failed, and the table does not show it yet
        self._addresses: dict[int, Address] = {}  # where each account was last told: a new address moves what waits
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
        if self.stalled.is_behind(callback.int_id, callback.id):
            # In the table as well: it is read when the older one is over. The time says nothing here, for the older one may
            # have become due after this page was read.
            self.stalled.leave(callback.int_id, callback.id)
            return
        found = self._find(callback)
        if found is None:
            return
        plan = found[1]
        if self._has_moved(callback, plan) and not live:
            return
        address, backlog = plan.target.address, self.reader.backlog
        if not live and not backlog.concerns(address):
            return
        if live and self._may_be_second(callback):
            self.reader.pass_over()
            return
        if not self._held.has_room(address) or not backlog.may_take(address, callback.id, live):
            self.reader.leave(address, callback.id)
            return
        self.stalled.end(callback.int_id, callback.id)  # not before there was room: it must not be overtaken
        self.stalled.take(callback.int_id, callback.id)
        self._held.add(callback, address, self._clock_ms())

    def _find(self, callback: Callback) -> tuple[Account, Plan] | None:
        """Whose it is and where it goes; None when it was dropped, for nobody wants it."""
        account = self._callbacks.find_account(callback)
        if account is None:
            self._drop(callback, "the account wants no callbacks")
            return None
        try:
            return account, parse_plan(account.settings.callback_url)
        except BadTarget as error:
            self._drop(callback, f"bad callback address: {error}")
            return None

    def _drop(self, callback: Callback, why: str) -> None:
        self._callbacks.drop(callback, why, self._clock_ms())
        self.stalled.take(callback.int_id, callback.id)
        self._over(callback)

    def _has_moved(self, callback: Callback, plan: Plan) -> bool:
        """Whether its account has a handler elsewhere now. What waits for the old one would be overtaken by what comes for
        the new one, so all of it is read anew."""
        address = plan.target.address
        if self._addresses.setdefault(callback.account_id, address) == address:
            return False
        self._addresses[callback.account_id] = address
        self.reconsider()
        return True

    def _may_be_second(self, callback: Callback) -> bool:
        """Whether older news of the same message may stand in a part of the table that was not read yet."""
        if self.reader.knows_all or callback.int_id < 0:
            return False
        message = self._callbacks.find(callback)
        return message is None or message.created_ms <= self.reader.since_ms

    # -- sending ----------------------------------------------------------------
    def _pump_soon(self) -> None:
        if not self._pumping and not self._stopping:
            self._pumping = True
            asyncio.get_running_loop().call_soon(self._pump)

    def _pump(self) -> None:
        """Hand over what the handlers have room for, handler by handler in turn."""
        self._pumping = False
        if self._stopping:
            return
        now_ms = self._clock_ms()
        self._handlers.resume(now_ms)
        while (address := self._handlers.next_turn(now_ms)) is not None:
            callback = self._held.pop(address, now_ms)
            if callback is not None:
                self._begin(callback, address, now_ms)
                self.reader.refill(address)
        if (wait_ms := self._handlers.wait_ms(now_ms)) is not None and not self._waking:
            self._waking = True
            asyncio.get_running_loop().call_later((wait_ms + 1) / 1000, self._wake)
        self.reader.read_on()

    def _wake(self) -> None:
        """Places have become free by time alone."""
        self._waking = False
        self._pump_soon()

    def _begin(self, callback: Callback, address: Address, now_ms: int) -> None:
        """Send one row, unless another of the same message is under way, or older news of it has failed meanwhile."""
        if self.stalled.is_behind(callback.int_id, callback.id):
            self._left_behind(callback)
            return
        if callback.int_id in self._busy:
            self._busy[callback.int_id].append(callback)
            return
        found = self._find(callback)
        if found is None or self._has_moved(callback, found[1]):
            self._held.forget(callback.id)
            return
        account, plan = found
        self._busy[callback.int_id] = deque()
        call = self._handlers.begin(address, now_ms)
        message = self._callbacks.find(callback)
        if message is not None and not self.stalled.is_unsure(callback.account_id):
            self._post(callback, plan, call, render(plan, callback, message, account), account)
        else:
            self._spawn(self._fetch(callback, plan, call, account))

    async def _fetch(self, callback: Callback, plan: Plan, call: Call, account: Account) -> None:
        """Send one row of which something must be asked from the store."""
        try:
            older_id = await self._find_older(callback) if self.stalled.is_unsure(callback.account_id) else None
            body = await self._write(callback, plan, account) if older_id is None else b""
        except Exception:
            log.exception("callback_fetch_failed")
            self._put_back(callback, plan, call)
            return
        if older_id is not None:
            if older_id not in self._held:
                self.stalled.found(callback.int_id, older_id)
            self._put_back(callback, plan, call, more=False)
        elif not body:
            self._held.forget(callback.id)
            self._drop(callback, "its message is gone")
            self._handlers.withdraw(call, self._clock_ms())
            self._free(callback)
        elif self._client.room > 0:
            self._post(callback, plan, call, body, account)
        else:
            self._put_back(callback, plan, call)

    async def _find_older(self, callback: Callback) -> int | None:
        """Older news of the same message that is to be told again, by the table, which shows what was told just now until
        that is noted: it is over, and what was noted while the table was asked is asked about once more."""
        older_id = await self._callbacks.find_older(callback)
        if older_id is not None and older_id not in self._unnoted:
            older_id = await self._callbacks.find_older(callback)
        return None if older_id in self._unnoted else older_id

    async def _write(self, callback: Callback, plan: Plan, account: Account) -> bytes:
        """The body; empty when what it is about is gone."""
        if callback.int_id < 0:
            incoming = await self._callbacks.fetch_incoming(callback)
            return b"" if incoming is None else render_incoming(plan, incoming)
        message = await self._callbacks.fetch(callback)
        return b"" if message is None else render(plan, callback, message, account)

    def _put_back(self, callback: Callback, plan: Plan, call: Call, more: bool = True) -> None:
        """It was not sent: memory lets go of it, and with ``more`` the table is read again."""
        self._left_behind(callback)
        if more:
            self.reader.read_again()
        self._handlers.withdraw(call, self._clock_ms())
        self._free(callback)

    def _post(self, callback: Callback, plan: Plan, call: Call, body: bytes, account: Account) -> None:
        headers: tuple[tuple[bytes, bytes], ...] = ((b"X-Heliograph-Event", b"%d" % callback.id),)
        keys = self._callbacks.keys_of(account)
        if keys:
            headers = (*headers, (b"X-Heliograph-Signature", sign(body, keys, self._clock_ms() // 1000)))
        self._client.post(plan.target, body, plan.content_type, self._answered, (callback, plan, call), headers)

    def _answered(self, answer: Answer, context: tuple[Callback, Plan, Call]) -> None:
        callback, plan, call = context
        now_ms = self._clock_ms()
        self._unnoted.add(callback.id)
        ok = answer.status in OK
        detail = f"{answer.status or answer.error} in {answer.took_ms} ms"
        still_open = self._callbacks.record(callback, ok, detail, now_ms, lambda: self._let_go(callback, plan, is_open))
        is_open = still_open is not None
        if still_open is not None:
            self.stalled.add(callback.int_id, callback.id)
            self.reader.wake_at(still_open.due_ms)
        else:
            self._over(callback)
        self._handlers.end(call, answer.status != 0, now_ms)
        for id_ in self._held.trim(plan.target.address):
            self.reader.leave(plan.target.address, id_)
        self._free(callback)

    def _over(self, callback: Callback) -> None:
        """It is over: what waits behind it in the table may be told."""
        if self.stalled.end(callback.int_id, callback.id) or self.stalled.has_behind(callback.int_id):
            self.reader.read_again()

    def _let_go(self, callback: Callback, plan: Plan, is_open: bool) -> None:
        """What became of it is on disk."""
        self._unnoted.discard(callback.id)
        self._held.forget(callback.id)
        self.stalled.keep(callback.int_id, callback.id, callback.account_id, plan.target.address)
        self.reader.settle(callback.id, is_open)

    def _free(self, callback: Callback) -> None:
        """Nothing of this message is under way any more: what waited behind it is next, unless it is to be told again."""
        behind = self._busy.pop(callback.int_id)
        for newer in behind:
            found = None if callback.int_id in self.stalled else self._find(newer)
            if found is not None:  # to where its account is told now
                self._held.add(newer, found[1].target.address, self._clock_ms())
            else:
                self._left_behind(newer)
        self._pump_soon()

    def _left_behind(self, callback: Callback) -> None:
        """It waits in the table, and newer news of its message behind it."""
        self._held.forget(callback.id)
        self.stalled.leave(callback.int_id, callback.id)

    # -- from outside -------------------------------------------------------------
    def look(self) -> None:
        """Look at the table: a large request has become valid."""
        self.reader.look()

    async def run(self) -> None:
        """The clock of the loop: paused handlers are probed again, and changes of the command line are seen."""
        while not self._stopping:
            await asyncio.sleep(TICK_S)
            self._handlers.expire(self._clock_ms())
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
        for behind in self._busy.values():
            for callback in behind:
                self._held.forget(callback.id)
            behind.clear()
        self.stalled.reset(self._held)
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
