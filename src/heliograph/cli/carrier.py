"""``heliograph carrier``: carriers and their settings."""

import click
import msgspec

from heliograph.cli.output import tell, tell_json, tell_table
from heliograph.cli.session import Session, read_pairs, read_secret, with_store
from heliograph.core.carriers import Carrier, Settings
from heliograph.core.settings import describe, write


@click.group()
def carrier() -> None:
    """Carriers: SMPP connections and their settings."""


@carrier.command()
@click.argument("name")
@click.option("--kind", default="smpp", show_default=True, help="How it is spoken to.")
@click.option("--password", help='The password at the carrier; "-" reads it from standard input.')
@click.option("--disabled", is_flag=True, help="Do not connect yet.")
@click.argument("settings", nargs=-1, metavar="[KEY=VALUE]...")
@with_store
def create(
    session: Session, name: str, kind: str, password: str | None, disabled: bool, settings: tuple[str, ...]
) -> None:
    """Make a carrier. Its settings are listed by: heliograph carrier settings

    \b
    heliograph carrier create acme host=smpp.example port=2775 system_id=me rate=100 --password -
    """
    from heliograph.delivery.carriers import kinds
    from heliograph.services import carriers

    if kind not in kinds():
        raise click.UsageError(f"there is no kind of carrier {kind!r}; there is: {', '.join(sorted(kinds()))}")
    pairs, secret = read_pairs(settings), read_secret(password, "password")
    made = session.run(
        lambda db: carriers.create(
            db, session.secrets, name, kind=kind, password=secret, settings=pairs, enabled=not disabled
        ),
        create=True,
    )
    if session.as_json:
        tell_json(_plain(made))
    else:
        tell(f"The carrier {name} was made. It gets messages by a route: heliograph route create NAME --carrier {name}")


@carrier.command("set")
@click.argument("name")
@click.option("--password", help='The password at the carrier; "-" reads it from standard input.')
@click.argument("settings", nargs=-1, metavar="[KEY=VALUE]...")
@with_store
def set_(session: Session, name: str, password: str | None, settings: tuple[str, ...]) -> None:
    """Change settings, or the password.

    \b
    heliograph carrier set acme rate=200 links=2
    heliograph carrier set acme window_most=500 links_most=4
    """
    from heliograph.services import carriers

    pairs = read_pairs(settings)
    secret = read_secret(password, "password") if password is not None else None
    if not pairs and secret is None:
        raise click.UsageError("say what to change, such as rate=200 or --password -")
    session.run(lambda db: carriers.alter(db, session.secrets, name, settings=pairs, password=secret))
    _tell_show(session, name, "changed")


@carrier.command()
@click.argument("name")
@with_store
def enable(session: Session, name: str) -> None:
    """Connect to a carrier and use it.

    \b
    heliograph carrier enable acme
    """
    from heliograph.services import carriers

    session.run(lambda db: carriers.alter(db, session.secrets, name, enabled=True))
    _tell_show(session, name, "enabled")


@carrier.command()
@click.argument("name")
@with_store
def disable(session: Session, name: str) -> None:
    """Disconnect from a carrier; its messages move to other routes.

    \b
    heliograph carrier disable acme
    """
    from heliograph.services import carriers

    session.run(lambda db: carriers.alter(db, session.secrets, name, enabled=False))
    _tell_show(session, name, "disabled")


@carrier.command()
@click.argument("name")
@with_store
def remove(session: Session, name: str) -> None:
    """Remove a carrier that no route leads to.

    \b
    heliograph carrier remove acme
    """
    from heliograph.services import carriers

    session.run(lambda db: carriers.remove(db, name))
    if session.as_json:
        tell_json({"name": name, "removed": True})
    else:
        tell(f"{name} is gone.")


@carrier.command("list")
@with_store
def list_(session: Session) -> None:
    """All carriers.

    \b
    heliograph carrier list
    """
    from heliograph.services import carriers

    found = session.run(lambda db: carriers.list_all(db))
    if session.as_json:
        tell_json([_plain(each) for each in found])
        return
    rows = [
        (
            each.name,
            each.kind,
            f"{each.settings.host}:{each.settings.port}",
            each.settings.system_id,
            _span(each.settings.links, each.settings.links_most),
            _span(each.settings.window, each.settings.window_most),
            f"{each.settings.rate:g}" if each.settings.rate else "",
            "" if each.enabled else "disabled",
        )
        for each in found
    ]
    columns = ("carrier", "kind", "address", "system_id", "links>", "window>", "parts/s>", "")
    tell_table(columns, rows, "No carriers yet; make one: heliograph carrier create NAME host=… system_id=…")


@carrier.command()
@click.argument("name")
@with_store
def show(session: Session, name: str) -> None:
    """One carrier with all its settings.

    \b
    heliograph carrier show acme
    """
    from heliograph.services import carriers

    found = session.run(lambda db: carriers.show(db, name))
    if session.as_json:
        tell_json(_plain(found))
        return
    rows: list[tuple[object, object, object]] = [("kind", found.kind, ""), ("enabled", write(found.enabled), "")]
    rows += [(each.name, write(getattr(found.settings, each.name)), each.help) for each in describe(Settings)]
    tell_table(("setting", "value", "meaning"), rows, "", title=found.name)


@carrier.command("settings")
@click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")
def list_settings(as_json: bool) -> None:
    """All settings a carrier may have, with their defaults.

    \b
    heliograph carrier settings
    """
    known = describe(Settings)
    if as_json:
        tell_json([{"name": each.name, "default": each.default, "help": each.help} for each in known])
    else:
        tell_table(("setting", "default", "meaning"), [(s.name, write(s.default), s.help) for s in known], "")


def _span(least: int, most: int) -> str:
    """A number that is fixed, or the two it lies between."""
    return f"{least}-{most}" if most > least else str(least)


def _tell_show(session: Session, name: str, what: str) -> None:
    if session.as_json:
        from heliograph.services import carriers

        tell_json(_plain(session.run(lambda db: carriers.show(db, name))))
    else:
        tell(f"{name}: {what}.")


def _plain(found: Carrier) -> dict[str, object]:
    return {
        "id": found.id,
        "name": found.name,
        "kind": found.kind,
        "enabled": found.enabled,
        "settings": msgspec.to_builtins(found.settings),
    }
