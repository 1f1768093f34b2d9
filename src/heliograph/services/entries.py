"""Entries of the ledger, each with the counters that statistics are read from: written together, so they agree (design section 8)."""

from heliograph.core.accounts import Account
from heliograph.services.batch import Row

QUARTER_MS = 900_000
"""A quarter of an hour: every time zone begins its days at one (store/migrations/0004_reading.sql)."""

OF_TEXTS = frozenset({"charge", "refund"})
"""Names of the entries that texts cause."""

RENT, WAITCALL = "rent", "waitcall"
SPENT = OF_TEXTS | {RENT, WAITCALL}
"""Names of the entries that are spent: for texts, for a month of a number, for a call that was waited for. All others
(top-up, correction) move the balance itself."""

EXCHANGE = "exchange"
"""Name of the two entries by which an amount changes its currency: neither spent nor paid in, so it is not counted."""


def entry_rows(
    account: Account,
    at_ms: int,
    name: str,
    amount: int,
    int_id: int = 0,
    count: int = 0,
    note: str = "",
    *,
    wallet: int = 1,
    texts: int = 0,
    currency: str = "",
) -> list[tuple[str, Row]]:
    """The rows of one change of a balance; ``amount`` is in 1/10,000 of the account's currency (or, for what was exchanged
    since, of ``currency``), below zero it takes.

    ``texts`` are those taken for sending with it. An amount of 0 leaves no entry, only what it counts.
    """
    if not amount and not texts:
        return []
    entry = ("ledger.add", (account.id, at_ms, name, amount, wallet, int_id, count, note))
    if name == EXCHANGE:
        return [entry]
    spent, income = (-amount, 0) if name in SPENT else (0, amount)
    key = (account.id, at_ms // QUARTER_MS, wallet, currency or account.currency)
    counters = ("statistics.add", (*key, texts, spent, income))
    return [entry, counters] if amount else [counters]
