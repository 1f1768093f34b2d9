"""``heliograph reference``: the pages of docs/reference, made from the code, and the check that they are up to date."""

from collections.abc import Iterator
from pathlib import Path

import click
import msgspec

from heliograph import config
from heliograph.api.reference import FOLDER, pages
from heliograph.cli.main import COMMANDS, heliograph
from heliograph.cli.output import tell, tell_json
from heliograph.core.settings import describe, write

MADE = "<!-- Made by `heliograph reference` from the code. -->"
MARK = "Made by `heliograph reference`"
WIDTH = 100


@click.command()
@click.option("--check", is_flag=True, help="Write nothing; end with 1 when a page differs.")
@click.option("--root", default=".", show_default=True, help="The repository.")
@click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")
def reference(check: bool, root: str, as_json: bool) -> None:
    """Write docs/reference: the HTTP API, the commands, the settings and the configuration.

    \b
    heliograph reference
    heliograph reference --check
    """
    wanted = {**pages(), **own_pages()}
    folder = Path(root)
    differing = sorted(name for name, text in wanted.items() if _read(folder / name) != text)
    stale = sorted(name for name in _find_made(folder) if name not in wanted)
    if not check:
        for name in differing:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(wanted[name], "utf-8")
        for name in stale:
            (folder / name).unlink()
    if as_json:
        tell_json({"pages": len(wanted), "changed": differing, "stale": stale})
    elif not differing and not stale:
        tell(f"All {len(wanted)} pages are up to date.")
    else:
        for name in differing:
            tell(f"{'differs' if check else 'written'}: {name}")
        for name in stale:
            tell(f"{'is not made any more' if check else 'removed'}: {name}")
    if check and (differing or stale):
        click.echo("The pages differ from the code; run: heliograph reference", err=True)
        click.get_current_context().exit(1)


def own_pages() -> dict[str, str]:
    """The pages that the API does not make: commands, settings and configuration, by path."""
    return {
        f"{FOLDER}/commands.md": write_commands(),
        f"{FOLDER}/settings.md": write_settings(),
        f"{FOLDER}/configuration.md": f"# Configuration\n\n{MADE}\n\n```toml\n{config.sample()}```\n",
    }


def write_commands() -> str:
    """Every command's help, as one page."""
    lines = ["# Commands", "", MADE, ""]
    for path, command in _walk(heliograph, ("heliograph",)):
        with click.Context(command, info_name=" ".join(path), terminal_width=WIDTH, max_content_width=WIDTH) as context:
            text = "\n".join(line.rstrip() for line in command.get_help(context).splitlines())
        lines += [f"{'#' * min(len(path) + 1, 4)} {' '.join(path)}", "", "```", text, "```", ""]
    return "\n".join(lines)


def write_settings() -> str:
    """The settings of accounts and carriers and the conditions of routes, as one page."""
    from heliograph.core import accounts, carriers, routing

    lines = ["# Settings", "", MADE, ""]
    records: tuple[tuple[str, str, type[msgspec.Struct]], ...] = (
        ("Accounts", "heliograph account set LOGIN key=value", accounts.Settings),
        ("Carriers", "heliograph carrier set NAME key=value", carriers.Settings),
        ("Conditions of routes", "heliograph route set NAME key=value", routing.Conditions),
    )
    for title, usage, record in records:
        lines += [f"## {title}", "", f"`{usage}`", "", "| Setting | Default | Meaning |", "| --- | --- | --- |"]
        for each in describe(record):
            default = write(each.default)
            lines.append(f"| `{each.name}` | {f'`{default}`' if default else ''} | {each.help} |")
        lines.append("")
    return "\n".join(lines)


def _walk(command: click.Command, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        names = list(COMMANDS) if command is heliograph else sorted(command.list_commands(context))
        for name in names:
            found = command.get_command(context, name)
            if found is not None:
                yield from _walk(found, (*path, name))


def _read(path: Path) -> str | None:
    try:
        return path.read_text("utf-8")
    except OSError:
        return None


def _find_made(folder: Path) -> list[str]:
    found = (folder / FOLDER).glob("*.md")
    return [f"{FOLDER}/{path.name}" for path in found if MARK in (_read(path) or "")]
