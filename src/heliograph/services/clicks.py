"""Clicks on short links: where a code leads, counted on disk before the visitor goes on (spec sending 4.4 and 14.1, status 4)."""

import asyncio
import json
import logging
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from typing import Any

from heliograph.core.links import QUARTER_MS, Codes
from heliograph.core.messages import Message
from heliograph.core.status import Err, Status, may_move
from heliograph.services.batch import Change
from heliograph.services.desk import RETRY_S, Desk, Row
from heliograph.services.dispatch import Dispatch, end_rows, event_row

log = logging.getLogger(__name__)
Spawn = Callable[[Coroutine[Any, Any, None]], None]
# The address to go to, "" for an unknown code, None when the store cannot be asked.
Leads = Callable[[str | None], None]

KEPT = 50_000  # codes in memory, of some 400 bytes with their address: 20 MB
PORTION = 500  # codes looked up in one query
PATIENCE_S = 2.0  # a visitor does not wait longer for a store that is slow or away


class _Target:
    """Where a code leads; ``int_id`` is the message of a trail (0: a link's own code), 0 again once it has moved."""

    __slots__ = ("int_id", "link_id", "url")

    def __init__(self, link_id: int, url: str, int_id: int) -> None:
        self.link_id = link_id
        self.url = url
        self.int_id = int_id


class _Visit:
    """A visitor who waits until his click is on disk; he is sent on exactly once."""

    __slots__ = ("_done", "_timer", "_url")

    def __init__(self, url: str, done: Leads) -> None:
        self._url = url
        self._done: Leads | None = done
        self._timer = asyncio.get_running_loop().call_later(PATIENCE_S, self.go)

    def go(self) -> None:
        """On he goes."""
        done, self._done = self._done, None
        if done is not None:
            self._timer.cancel()
            done(self._url)


class Clicks:
    """Follows codes. Each click is counted; the first on a recipient's own link moves his message to status 4."""

    def __init__(self, desk: Desk, dispatch: Dispatch, codes: Codes, spawn: Spawn) -> None:
        self._desk = desk
        self._dispatch = dispatch
        self._codes = codes
        self._spawn = spawn
        self._targets: OrderedDict[int, _Target] = OrderedDict()
        self._missed: dict[int, list[tuple[bool, int, Leads]]] = {}
        self._looking = False
        self._again: dict[tuple[int, int], int] = {}  # clicks that the store could not take
        self.taken = self.counted = 0  # clicks that came, and those of them that are on disk

    def follow(self, code: str, counted: bool, now_ms: int, done: Leads) -> None:
        """``done`` is called once: when the click is on disk, or (not ``counted``) as soon as the address is known."""
        id_ = self._codes.read(code)
        if id_ is None or not self._desk.knows_link(id_):
            done("")
            return
        target = self._targets.get(id_)
        if target is not None:
            self._targets.move_to_end(id_)
            self._visit(target, counted, now_ms, done)
            return
        self._missed.setdefault(id_, []).append((counted, now_ms, done))
        if not self._looking:
            self._looking = True
            self._spawn(self._look())

    # -- where it leads --------------------------------------------------------------
    async def _look(self) -> None:
        """Look up what memory does not know, what has gathered at once."""
        try:
            while self._missed:
                ids = list(self._missed)[:PORTION]
                visitors = [self._missed.pop(id_) for id_ in ids]
                found: dict[int, _Target] | None = None
                try:
                    rows = await self._desk.db.all("links.targets", json.dumps(ids))
                    found = {row[0]: _Target(row[1], row[2], row[3]) for row in rows}
                except Exception as error:
                    log.error("links_not_looked_up", extra={"codes": len(ids), "error": str(error)})
                for id_, waiting in zip(ids, visitors, strict=True):
                    target = found.get(id_) if found is not None else None
                    if target is not None:
                        self._targets[id_] = target
                    for counted, now_ms, done in waiting:
                        if target is not None:
                            self._visit(target, counted, now_ms, done)
                        else:
                            done(None if found is None else "")
                while len(self._targets) > KEPT:
                    self._targets.popitem(last=False)
        finally:
            self._looking = False

    # -- the click -------------------------------------------------------------------
    def _visit(self, target: _Target, counted: bool, now_ms: int, done: Leads) -> None:
        if not counted:
            done(target.url)
            return
        self.taken += 1
        visit = _Visit(target.url, done)
        if not target.int_id:
            self._count(target, now_ms, visit)
            return
        message = self._desk.messages.get(target.int_id)
        if message is not None:
            self._move(message, target, now_ms, visit)
        else:
            self._spawn(self._fetch_and_move(target, now_ms, visit))

    async def _fetch_and_move(self, target: _Target, now_ms: int, visit: _Visit) -> None:
        message = None
        try:
            message = await self._dispatch.get(target.int_id)
        except Exception as error:
            log.error("clicked_message_not_read", extra={"int_id": target.int_id, "error": str(error)})
        else:
            if message is None:
                target.int_id = 0  # it has left the history; its link goes on
        if message is not None:
            self._move(message, target, now_ms, visit)
        else:
            self._count(target, now_ms, visit)

    def _move(self, message: Message, target: _Target, now_ms: int, visit: _Visit) -> None:
        """Count, and bring the message to status 4 in the same commit when its status lets that happen."""
        if message.parts > 1 and message.status == Status.WAITING and not self._dispatch.is_doubtful(message):
            self._count(target, now_ms, visit)  # parts of it are still to go out: a later click moves it
            return
        target.int_id = 0
        if not may_move(message.status, Status.CLICKED):
            self._count(target, now_ms, visit)
            return
        # A text that nobody has answered for is on the phone, as a click shows: it must not go out again.
        queued = message.status == Status.WAITING
        amount, rows = end_rows(self._desk, message, Status.CLICKED, Err.NONE, now_ms)
        if queued:
            self._dispatch.trust(message)
            rows.append(("queue.remove", (message.int_id,)))
        rows.append(event_row(self._desk, message, "clicked", f"link {target.link_id}", now_ms))
        rows.append(_count_row(target.link_id, now_ms // QUARTER_MS, 1))

        def stored() -> None:
            visit.go()
            self.counted += 1
            self._desk.note(message)

        self._desk.keep(message, rows, amount, stored, visit.go)

    def _count(self, target: _Target, now_ms: int, visit: _Visit) -> None:
        quarter = now_ms // QUARTER_MS

        def done(error: Exception | None) -> None:
            visit.go()
            if error is None:
                self.counted += 1
            else:
                self._keep(target.link_id, quarter, 1)

        self._desk.batch.add(Change([_count_row(target.link_id, quarter, 1)], done))

    def _keep(self, link_id: int, quarter: int, count: int) -> None:
        """What the store could not take is tried again until it fits, many clicks in one change."""
        if not self._again:
            log.error("clicks_not_stored", extra={"again_s": RETRY_S})
            self._desk.later(RETRY_S, self._try_again)
        self._again[link_id, quarter] = self._again.get((link_id, quarter), 0) + count

    def _try_again(self) -> None:
        kept, self._again = self._again, {}

        def done(error: Exception | None) -> None:
            if error is None:
                self.counted += sum(kept.values())
            else:
                for (link_id, quarter), count in kept.items():
                    self._keep(link_id, quarter, count)

        self._desk.batch.add(Change([_count_row(*key, count) for key, count in kept.items()], done))


def _count_row(link_id: int, quarter: int, count: int) -> tuple[str, Row]:
    return ("clicks.add", (link_id, quarter, count))
