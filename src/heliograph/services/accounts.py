"""Accounts: making them, their settings, money, passwords and API keys (spec management 2.2 to 2.4; design section 8)."""

import asyncio
import hashlib
import re
import secrets
import string
from collections.abc import Mapping

import msgspec

from heliograph.core.accounts import Account, Settings
from heliograph.core.money import format_money
from heliograph.core.rates import convert
from heliograph.core.reasons import Reason, Refused
from heliograph.services import hashes
from heliograph.services.account_settings import parse_settings
from heliograph.services.changes import change
from heliograph.services.entries import EXCHANGE, entry_rows
from heliograph.store.database import Database, Row, Transaction

LOGIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}")
CURRENCY = re.compile(r"[A-Z]{3}")
SHORTEST_PASSWORD, LONGEST_PASSWORD = 6, 64
SMPP = "smpp"  # the kind of password that opens the SMPP door
LONGEST_SMPP_PASSWORD = 8  # SMPP 3.4, 4.1.1: 9 octets with the closing NUL
ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
KEY_LENGTH = 32  # 32 characters of 62 are 190 bits; 128 are the least (design section 5)
HINT_LENGTH = 4
MAIN, SECOND = 1, 2
LARGEST = 10**18  # 1/10,000 of a unit; a column holds nine times as much


class Overview(msgspec.Struct, frozen=True):
    """An account with its money (1/10,000 of a unit) and the name of its tariff."""

    account: Account
    tariff: str
    balance: int
    balance2: int
    created_ms: int


class Password(msgspec.Struct, frozen=True):
    """What is told of a password; its hashes stay in the store."""

    id: int
    label: str
    created_ms: int
    kind: str = ""


class Key(msgspec.Struct, frozen=True):
    """What is told of an API key: the first characters, and the SHA-256 that names it."""

    digest: str
    label: str
    hint: str
    created_ms: int


async def create(
    db: Database,
    login: str,
    *,
    tariff: str,
    now_ms: int,
    currency: str = "RUR",
    password: str = "",
    weak: bool = False,
    credit: int = 0,
    balance: int = 0,
    settings: Mapping[str, str] | None = None,
) -> Account:
    """A new account with a first top-up of ``balance``; ``password`` may be empty when keys will do, ``weak`` allows a
    short one (the demo's).

    Refused: BAD_PARAMETERS for its parts, NOT_FOUND for the tariff, NOT_POSSIBLE when the login is taken.
    """
    if not LOGIN.fullmatch(login):
        raise Refused(Reason.BAD_PARAMETERS, f"{login!r} is no login: 1 to 64 Latin letters, digits or . _ @ + -")
    if not CURRENCY.fullmatch(currency):
        raise Refused(Reason.BAD_PARAMETERS, f"{currency!r} is no currency: three capitals such as RUR or EUR")
    _check_credit(credit)
    if balance < 0:
        raise Refused(Reason.BAD_PARAMETERS, "a new account begins with nothing or more; give it a credit")
    own = parse_settings(Settings(), settings or {})
    hashed = await _hash(password, weak) if password else None
    async with change(db) as tx:
        tariff_id = await _find_tariff(tx, tariff, currency)
        if await tx.one("accounts.find", login) is not None:
            raise Refused(Reason.NOT_POSSIBLE, f"the login {login!r} is taken")
        row = await tx.one("accounts.next_id")
        assert row is not None
        account = Account(row[0], login, currency, credit, tariff_id, own)
        text = msgspec.json.encode(own).decode()
        await tx.run("accounts.create", account.id, login, currency, credit, tariff_id, text, now_ms)
        if hashed is not None:
            await _store_password(tx, account.id, "first", hashed, now_ms)
        if balance:
            await _book(tx, account, balance, "top-up", "first top-up", MAIN, now_ms)
    return account


async def alter(
    db: Database,
    login: str,
    *,
    settings: Mapping[str, str] | None = None,
    tariff: str | None = None,
    credit: int | None = None,
) -> Overview:
    """Change what is given of an account, all of it or nothing; how it is now.

    Settings are texts (spec management 2.2), the tariff must be of the account's currency. Refused: NOT_FOUND,
    BAD_PARAMETERS, NO_MONEY when the balance is below a new credit already.
    """
    if credit is not None:
        _check_credit(credit)
    async with change(db) as tx:
        account = _read(await _find(tx, login)).account
        if settings:
            changed = parse_settings(account.settings, settings)
            await tx.run("accounts.set_settings", msgspec.json.encode(changed).decode(), account.id)
        if tariff is not None:
            await tx.run("accounts.set_tariff", await _find_tariff(tx, tariff, account.currency), account.id)
        if credit is not None:
            await tx.run("accounts.set_credit", credit, account.id)
        return _read(await _find(tx, login))


async def set_settings(db: Database, login: str, texts: Mapping[str, str]) -> Settings:
    """Change settings of an account, given as texts; what it has now."""
    return (await alter(db, login, settings=texts)).account.settings


async def set_credit(db: Database, login: str, credit: int) -> None:
    """How far below zero the main balance may go; Refused(NO_MONEY) when it is further down already."""
    await alter(db, login, credit=credit)


