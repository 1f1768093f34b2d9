"""Routes: the rules that lead messages to carriers (core/routing.py)."""

import re
from collections.abc import Mapping

import msgspec

from heliograph.core.carriers import Settings
from heliograph.core.messages import Kind
from heliograph.core.reasons import Reason, Refused
from heliograph.core.routing import Conditions, Route
from heliograph.core.settings import change as change_settings
from heliograph.services.changes import change, check_name
from heliograph.store.database import Database, Row, Transaction

ANYTHING = re.compile(r".*", re.DOTALL)
# Places without a known network have the network code 0, so four digits are the fewest (mccmnc of a range).
FORMS = {
    "countries": (re.compile(r"[A-Z]{2}"), "ISO code of a country; RU is one"),
    "operators": (re.compile(r"[0-9]{4,6}"), "MCC and MNC; 25001 is one"),
    "prefixes": (re.compile(r"[0-9]{1,15}"), "beginning of a number; 7916 is one"),
    "kinds": (re.compile("|".join(str(int(kind)) for kind in Kind)), "kind of message; 0 is SMS"),
}


class Overview(msgspec.Struct, frozen=True):
    """A route with the name of its carrier, and whether it is used."""

    route: Route
    carrier: str
    enabled: bool


async def create(
    db: Database,
    name: str,
    *,
    carrier: str,
    priority: int = 0,
    weight: int = 1,
    enabled: bool = True,
    conditions: Mapping[str, str] | None = None,
) -> Route:
    """A new route. Refused: BAD_PARAMETERS for its parts, NOT_FOUND for the carrier, NOT_POSSIBLE for a taken name."""
    check_name("a route", name)
    _check_weight(weight)
    own = parse_conditions(Conditions(), conditions or {})
    async with change(db) as tx:
        if await tx.one("routes.find", name) is not None:
            raise Refused(Reason.NOT_POSSIBLE, f"there is a route {name!r} already")
        carrier_id = await _find_carrier(tx, carrier)
        row = await tx.one("routes.next_id")
        assert row is not None
        route = Route(row[0], name, carrier_id, priority, weight, own)
        text = msgspec.json.encode(own).decode()
        await tx.run("routes.create", route.id, name, carrier_id, priority, weight, int(enabled), text)
    return route


async def alter(
    db: Database,
    name: str,
    *,
    carrier: str | None = None,
    priority: int | None = None,
    weight: int | None = None,
    enabled: bool | None = None,
    conditions: Mapping[str, str] | None = None,
) -> Overview:
    """Change what is given of a route; how it is now. Refused(NOT_FOUND, BAD_PARAMETERS)."""
    if weight is not None:
        _check_weight(weight)
    async with change(db) as tx:
        old = _read(_must(await tx.one("routes.find", name), name))
        own = parse_conditions(old.route.conditions, conditions or {})
        carrier_id = old.route.carrier_id if carrier is None else await _find_carrier(tx, carrier)
        first = old.route.priority if priority is None else priority
        heavy = old.route.weight if weight is None else weight
        on = old.enabled if enabled is None else enabled
        text = msgspec.json.encode(own).decode()
        await tx.run("routes.change", carrier_id, first, heavy, int(on), text, old.route.id)
        return _read(_must(await tx.one("routes.find", name), name))


async def remove(db: Database, name: str) -> None:
    """Remove a route; messages on their way keep their carrier. Refused(NOT_FOUND)."""
    async with change(db) as tx:
        row = _must(await tx.one("routes.find", name), name)
        await tx.run("routes.remove", row[0])


async def list_all(db: Database) -> list[Overview]:
    """All routes, higher priority first."""
    return [_read(row) for row in await db.all("routes.list")]


async def show(db: Database, name: str) -> Overview:
    """One route; Refused(NOT_FOUND)."""
    return _read(_must(await db.one("routes.find", name), name))


def parse_conditions(conditions: Conditions, texts: Mapping[str, str]) -> Conditions:
    """Conditions with some of them read from texts with commas; Refused(BAD_PARAMETERS)."""
    try:
        changed = change_settings(conditions, texts)
    except ValueError as error:
        raise Refused(Reason.BAD_PARAMETERS, str(error)) from None
    # Numbers are compared without their plus, countries in capitals (core/routing.explain).
    own = msgspec.structs.replace(
        changed,
        countries=tuple(country.upper() for country in changed.countries),
        prefixes=tuple(prefix.lstrip("+") for prefix in changed.prefixes),
    )
    for name in texts:
        _check_condition(name, own)
    return own


def _check_condition(name: str, conditions: Conditions) -> None:
    """A value that no message can have would make a route that never takes anything; Refused(BAD_PARAMETERS)."""
    form, wanted = FORMS.get(name, (ANYTHING, ""))
    for value in getattr(conditions, name):
        if not form.fullmatch(str(value)):
            raise Refused(Reason.BAD_PARAMETERS, f"{name}: {str(value)!r} is no {wanted}")


def _check_weight(weight: int) -> None:
    if weight < 0:
        raise Refused(Reason.BAD_PARAMETERS, "a weight is 0 or more")


async def _find_carrier(tx: Transaction, name: str) -> int:
    row = await tx.one("carriers.find", name)
    if row is None:
        raise Refused(Reason.NOT_FOUND, f"there is no carrier {name!r}; make one first (heliograph carrier create)")
    return int(row[0])


def _read(row: Row) -> Overview:
    id_, name, carrier_id, priority, weight, enabled, text, carrier, settings = row
    conditions = msgspec.json.decode(text, type=Conditions)
    calls = msgspec.json.decode(settings, type=Settings).calls
    return Overview(Route(id_, name, carrier_id, priority, weight, conditions, calls), carrier, bool(enabled))


def _must(row: Row | None, name: str) -> Row:
    if row is None:
        raise Refused(Reason.NOT_FOUND, f"there is no route {name!r}")
    return row
