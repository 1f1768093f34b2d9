"""Rates of currencies, as the operator sets them (core/rates.py; docs/money.md)."""

import re

import msgspec

from heliograph.core.rates import HIGHEST
from heliograph.core.reasons import Reason, Refused
from heliograph.services.changes import change
from heliograph.store.database import Database

CURRENCY = re.compile(r"[A-Z]{3}")


class Rate(msgspec.Struct, frozen=True):
    """What one unit of a currency is worth, in millionths of the unit that all rates share, and since when."""

    currency: str
    rate: int
    changed_ms: int


async def set_rate(db: Database, currency: str, rate: int, *, now_ms: int) -> Rate:
    """Set or change a rate; Refused(BAD_PARAMETERS)."""
    if not CURRENCY.fullmatch(currency):
        raise Refused(Reason.BAD_PARAMETERS, f"{currency!r} is no currency: three capitals such as RUR or EUR")
    if not 0 < rate <= HIGHEST:
        raise Refused(Reason.BAD_PARAMETERS, "a rate is above zero, and a billion at most")
    async with change(db) as tx:
        await tx.run("rates.put", currency, rate, now_ms)
    return Rate(currency, rate, now_ms)


async def remove(db: Database, currency: str) -> None:
    """Take a rate away; exchanges that were made keep theirs. Refused(NOT_FOUND)."""
    async with change(db) as tx:
        if not await tx.run("rates.remove", currency):
            raise Refused(Reason.NOT_FOUND, f"there is no rate of {currency!r}")


async def list_all(db: Database) -> list[Rate]:
    """All rates by currency."""
    return [Rate(*row) for row in await db.all("rates.list")]
