"""``heliograph number``: the stock of dedicated numbers, and who rents them (docs/numbers.md)."""

from typing import TYPE_CHECKING, Any

import click

from heliograph.cli.output import tell, tell_json, tell_table, write_time
from heliograph.cli.session import Session, load_facts, now_ms, read_amount, with_store
from heliograph.core.money import format_money

if TYPE_CHECKING:
    from heliograph.core.numbers import Plan
    from heliograph.core.rents import Number
    from heliograph.services.stock import Line, Owned
    from heliograph.store.database import Database

TYPE = click.Choice(["1", "2", "4"])


@click.group()
def number() -> None:
    """Dedicated numbers: the stock, and who rents them."""


@number.command()
@click.argument("phone")
@click.option("--type", "type_", type=TYPE, default="1", show_default=True, help="1, 4: virtual; 2: on a SIM.")
@click.option("--cost", default="0", show_default=True, help="The rent of a month.")
@click.option("--currency", default="RUR", show_default=True, help="Its currency.")
@click.option("--info", default="", help="Operator and kinds of notification, as customers see it.")
@click.option("--uses", default="texts,calls", show_default=True, help="texts, calls, or both.")
@click.option("--shared", is_flag=True, help="Nobody rents it: everybody's subscribers use it.")
@with_store
def add(session: Session, phone: str, type_: str, cost: str, currency: str, info: str, uses: str, shared: bool) -> None:
    """Put a number into the stock.

    \b
    heliograph number add 79990001122 --type 1 --cost 500 --currency RUR --info "MTS, SMS and calls"
    heliograph number add 78005550000 --shared --uses calls
    """
    from heliograph.core.rents import Number
    from heliograph.services import stock

    kind = Number("", int(type_), _read_uses(uses), shared, read_amount(cost), currency, info)

    async def work(db: "Database") -> "Number":
        return await stock.add(db, phone, await _load_plan(session, db), kind, now_ms=now_ms())

    _tell(session, session.run(work), "is in the stock")


@number.command("list")
@click.option("--login", default="", help="Those that this account rents.")
@click.option("--free", is_flag=True, help="Those that nobody rents.")
@with_store
def list_(session: Session, login: str, free: bool) -> None:
    """The stock, by number.

    \b
    heliograph number list
    heliograph number list --free
    heliograph number list --login shop --json
    """
    from heliograph.services import accounts, stock

    async def work(db: "Database") -> "list[Owned]":
        if login:
            await accounts.show(db, login)
        return await stock.list_all(db)

    found = [
        each
        for each in session.run(work)
        if (not login or each.login == login) and (not free or not (each.number.account_id or each.number.shared))
    ]
    if session.as_json:
        tell_json([_plain(each.number, each.login) for each in found])
        return
    rows = [
        (
            each.number.phone,
            each.number.type,
            ", ".join(each.number.uses),
            format_money(each.number.cost),
            each.number.currency,
            "(shared)" if each.number.shared else each.login,
            write_time(each.number.until_ms),
            "ends" if each.number.noprolong else "renewed" if each.number.account_id else "",
            each.number.info,
        )
        for each in found
    ]
    columns = ("number", "type>", "for", "month>", "", "account", "paid up to", "then", "info")
    tell_table(columns, rows, "No numbers; add one: heliograph number add 79990001122 --cost 500")


@number.command("set")
@click.argument("phone")
@click.option("--type", "type_", type=TYPE, help="1, 4: virtual; 2: on a SIM.")
@click.option("--cost", help="The rent of a month, from the next payment on.")
@click.option("--currency", help="Its currency.")
@click.option("--info", help="Operator and kinds of notification, as customers see it.")
@click.option("--uses", help="texts, calls, or both.")
@click.option("--shared/--no-shared", default=None, help="Whether nobody rents it and everybody uses it.")
@with_store
def set_(
    session: Session,
    phone: str,
    type_: str | None,
    cost: str | None,
    currency: str | None,
    info: str | None,
    uses: str | None,
    shared: bool | None,
) -> None:
    """Change what is given of a number.

    \b
    heliograph number set 79990001122 --cost 550 --info "MTS, SMS"
    """
    from heliograph.services import stock

    parts: dict[str, Any] = {
        "type": None if type_ is None else int(type_),
        "cost": None if cost is None else read_amount(cost),
        "currency": currency,
        "info": info,
        "uses": None if uses is None else _read_uses(uses),
        "shared": shared,
    }
    given = {name: part for name, part in parts.items() if part is not None}
    if not given:
        raise click.UsageError("nothing to change: name --type, --cost, --currency, --info, --uses or --shared")

    async def work(db: "Database") -> "Number":
        return await stock.alter(db, phone, await _load_plan(session, db), given)

    _tell(session, session.run(work), "was changed")


