"""``heliograph inbound``: texts from subscribers, for those who run the service (design section 6, flow E)."""

import click

from heliograph.cli.output import tell_json, tell_table, write_time
from heliograph.cli.session import Session, with_store
from heliograph.core.news import Remarks, read_remarks


@click.group()
def inbound() -> None:
    """Texts that subscribers have sent.

    \b
    heliograph inbound list --login shop
    """


@inbound.command("list")
@click.option("--login", default="", help="Those of this account.")
@click.option("--nobody", is_flag=True, help="Those that belong to no account.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=50, show_default=True, help="So many at most.")
@click.option("--before", type=click.IntRange(1), default=None, help="Only those with an id below this one.")
@with_store
def list_(session: Session, login: str, nobody: bool, limit: int, before: int | None) -> None:
    """Incoming texts, newest first, with their accounts and the messages they answer (see heliograph trace).

    \b
    heliograph inbound list
    heliograph inbound list --login shop --limit 10
    heliograph inbound list --nobody --json
    """
    from heliograph.services import histories

    if login and nobody:
        raise click.UsageError("--login and --nobody cannot go together")
    found = session.run(
        lambda db: histories.show_incoming(
            db, login=login, nobody=nobody, before=before or histories.NEWEST, limit=limit
        )
    )
    if session.as_json:
        tell_json(found)
        return
    rows = [
        (each.id, write_time(each.received_ms), each.login, each.phone, each.to_phone, each.int_id or "", each.text)
        for each in found
    ]
    tell_table(("id>", "received", "account", "from", "to", "answers>", "text"), rows, "No text has come.")


@inbound.command()
@click.argument("number", type=int)
@with_store
def show(session: Session, number: int) -> None:
    """One incoming text and its story: stop words, rules, what was sent for it and what is still to be.

    \b
    heliograph inbound show 42
    """
    from heliograph.core.reasons import Reason, Refused
    from heliograph.services import errands, histories
    from heliograph.store.database import Database

    async def work(db: Database) -> tuple[histories.Shown, str, list[errands.Line]]:
        found = await histories.show_incoming(db, before=number + 1, limit=1)
        row = await db.one("inbound.get", number)
        if not found or row is None or found[0].id != number:
            raise Refused(Reason.NOT_FOUND, f"there is no incoming text {number}")
        return found[0], row[7], await errands.tell_story(db, number)

    text, extra, story = session.run(work)
    remarks = read_remarks(extra)
    if session.as_json:
        tell_json({"text": text, "remarks": remarks, "story": story})
        return
    rows = [
        ("received", write_time(text.received_ms)),
        ("account", text.login or "nobody's"),
        ("from", text.phone),
        ("to", text.to_phone),
        ("answers", text.int_id or ""),
        ("marks", ", ".join(_marks(remarks))),
        ("text", text.text),
    ]
    tell_table(("", ""), rows, "")
    lines = [(write_time(each.at_ms, precise=True), each.what, each.detail) for each in story]
    tell_table(("when", "what", ""), lines, "It has caused nothing.")


def _marks(remarks: Remarks) -> list[str]:
    marks = [remarks.command] if remarks.command else []
    if remarks.direct:
        marks.append("by number or login")
    if remarks.missing:
        marks.append(f"without part {', '.join(map(str, remarks.missing))}")
    if remarks.number:
        marks.append(f"late part {remarks.number}")
    return marks
