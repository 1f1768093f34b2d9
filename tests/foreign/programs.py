"""Which foreign programs there are, and how what they need gets onto this machine (README.md beside this says how to add one).

A program declares itself in its comments: lines ``foreign: key = value``, each a line of TOML.
"""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from pathlib import Path

HERE = Path(__file__).resolve().parent
CLIENTS = HERE / "clients"
EXAMPLES = HERE.parents[1] / "docs" / "examples"
DECLARED = re.compile(r"^[#/* ]*foreign: (.+)$", re.MULTILINE)
INSTALL_S = 240.0

# By the end of its name: the words before a program's name, the commands they need, and the Debian packages of those.
LANGUAGES: dict[str, tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]] = {
    ".py": ((sys.executable, "-W", "ignore"), (), ()),
    ".js": (("node",), ("node",), ("nodejs",)),
    ".php": (("php",), ("php",), ("php-cli",)),
    ".pl": (("perl",), ("perl",), ("perl",)),
    ".java": (("java",), ("java", "javac"), ("default-jdk-headless",)),
    ".go": (("go", "run"), ("go",), ("golang-go",)),
    ".sh": (("sh",), ("curl",), ("curl",)),
}
# Needs that come by declaration: what a language can be asked for, and the folder of servers, in the path of root alone.
EXTENSION = "php:"
MODULE = "perl:"
SERVERS = Path("/usr/sbin")


class Unavailable(Exception):
    """A program cannot be run here; says why."""


@dataclass(frozen=True, eq=False)
class Program:
    """One foreign program. ``needs`` are commands (``php:soap``: PHP with that extension, ``perl:Net::SMPP``: Perl with
    that module), ``debian`` their packages, ``pip`` and ``npm`` what the index is asked for (exact versions), ``server`` the environment of its own server."""

    name: str
    what: str
    path: Path
    needs: tuple[str, ...] = ()
    debian: tuple[str, ...] = ()
    pip: tuple[str, ...] = ()
    npm: tuple[str, ...] = ()
    server: dict[str, str] = field(default_factory=dict)
    example: bool = False

    @property
    def commands(self) -> tuple[str, ...]:
        """What must be on the machine."""
        return (*LANGUAGES[self.path.suffix][1], *(("npm",) if self.npm else ()), *self.needs)

    @property
    def packages(self) -> tuple[str, ...]:
        """The Debian packages that bring it."""
        return (*LANGUAGES[self.path.suffix][2], *(("npm",) if self.npm else ()), *self.debian)

    @property
    def missing(self) -> list[str]:
        """Of the commands, those that are not there."""
        return [command for command in self.commands if not has(command)]


def find_programs() -> list[Program]:
    """The clients in name's order, then the examples."""
    clients = [read_program(path) for path in sorted(CLIENTS.rglob("*")) if is_declared(path)]
    examples = [
        Program(f"example-{path.suffix[1:]}", f"docs/examples/{path.name}", path, example=True)
        for path in sorted(EXAMPLES.iterdir())
        if path.suffix in LANGUAGES
    ]
    return clients + examples


def is_declared(path: Path) -> bool:
    """Whether a file says that it is a program; others are parts of one."""
    return path.is_file() and path.suffix in LANGUAGES and DECLARED.search(path.read_text("utf-8")) is not None


def read_program(path: Path) -> Program:
    """What a file says of itself. SystemExit when it cannot be understood."""
    try:
        said = tomllib.loads("\n".join(DECLARED.findall(path.read_text("utf-8"))))
    except tomllib.TOMLDecodeError as error:
        raise SystemExit(f"foreign: {path.name}: {error}") from None
    known = {each.name for each in fields(Program)} - {"path", "example"}
    if not {"name", "what"} <= said.keys() <= known:
        raise SystemExit(
            f"foreign: {path.name} declares {sorted(said)}; name and what are needed, known are {sorted(known)}"
        )
    return Program(
        path=path, **{key: tuple(value) if isinstance(value, list) else value for key, value in said.items()}
    )


