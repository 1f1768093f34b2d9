"""Carriers: making and changing them; their passwords are encrypted at rest (core/carriers.py; design section 11)."""

from collections.abc import Mapping

import msgspec

from heliograph.core.carriers import Carrier, Settings
from heliograph.core.reasons import Reason, Refused
from heliograph.core.settings import change as change_settings
from heliograph.core.settings import suggest
from heliograph.services.changes import change, check_name
from heliograph.store.database import Database, Row
from heliograph.store.secrets import Secrets

ALPHABETS = ("gsm7", "gsm7-packed", "latin1", "ucs2")
FAILOVERS = ("refused", "down", "expired")


async def create(
    db: Database,
    secrets: Secrets,
    name: str,
    *,
    kind: str = "smpp",
    password: str = "",
    settings: Mapping[str, str] | None = None,
    enabled: bool = True,
) -> Carrier:
    """A new carrier. Refused: BAD_PARAMETERS for its parts, NOT_POSSIBLE when the name is taken."""
    check_name("a carrier", name)
    own = parse_settings(Settings(), settings or {})
    async with change(db) as tx:
        if await tx.one("carriers.find", name) is not None:
            raise Refused(Reason.NOT_POSSIBLE, f"there is a carrier {name!r} already")
        row = await tx.one("carriers.next_id")
        assert row is not None
        carrier = Carrier(row[0], name, kind, enabled, own, password)
        text = msgspec.json.encode(own).decode()
        await tx.run("carriers.create", carrier.id, name, kind, int(enabled), text, secrets.seal(password))
    return carrier


async def alter(
    db: Database,
    secrets: Secrets,
    name: str,
    *,
    settings: Mapping[str, str] | None = None,
    password: str | None = None,
    enabled: bool | None = None,
) -> Settings:
    """Change what is given of a carrier; its settings afterwards. Refused(NOT_FOUND, BAD_PARAMETERS)."""
    async with change(db) as tx:
        id_, _, _, now_enabled, text, secret = _must(await tx.one("carriers.find", name), name)
        own = parse_settings(msgspec.json.decode(text, type=Settings), settings or {})
        sealed = secret if password is None else secrets.seal(password)
        on = now_enabled if enabled is None else int(enabled)
        await tx.run("carriers.change", on, msgspec.json.encode(own).decode(), sealed, id_)
    return own


async def remove(db: Database, name: str) -> None:
    """Remove a carrier that no route leads to and that owes nothing: no text waits for it, and of none its report.
    Refused(NOT_FOUND, NOT_POSSIBLE)."""
    async with change(db) as tx:
        id_ = _must(await tx.one("carriers.find", name), name)[0]
        routes = [route for (route,) in await tx.all("carriers.routes", id_)]
        if routes:
            raise Refused(Reason.NOT_POSSIBLE, f"routes lead to {name}: {', '.join(routes)}; remove them first")
        for query, owing in (
            ("carriers.queued", "wait for {}"),
            ("carriers.sent", "were sent over {} and may be reported"),
        ):
            row = await tx.one(query, id_)
            if row is not None and row[0]:
                raise Refused(Reason.NOT_POSSIBLE, f"{row[0]} messages {owing.format(name)}; disable it instead")
        await tx.run("carriers.remove", id_)


async def list_all(db: Database, secrets: Secrets | None = None) -> list[Carrier]:
    """All carriers in the order in which they were made; without ``secrets`` their passwords are left empty."""
    return [_read(row, secrets) for row in await db.all("carriers.list")]


async def show(db: Database, name: str) -> Carrier:
    """One carrier, its password left empty; Refused(NOT_FOUND)."""
    return _read(_must(await db.one("carriers.find", name), name), None)


def parse_settings(settings: Settings, texts: Mapping[str, str]) -> Settings:
    """Settings with some of them read from texts; Refused(BAD_PARAMETERS) names the field or the nearest known one."""
    try:
        changed = change_settings(settings, texts)
        _check_words("alphabets", changed.alphabets, ALPHABETS)
        _check_words("failover", changed.failover, FAILOVERS)
    except ValueError as error:
        raise Refused(Reason.BAD_PARAMETERS, str(error)) from None
    return changed


def _check_words(name: str, text: str, known: tuple[str, ...]) -> None:
    for word in filter(None, (word.strip() for word in text.split(","))):
        if word not in known:
            raise ValueError(f"{name}: {word!r} is unknown; {suggest(word, known)}")


def _read(row: Row, secrets: Secrets | None) -> Carrier:
    id_, name, kind, enabled, text, secret = row
    password = secrets.unseal(secret) if secrets else ""
    return Carrier(id_, name, kind, bool(enabled), msgspec.json.decode(text, type=Settings), password)


def _must(row: Row | None, name: str) -> Row:
    if row is None:
        raise Refused(Reason.NOT_FOUND, f"there is no carrier {name!r}")
    return row
