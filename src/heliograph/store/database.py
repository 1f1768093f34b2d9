"""The small interface of the store: named queries, one writer whose commits are durable, readers beside it (design section 9).

Values are int (64 bits), str, bytes and None on both databases; results are plain tuples of these (and float where a
query computes one). Truth is 0 or 1, time is milliseconds, money is 1/10,000 of a unit: all integers.
"""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Literal, NamedTuple, Protocol

Dialect = Literal["sqlite", "postgres"]
Row = tuple[Any, ...]
Done = Callable[[list[list[Row]] | None, Exception | None], None]


class Query(NamedTuple):
    """One statement, ready for its database: its full name, its SQL, and how many parameters it takes."""

    name: str
    sql: str
    parameters: int


class StoreError(Exception):
    """The store refused or failed; the message says what happened and what to do, and never holds stored values."""


class Broken(StoreError):  # noqa: N818 (a condition, named as callers speak of it)
    """A constraint was violated. `kind` is the sort, `which` names it: "messages.account, messages.id" (the columns of
    a unique key or the column of NOT NULL), the name of a CHECK, or "" where the database does not tell."""

    def __init__(self, kind: Literal["unique", "check", "not_null", "foreign_key", "other"], which: str) -> None:
        super().__init__(f"constraint violated ({kind}): {which}" if which else f"constraint violated ({kind})")
        self.kind = kind
        self.which = which


class Unfit(StoreError):  # noqa: N818 (a condition, named as callers speak of it)
    """A value that no column can hold: text with NUL or lone surrogates, an integer beyond 64 bits, a wrong type."""


class Busy(StoreError):  # noqa: N818 (a condition, named as callers speak of it)
    """Somebody else held the store, or serialization failed, longer than the store's own retries last."""


class Full(StoreError):  # noqa: N818 (a condition, named as callers speak of it)
    """The disk (or its quota) is full. Nothing of the transaction was kept; later ones work once there is room."""


class Lost(StoreError):  # noqa: N818 (a condition, named as callers speak of it)
    """The database went away and did not come back in time. `unknown` is true when a commit was under way and whether
    it was kept could not be found out; a store that is locked for serving tells so only when it is closed meanwhile."""

    def __init__(self, message: str, *, unknown: bool = False) -> None:
        super().__init__(message)
        self.unknown = unknown


class Step(NamedTuple):
    """One query run for many rows of arguments, inside a transaction.

    With `fetch` the rows which the query returns are collected in the order of the arguments; without, none are.
    """

    query: str | Query
    rows: Sequence[Sequence[Any]]
    fetch: bool = False


class Transaction(Protocol):
    """An open transaction: it sees its own changes, nobody else does before its end."""

    async def run(self, query: str | Query, *args: Any) -> int:
        """Run a changing query; how many rows it touched."""
        ...

    async def one(self, query: str | Query, *args: Any) -> Row | None:
        """The first row, or None."""
        ...

    async def all(self, query: str | Query, *args: Any) -> list[Row]:
        """All rows; they must fit in memory."""
        ...

    async def script(self, sql: str) -> None:
        """Run several statements without parameters (migrations)."""
        ...


class Database(Protocol):
    """A store of either kind. Every method belongs to the event loop on which it was opened.

    All methods that run queries raise the exceptions of this module only. A query is asked for by its name
    ("messages.accept"); a `Query` made elsewhere is taken too.
    """

    dialect: Dialect

    async def one(self, query: str | Query, *args: Any) -> Row | None:
        """The first row of what is committed, or None; on a reader."""
        ...

    async def all(self, query: str | Query, *args: Any) -> list[Row]:
        """All rows of what is committed; on a reader, and they must fit in memory."""
        ...

    def pages(self, query: str | Query, *args: Any, size: int = 1000) -> AsyncGenerator[list[Row], None]:
        """One snapshot of a long result, `size` rows at a time in constant memory; on a reader of its own.

        Use it up or close it (`contextlib.aclosing`): while it is open the databases keep old versions of rows.
        """
        ...

    def write(self, steps: Sequence[Step], done: Done) -> None:
        """One durable transaction of all steps, in order; transactions are committed in the order of their calls.

        `done(results, None)` is called on the loop after the commit has reached the disk, with one list of rows per
        step; or `done(None, error)` when nothing was kept (but see `Lost.unknown`). Raises StoreError at once for an
        unknown query or a closed store.
        """
        ...

    async def transact(self, steps: Sequence[Step]) -> list[list[Row]]:
        """`write` for those who wait. Cancelling the caller does not withdraw the transaction."""
        ...

    def transaction(self) -> AbstractAsyncContextManager[Transaction]:
        """An interactive transaction, committed at the end of the block and rolled back when an exception leaves it.

        It takes its turn among the writes and holds all later ones meanwhile: keep it short, and never await another
        write inside it.
        """
        ...

    def watch_outage(self, outage: Callable[[StoreError], None]) -> None:
        """`outage(reason)` is called again and again while the server of the database is away for long and a commit
        that it may or may not have kept waits for it: who waits for later commits is better told now."""
        ...

    async def lock_for_serving(self) -> None:
        """Claim the store for this server until it is closed; StoreError when another server has it."""
        ...

    async def close(self) -> None:
        """Commit what was handed over, then let go of everything."""
        ...