async def show(db: Database, login: str) -> Overview:
    """An account; Refused(NOT_FOUND) when there is none of this login."""
    return _read(_must(await db.one("accounts.find", login), login))


async def find_in(tx: Transaction, login: str) -> Account:
    """An account inside a transaction; Refused(NOT_FOUND)."""
    return _read(await _find(tx, login)).account


async def list_all(db: Database) -> list[Overview]:
    """All accounts by login."""
    return [_read(row) for row in await db.all("accounts.overview")]


# Money


async def top_up(db: Database, login: str, amount: int, *, now_ms: int, note: str = "", wallet: int = MAIN) -> int:
    """Add money; the balance afterwards. Refused(BAD_PARAMETERS) unless the amount is above zero."""
    if amount <= 0:
        raise Refused(Reason.BAD_PARAMETERS, "a top-up adds money; use a correction to take some away")
    return await _move(db, login, amount, "top-up", note, wallet, now_ms)


async def correct(db: Database, login: str, amount: int, *, now_ms: int, note: str, wallet: int = MAIN) -> int:
    """Add (or, below zero, take) money and say why; the balance afterwards. Refused(NO_MONEY) below the credit."""
    if not amount or not note.strip():
        raise Refused(Reason.BAD_PARAMETERS, "a correction needs an amount other than 0 and a note that says why")
    return await _move(db, login, amount, "correction", note, wallet, now_ms)


async def _move(db: Database, login: str, amount: int, name: str, note: str, wallet: int, now_ms: int) -> int:
    if wallet not in (MAIN, SECOND):
        raise Refused(Reason.BAD_PARAMETERS, "the wallet is 1 (main) or 2 (second)")
    async with change(db) as tx:
        account = _read(await _find(tx, login)).account
        return await _book(tx, account, amount, name, note, wallet, now_ms)


async def _book(tx: Transaction, account: Account, amount: int, name: str, note: str, wallet: int, now_ms: int) -> int:
    """Move a balance and write its ledger row; the balance afterwards."""
    query = "accounts.move_main" if wallet == MAIN else "accounts.move_second"
    row = await tx.one(query, amount, account.id)
    assert row is not None
    for query, entry in entry_rows(account, now_ms, name, amount, note=note, wallet=wallet):
        await tx.run(query, *entry)
    return int(row[wallet - 1])


async def change_currency(db: Database, login: str, currency: str, *, tariff: str, now_ms: int) -> Overview:
    """Give an account another currency and a tariff of it; how it is now.

    Both balances and the credit are exchanged at the present rates. In the ledger each balance leaves whole in the old
    currency and comes back in the new one, by two entries that statistics does not count. What a running server charges
    by old prices until it sees the change is refused by the database (purses.charge), and what it gives back later for
    older messages is exchanged at these rates (``Desk.give_back``).

    Refused: NOT_FOUND, BAD_PARAMETERS for the tariff or an amount that no column holds, NOT_POSSIBLE without rates.
    """
    async with change(db) as tx:
        account = _read(await _find(tx, login)).account
        if currency == account.currency:
            raise Refused(Reason.NOT_POSSIBLE, f"the currency of {login} is {currency} already")
        tariff_id = await _find_tariff(tx, tariff, currency)
        rates = {name: worth for name, worth, _ in await tx.all("rates.list")}
        for name in (account.currency, currency):
            if name not in rates:
                raise Refused(Reason.NOT_POSSIBLE, f"{name} has no rate; set one first: heliograph rate set {name} …")
        rate, into_rate = rates[account.currency], rates[currency]
        # Moved by nothing, the balances stand still until the end of the transaction.
        held = await tx.one("accounts.move_main", 0, account.id)
        assert held is not None
        amounts = [convert(amount, rate, into_rate) for amount in (account.credit, *held)]
        if max(map(abs, amounts)) >= LARGEST:
            raise Refused(Reason.BAD_PARAMETERS, f"so much money cannot be told in {currency}")
        what = f"{account.currency} to {currency}"
        for wallet, before, after in ((MAIN, held[0], amounts[1]), (SECOND, held[1], amounts[2])):
            for amount in (-before, after):
                for query, entry in entry_rows(account, now_ms, EXCHANGE, amount, note=what, wallet=wallet):
                    await tx.run(query, *entry)
        await tx.run("accounts.exchange", currency, tariff_id, *amounts, account.id)
        number, last = await tx.one("rates.next_exchange"), await tx.one("messages.last")
        assert number is not None and last is not None
        row = (number[0], account.id, last[0], account.currency, rate, currency, into_rate, now_ms)
        await tx.run("rates.exchange", *row)
        return _read(await _find(tx, login))


def _check_credit(credit: int) -> None:
    if credit < 0:
        raise Refused(Reason.BAD_PARAMETERS, f"a credit is 0 or more, not {format_money(credit)}")


# Passwords and keys


