"""Runs foreign programs, each against a demo server of its own, and tabulates what they say (spec clients; see README.md).

A client is called with URL LOGIN PASSWORD KEY PHONE and prints a line ``operation<TAB>ok|differs<TAB>detail`` for each
thing it tried. An example of docs/examples is called as its readers call it: the server in the environment, the number
as its argument; it must say what was sent, what became of it and what is left.
"""

import argparse
import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from programs import Program, Unavailable, find_programs, install_debian, prepare
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parents[2]
LISTENS = re.compile(r"listens on (http://\S+?)/?$")
CONTROL = re.compile(r"--control (\S+)")
EXPECTED = {
    "send": re.compile(r"^sent: id \d+$", re.MULTILINE),
    "status": re.compile(r"^status: 1 Доставлено$", re.MULTILINE),
    "balance": re.compile(r"^balance: 998\.40? RUR$", re.MULTILINE),
}
START_S = 60.0
PROGRAM_S = 90.0
FIRST_PHONE = 79161230000


@dataclass
class Outcome:
    """What a program said, or why it said nothing; and how long it took, the server and what it needs included."""

    lines: list[tuple[str, bool, str]] = field(default_factory=list)
    unavailable: str = ""
    seconds: float = 0.0

    @property
    def fine(self) -> bool:
        """Whether everything it tried was as it expects."""
        return bool(self.lines) and all(ok for _, ok, _ in self.lines)


@dataclass(frozen=True)
class Server:
    """A demo server: its address, and what its owner may want to know."""

    url: str
    environment: dict[str, str]


def main() -> int:
    """The exit code."""
    programs = find_programs()
    arguments = read_arguments([program.name for program in programs])
    if arguments.list:
        for program in programs:
            print(f"{program.name:14} {program.what}")
        return 0
    programs = [program for program in programs if not arguments.only or program.name in arguments.only]
    console = Console()
    if not console.is_terminal:
        console = Console(width=160)
    if arguments.install:
        install_debian(programs)
    began = time.monotonic()
    with scratch(arguments.keep) as folder, ThreadPoolExecutor(arguments.jobs) as pool:
        numbered = enumerate(programs)
        runs = [pool.submit(try_program, each, folder, FIRST_PHONE + 100 * number) for number, each in numbered]
        outcomes = {program: run.result() for program, run in zip(programs, runs, strict=True)}
    show(console, outcomes, arguments.all, time.monotonic() - began)
    missing = [program for program, outcome in outcomes.items() if outcome.unavailable]
    differs = [program for program, outcome in outcomes.items() if not outcome.unavailable and not outcome.fine]
    if len(missing) == len(outcomes):
        return 2
    return 1 if differs or (missing and arguments.require_all) else 0


def read_arguments(names: list[str]) -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(prog="./dev foreign", description="Foreign clients against demo servers.")
    parser.add_argument("--only", nargs="+", choices=names, metavar="NAME", help="these programs")
    parser.add_argument("--list", action="store_true", help="name the programs")
    parser.add_argument("--all", action="store_true", help="show everything they tried, not only what differs")
    parser.add_argument("--install", action="store_true", help="apt-get missing languages (root on Debian)")
    parser.add_argument("--require-all", action="store_true", help="fail when a program cannot be run")
    parser.add_argument("--keep", metavar="DIR", type=Path, help="install into DIR and leave it")
    parser.add_argument("--jobs", type=int, default=3, help="programs at once (default 3; they mostly wait)")
    return parser.parse_args()


@contextlib.contextmanager
def scratch(keep: Path | None) -> Iterator[Path]:
    """A folder for packages."""
    if keep is not None:
        keep.mkdir(parents=True, exist_ok=True)
        yield keep.resolve()
        return
    with tempfile.TemporaryDirectory(prefix="heliograph-foreign-") as name:
        yield Path(name)


