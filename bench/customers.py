"""Customers on SMPP: texts in and receipts out over one bind and several, and what bound sessions cost that do nothing."""

import asyncio
import socket
from collections.abc import Callable

from bench import marks
from bench.blast import ANSWER_S, Blast
from bench.children import memory_mb
from bench.installation import Figures
from bench.plan import Plan, Runs
from bench.preparation import BULK

from heliograph.services import accounts
from heliograph.store.opening import open_database

IDLE = 500  # sessions
PASSWORD = "benching"


def measure_smpp(plan: Plan) -> Runs:
    """One bind with a window of 100, four of them, and 500 sessions that are bound and silent."""
    runs: Runs = {}
    port = find_port()
    with plan.install(fill=prepare, more={"HELIOGRAPH_SMPP_LISTEN": f"127.0.0.1:{port}"} | ROOM) as installation:
        installation.warm_up()
        plan.tell(f"SMPP, {IDLE} silent sessions")
        before = memory_mb(installation.server.pid)
        held = asyncio.run(hold(port, lambda: memory_mb(installation.server.pid)))
        runs[f"{IDLE} silent sessions"] = [{"server_mb": held, "before_mb": before}]
        first = 1_000_000
        for binds in (1, 4):
            for number in range(plan.runs):
                plan.tell(f"SMPP, {binds} binds, run {number + 1}")
                found = asyncio.run(load(port, plan.count(40_000), binds, first))
                first += 1_000_000
                runs.setdefault(f"{binds} binds, window 100 each", []).append(found)
    return runs


ROOM = {"HELIOGRAPH_SMPP_CONNECTIONS_PER_CLIENT": "1000"}


def find_port() -> int:
    """A port that is free now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def prepare(database: str) -> None:
    """Let the bulk account in over SMPP."""

    async def work() -> None:
        db = await open_database(database)
        try:
            now_ms = marks.now_ns() // 1_000_000
            settings = {"smpp": "yes", "smpp_addresses": "127.0.0.0/8", "smpp_sessions": "1000"}
            await accounts.set_settings(db, BULK, settings)
            await accounts.add_password(db, BULK, PASSWORD, now_ms=now_ms, kind=accounts.SMPP)
        finally:
            await db.close()

    asyncio.run(work())


async def load(port: int, n: int, binds: int, first: int) -> Figures:
    """So many texts shared by so many binds: submits answered and receipts acknowledged a second, all together."""
    loop = asyncio.get_running_loop()
    blasts = []
    for number in range(binds):
        start = first + number * 250_000
        # Receipts go round all binds, so each waits for its share only roughly: the sum is what counts.
        blast = Blast(n // binds, BULK, PASSWORD, start)
        await loop.create_connection(lambda blast=blast: blast, "127.0.0.1", port)  # type: ignore[misc]
        blasts.append(blast)
    try:
        async with asyncio.timeout(ANSWER_S):
            while sum(each.told for each in blasts) < n // binds * binds:
                await asyncio.sleep(0.01)
        for each in blasts:
            each.done.cancel()  # nobody asks for it here
    except TimeoutError:
        told = sum(each.told for each in blasts)
        raise RuntimeError(f"{sum(each.answered for each in blasts)} of {n} answered, {told} receipts") from None
    finally:
        for each in blasts:
            each.transport.abort()
    began = min(each.first_ns for each in blasts)
    answered = (max(each.answered_ns for each in blasts) - began) / 1e9
    told_s = (marks.now_ns() - began) / 1e9
    refused = sum(each.refused for each in blasts)
    return {"answered_per_s": n / answered, "receipts_per_s": n / told_s, "refused": refused}


async def hold(port: int, look: Callable[[], float]) -> float:
    """The server's memory while so many sessions are bound and silent."""
    loop = asyncio.get_running_loop()
    blasts = []
    for _ in range(IDLE):
        blast = Blast(0, BULK, PASSWORD)
        await loop.create_connection(lambda blast=blast: blast, "127.0.0.1", port)  # type: ignore[misc]
        blasts.append(blast)
    async with asyncio.timeout(ANSWER_S):
        while not all(each.first_ns for each in blasts):
            await asyncio.sleep(0.05)
    found = look()
    for each in blasts:
        each.transport.abort()
    return found
