"""Numbers that must not be written to, for an account or for the whole installation (core/reasons.BLACK_LISTED)."""

from collections.abc import Callable, Iterable

import msgspec

from heliograph.core.numbers import Plan, normalize
from heliograph.core.reasons import Reason, Refused
from heliograph.services.changes import change
from heliograph.services.senders import find_owner
from heliograph.store.database import Database, Step

TYPES = {"all": 0, "mailings": 1, "singles": 2}
BATCH = 5000


class Entry(msgspec.Struct, frozen=True):
    """A number and what is stopped: 0 everything, 1 mailings only, 2 single messages only."""

    phone: str
    type: int
    created_ms: int


class Imported(msgspec.Struct, frozen=True):
    """What an import did: rows taken, and lines (number from 1, text) that hold no number."""

    taken: int
    bad: tuple[tuple[int, str], ...]


async def add(
    db: Database, phones: Iterable[str], plan: Plan, *, now_ms: int, login: str = "", type_: int = 0
) -> list[str]:
    """Put numbers, as people write them, on a list; the international forms. Refused names the first bad one."""
    found = []
    for given in phones:
        phone = normalize(given, plan)
        if phone is None:
            raise Refused(Reason.BAD_NUMBER, f"{given!r} is no number; write it like +79161234567")
        found.append(phone)
    async with change(db) as tx:
        owner = await find_owner(tx, login)
        for phone in found:
            await tx.run("blacklist.put", owner, phone, type_, now_ms)
    return found


async def remove(db: Database, phones: Iterable[str], plan: Plan, *, login: str = "") -> int:
    """Take numbers off a list; how many stood there."""
    async with change(db) as tx:
        owner = await find_owner(tx, login)
        counts = [await tx.run("blacklist.remove", owner, normalize(given, plan) or given) for given in phones]
    return sum(counts)


async def list_all(db: Database, login: str = "") -> list[Entry]:
    """The list of an account, or of the installation, by number."""
    owner = 0
    if login:
        row = await db.one("accounts.find", login)
        if row is None:
            raise Refused(Reason.NOT_FOUND, f"there is no account {login!r}")
        owner = row[0]
    return [Entry(*row) for row in await db.all("blacklist.of_account", owner)]


async def import_lines(
    db: Database,
    lines: Iterable[str],
    plan: Plan,
    *,
    now_ms: int,
    login: str = "",
    type_: int = 0,
    progress: Callable[[int], None] | None = None,
) -> Imported:
    """Put a file of numbers on a list, one a line (what stands behind a comma or semicolon is passed over).

    It is written in portions, so that a running server is never held up; one that was interrupted can be repeated.
    ``progress(lines)`` is called after each.
    """
    async with db.transaction() as tx:
        owner = await find_owner(tx, login)
    rows: list[tuple[int, str, int, int]] = []
    bad: list[tuple[int, str]] = []
    taken = number = 0
    for number, line in enumerate(lines, 1):
        given = line.strip("\ufeff \t\r\n").partition(";")[0].partition(",")[0].strip()
        if not given:
            continue
        phone = normalize(given, plan)
        if phone is None:
            bad.append((number, given[:40]))
            continue
        rows.append((owner, phone, type_, now_ms))
        if len(rows) == BATCH:
            taken += await _write(db, rows)
            rows = []
            if progress is not None:
                progress(number)
    if rows:
        taken += await _write(db, rows)
    if progress is not None:
        progress(number)
    return Imported(taken, tuple(bad))


async def _write(db: Database, rows: list[tuple[int, str, int, int]]) -> int:
    await db.transact([Step("facts.raise_version", [()]), Step("blacklist.put", rows)])
    return len(rows)
