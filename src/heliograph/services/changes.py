"""What every change of the installation's facts shares: the raised version, turns, and refusals said in words (design section 5)."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from heliograph.core.reasons import Reason, Refused
from heliograph.store.database import Broken, Database, Transaction

NAME = re.compile(r"[\w][\w .@+-]{0,63}")


@asynccontextmanager
async def change(db: Database) -> AsyncIterator[Transaction]:
    """A transaction that a running server notices: it raises the version of the facts first, so such changes take turns.

    A broken CHECK of a balance leaves it as Refused(NO_MONEY).
    """
    try:
        async with db.transaction() as tx:
            await tx.run("facts.raise_version")
            yield tx
    except Broken as error:
        # The SQLite of a message says the CHECK's name, PostgreSQL the same: overdraft or overdraft2.
        if error.kind == "check" and "overdraft" in error.which:
            raise Refused(Reason.NO_MONEY, "the balance would fall below its credit; nothing was changed") from None
        raise


def check_name(noun: str, name: str) -> str:
    """The name of a new record; Refused(BAD_PARAMETERS) unless it is 1 to 64 letters, digits, spaces or . _ @ + -."""
    if not NAME.fullmatch(name) or name != name.strip():
        raise Refused(
            Reason.BAD_PARAMETERS, f"{name!r} is no name for {noun}: 1 to 64 letters, digits, spaces or . _ @ + -"
        )
    return name
