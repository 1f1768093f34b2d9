"""Stores filled by bulk are as the server would have left them (bench/grown.py)."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from bench.grown import COLUMNS, COST, fill_texts
from bench.growth import check_ledger
from bench.installation import Installation
from bench.stores import PostgresStores, SqliteStores
from tests.databases import postgres_dsn

from heliograph.store.database import Query
from heliograph.store.opening import open_database

STORED = 250
# What differs from text to text: ids, numbers, texts, times.
OWN = {
    "messages": {"int_id", "id", "phone", "given", "text", "comment", "send_ms", "created_ms", "changed_ms"}
    | {"expires_ms", "fingerprint"},
    "parts": {"int_id", "ref", "link", "sent_ms", "answered_ms"},
    "events": {"int_id", "at_us", "detail"},
    "ledger": {"at_ms", "int_id"},
}


def read_rows(database: str, table: str) -> list[dict[str, Any]]:
    """All of a table that belongs to a text."""
    names = COLUMNS[table].split()

    async def work() -> list[dict[str, Any]]:
        db = await open_database(database)
        try:
            where = "WHERE int_id > 0 ORDER BY int_id"
            rows = await db.all(Query(f"bench.{table}", f"SELECT {', '.join(names)} FROM {table} {where}", 0))
            return [dict(zip(names, row, strict=True)) for row in rows]
        finally:
            await db.close()

    return asyncio.run(work())


def shape(table: str, rows: list[dict[str, Any]]) -> set[tuple[Any, ...]]:
    """The values that every text shares."""
    return {tuple(value for name, value in row.items() if name not in OWN[table]) for row in rows}


@pytest.mark.parametrize("backend", ["sqlite", "postgres"])
def test_rows_put_in_are_those_the_server_leaves(backend: str, tmp_path: Path) -> None:
    """What is measured on a grown store would mean nothing if its rows were others than the server's own."""
    stores = SqliteStores() if backend == "sqlite" else PostgresStores(postgres_dsn())
    with Installation(tmp_path / "one", stores, fill=lambda database: fill_texts(database, STORED)) as installation:
        sent = 1 + installation.observe(8, 2).load["accepted"]  # and the one that told that the server is up
        installation.server.stop()
        for table in COLUMNS:
            rows = read_rows(installation.database, table)
            made = [row for row in rows if row["int_id"] <= STORED]
            served = [row for row in rows if row["int_id"] > STORED]
            each = 2 if table == "events" else 1
            assert (len(made), len(served)) == (STORED * each, sent * each)
            assert shape(table, made) == shape(table, served)
        check_texts(read_rows(installation.database, "messages"))
        check_ledger(installation)


def check_texts(rows: list[dict[str, Any]]) -> None:
    """Ids go on where those put in end, and times stand as far apart as the server puts them."""
    assert [int(row["id"]) for row in rows] == list(range(1, len(rows) + 1))
    assert len({row["fingerprint"] for row in rows}) == len(rows)
    for row in rows:
        assert row["expires_ms"] - row["send_ms"] == 86_400_000
        assert row["created_ms"] == row["send_ms"] <= row["changed_ms"]
        assert row["cost"] == COST
