"""Answers of commands: tables for people, JSON for programs, progress of long work (rich: https://rich.readthedocs.io)."""

import inspect
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click
import msgspec

if TYPE_CHECKING:
    from rich.console import Console

# Nobody reads a piped table at 80 columns; a terminal has its own width.
PIPE_WIDTH = 200


def tell_json(value: Any) -> None:
    """Print a value as JSON, indented."""
    click.echo(msgspec.json.format(msgspec.json.encode(value, enc_hook=_fields_of), indent=2).decode())


def _fields_of(record: object) -> dict[str, object]:
    """A record that is a plain class: what its ``__init__`` takes, in that order."""
    return {name: getattr(record, name) for name in inspect.signature(type(record)).parameters}


def tell(text: str) -> None:
    """Print a line of what was done."""
    click.echo(clean(text))


def tell_table(columns: Sequence[str], rows: Iterable[Sequence[object]], empty: str, title: str = "") -> None:
    """Print a table; columns that end in ">" stand to the right. ``empty`` is said when there are no rows."""
    from rich import box
    from rich.table import Table

    headed = any(columns)
    shape = box.SIMPLE_HEAD if headed else box.SIMPLE
    table = Table(
        box=shape, show_header=headed, title=title or None, title_justify="left", title_style="bold", pad_edge=False
    )
    for column in columns:
        right = column.endswith(">")
        table.add_column(column.removesuffix(">"), justify="right" if right else "left", overflow="fold")
    for row in rows:
        table.add_row(*(clean("" if cell is None else str(cell)) for cell in row))
    if table.row_count:
        make_console().print(table)
    elif empty:
        click.echo(empty)


def make_console(error: bool = False) -> "Console":
    """A console that takes texts as they are: no markup, for they may come from anybody."""
    from rich.console import Console

    console = Console(markup=False, highlight=False, emoji=False, stderr=error)
    if not console.is_terminal:
        console.width = PIPE_WIDTH
    return console


@contextmanager
def show_progress(what: str, quiet: bool = False) -> Iterator[Callable[[int, int], None]]:
    """A progress bar on standard error, fed with (done, total), total 0 for unknown; none beside JSON or pipes."""
    console = make_console(error=True)
    if quiet or not console.is_terminal:
        yield lambda done, total: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(what, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total or None)


def clean(text: str) -> str:
    """A text without what could steer a terminal: names and receipts come from outside."""
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in text)


def write_time(at_ms: int | None, precise: bool = False) -> str:
    """A time for people, in the zone of this machine; empty for none."""
    if not at_ms:
        return ""
    moment = datetime.fromtimestamp(at_ms / 1000).astimezone()
    return moment.strftime("%Y-%m-%d %H:%M:%S") + (f".{at_ms % 1000:03d}" if precise else "")


def write_span(seconds: float | None) -> str:
    """A span for people: 5 s, 3 min, 2.5 h, 4 d; empty for none."""
    if seconds is None:
        return ""
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.0f} s"
