"""What a server has used: processor time by thread, of its database, and of the interpreter's lock (proc(5))."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.children import cpu_s, thread_cpu_s
from bench.conditions import read_lock


@dataclass(frozen=True)
class Usage:
    """Totals at a moment, or (``since``) the difference of two; seconds, and looks at the lock."""

    at_s: float
    server_s: float
    threads_s: dict[int, float]  # the first entry is the loop's
    postgres_s: float | None
    lock: tuple[int, int, int, int] | None

    def since(self, before: "Usage") -> "Usage":
        """What was used from ``before`` until this one; threads that are new began with nothing."""
        return Usage(
            self.at_s - before.at_s,
            self.server_s - before.server_s,
            {thread: spent - before.threads_s.get(thread, 0.0) for thread, spent in self.threads_s.items()},
            None if self.postgres_s is None or before.postgres_s is None else self.postgres_s - before.postgres_s,
            None
            if self.lock is None or before.lock is None
            else (
                self.lock[0] - before.lock[0],
                self.lock[1] - before.lock[1],
                self.lock[2] - before.lock[2],
                self.lock[3] - before.lock[3],
            ),
        )

    def describe(self, texts: int) -> dict[str, Any]:
        """Microseconds a text. The busiest thread beside the loop's is the store's writer, where there is one: with
        PostgreSQL the loop itself writes, and there the busiest one is a reader that hardly works."""
        loop_s, *others = self.threads_s.values()
        others.sort(reverse=True)
        figures: dict[str, Any] = {
            "server_cpu_us": self.server_s * 1e6 / texts,
            "loop_cpu_us": loop_s * 1e6 / texts,
            "writer_cpu_us": others[0] * 1e6 / texts if others else 0.0,
            "others_cpu_us": sum(others[1:]) * 1e6 / texts,
        }
        if self.postgres_s is not None:
            figures["postgres_cpu_us"] = self.postgres_s * 1e6 / texts
        if self.lock is not None and self.lock[0]:
            looks, held, first, other = self.lock
            scale = self.at_s * 1e6 / texts / looks
            figures |= {"lock_us": held * scale, "lock_loop_us": first * scale, "lock_others_us": other * scale}
        return figures


def read_usage(pid: int, postgres: int = 0, lock: Path | None = None) -> Usage:
    """Of the server with this process id until now, of PostgreSQL's (0: none of ours), and the lock's counters."""
    threads = thread_cpu_s(pid)
    ordered = {pid: threads.pop(pid, 0.0)} | threads
    return Usage(
        time.monotonic(), cpu_s(pid), ordered, cpu_s(postgres) if postgres else None, read_lock(lock) if lock else None
    )
