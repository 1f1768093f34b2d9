"""What a text costs when the store is empty and when hundreds of thousands of texts lie in it already."""

import asyncio
import statistics
import time
from functools import partial
from pathlib import Path

import asyncpg
from bench.grown import fill_texts
from bench.installation import Figures, Installation
from bench.plan import Plan, Runs

from heliograph.services import ledgers
from heliograph.store.opening import open_database

CONNECTIONS = 32
TEXTS = 20_000


def measure_growth(plan: Plan) -> Runs:
    """The load of ``singles`` over 32 connections on stores of several sizes; ratios are to the first of them."""
    runs: Runs = {}
    base: Figures = {}
    for size in plan.stored:
        n = int(size * plan.scale)
        plan.tell(f"a store with {n:,} texts")
        began = time.monotonic()
        timed: list[float] = []
        with plan.install(fill=partial(fill, n, timed)) as installation:
            beginning = {"fill_s": timed[0], "start_s": installation.start_s, "store_mb": weigh(installation.database)}
            installation.warm_up()
            found = []
            for number in range(plan.runs):
                plan.tell(f"{n:,} texts stored, run {number + 1}, {time.monotonic() - began:.0f} s")
                found.append(measure(installation, plan.count(TEXTS)))
            check_ledger(installation)
        base = base or {key: statistics.median([run[key] for run in found]) for key in ("cpu_us", "wall_us")}
        for run in found:
            ratios = {"cpu_ratio": run["cpu_us"] / base["cpu_us"], "wall_ratio": run["wall_us"] / base["wall_us"]}
            runs.setdefault(f"{n:,} stored", []).append(beginning | ratios | run)
    return runs


def fill(n: int, timed: list[float], database: str) -> None:
    """Fill the store and note the seconds it took."""
    began = time.monotonic()
    fill_texts(database, n)
    timed.append(time.monotonic() - began)


def measure(installation: Installation, n: int) -> Figures:
    """One load; time and processor time a text, that of PostgreSQL included."""
    figures = installation.measure(n, CONNECTIONS)
    cpu_us = figures["server_cpu_us"] + figures.get("postgres_cpu_us", 0.0)
    return {"wall_us": 1e6 / figures["called_per_s"], "cpu_us": cpu_us} | figures


def weigh(database: str) -> float:
    """Megabytes of the store."""
    if not database.startswith(("postgresql://", "postgres://")):
        return sum(file.stat().st_size for file in Path(database).parent.glob("heliograph.db*")) / 2**20

    async def ask() -> float:
        connection = await asyncpg.connect(database)
        try:
            return float(await connection.fetchval("SELECT pg_database_size(current_database())")) / 2**20
        finally:
            await connection.close()

    return asyncio.run(ask())


def check_ledger(installation: Installation) -> None:
    """RuntimeError unless the ledger agrees with the balances and the texts, the generated ones included."""

    async def work() -> tuple[str, ...]:
        db = await open_database(installation.database)
        try:
            return tuple(fault.describe() for fault in (await ledgers.check(db)).faults)
        finally:
            await db.close()

    if faults := asyncio.run(work()):
        raise RuntimeError(f"the ledger does not agree: {faults[0]}")