def has(command: str) -> bool:
    """Whether a command, an extension of PHP or a module of Perl is there."""
    if command.startswith(EXTENSION):
        return has("php") and command.removeprefix(EXTENSION) in ask(["php", "-m"]).stdout.lower().split()
    if command.startswith(MODULE):
        return has("perl") and ask(["perl", "-m" + command.removeprefix(MODULE), "-e", "1"]).returncode == 0
    return shutil.which(command) is not None or (SERVERS / command).exists()


def ask(argv: list[str]) -> subprocess.CompletedProcess[str]:
    """A short question to a language."""
    return subprocess.run(argv, capture_output=True, text=True, check=False)


def install_debian(programs: Iterable[Program]) -> None:
    """The languages that are missing, from Debian; without being root, or elsewhere, SystemExit with what to do."""
    packages = sorted({name for program in programs if program.missing for name in program.packages})
    if not packages:
        return
    listed = " ".join(packages)
    if shutil.which("apt-get") is None:
        raise SystemExit(f"foreign: install these by your system's means (Debian's names): {listed}")
    if os.geteuid() != 0:
        raise SystemExit(f"foreign: install them once:  sudo apt-get install --no-install-recommends {listed}")
    print(f"foreign: installing {listed}", file=sys.stderr, flush=True)
    install = ["apt-get", "-q", "-y", "install", "--no-install-recommends", *packages]
    # Package lists may be absent (a fresh container) or old.
    done = run_apt(install)
    if done.returncode:
        run_apt(["apt-get", "-q", "update"])
        done = run_apt(install)
    if done.returncode:
        raise SystemExit(f"foreign: could not install {listed}\n{(done.stderr or done.stdout)[-2000:]}")


def run_apt(argv: list[str]) -> subprocess.CompletedProcess[str]:
    """One call of apt-get, which asks nothing."""
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    return subprocess.run(argv, env=environment, timeout=2 * INSTALL_S, capture_output=True, text=True, check=False)


def prepare(program: Program, folder: Path) -> tuple[list[str], dict[str, str]]:
    """The command that runs a program and its environment, its packages installed. Unavailable."""
    if program.missing:
        raise Unavailable(f"no {' and no '.join(program.missing)} on this machine")
    words = list(LANGUAGES[program.path.suffix][0])
    environment = dict(os.environ)
    if program.pip:
        words[0] = str(install_pip(program, folder))
    if program.npm:
        environment |= {"NODE_PATH": str(install_npm(program, folder)), "NODE_NO_WARNINGS": "1"}
    if program.path.suffix == ".go":
        environment |= {"GOCACHE": str(folder / "go"), "GO111MODULE": "off", "GOFLAGS": ""}
    return [*words, str(program.path)], environment


def install_pip(program: Program, folder: Path) -> Path:
    """A virtual environment with the program's packages; its python."""
    place = folder / f"pip-{program.name}"
    python, mark = place / "bin" / "python", place / ".ready"
    wanted = " ".join(program.pip)
    if not is_ready(mark, wanted):
        # A plain environment of its own: some clients bring packages that would hide the standard library elsewhere.
        call([sys.executable, "-m", "venv", "--clear", str(place)])
        call([str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *program.pip])
        mark.write_text(wanted, "utf-8")
    return python


def install_npm(program: Program, folder: Path) -> Path:
    """A folder with the program's packages; its node_modules."""
    place = folder / f"npm-{program.name}"
    mark = place / ".ready"
    wanted = " ".join(program.npm)
    if not is_ready(mark, wanted):
        place.mkdir(exist_ok=True)
        quiet = ("--silent", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", str(place))
        call(["npm", "install", *quiet, *program.npm])
        mark.write_text(wanted, "utf-8")
    return place / "node_modules"


def is_ready(mark: Path, wanted: str) -> bool:
    """Whether these very packages were installed before."""
    return mark.exists() and mark.read_text("utf-8") == wanted


def call(argv: list[str]) -> None:
    """Run an installer; Unavailable with its last line when it fails."""
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=INSTALL_S, check=False)
    except subprocess.TimeoutExpired:
        raise Unavailable(f"{Path(argv[0]).name} took longer than {INSTALL_S:.0f} s") from None
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines()
        raise Unavailable(f"{Path(argv[0]).name} failed: {lines[-1] if lines else 'no word'}")
