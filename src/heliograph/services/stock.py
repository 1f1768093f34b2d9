"""The operator's stock of dedicated numbers: adding, changing, giving them out by hand (docs/numbers.md)."""

from collections.abc import Mapping
from typing import Any

import msgspec

from heliograph.core.numbers import Plan, normalize
from heliograph.core.reasons import Reason, Refused
from heliograph.core.rents import TYPES, Number, month_end, read_uses
from heliograph.services import accounts
from heliograph.services.changes import change
from heliograph.services.numbers import turn_rows
from heliograph.services.snapshot import number_of
from heliograph.services.tariffs import CURRENCY, LARGEST_PRICE
from heliograph.store.database import Broken, Database, Transaction

SHORTEST = 3  # digits of a short code
LONGEST_INFO = 200


class Owned(msgspec.Struct, frozen=True):
    """A number of the stock and the login of who rents it, empty for nobody."""

    number: Number
    login: str


class Line(msgspec.Struct, frozen=True):
    """What became of a number: ``amount`` in 1/10,000 of ``currency`` was taken, ``until_ms`` is 0 when it was released."""

    at_ms: int
    phone: str
    account_id: int
    name: str
    amount: int
    currency: str
    until_ms: int
    note: str


async def add(db: Database, given: str, plan: Plan, number: Number, *, now_ms: int) -> Number:
    """Put a number, as people write it, into the stock; the rest is as in ``number``.

    Refused: BAD_NUMBER, BAD_PARAMETERS for its parts, NOT_POSSIBLE when it is there.
    """
    made = _check(msgspec.structs.replace(number, phone=read_phone(given, plan)))
    async with change(db) as tx:
        if await tx.one("numbers.find", made.phone) is not None:
            raise Refused(Reason.NOT_POSSIBLE, f"{made.phone} is in the stock already")
        kind = (made.type, ",".join(made.uses), int(made.shared), made.cost, made.currency, made.info)
        await tx.run("numbers.add", made.phone, *kind, now_ms)
    return made


async def alter(db: Database, given: str, plan: Plan, parts: Mapping[str, Any]) -> Number:
    """Change parts of a number; what was paid for stays paid for. Refused: NOT_FOUND, BAD_PARAMETERS, NOT_POSSIBLE when
    it would be shared while somebody rents it."""
    async with change(db) as tx:
        before = await _find(tx, read_phone(given, plan))
        made = _check(msgspec.structs.replace(before, **parts))
        if made.shared and made.account_id:
            raise Refused(Reason.NOT_POSSIBLE, f"{made.phone} is rented; release it before it is shared")
        kind = (made.type, ",".join(made.uses), int(made.shared), made.cost, made.currency, made.info)
        await tx.run("numbers.alter", *kind, made.phone)
    return made


async def remove(db: Database, given: str, plan: Plan, *, now_ms: int, force: bool = False) -> str:
    """Take a number out of the stock; the number. Refused: NOT_FOUND, NOT_POSSIBLE while it is rented, unless forced;
    what was paid for it is not given back."""
    async with change(db) as tx:
        number = await _find(tx, read_phone(given, plan))
        if number.account_id:
            if not force:
                raise Refused(Reason.NOT_POSSIBLE, f"{number.phone} is rented; release it first, or use --force")
            await _turn(tx, number, _free(number), "released", now_ms, "removed from the stock")
        await tx.run("numbers.remove", number.phone)
    return number.phone


async def assign(db: Database, given: str, plan: Plan, login: str, *, now_ms: int, noprolong: bool = False) -> Number:
    """Give a free number to an account up to the end of its month without a charge. Refused: NOT_FOUND, NOT_POSSIBLE."""
    async with change(db) as tx:
        number = await _find(tx, read_phone(given, plan))
        account = await accounts.find_in(tx, login)
        if number.account_id or number.shared:
            how = "rented" if number.account_id else "shared, nobody rents it"
            raise Refused(Reason.NOT_POSSIBLE, f"{number.phone} is {how}")
        until_ms = month_end(now_ms, account.settings.tz)
        taken = msgspec.structs.replace(
            number, account_id=account.id, since_ms=now_ms, until_ms=until_ms, noprolong=noprolong
        )
        await _turn(tx, number, taken, "assigned", now_ms, "by hand")
    return taken


