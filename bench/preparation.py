"""What a store must hold before Heliograph can be measured: a price list, a carrier, a route, accounts with money.

Shared by ``./dev bench`` and by the driver for the comparison tools (peers/heliograph.py). Every check stays on; raised are
only the limits that would end a load by intent: requests at once, and how much money there is.
"""

import time
from pathlib import Path

from heliograph.core.money import SCALE
from heliograph.core.tariffs import Prices, Zone
from heliograph.services import accounts, carriers, routes, tariffs
from heliograph.store.migrate import MIGRATIONS_DIRECTORY, migrate
from heliograph.store.opening import open_database
from heliograph.store.secrets import Secrets

BULK = "bench"
CODES = "codes"
PASSWORD = "bench"
MONEY = 100_000_000 * SCALE
SERVER_ENVIRONMENT = {
    "HELIOGRAPH_CALLBACKS_ALLOW_PRIVATE": "127.0.0.0/8",
    "HELIOGRAPH_CALLBACKS_PER_HOST": "32",
    "HELIOGRAPH_LOG_LEVEL": "warning",
}


def key_of(login: str) -> str:
    """The API key of an account of the bench."""
    return f"{login}-key"


async def fill_store(data: Path, database: str, *, carrier_port: int, callback_url: str, window: int = 100) -> None:
    """Make the store at ``database`` (a file or a PostgreSQL address) with two accounts, ``bench`` and ``codes``.

    The carrier is reached over two links with ``window`` submits under way on each.
    """
    now_ms = time.time_ns() // 1_000_000
    data.mkdir(parents=True, exist_ok=True)
    db = await open_database(database)
    try:
        await migrate(db, MIGRATIONS_DIRECTORY, now_ms)
        secrets = Secrets.open(data)
        await tariffs.create(db, BULK, zones=(Zone(1, "World", ("*",), Prices(sms=16_000)),))
        links = {"links": "2", "window": str(window), "host": "127.0.0.1", "port": str(carrier_port), "system_id": BULK}
        await carriers.create(db, secrets, "sink", password=PASSWORD, settings=links)
        await routes.create(db, "all", carrier="sink")
        settings = {"callback_url": callback_url, "sender": "BENCH", "concurrency": "100000", "code_rate": "50"}
        for login in (BULK, CODES):
            await accounts.create(
                db, login, tariff=BULK, password=PASSWORD, weak=True, settings=settings, now_ms=now_ms
            )
            await accounts.create_key(db, login, key=key_of(login), now_ms=now_ms)
            await accounts.top_up(db, login, MONEY, note="bench", now_ms=now_ms)
    finally:
        await db.close()
