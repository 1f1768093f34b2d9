"""News for handlers that could not be told: what it costs to hold it, and how fast it goes out when the handler is back."""

import asyncio
import json
import sqlite3
import time
from functools import partial

import asyncpg
from bench.children import cpu_s, memory_mb
from bench.grown import fill_texts
from bench.handlers import DISCARD
from bench.installation import Figures, Installation
from bench.plan import Plan, Runs

WAITING = 2_000_000
TOLD = 160_000  # some 20 s at the rate that is hoped for
TEXTS = 100_000  # stored ones that the waiting news is about
HOLD_S = 30.0
BESIDE = 20_000
CONNECTIONS = 32
BULK_ID, CODES_ID = 1, 2


def measure_backlog(plan: Plan) -> Runs:
    """A backlog that cannot be told, and one that can be."""
    runs: Runs = {}
    for number in range(plan.runs):
        n = plan.count(WAITING)
        plan.tell(f"{n:,} callbacks wait for a handler that refuses, run {number + 1}")
        with plan.install(fill=partial(fill, n, CODES_ID)) as installation:
            runs.setdefault(f"{n:,} wait for a handler that refuses", []).append(hold(installation, plan))
        n = plan.count(TOLD)
        plan.tell(f"{n:,} callbacks for one fast handler, run {number + 1}")
        with plan.install(fill=partial(fill, n, BULK_ID)) as installation:
            runs.setdefault(f"{n:,} for one fast handler", []).append(tell_all(installation, n))
    return runs


def hold(installation: Installation, plan: Plan) -> Figures:
    """Memory and processor time while nothing else happens, then a load whose handler is well."""
    pid = installation.server.pid
    before_mb, before_s = memory_mb(pid), cpu_s(pid)
    time.sleep(HOLD_S)
    held = {
        "start_s": installation.start_s,
        "idle_mb": before_mb,
        "growth_mb": memory_mb(pid) - before_mb,
        "idle_cpu_share": (cpu_s(pid) - before_s) / HOLD_S,
    }
    installation.warm_up()
    return held | installation.measure(plan.count(BESIDE), CONNECTIONS)


def tell_all(installation: Installation, n: int) -> Figures:
    """The rate from the first call to the last; the receiver counts by the mark of generated texts."""
    began = time.monotonic()
    before, moved = -1, began
    while time.monotonic() - moved < 20.0:
        seen = installation.receiver.ask(tag="g", brief=True)["unique"]
        if seen >= n:
            break
        if seen != before:
            before, moved = seen, time.monotonic()
        time.sleep(0.1)
    found = installation.receiver.ask(tag="g")
    took_s = (found["last_ns"] - found["first_ns"]) / 1e9
    return {
        "start_s": installation.start_s,
        "called_per_s": found["unique"] / took_s,
        "not_called": n - found["unique"],
        "peak_mb": memory_mb(installation.server.pid, "VmHWM"),
    }


def fill(n: int, account_id: int, database: str) -> None:
    """``n`` pieces of news about finished texts, never tried, all of one account; that of the codes has a handler that
    refuses connections."""
    texts = min(n, TEXTS) if account_id == CODES_ID else n
    fill_texts(database, texts)
    ids = int(time.time() * 1_000_000) - 4 * n
    rows = f"""INSERT INTO callbacks (id, int_id, account_id, status, err, at_ms, due_ms, tries)
        SELECT {ids} + 2 * n, 1 + n % {texts}, {account_id}, 1, 0, {ids // 1000}, {ids // 1000}, 0 FROM {{}}"""
    dead = json.dumps({"callback_url": f"http://127.0.0.1:{DISCARD}/", "sender": "BENCH", "concurrency": 100000})
    change = f"UPDATE accounts SET settings = '{dead}' WHERE id = {CODES_ID}" if account_id == CODES_ID else "SELECT 1"
    if database.startswith(("postgresql://", "postgres://")):
        asyncio.run(_run(database, rows.format(f"generate_series(1, {n}) AS numbers(n)"), change))
        return
    connection = sqlite3.connect(database, isolation_level=None)
    try:
        connection.execute("PRAGMA synchronous=OFF")
        count = f"(WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < {n}) SELECT n FROM c)"
        connection.execute(rows.format(count))
        connection.execute(change)
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    finally:
        connection.close()


async def _run(database: str, *statements: str) -> None:
    connection = await asyncpg.connect(database)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()
