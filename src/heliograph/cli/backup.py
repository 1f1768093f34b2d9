"""``heliograph backup`` and ``heliograph restore`` (https://www.sqlite.org/backup.html, the manual of pg_dump)."""

import asyncio
import os
import shutil
from datetime import datetime
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

import click

from heliograph.cli.output import show_progress, tell, tell_json
from heliograph.cli.session import Failure, Session, open_store, with_store
from heliograph.store.database import Database, StoreError

KEY_ADVICE = "Keep the key file heliograph.key apart from it: without that file the carriers' passwords are lost."


@click.command()
@click.argument("target")
@click.option("--force", is_flag=True, help="Replace the file if it is there.")
@with_store
def backup(session: Session, target: str, force: bool) -> None:
    """Copy one consistent state of the store to a file, while it works.

    \b
    heliograph backup /backups/monday.db
    """
    path = Path(target)
    if path.exists() and not force:
        raise Failure(f"{path} is there already; choose another name or say --force")

    async def work(db: Database) -> None:
        from heliograph.store.sqlite import SqliteDatabase

        if isinstance(db, SqliteDatabase):
            with show_progress("pages", session.as_json) as progress:
                await db.backup(path, progress)
        else:
            # Into place only when it is whole: a dump that fails must not cost the backup of the day before.
            part = path.with_name(path.name + ".part")
            try:
                dump = ("--format=custom", "--no-owner", f"--file={part}")
                await _call_postgres("pg_dump", session.config.database, *dump)
                part.replace(path)
            finally:
                part.unlink(missing_ok=True)

    session.run(work)
    size = path.stat().st_size
    if session.as_json:
        tell_json({"file": str(path), "bytes": size})
    else:
        tell(f"The store was copied to {path}, {size / 1_048_576:.1f} MiB. {KEY_ADVICE}")


@click.command()
@click.argument("source")
@click.option("--force", is_flag=True, help="Replace the store that is there; it is kept beside the new one.")
@with_store
def restore(session: Session, source: str, force: bool) -> None:
    """Put a backup in the place of the store; stop the server first.

    \b
    heliograph restore /backups/monday.db --data /srv/heliograph
    """
    from heliograph.store.opening import file_of

    path, url = Path(source), session.config.database
    try:
        if url.startswith(("postgresql://", "postgres://")):
            kept = None
            if not path.is_file():
                raise Failure(f"there is no backup at {path}")
            if not force:
                raise Failure("a PostgreSQL store is replaced as a whole; say --force")
            asyncio.run(_restore_postgres(session, path))
        else:
            kept = _restore_file(path, file_of(url), force)
            session.run(_touch)
    except StoreError as error:
        raise Failure(str(error)) from None
    if session.as_json:
        tell_json({"restored": str(path), "kept": None if kept is None else str(kept)})
    else:
        tell(f"{path} was restored." + (f" The store that was there is {kept} now." if kept else ""))


def _restore_file(source: Path, target: Path, force: bool) -> Path | None:
    from heliograph.store.restore import check_backup, replace_store

    check_backup(source)
    if target.exists() and not force:
        raise Failure(f"there is a store at {target}; say --force to replace it (it is kept beside the new one)")
    return replace_store(source, target, datetime.now().astimezone().strftime("before-%Y%m%d-%H%M%S"))


async def _touch(db: Database) -> None:
    """Opening it has brought its tables up to date."""
    await db.one("snapshot.version")


async def _restore_postgres(session: Session, source: Path) -> None:
    db = await open_store(session.config, create=True)
    try:
        await db.lock_for_serving()
    finally:
        await db.close()
    await _call_postgres(
        "pg_restore", session.config.database, "--clean", "--if-exists", "--no-owner", "--exit-on-error", str(source)
    )
    await (await open_store(session.config, create=True)).close()


async def _call_postgres(program: str, url: str, *arguments: str) -> None:
    """Run a program of PostgreSQL on a database; the password goes by the environment, where other users cannot read it."""
    found = shutil.which(program)
    if found is None:
        raise Failure(
            f"{program} is not installed here; install PostgreSQL's client programs, or call {program} "
            f"on the database's own machine"
        )
    parts = urlsplit(url)
    user, _, host = parts.netloc.rpartition("@")
    name, _, password = user.partition(":")
    bare = urlunsplit(parts._replace(netloc=f"{name}@{host}" if name else host))
    environ = {**os.environ, "PGPASSWORD": unquote(password)} if password else dict(os.environ)
    process = await asyncio.create_subprocess_exec(
        found, *arguments, f"--dbname={bare}", env=environ, stderr=asyncio.subprocess.PIPE
    )
    _, said = await process.communicate()
    if process.returncode:
        raise Failure(f"{program} failed: {said.decode('utf-8', 'replace').strip()}")
