"""A store that has grown: rows of texts that are over, as the server leaves them, made by the database itself (store/migrations).

A text that went out, arrived and was told leaves one row in messages, parts and ledger, and two in events; nothing in the
queue or in callbacks. The accounts' sums and the counters of statistics are kept, so ``heliograph ledger check`` agrees
afterwards. What the texts are like is said by a `Shape`; `EVEN` is one account's, all delivered.
"""

import asyncio
import os
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import dataclass

import asyncpg
from bench import marks

COST = 16_000  # as the price list of the bench says, 1/10,000 of a unit
REST_MS = 2 * 3_600_000  # the latest one is two hours old
DAY_MS = 86_400_000
QUARTER_MS = 900_000  # of statistics (services/entries.py)
BATCH = 500_000  # rows of one transaction: some 50 MB in a temporary table
FEW = 100_000  # up to here indexes are kept while rows come
TWO_32 = 2**32
COLUMNS = {
    "messages": "int_id account_id id phone given kind flags sender text comment parts cost mccmnc status err send_ms "
    "created_ms changed_ms expires_ms lane route_id carrier_id door fingerprint refunded extra tries tried",
    "parts": "int_id try part carrier_id ref link sent_ms answered_ms outcome code status err",
    "events": "int_id at_us name detail",
    "ledger": "account_id at_ms name amount wallet int_id count note",
}
INTO = {table: f"INSERT INTO {table} ({columns.replace(' ', ', ')})" for table, columns in COLUMNS.items()}


@dataclass(frozen=True)
class Shape:
    """What texts are like: SQL over ``n`` (1, 2, …), ``at_ms`` (its creation), ``chance`` and ``luck`` (two numbers below
    2**32 that look random and are the same every time). ``days`` before now it begins."""

    days: int = 30
    account: str = "1"
    phone: str = f"CAST({marks.PREFIX}00000000 + n AS TEXT)"
    mccmnc: str = "2620"
    kind: str = "0"
    status: str = "1"
    refunded: str = "0"  # 1: its cost was given back
    later_ms: str = "0"  # how long after its creation it was to be sent


EVEN = Shape()


def fill_texts(database: str, n: int, shape: Shape = EVEN, now_ms: int = 0) -> None:
    """Put ``n`` finished texts into a store without any, and leave it at rest: logs written back, synced."""
    if not n:
        return
    now_ms = now_ms or time.time_ns() // 1_000_000
    if database.startswith(("postgresql://", "postgres://")):
        asyncio.run(_fill_postgres(database, n, shape, now_ms))
    else:
        _fill_sqlite(database, n, shape, now_ms)


def write_batch(shape: Shape, first: int, last: int, n: int, now_ms: int, source: str) -> Iterator[str]:
    """The statements for texts ``first`` to ``last`` of ``n``, evenly over the shape's days, oldest first. ``source`` is the
    database's way to count: a table expression with the column n, with places for both ends.

    An answer of the carrier comes after 4 ms, the receipt after 110, the callback after 116.
    """
    step_us = (shape.days * DAY_MS - REST_MS) * 1000 // n
    at_ms = f"({now_ms - shape.days * DAY_MS} + n * {step_us} / 1000)"
    chances = f"(n * 2654435761 + 97) % {TWO_32} AS chance, (n * 2246822519 + 374761393) % {TWO_32} AS luck"
    yield "DELETE FROM batch"
    yield f"""INSERT INTO batch SELECT n, at_ms, {shape.account}, {shape.phone}, {shape.kind}, {shape.status},
        CASE WHEN {shape.refunded} = 1 THEN {COST} ELSE 0 END, at_ms + {shape.later_ms}
        FROM (SELECT n, {at_ms} AS at_ms, {chances} FROM {source.format(first, last)}) AS numbers"""
    number = f"CAST({10**18} + n AS TEXT)"
    yield f"""{INTO["messages"]} SELECT batch.n, account, CAST(n AS TEXT), phone, phone, kind, 0, 'BENCH',
        'HB g ' || {number} || ' {marks.FILLER}', 'b=g.' || {number}, 1, {COST}, '{shape.mccmnc}', status, 0, send_ms,
        at_ms, send_ms + 110, send_ms + {DAY_MS}, 1, 1, 1, 1, n * 36893488147 + 7, refunded, '', 1, '' FROM batch ORDER BY batch.n"""
    ref = f"'GEN' || CAST({10**9} + n AS TEXT)"
    yield f"""{INTO["parts"]} SELECT n, 1, 1, 1, {ref}, '#1', send_ms + 3, send_ms + 4, 'accepted', 0, 0, 0
        FROM batch ORDER BY batch.n"""
    told = " sub:001 dlvrd:001 submit date:2601010000 done date:2601010000 stat:DELIVRD err:000"
    yield f"""{INTO["events"]} SELECT n, (send_ms + 110 + 6 * k) * 1000, CASE k WHEN 0 THEN 'receipt' ELSE 'callback' END,
        CASE k WHEN 0 THEN 'id:' || {ref} || '{told}' ELSE '200 in 1 ms' END
        FROM batch, (SELECT 0 AS k UNION ALL SELECT 1) AS told ORDER BY batch.n, k"""
    yield f"{INTO['ledger']} SELECT account, at_ms, 'charge', -{COST}, 1, n, 1, '' FROM batch ORDER BY batch.n"
    yield f"""{INTO["ledger"]} SELECT account, send_ms + 110, 'refund', refunded, 1, n, 1, 'status ' || status
        FROM batch WHERE refunded > 0 ORDER BY batch.n"""
    yield f"""INSERT INTO statistics (account_id, quarter, wallet, currency, texts, spent, income)
        SELECT account, quarter, 1, 'RUR', sum(texts), sum(spent), 0 FROM (
            SELECT account, at_ms / {QUARTER_MS} AS quarter, 1 AS texts, {COST} AS spent FROM batch
            UNION ALL SELECT account, (send_ms + 110) / {QUARTER_MS}, 0, -refunded FROM batch WHERE refunded > 0
        ) AS counted WHERE true GROUP BY account, quarter
        ON CONFLICT (account_id, quarter, wallet, currency) DO UPDATE SET texts = statistics.texts + excluded.texts,
            spent = statistics.spent + excluded.spent"""


