"""The pages for people say what the program does: files, commands, settings and the tables made from the code are there."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from heliograph import config
from heliograph.api.app import discover
from heliograph.api.operation import Operation
from heliograph.cli.main import heliograph
from heliograph.core import accounts, carriers, routing
from heliograph.core.settings import describe
from heliograph.simulator.behaviour import PRESETS, scripted_table
from heliograph.web import imgcode

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "docs" / "adr").glob("*.md")],
    key=lambda page: page.relative_to(ROOT).as_posix(),
)
NAMES = [page.relative_to(ROOT).as_posix() for page in PAGES]

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
FILE = re.compile(r"(?:src|tests|docs|bench|requirements|\.ci)/[A-Za-z0-9_./-]+")
COMMAND = re.compile(r"(?:heliograph|\./dev run|\./dev serve) ?(?=[a-z-])")
MARKS = ("<!-- scripted numbers: begin -->\n", "<!-- scripted numbers: end -->")
# Commands whose key=value arguments are settings, and what else they take in that form.
SETTINGS: dict[tuple[str, ...], set[str]] = {
    ("account", "create"): {each.name for each in describe(accounts.Settings)},
    ("account", "set"): {each.name for each in describe(accounts.Settings)} | {"tariff", "credit"},
    ("carrier", "create"): {each.name for each in describe(carriers.Settings)},
    ("carrier", "set"): {each.name for each in describe(carriers.Settings)},
    ("route", "create"): {each.name for each in describe(routing.Conditions)},
    ("route", "set"): {each.name for each in describe(routing.Conditions)}
    | {"carrier", "priority", "weight", "enabled"},
}


def read(name: str) -> str:
    """A page of the repository."""
    return (ROOT / name).read_text("utf-8")


def find_commands(text: str) -> Iterator[list[str]]:
    """The arguments of every heliograph command that a page prints, in blocks and between backticks."""
    lines = [line.strip() for _, block in FENCE.findall(text) for line in block.splitlines()]
    for line in [*lines, *INLINE.findall(FENCE.sub("", text))]:
        found = COMMAND.match(line)
        if found is not None:
            words = shlex.split(line[found.end() :].partition(" > ")[0], comments=True)
            yield ["serve", *words] if "serve" in found[0] else words


def parse(words: list[str]) -> None:
    """Have click read a command without running it; UsageError for what it does not know."""
    command: click.Command = heliograph
    path: tuple[str, ...] = ()
    context = click.Context(heliograph, info_name="heliograph")
    rest = list(words)
    while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
        name = rest.pop(0)
        found = command.get_command(context, name)
        if found is None:
            raise click.UsageError(f"there is no command {' '.join((*path, name))}")
        command, path = found, (*path, name)
    if rest and rest != ["--version"]:
        # Half a command between backticks names it only; with arguments it must be whole.
        command.make_context(path[-1] if path else "heliograph", list(rest), parent=context)
    known = SETTINGS.get(path[:2])
    if known is not None:
        given = {word.partition("=")[0] for word in rest if re.match(r"[a-z_0-9]+=", word)}
        if given - known:
            raise click.UsageError(f"there are no settings {', '.join(sorted(given - known))}")


@pytest.mark.parametrize("operation", discover(), ids=lambda operation: operation.name)
def test_operation_is_marked_done_in_spec(operation: Operation) -> None:
    """SPEC.md is what people go by before they install: it must not lag behind the declarations."""
    module = operation.handler.__module__.replace(".", "/")
    rows = [line for line in read("SPEC.md").splitlines() if line.startswith(f"| `{operation.paths[0]}` |")]
    done = [row for row in rows if "| done |" in row and f"`src/{module}.py`" in row]
    wanted = operation.flag or operation.name
    assert any(wanted in row for row in done), f"SPEC.md: no line says that {operation.name} is done in src/{module}.py"


def test_page_marked_done_in_spec_is_declared() -> None:
    """Nothing is promised that the program does not have."""
    declared = {operation.paths[0] for operation in discover()} | {imgcode.PATH}
    promised = set(re.findall(r"^\| `(/[a-z]+/[\w./]+)` \|.*\| done \|", read("SPEC.md"), re.MULTILINE))
    assert promised == declared


@pytest.mark.parametrize("name", NAMES)
def test_files_and_links_of_page_exist(name: str) -> None:
    """A link to nowhere costs a reader more than no link."""
    text, folder = read(name), (ROOT / name).parent
    links = [folder / target for target in LINK.findall(FENCE.sub("", text)) if "://" not in target]
    named = [
        ROOT / found[0] for word in INLINE.findall(FENCE.sub("", text)) if (found := FILE.fullmatch(word)) is not None
    ]
    missing = [path.relative_to(ROOT).as_posix() for path in (*links, *named) if not path.resolve().exists()]
    assert not missing


@pytest.mark.parametrize("name", NAMES)
def test_commands_of_page_exist(name: str) -> None:
    """People paste what they read: each command is known with its options and settings."""
    for words in find_commands(read(name)):
        try:
            parse(words)
        except click.UsageError as error:
            pytest.fail(f"{name}: heliograph {shlex.join(words)}: {error.format_message()}")


def test_commands_are_found_in_pages() -> None:
    """The check above would be silent if it found nothing to check."""
    found = {words[0] for name in NAMES for words in find_commands(read(name)) if words}
    assert {"serve", "account", "carrier", "route", "tariff", "trace", "drill", "backup", "simulate"} <= found
    with pytest.raises(click.UsageError):
        parse(["account", "set", "shop", "day_limt=5"])
    with pytest.raises(click.UsageError):
        parse(["carrier", "creat", "acme"])


@pytest.mark.parametrize("name", NAMES)
def test_configuration_in_page_is_taken(name: str, tmp_path: Path) -> None:
    """A setting that does not exist stops the start, so pages may not show one."""
    for number, (language, block) in enumerate(FENCE.findall(read(name))):
        if language == "toml":
            path = tmp_path / f"{number}.toml"
            path.write_text(block, "utf-8")
            config.load(path, {})


def test_scripted_numbers_in_page_are_those_of_the_simulator() -> None:
    """The table is made from the code: after a change there, this says what to put between the marks."""
    wanted = "| Number | What happens |\n| --- | --- |\n"
    wanted += "".join(f"| {number} | {meaning} |\n" for number, meaning in scripted_table())
    begin, end = MARKS
    assert read("docs/simulator.md").partition(begin)[2].partition(end)[0] == wanted


def test_profiles_and_settings_of_carriers_are_explained() -> None:
    """Every profile and every setting has its line in the guides."""
    simulator, guide = read("docs/simulator.md"), read("docs/carriers.md")
    assert [name for name in PRESETS if f"| `{name}` |" not in simulator] == []
    assert [each.name for each in describe(carriers.Settings) if f"`{each.name}`" not in guide] == []
