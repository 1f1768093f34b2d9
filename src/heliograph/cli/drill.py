"""``heliograph drill``: kill the server under load, again and again, and count what was lost (design section 11)."""

import asyncio
import shutil
import tempfile
from pathlib import Path
from typing import Any

import click
import msgspec

from heliograph.cli.output import show_progress, tell, tell_json, tell_table
from heliograph.cli.session import Failure

DOUBTS_TOLD = 50  # rows of the list of doubts that a terminal gets; --json has them all


@click.command()
@click.option("--kills", type=click.IntRange(0, 1000), default=20, show_default=True, help="How often it is killed.")
@click.option(
    "--carrier-kills", type=click.IntRange(0, 1000), default=0, show_default=True, help="How often its carrier is."
)
@click.option("--messages", type=click.IntRange(1, 9_000_000), default=5000, show_default=True, help="Texts sent.")
@click.option("--rate", type=click.IntRange(1, 100_000), default=500, show_default=True, help="Texts a second.")
@click.option("--connections", type=click.IntRange(1, 500), default=50, show_default=True, help="HTTP connections.")
@click.option("--database", metavar="URL", help="An empty postgresql://… or sqlite:///file instead of a scratch file.")
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed, the same moments of killing.")
@click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")
def drill(
    kills: int,
    carrier_kills: int,
    messages: int,
    rate: int,
    connections: int,
    database: str | None,
    seed: int,
    as_json: bool,
) -> None:
    """Start a server of its own with a simulated carrier, load it, kill it with SIGKILL, and prove that nothing is lost.

    Ends with 1 when a text was lost or sent twice, a receipt or a callback was lost, or the ledger differs. Only a
    text that was being written to the carrier at a kill may be doubtful, window x links after each at most; each is
    listed with what ended the doubt, and one that stays open fails the drill.

    \b
    heliograph drill
    heliograph drill --kills 50 --database postgresql://me@localhost/empty
    """
    from heliograph.cli.drill_report import Report
    from heliograph.cli.drill_run import Order, run
    from heliograph.store.database import StoreError

    folder = Path(tempfile.mkdtemp(prefix="heliograph-drill-"))
    url = database or f"sqlite:///{folder / 'heliograph.db'}"
    order = Order(kills, messages, rate, connections, url, seed, folder, carrier_kills)
    report: Report | None = None
    try:
        with show_progress("texts and kills", as_json) as progress:
            report = asyncio.run(run(order, progress))
    except StoreError as error:
        raise Failure(str(error)) from None
    finally:
        if report is not None and report.passed:
            shutil.rmtree(folder, ignore_errors=True)
        else:
            click.echo(f"The server's log and data are kept in {folder}", err=True)
    if as_json:
        tell_json(report)
    else:
        _tell(report)
    if not report.passed:
        click.get_current_context().exit(1)


def _tell(report: Any) -> None:
    tell_table(("", "count>", ""), report.lines(), "")
    if report.doubts:
        rows = [msgspec.structs.astuple(each) for each in report.doubts[:DOUBTS_TOLD]]
        columns = ("id", "number", "found unsure", "after", "at the carrier>", "ended by", "at")
        tell_table(columns, rows, "", title="Doubtful texts")
        if len(report.doubts) > DOUBTS_TOLD:
            tell(f"… and {len(report.doubts) - DOUBTS_TOLD} more; --json lists all.")
    for fault in report.faults:
        tell(fault)
    tell("Passed: nothing was lost." if report.passed else "FAILED.")
