"""``heliograph blacklist``: numbers that must not be written to."""

import click

from heliograph.cli.output import show_progress, tell, tell_json, tell_table, write_time
from heliograph.cli.session import Session, load_facts, now_ms, read_file, with_store
from heliograph.store.database import Database

KINDS = click.Choice(["all", "mailings", "singles"])
NAMES = {0: "all", 1: "mailings", 2: "singles"}


@click.group()
def blacklist() -> None:
    """Numbers that must not be written to."""


@blacklist.command()
@click.argument("numbers", nargs=-1, required=True)
@click.option("--login", default="", help="For this account only; without it, for the whole installation.")
@click.option("--stop", type=KINDS, default="all", show_default=True, help="What is stopped.")
@with_store
def add(session: Session, numbers: tuple[str, ...], login: str, stop: str) -> None:
    """Put numbers on the list.

    \b
    heliograph blacklist add +79161234567 89161234568 --login shop --stop mailings
    """
    from heliograph.services import blacklists

    async def work(db: Database) -> list[str]:
        plan = (await load_facts(db, session.config)).plan
        type_ = blacklists.TYPES[stop]
        return await blacklists.add(db, numbers, plan, now_ms=now_ms(), login=login, type_=type_)

    found = session.run(work)
    if session.as_json:
        tell_json({"login": login, "numbers": found, "stop": stop})
    else:
        tell(f"{', '.join(found)}: listed for {login or 'the whole installation'}.")


@blacklist.command()
@click.argument("numbers", nargs=-1, required=True)
@click.option("--login", default="", help="From the list of this account.")
@with_store
def remove(session: Session, numbers: tuple[str, ...], login: str) -> None:
    """Take numbers off the list.

    \b
    heliograph blacklist remove +79161234567
    """
    from heliograph.services import blacklists

    async def work(db: Database) -> int:
        plan = (await load_facts(db, session.config)).plan
        return await blacklists.remove(db, numbers, plan, login=login)

    count = session.run(work)
    if session.as_json:
        tell_json({"login": login, "removed": count})
    else:
        tell(f"{count} of {len(numbers)} numbers were taken off.")


@blacklist.command("list")
@click.option("--login", default="", help="The list of this account.")
@with_store
def list_(session: Session, login: str) -> None:
    """The numbers of a list.

    \b
    heliograph blacklist list --login shop
    """
    from heliograph.services import blacklists

    found = session.run(lambda db: blacklists.list_all(db, login))
    if session.as_json:
        tell_json(found)
        return
    rows = [(each.phone, NAMES[each.type], write_time(each.created_ms)) for each in found]
    tell_table(("number", "stops", "since"), rows, "No numbers are listed.")


@blacklist.command("import")
@click.argument("file")
@click.option("--login", default="", help="For this account only; without it, for the whole installation.")
@click.option("--stop", type=KINDS, default="all", show_default=True, help="What is stopped.")
@with_store
def import_(session: Session, file: str, login: str, stop: str) -> None:
    """Put a file of numbers on the list, one a line; "-" is standard input.

    \b
    heliograph blacklist import numbers.txt --login shop
    """
    from heliograph.services import blacklists

    lines = read_file(file).decode("utf-8", "replace").splitlines()

    async def work(db: Database) -> blacklists.Imported:
        plan = (await load_facts(db, session.config)).plan
        with show_progress("numbers", session.as_json) as progress:
            return await blacklists.import_lines(
                db,
                lines,
                plan,
                now_ms=now_ms(),
                login=login,
                type_=blacklists.TYPES[stop],
                progress=lambda done: progress(done, len(lines)),
            )

    found = session.run(work)
    if session.as_json:
        tell_json(found)
        return
    tell(f"{found.taken} numbers were listed for {login or 'the whole installation'}.")
    if found.bad:
        shown = [(number, text) for number, text in found.bad[:20]]
        tell_table(("line>", "no number"), shown, "", title=f"{len(found.bad)} lines were passed over")