@contextlib.contextmanager
def demo_server(own: dict[str, str]) -> Iterator[Server]:
    """``heliograph serve --demo`` on a free port. Unavailable."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HELIOGRAPH_")}
    environment |= {"PYTHONPATH": os.environ.get("PYTHONPATH") or str(ROOT / "src"), **own}
    with tempfile.TemporaryDirectory(prefix="heliograph-foreign-run-") as place:
        log = Path(place) / "log"
        with log.open("wb") as stream:
            server = subprocess.Popen(
                [
                    *(sys.executable, "-m", "heliograph", "serve", "--demo"),
                    *("--http", "127.0.0.1:0", "--data", f"{place}/data"),
                ],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=stream,
                env=environment,
                cwd=place,  # where no configuration of anybody lies
                text=True,
            )
        try:
            assert server.stdout is not None
            patience = threading.Timer(START_S, server.kill)
            patience.start()
            told = read_lines(server.stdout)
            patience.cancel()
            found = LISTENS.search(told[0].strip())
            if found is None:
                raise SystemExit(f"foreign: the server does not start\n{log.read_text('utf-8')}")
            control = CONTROL.search("".join(told))
            facts = {"DEMO_DATA": f"{place}/data", "DEMO_CONTROL": control[1] if control else "", **own}
            yield Server(found[1], facts)
        finally:
            server.send_signal(signal.SIGTERM)
            try:
                server.wait(START_S)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def read_lines(stream: IO[str]) -> list[str]:
    """What a demo server prints, up to its last line."""
    lines = [stream.readline()]
    while lines[-1] and "Ctrl-C" not in lines[-1]:
        lines.append(stream.readline())
    return lines


def try_program(program: Program, folder: Path, phone: int) -> Outcome:
    """Install what it needs and run it beside a server."""
    began = time.monotonic()
    try:
        argv, environment = prepare(program, folder)
        with demo_server(program.server) as server:
            environment |= server.environment
            lines = (run_example if program.example else run_client)(argv, environment, server.url, str(phone))
        outcome = Outcome(lines)
    except Unavailable as why:
        outcome = Outcome(unavailable=str(why))
    outcome.seconds = time.monotonic() - began
    word = "not run" if outcome.unavailable else "ok" if outcome.fine else "differs"
    print(f"foreign: {program.name}: {word}, {outcome.seconds:.0f} s", file=sys.stderr, flush=True)
    return outcome


def run_client(argv: list[str], environment: dict[str, str], url: str, phone: str) -> list[tuple[str, bool, str]]:
    """What a client said of each thing; a crash or a time-out is a difference, too."""
    printed, complaint = run([*argv, url, "demo", "demo", "demo-key", phone], environment)
    lines: list[tuple[str, bool, str]] = []
    for line in printed.splitlines():
        parts = line.split("\t", 2)
        if len(parts) == 3 and parts[1] in ("ok", "differs"):
            lines.append((parts[0], parts[1] == "ok", parts[2]))
    if complaint or not lines:
        lines.append(("the program", False, complaint or "said nothing"))
    return lines


def run_example(argv: list[str], environment: dict[str, str], url: str, phone: str) -> list[tuple[str, bool, str]]:
    """What an example printed."""
    own = {"HELIOGRAPH_CLIENT_URL": url, "HELIOGRAPH_CLIENT_LOGIN": "demo", "HELIOGRAPH_CLIENT_PASSWORD": "demo"}
    path = {"PYTHONPATH": os.environ.get("PYTHONPATH") or str(ROOT / "src")}
    printed, complaint = run([*argv, phone], environment | own | path)
    lines = []
    for what, pattern in EXPECTED.items():
        found = pattern.search(printed)
        lines.append((what, found is not None, found[0] if found else printed.strip()[-200:]))
    if complaint:
        lines.append(("the program", False, complaint))
    return lines


def run(argv: list[str], environment: dict[str, str]) -> tuple[str, str]:
    """What a program printed, and the last line of what it complained of when it failed."""
    try:
        done = subprocess.run(
            argv, capture_output=True, text=True, timeout=PROGRAM_S, env=environment, check=False, errors="replace"
        )
    except subprocess.TimeoutExpired as late:
        return late.stdout.decode("utf-8", "replace") if isinstance(late.stdout, bytes) else "", "it does not end"
    if not done.returncode:
        return done.stdout, ""
    complaint = done.stderr.strip().splitlines()
    return done.stdout, complaint[-1] if complaint else f"it ended with {done.returncode}"


def show(console: Console, outcomes: dict[Program, Outcome], everything: bool, seconds: float) -> None:
    """The table, and a line that sums it up."""
    table = Table("program", "operation", "", "what it saw")
    for program, outcome in outcomes.items():
        shown = [line for line in outcome.lines if everything or not line[1]]
        if outcome.unavailable:
            table.add_row(program.name, "-", "[yellow]not run[/]", outcome.unavailable)
        elif not shown:
            table.add_row(program.name, f"{len(outcome.lines)} things", "ok", program.what)
        for number, (operation, ok, detail) in enumerate(shown):
            name = program.name if number == 0 else ""
            table.add_row(name, operation, "ok" if ok else "[red]differs[/]", detail)
        table.add_section()
    console.print(table)
    ran = [outcome for outcome in outcomes.values() if not outcome.unavailable]
    tried = sum(len(outcome.lines) for outcome in ran)
    differs = sum(not ok for outcome in ran for _, ok, _ in outcome.lines)
    counts = f"{len(ran)} of {len(outcomes)} programs ran; {tried} things tried, {differs} differ."
    console.print(f"{counts} {seconds:.0f} s.")


if __name__ == "__main__":
    sys.exit(main())
