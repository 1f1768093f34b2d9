"""What ``heliograph serve --demo`` makes: an account, a price list, a simulated carrier and a route (README, five minutes)."""

from heliograph.config import Demo
from heliograph.core.money import SCALE
from heliograph.core.reasons import Reason, Refused
from heliograph.core.tariffs import Prices, Zone
from heliograph.services import accounts, carriers, routes, tariffs
from heliograph.store.database import Database
from heliograph.store.secrets import Secrets

NAME = "demo"
CARRIER = "simulator"
SYSTEM_ID = "demo"
SYSTEM_PASSWORD = "demo"  # noqa: S105 - the carrier is a simulator on this machine
SENDER = "DEMO"
PRICE = Prices(sms=16_000, ping=8_000, hlr=4_000, mass=15_000, mms=60_000, call=12_000)


async def prepare(db: Database, secrets: Secrets, demo: Demo, carrier: tuple[str, int], now_ms: int) -> None:
    """Make what is missing; what a former run left is kept, but the carrier is found where it listens now."""
    host, port = carrier
    address = {"host": host, "port": str(port), "system_id": SYSTEM_ID, "links": "2"}
    try:
        await accounts.show(db, demo.login)
    except Refused as refused:
        if refused.reason is not Reason.NOT_FOUND:
            raise
    else:
        await carriers.alter(db, secrets, CARRIER, settings=address)
        return
    await tariffs.create(db, NAME, currency="RUR", zones=(Zone(1, "World", ("*",), PRICE),))
    await carriers.create(db, secrets, CARRIER, password=SYSTEM_PASSWORD, settings=address)
    await routes.create(db, "everything", carrier=CARRIER)
    settings = {"sender": SENDER, "any_sender": "yes", "tz": "Europe/Moscow", "name": "Demonstration"}
    await accounts.create(
        db,
        demo.login,
        tariff=NAME,
        currency="RUR",
        password=demo.password,
        weak=True,
        settings=settings,
        now_ms=now_ms,
    )
    await accounts.create_key(db, demo.login, key=demo.key, label="demo", now_ms=now_ms)
    await accounts.top_up(db, demo.login, demo.balance * SCALE, note="demo", now_ms=now_ms)
