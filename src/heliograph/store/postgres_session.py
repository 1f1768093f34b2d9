"""Connections to PostgreSQL with this store's settings, the server's promises checked, and marks that tell a commit's fate.

Reference: https://www.postgresql.org/docs/current/runtime-config-client.html. Every transaction of a writer leaves a
random token in the writer's row of `commit_marks`. When a connection dies during COMMIT, the next one reads that row:
the token is there if and only if the transaction was kept. (`pg_xact_status` would do without a table, but after a crash
or a failover the server may give the same transaction number again, and a lost text would pass for a kept one.)
"""

import socket
from typing import TYPE_CHECKING, Any

import asyncpg

from heliograph.store.database import StoreError

if TYPE_CHECKING:
    Connection = asyncpg.Connection[Any]
else:
    Connection = asyncpg.Connection

CONNECT_TIMEOUT_S = 10.0
READER_TIMEOUT_S = 60.0
# One Heliograph serves a database: "heli" and "sms\0" in ASCII, the two halves of an advisory lock's key.
_SERVING_LOCK = "1751477353, 1936552704"
_SESSION = {"application_name": "heliograph", "jit": "off", "client_encoding": "UTF8"}
_WRITER = {
    "synchronous_commit": "on",
    "lock_timeout": "10s",  # a command line beside the server may hold a row; after that the write is tried again
    "idle_in_transaction_session_timeout": "60s",  # a server that vanished must not hold its locks for hours
}
_READER = {
    "default_transaction_read_only": "on",
    # Accounts differ a thousand times in size: a plan that must do for all of them reads the whole table for a small one.
    "plan_cache_mode": "force_custom_plan",
    "max_parallel_workers_per_gather": "0",  # pages of some rows: starting a worker takes longer than reading them
}

_MARKS = """CREATE TABLE IF NOT EXISTS commit_marks (
  slot BIGINT PRIMARY KEY,
  token BIGINT NOT NULL,
  touched TIMESTAMPTZ NOT NULL DEFAULT now()
) WITH (fillfactor = 10)"""
_PROBE = """INSERT INTO commit_marks (slot, token) VALUES ($1, 0)
ON CONFLICT (slot) DO UPDATE SET touched = now() RETURNING token"""


def settings(*, writer: bool) -> dict[str, Any]:
    """Arguments of `asyncpg.connect` and `create_pool` for a connection of either sort."""
    return {
        "timeout": CONNECT_TIMEOUT_S,
        "command_timeout": None if writer else READER_TIMEOUT_S,
        "statement_cache_size": 500,
        "max_cached_statement_lifetime": 0,
        "server_settings": _SESSION | (_WRITER if writer else _READER),
    }


async def set_codecs(connection: Connection) -> None:
    """Make sums and comparisons come back as SQLite gives them: int (or float) and 0 or 1."""
    for name, encode, decode in (("numeric", str, _number), ("bool", _letter, _truth)):
        await connection.set_type_codec(name, schema="pg_catalog", encoder=encode, decoder=decode, format="text")


async def connect_writer(dsn: str) -> Connection:
    """A connection for the writer, to a server that keeps what it commits; StoreError when it does not."""
    connection: Connection = await asyncpg.connect(dsn, **settings(writer=True))
    try:
        _watch_line(connection)
        await _check_server(connection)
        await set_codecs(connection)
        await _make_marks(connection)
    except BaseException:
        connection.terminate()
        raise
    return connection


async def take_lock(connection: Connection) -> bool:
    """Claim the database for serving as long as this connection lives; false when another server has it.

    It is held by the connection that writes, so a server which lost it cannot write either.
    """
    return bool(await connection.fetchval(f"SELECT pg_try_advisory_lock({_SERVING_LOCK})"))


async def take_slot(connection: Connection, slot: int) -> None:
    """Wait until no other session of this writer is left, and be the one; it fails after the writer's `lock_timeout`."""
    await connection.execute("SELECT pg_advisory_lock($1)", slot)


async def commit(connection: Connection, slot: int, token: int) -> None:
    """Leave the mark and commit, in one message; StoreError when the server rolled back instead."""
    tag = await connection.execute(
        f"INSERT INTO commit_marks (slot, token) VALUES ({slot:d}, {token:d}) "  # noqa: S608 (two integers of ours)
        "ON CONFLICT (slot) DO UPDATE SET token = excluded.token, touched = now(); COMMIT"
    )
    if tag != "COMMIT":
        raise StoreError(f"the database answered COMMIT with {tag}")


async def was_kept(connection: Connection, slot: int, token: int) -> bool:
    """Whether the transaction that left `token` was committed; waits for it while it is not yet decided."""
    return bool(await connection.fetchval(_PROBE, slot) == token)


async def forget(connection: Connection, slot: int) -> None:
    """Remove a writer's mark at its end, and those of writers that ended without doing so a week ago."""
    await connection.execute("DELETE FROM commit_marks WHERE slot = $1 OR touched < now() - interval '7 days'", slot)


def _watch_line(connection: Connection) -> None:
    # The writer waits for its answers without a limit, so a host that vanished must show on the socket itself:
    # 10 s of silence, then 3 probes 5 s apart, and no longer than 25 s for sent bytes. The driver has no option for it.
    line: socket.socket | None = connection._transport.get_extra_info("socket")  # type: ignore[attr-defined]
    if line is None or line.family not in (socket.AF_INET, socket.AF_INET6):
        return
    line.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (("TCP_KEEPIDLE", 10), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3), ("TCP_USER_TIMEOUT", 25_000)):
        if hasattr(socket, option):
            line.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)


async def _check_server(connection: Connection) -> None:
    for setting, wanted, remedy in (
        ("fsync", "on", "set fsync = on in postgresql.conf: without it a power cut loses accepted texts"),
        ("full_page_writes", "on", "set full_page_writes = on in postgresql.conf: without it a power cut tears pages"),
        ("server_encoding", "UTF8", "create the database with ENCODING 'UTF8'"),
        ("synchronous_commit", "on", "let sessions set synchronous_commit = on"),
    ):
        found = await connection.fetchval("SELECT current_setting($1)", setting)
        if found != wanted:
            raise StoreError(f"the PostgreSQL server has {setting} = {found}; {remedy}")


async def _make_marks(connection: Connection) -> None:
    if await connection.fetchval("SELECT to_regclass('commit_marks')::text") is not None:
        return
    try:
        await connection.execute(_MARKS)
    except asyncpg.UniqueViolationError:
        # Two programs made it at the same moment; IF NOT EXISTS does not cover that.
        return


def _number(text: str) -> int | float:
    return float(text) if "." in text or "N" in text else int(text)


def _letter(value: object) -> str:
    return "t" if value else "f"


def _truth(text: str) -> int:
    return 1 if text == "t" else 0
