"""The proof of the ledger: its sums are the balances, and what it charged is what the messages cost (design section 8)."""

from collections.abc import Callable
from contextlib import aclosing
from typing import Any

import msgspec

from heliograph.core.money import format_money
from heliograph.store.database import Database

ACCOUNT, ENTRY, MESSAGE = 1, 2, 3
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


class _Sums(msgspec.Struct):
    """What one account's rows add up to; memory grows with the accounts, not with the rows."""

    login: str = ""
    balance: int = 0
    balance2: int = 0
    main: int = 0
    second: int = 0
    charged: int = 0
    cost: int = 0


async def check(db: Database, progress: Callable[[int, int], None] | None = None) -> Report:
    """Compare for every account: sum(ledger) with its balances, charges less refunds with what its messages cost.

    Everything is read in one snapshot, so it is exact beside a running server. Messages of requests that are still
    being written do not count. ``progress(rows done, rows in all)`` is called after each page.
    """
    sums: dict[int, _Sums] = {}
    counts = [0, 0, 0, 0]
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
            if third == 1:
                of.main += second
            else:
                of.second += second
            if text in ("charge", "refund"):
                of.charged -= second
        else:
            of.login, of.balance, of.balance2 = text, second, third


def _compare(sums: _Sums) -> list[Fault]:
    pairs = (
        ("the main balance", sums.main, sums.balance),
        ("the second balance", sums.second, sums.balance2),
        ("what its messages cost", sums.charged, sums.cost),
    )
    return [Fault(sums.login, what, expected, found) for what, expected, found in pairs if expected != found]
