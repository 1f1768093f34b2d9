"""Starts a demo server, installs foreign clients, runs each and tabulates what they say (spec clients; see ``run``).

A client is a program in ``clients/`` called with URL LOGIN PASSWORD KEY PHONE. It prints a line
``operation<TAB>ok|differs<TAB>detail`` for each thing it tried.
"""

import argparse
import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from rich.console import Console
from rich.table import Table

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
CLIENTS = HERE / "clients"
LISTENS = re.compile(r"listens on (http://\S+?)/?$")
CONTROL = re.compile(r"--control (\S+)")
START_S = 30.0
INSTALL_S = 240.0
CLIENT_S = 60.0
FIRST_PHONE = 79161230000


class Unavailable(Exception):
    """A client cannot be run here; says why."""


@dataclass(frozen=True)
class Client:
    """One foreign program: ``needs`` are commands (``php:soap``: with that extension), ``packages`` what its index is asked for (exact versions)."""

    name: str
    what: str
    program: str
    needs: tuple[str, ...]
    index: str = ""
    packages: tuple[str, ...] = ()
    debian: tuple[str, ...] = ()


@dataclass
class Outcome:
    """What a client said, or why it said nothing."""

    lines: list[tuple[str, bool, str]] = field(default_factory=list)
    unavailable: str = ""

    @property
    def fine(self) -> bool:
        """Whether everything it tried was as it expects."""
        return bool(self.lines) and all(ok for _, ok, _ in self.lines)


ALL = (
    Client("smsc", "Python package, GET, fmt=3", "python_smsc.py", (), "pip", ("smsc==0.1.1",)),
    Client("smsc-client", "Python package, POST, fmt=0", "python_smsc_client.py", (), "pip", ("smsc-client==0.0.1",)),
    Client(
        "node-smsc",
        "npm package, MD5 login, multipart",
        "node_smsc.js",
        ("node", "npm"),
        "npm",
        ("node-smsc@0.2.3",),
        ("nodejs", "npm"),
    ),
    Client(
        "smsc-ru",
        "npm package, nothing escaped, fmt=0",
        "node_smsc_ru.js",
        ("node", "npm"),
        "npm",
        ("smsc-ru@0.0.4",),
        ("nodejs", "npm"),
    ),
    Client("php", "PHP shop as usual: fmt=1, socket, windows-1251", "shop.php", ("php",), debian=("php-cli",)),
    Client("php-handler", "PHP handler as the reference sketches it", "handler.py", ("php",), debian=("php-cli",)),
    Client("php-soap", "PHP's SoapClient", "soap.php", ("php", "php:soap"), debian=("php-cli", "php-soap")),
    Client(
        "soap",
        "npm package, SOAP 1.1 and 1.2, OMS",
        "node_soap.js",
        ("node", "npm"),
        "npm",
        ("soap@1.13.0",),
        ("nodejs", "npm"),
    ),
    Client("perl", "Perl: HTTP/1.0, fmt=0, SHA-1, key as password", "script.pl", ("perl",), debian=("perl",)),
    Client("java", "JDK client: offers HTTP/2, strict keys and types", "Strict.java", ("java", "javac")),
)


def main() -> int:
    """The exit code."""
    arguments = read_arguments()
    if arguments.list:
        for client in ALL:
            print(f"{client.name:12} {client.what}")
        return 0
    clients = [client for client in ALL if not arguments.only or client.name in arguments.only]
    console = Console()
    if not console.is_terminal:
        console = Console(width=160)
    with scratch(arguments.keep) as folder:
        if arguments.install:
            install_debian(clients)
        with demo_server(folder) as url:
            outcomes = {}
            for number, client in enumerate(clients):
                print(f"foreign: {client.name}", file=sys.stderr, flush=True)
                outcomes[client] = try_client(client, url, folder, FIRST_PHONE + 100 * number)
    show(console, outcomes)
    missing = [client for client, outcome in outcomes.items() if outcome.unavailable]
    differs = [client for client, outcome in outcomes.items() if not outcome.unavailable and not outcome.fine]
    if len(missing) == len(outcomes):
        return 2
    return 1 if differs or (missing and arguments.require_all) else 0


