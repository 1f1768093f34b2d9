"""``heliograph key``: API keys of accounts."""

import click

from heliograph.cli.output import tell, tell_json, tell_table, write_time
from heliograph.cli.session import Session, now_ms, with_store


@click.group()
def key() -> None:
    """API keys of accounts."""


@key.command()
@click.argument("login")
@click.option("--label", default="", help="What it is for.")
@with_store
def create(session: Session, login: str, label: str) -> None:
    """Make a key; it is shown this once and cannot be found out later.

    \b
    heliograph key create shop --label "web shop"
    """
    from heliograph.services import accounts

    made = session.run(lambda db: accounts.create_key(db, login, now_ms=now_ms(), label=label))
    if session.as_json:
        tell_json({"login": login, "label": label, "key": made})
    else:
        tell(f"The key of {login}, shown this once: {made}")


@key.command("list")
@click.argument("login")
@with_store
def list_(session: Session, login: str) -> None:
    """The keys of an account, by their first characters.

    \b
    heliograph key list shop
    """
    from heliograph.services import accounts

    found = session.run(lambda db: accounts.list_keys(db, login))
    if session.as_json:
        tell_json(found)
        return
    rows = [(f"{each.hint}…", each.label, write_time(each.created_ms), each.digest[:12]) for each in found]
    tell_table(
        ("key", "label", "made", "digest"), rows, f"{login} has no keys; make one: heliograph key create {login}"
    )


@key.command()
@click.argument("login")
@click.argument("name")
@with_store
def revoke(session: Session, login: str, name: str) -> None:
    """Take a key away: itself, its first characters, or the beginning of its digest.

    \b
    heliograph key revoke shop Qx7p
    """
    from heliograph.services import accounts

    gone = session.run(lambda db: accounts.revoke_key(db, login, name))
    if session.as_json:
        tell_json({"login": login, "revoked": gone.digest})
    else:
        tell(f"{login}: the key {gone.hint}… {gone.label} is gone.")
