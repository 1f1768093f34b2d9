"""``heliograph task``: deferred tasks, which the server does in the background (docs/exports.md)."""

from pathlib import Path

import click

from heliograph.cli.output import tell, tell_json, tell_table, write_time
from heliograph.cli.session import Failure, Session, now_ms, with_store
from heliograph.core.exports import STATE_NAMES, Task
from heliograph.core.reasons import Reason, Refused
from heliograph.store.database import Database


@click.group()
def task() -> None:
    """Deferred tasks: exports that the server writes."""


@task.command("list")
@click.argument("login", required=False)
@with_store
def list_(session: Session, login: str | None) -> None:
    """All tasks, or those of an account.

    \b
    heliograph task list
    heliograph task list shop
    """
    from heliograph.services import exports

    async def work(db: Database) -> list[tuple[str, Task]]:
        names = await _load_logins(db)
        if login is not None and login not in names.values():
            raise Refused(Reason.NOT_FOUND, f"there is no account {login!r}; see: heliograph account list")
        found = [(names.get(each.account_id, ""), each) for each in await exports.list_all(db)]
        return [(name, each) for name, each in found if login in (None, name)]

    found = session.run(work)
    if session.as_json:
        tell_json([_plain(name, each) for name, each in found])
        return
    rows = [
        (each.id, name, each.name, STATE_NAMES[each.status], f"{each.percent} %", each.rows_done, _end(each))
        for name, each in found
    ]
    hint = "No tasks; make one: heliograph export shop --from 01.10.2026 --to 31.10.2026 --background"
    tell_table(("id>", "account", "name", "state", "done>", "messages>", "file or complaint"), rows, hint)


@task.command()
@click.argument("id_", metavar="ID", type=int)
@with_store
def show(session: Session, id_: int) -> None:
    """One task: how far it is, where its file lies.

    \b
    heliograph task show 17
    """
    name, found = session.run(lambda db: _find(db, id_))
    if session.as_json:
        tell_json(_plain(name, found))
        return
    where = str(_folder(session) / found.file) if found.ready else ""
    rows = [
        ("account", name),
        ("name", found.name),
        ("state", STATE_NAMES[found.status]),
        ("done", f"{found.percent} %"),
        ("messages", f"{found.rows_done} of at most {found.rows_all}"),
        ("made", write_time(found.created_ms)),
        ("begun", write_time(found.started_ms)),
        ("ended", write_time(found.ended_ms)),
        ("file", where),
        ("complaint", found.complaint),
    ]
    tell_table(("", ""), [row for row in rows if row[1]], "", title=f"Task {found.id}")


@task.command()
@click.argument("id_", metavar="ID", type=int)
@with_store
def cancel(session: Session, id_: int) -> None:
    """End a task that waits or is in progress; of one that is done the file is removed.

    \b
    heliograph task cancel 17
    """
    from heliograph.services import exports

    async def work(db: Database) -> str:
        _, found = await _find(db, id_)
        file = await exports.cancel(db, found.account_id, id_, now_ms=now_ms())
        if file is None:
            raise Refused(Reason.NOT_POSSIBLE, f"task {id_} is over: {STATE_NAMES[found.status]}, without a file")
        return file

    file = session.run(work)
    try:
        # A server that is writing it sees within a second that it was cancelled, and removes what is left.
        exports.remove_files(_folder(session), file)
    except OSError as error:
        raise Failure(f"the task is cancelled, but {file} could not be removed: {error.strerror}") from None
    if session.as_json:
        tell_json({"id": id_, "cancelled": True})
    else:
        tell(f"Task {id_} is cancelled.")


async def _find(db: Database, id_: int) -> tuple[str, Task]:
    from heliograph.services import exports

    found = await exports.get(db, id_)
    if found is None:
        raise Refused(Reason.NOT_FOUND, f"there is no task {id_}; see: heliograph task list")
    return (await _load_logins(db)).get(found.account_id, ""), found


async def _load_logins(db: Database) -> dict[int, str]:
    return {row[0]: row[1] for row in await db.all("snapshot.accounts")}


def _folder(session: Session) -> Path:
    from heliograph.services.exports import FOLDER

    return session.config.data / FOLDER


def _end(found: Task) -> str:
    return found.ready or found.complaint


def _plain(name: str, found: Task) -> dict[str, object]:
    return {
        "id": found.id,
        "account": name,
        "name": found.name,
        "form": found.wanted.form.value,
        "status": int(found.status),
        "state": STATE_NAMES[found.status],
        "percent": found.percent,
        "rows_done": found.rows_done,
        "rows_all": found.rows_all,
        "created_ms": found.created_ms,
        "started_ms": found.started_ms,
        "ended_ms": found.ended_ms,
        "file": found.ready,
        "complaint": found.complaint,
    }
