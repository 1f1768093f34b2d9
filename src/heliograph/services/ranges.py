"""Number ranges imported from the files of regulators; they come before the shipped table (core/regulators.py)."""

from collections.abc import Callable, Iterable

import msgspec

from heliograph.core.ranges import Range
from heliograph.core.reasons import Reason, Refused
from heliograph.core.regulators import BadLine
from heliograph.store.database import Database, Step

REPORTED = 20
PORTION = 5000


class Source(msgspec.Struct, frozen=True):
    """The ranges of one source: how many, from the first to the last number."""

    name: str
    count: int
    first: int
    last: int


class Imported(msgspec.Struct, frozen=True):
    """What an import did: ranges taken, how many lines were bad, and the first of those."""

    taken: int
    bad: int
    examples: tuple[BadLine, ...]


async def replace(
    db: Database,
    source: str,
    ranges: Iterable[Range | BadLine],
    *,
    now_ms: int,
    progress: Callable[[int], None] | None = None,
) -> Imported:
    """Put these ranges in the place of all those of the same source, in one transaction.

    Reading the lines comes first, so the store is held for the writing only (some 2 s for half a million).
    Refused(BAD_PARAMETERS) when not one line could be read. ``progress(lines)`` is called now and then.
    """
    if not source.strip():
        raise Refused(Reason.BAD_PARAMETERS, "a source needs a name; a later import of that name replaces this one")
    rows: dict[tuple[int, int], tuple[object, ...]] = {}
    examples: list[BadLine] = []
    bad = done = 0
    for done, each in enumerate(ranges, 1):
        if isinstance(each, BadLine):
            bad += 1
            if len(examples) < REPORTED:
                examples.append(each)
        else:
            rows[each.start, each.end] = _write_row(each, source)
        if progress is not None and done % PORTION == 0:
            progress(done)
    if not rows:
        raise Refused(Reason.BAD_PARAMETERS, f"not one of {done} lines holds a range; nothing was changed")
    await db.transact(
        [
            Step("facts.raise_version", [()]),
            Step("facts.put", [("ranges", f"{now_ms} {source} {len(rows)}")]),
            Step("ranges.remove_source", [(source,)]),
            Step("ranges.put", list(rows.values())),
        ]
    )
    if progress is not None:
        progress(done)
    return Imported(len(rows), bad, tuple(examples))


async def remove(db: Database, source: str, *, now_ms: int) -> None:
    """Remove all ranges of a source; Refused(NOT_FOUND)."""
    names = [each.name for each in await list_sources(db)]
    if source not in names:
        raise Refused(Reason.NOT_FOUND, f"no ranges came from {source!r}; sources are {', '.join(names) or 'none'}")
    await db.transact(
        [
            Step("facts.raise_version", [()]),
            Step("facts.put", [("ranges", f"{now_ms} {source} 0")]),
            Step("ranges.remove_source", [(source,)]),
        ]
    )


async def list_sources(db: Database) -> list[Source]:
    """Where the imported ranges came from."""
    return [Source(*row) for row in await db.all("ranges.sources")]


def _write_row(each: Range, source: str) -> tuple[object, ...]:
    tz = "" if each.tz is None else str(each.tz)
    return (each.start, each.end, each.iso, each.operator, each.region, each.mcc, each.mnc, tz, source)
