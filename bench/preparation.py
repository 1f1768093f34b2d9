"""What a store must hold before Heliograph can be measured: a price list, a carrier, a route, accounts with money.

Shared by ``./dev bench`` and by the driver for the comparison tools (peers/heliograph.py). Every check stays on; raised are
only the limits that would end a load by intent: requests at once, and how much money there is.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.marks import PASSWORD, login_of

from heliograph.core.money import SCALE
from heliograph.core.tariffs import Prices, Zone
from heliograph.services import accounts, carriers, hashes, routes, tariffs
from heliograph.services.changes import change
from heliograph.store.database import Database
from heliograph.store.migrate import MIGRATIONS_DIRECTORY, migrate
from heliograph.store.opening import open_database
from heliograph.store.queries import translate
from heliograph.store.secrets import Secrets

BULK = "bench"
CODES = "codes"
MONEY = 100_000_000 * SCALE
PASSWORDS = """INSERT INTO passwords (id, account_id, label, plain, md5, sha1, created_ms)
    VALUES (?, ?, ?, ?, ?, ?, ?)"""
SERVER_ENVIRONMENT = {
    "HELIOGRAPH_CALLBACKS_ALLOW_PRIVATE": "127.0.0.0/8",
    "HELIOGRAPH_CALLBACKS_PER_HANDLER": "32",
    "HELIOGRAPH_LOG_LEVEL": "warning",
}


def key_of(login: str) -> str:
    """The API key of an account of the bench."""
    return f"{login}-key"


async def fill_store(
    data: Path,
    database: str,
    *,
    carrier_port: int,
    callback_url: str,
    window: int = 100,
    carrier: Mapping[str, str] | None = None,
    many: Sequence[str] = (),
) -> None:
    """Make the store at ``database`` (a file or a PostgreSQL address) with two accounts, ``bench`` and ``codes``.

    The carrier is reached over two links with ``window`` submits under way on each, unless settings in ``carrier`` say
    otherwise. ``many`` holds the callback addresses of more accounts, b0, b1 and so on.
    """
    now_ms = time.time_ns() // 1_000_000
    data.mkdir(parents=True, exist_ok=True)
    db = await open_database(database)
    try:
        await migrate(db, MIGRATIONS_DIRECTORY, now_ms)
        secrets = Secrets.open(data)
        await tariffs.create(db, BULK, zones=(Zone(1, "World", ("*",), Prices(sms=16_000)),))
        links = {"links": "2", "window": str(window), "host": "127.0.0.1", "port": str(carrier_port), "system_id": BULK}
        await carriers.create(db, secrets, "sink", password=PASSWORD, settings=links | dict(carrier or {}))
        await routes.create(db, "all", carrier="sink")
        for login in (BULK, CODES):
            await make_account(db, login, callback_url, now_ms)
            await accounts.create_key(db, login, key=key_of(login), now_ms=now_ms)
        hashed = await asyncio.to_thread(hashes.make, PASSWORD)
        for number, url in enumerate(many):
            await make_account(db, login_of(number), url, now_ms, hashed)
    finally:
        await db.close()


async def make_account(
    db: Database, login: str, callback_url: str, now_ms: int, hashed: hashes.Hashes | None = None
) -> None:
    """An account with money; with ``hashed`` its password was hashed before, which for hundreds would take long."""
    settings = {"callback_url": callback_url, "sender": "BENCH", "concurrency": "100000", "code_rate": "50"}
    password = "" if hashed else PASSWORD
    account = await accounts.create(
        db, login, tariff=BULK, password=password, weak=True, settings=settings, now_ms=now_ms
    )
    await accounts.top_up(db, login, MONEY, note="bench", now_ms=now_ms)
    if hashed is not None:
        async with change(db) as tx:
            row = await tx.one("passwords.next_id")
            assert row is not None
            query = translate("bench.password", PASSWORDS, db.dialect)
            await tx.run(query, row[0], account.id, "first", hashed.plain, hashed.md5, hashed.sha1, now_ms)
