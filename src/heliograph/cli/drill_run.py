"""One drill from the empty store to the report: carrier and customer live here, so that they survive the kills (design section 11)."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import msgspec

from heliograph.cli.drill_load import Handler, Load
from heliograph.cli.drill_report import Blow, Report, Seen, compare, judge
from heliograph.cli.drill_server import LINKS, LOGIN, UNSURE_S, WINDOW, Server, prepare
from heliograph.cli.session import now_ms
from heliograph.services import ledgers, outcomes
from heliograph.services.backlogs import measure
from heliograph.simulator.behaviour import Profile
from heliograph.simulator.records import SubmitRecord
from heliograph.simulator.server import Simulator
from heliograph.store.database import Database
from heliograph.store.migrate import MIGRATIONS_DIRECTORY, migrate
from heliograph.store.opening import open_database

# A carrier that takes its time, so that every kill finds texts written and not answered; it throttles seldom, for the
# pace that answers to it would make the drill long.
CARRIER = Profile(
    "drill", failed=0.05, rejected=0.02, throttled=0.002, delay_s=(0.05, 0.5), response_delay_s=(0.02, 0.05)
)
AWAY_S = 0.05, 0.4  # how long a killed carrier is away
DRAIN_S = 60.0
POLL_S = 0.2
Progress = Callable[[int, int], None]


class Order(msgspec.Struct, frozen=True):
    """What is asked of a drill; ``rate`` in texts a second."""

    kills: int
    messages: int
    rate: int
    connections: int
    database: str
    seed: int
    folder: Path
    carrier_kills: int = 0


async def run(order: Order, progress: Progress) -> Report:
    """Do it, and end every process and socket of it whatever happens. Failure, StoreError."""
    seen = Seen()
    simulator = Simulator(CARRIER, {LOGIN: LOGIN}, on_submit=lambda record: _note(seen, record))
    handler = Handler(seen)
    server = Server(order.folder, order.database)
    db = await open_database(order.database)
    try:
        await migrate(db, MIGRATIONS_DIRECTORY, now_ms())
        address = await simulator.start()
        key = await prepare(db, order.folder, address, await handler.start(), now_ms())
        return await _drill(order, db, simulator, server, seen, key, progress)
    finally:
        await server.kill()
        await handler.stop()
        await simulator.stop()
        await db.close()


def _note(seen: Seen, record: SubmitRecord) -> None:
    if record.message_id:
        seen.taken[record.text] += 1
    elif record.outcome == "rejected":
        seen.rejected.add(record.text)


async def _drill(
    order: Order, db: Database, simulator: Simulator, server: Server, seen: Seen, key: str, progress: Progress
) -> Report:
    began = time.monotonic()
    total = order.messages + order.kills + order.carrier_kills
    done = 0

    def tell() -> None:
        nonlocal done
        done += 1
        progress(done, total)

    await server.start()
    load = Load(server, key, seen, order.messages, order.rate, tell)
    async with asyncio.TaskGroup() as group:
        group.create_task(load.run(order.connections))
        await _kill(order, server, simulator, load, seen.blows, tell)
    loaded = time.monotonic()
    drained = await _drain(db, simulator)
    drain_s = round(time.monotonic() - loaded, 1)
    await server.stop()
    kept = {outcome.text: outcome async for outcome in outcomes.read_all(db)}
    customer = simulator.customers.get(LOGIN)
    idle = customer is None or not (customer.waiting or customer.in_flight)
    report = compare(seen, kept, idle)
    report.faults = tuple(fault.describe() for fault in (await ledgers.check(db)).faults)
    report.database, report.doubtful_allowed = db.dialect, WINDOW * LINKS
    report.kills, report.carrier_kills = order.kills, order.carrier_kills
    report.drained, report.drain_s = drained, drain_s
    report.took_s = round(time.monotonic() - began, 1)
    judge(report)
    return report


async def _kill(
    order: Order, server: Server, simulator: Simulator, load: Load, blows: list[Blow], tell: Callable[[], None]
) -> None:
    """Kill at moments that the seed chooses: when so many texts were tried, and up to 50 ms later."""
    chance = random.Random(order.seed)
    names = ["kill"] * order.kills + ["carrier"] * order.carrier_kills
    moments = sorted((chance.uniform(0.02, 0.98) * order.messages, name) for name in names)
    counts = Counter[str]()
    for moment, name in moments:
        await load.reach(moment)
        await asyncio.sleep(chance.uniform(0.0, 0.05))
        counts[name] += 1
        blows.append(Blow(f"{name} {counts[name]}", now_ms()))
        if name == "kill":
            await server.kill()
            await server.start()
        else:
            address = simulator.address
            await simulator.cut()
            await asyncio.sleep(chance.uniform(*AWAY_S))
            await simulator.start(*address)
        tell()


async def _drain(db: Database, simulator: Simulator) -> bool:
    """Wait until the queue, the receipts and the callbacks are empty; whether they are in time."""
    deadline = time.monotonic() + DRAIN_S + UNSURE_S
    while time.monotonic() < deadline:
        stats = simulator.stats()
        if not stats["waiting"] and not stats["due"]:
            backlog = await measure(db, now_ms())
            if not backlog.callbacks and not any(line.waiting for line in backlog.lines):
                return True
        await asyncio.sleep(POLL_S)
    return False
