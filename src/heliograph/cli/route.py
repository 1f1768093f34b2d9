"""``heliograph route``: which carrier takes which messages."""

import click
import msgspec

from heliograph.cli.output import tell, tell_json, tell_table
from heliograph.cli.session import Session, read_pairs, with_store
from heliograph.core.settings import write
from heliograph.services.routes import Overview
from heliograph.store.database import Database


@click.group()
def route() -> None:
    """Which carrier takes which messages.

    Conditions: countries=RU,KZ operators=25001 prefixes=7916 kinds=0,4 accounts=shop senders=MyShop
    """


@route.command()
@click.argument("name")
@click.option("--carrier", required=True, help="Where it leads.")
@click.option("--priority", type=int, default=0, show_default=True, help="Higher ones are tried first.")
@click.option("--weight", type=int, default=1, show_default=True, help="Share among equals.")
@click.option("--disabled", is_flag=True, help="Do not use it yet.")
@click.argument("conditions", nargs=-1, metavar="[KEY=VALUE]...")
@with_store
def create(
    session: Session,
    name: str,
    carrier: str,
    priority: int,
    weight: int,
    disabled: bool,
    conditions: tuple[str, ...],
) -> None:
    """Make a route; without conditions it takes everything.

    \b
    heliograph route create russia --carrier acme --priority 10 countries=RU
    heliograph route create rest --carrier other
    """
    from heliograph.services import routes

    pairs = read_pairs(conditions)

    async def work(db: Database) -> Overview:
        await routes.create(
            db, name, carrier=carrier, priority=priority, weight=weight, enabled=not disabled, conditions=pairs
        )
        return await routes.show(db, name)

    _tell(session, session.run(work), "was made")


@route.command("set", context_settings={"ignore_unknown_options": True})
@click.argument("name")
@click.argument("changes", nargs=-1, required=True, metavar="KEY=VALUE...")
@with_store
def set_(session: Session, name: str, changes: tuple[str, ...]) -> None:
    """Change a route: carrier, priority, weight, enabled, or conditions; an empty value lifts a condition.

    \b
    heliograph route set russia weight=3 enabled=yes operators=
    """
    from heliograph.core.settings import read
    from heliograph.services import routes

    pairs = read_pairs(changes)
    carrier = pairs.pop("carrier", None)
    try:
        priority = read(int, pairs.pop("priority")) if "priority" in pairs else None
        weight = read(int, pairs.pop("weight")) if "weight" in pairs else None
        enabled = read(bool, pairs.pop("enabled")) if "enabled" in pairs else None
    except ValueError as error:
        raise click.UsageError(f"priority, weight or enabled: {error}") from None
    found = session.run(
        lambda db: routes.alter(
            db, name, carrier=carrier, priority=priority, weight=weight, enabled=enabled, conditions=pairs
        )
    )
    _tell(session, found, "was changed")


@route.command()
@click.argument("name")
@with_store
def remove(session: Session, name: str) -> None:
    """Remove a route; messages that are on their way keep their carrier.

    \b
    heliograph route remove russia
    """
    from heliograph.services import routes

    session.run(lambda db: routes.remove(db, name))
    if session.as_json:
        tell_json({"name": name, "removed": True})
    else:
        tell(f"{name} is gone.")


@route.command("list")
@with_store
def list_(session: Session) -> None:
    """All routes in the order of trying.

    \b
    heliograph route list
    """
    from heliograph.services import routes

    found = session.run(routes.list_all)
    if session.as_json:
        tell_json([_plain(each) for each in found])
        return
    rows = [
        (
            each.route.name,
            each.carrier,
            each.route.priority,
            each.route.weight,
            _describe(each) or "everything",
            "" if each.enabled else "disabled",
        )
        for each in found
    ]
    columns = ("route", "carrier", "priority>", "weight>", "takes", "")
    tell_table(columns, rows, "No routes yet: nothing can be sent. heliograph route create NAME --carrier CARRIER")


def _describe(found: Overview) -> str:
    conditions = msgspec.to_builtins(found.route.conditions)
    return " ".join(f"{name}={write(value)}" for name, value in conditions.items())


def _tell(session: Session, found: Overview, what: str) -> None:
    if session.as_json:
        tell_json(_plain(found))
    else:
        tell(f"The route {found.route.name} {what}; it takes {_describe(found) or 'everything'} to {found.carrier}.")


def _plain(found: Overview) -> dict[str, object]:
    return {
        "id": found.route.id,
        "name": found.route.name,
        "carrier": found.carrier,
        "priority": found.route.priority,
        "weight": found.route.weight,
        "enabled": found.enabled,
        "conditions": msgspec.to_builtins(found.route.conditions),
    }
