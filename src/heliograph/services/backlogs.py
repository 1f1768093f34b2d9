"""What waits: the queue by carrier and lane, callbacks and receipts nobody could join (design section 11)."""

import msgspec

from heliograph.store.database import Database

RECENT_MS = 600_000


class Line(msgspec.Struct, frozen=True):
    """The queue of one carrier in one lane. ``oldest_ms`` is the earliest due time of what was not started, if any."""

    carrier: str
    lane: int
    waiting: int
    due: int
    started: int
    unsure: int
    oldest_ms: int | None


class Speed(msgspec.Struct, frozen=True):
    """Parts a second that a carrier took lately, and how long what is due will last at that, in seconds (None: unknown)."""

    carrier: str
    parts_s: float
    left_s: float | None


class Backlog(msgspec.Struct, frozen=True):
    """Everything that waits at one moment."""

    at_ms: int
    lines: tuple[Line, ...]
    speeds: tuple[Speed, ...]
    callbacks: int
    callbacks_due_ms: int | None
    orphans: int
    deliveries: int = 0  # to customers on SMPP


async def measure(db: Database, now_ms: int) -> Backlog:
    """The backlog now. The speed is that of at most 2000 parts of the last ten minutes."""
    rows = await db.all("backlog.depth", now_ms)
    lines = tuple(
        Line(carrier or f"carrier {id_}", lane, waiting, int(due), int(started), int(unsure), oldest)
        for id_, carrier, lane, waiting, due, started, unsure, oldest in rows
    )
    due_of: dict[int, int] = {}
    for row in rows:
        due_of[row[0]] = due_of.get(row[0], 0) + int(row[4])
    names = {row[0]: line.carrier for row, line in zip(rows, lines, strict=True)}
    callbacks = await db.one("backlog.callbacks") or (0, None)
    orphans = await db.one("backlog.orphans") or (0,)
    deliveries = await db.one("backlog.deliveries") or (0,)
    speeds = await _measure_speeds(db, now_ms, names, due_of)
    return Backlog(now_ms, lines, speeds, callbacks[0], callbacks[1], orphans[0], deliveries[0])


async def _measure_speeds(
    db: Database, now_ms: int, names: dict[int, str], due_of: dict[int, int]
) -> tuple[Speed, ...]:
    taken = {id_: rest for id_, *rest in await db.all("backlog.answered", now_ms - RECENT_MS)}
    speeds = []
    for id_, name in names.items():
        count, first_ms, _ = taken.get(id_, (0, now_ms, now_ms))
        # To now, not to the last answer: a carrier that fell silent gets slower with every second.
        rate = count * 1000 / max(now_ms - first_ms, 1000)
        speeds.append(Speed(name, round(rate, 1), round(due_of[id_] / rate, 1) if rate else None))
    return tuple(speeds)
