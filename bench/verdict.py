"""Whether a long run stayed as it began: the first quarter of its samples beside the last, and limits that must hold."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from bench.samples import Sample

UNDER_WAY_S = 5  # of the load, in rows, may lie in a working table: a receipt takes 0.1 s, a callback less
MEMORY_SHARE, MEMORY_MB = 1.1, 16.0  # over a million texts that is some 20 bytes a text
LATENCY_SHARE, P50_MS, P99_MS = 1.5, 2.0, 10.0
MORE_FILES = 8
# Pools fill when answers lag: 8 connections to a handler (callbacks.per_handler) and 4 links to a carrier, and a few in closing.
MORE_SOCKETS = 16
LEAKS = ("memory", "open files", "sockets", "write-ahead log", "queue", "callbacks", "staged", "orphans", "left over")


@dataclass(frozen=True)
class Rule:
    """One line of the verdict: how it was in the first and in the last quarter, and what the last may be at most."""

    name: str
    first: float
    last: float
    limit: float
    unit: str = ""

    @property
    def holds(self) -> bool:
        """Whether it is within its limit."""
        return self.last <= self.limit

    def describe(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self) | {"holds": self.holds}


def judge(samples: Sequence[Sample], rate: float, allowed_wal_mb: float, ending: dict[str, int]) -> list[Rule]:
    """Every rule. ``ending`` holds what must be 0 when all has drained: lost, doubled and so on.

    The first sample is left out: links are bound and caches filled during it.
    """
    kept = samples[1:] if len(samples) > 4 else samples
    quarter = max(1, len(kept) // 4)
    first, last = kept[:quarter], kept[-quarter:]

    def middle(read: Callable[[Sample], float]) -> tuple[float, float]:
        return statistics.median(map(read, first)), statistics.median(map(read, last))

    def most(read: Callable[[Sample], float]) -> tuple[float, float]:
        return max(map(read, first)), max(map(read, last))

    memory = middle(lambda one: one.memory_mb)
    rules = [Rule("memory", *memory, memory[0] * MEMORY_SHARE + MEMORY_MB, "MB")]
    for name, read, more in (
        ("open files", lambda one: one.files, MORE_FILES),
        ("sockets", lambda one: one.sockets, MORE_SOCKETS),
    ):
        pair = most(read)
        rules.append(Rule(name, *pair, pair[0] + more))
    rules.append(Rule("write-ahead log", *most(lambda one: one.wal_mb), allowed_wal_mb, "MB"))
    for table in ("queue", "callbacks", "orphans"):
        rules.append(Rule(table, *most(lambda one, table=table: getattr(one, table)), rate * UNDER_WAY_S, "rows"))  # type: ignore[misc]
    rules.append(Rule("staged", *most(lambda one: one.staged), 0, "rows"))
    delays: tuple[tuple[str, Callable[[Sample], float], float], ...] = (
        ("request to answer, p50", lambda one: one.answer_ms_p50, P50_MS),
        ("request to answer, p99", lambda one: one.answer_ms_p99, P99_MS),
        ("request to carrier, p50", lambda one: one.carrier_ms_p50, P50_MS),
        ("request to carrier, p99", lambda one: one.carrier_ms_p99, P99_MS),
    )
    for name, read, slack in delays:
        pair = middle(read)
        rules.append(Rule(name, *pair, pair[0] * LATENCY_SHARE + slack, "ms"))
    for name, read, slack in (
        ("CPU of the loop a text", lambda one: one.loop_cpu_us, 50.0),
        ("CPU of the writer a text", lambda one: one.writer_cpu_us, 50.0),
    ):
        pair = middle(read)
        rules.append(Rule(name, *pair, pair[0] * LATENCY_SHARE + slack, "µs"))
    return rules + [Rule(name, 0, count, 0) for name, count in ending.items()]
