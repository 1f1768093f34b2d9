"""Statistics of an account: texts and money of a period, from counters that are written with the ledger (seed 002, get_stat)."""

import logging
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

import msgspec

from heliograph.core.accounts import Account
from heliograph.core.rates import convert
from heliograph.services.entries import QUARTER_MS
from heliograph.services.snapshot import Snapshots
from heliograph.store.database import Database

log = logging.getLogger(__name__)
Spawn = Callable[[Coroutine[Any, Any, None]], None]


class Total(msgspec.Struct, frozen=True):
    """What one login did in a period: texts taken for sending, spent (charges less refunds) and paid in, 1/10,000."""

    login: str
    currency: str
    texts: int
    spent: int
    income: int


class Statistics:
    """Reads the counters. A row is a quarter of an hour in which something happened, found by the primary key: half a
    year of a busy account is 17,500 rows, some 5 ms."""

    def __init__(self, db: Database, snapshots: Snapshots, spawn: Spawn) -> None:
        self._db = db
        self._snapshots = snapshots
        self._spawn = spawn

    def find(
        self,
        account: Account,
        start_ms: int,
        end_ms: int,
        wallet: int,
        exchanged: bool,
        done: Callable[[list[Total] | None], None],
    ) -> None:
        """The totals from ``start_ms`` up to ``end_ms`` (not with it; both are brought down to a quarter of an hour) of
        balance 1 or 2, one a currency; with ``exchanged`` in the account's present currency as far as there are rates.
        ``done`` gets None when the store cannot be asked."""
        self._spawn(self._find(account, start_ms, end_ms, wallet, exchanged, done))

    async def _find(
        self,
        account: Account,
        start_ms: int,
        end_ms: int,
        wallet: int,
        exchanged: bool,
        done: Callable[[list[Total] | None], None],
    ) -> None:
        found: list[Total] | None = None
        try:
            found = await self.sum_up(account, start_ms, end_ms, wallet)
            if exchanged:
                found = exchange(found, account.currency, self._snapshots.current.rates)
        except Exception:
            log.exception("statistics_failed")
            found = None
        done(found)

    async def sum_up(self, account: Account, start_ms: int, end_ms: int, wallet: int) -> list[Total]:
        """One total a currency, by its name; none where nothing happened."""
        span = start_ms // QUARTER_MS, end_ms // QUARTER_MS
        rows = await self._db.all("statistics.sum", account.id, *span, wallet)
        return [Total(account.login, *row) for row in rows if any(row[1:])]


def exchange(totals: list[Total], into: str, rates: Mapping[str, int]) -> list[Total]:
    """The totals of one login as one in ``into``; a currency without a rate stays a total of its own, behind it.

    Each currency's amounts are rounded once.
    """
    own: Total | None = None
    others = []
    for each in totals:
        spent, income = each.spent, each.income
        if each.currency != into:
            rate, into_rate = rates.get(each.currency), rates.get(into)
            if rate is None or into_rate is None:
                others.append(each)
                continue
            spent, income = convert(spent, rate, into_rate), convert(income, rate, into_rate)
        before = own or Total(each.login, into, 0, 0, 0)
        own = Total(each.login, into, before.texts + each.texts, before.spent + spent, before.income + income)
    return [own, *others] if own else others
