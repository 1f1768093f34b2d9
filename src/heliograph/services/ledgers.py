"""The proof of the ledger: its sums are the balances, what it charged is what the messages cost, and the counters of
statistics are its sums (design section 8)."""

from collections.abc import Callable
from contextlib import aclosing
from typing import Any

import msgspec

from heliograph.core.money import format_money
from heliograph.services.entries import EXCHANGE, OF_TEXTS, SPENT
from heliograph.store.database import Database

ACCOUNT, ENTRY, MESSAGE, RETIRED, COUNTER = 1, 2, 3, 4, 5  # and 6: a counter of the second balance
PAGE = 5000


class Fault(msgspec.Struct, frozen=True):
    """An account whose sums differ, in 1/10,000 of a unit."""

    login: str
    what: str
    expected: int
    found: int

    def describe(self) -> str:
        """The fault in words."""
        return f"{self.login}: {self.what} is {format_money(self.found)}, expected {format_money(self.expected)}"


class Report(msgspec.Struct, frozen=True):
    """What was checked, and every fault."""

    accounts: int
    entries: int
    messages: int
    faults: tuple[Fault, ...]


class _Wallet(msgspec.Struct):
    """One balance of an account: what its ledger rows and its counters add up to."""

    total: int = 0
    charged: int = 0
    spent: int = 0
    income: int = 0
    counted_spent: int = 0
    counted_income: int = 0


class _Sums(msgspec.Struct):
    """What one account's rows add up to; memory grows with the accounts, not with the rows."""

    login: str = ""
    balance: int = 0
    balance2: int = 0
    main: _Wallet = msgspec.field(default_factory=_Wallet)
    second: _Wallet = msgspec.field(default_factory=_Wallet)
    cost: int = 0


async def check(db: Database, progress: Callable[[int, int], None] | None = None) -> Report:
    """Compare for every account: sum(ledger) with its balances, charges less refunds with what its messages cost (deleted
    ones: what they had cost), and both with what statistics has counted for each balance.

    Amounts of a former currency count as the numbers they are: an exchange takes all of the old ones out of the balance
    and puts the new ones in, so the sums agree all the same.
    Everything is read in one snapshot, so it is exact beside a running server. Messages of requests that are still
    being written do not count. ``progress(rows done, rows in all)`` is called after each page.
    """
    sums: dict[int, _Sums] = {}
    counts = [0] * (COUNTER + 2)
    size = await db.one("ledgers.size") if progress is not None else None
    async with aclosing(db.pages("ledgers.proof", size=PAGE)) as pages:
        async for rows in pages:
            _add(rows, sums, counts)
            if progress is not None and size is not None:
                progress(sum(counts), max(size[0], sum(counts)))
    faults = [fault for _, each in sorted(sums.items()) for fault in _compare(each)]
    return Report(counts[ACCOUNT], counts[ENTRY], counts[MESSAGE], tuple(faults))


def _add(rows: list[Any], sums: dict[int, _Sums], counts: list[int]) -> None:
    for kind, first, second, third, text in rows:
        counts[kind] += 1
        of = sums.get(first) or sums.setdefault(first, _Sums(f"(no account {first})"))
        if kind == MESSAGE:
            of.cost += second - third
        elif kind == ENTRY:
            wallet = of.main if third == 1 else of.second
            wallet.total += second
            if text in OF_TEXTS:
                wallet.charged -= second
            if text in SPENT:
                wallet.spent -= second
            elif text != EXCHANGE:
                wallet.income += second
        elif kind == ACCOUNT:
            of.login, of.balance, of.balance2 = text, second, third
        elif kind == RETIRED:
            of.cost += second
        else:
            wallet = of.main if kind == COUNTER else of.second
            wallet.counted_spent += second
            wallet.counted_income += third


def _compare(sums: _Sums) -> list[Fault]:
    main, second = sums.main, sums.second
    pairs = (
        ("the main balance", main.total, sums.balance),
        ("the second balance", second.total, sums.balance2),
        ("what its messages cost", main.charged + second.charged, sums.cost),
        ("what statistics counts as spent", main.spent, main.counted_spent),
        ("what statistics counts as paid in", main.income, main.counted_income),
        ("what statistics counts as spent of the second balance", second.spent, second.counted_spent),
        ("what statistics counts as paid in to the second balance", second.income, second.counted_income),
    )
    return [Fault(sums.login, what, expected, found) for what, expected, found in pairs if expected != found]
