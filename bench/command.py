"""The command line of the bench."""

import argparse
import json
import os
import platform
import sys
import tempfile
from pathlib import Path
from typing import Any

from bench import compare, longrun, reading, tables, timing
from bench.children import stop_on_sigterm
from bench.conditions import SHIMS, Conditions
from bench.plan import Plan
from bench.slow import Windows
from bench.steps import LONG, STEPS, run
from bench.stores import Stores, open_stores
from rich.console import Console

DEFAULT_STEPS = [name for name in STEPS if name not in LONG]


def main() -> int:
    """The exit code: 0, or 1 when a step failed or a text was lost."""
    if sys.argv[1:2] == ["compare"]:
        return compare.main(sys.argv[2:])
    if sys.argv[1:2] == ["timing"]:
        return timing.main(sys.argv[2:])
    if sys.argv[1:2] == ["reading"]:
        return reading.main(sys.argv[2:])
    if sys.argv[1:2] == ["longrun"]:
        return longrun.main(sys.argv[2:])
    options = read_options()
    stop_on_sigterm()
    conditions = read_conditions(options)
    progress = Console(stderr=True)
    try:
        with tempfile.TemporaryDirectory(prefix="heliograph-bench-", dir=options.folder) as folder:
            stores = open_stores(options.database, conditions.sync_ms)
            try:
                with progress.status("") as status:
                    plan = make_plan(options, conditions, Path(folder), stores)
                    plan.tell = status.update
                    if not progress.is_terminal:
                        plan.tell = lambda text: print(f"bench: {text}", file=sys.stderr, flush=True)
                    found = run(plan, options.steps)
            finally:
                stores.close()
    except RuntimeError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    finally:
        SHIMS.close()
    machine = describe_machine(stores.name) | conditions.describe()
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
    group = parser.add_argument_group("conditions, which may be combined")
    group.add_argument("--accounts", type=int, default=0, help="so many accounts, each with its login, take turns")
    group.add_argument("--tls", action="store_true", help="requests come over TLS, certificate of our own")
    group.add_argument("--sync-ms", type=float, default=0.0, help="every fsync takes so much more: a slow disk (gcc)")
    group.add_argument("--lock", action="store_true", help="how long the interpreter's lock is held (gcc)")
    group.add_argument("--carrier", nargs="+", default=[], metavar="NAME=VALUE", help="settings of the carrier")
    group = parser.add_argument_group("single steps")
    windows = f"slow: links x window (default {' '.join(Plan.windows)}); 1-4x50-200 where both may grow"
    group.add_argument("--windows", nargs="+", default=list(Plan.windows), help=windows)
    sizes = "growth: texts that lie there already (default 0 500000 1000000 2000000)"
    group.add_argument("--stored", type=int, nargs="+", default=list(Plan.stored), help=sizes)
    group.add_argument("--handlers", type=int, default=Plan.handlers, help="handlers: how many (default 200)")
    options = parser.parse_args()
    if options.runs < 1 or options.scale <= 0 or min(options.levels) < 1:
        parser.error("--runs, --scale and --levels are above 0")
    if min(options.accounts, options.sync_ms, *options.stored) < 0 or not 2 <= options.handlers <= 10_000:
        parser.error("--accounts, --sync-ms and --stored are 0 or more, --handlers 2 to 10000")
    if options.sync_ms and options.database.startswith(("postgresql://", "postgres://")):
        parser.error("--sync-ms slows SQLite and a PostgreSQL of ours (--database postgres); yours has its own disk")
    if not all("=" in each for each in options.carrier):
        parser.error("--carrier takes NAME=VALUE")
    try:
        for each in options.windows:
            Windows.read(each)
    except ValueError as error:
        parser.error(str(error))
    return options


def read_conditions(options: argparse.Namespace) -> Conditions:
    """The conditions it asks for."""
    carrier = dict(each.split("=", 1) for each in options.carrier)
    return Conditions(options.accounts, options.tls, options.sync_ms, options.lock, carrier)


def make_plan(options: argparse.Namespace, conditions: Conditions, folder: Path, stores: Stores) -> Plan:
    """What the steps need to know."""
    return Plan(
        folder,
        stores,
        options.runs,
        options.scale,
        tuple(options.levels),
        conditions=conditions,
        windows=tuple(options.windows),
        stored=tuple(options.stored),
        handlers=options.handlers,
    )


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