def write_sums(n: int) -> str:
    """What the accounts paid, and the last id of each."""
    return f"""UPDATE accounts SET last_id = {n}, balance = balance - spent FROM (SELECT account_id, sum(spent) AS spent
        FROM statistics GROUP BY account_id) AS counted WHERE counted.account_id = accounts.id AND counted.spent <> 0"""


BATCH_TABLE = """CREATE TEMPORARY TABLE batch (n INTEGER, at_ms BIGINT, account INTEGER, phone TEXT, kind INTEGER,
    status INTEGER, refunded INTEGER, send_ms BIGINT)"""


def _cut(n: int) -> Iterator[tuple[int, int]]:
    for first in range(1, n + 1, BATCH):
        yield first, min(first + BATCH - 1, n)


def _fill_sqlite(path: str, n: int, shape: Shape, now_ms: int) -> None:
    source = "(WITH RECURSIVE c(n) AS (SELECT {} UNION ALL SELECT n + 1 FROM c WHERE n < {}) SELECT n FROM c)"
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        # Whoever crashes now begins with an empty store anyway: no log, no syncing.
        for pragma in ("journal_mode=OFF", "synchronous=OFF", "cache_size=-262144", "temp_store=MEMORY", "threads=2"):
            connection.execute(f"PRAGMA {pragma}").fetchall()
        query = """SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL
            AND tbl_name IN ('messages', 'parts', 'ledger')"""
        indexes = connection.execute(query).fetchall() if n > FEW else []
        for name, _ in indexes:
            connection.execute(f"DROP INDEX {name}")
        connection.execute(BATCH_TABLE)
        for first, last in _cut(n):
            connection.execute("BEGIN")
            for statement in write_batch(shape, first, last, n, now_ms, source):
                connection.execute(statement)
            connection.execute("COMMIT")
        connection.execute(write_sums(n))
        connection.execute("PRAGMA temp_store=FILE")
        for _, sql in indexes:
            connection.execute(sql)
        connection.execute("PRAGMA journal_mode=WAL").fetchall()
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


async def _fill_postgres(dsn: str, n: int, shape: Shape, now_ms: int) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        for setting in ("synchronous_commit = off", "maintenance_work_mem = '256MB'", "work_mem = '128MB'"):
            await connection.execute(f"SET {setting}")
        query = """SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'
            AND tablename IN ('messages', 'parts', 'ledger') AND indexname NOT LIKE '%pkey'"""
        indexes = await connection.fetch(query) if n > FEW else []
        for name, _ in indexes:
            await connection.execute(f"DROP INDEX {name}")
        await connection.execute(BATCH_TABLE.replace("INTEGER", "BIGINT"))
        for first, last in _cut(n):
            async with connection.transaction():
                for statement in write_batch(shape, first, last, n, now_ms, "generate_series({}::bigint, {}) AS c(n)"):
                    await connection.execute(statement.replace("DELETE FROM", "TRUNCATE"), timeout=600)
        await connection.execute(write_sums(n))
        for _, sql in indexes:
            await connection.execute(sql, timeout=1200)
        # A store that grew by itself has statistics and visited pages.
        await connection.execute("VACUUM ANALYZE", timeout=1200)
        await connection.execute("CHECKPOINT", timeout=600)
    finally:
        await connection.close()
