"""News for handlers in an operator's hands: what waits, what was tried, telling it again, dropping it (docs/callbacks.md).

All of it works in the store, beside a running server: its sender sees within a second that the mark in ``facts`` has
risen and reads the table anew. Event ids given here are odd and stand among those of their time (Desk.take_event).
"""

import re
from collections.abc import AsyncIterator, Callable, Iterable
from urllib.parse import urlsplit

import msgspec

from heliograph.core.accounts import Settings
from heliograph.services.moments import SLACK_MS, find_id
from heliograph.store.database import Database, Row, Transaction

SPAN = 2_000  # int_ids looked at by one read
PORTION = 200  # rows of one transaction: a server that waits for the writer waits some milliseconds
FAR_MS = 2**62
_LINE = re.compile(r"(?:status (-?\d+), event (\d+): )?(.*)", re.DOTALL)
_OK = re.compile(r"(200|404) in \d+ ms")

Progress = Callable[[int, int], None]


class Line(msgspec.Struct, frozen=True):
    """The backlog of an account. ``next_ms`` is the next repeat, if any; ``answer`` what came to the latest try."""

    login: str
    host: str
    waiting: int
    untried: int
    oldest_ms: int
    next_ms: int | None
    tries: int
    answer: str


class Attempt(msgspec.Struct, frozen=True):
    """One line of a story: status and event id as far as they were noted, and what came of it."""

    at_ms: int
    status: int | None
    event: int | None
    result: str

    @property
    def told(self) -> bool:
        """Whether the handler took it."""
        return _OK.fullmatch(self.result) is not None


class Waiting(msgspec.Struct, frozen=True):
    """News that waits; ``due_ms`` matters when there were tries."""

    event: int
    status: int
    err: int
    at_ms: int
    due_ms: int
    tries: int


class History(msgspec.Struct, frozen=True):
    """Everything about telling one message, or (``int_id`` below zero) one incoming record."""

    int_id: int
    attempts: tuple[Attempt, ...]
    waiting: tuple[Waiting, ...]


class Wanted(msgspec.Struct, frozen=True):
    """What to tell again or drop: named records, or all of an account (0: of everybody) that were made in a time."""

    int_ids: tuple[int, ...] = ()
    from_ms: int = 0
    to_ms: int = FAR_MS
    account_id: int = 0
    state: str = "failed"  # told, failed (and whatever waits for a repeat), or all


class Result(msgspec.Struct, frozen=True):
    """What became of it: ``again`` with known event ids or none (``new``), ``hastened`` repeats, ``unwanted`` by accounts
    whose handler is off."""

    looked: int = 0
    again: int = 0
    new: int = 0
    hastened: int = 0
    unwanted: int = 0


async def list_backlog(db: Database) -> list[Line]:
    """What waits to be told, the largest backlog first."""
    lines = []
    for account_id, login, settings, count, untried, oldest, next_ms, tries in await db.all("replays.backlog"):
        url = msgspec.json.decode(settings, type=Settings).callback_url
        tried = await db.one("replays.tried", account_id) if tries else None
        answer = await db.one("replays.answer", tried[0]) if tried else None
        host = urlsplit(url.partition("!")[0]).netloc.rpartition("@")[2] if url else "(no handler)"
        result = read_line(0, answer[0]).result if answer else ""
        name = login or f"account {account_id}"
        lines.append(Line(name, host, count, int(untried), oldest, next_ms, tries, result))
    return lines


