"""``./dev bench longrun``: texts at a constant rate for long, and whether anything grows or slows down meanwhile.

./dev bench longrun --minutes 20 --rate 1000 --database sqlite
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.children import memory_mb, stop_on_sigterm
from bench.conditions import SHIMS, Conditions
from bench.installation import Figures, Installation, Traffic, find_losses
from bench.samples import Sample, StoreWatch, count_files
from bench.stores import Stores, open_stores
from bench.verdict import Rule, judge
from rich.console import Console
from rich.table import Table

CONNECTIONS = 64
SETTLE_S = 5.0  # the last rows leave the working tables a commit after the last callback


@dataclass(frozen=True)
class Course:
    """How long and how fast."""

    minutes: float
    rate: float
    every_s: float = 10.0

    @property
    def texts(self) -> int:
        """In all."""
        return max(1, int(self.minutes * 60 * self.rate))


@dataclass(frozen=True)
class Outcome:
    """What was seen, and what that means."""

    samples: list[Sample]
    rules: list[Rule]
    accepted: int
    accepted_per_s: float

    @property
    def holds(self) -> bool:
        """Whether every rule does."""
        return all(rule.holds for rule in self.rules)

    def describe(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "holds": self.holds,
            "accepted": self.accepted,
            "accepted_per_s": self.accepted_per_s,
            "rules": [rule.describe() for rule in self.rules],
            "samples": [sample.describe() for sample in self.samples],
        }


def main(arguments: list[str]) -> int:
    """The exit code: 1 when the verdict is no, 2 when nothing could be measured."""
    options = read_options(arguments)
    stop_on_sigterm()
    course = Course(options.minutes, options.rate, options.every)
    conditions = Conditions(tls=options.tls, accounts=options.accounts, sync_ms=options.sync_ms)
    try:
        with tempfile.TemporaryDirectory(prefix="heliograph-longrun-", dir=options.folder) as folder:
            stores = open_stores(options.database, conditions.sync_ms)
            try:
                outcome = run(course, Path(folder), stores, conditions, say_progress)
            finally:
                stores.close()
    except (RuntimeError, OSError, json.JSONDecodeError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    finally:
        SHIMS.close()
    if options.json:
        print(json.dumps({"options": vars(options)} | outcome.describe(), indent=1))
    else:
        console = Console()
        show(console if console.is_terminal else Console(width=110), outcome)
    return 0 if outcome.holds else 1


def read_options(arguments: list[str]) -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(
        prog="./dev bench longrun", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=20.0, help="how long (default 20)")
    parser.add_argument("--rate", type=float, default=1000.0, help="texts a second (default 1000)")
    parser.add_argument("--every", type=float, default=10.0, help="seconds between two looks (default 10)")
    parser.add_argument("--database", default="sqlite", help="sqlite, postgres, or postgresql://… of your own")
    parser.add_argument("--accounts", type=int, default=0, help="so many accounts, each with its login, take turns")
    parser.add_argument("--tls", action="store_true", help="requests come over TLS")
    parser.add_argument("--sync-ms", type=float, default=0.0, help="every fsync takes so much more (gcc)")
    parser.add_argument("--folder", help="where the store lies (default: the temporary folder)")
    parser.add_argument("--json", action="store_true", help="every sample as JSON")
    options = parser.parse_args(arguments)
    if min(options.minutes, options.rate, options.every) <= 0 or min(options.accounts, options.sync_ms) < 0:
        parser.error("--minutes, --rate and --every are above 0, --accounts and --sync-ms not below")
    if options.sync_ms and options.database.startswith(("postgresql://", "postgres://")):
        parser.error("--sync-ms slows SQLite and a PostgreSQL of ours; yours has its own disk")
    return options


def say_progress(sample: Sample) -> None:
    """A line on standard error."""
    print(sample.line(), file=sys.stderr, flush=True)


def run(
    course: Course, folder: Path, stores: Stores, conditions: Conditions, tell: Callable[[Sample], None]
) -> Outcome:
    """The whole course on a fresh installation; RuntimeError when nothing is accepted."""
    with Installation(folder / "installation", stores, conditions) as installation:
        installation.warm_up()
        watch = StoreWatch(installation.database)
        allowed_wal_mb = watch.allowed_wal_mb()
        tag = installation.new_tag()
        seconds = course.texts / course.rate + 120
        load = installation.start_load(
            tag, course.texts, CONNECTIONS, rate=course.rate, seconds=seconds, every=course.every_s
        )
        try:
            samples, figures = follow(installation, watch, tag, load, tell)
        finally:
            load.kill()
            load.wait()
            if load.stdout is not None:
                load.stdout.close()
        if len(samples) < 4:
            raise RuntimeError("too short: four samples are the least (--minutes, --every)")
        ending = count_losses(installation, watch, tag, figures)
    return Outcome(samples, judge(samples, course.rate, allowed_wal_mb, ending), figures["accepted"], figures["rate"])


def follow(
    installation: Installation,
    watch: StoreWatch,
    tag: str,
    load: "subprocess.Popen[str]",
    tell: Callable[[Sample], None],
) -> tuple[list[Sample], Figures]:
    """A sample whenever the load tells of an interval, and what it tells at its end."""
    assert load.stdout is not None
    samples: list[Sample] = []
    began, before, texts = time.monotonic(), installation.use(), 0
    for line in load.stdout:
        told: Figures = json.loads(line)
        if "rate" in told:
            if not told["accepted"]:
                raise RuntimeError(f"nothing was accepted: {told['complaint']}")
            return samples, told
        now = installation.use()
        used = now.since(before).describe(max(1, told["accepted"] - texts))
        before, texts = now, told["accepted"]
        samples.append(look(installation, watch, tag, told, used, time.monotonic() - began))
        tell(samples[-1])
    raise RuntimeError(f"the load has ended: {installation.log.read_text('utf-8', 'replace')[-600:]}")


def look(installation: Installation, watch: StoreWatch, tag: str, told: Figures, used: Figures, at_s: float) -> Sample:
    """One sample; ``told`` is the load's interval, ``used`` the processor time a text in it."""
    pid = installation.server.pid
    carrier, receiver = installation.carrier.ask(tag=tag, fresh=True), installation.receiver.ask(tag=tag, brief=True)
    files, sockets = count_files(pid)
    wal_mb, rows = watch.look()
    return Sample(
        at_s=at_s,
        accepted=told["accepted"],
        arrived=carrier["unique"],
        told=receiver["unique"],
        memory_mb=memory_mb(pid),
        files=files,
        sockets=sockets,
        answer_ms_p50=told["answer_ms"].get("p50", 0.0),
        answer_ms_p99=told["answer_ms"].get("p99", 0.0),
        carrier_ms_p50=carrier["late_ms"].get("p50", 0.0),
        carrier_ms_p99=carrier["late_ms"].get("p99", 0.0),
        loop_cpu_us=used["loop_cpu_us"],
        writer_cpu_us=used["writer_cpu_us"],
        wal_mb=wal_mb,
        **rows,
    )


