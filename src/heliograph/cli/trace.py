"""``heliograph trace``: the whole story of a message."""

from typing import TYPE_CHECKING

import click

from heliograph.cli.output import tell, tell_json, tell_table, write_time
from heliograph.cli.session import Session, load_facts, with_store
from heliograph.core.money import format_money
from heliograph.store.database import Database

if TYPE_CHECKING:
    from heliograph.services.traces import Story


@click.command()
@click.argument("name", metavar="ID")
@click.option("--login", default="", help="ID is the account's own id, not the int_id.")
@click.option("--text", is_flag=True, help="Show the text of the message, which is hidden otherwise.")
@with_store
def trace(session: Session, name: str, login: str, text: bool) -> None:
    """What was decided about a message, every try, answer, receipt, callback and payment.

    \b
    heliograph trace 4503599627370497
    heliograph trace 1234 --login shop
    """
    from heliograph.services import traces

    async def work(db: Database) -> "list[Story]":
        facts = await load_facts(db, session.config)
        return [await traces.trace(db, facts, id_, text=text) for id_ in await traces.find(db, name, login)]

    stories = session.run(work)
    if session.as_json:
        tell_json(stories)
        return
    for story in stories:
        _tell(story)


def _tell(story: "Story") -> None:
    message = story.message
    place = ", ".join(part for part in (story.country, story.operator, message.mccmnc) if part)
    cost = f"{format_money(message.cost)} {story.currency}"
    rows: list[tuple[object, object]] = [
        ("message", f"{message.int_id}, id {message.id} of {story.login}"),
        ("status", f"{story.status} ({message.status}), err {message.err}, since {write_time(message.changed_ms)}"),
        (
            "to",
            f"{message.phone} ({place})" + (f", given as {message.given}" if message.given != message.phone else ""),
        ),
        ("text", message.text),
        ("cost", cost + (f", {format_money(message.refunded)} given back" if message.refunded else "")),
        ("times", f"send {write_time(message.send_ms)}, expires {write_time(message.expires_ms)}"),
        ("carrier", story.carrier or "(none)"),
    ]
    if story.staged:
        rows.append(("staged", "its request is still being written: it does not count yet"))
    if story.waiting is not None:
        waiting = story.waiting
        state = "started" if waiting.started_ms else f"due {write_time(waiting.due_ms)}"
        unsure = ", never answered (unsure)" if waiting.unsure else ""
        rows.append(("queue", f"{waiting.carrier}, lane {waiting.lane}, {state}{unsure}"))
    tell_table(("", ""), rows, "")
    entries = [(write_time(each.at_ms, precise=True), each.what, each.detail) for each in story.entries]
    tell_table(("time", "what", "detail"), entries, "Nothing is known of it.", title="What happened")
    judged = [
        ("*" if each.chosen else "", each.name, each.carrier, each.priority, each.weight, each.why or "takes it")
        for each in story.routes
    ]
    columns = ("", "route", "carrier", "priority>", "weight>", "why")
    tell_table(columns, judged, "There are no routes.", title="Routes as they are now, * its own")
    tell("")
