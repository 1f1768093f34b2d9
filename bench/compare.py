"""``./dev bench compare``: Heliograph and another gateway under the same loads in one sitting, taking turns.

It drives a folder of comparison tools that know neither of them: ``DIR/run PEER --steps … --runs 1 --out FILE`` measures one
gateway, the driver for Heliograph lies in ``peers/`` here, those for others in the tools.
"""

import argparse
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.children import stop_on_sigterm
from rich.console import Console
from rich.table import Table

PEERS = Path(__file__).resolve().parent / "peers"
KANNEL = "/usr/sbin/bearerbox"
# Fixed by the tools (279x) and by the configurations of Kannel and of Jasmin with its brokers there; ours is 2795.
PORTS = (2790, 2791, 2792, 2793, 2795, 13000, 13001, 13013, 1401, 2775, 4370, 5673, 6380, 8990, 25673)
BROKERS = ("/usr/lib/rabbitmq/bin/rabbitmq-server", "/usr/bin/redis-server")
STOP_S = 60.0
STEPS = ("startup", "http", "slow", "latency", "kill")
OURS = "heliograph"
ROWS = (
    ("accept_rate", "accepted, /s"),
    ("arrival_rate", "arrived at the carrier, /s"),
    ("receipt_rate", "called back, /s"),
    ("answer_ms.p50", "answer p50, ms"),
    ("answer_ms.p99", "answer p99, ms"),
    ("arrival_ms.p50", "at the carrier p50, ms"),
    ("arrival_ms.p99", "at the carrier p99, ms"),
    ("cpu_us", "CPU a text, µs"),
    ("to_first_accept_s", "start, s"),
    ("idle_total_mb", "memory at idle, MB"),
    ("lost", "lost"),
    ("twice", "doubled"),
)

Result = dict[str, Any]


def main(arguments: list[str]) -> int:
    """The exit code: 2 when something that is needed is missing."""
    options = read_options(arguments)
    tools = Path(options.tools or os.environ.get("BENCH_TOOLS") or "")
    if not (tools / "run").is_file():
        print("bench: name the folder of the comparison tools with --tools or BENCH_TOOLS", file=sys.stderr)
        return 2
    if any(peer.startswith("kannel") for peer in options.peers) and not find_kannel(install=options.install):
        return 2
    if "jasmin" in options.peers and (missing := find_missing_jasmin()):
        print(f"bench: Jasmin is not ready, see bench/README.md: {'; '.join(missing)}", file=sys.stderr)
        return 2
    stop_on_sigterm()
    names = [options.ours, *options.peers]
    results: dict[str, list[Result]] = {name: [] for name in names}
    with tempfile.TemporaryDirectory(prefix="heliograph-compare-") as folder:
        for number in range(options.runs):
            # Turns, and the order turned round every time: what the machine does besides hits each the same.
            for name in names if number % 2 == 0 else reversed(names):
                print(f"bench: run {number + 1}, {name}", file=sys.stderr, flush=True)
                if taken := find_taken():
                    # Otherwise the loads would go to whatever listens there, and every figure would be wrong.
                    print(
                        f"bench: something listens on {taken} already (a run that was killed?); end it", file=sys.stderr
                    )
                    return 2
                results[name].append(measure(tools, name, options, Path(folder)))
    if options.json:
        print(json.dumps(results, indent=1))
    else:
        console = Console()
        show(console if console.is_terminal else Console(width=140), results)
    failed = [f"{name}, {step}: {why}" for name, runs in results.items() for run in runs for step, why in fails(run)]
    failed += [f"{name}, {why}" for name, runs in results.items() for run in runs for why in find_doubtful(run)]
    for line in failed:
        print(f"bench: {line}", file=sys.stderr)
    return 1 if failed else 0


def read_options(arguments: list[str]) -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(prog="./dev bench compare", description=__doc__)
    parser.add_argument("--tools", help="folder of the comparison tools (or BENCH_TOOLS)")
    parser.add_argument(
        "--peers", nargs="+", default=["kannel-file"], help="who else: kannel-file, kannel-spool, jasmin, …"
    )
    parser.add_argument("--ours", default=OURS, help="which of ours: heliograph, heliograph-postgres, heliograph-key")
    parser.add_argument("--steps", nargs="+", choices=STEPS, default=["startup", "http", "slow", "latency"])
    parser.add_argument("--levels", nargs="+", default=["1", "32", "128"], help="connections of the step http")
    parser.add_argument("--runs", type=int, default=3, help="turns (default 3)")
    parser.add_argument("--install", action="store_true", help="as root on Debian: apt-get install kannel")
    parser.add_argument("--json", action="store_true", help="every run as JSON")
    return parser.parse_args(arguments)


def find_kannel(*, install: bool) -> bool:
    """Whether Kannel is here, installed now if that was asked for."""
    if not Path(KANNEL).exists() and install and os.geteuid() == 0 and shutil.which("apt-get"):
        print("bench: installing the Debian package kannel", file=sys.stderr, flush=True)
        quiet = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        command = ["apt-get", "-q", "-y", "install", "--no-install-recommends", "kannel"]
        subprocess.run(command, env=quiet, stdout=subprocess.DEVNULL, check=False)
    if Path(KANNEL).exists():
        return True
    print(
        "bench: Kannel is not here. As root on Debian: apt-get install --no-install-recommends kannel\n"
        "bench: (or --install), then make sure that its own service does not run: systemctl disable --now kannel",
        file=sys.stderr,
    )
    return False


