"""``heliograph link``: short links of accounts, their clicks, and whose link a code is (docs/links.md)."""

from typing import TYPE_CHECKING

import click

from heliograph.cli.output import tell_json, tell_table, write_time
from heliograph.cli.session import Session, now_ms, with_store

if TYPE_CHECKING:
    from heliograph.core.links import Codes, Counts
    from heliograph.services.links import Line, Owner
    from heliograph.store.database import Database


@click.group()
def link() -> None:
    """Short links of accounts and their clicks."""


@link.command("list")
@click.argument("login")
@click.option(
    "--limit", type=click.IntRange(1, 100_000), default=100, show_default=True, help="This many, newest first."
)
@with_store
def list_(session: Session, login: str, limit: int) -> None:
    """The short links of an account, newest first.

    \b
    heliograph link list shop
    """
    from heliograph.services import accounts, links

    codes, base = _codes(session)

    async def work(db: "Database") -> "list[Line]":
        account = (await accounts.show(db, login)).account
        return await links.list_all(db, account.id, codes, base, limit=limit)

    found = session.run(work)
    if session.as_json:
        tell_json(found)
        return
    rows = [(each.id, each.short, each.clicks, write_time(each.created_ms), each.url) for each in found]
    tell_table(("id>", "short link", "clicks>", "since", "leads to"), rows, f"{login} has no short links yet.")


@link.command()
@click.argument("login")
@click.argument("name")
@with_store
def show(session: Session, login: str, name: str) -> None:
    """A link of an account and its clicks; NAME is its id, its address or the short link.

    \b
    heliograph link show shop mywebsite.ru
    """
    from heliograph.services import accounts, links

    codes, base = _codes(session)
    id_ = int(name) if name.isascii() and name.isdigit() and len(name) <= 18 else 0

    async def work(db: "Database") -> "Counts":
        account = (await accounts.show(db, login)).account
        return await links.show(db, account, codes, base, id_, "" if id_ else name, now_ms())

    found = session.run(work)
    if session.as_json:
        tell_json(found)
        return
    rows = [
        ("id", found.id),
        ("leads to", found.url),
        ("short link", found.short),
        ("since", write_time(found.created_ms)),
        ("clicks", found.cnt),
        ("today", found.cnt_day),
        ("yesterday", found.cnt_yes),
        ("this month", found.cnt_mon),
        ("last month", found.cnt_pmon),
    ]
    tell_table(("", ""), rows, "")


@link.command()
@click.argument("short")
@with_store
def find(session: Session, short: str) -> None:
    """Whose a short link is, and the message of a recipient's own one; SHORT is the link or its code.

    \b
    heliograph link find https://s.example.ru/AbCd123
    """
    from heliograph.services import links

    codes, _ = _codes(session)

    async def work(db: "Database") -> "Owner":
        return await links.find_owner(db, codes, short)

    found = session.run(work)
    if session.as_json:
        tell_json(found)
        return
    rows = [("account", found.login), ("link", found.id), ("leads to", found.url), ("message", found.int_id or "(all)")]
    tell_table(("", ""), rows, "")


def _codes(session: Session) -> "tuple[Codes, str]":
    """The codes of this installation, and what stands before them: a path where no address is configured."""
    from heliograph.core.links import Codes
    from heliograph.store.secrets import LINKS

    return Codes(session.secrets.derive(LINKS)), session.config.links.base or "/r/"
