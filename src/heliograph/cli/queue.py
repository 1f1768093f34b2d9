"""``heliograph queue``: what waits, for how long, and how long it will last."""

import click

from heliograph.cli.output import tell, tell_json, tell_table, write_span
from heliograph.cli.session import Session, now_ms, with_store


@click.command()
@with_store
def queue(session: Session) -> None:
    """What waits for each carrier in each lane: 1 codes, 2 singles beyond the rate, 3 bulk.

    \b
    heliograph queue
    """
    from heliograph.services import backlogs

    found = session.run(lambda db: backlogs.measure(db, now_ms()))
    if session.as_json:
        tell_json(found)
        return
    speeds = {each.carrier: each for each in found.speeds}
    rows = []
    for line in found.lines:
        age = None if line.oldest_ms is None else (found.at_ms - line.oldest_ms) / 1000
        speed = speeds.get(line.carrier)
        rows.append(
            (
                line.carrier,
                line.lane,
                line.waiting,
                line.due,
                line.started,
                line.unsure,
                "" if age is None else write_span(age) if age >= 0 else f"in {write_span(-age)}",
                f"{speed.parts_s:g}" if speed else "",
                write_span(speed.left_s) if speed and speed.left_s is not None else "",
            )
        )
    columns = (
        "carrier",
        "lane>",
        "in all>",
        "due>",
        "started>",
        "unsure>",
        "oldest due>",
        "parts/s>",
        "carrier done in>",
    )
    tell_table(columns, rows, "Nothing waits.")
    late = ""
    if found.callbacks_due_ms is not None and found.callbacks_due_ms < found.at_ms:
        late = f", the oldest due for {write_span((found.at_ms - found.callbacks_due_ms) / 1000)}"
    tell(f"Callbacks that wait: {found.callbacks}{late}. Receipts nobody could join: {found.orphans}.")
    tell(f"Receipts and texts that wait for customers on SMPP: {found.deliveries}.")
