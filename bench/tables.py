"""Results as tables: minimum, median and maximum over the runs."""

import statistics
from collections.abc import Iterable
from typing import Any

from bench.plan import Runs
from bench.steps import TITLES
from rich.console import Console
from rich.table import Table

NAMES = {
    "start_s": ("start to first accepted text", "s", 2),
    "idle_mb": ("memory at idle", "MB", 0),
    "idle_cpu_share": ("processor while nothing is sent, of one", "", 2),
    "accepted_per_s": ("accepted", "/s", 0),
    "arrived_per_s": ("arrived at the carrier", "/s", 0),
    "called_per_s": ("called back", "/s", 0),
    "taken_per_s": ("taken", "/s", 0),
    "taken_ms_p50": ("to its acknowledgement, middle", "ms", 1),
    "taken_ms_p99": ("to its acknowledgement, p99", "ms", 1),
    "healthy_called_per_s": ("called back, of healthy handlers", "/s", 0),
    "allowed_per_s": ("allowed by links x window, up to 6,000", "/s", 0),
    "share": ("arrived, share of what is allowed", "", 3),
    "mark": ("at least 95 % of it", "", 0),
    "codes": ("codes counted", "", 0),
    "answer_ms_p50": ("answer, p50", "ms", 1),
    "answer_ms_p99": ("answer, p99", "ms", 1),
    "answer_ms_max": ("answer, worst", "ms", 1),
    "arrival_ms_p50": ("at the carrier, p50", "ms", 1),
    "arrival_ms_p99": ("at the carrier, p99", "ms", 1),
    "arrival_ms_max": ("at the carrier, worst", "ms", 1),
    "callback_ms_p50": ("called back (carrier: 100 ms), p50", "ms", 1),
    "callback_ms_p99": ("called back (carrier: 100 ms), p99", "ms", 1),
    "bulk_accepted_per_s": ("bulk accepted meanwhile", "/s", 0),
    "server_cpu_us": ("CPU of the server a text", "µs", 0),
    "loop_cpu_us": ("- of the loop's thread", "µs", 0),
    "writer_cpu_us": ("- of the busiest other thread (writer)", "µs", 0),
    "others_cpu_us": ("- of the other threads", "µs", 0),
    "lock_us": ("interpreter's lock held a text", "µs", 0),
    "lock_loop_us": ("- by the loop", "µs", 0),
    "lock_others_us": ("- by other threads", "µs", 0),
    "postgres_cpu_us": ("CPU of PostgreSQL a text", "µs", 0),
    "peak_mb": ("peak memory", "MB", 0),
    "answer_s": ("answer", "s", 2),
    "handed_over_per_s": ("handed to the carrier", "/s", 0),
    "growth_mb": ("growth of memory", "MB", 0),
    "server_growth_mb": ("- of the server itself", "MB", 0),
    "fill_s": ("filling it", "s", 1),
    "store_mb": ("size of the store", "MB", 0),
    "cpu_us": ("CPU of all a text", "µs", 0),
    "wall_us": ("time a text, first request to last callback", "µs", 0),
    "cpu_ratio": ("CPU, ratio to the first", "", 2),
    "wall_ratio": ("time, ratio to the first", "", 2),
    "page_ms_p50": ("answer, p50", "ms", 1),
    "page_ms_p99": ("answer, p99", "ms", 1),
    "page_ms_max": ("answer, worst", "ms", 1),
    "answer_kb": ("size of an answer", "kB", 0),
    "rows": ("messages in it", "", 0),
    "numbers_per_s": ("numbers", "/s", 0),
    "known_share": ("share of numbers that are known", "", 2),
    "clicks_per_s": ("clicks on disk", "/s", 0),
    "export_s": ("export, from begin to end", "s", 1),
    "export_rows": ("messages in its file", "", 0),
    "rows_per_s": ("messages", "/s", 0),
    "sends_alone_per_s": ("accepted without an export", "/s", 0),
    "sends_beside_per_s": ("accepted beside it", "/s", 0),
    "sends_ratio": ("ratio of the two", "", 2),
    "sends_alone_ms_p99": ("answer without it, p99", "ms", 1),
    "sends_beside_ms_p99": ("answer beside it, p99", "ms", 1),
    "answered_per_s": ("answered", "/s", 0),
    "receipts_per_s": ("receipts", "/s", 0),
    "lost": ("lost", "", 0),
    "doubled": ("doubled", "", 0),
    "not_called": ("not called back", "", 0),
    "refused": ("refused or unanswered", "", 0),
}
ALWAYS_ZERO = ("lost", "doubled", "not_called", "refused")


def show(console: Console, machine: dict[str, Any], found: dict[str, Runs]) -> None:
    """One table a step."""
    console.print(", ".join(f"{name} {value}" for name, value in machine.items()))
    for step, runs_by_name in found.items():
        table = Table(title=TITLES[step], title_justify="left")
        table.add_column("load")
        table.add_column("what")
        for heading in ("min", "median", "max"):
            table.add_column(heading, justify="right")
        table.add_column("")
        for name, runs in runs_by_name.items():
            for number, (key, values) in enumerate(gather(runs)):
                table.add_row(f"{name}, {len(runs)} x" if number == 0 else "", *describe(key, values))
            table.add_section()
        console.print(table)


def gather(runs: list[dict[str, Any]]) -> Iterable[tuple[str, list[Any]]]:
    """Figures by name; what must be zero only where it is not."""
    for key in runs[0]:
        values = [run[key] for run in runs if run.get(key) is not None]
        if values and not (key in ALWAYS_ZERO and not any(values)):
            yield key, values


def describe(key: str, values: list[Any]) -> tuple[str, ...]:
    """The cells of a row."""
    title, unit, digits = NAMES.get(key, (key, "", 1))
    if not all(isinstance(value, int | float) for value in values):
        return title, "", ", ".join(map(str, values)), "", ""
    if key in ALWAYS_ZERO:
        title = f"[red]{title}[/]"
    spread = (min(values), statistics.median(values), max(values))
    return title, *(f"{value:,.{digits}f}" for value in spread), unit


def find_faults(found: dict[str, Runs]) -> list[str]:
    """Steps that failed and texts that were lost, doubled or not called back."""
    faults = []
    for step, runs_by_name in found.items():
        for name, runs in runs_by_name.items():
            for run in runs:
                if "why" in run:
                    faults.append(f"{step}: {run['why']}")
                faults += [f"{step}, {name}: {run[key]} {NAMES[key][0]}" for key in ALWAYS_ZERO if run.get(key)]
    return faults
