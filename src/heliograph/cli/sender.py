"""``heliograph sender``: sender names that accounts may use."""

import click

from heliograph.cli.output import tell, tell_json, tell_table, write_time
from heliograph.cli.session import Session, now_ms, with_store


@click.group()
def sender() -> None:
    """Sender names that accounts may use."""


@sender.command()
@click.argument("name")
@click.option("--login", default="", help="For this account only; without it, for all.")
@click.option("--state", default="approved", show_default=True, help="approved, waiting or refused.")
@with_store
def add(session: Session, name: str, login: str, state: str) -> None:
    """Register a name, or change its state.

    \b
    heliograph sender add MyShop --login shop
    """
    from heliograph.services import senders

    session.run(lambda db: senders.put(db, name, now_ms=now_ms(), login=login, state=state))
    if session.as_json:
        tell_json({"name": name, "login": login, "state": state})
    else:
        tell(f"{name} is {state} for {login or 'all accounts'}.")


@sender.command()
@click.argument("name")
@click.option("--login", default="", help="That of this account; without it, that of all.")
@with_store
def remove(session: Session, name: str, login: str) -> None:
    """Forget a name.

    \b
    heliograph sender remove MyShop --login shop
    """
    from heliograph.services import senders

    session.run(lambda db: senders.remove(db, name, login=login))
    if session.as_json:
        tell_json({"name": name, "login": login, "removed": True})
    else:
        tell(f"{name} is gone for {login or 'all accounts'}.")


@sender.command("list")
@click.option("--login", default=None, help="Those of this account only.")
@with_store
def list_(session: Session, login: str | None) -> None:
    """All names and their states.

    \b
    heliograph sender list
    """
    from heliograph.services import senders

    found = session.run(lambda db: senders.list_all(db, login))
    if session.as_json:
        tell_json(found)
        return
    rows = [(each.name, each.login or "(all)", each.state, write_time(each.created_ms)) for each in found]
    tell_table(("name", "account", "state", "since"), rows, "No names yet; add one: heliograph sender add NAME")
