"""``heliograph export``: the messages of an account in a file, made now or by the server (docs/exports.md)."""

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

import click

from heliograph.cli.output import show_progress, tell, tell_json
from heliograph.cli.session import Failure, Misuse, Session, load_facts, now_ms, with_store
from heliograph.core.exports import ENDINGS, Form, Wanted, read_period
from heliograph.core.messages import Kind
from heliograph.core.reasons import Reason, Refused
from heliograph.core.status import Status
from heliograph.store.database import Database

if TYPE_CHECKING:
    from heliograph.services.excerpts import News

FORMS = [form.value for form in Form]


@click.command()
@click.argument("login")
@click.option("--from", "start", metavar="DD.MM.YYYY", required=True, help="First day, in the account's time zone.")
@click.option("--to", "end", metavar="DD.MM.YYYY", default="", help="Last day (default: the first).")
@click.option("--form", type=click.Choice(FORMS), help="How it is written (default: by the file's name, else csv).")
@click.option("-o", "--output", metavar="FILE", help="Where to (default: LOGIN-FROM-TO in the working folder).")
@click.option("--force", is_flag=True, help="Replace a file that is there.")
@click.option("--phone", "phones", multiple=True, metavar="NUMBER", help="Only messages to it; may be given often.")
@click.option("--status", "statuses", multiple=True, type=int, metavar="N", help="Only with this status, such as 20.")
@click.option(
    "--kind", "kinds", multiple=True, type=click.Choice([kind.name.lower() for kind in Kind]), help="Only of this kind."
)
@click.option("--background", is_flag=True, help="Let the server do it; the customer finds it in his list, too.")
@with_store
def export(
    session: Session,
    login: str,
    start: str,
    end: str,
    form: str | None,
    output: str | None,
    force: bool,
    phones: tuple[str, ...],
    statuses: tuple[int, ...],
    kinds: tuple[str, ...],
    background: bool,
) -> None:
    """Write the messages of a period into a file, by the date of sending. It only reads: a server may run beside it.

    \b
    heliograph export shop --from 01.10.2026 --to 31.10.2026 --form xlsx -o october.xlsx
    heliograph export shop --from 05.10.2026 --phone 79161234567
    heliograph export shop --from 01.10.2026 --to 31.10.2026 --form gzip --background
    """
    known = {int(status) for status in Status} - {int(Status.NOT_FOUND)}
    if wrong := [status for status in statuses if status not in known]:
        raise click.UsageError(f"there is no status {wrong[0]}; known are {', '.join(map(str, sorted(known)))}")
    if background and output:
        raise click.UsageError("--background and --output exclude each other: the server keeps the file in its folder")
    chosen = Form(form) if form else _form_of(output or "")
    numbers = tuple(Kind[name.upper()] for name in kinds)

    async def prepare(db: Database) -> Wanted:
        return await _want(db, session, login, (start, end), chosen, phones, numbers, statuses)

    wanted = session.run(prepare)
    if background:
        _hand_over(session, wanted, f"{start} - {end}" if end else start)
        return
    target = Path(output or f"{login}-{start}{'-' + end if end else ''}{ENDINGS[chosen]}")
    _check_target(target, force)
    last = _build(session, wanted, target)
    size = target.stat().st_size
    if session.as_json:
        tell_json({"file": str(target), "form": chosen.value, "rows": last.place.rows, "bytes": size})
    else:
        tell(f"{target}: {last.place.rows} messages, {size} bytes.")


async def _want(
    db: Database,
    session: Session,
    login: str,
    days: tuple[str, str],
    form: Form,
    phones: tuple[str, ...],
    kinds: tuple[int, ...],
    statuses: tuple[int, ...],
) -> Wanted:
    """What to write; Refused for an unknown account, a bad date or number."""
    from heliograph.core.numbers import normalize
    from heliograph.services.exports import want

    facts = await load_facts(db, session.config)
    account = facts.accounts_by_login.get(login)
    if account is None:
        names = ", ".join(sorted(facts.accounts_by_login)[:10]) or "none yet"
        raise Refused(Reason.NOT_FOUND, f"there is no account {login!r}; accounts are {names}")
    start_ms, end_ms = read_period(*days, account.settings.tz)
    numbers = []
    for given in phones:
        phone = normalize(given, facts.plan)
        if phone is None:
            raise Refused(Reason.BAD_NUMBER, f"{given!r} is no number of a telephone")
        numbers.append(phone)
    return want(account, start_ms, end_ms, form, phones=numbers, kinds=kinds, statuses=statuses)


def _form_of(name: str) -> Form:
    """The form that a file's name asks for."""
    endings = {".xlsx": Form.XLSX, ".gz": Form.GZIP}
    return endings.get(Path(name).suffix.lower(), Form.CSV)


def _check_target(target: Path, force: bool) -> None:
    if target.is_dir():
        raise Misuse(f"{target} is a folder; name a file")
    if not target.parent.is_dir():
        raise Misuse(f"there is no folder {target.parent}; make it, or choose another")
    if target.exists() and not force:
        raise Misuse(f"{target} is there already; choose another name with -o, or replace it with --force")


def _hand_over(session: Session, wanted: Wanted, name: str) -> None:
    from heliograph.services import exports

    most = session.config.exports.tasks
    task = session.run(lambda db: exports.create(db, wanted, name, now_ms=now_ms(), most=most))
    if session.as_json:
        tell_json({"id": task.id, "file": task.file})
    else:
        tell(f"Task {task.id} waits; the server begins it within seconds. See it with: heliograph task show {task.id}")


def _build(session: Session, wanted: Wanted, target: Path) -> "News":
    """Have the file built by a process of its own, as the server does."""
    import asyncio

    from heliograph.services.building import run_job
    from heliograph.services.excerpts import Job, News

    part = target.with_name(f"{target.name}.part")
    job = Job(database=session.config.database, folder=str(target.parent), file=target.name, wanted=wanted, nice=10)

    async def follow() -> News:
        last = News(place=job.place)
        with show_progress(f"Writing {target.name}", session.as_json) as progress:
            async with contextlib.aclosing(run_job(job)) as told:
                async for last in told:
                    place = last.place
                    progress(*((place.sheet, place.rows) if place.sheet else (place.looked, place.total)))
        return last

    try:
        last = asyncio.run(follow())
    finally:
        part.unlink(missing_ok=True)
    if not last.done:
        raise Failure(f"{target} was not written: {last.failed or 'the process that writes it was ended'}")
    return last