async def release(db: Database, given: str, plan: Plan, *, now_ms: int) -> Number:
    """Take a number back from its account; nothing is given back for it. Refused: NOT_FOUND, NOT_POSSIBLE."""
    async with change(db) as tx:
        number = await _find(tx, read_phone(given, plan))
        if not number.account_id:
            raise Refused(Reason.NOT_POSSIBLE, f"nobody rents {number.phone}")
        free = _free(number)
        await _turn(tx, number, free, "released", now_ms, "by hand")
    return free


async def list_all(db: Database) -> list[Owned]:
    """The stock, by number."""
    logins = {overview.account.id: overview.account.login for overview in await accounts.list_all(db)}
    numbers = [number_of(row) for row in await db.all("numbers.list")]
    return [Owned(number, logins.get(number.account_id, "")) for number in numbers]


async def list_lines(db: Database, given: str, plan: Plan, *, limit: int = 100) -> list[tuple[str, Line]]:
    """What became of a number, newest first, each with the login; it may have left the stock."""
    logins = {overview.account.id: overview.account.login for overview in await accounts.list_all(db)}
    lines = [Line(*row) for row in await db.all("rents.of", read_phone(given, plan), limit)]
    return [(logins.get(line.account_id, ""), line) for line in lines]


def read_phone(given: str, plan: Plan) -> str:
    """The digits of a number of the stock: international, or a short code as it is; Refused(BAD_NUMBER)."""
    digits = given.strip()
    if digits.isascii() and digits.isdigit() and SHORTEST <= len(digits) <= 6:
        return digits
    phone = normalize(given, plan)
    if phone is None:
        raise Refused(
            Reason.BAD_NUMBER, f"{given!r} is no number; write it like +79990001122, or a short code like 5055"
        )
    return phone


def _check(number: Number) -> Number:
    if number.type not in TYPES:
        raise Refused(Reason.BAD_PARAMETERS, "the type is 1 or 4 (a dedicated virtual number) or 2 (a number on a SIM)")
    if not CURRENCY.fullmatch(number.currency):
        raise Refused(Reason.BAD_PARAMETERS, f"{number.currency!r} is no currency: three capitals such as RUR or EUR")
    if not 0 <= number.cost <= LARGEST_PRICE:
        raise Refused(Reason.BAD_PARAMETERS, "the cost of a month is 0 or more")
    if len(number.info) > LONGEST_INFO or not number.info.isprintable():
        raise Refused(Reason.BAD_PARAMETERS, f"the info is one line of {LONGEST_INFO} characters at most")
    try:
        return msgspec.structs.replace(number, uses=read_uses(",".join(number.uses)))
    except ValueError as error:
        raise Refused(Reason.BAD_PARAMETERS, f"uses: {error}") from None


def _free(number: Number) -> Number:
    return msgspec.structs.replace(number, account_id=0, since_ms=0, until_ms=0, noprolong=False)


async def _find(tx: Transaction, phone: str) -> Number:
    row = await tx.one("numbers.find", phone)
    if row is None:
        raise Refused(Reason.NOT_FOUND, f"{phone} is not in the stock; see heliograph number list")
    return number_of(row)


async def _turn(tx: Transaction, before: Number, after: Number, name: str, now_ms: int, note: str) -> None:
    try:
        for query, row in turn_rows(before, after, name, 0, before.currency, now_ms, note):
            await tx.run(query, *row)
    except Broken as error:
        if error.which.startswith("rents."):
            raise Refused(
                Reason.NOT_POSSIBLE, f"{before.phone} was just changed by somebody else; look again"
            ) from None
        raise
