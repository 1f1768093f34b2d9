"""``heliograph ranges``: number ranges of operators and regions, from the files of regulators."""

from collections.abc import Iterator
from pathlib import Path

import click

from heliograph.cli.output import show_progress, tell, tell_json, tell_table
from heliograph.cli.session import Failure, Session, now_ms, with_store
from heliograph.store.database import Database


@click.group()
def ranges() -> None:
    """Number ranges of operators and regions."""


@ranges.command("import")
@click.argument("file")
@click.option("--source", help="A name for where they come from; a later import of it replaces this one.")
@click.option("--form", type=click.Choice(["russian", "csv"]), default="csv", show_default=True, help="Its columns.")
@with_store
def import_(session: Session, file: str, source: str | None, form: str) -> None:
    """Read the registry of a regulator, or a CSV: start,end,country,operator,region,mcc,mnc,tz,kind.

    \b
    heliograph ranges import DEF-9xx.csv --form russian
    heliograph ranges import kz.csv --source kz
    """
    from heliograph.core.regulators import parse_csv, parse_russian
    from heliograph.services import ranges as service

    path, parse = Path(file), parse_russian if form == "russian" else parse_csv
    try:
        size = path.stat().st_size
        opened = path.open("rb")
    except OSError as error:
        raise Failure(f"cannot read {file}: {error.strerror}") from None

    async def work(db: Database) -> service.Imported:
        with opened, show_progress("bytes", session.as_json) as progress:

            def lines() -> Iterator[bytes]:
                done = 0
                for number, line in enumerate(opened):
                    done += len(line)
                    if number % 2000 == 0:
                        progress(done, size)
                    yield line

            return await service.replace(db, source or path.name, parse(lines()), now_ms=now_ms())

    found = session.run(work, create=True)
    if session.as_json:
        tell_json({"source": source or path.name, "taken": found.taken, "bad": found.bad, "examples": found.examples})
        return
    tell(f"{found.taken} ranges of {source or path.name} were taken.")
    if found.bad:
        rows = [(each.line, each.reason, each.text) for each in found.examples]
        tell_table(("line>", "why", "text"), rows, "", title=f"{found.bad} lines were passed over")


@ranges.command("list")
@with_store
def list_(session: Session) -> None:
    """Where the imported ranges came from.

    \b
    heliograph ranges list
    """
    from heliograph.services import ranges as service

    found = session.run(service.list_sources)
    if session.as_json:
        tell_json(found)
    else:
        rows = [(each.name, each.count, each.first, each.last) for each in found]
        tell_table(("source", "ranges>", "first>", "last>"), rows, "None were imported; the shipped table holds.")


@ranges.command()
@click.argument("source")
@with_store
def remove(session: Session, source: str) -> None:
    """Remove all ranges of a source.

    \b
    heliograph ranges remove kz
    """
    from heliograph.services import ranges as service

    session.run(lambda db: service.remove(db, source, now_ms=now_ms()))
    if session.as_json:
        tell_json({"source": source, "removed": True})
    else:
        tell(f"The ranges of {source} are gone.")


@ranges.command("find")
@click.argument("number")
@with_store
def find(session: Session, number: str) -> None:
    """What is known of a number, as the server would see it.

    \b
    heliograph ranges find +79161234567
    """
    from heliograph.cli.session import load_facts
    from heliograph.core.numbers import normalize
    from heliograph.services.snapshot import Snapshot

    async def work(db: Database) -> Snapshot:
        return await load_facts(db, session.config)

    facts = session.run(work, create=True)
    phone = normalize(number, facts.plan)
    if phone is None:
        raise Failure(f"{number!r} is no number")
    place = facts.look_up(phone)
    if session.as_json:
        tell_json({"number": phone, "place": place})
        return
    rows: list[tuple[object, object]] = [("number", phone)]
    if place is not None:
        rows += [(name, getattr(place, name)) for name in place.__struct_fields__]
    tell_table(("", ""), rows, "")
