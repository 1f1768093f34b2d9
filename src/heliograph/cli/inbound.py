"""``heliograph inbound``: texts from subscribers, for those who run the service (design section 6, flow E)."""

import click

from heliograph.cli.output import tell_json, tell_table, write_time
from heliograph.cli.session import Session, with_store


@click.group()
def inbound() -> None:
    """Texts that subscribers have sent.

    \b
    heliograph inbound list --login shop
    """


@inbound.command("list")
@click.option("--login", default="", help="Those of this account.")
@click.option("--nobody", is_flag=True, help="Those that belong to no account.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=50, show_default=True, help="So many at most.")
@click.option("--before", type=click.IntRange(1), default=None, help="Only those with an id below this one.")
@with_store
def list_(session: Session, login: str, nobody: bool, limit: int, before: int | None) -> None:
    """Incoming texts, newest first, with their accounts and the messages they answer (see heliograph trace).

    \b
    heliograph inbound list
    heliograph inbound list --login shop --limit 10
    heliograph inbound list --nobody --json
    """
    from heliograph.services import histories

    if login and nobody:
        raise click.UsageError("--login and --nobody cannot go together")
    found = session.run(
        lambda db: histories.show_incoming(
            db, login=login, nobody=nobody, before=before or histories.NEWEST, limit=limit
        )
    )
    if session.as_json:
        tell_json(found)
        return
    rows = [
        (each.id, write_time(each.received_ms), each.login, each.phone, each.to_phone, each.int_id or "", each.text)
        for each in found
    ]
    tell_table(("id>", "received", "account", "from", "to", "answers>", "text"), rows, "No text has come.")
