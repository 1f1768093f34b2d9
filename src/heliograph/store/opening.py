"""A store opened by its address: a path or `sqlite:///path`, or `postgresql://…` (design section 9)."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

from heliograph.store.database import Database, StoreError
from heliograph.store.postgres import PostgresDatabase
from heliograph.store.postgres_writer import PATIENCE_S
from heliograph.store.queries import SQL_DIRECTORY, load
from heliograph.store.sqlite import SqliteDatabase


async def open_database(
    url: str,
    *,
    queries: Path | None = SQL_DIRECTORY,
    commit_delay_s: float = 0.0,
    patience_s: float = PATIENCE_S,
) -> Database:
    """Open the store at `url` with the queries of a folder, or with none (to migrate it, say).

    `sqlite:///data/h.db` and `data/h.db` are relative to the working folder, `sqlite:////srv/h.db` and `/srv/h.db` are
    not. `commit_delay_s` is for measuring and makes every SQLite commit that much slower. `patience_s` is how long a
    PostgreSQL server may be away before writes are given back. Raises StoreError when the address is not understood or
    the store cannot be opened.
    """
    if url.startswith(("postgresql://", "postgres://")):
        return await PostgresDatabase.open(url, load(queries, "postgres") if queries else {}, patience_s=patience_s)
    named = load(queries, "sqlite") if queries else {}
    return await SqliteDatabase.open(file_of(url), named, commit_delay_s=commit_delay_s)


def file_of(url: str) -> Path:
    """The file of a SQLite address; StoreError for other schemes, other hosts and empty paths."""
    if "://" not in url:
        path = url
    else:
        parts = urlsplit(url)
        if parts.scheme != "sqlite" or parts.netloc or parts.query or parts.fragment:
            raise StoreError(f"a store is sqlite:///path, a path, or postgresql://…, not {parts.scheme}://…")
        path = unquote(parts.path.removeprefix("/"))
    if not path or path == ":memory:":
        raise StoreError("the store needs a file: texts that were accepted must survive a restart")
    return Path(path)