def read_arguments() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(prog="tests/foreign/run", description="Foreign clients against a demo server.")
    parser.add_argument("--only", nargs="+", choices=[client.name for client in ALL], help="these clients")
    parser.add_argument("--list", action="store_true", help="name the clients")
    parser.add_argument("--install", action="store_true", help="apt-get missing languages (root on Debian)")
    parser.add_argument("--require-all", action="store_true", help="fail when a client cannot be run")
    parser.add_argument("--keep", metavar="DIR", type=Path, help="install into DIR and leave it")
    return parser.parse_args()


@contextlib.contextmanager
def scratch(keep: Path | None) -> Iterator[Path]:
    """A folder for packages and the server's store."""
    if keep is not None:
        keep.mkdir(parents=True, exist_ok=True)
        yield keep.resolve()
        return
    with tempfile.TemporaryDirectory(prefix="heliograph-foreign-") as name:
        yield Path(name)


@contextlib.contextmanager
def demo_server(folder: Path) -> Iterator[str]:
    """``heliograph serve --demo`` on a free port; its address."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HELIOGRAPH_")}
    environment |= {"PYTHONPATH": os.environ.get("PYTHONPATH") or str(ROOT / "src")}
    with (
        tempfile.TemporaryDirectory(prefix="heliograph-foreign-run-") as place,
        (folder / "server.log").open("wb") as log,
    ):
        server = subprocess.Popen(
            [sys.executable, "-m", "heliograph", "serve", "--demo", "--http", "127.0.0.1:0", "--data", f"{place}/data"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            env=environment,
            cwd=place,  # where no configuration of anybody lies
            text=True,
        )
        try:
            assert server.stdout is not None
            patience = threading.Timer(START_S, server.kill)
            patience.start()
            found = LISTENS.search(server.stdout.readline().strip())
            told = read_lines(server.stdout)
            patience.cancel()
            if found is None:
                print(
                    f"foreign: the server does not start\n{(folder / 'server.log').read_text('utf-8')}", file=sys.stderr
                )
                raise SystemExit(2)
            control = CONTROL.search("".join(told))
            os.environ |= {"DEMO_DATA": f"{place}/data", "DEMO_CONTROL": control[1] if control else ""}
            yield found[1]
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


def try_client(client: Client, url: str, folder: Path, phone: int) -> Outcome:
    """Install what it needs and run it."""
    try:
        argv, environment = prepare(client, folder)
        return Outcome(run_client([*argv, url, "demo", "demo", "demo-key", str(phone)], environment))
    except Unavailable as why:
        return Outcome(unavailable=str(why))


def is_here(need: str) -> bool:
    """Whether a command is on this machine; ``php:soap`` is an extension of PHP."""
    command, _, extension = need.partition(":")
    if shutil.which(command) is None or not extension:
        return shutil.which(command) is not None
    listed = subprocess.run([command, "-m"], capture_output=True, text=True, timeout=INSTALL_S, check=False).stdout
    return extension in listed.split()


def prepare(client: Client, folder: Path) -> tuple[list[str], dict[str, str]]:
    """The command that runs a client and its environment, its packages installed. Unavailable."""
    missing = [need for need in client.needs if not is_here(need)]
    if missing:
        raise Unavailable(f"no {' and no '.join(missing)} on this machine")
    program = str(CLIENTS / client.program)
    environment = dict(os.environ)
    if client.index == "pip":
        return [str(install_pip(client, folder)), "-W", "ignore", program], environment
    if client.index == "npm":
        environment |= {"NODE_PATH": str(install_npm(client, folder)), "NODE_NO_WARNINGS": "1"}
    interpreter = Path(program).suffix
    commands = {".py": [sys.executable], ".js": ["node"], ".php": ["php"], ".pl": ["perl"], ".java": ["java"]}
    return [*commands[interpreter], program], environment


def install_pip(client: Client, folder: Path) -> Path:
    """A virtual environment with the client; its python."""
    place = folder / f"pip-{client.name}"
    python = place / "bin" / "python"
    mark = place / ".ready"
    if not mark.exists():
        # A plain environment of its own: some clients bring packages that would hide the standard library elsewhere.
        call([sys.executable, "-m", "venv", str(place)])
        call([str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *client.packages])
        mark.touch()
    return python


def install_npm(client: Client, folder: Path) -> Path:
    """A folder with the client; its node_modules."""
    place = folder / f"npm-{client.name}"
    mark = place / ".ready"
    if not mark.exists():
        place.mkdir(exist_ok=True)
        quiet = ("--silent", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", str(place))
        call(["npm", "install", *quiet, *client.packages])
        mark.touch()
    return place / "node_modules"


def install_debian(clients: list[Client]) -> None:
    """The languages that are missing, from Debian; only as root."""
    packages = sorted({name for client in clients if not all(map(is_here, client.needs)) for name in client.debian})
    if not packages:
        return
    if shutil.which("apt-get") is None or os.geteuid() != 0:
        print(f"foreign: not root on Debian; install by hand: {' '.join(packages)}", file=sys.stderr)
        return
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for argv in (["apt-get", "-q", "update"], ["apt-get", "-q", "-y", "install", "--no-install-recommends", *packages]):
        subprocess.run(argv, env=environment, timeout=2 * INSTALL_S, stdout=subprocess.DEVNULL, check=False)


def call(argv: list[str]) -> None:
    """Run an installer; Unavailable with its last line when it fails."""
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=INSTALL_S, check=False)
    except subprocess.TimeoutExpired:
        raise Unavailable(f"{Path(argv[0]).name} took longer than {INSTALL_S:.0f} s") from None
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines()
        raise Unavailable(f"{Path(argv[0]).name} failed: {lines[-1] if lines else 'no word'}")


def run_client(argv: list[str], environment: dict[str, str]) -> list[tuple[str, bool, str]]:
    """What a client printed; a crash or a time-out is a difference too."""
    lines: list[tuple[str, bool, str]] = []
    began = time.monotonic()
    try:
        done = subprocess.run(
            argv, capture_output=True, text=True, timeout=CLIENT_S, env=environment, check=False, errors="replace"
        )
        printed, complaint = done.stdout, done.stderr.strip() if done.returncode else ""
    except subprocess.TimeoutExpired as late:
        printed = late.stdout.decode("utf-8", "replace") if isinstance(late.stdout, bytes) else ""
        complaint = f"no end after {time.monotonic() - began:.0f} s"
    for line in printed.splitlines():
        parts = line.split("\t", 2)
        if len(parts) == 3 and parts[1] in ("ok", "differs"):
            lines.append((parts[0], parts[1] == "ok", parts[2]))
    if complaint or not lines:
        lines.append(("the program", False, complaint.splitlines()[-1] if complaint else "said nothing"))
    return lines


def show(console: Console, outcomes: dict[Client, Outcome]) -> None:
    """The table, and a line that sums it up."""
    table = Table("client", "operation", "", "what it saw")
    for client, outcome in outcomes.items():
        if outcome.unavailable:
            table.add_row(client.name, "-", "[yellow]not run[/]", outcome.unavailable)
        for number, (operation, ok, detail) in enumerate(outcome.lines):
            name = client.name if number == 0 else ""
            table.add_row(name, operation, "ok" if ok else "[red]differs[/]", detail)
        table.add_section()
    console.print(table)
    ran = [outcome for outcome in outcomes.values() if not outcome.unavailable]
    tried = sum(len(outcome.lines) for outcome in ran)
    differs = sum(not ok for outcome in ran for _, ok, _ in outcome.lines)
    console.print(f"{len(ran)} of {len(outcomes)} clients ran; {tried} things tried, {differs} differ.")


if __name__ == "__main__":
    sys.exit(main())