@number.command()
@click.argument("phone")
@click.option("--force", is_flag=True, help="Also while it is rented; nothing is given back.")
@with_store
def remove(session: Session, phone: str, force: bool) -> None:
    """Take a number out of the stock.

    \b
    heliograph number remove 79990001122
    heliograph number remove 79990001122 --force
    """
    from heliograph.services import stock

    async def work(db: "Database") -> str:
        return await stock.remove(db, phone, await _load_plan(session, db), now_ms=now_ms(), force=force)

    found = session.run(work)
    if session.as_json:
        tell_json({"phone": found, "removed": True})
    else:
        tell(f"{found} is gone.")


@number.command()
@click.argument("phone")
@click.argument("login")
@click.option("--noprolong", is_flag=True, help="It is released at the end of the month.")
@with_store
def assign(session: Session, phone: str, login: str, noprolong: bool) -> None:
    """Give a free number to an account up to the end of the month, without a charge.

    \b
    heliograph number assign 79990001122 shop
    """
    from heliograph.services import stock

    async def work(db: "Database") -> "Number":
        plan = await _load_plan(session, db)
        return await stock.assign(db, phone, plan, login, now_ms=now_ms(), noprolong=noprolong)

    found = session.run(work)
    _tell(session, found, f"belongs to {login} up to {write_time(found.until_ms)}", login)


@number.command()
@click.argument("phone")
@with_store
def release(session: Session, phone: str) -> None:
    """Take a number back from its account; nothing is given back for it.

    \b
    heliograph number release 79990001122
    """
    from heliograph.services import stock

    async def work(db: "Database") -> "Number":
        return await stock.release(db, phone, await _load_plan(session, db), now_ms=now_ms())

    _tell(session, session.run(work), "is free")


@number.command()
@click.argument("phone")
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True, help="So many at most.")
@with_store
def history(session: Session, phone: str, limit: int) -> None:
    """What became of a number, newest first: who had it, when, and what was paid.

    \b
    heliograph number history 79990001122
    """
    from heliograph.services import stock

    async def work(db: "Database") -> "list[tuple[str, Line]]":
        return await stock.list_lines(db, phone, await _load_plan(session, db), limit=limit)

    found = session.run(work)
    if session.as_json:
        plain = [
            {
                "at_ms": line.at_ms,
                "phone": line.phone,
                "name": line.name,
                "login": login,
                "amount": format_money(line.amount),
                "currency": line.currency,
                "until_ms": line.until_ms,
                "note": line.note,
            }
            for login, line in found
        ]
        tell_json(plain)
        return
    rows = [
        (
            write_time(line.at_ms),
            line.name,
            login,
            format_money(line.amount) if line.amount else "",
            line.currency if line.amount else "",
            write_time(line.until_ms),
            line.note,
        )
        for login, line in found
    ]
    columns = ("when", "what", "account", "paid>", "", "up to", "why")
    tell_table(columns, rows, "Nobody has had this number.")


async def _load_plan(session: Session, db: "Database") -> "Plan":
    return (await load_facts(db, session.config)).plan


def _read_uses(text: str) -> tuple[str, ...]:
    from heliograph.core.rents import read_uses

    try:
        return read_uses(text)
    except ValueError as error:
        raise click.UsageError(f"--uses {error}") from None


def _tell(session: Session, found: "Number", what: str, login: str = "") -> None:
    if session.as_json:
        tell_json(_plain(found, login))
    else:
        tell(f"{found.phone} {what}.")


def _plain(found: "Number", login: str = "") -> dict[str, object]:
    return {
        "phone": found.phone,
        "type": found.type,
        "uses": found.uses,
        "shared": found.shared,
        "cost": format_money(found.cost),
        "currency": found.currency,
        "info": found.info,
        "login": login,
        "account_id": found.account_id,
        "since_ms": found.since_ms,
        "until_ms": found.until_ms,
        "noprolong": found.noprolong,
    }