def find_missing_jasmin() -> list[str]:
    """What its driver needs and does not find: two brokers, its own environment, a folder of its source package."""
    missing = [f"there is no {path}" for path in BROKERS if not Path(path).exists()]
    if not (Path(os.environ.get("JASMIN", "")) / "jasmind.py").is_file():
        missing.append("JASMIN names the bin folder of its environment")
    if not (Path(os.environ.get("JASMIN_RESOURCE", "")) / "amqp0-9-1.xml").is_file():
        missing.append("JASMIN_RESOURCE names misc/config/resource of its source package")
    return missing


def find_taken() -> list[int]:
    """The ports of a comparison on which somebody listens."""
    taken = []
    for port in PORTS:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                taken.append(port)
    return taken


def measure(tools: Path, name: str, options: argparse.Namespace, folder: Path) -> Result:
    """One run of one gateway."""
    out = folder / "result.json"
    out.unlink(missing_ok=True)
    command = [sys.executable, str(tools / "run"), name, "--runs", "1", "--bulk-runs", "1", "--kill-runs", "1"]
    command += ["--levels", *options.levels, "--out", str(out), "--state", str(folder / "state")]
    command += ["--steps", *options.steps]
    own = os.environ | {"BENCH_PEERS": str(PEERS), "PYTHONDONTWRITEBYTECODE": "1"}
    with subprocess.Popen(command, env=own, stdout=sys.stderr, start_new_session=True) as run:
        try:
            run.wait()
        finally:
            if run.poll() is None:  # we are to stop: SIGINT lets it end all that it has started
                run.send_signal(signal.SIGINT)
                run.wait(STOP_S)
    if not out.exists():
        return {"steps": {step: {"failed": "no result"} for step in options.steps}}
    result: Result = json.loads(out.read_text("utf-8"))
    return result


def fails(result: Result) -> Iterator[tuple[str, str]]:
    """Steps of a run that did not come to an end."""
    for step, found in result["steps"].items():
        if found and "failed" in found:
            yield step, found["failed"]


def find_doubtful(result: Result) -> Iterator[str]:
    """Loads whose figures want a look: texts lost or doubled by the gateway, or by somebody who measured at the same time."""
    for title, load in flatten(result):
        faults = [f"{load[key]} {label}" for key, label in ROWS if key in ("lost", "twice") and load.get(key)]
        if faults:
            yield f"{title}: {' and '.join(faults)}"


def flatten(result: Result) -> Iterator[tuple[str, Result]]:
    """All loads of a run, by title."""
    for step, found in result["steps"].items():
        if not found or "failed" in found:
            continue
        loads = {"": found} if isinstance(found, list) else found
        for name, runs in loads.items():
            for one in runs:
                yield f"{step} {name}".strip(), complete(one)


def complete(load: Result) -> Result:
    """Figures that the tools leave to the reader: nested ones by path, CPU a text, memory of all processes."""
    flat = dict(load)
    for key, value in load.items():
        if isinstance(value, dict):
            flat.update({f"{key}.{inner}": number for inner, number in value.items()})
    cpu = {role: spent for role, spent in load.get("cpu_s", {}).items() if role not in ("sink", "callback", "loader")}
    if cpu and load.get("accepted"):
        flat["cpu_us"] = sum(cpu.values()) * 1e6 / load["accepted"]
    if "idle_mb" in load:
        flat["idle_total_mb"] = sum(load["idle_mb"].values())
    if "arrived" in load:
        flat.setdefault("lost", load["accepted"] - load["arrived"])
        flat.setdefault("twice", load.get("arrived_twice", 0))
    return flat


def show(console: Console, results: dict[str, list[Result]]) -> None:
    """Medians side by side (with min and max), and ours divided by each of the others."""
    names = list(results)
    collected: dict[str, dict[str, list[Result]]] = {}
    for name, runs in results.items():
        for run in runs:
            for title, load in flatten(run):
                collected.setdefault(title, {}).setdefault(name, []).append(load)
    table = Table("load", "what", *names, *(f"{names[0]} / {other}" for other in names[1:]))
    for title, by_name in collected.items():
        shown = ""
        for key, label in ROWS:
            values = {
                name: [load[key] for load in loads if load.get(key) is not None] for name, loads in by_name.items()
            }
            if not all(values.get(name) for name in names):
                continue
            table.add_row(
                "" if shown else title, label, *(spread(values[name]) for name in names), *ratios(values, names)
            )
            shown = title
        table.add_section()
    console.print(table)


def spread(values: list[float]) -> str:
    """The median, and the ends where there is more than one run."""
    median = statistics.median(values)
    digits = 0 if median >= 100 or median == int(median) else 2
    text = f"{median:,.{digits}f}"
    return text if len(values) == 1 else f"{text} ({min(values):,.{digits}f} to {max(values):,.{digits}f})"


def ratios(values: dict[str, list[float]], names: list[str]) -> list[str]:
    """Our median divided by theirs."""
    ours = statistics.median(values[names[0]])
    theirs = [statistics.median(values[name]) for name in names[1:]]
    return [f"{ours / other:.2f}" if other else "-" for other in theirs]
