"""What a long run looks at every few seconds: memory, open files, the write-ahead log, rows that should go away again."""

import asyncio
import sqlite3
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import asyncpg

WORKING = ("queue", "callbacks", "staged", "orphans")  # rows come and go there; all other tables only grow


@dataclass(frozen=True)
class Sample:
    """One look. Times in milliseconds are those of texts since the look before."""

    at_s: float
    accepted: int
    arrived: int
    told: int
    memory_mb: float
    files: int
    sockets: int
    answer_ms_p50: float
    answer_ms_p99: float
    carrier_ms_p50: float
    carrier_ms_p99: float
    loop_cpu_us: float
    writer_cpu_us: float
    wal_mb: float
    queue: int
    callbacks: int
    staged: int
    orphans: int

    def describe(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)

    def line(self) -> str:
        """For whoever waits."""
        return (
            f"{self.at_s:6.0f} s  {self.accepted:>9,} texts  answer {self.answer_ms_p50:.1f}/{self.answer_ms_p99:.1f} ms  "
            f"carrier {self.carrier_ms_p50:.1f}/{self.carrier_ms_p99:.1f} ms  {self.memory_mb:.0f} MB  "
            f"{self.files} files {self.sockets} sockets  WAL {self.wal_mb:.0f} MB  queue {self.queue} "
            f"callbacks {self.callbacks}  CPU {self.loop_cpu_us:.0f}+{self.writer_cpu_us:.0f} µs"
        )


def count_files(pid: int) -> tuple[int, int]:
    """Open files of a process that are no sockets, and its sockets."""
    files = sockets = 0
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        try:
            target = str(entry.readlink())
        except OSError:
            continue  # closed meanwhile
        sockets += target.startswith("socket:")
        files += not target.startswith("socket:")
    return files, sockets


class StoreWatch:
    """A connection that only reads: rows of the working tables, and how large the write-ahead log is."""

    def __init__(self, database: str) -> None:
        self._database = database
        self._is_postgres = database.startswith(("postgresql://", "postgres://"))

    def look(self) -> tuple[float, dict[str, int]]:
        """Megabytes of the log, rows by table."""
        return asyncio.run(self._ask_postgres()) if self._is_postgres else self._ask_sqlite()

    def allowed_wal_mb(self) -> float:
        """How large the log may become: SQLite's limit of 64 MiB with a quarter more, or PostgreSQL's max_wal_size."""
        if not self._is_postgres:
            return 64 * 1.25

        async def ask() -> float:
            connection = await asyncpg.connect(self._database)
            try:
                said = await connection.fetchval("SELECT pg_size_bytes(current_setting('max_wal_size'))")
                return float(said) / 2**20 * 1.1
            finally:
                await connection.close()

        return asyncio.run(ask())

    def _ask_sqlite(self) -> tuple[float, dict[str, int]]:
        with closing(sqlite3.connect(f"file:{self._database}?mode=ro", uri=True, timeout=10)) as connection:
            rows = {table: _one(connection, f"SELECT count(*) FROM {table}") for table in WORKING}
        wal = Path(f"{self._database}-wal")
        return (wal.stat().st_size / 2**20 if wal.exists() else 0.0), rows

    async def _ask_postgres(self) -> tuple[float, dict[str, int]]:
        settings = {"default_transaction_read_only": "on"}
        connection = await asyncpg.connect(self._database, server_settings=settings)
        try:
            rows = {table: int(await connection.fetchval(f"SELECT count(*) FROM {table}")) for table in WORKING}
            size = await connection.fetchval("SELECT coalesce(sum(size), 0) FROM pg_ls_waldir()")
            return float(size) / 2**20, rows
        finally:
            await connection.close()


def _one(connection: sqlite3.Connection, statement: str) -> int:
    return int(connection.execute(statement).fetchone()[0])
