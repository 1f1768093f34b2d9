"""``heliograph ledger``: the proof that the money is right."""

import click

from heliograph.cli.output import show_progress, tell, tell_json, tell_table
from heliograph.cli.session import Session, with_store
from heliograph.core.money import format_money
from heliograph.services.ledgers import Report
from heliograph.store.database import Database


@click.group()
def ledger() -> None:
    """Prove that the money is right."""


@ledger.command()
@with_store
def check(session: Session) -> None:
    """Compare, for every account, the ledger with its balances, its statistics and what its messages cost; ends with 1 if
    they differ.

    \b
    heliograph ledger check
    """
    from heliograph.services import ledgers

    async def work(db: Database) -> Report:
        with show_progress("rows", session.as_json) as progress:
            return await ledgers.check(db, progress)

    report = session.run(work)
    if session.as_json:
        tell_json(report)
    elif report.faults:
        rows = [
            (each.login, each.what, format_money(each.expected), format_money(each.found)) for each in report.faults
        ]
        tell_table(("account", "what", "by the ledger>", "found>"), rows, "", title="The ledger does not agree")
    else:
        tell(
            f"All agrees: {report.accounts} accounts, {report.entries} ledger rows, {report.messages} messages; "
            "every balance is the sum of its rows, charges less refunds are what the messages cost, and statistics counts the same."
        )
    if report.faults:
        click.get_current_context().exit(1)
