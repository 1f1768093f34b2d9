"""PostgreSQL's faults in the words of the store.

Reference: https://www.postgresql.org/docs/current/errcodes-appendix.html. Messages and details that may quote values of
rows are not passed on.
"""

import re
from typing import Literal

import asyncpg

from heliograph.store.database import Broken, Busy, Full, Lost, StoreError, Unfit

# 40001 serialization, 40P01 deadlock, 55P03 lock time-out, 57014 cancelled by a time-out
_BUSY = {"40001", "40P01", "55P03", "57014"}
# 57P0x the server stops or starts, 25P03/25P04 it ended a transaction that lasted too long, 53300 no connection is free
_LOST = {"57P01", "57P02", "57P03", "57P05", "25P03", "25P04", "53300"}
_FULL = {"53100"}
_KINDS: dict[str, Literal["unique", "check", "not_null", "foreign_key"]] = {
    "23505": "unique",
    "23514": "check",
    "23502": "not_null",
    "23503": "foreign_key",
}
_KEY = re.compile(r"^Key \((?P<columns>[^)]*)\)=")


def explain(error: Exception, name: str) -> StoreError:
    """The store's exception for a fault of the query `name`; it holds no value of a row."""
    if isinstance(error, StoreError):
        return error
    if isinstance(error, TimeoutError):
        return Busy(f"{name}: the database did not answer in time")
    if isinstance(error, OSError | asyncpg.InternalClientError):
        return Lost(f"{name}: the connection to the database was lost")
    if isinstance(error, asyncpg.InterfaceError):
        gone = "connection" in str(error) and "closed" in str(error)
        return Lost(f"{name}: the connection to the database was lost") if gone else StoreError(f"{name}: {error}")
    if not isinstance(error, asyncpg.PostgresError):
        return StoreError(f"{name}: {type(error).__name__}")
    return _explain_state(error, name, error.sqlstate or "")


def _explain_state(error: asyncpg.PostgresError, name: str, state: str) -> StoreError:
    if state in _BUSY:
        return Busy(f"{name}: the database was busy ({state})")
    # A quota or a limit of file sizes has no state of its own: the advice tells it.
    if state in _FULL or "disk space" in (getattr(error, "hint", None) or ""):
        return Full(f"{name}: the disk of the database is full; make room, nothing of this was kept")
    if state in _LOST or state.startswith("08"):
        return Lost(f"{name}: the connection to the database was lost")
    if state.startswith("22"):
        return Unfit(f"{name}: a value does not fit its column")
    if state.startswith("23"):
        return Broken(_KINDS.get(state, "other"), _which(error, state))
    return StoreError(f"{name}: {getattr(error, 'message', '') or type(error).__name__} ({state})")


def _which(error: asyncpg.PostgresError, state: str) -> str:
    # In the form SQLite gives: "messages.account, messages.id". The detail also quotes the values: columns only.
    table = getattr(error, "table_name", None) or ""
    key = _KEY.match(getattr(error, "detail", None) or "")
    if state == "23505" and key is not None:
        return ", ".join(f"{table}.{column.strip()}" for column in key["columns"].split(","))
    if state == "23502":
        return f"{table}.{getattr(error, 'column_name', '')}"
    return getattr(error, "constraint_name", None) or ""
