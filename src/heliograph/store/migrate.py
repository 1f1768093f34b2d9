"""The tables' history: numbered files, each applied once, in order and in a transaction of its own (design section 9).

A file is `0001_first.sql`. Lines between `-- only: postgres` (or `-- only: sqlite`) and `-- end` are for that database
alone. The rest is written in SQLite's words, types in capitals; on PostgreSQL INTEGER becomes BIGINT, BLOB becomes
BYTEA, TEXT is sorted by bytes as SQLite does (COLLATE "C"), and WITHOUT ROWID and STRICT are left out. What was applied
is remembered in the table `migrations` with a checksum, so a file edited later is noticed.
"""

import hashlib
import re
from pathlib import Path
from typing import NamedTuple

from heliograph.store.database import Database, Dialect, Query, StoreError, Transaction
from heliograph.store.queries import translate

MIGRATIONS_DIRECTORY = Path(__file__).parent / "migrations"

_NAME = re.compile(r"^(?P<number>\d{4})_[a-z0-9_]+\.sql$")
_ONLY = re.compile(r"^--\s*only:\s*(?P<dialect>\w+)\s*$")
_END = re.compile(r"^--\s*end\s*$")
_WORD = re.compile(
    r"""--[^\n]* | '(?:[^']|'')*' | "(?:[^"]|"")*"
      | (?P<word>\b(?:INTEGER | BLOB | (?<!\bAS[ ])TEXT)\b)
      | (?P<gone>(?:\bSTRICT\s*,\s*)? \bWITHOUT\s+ROWID\b | \bSTRICT\b(?=\s*;))""",
    re.VERBOSE,
)
_POSTGRES = {"INTEGER": "BIGINT", "BLOB": "BYTEA", "TEXT": 'TEXT COLLATE "C"'}
_TABLE = """CREATE TABLE IF NOT EXISTS migrations (
  number BIGINT PRIMARY KEY,
  name TEXT NOT NULL,
  checksum TEXT NOT NULL,
  applied_ms BIGINT NOT NULL
)"""
# "heli" and "migr" in ASCII, the two halves of the key; let go at the transaction's end.
_LOCK = Query("migrations.lock", "SELECT pg_advisory_xact_lock(1751477353, 1835624306)", 0)
_APPLIED = Query("migrations.applied", "SELECT number, name, checksum FROM migrations ORDER BY number", 0)
_ADD = "INSERT INTO migrations (number, name, checksum, applied_ms) VALUES (?, ?, ?, ?)"


class Migration(NamedTuple):
    """One file: its number, its name without `.sql`, the SHA-256 of its text, and the SQL for one database."""

    number: int
    name: str
    checksum: str
    sql: str


async def migrate(database: Database, directory: Path, now_ms: int) -> list[str]:
    """Apply what is missing; the names of what was applied now, in order.

    Several programs may do so at once: one applies, the others find it done. Raises StoreError when an applied file
    was changed or is missing (the database is newer than the program), or a file is malformed.
    """
    known = read_migrations(directory, database.dialect)
    applied: list[str] = []
    while True:
        async with database.transaction() as transaction:
            following = await _find_next(database, transaction, known)
            if following is None:
                return applied
            await transaction.script(following.sql)
            add = translate("migrations.add", _ADD, database.dialect)
            await transaction.run(add, following.number, following.name, following.checksum, now_ms)
        applied.append(following.name)


def read_migrations(directory: Path, dialect: Dialect) -> list[Migration]:
    """The files of a folder in order, for one database; StoreError when a name, a number or a block is wrong."""
    found: list[Migration] = []
    for path in sorted(directory.glob("*.sql")):
        name = _NAME.match(path.name)
        if name is None:
            raise StoreError(f"{path.name}: a migration is called like 0001_first.sql")
        text = path.read_text("utf-8")
        number = int(name["number"])
        if number != len(found) + 1:
            raise StoreError(f"{path.name}: number {len(found) + 1:04d} must come next, without gaps or repeats")
        checksum = hashlib.sha256(text.encode()).hexdigest()
        found.append(Migration(number, path.stem, checksum, _choose(path.name, text, dialect)))
    return found


async def _find_next(database: Database, transaction: Transaction, known: list[Migration]) -> Migration | None:
    if database.dialect == "postgres":
        await transaction.one(_LOCK)
    await transaction.script(_TABLE)
    rows = await transaction.all(_APPLIED)
    for index, (number, name, checksum) in enumerate(rows):
        if index >= len(known):
            raise StoreError(
                f"the database is newer than this program: it has migration {name}; use the program that applied it"
            )
        ours = known[index]
        if ours.number != number or ours.checksum != checksum:
            raise StoreError(
                f"migration {name} was changed after it was applied (the program has {ours.name}); "
                "put the file back as it was and write the change as a new migration"
            )
    return known[len(rows)] if len(rows) < len(known) else None


def _choose(name: str, text: str, dialect: Dialect) -> str:
    pieces: list[str] = []
    common: list[str] = []  # lines for both, read together: a comment or a string may go over several
    only: str | None = None

    def flush() -> None:
        sql = "".join(common)
        pieces.append(_to_postgres(sql) if dialect == "postgres" else sql)
        common.clear()

    for number, line in enumerate(text.splitlines(), 1):
        opening = _ONLY.match(line)
        if opening is not None:
            if only is not None or opening["dialect"] not in ("sqlite", "postgres"):
                raise StoreError(
                    f"{name}, line {number}: write '-- only: sqlite' or '-- only: postgres', then '-- end'"
                )
            only = opening["dialect"]
            flush()
        elif _END.match(line) is not None:
            if only is None:
                raise StoreError(f"{name}, line {number}: '-- end' without '-- only:'")
            only = None
        elif only is None:
            common.append(line + "\n")
        elif only == dialect:
            pieces.append(line + "\n")
    if only is not None:
        raise StoreError(f"{name}: '-- only: {only}' has no '-- end'")
    flush()
    return "".join(pieces)


def _to_postgres(sql: str) -> str:
    def change(found: re.Match[str]) -> str:
        if found["gone"]:
            return ""
        return _POSTGRES[found["word"]] if found["word"] else found.group()

    return _WORD.sub(change, sql)
