"""Where the measured servers keep their data: a new store for each, on SQLite or PostgreSQL."""

import asyncio
import itertools
import os
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg
from bench.conditions import environ, slow_sync

_numbers = itertools.count(1)


class SqliteStores:
    """A file in the server's own data folder."""

    name = "sqlite"
    pid = 0

    def make(self, data: Path) -> str:
        """The address of a store that is not there yet."""
        return str(data / "heliograph.db")

    def drop(self, database: str) -> None:
        """Nothing: it goes with the folder."""

    def close(self) -> None:
        """Nothing runs."""


class PostgresStores:
    """Databases of their own on a PostgreSQL server: a given one, or (``postgres``) one started from a wheel."""

    name = "postgres"

    def __init__(self, address: str, sync_ms: float = 0.0) -> None:
        self._server: Any = None
        self.pid = 0
        self._dsn = address
        if address == "postgres":
            from tests.databases import start_postgres

            with environ(slow_sync(sync_ms)):
                self._server = start_postgres("autovacuum = on", "shared_buffers = 256MB")
            self._dsn = self._server.get_uri()
            self.pid = self._server.get_postmaster_info().process.pid

    def make(self, data: Path) -> str:
        """The address of a new, empty database."""
        name = f"heliograph_bench_{os.getpid()}_{next(_numbers)}"
        self._run(f'CREATE DATABASE "{name}"')
        return urlunsplit(urlsplit(self._dsn)._replace(path=f"/{name}"))

    def drop(self, database: str) -> None:
        """Remove it."""
        name = urlsplit(database).path.lstrip("/")
        self._run(f'DROP DATABASE "{name}" WITH (FORCE)')

    def close(self) -> None:
        """Stop the server if it is ours."""
        if self._server is not None:
            self._server.cleanup()

    def _run(self, statement: str) -> None:
        async def work() -> None:
            connection = await asyncpg.connect(self._dsn)
            try:
                await connection.execute(statement)
            finally:
                await connection.close()

        asyncio.run(work())


Stores = SqliteStores | PostgresStores


def open_stores(database: str, sync_ms: float = 0.0) -> Stores:
    """For what ``--database`` says: sqlite, postgres, or the address of a PostgreSQL server.

    With ``sync_ms`` every fsync of a PostgreSQL of ours takes so much more; SQLite is part of the server that is measured.
    """
    return SqliteStores() if database == "sqlite" else PostgresStores(database, sync_ms)
