"""``heliograph callbacks``: what customers are still to be told, what was tried, telling it again (docs/callbacks.md)."""

import time
from datetime import datetime
from typing import TYPE_CHECKING

import click

from heliograph.cli.output import show_progress, tell, tell_json, tell_table, write_span, write_time
from heliograph.cli.session import Session, now_ms, read_secret, with_store

if TYPE_CHECKING:
    from heliograph.services.replays import History, Wanted
    from heliograph.store.database import Database

MOMENT = click.DateTime(["%Y-%m-%d", "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S"])


@click.group()
def callbacks() -> None:
    """What customers' handlers are told: backlog, attempts, telling again, keys."""


@callbacks.command("list")
@with_store
def list_(session: Session) -> None:
    """What waits to be told, by account.

    \b
    heliograph callbacks list
    """
    from heliograph.services import replays

    found = session.run(replays.list_backlog)
    if session.as_json:
        tell_json(found)
        return
    now = now_ms()
    rows = [
        (
            each.login,
            each.host,
            each.waiting,
            each.untried,
            write_span((now - each.oldest_ms) / 1000),
            "" if each.next_ms is None else "now" if each.next_ms <= now else write_span((each.next_ms - now) / 1000),
            each.tries,
            each.answer,
        )
        for each in found
    ]
    columns = ("account", "host", "waiting>", "untried>", "oldest>", "next try in>", "tries>", "last answer")
    tell_table(columns, rows, "Nothing waits: everything was told.")


@callbacks.command()
@click.argument("name", metavar="MESSAGE")
@click.option("--login", default="", help="MESSAGE is the account's own id, not the int_id.")
@click.option("--incoming", is_flag=True, help="MESSAGE is the id of an incoming text or call.")
@with_store
def show(session: Session, name: str, login: str, incoming: bool) -> None:
    """Every attempt to tell of a message, or of an incoming text or call.

    \b
    heliograph callbacks show 4503599627370497
    heliograph callbacks show 1234 --login shop
    heliograph callbacks show 17 --incoming
    """
    from heliograph.services import replays

    async def work(db: "Database") -> "list[History]":
        return [await replays.show(db, int_id) for int_id in await _find(db, name, login, incoming)]

    found = session.run(work)
    if session.as_json:
        tell_json(found)
        return
    for each in found:
        rows = [(write_time(one.at_ms, precise=True), one.event, one.status, one.result) for one in each.attempts]
        rows += [
            (
                f"due {write_time(one.due_ms)}" if one.tries else "due now",
                one.event,
                one.status,
                f"{one.tries} tries so far",
            )
            for one in each.waiting
        ]
        what = f"incoming {-each.int_id}" if each.int_id < 0 else f"message {each.int_id}"
        tell_table(("time", "event>", "status>", "result"), rows, f"Nothing was told of {what}.", title=what)


@callbacks.command()
@click.option(
    "--message", "name", default="", metavar="ID", help="This message, by its int_id or with --login its own id."
)
@click.option("--incoming", is_flag=True, help="ID is that of an incoming text or call.")
@click.option("--from", "since", type=MOMENT, help="Of messages made, and texts received, from this moment on.")
@click.option("--to", "until", type=MOMENT, help="Up to this moment.")
@click.option(
    "--state",
    type=click.Choice(["failed", "told", "all"]),
    default=None,
    help="failed: given up, dropped or waiting for a repeat (default of a span); told: what was taken; all.",
)
@click.option("--login", default="", help="Of this account only.")
@with_store
def replay(
    session: Session,
    name: str,
    incoming: bool,
    since: datetime | None,
    until: datetime | None,
    state: str | None,
    login: str,
) -> None:
    """Tell news again: the status a message has now, under the event id it was told with before, when that is known.

    A running server does it within seconds. A single message is told again whatever became of it before.

    \b
    heliograph callbacks replay --message 1234 --login shop
    heliograph callbacks replay --from "2026-11-20 10:00" --to "2026-11-20 13:00" --login shop
    heliograph callbacks replay --from 2026-11-20 --state all
    """
    from heliograph.services import replays

    if not name and since is None:
        raise click.UsageError("say what: --message ID, or --from with a moment")

    with show_progress("Telling again", session.as_json) as progress:

        async def work(db: "Database") -> replays.Result:
            wanted = await _read_wanted(db, name, incoming, since, until, login, state or ("all" if name else "failed"))
            return await replays.replay(db, wanted, _now_us, progress)

        found = session.run(work)
    if session.as_json:
        tell_json(found)
        return
    tell(f"Looked at {found.looked}. Told again: {found.again} with their event id, {found.new} with a new one.")
    if found.hastened:
        tell(f"Waited for a repeat, which is due now: {found.hastened}.")
    if found.unwanted:
        tell(f"Left alone, for their accounts have no handler or have switched it off: {found.unwanted}.")