def count_losses(installation: Installation, watch: StoreWatch, tag: str, load: Figures) -> dict[str, int]:
    """What must be 0 once everything has drained: texts lost, doubled, not called back, rows left over."""
    carrier, receiver = installation.drain(tag, load["accepted"])
    end = time.monotonic() + SETTLE_S
    while any((left := watch.look()[1]).values()) and time.monotonic() < end:
        time.sleep(0.2)
    losses = find_losses(Traffic(load, carrier, receiver))
    return losses | {"told twice": receiver["twice"], "left over": sum(left.values())}


def show(console: Console, outcome: Outcome) -> None:
    """The first and the last quarter side by side, and the verdict."""
    console.print(f"{outcome.accepted:,} texts accepted, {outcome.accepted_per_s:.0f} a second")
    table = Table(title="First and last quarter", title_justify="left")
    table.add_column("what")
    for heading in ("first", "last", "at most"):
        table.add_column(heading, justify="right")
    table.add_column("")
    table.add_column("holds")
    for rule in outcome.rules:
        numbers = (f"{value:,.1f}".removesuffix(".0") for value in (rule.first, rule.last, rule.limit))
        table.add_row(rule.name.replace("_", " "), *numbers, rule.unit, "yes" if rule.holds else "[red]no[/]")
    console.print(table)
    console.print(
        "Verdict: " + ("nothing grows, nothing is lost" if outcome.holds else "NO, see the lines that do not hold")
    )
