"""``heliograph rate``: what currencies are worth."""

import click

from heliograph.cli.output import tell, tell_json, tell_table, write_time
from heliograph.cli.session import Session, now_ms, with_store
from heliograph.core.rates import format_rate, parse_rate


@click.group()
def rate() -> None:
    """Rates of currencies: for statistics in one currency, and for changing an account's."""


@rate.command("set")
@click.argument("currency")
@click.argument("value")
@with_store
def set_(session: Session, currency: str, value: str) -> None:
    """Say what one unit of a currency is worth, in a unit that all rates share (such as the rouble).

    \b
    heliograph rate set RUR 1
    heliograph rate set EUR 95.20
    heliograph rate set KZT 0.17
    """
    from heliograph.services import rates

    try:
        worth = parse_rate(value)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    found = session.run(lambda db: rates.set_rate(db, currency, worth, now_ms=now_ms()))
    if session.as_json:
        tell_json(_plain(found))
    else:
        tell(f"One {currency} is {format_rate(found.rate)} now.")


@rate.command("list")
@with_store
def list_(session: Session) -> None:
    """All rates.

    \b
    heliograph rate list
    """
    from heliograph.services import rates

    found = session.run(rates.list_all)
    if session.as_json:
        tell_json([_plain(each) for each in found])
        return
    rows = [(each.currency, format_rate(each.rate), write_time(each.changed_ms)) for each in found]
    tell_table(("currency", "rate>", "since"), rows, "No rates yet; set one: heliograph rate set EUR 95.20")


@rate.command()
@click.argument("currency")
@with_store
def remove(session: Session, currency: str) -> None:
    """Take a rate away; amounts in that currency are not exchanged any more.

    \b
    heliograph rate remove KZT
    """
    from heliograph.services import rates

    session.run(lambda db: rates.remove(db, currency))
    if session.as_json:
        tell_json({"currency": currency, "removed": True})
    else:
        tell(f"{currency} has no rate now.")


def _plain(found: object) -> dict[str, object]:
    from heliograph.services.rates import Rate

    assert isinstance(found, Rate)
    return {"currency": found.currency, "rate": format_rate(found.rate), "changed_ms": found.changed_ms}