async def add_password(
    db: Database, login: str, password: str, *, now_ms: int, label: str = "", weak: bool = False, kind: str = ""
) -> int:
    """Give an account one more password; its number. ``kind`` is what it opens: "" the API, "smpp" the SMPP door, whose
    field for it holds 8 characters. Refused(BAD_PARAMETERS) when clients could not send it alike."""
    if kind == SMPP and len(password) > LONGEST_SMPP_PASSWORD:
        raise Refused(Reason.BAD_PARAMETERS, f"a password for SMPP has at most {LONGEST_SMPP_PASSWORD} characters")
    found = _read(_must(await db.one("accounts.find", login), login)).account
    while True:
        row = await db.one("passwords.any", found.id)
        hashed = await _hash(password, weak, row[0] if row else "")
        async with change(db) as tx:
            account = _read(await _find(tx, login)).account
            row = await tx.one("passwords.any", account.id)
            # Another first password may have come meanwhile: all of an account share its salt (services.hashes).
            if row is None or hashes.salting(row[0]) == hashes.salting(hashed.plain):
                return await _store_password(tx, account.id, label, hashed, now_ms, kind)


async def list_passwords(db: Database, login: str) -> list[Password]:
    """The passwords of an account, without anything secret."""
    account = (await show(db, login)).account
    return [Password(*row) for row in await db.all("passwords.of_account", account.id)]


async def remove_password(db: Database, login: str, number: int) -> None:
    """Take a password away; running servers refuse it with their next snapshot."""
    async with change(db) as tx:
        account = _read(await _find(tx, login)).account
        if not await tx.run("passwords.remove", account.id, number):
            raise Refused(Reason.NOT_FOUND, f"{login} has no password number {number}; list them first")


async def create_key(db: Database, login: str, *, now_ms: int, label: str = "", key: str = "") -> str:
    """Give an account an API key; the key, which is kept nowhere. ``key`` is a given one, for the demo only."""
    made = key or "".join(secrets.choice(ALPHABET) for _ in range(KEY_LENGTH))
    async with change(db) as tx:
        account = _read(await _find(tx, login)).account
        await tx.run("keys.create", digest_key(made), account.id, label, made[:HINT_LENGTH], now_ms)
    return made


async def list_keys(db: Database, login: str) -> list[Key]:
    """The API keys of an account, without anything secret."""
    account = (await show(db, login)).account
    return [Key(*row) for row in await db.all("keys.of_account", account.id)]


async def revoke_key(db: Database, login: str, name: str) -> Key:
    """Take an API key away by itself, its first characters or its digest's; Refused when that names none or several."""
    async with change(db) as tx:
        account = _read(await _find(tx, login)).account
        keys = [Key(*row) for row in await tx.all("keys.of_account", account.id)]
        digest = digest_key(name)
        named = [key for key in keys if key.digest == digest] or [
            key for key in keys if name and (key.hint == name or key.digest.startswith(name))
        ]
        if len(named) != 1:
            raise Refused(
                Reason.NOT_FOUND,
                f"{login} has {len(named) or 'no'} keys that begin with {name[:HINT_LENGTH]!r}; "
                "name one by the beginning of its digest (heliograph key list)",
            )
        await tx.run("keys.remove", account.id, named[0].digest)
    return named[0]


def digest_key(key: str) -> str:
    """The SHA-256 by which an API key is found, in hex."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


async def _hash(password: str, weak: bool, like: str = "") -> hashes.Hashes:
    least = 1 if weak else SHORTEST_PASSWORD
    if not least <= len(password) <= LONGEST_PASSWORD:
        raise Refused(Reason.BAD_PARAMETERS, f"a password has {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters")
    if not password.isascii() or not password.isprintable():
        raise Refused(
            Reason.BAD_PARAMETERS,
            "use Latin letters, digits and signs: clients send a password, or its hash, in differing charsets",
        )
    return await asyncio.to_thread(hashes.make, password, like)


async def _store_password(
    tx: Transaction, account_id: int, label: str, hashed: hashes.Hashes, now_ms: int, kind: str = ""
) -> int:
    row = await tx.one("passwords.next_id")
    assert row is not None
    await tx.run("passwords.create", row[0], account_id, label, hashed.plain, hashed.md5, hashed.sha1, now_ms, kind)
    return int(row[0])


# Rows


async def _find(tx: Transaction, login: str) -> Row:
    return _must(await tx.one("accounts.find", login), login)


def _must(row: Row | None, login: str) -> Row:
    if row is None:
        raise Refused(Reason.NOT_FOUND, f"there is no account {login!r}")
    return row


def _read(row: Row) -> Overview:
    id_, login, currency, balance, balance2, credit, tariff_id, tariff, settings, created_ms = row
    account = Account(id_, login, currency, credit, tariff_id, msgspec.json.decode(settings, type=Settings))
    return Overview(account, tariff, balance, balance2, created_ms)


async def _find_tariff(tx: Transaction, name: str, currency: str) -> int:
    row = await tx.one("tariffs.find", name)
    if row is None:
        raise Refused(Reason.NOT_FOUND, f"there is no tariff {name!r}; make one first (heliograph tariff create)")
    if row[2] != currency:
        raise Refused(Reason.BAD_PARAMETERS, f"the tariff {name!r} is in {row[2]}, the account in {currency}")
    return int(row[0])
