"""``heliograph tariff``: price lists."""

from pathlib import Path

import click

from heliograph.cli.output import tell, tell_json, tell_table
from heliograph.cli.session import Failure, Session, read_amount, read_file, with_store
from heliograph.core.money import format_money
from heliograph.core.tariffs import Prices, Tariff, Zone
from heliograph.store.database import Database

KINDS = ("sms", "mass", "ping", "hlr", "mms", "call", "waitcall")


@click.group()
def tariff() -> None:
    """Price lists: zones, operators, refunds."""


@tariff.command()
@click.argument("name")
@click.option("--currency", default="RUR", show_default=True, help="Its currency.")
@click.option("--price", help="One price for every part anywhere; for more, use --file.")
@click.option("--file", "file", help='A CSV of zones and operators, see "tariff export".')
@click.option("--mail", help="The price of an e-mail.")
@click.option("--refund", help="Final statuses that give the money back, such as 20,22,25.")
@with_store
def create(
    session: Session,
    name: str,
    currency: str,
    price: str | None,
    file: str | None,
    mail: str | None,
    refund: str | None,
) -> None:
    """Make a tariff.

    \b
    heliograph tariff create basic --price 2.5 --mail 0.1
    heliograph tariff create world --currency EUR --file world.csv
    """
    from heliograph.core.tariffs import DEFAULT_REFUND
    from heliograph.services import tariffs

    if price and file:
        raise click.UsageError("--price and --file exclude each other")
    zones: tuple[Zone, ...] = (Zone(1, "Everywhere", ("*",), Prices(sms=read_amount(price))),) if price else ()
    own_mail = None if mail is None else read_amount(mail)
    content = _read_text(file) if file else ""

    async def work(db: Database) -> Tariff:
        read = tariffs.read_csv(content) if file else tariffs.PriceList(zones, {}, None)
        statuses = DEFAULT_REFUND if refund is None else tariffs.read_refund(refund)
        priced = read.mail or 0 if own_mail is None else own_mail
        return await tariffs.create(
            db, name, currency=currency, refund=statuses, zones=read.zones, codes=read.codes, mail=priced
        )

    _tell(session, session.run(work, create=True), "was made")


@tariff.command("import")
@click.argument("name")
@click.argument("file")
@with_store
def import_(session: Session, name: str, file: str) -> None:
    """Put the prices of a CSV in the place of a tariff's own; "-" is standard input.

    \b
    heliograph tariff import basic prices.csv
    """
    from heliograph.services import tariffs

    content = _read_text(file)

    async def work(db: Database) -> Tariff:
        return await tariffs.replace_prices(db, name, *tariffs.read_csv(content))

    _tell(session, session.run(work), "has new prices")


@tariff.command("export")
@click.argument("name")
@click.argument("file", default="-")
@with_store
def export(session: Session, name: str, file: str) -> None:
    """Write a tariff as CSV, to be changed and imported.

    \b
    heliograph tariff export basic prices.csv
    """
    from heliograph.services import tariffs

    text = tariffs.write_csv(session.run(lambda db: tariffs.show(db, name)))
    if file == "-":
        click.echo(text, nl=False)
        return
    try:
        Path(file).write_text(text, "utf-8")
    except OSError as error:
        raise Failure(f"cannot write {file}: {error.strerror}") from None
    if session.as_json:
        tell_json({"name": name, "file": file})
    else:
        tell(f"{name} was written to {file}.")


@tariff.command("list")
@with_store
def list_(session: Session) -> None:
    """All tariffs.

    \b
    heliograph tariff list
    """
    from heliograph.services import tariffs

    found = session.run(tariffs.list_all)
    if session.as_json:
        tell_json([_plain(each) for each in found])
        return
    rows = [
        (each.name, each.currency, len(each.zones), len(each.codes), ", ".join(map(str, sorted(each.refund))))
        for each in found
    ]
    columns = ("tariff", "currency", "zones>", "operators>", "gives back at status")
    tell_table(columns, rows, "No tariffs yet; make one: heliograph tariff create basic --price 2.5")


@tariff.command()
@click.argument("name")
@with_store
def show(session: Session, name: str) -> None:
    """The prices of a tariff.

    \b
    heliograph tariff show basic
    """
    from heliograph.services import tariffs

    found = session.run(lambda db: tariffs.show(db, name))
    if session.as_json:
        tell_json(_plain(found))
        return
    rows = [(zone.zone, zone.name, ", ".join(zone.matches), *_amounts(zone.prices)) for zone in found.zones]
    rows += [("", "(operator)", mccmnc, *_amounts(prices)) for mccmnc, prices in sorted(found.codes.items())]
    if found.mail:
        rows.append(("", "E-mail", "mail", *_amounts(Prices(sms=found.mail))))
    columns = ("zone>", "name", "matches", *(f"{kind}>" for kind in KINDS))
    tell_table(columns, rows, "It has no prices: no message can be sent.", title=f"{found.name}, {found.currency}")


@tariff.command()
@click.argument("name")
@click.argument("statuses")
@with_store
def refund(session: Session, name: str, statuses: str) -> None:
    """Which final statuses give the money back.

    \b
    heliograph tariff refund basic 3,20,22,25
    """
    from heliograph.services import tariffs

    async def work(db: Database) -> frozenset[int]:
        return await tariffs.set_refund(db, name, tariffs.read_refund(statuses))

    found = sorted(session.run(work))
    if session.as_json:
        tell_json({"name": name, "refund": found})
    else:
        tell(f"{name} gives back at: {', '.join(map(str, found)) or 'no status'}.")


@tariff.command()
@click.argument("name")
@click.argument("price")
@with_store
def mail(session: Session, name: str, price: str) -> None:
    """The price of an e-mail, the same for all zones; 0 is none.

    \b
    heliograph tariff mail basic 0.1
    """
    from heliograph.services import tariffs

    amount = read_amount(price)
    session.run(lambda db: tariffs.set_mail(db, name, amount))
    if session.as_json:
        tell_json({"name": name, "mail": format_money(amount)})
    else:
        tell(f"{name}: an e-mail costs {format_money(amount)}.")


@tariff.command()
@click.argument("name")
@with_store
def remove(session: Session, name: str) -> None:
    """Remove a tariff that no account has.

    \b
    heliograph tariff remove old
    """
    from heliograph.services import tariffs

    session.run(lambda db: tariffs.remove(db, name))
    if session.as_json:
        tell_json({"name": name, "removed": True})
    else:
        tell(f"{name} is gone.")


def _read_text(file: str) -> str:
    content = read_file(file)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1251", "replace")  # what spreadsheets of our users save


def _tell(session: Session, made: Tariff, what: str) -> None:
    if session.as_json:
        tell_json(_plain(made))
    else:
        tell(f"The tariff {made.name} {what}: {len(made.zones)} zones, {len(made.codes)} operators.")


def _amounts(prices: Prices) -> list[str]:
    values = [getattr(prices, kind) for kind in KINDS]
    return ["" if value is None else format_money(value) for value in values]


def _plain(found: Tariff) -> dict[str, object]:
    return {
        "name": found.name,
        "currency": found.currency,
        "refund": sorted(found.refund),
        "zones": [
            {"zone": zone.zone, "name": zone.name, "matches": zone.matches, "prices": _plain_prices(zone.prices)}
            for zone in found.zones
        ],
        "codes": {mccmnc: _plain_prices(prices) for mccmnc, prices in found.codes.items()},
        "mail": format_money(found.mail),
    }


def _plain_prices(prices: Prices) -> dict[str, str]:
    return {kind: amount for kind, amount in zip(KINDS, _amounts(prices), strict=True) if amount}
