"""Keys that sign callbacks: made, listed, taken away; encrypted at rest as carriers' passwords are (docs/callbacks.md).

An account may have two at once: while the handler learns the new key, each call is signed with both.
"""

import secrets as randomness

import msgspec

from heliograph.core.reasons import Reason, Refused
from heliograph.services.changes import change
from heliograph.store.database import Database, Transaction
from heliograph.store.secrets import Secrets

MOST = 2
LEAST_LENGTH = 16
HINT_LENGTH = 4


async def add(db: Database, secrets: Secrets, login: str, key: str = "") -> str:
    """Give an account a key, made here unless it is given; the key. Refused(NOT_FOUND, BAD_PARAMETERS, NOT_POSSIBLE)."""
    made = key or randomness.token_urlsafe(32)
    if len(made) < LEAST_LENGTH or not made.isascii() or not made.isprintable():
        raise Refused(Reason.BAD_PARAMETERS, f"a key has {LEAST_LENGTH} Latin letters, digits or signs at least")
    async with change(db) as tx:
        account_id, keys = await _read(tx, secrets, login)
        if len(keys) >= MOST:
            hints = " and ".join(f"{each[:HINT_LENGTH]}…" for each in keys)
            raise Refused(Reason.NOT_POSSIBLE, f"{login} has two keys, {hints}; remove the old one first")
        await _write(tx, secrets, account_id, [made, *keys])
    return made


async def list_hints(db: Database, secrets: Secrets, login: str) -> list[str]:
    """The first characters of each key, the newest first."""
    async with db.transaction() as tx:
        _, keys = await _read(tx, secrets, login)
    return [key[:HINT_LENGTH] for key in keys]


async def remove(db: Database, secrets: Secrets, login: str, start: str) -> int:
    """Take the key away that begins so; how many are left. Refused when none or several do."""
    async with change(db) as tx:
        account_id, keys = await _read(tx, secrets, login)
        rest = [key for key in keys if not (start and key.startswith(start))]
        if len(keys) - len(rest) != 1:
            raise Refused(Reason.NOT_FOUND, f"{login} has {len(keys) - len(rest) or 'no'} keys that begin so")
        await _write(tx, secrets, account_id, rest)
    return len(rest)


async def _read(tx: Transaction, secrets: Secrets, login: str) -> tuple[int, list[str]]:
    row = await tx.one("accounts.callback_keys", login)
    if row is None:
        raise Refused(Reason.NOT_FOUND, f"there is no account {login!r}")
    text = secrets.unseal(row[1])
    return row[0], msgspec.json.decode(text, type=list[str]) if text else []


async def _write(tx: Transaction, secrets: Secrets, account_id: int, keys: list[str]) -> None:
    sealed = secrets.seal(msgspec.json.encode(keys).decode()) if keys else ""
    await tx.run("accounts.set_callback_keys", sealed, account_id)