@callbacks.command()
@click.option(
    "--message", "name", default="", metavar="ID", help="Of this message, by its int_id or with --login its own id."
)
@click.option("--incoming", is_flag=True, help="ID is that of an incoming text or call.")
@click.option("--from", "since", type=MOMENT, help="News since this moment.")
@click.option("--to", "until", type=MOMENT, help="News up to this moment.")
@click.option("--login", default="", help="Of this account only.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@with_store
def drop(
    session: Session,
    name: str,
    incoming: bool,
    since: datetime | None,
    until: datetime | None,
    login: str,
    yes: bool,
) -> None:
    """Drop news that waits to be told; the story of each message says so, and replay brings it back.

    \b
    heliograph callbacks drop --login shop --to "2026-11-19 00:00"
    """
    from heliograph.services import replays

    if not (name or since or until or login):
        raise click.UsageError("say what: --message, --login, --from or --to")
    if not yes and not session.as_json:
        click.confirm("Drop what waits to be told?", abort=True)

    with show_progress("Dropping", session.as_json) as progress:

        async def work(db: "Database") -> int:
            wanted = await _read_wanted(db, name, incoming, since, until, login, "all")
            return await replays.drop(db, wanted, _now_us, progress)

        count = session.run(work)
    if session.as_json:
        tell_json({"dropped": count})
    else:
        tell(f"Dropped: {count}.")


@callbacks.command("key")
@click.argument("login")
@click.option("--add", is_flag=True, help="Make one more key; two may hold at once.")
@click.option("--value", default=None, help='With --add, this key; "-" reads it from standard input.')
@click.option("--remove", "start", default="", metavar="START", help="Remove the key that begins so.")
@with_store
def key(session: Session, login: str, add: bool, value: str | None, start: str) -> None:
    """Keys that sign an account's callbacks (X-Heliograph-Signature). Without options: their first characters.

    \b
    heliograph callbacks key shop --add
    heliograph callbacks key shop --remove Xk4f
    """
    from heliograph.services import callback_keys

    if add and start:
        raise click.UsageError("--add and --remove are two steps: first the new key, then the old one away")
    secrets = session.secrets
    if add:
        given = read_secret(value, "key")
        made = session.run(lambda db: callback_keys.add(db, secrets, login, given))
        if session.as_json:
            tell_json({"key": made})
        else:
            tell(f"Callbacks of {login} are signed with the key {made}" if not given else "The key was added.")
        return
    if start:
        left = session.run(lambda db: callback_keys.remove(db, secrets, login, start))
        if session.as_json:
            tell_json({"left": left})
        else:
            tell(f"Removed; {left} left." if left else f"Removed; callbacks of {login} are not signed any more.")
        return
    hints = session.run(lambda db: callback_keys.list_hints(db, secrets, login))
    if session.as_json:
        tell_json(hints)
    else:
        tell_table(("key",), [(f"{hint}…",) for hint in hints], f"Callbacks of {login} are not signed.")


async def _find(db: "Database", name: str, login: str, incoming: bool) -> list[int]:
    from heliograph.services import traces

    if not incoming:
        return await traces.find(db, name, login)
    if not name.isascii() or not name.isdigit() or len(name) > 18:
        raise click.UsageError(f"{name!r} is no id of an incoming text")
    if await db.one("replays.one_incoming", int(name)) is None:
        raise click.UsageError(f"there is no incoming text or call with the id {name}")
    return [-int(name)]


async def _read_wanted(
    db: "Database", name: str, incoming: bool, since: datetime | None, until: datetime | None, login: str, state: str
) -> "Wanted":
    from heliograph.services import accounts, replays

    int_ids = tuple(await _find(db, name, login, incoming)) if name else ()
    account_id = (await accounts.show(db, login)).account.id if login else 0
    if since and until and until < since:
        raise click.UsageError("--to is before --from")
    from_ms = int(since.timestamp() * 1000) if since else 0
    to_ms = int(until.timestamp() * 1000) if until else replays.FAR_MS
    return replays.Wanted(int_ids, from_ms, to_ms, account_id, state)


def _now_us() -> int:
    return time.time_ns() // 1000
