"""Sender names: which an account may use, or all accounts (spec sending 2, parameter sender)."""

import re

import msgspec

from heliograph.core.reasons import Reason, Refused
from heliograph.services.changes import change
from heliograph.store.database import Database, Transaction

EVERYBODY = 0
STATES = ("approved", "waiting", "refused")
# 3GPP TS 23.040, 9.1.2.5: 11 characters of the GSM alphabet, or a number of the international plan.
NAME = re.compile(r"[ -~]{1,11}|\+?\d{1,15}")


class Sender(msgspec.Struct, frozen=True):
    """A sender name; an empty login is every account."""

    login: str
    name: str
    state: str
    created_ms: int


def is_name(name: str) -> bool:
    """Whether carriers can show a text as sender."""
    return bool(NAME.fullmatch(name)) and name == name.strip()


async def put(db: Database, name: str, *, now_ms: int, login: str = "", state: str = "approved") -> None:
    """Register a name for an account (or for all), or change its state; Refused(BAD_PARAMETERS, NOT_FOUND)."""
    if not is_name(name):
        raise Refused(
            Reason.BAD_PARAMETERS, f"{name!r} is no sender: up to 11 Latin letters, digits or signs, or a number"
        )
    if state not in STATES:
        raise Refused(Reason.BAD_PARAMETERS, f"{state!r} is no state; known are {', '.join(STATES)}")
    async with change(db) as tx:
        await tx.run("senders.put", await find_owner(tx, login), name, state, now_ms)


async def remove(db: Database, name: str, *, login: str = "") -> None:
    """Forget a name of an account (or of all); Refused(NOT_FOUND)."""
    async with change(db) as tx:
        if not await tx.run("senders.remove", await find_owner(tx, login), name):
            raise Refused(Reason.NOT_FOUND, f"{login or 'the installation'} has no sender {name!r}")


async def list_all(db: Database, login: str | None = None) -> list[Sender]:
    """All names, or those of one account ("" for those of everybody)."""
    rows = await db.all("senders.overview")
    return [Sender(*row) for row in rows if login is None or row[0] == login]


async def find_owner(tx: Transaction, login: str) -> int:
    """The account's number, or 0 (everybody) for an empty login; Refused(NOT_FOUND)."""
    if not login:
        return EVERYBODY
    row = await tx.one("accounts.find", login)
    if row is None:
        raise Refused(Reason.NOT_FOUND, f"there is no account {login!r}")
    return int(row[0])
