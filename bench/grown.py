"""A store that has grown: rows of texts that are over, as the server leaves them, put in by bulk (store/migrations).

A text that went out, arrived and was told leaves one row in messages, parts and ledger, and two in events; nothing in the
queue or in callbacks. The accounts' sums are kept, so ``heliograph ledger check`` agrees afterwards.
"""

import asyncio
import os
import random
import sqlite3
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import asyncpg
from bench import marks

BATCH = 100_000
COST = 16_000  # as the price list of the bench says, 1/10,000 of a unit
DAYS = 30
REST_MS = 2 * 3_600_000  # the latest one is two hours old
DAY_MS = 86_400_000
QUARTER_MS = 900_000  # of statistics (services/entries.py)
COLUMNS = {
    "messages": "int_id account_id id phone given kind flags sender text comment parts cost mccmnc status err send_ms "
    "created_ms changed_ms expires_ms lane route_id carrier_id door fingerprint refunded extra tries tried",
    "parts": "int_id try part carrier_id ref link sent_ms answered_ms outcome code status err",
    "events": "int_id at_us name detail",
    "ledger": "account_id at_ms name amount wallet int_id count note",
}
TABLES = COLUMNS | {"statistics": "account_id quarter wallet currency texts spent income"}
Rows = dict[str, list[tuple[Any, ...]]]


def fill_texts(database: str, n: int) -> None:
    """Put ``n`` finished texts of account 1 into a store without any, and leave it at rest: logs written back, synced."""
    if not n:
        return
    if database.startswith(("postgresql://", "postgres://")):
        asyncio.run(_fill_postgres(database, n))
    else:
        _fill_sqlite(database, n)


def make_batches(n: int, now_ms: int) -> Iterator[Rows]:
    """The rows of ``n`` texts by table, made evenly over the last 30 days, oldest first."""
    begin_ms = now_ms - DAYS * DAY_MS
    step_ms = (DAYS * DAY_MS - REST_MS) / n
    chance = random.Random(1)
    counts: Counter[int] = Counter()
    for first in range(1, n + 1, BATCH):
        rows: Rows = {table: [] for table in TABLES}
        last = min(first + BATCH - 1, n)
        for number in range(first, last + 1):
            at_ms = int(begin_ms + number * step_ms)
            counts[at_ms // QUARTER_MS] += 1
            _add(rows, number, at_ms, chance.getrandbits(63))
        if last == n:
            rows["statistics"] = [(1, quarter, 1, "RUR", k, k * COST, 0) for quarter, k in sorted(counts.items())]
        yield rows


def _add(rows: Rows, number: int, at_ms: int, print_: int) -> None:
    """Text ``number``, made at ``at_ms``: answered by the carrier after 4 ms, delivered after 110, told after 116."""
    phone, tag = f"{marks.PREFIX}{number:08d}", f"g.{number:019d}"
    text = f"HB g {number:019d} {marks.FILLER}"
    told = f"id:GEN0{number:08X} sub:001 dlvrd:001 submit date:2601010000 done date:2601010000 stat:DELIVRD err:000"
    message = (number, 1, str(number), phone, phone, 0, 0, "BENCH", text, f"b={tag}", 1, COST, "2620", 1, 0, at_ms)
    times = (at_ms, at_ms + 110, at_ms + DAY_MS)
    rows["messages"].append((*message, *times, 1, 1, 1, 1, print_, 0, "", 1, ""))
    part = (number, 1, 1, 1, f"GEN0{number:08X}", "#1", at_ms + 3, at_ms + 4, "accepted", 0, 0, 0)
    rows["parts"].append(part)
    rows["events"].append((number, (at_ms + 110) * 1000, "receipt", told))
    rows["events"].append((number, (at_ms + 116) * 1000, "callback", "200 in 1 ms"))
    rows["ledger"].append((1, at_ms, "charge", -COST, 1, number, 1, ""))


def _fill_sqlite(path: str, n: int) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        for pragma in ("synchronous=OFF", "cache_size=-262144", "wal_autocheckpoint=50000"):
            connection.execute(f"PRAGMA {pragma}")
        for rows in make_batches(n, time.time_ns() // 1_000_000):
            connection.execute("BEGIN")
            for table, columns in TABLES.items():
                names = columns.split()
                places = ", ".join("?" * len(names))
                connection.executemany(f"INSERT INTO {table} ({', '.join(names)}) VALUES ({places})", rows[table])
            connection.execute("COMMIT")
        connection.execute("UPDATE accounts SET balance = balance - ?, last_id = ? WHERE id = 1", (n * COST, n))
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    finally:
        connection.close()
    _sync(path)


def _sync(path: str) -> None:
    """What was written without syncing reaches the disk now, and not while something is measured."""
    file = os.open(path, os.O_RDWR)
    try:
        os.fsync(file)
    finally:
        os.close(file)


async def _fill_postgres(dsn: str, n: int) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute("SET synchronous_commit = off")
        for rows in make_batches(n, time.time_ns() // 1_000_000):
            for table, columns in TABLES.items():
                await connection.copy_records_to_table(table, records=rows[table], columns=columns.split())
        await connection.execute("UPDATE accounts SET balance = balance - $1, last_id = $2 WHERE id = 1", n * COST, n)
        # A store that grew by itself has statistics and visited pages.
        await connection.execute("VACUUM ANALYZE", timeout=600)
        await connection.execute("CHECKPOINT", timeout=600)
    finally:
        await connection.close()