async def show(db: Database, int_id: int) -> History:
    """The attempts to tell of one record, and what still waits."""
    attempts = [read_line(at_us // 1000, detail) for at_us, detail in await db.all("replays.story", int_id)]
    waiting = [Waiting(*row) for row in await db.all("callbacks.of", int_id)]
    return History(int_id, tuple(attempts), tuple(waiting))


def read_line(at_ms: int, detail: str) -> Attempt:
    """A line of a story as services/callbacks.py writes it."""
    found = _LINE.fullmatch(detail)
    assert found is not None
    return Attempt(at_ms, int(found[1]) if found[1] else None, int(found[2]) if found[2] else None, found[3])


async def replay(
    db: Database, wanted: Wanted, clock_us: Callable[[], int], progress: Progress = lambda done, total: None
) -> Result:
    """Have news told again: of messages the status they have now, with the event id under which it was told before, when
    that is known. What waits for its repeat is due at once; what has not been tried yet is left alone.

    ``clock_us`` tells microseconds since 1970.
    """
    accounts = {row[0]: msgspec.json.decode(row[5], type=Settings) for row in await db.all("snapshot.accounts")}
    result = Result()
    async for done, total, rows in _find(db, wanted):
        work: list[tuple[str, Row]] = []
        if rows:
            low, high = min(row[0] for row in rows), max(row[0] for row in rows)
            stories: dict[int, list[Attempt]] = {}
            for int_id, detail in await db.all("replays.stories", low, high):
                stories.setdefault(int_id, []).append(read_line(0, detail))
            waiting: dict[int, list[tuple[int, int]]] = {}
            if wanted.state != "told":
                for int_id, id_, tries in await db.all("replays.waiting", low, high):
                    waiting.setdefault(int_id, []).append((id_, tries))
            for row in rows:
                step, name = _decide(row, accounts, stories.get(row[0], []), waiting.get(row[0], []), wanted.state)
                work += step
                if name:
                    result = msgspec.structs.replace(result, **{name: getattr(result, name) + 1})
        result = msgspec.structs.replace(result, looked=result.looked + len(rows))
        for start in range(0, len(work), PORTION):
            await _write(db, work[start : start + PORTION], clock_us())
        progress(done, total)
    return result


def _decide(
    row: Row, accounts: dict[int, Settings], story: list[Attempt], waiting: list[tuple[int, int]], state: str
) -> tuple[list[tuple[str, Row]], str]:
    """What is done about one record, and what it counts as. A row of "put" with the id 0 gets a new one."""
    int_id, account_id, status, err, at_ms = row
    settings = accounts.get(account_id)
    switch = settings is not None and (settings.callback_statuses if int_id > 0 else settings.callback_incoming)
    if waiting:
        tried = [id_ for id_, tries in waiting if tries]
        return [("replays.hasten", (id_,)) for id_ in tried], "hastened" if tried else ""
    told = bool(story) and story[-1].told
    if state != "all" and (not story or told != (state == "told")):
        return [], ""
    if settings is None or not settings.callback_url or not switch:
        return [], "unwanted"
    known = next((each.event for each in reversed(story) if each.event and each.status == status), 0)
    return [("replays.put", (known, int_id, account_id, status, err, at_ms))], "again" if known else "new"


async def _write(db: Database, work: list[tuple[str, Row]], now_us: int) -> None:
    async with db.transaction() as tx:
        last = await _lock(tx)
        for query, row in work:
            if query == "replays.hasten":
                await tx.run(query, now_us // 1000, *row)
                continue
            id_ = row[0]
            if not id_:
                id_ = last = max(last + 2, now_us | 1)
            await tx.run(query, id_, *row[1:], now_us // 1000)
        await _raise_mark(tx, last, now_us)


async def _lock(tx: Transaction) -> int:
    row = await tx.one("replays.lock")
    assert row is not None
    return int(row[0])


async def _raise_mark(tx: Transaction, last: int, now_us: int) -> None:
    """A running sender looks at the table anew; the mark is odd, for the next ids follow it."""
    await tx.run("facts.put", "callbacks", str(max(last + 2, now_us | 1)))


async def _find(db: Database, wanted: Wanted) -> AsyncIterator[tuple[int, int, list[Row]]]:
    """Records in portions, each with how far it is: (done, total, rows)."""
    if wanted.int_ids:
        for number, int_id in enumerate(wanted.int_ids, 1):
            yield number, len(wanted.int_ids), await _find_one(db, int_id)
        return
    low = await find_id(db, wanted.from_ms - SLACK_MS) if wanted.from_ms else 0
    last = await db.one("messages.last")
    high = await find_id(db, wanted.to_ms + SLACK_MS) if wanted.to_ms < FAR_MS else (last[0] if last else 0) + 1
    total = high - low
    for first in range(low, high, SPAN):
        until = min(first + SPAN, high) - 1
        times = (wanted.from_ms, wanted.to_ms, wanted.account_id)
        yield until + 1 - low, total, await db.all("replays.messages", first, until, *times)
    after = 0
    while True:
        times = (wanted.from_ms, wanted.to_ms, wanted.account_id)
        rows = await db.all("replays.incoming", after, *times, SPAN)
        yield total, total, rows
        if len(rows) < SPAN:
            return
        after = -rows[-1][0]


async def _find_one(db: Database, int_id: int) -> list[Row]:
    if int_id > 0:
        return await db.all("replays.messages", int_id, int_id, 0, FAR_MS, 0)
    return await db.all("replays.one_incoming", -int_id)


async def drop(
    db: Database, wanted: Wanted, clock_us: Callable[[], int], progress: Progress = lambda done, total: None
) -> int:
    """Remove news that waits; how many pieces. What is under way at that moment is told all the same."""
    dropped = 0
    if wanted.int_ids:
        for int_id in wanted.int_ids:
            dropped += await _drop(db, await db.all("replays.rows_of", int_id), clock_us())
        return dropped
    after = 0
    while True:
        times = (wanted.from_ms, wanted.to_ms, wanted.account_id)
        rows = await db.all("replays.rows", after, *times, PORTION)
        dropped += await _drop(db, rows, clock_us())
        progress(dropped, 0)
        if len(rows) < PORTION:
            return dropped
        after = rows[-1][0]


async def _drop(db: Database, rows: Iterable[Row], now_us: int) -> int:
    async with db.transaction() as tx:
        last = await _lock(tx)
        count = 0
        for number, (id_, int_id, status) in enumerate(rows):
            if await tx.run("replays.drop", id_):
                count += 1
                detail = f"status {status}, event {id_}: not told: dropped by the operator"
                await tx.run("replays.note", int_id, now_us + number, detail)
        await _raise_mark(tx, last, now_us)
    return count
