"""``./dev bench reading``: how long it takes to read back what lies in a large store.

The history by each filter, statistics and operators within one process; the same by HTTP, redirects of short links and
exports on a running server (bench/lookups.py and bench/served.py say what each is).
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench import served, tables
from bench.children import stop_on_sigterm
from bench.growth import check_ledger, weigh
from bench.kept import Kept, open_kept
from bench.lookups import SAMPLES, measure_history, measure_operators, measure_statistics
from bench.plan import Runs
from rich.console import Console

from heliograph.store.database import StoreError
from heliograph.store.opening import open_database

PARTS = ("history", "statistics", "operators", "pages", "sums", "redirects", "exports", "beside")
WITHIN = ("history", "statistics", "operators")
TITLE = "reading"


def main(arguments: list[str]) -> int:
    """The exit code: 0, or 1 when a part failed."""
    options = read_options(arguments)
    stop_on_sigterm()
    progress = Console(stderr=True)

    def tell(text: str) -> None:
        progress.print(f"[dim]{time.strftime('%H:%M:%S')}[/] {text}", highlight=False)

    with tempfile.TemporaryDirectory(prefix="heliograph-reading-") as scratch:
        folder = served.folder_of(options.keep, scratch, options.database)
        stores = open_kept(options.database, folder)
        try:
            found, described = run(options, folder, stores, tell)
        except (RuntimeError, StoreError) as error:  # the second: a kept store of another version
            print(f"bench: {error}", file=sys.stderr)
            return 2
        finally:
            stores.close()
    from bench.command import describe_machine

    machine = describe_machine(options.database.partition(":")[0]) | described
    if options.json:
        print(json.dumps({"machine": machine, "steps": {TITLE: found}}, indent=1))
    else:
        console = Console()
        tables.show(console if console.is_terminal else Console(width=110), machine, {TITLE: found})
    failed = [run["why"] for runs in found.values() for run in runs if "why" in run]
    for why in failed:
        print(f"bench: {why}", file=sys.stderr)
    return 1 if failed else 0


def read_options(arguments: list[str]) -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(prog="./dev bench reading", description=__doc__.partition("\n\n")[2])
    parser.add_argument("--stored", type=int, default=10_000_000, help="texts in the store (default 10000000)")
    parser.add_argument("--database", default="sqlite", help="sqlite, or postgres (a server from a wheel)")
    parser.add_argument("--keep", help="folder where the store stays; it is used again when it was made alike")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS), help="what to measure")
    parser.add_argument("--runs", type=int, default=3, help="how often redirects and exports (default 3)")
    parser.add_argument("--samples", type=int, default=SAMPLES, help=f"requests of each kind (default {SAMPLES})")
    parser.add_argument("--clicks", type=int, default=40_000, help="of one load (default 40000)")
    parser.add_argument("--check", action="store_true", help="prove the ledger of the store first")
    parser.add_argument("--json", action="store_true", help="every run as JSON instead of tables")
    options = parser.parse_args(arguments)
    if options.stored < 10_000 or min(options.runs, options.samples, options.clicks) < 1:
        parser.error("--stored is 10000 or more, --runs, --samples and --clicks are above 0")
    if options.database not in ("sqlite", "postgres"):
        parser.error("--database is sqlite or postgres: the store is made and kept here")
    return options


def run(
    options: argparse.Namespace, folder: Path, stores: Any, tell: Callable[[str], None]
) -> tuple[Runs, dict[str, Any]]:
    """All parts asked for, and what the store is like."""
    kept = Kept(folder, stores, options.stored)
    tell(f"a store with {options.stored:,} texts")
    address = kept.make_store()
    described = {"texts": f"{options.stored:,}", "store MB": round(weigh(address)), "filled in s": round(kept.fill_s)}
    kept.database = address
    if options.check:
        tell("the ledger's proof")
        check_ledger(kept)
    found: Runs = {}
    within = [part for part in options.parts if part in WITHIN]
    if within:
        for name, figures in asyncio.run(look_up(address, kept, within, options.samples, tell)).items():
            found[name] = [figures]
    if len(within) < len(options.parts):
        sets = len(served.LEVELS) * options.runs if "redirects" in options.parts else 0
        links = asyncio.run(served.make_links(folder, address, options.stored, sets))
        with Kept(folder, stores, options.stored) as serving:
            serving.links = links
            for part in options.parts:
                if part not in WITHIN:
                    try:
                        found |= serve(serving, part, options, tell)
                    except (RuntimeError, OSError) as error:
                        found[part] = [{"why": f"{part}: {error}"}]
    return found, described


async def look_up(
    address: str, kept: Kept, parts: list[str], samples: int, tell: Callable[[str], None]
) -> dict[str, dict[str, Any]]:
    """What is measured within this process."""
    db = await open_database(address)
    found: dict[str, dict[str, Any]] = {}
    try:
        if "history" in parts:
            found |= await measure_history(db, kept.n, kept.now_ms, samples, tell)
        if "statistics" in parts:
            tell("statistics")
            found |= await measure_statistics(db, kept.now_ms, samples)
        if "operators" in parts:
            tell("operators")
            found |= await measure_operators(db)
    finally:
        await db.close()
    return found


def serve(kept: Kept, part: str, options: argparse.Namespace, tell: Callable[[str], None]) -> Runs:
    """What is measured on a running server."""
    if part == "pages":
        return {name: [figures] for name, figures in served.measure_pages(kept, tell).items()}
    if part == "sums":
        return {name: [figures] for name, figures in served.measure_sums(kept, tell).items()}
    if part == "redirects":
        return served.measure_redirects(kept, options.runs, options.clicks, tell)
    if part == "exports":
        return served.measure_exports(kept, options.runs, tell)
    fast = served.measure_exports_beside(kept, options.runs, 32, 0, tell)
    return fast | served.measure_exports_beside(kept, options.runs, 32, 1000, tell)
