"""The command line of the bench."""

import argparse
import json
import os
import platform
import sys
import tempfile
from pathlib import Path
from typing import Any

from bench import compare, tables
from bench.children import stop_on_sigterm
from bench.steps import STEPS, Plan, run
from bench.stores import open_stores
from rich.console import Console

DEFAULT_STEPS = [name for name in STEPS if name != "tools"]


def main() -> int:
    """The exit code: 0, or 1 when a step failed or a text was lost."""
    if sys.argv[1:2] == ["compare"]:
        return compare.main(sys.argv[2:])
    options = read_options()
    stop_on_sigterm()
    progress = Console(stderr=True)
    with tempfile.TemporaryDirectory(prefix="heliograph-bench-", dir=options.folder) as folder:
        stores = open_stores(options.database)
        try:
            with progress.status("") as status:
                plan = Plan(Path(folder), stores, options.runs, options.scale, tuple(options.levels), status.update)
                if not progress.is_terminal:
                    plan.tell = lambda text: print(f"bench: {text}", file=sys.stderr, flush=True)
                found = run(plan, options.steps)
        finally:
            stores.close()
    machine = describe_machine(stores.name)
    if options.json:
        print(json.dumps({"machine": machine, "steps": found}, indent=1))
    else:
        console = Console()
        tables.show(console if console.is_terminal else Console(width=110), machine, found)
    faults = tables.find_faults(found)
    for fault in faults:
        print(f"bench: {fault}", file=sys.stderr)
    return 1 if faults else 0


def read_options() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(
        prog="./dev bench",
        description="Measure Heliograph on this machine. `./dev bench compare --help`: beside another gateway.",
    )
    parser.add_argument("--steps", nargs="+", choices=list(STEPS), default=DEFAULT_STEPS, help="what to measure")
    parser.add_argument("--runs", type=int, default=3, help="how often each (default 3)")
    parser.add_argument("--scale", type=float, default=1.0, help="0.1: a tenth of the texts, for a quick look")
    parser.add_argument("--levels", type=int, nargs="+", default=[1, 32, 128], help="connections (default 1 32 128)")
    parser.add_argument(
        "--database", default="sqlite", help="sqlite, postgres (a server from a wheel), or postgresql://… of your own"
    )
    parser.add_argument("--folder", help="where the stores lie (default: the temporary folder); the disk matters")
    parser.add_argument("--json", action="store_true", help="every run as JSON instead of tables")
    options = parser.parse_args()
    if options.runs < 1 or options.scale <= 0 or min(options.levels) < 1:
        parser.error("--runs, --scale and --levels are above 0")
    return options


def describe_machine(database: str) -> dict[str, Any]:
    """What the figures depend on."""
    models = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return {
        "cores": len(os.sched_getaffinity(0)),
        "cpu": models[0].partition(":")[2].strip() if models else platform.machine(),
        "python": platform.python_version(),
        "database": database,
        "load before": round(os.getloadavg()[2], 1),
    }
