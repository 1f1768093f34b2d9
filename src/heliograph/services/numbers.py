"""Dedicated numbers as customers rent them: what is free, renting, the mark of renewal, and the turn of the month (seed 001,
"Connecting dedicated numbers"; docs/numbers.md)."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec

from heliograph.core.accounts import Account
from heliograph.core.reasons import Reason, Refusal, Refused
from heliograph.core.rents import Number, Rates, month_end, next_end, price
from heliograph.services.batch import Change
from heliograph.services.births import reason_of
from heliograph.services.desk import Desk, Row
from heliograph.services.entries import RENT, entry_rows
from heliograph.services.inbound import Inbound, Part
from heliograph.services.news import incoming_rows
from heliograph.services.snapshot import number_of
from heliograph.store.database import Broken, StoreError

log = logging.getLogger(__name__)
Spawn = Callable[[Coroutine[Any, Any, None]], None]

LOOK_S = 15.0  # between two looks at what is due: a snapshot in memory is walked over
RELEASED_TEXT = "[released] "
"""The text of the record that tells an account of a number which it has lost at the turn of the month; why comes behind it."""
TRIES = 3  # a number that the command line changes meanwhile is decided anew


class _Changed(Exception):  # noqa: N818 - a condition, not an error
    """The number is no longer as it was when its change was decided; nothing was kept."""


class Numbers:
    """Rents numbers to accounts. Changes take turns here; against other programs the rows guard themselves
    (store/sql/rents.sql), so a number never has two renters and no month is paid twice, whatever is killed when."""

    def __init__(self, desk: Desk, spawn: Spawn, clock_ms: Callable[[], int]) -> None:
        self._desk = desk
        self._spawn = spawn
        self._clock_ms = clock_ms
        self._turn = asyncio.Lock()
        self._unpriced: set[str] = set()
        self.rented = self.renewed = self.released = 0

    def list_free(self, account: Account) -> list[Number]:
        """The numbers that the account may rent, by number; those that have no price in its currency are left out."""
        snapshot = self._desk.snapshots.current
        known = {account.currency} | (set(snapshot.rates) if account.currency in snapshot.rates else set())
        return [
            number
            for number in snapshot.numbers.values()  # as numbers.list has them: by number
            if not number.account_id and not number.shared and number.currency in known
        ]

    def price(self, number: Number, account: Account, now_ms: int) -> Rates | None:
        """What a number costs an account, in 1/10,000 of its currency; None where a rate is missing."""
        rates = self._desk.snapshots.current.rates
        return price(number, account.currency, rates, now_ms, account.settings.tz)

    def rent(
        self, account: Account, phone: str, noprolong: bool, now_ms: int, done: Callable[[int | Refusal], None]
    ) -> None:
        """Rents a number up to the end of the month; ``done`` gets what was taken, once it is on disk. A number that the
        account has already costs nothing and stays as it is."""
        self._spawn(self._answer(self._rent(account, phone, noprolong, now_ms), done))

    def set_noprolong(
        self, account: Account, phone: str, noprolong: bool, now_ms: int, done: Callable[[int | Refusal], None]
    ) -> None:
        """Whether a number of the account is given back at the end of what is paid for; ``done`` gets 0."""
        self._spawn(self._answer(self._set_noprolong(account, phone, noprolong), done))

    def count(self) -> dict[str, int]:
        """How many numbers are free, rented and shared."""
        counts = {"free": 0, "rented": 0, "shared": 0}
        for number in self._desk.snapshots.current.numbers.values():
            counts["shared" if number.shared else "rented" if number.account_id else "free"] += 1
        return counts

    async def run(self) -> None:
        """Renews and takes back what is due, also what became due while no server ran."""
        while True:
            try:
                await self.renew_due(self._clock_ms())
            except Exception:
                log.exception("renewal_failed")
            await asyncio.sleep(LOOK_S)

    async def renew_due(self, now_ms: int) -> int:
        """Renews every number that is paid up to ``now_ms`` or less, or takes it back; how many were changed."""
        due = [
            number
            for number in self._desk.snapshots.current.numbers.values()
            if number.account_id and number.until_ms <= now_ms
        ]
        return sum([await self._renew(number.phone, now_ms) for number in due])

    async def _answer(self, work: Coroutine[Any, Any, int], done: Callable[[int | Refusal], None]) -> None:
        try:
            answer: int | Refusal = await work
        except Refused as refused:
            answer = Refusal(refused.reason, refused.detail)
        except StoreError as error:
            answer = Refusal(reason_of(error))
        except Exception:
            log.exception("number_not_changed")
            answer = Refusal(Reason.NOT_POSSIBLE)
        done(answer)

    async def _rent(self, account: Account, phone: str, noprolong: bool, now_ms: int) -> int:
        async with self._turn:
            for _ in range(TRIES):
                number = await self._find(phone)
                if number is None or number.shared:
                    raise Refused(Reason.BAD_PARAMETERS, "there is no such number to rent")
                if number.account_id == account.id:
                    return 0
                if number.account_id:
                    raise Refused(Reason.BAD_PARAMETERS, "the number is rented already")
                rates = self.price(number, account, now_ms)
                if rates is None:
                    raise Refused(Reason.BAD_PARAMETERS, f"its price is in {number.currency} and there is no rate")
                until_ms = month_end(now_ms, account.settings.tz)
                taken = msgspec.structs.replace(
                    number, account_id=account.id, since_ms=now_ms, until_ms=until_ms, noprolong=noprolong
                )
                try:
                    await self._charge(account, number, taken, "rented", rates.rest, now_ms)
                except _Changed:
                    continue
                self.rented += 1
                return rates.rest
        raise Refused(Reason.BAD_PARAMETERS, "the number is being changed by somebody else")

    async def _set_noprolong(self, account: Account, phone: str, noprolong: bool) -> int:
        async with self._turn:
            number = await self._find(phone)
            if number is None or number.account_id != account.id:
                raise Refused(Reason.BAD_PARAMETERS, "the account does not rent this number")
            if number.noprolong != noprolong:
                await self._commit([("numbers.prolong", (int(noprolong), phone, account.id))])
            self._desk.snapshots.put_number(msgspec.structs.replace(number, noprolong=noprolong))
        return 0

    async def _renew(self, phone: str, now_ms: int) -> int:
        """One number whose time is over; 1 when it was changed."""
        async with self._turn:
            number = await self._find(phone)
            if number is None or not number.account_id or number.until_ms > now_ms:
                return 0
            account = self._desk.snapshots.current.accounts.get(number.account_id)
            if account is None or number.noprolong:
                why = "not to be renewed" if account else "no such account"
                return await self._release(number, account, why, now_ms)
            rates = self.price(number, account, now_ms)
            if rates is None:
                if phone not in self._unpriced:
                    self._unpriced.add(phone)
                    log.error("number_without_rate", extra={"phone": phone, "currency": number.currency})
                return 0
            until_ms = next_end(number.until_ms, now_ms, account.settings.tz)
            renewed = msgspec.structs.replace(number, until_ms=until_ms)
            try:
                await self._charge(account, number, renewed, "renewed", rates.month, now_ms)
            except Refused as refused:
                if refused.reason is not Reason.NO_MONEY:
                    raise
                return await self._release(number, account, "not enough money", now_ms)
            except _Changed:
                return 0
            self._unpriced.discard(phone)
            self.renewed += 1
            return 1

    async def _release(self, number: Number, account: Account | None, why: str, now_ms: int) -> int:
        free = msgspec.structs.replace(number, account_id=0, since_ms=0, until_ms=0, noprolong=False)
        rows = turn_rows(number, free, "released", 0, number.currency, now_ms, why)
        if account is not None:
            rows += self._news(account, number.phone, why, now_ms)
        try:
            await self._commit(rows)
        except _Changed:
            return 0
        self._desk.snapshots.put_number(free)
        self.released += 1
        log.warning("number_released", extra={"phone": number.phone, "account_id": number.account_id, "why": why})
        return 1

    def _news(self, account: Account, phone: str, why: str, now_ms: int) -> list[tuple[str, Row]]:
        """What its renter is told of a number that was released: a record as of a text from that number to itself."""
        record = Inbound(
            id=self._desk.take_inbound(),
            carrier_id=0,
            received_ms=now_ms,
            sent_ms=now_ms,
            phone=phone,
            to_phone=phone,
            text=RELEASED_TEXT + why,
            extra=msgspec.json.encode(Part(direct=True)).decode(),
            account_id=account.id,
        )
        return [("inbound.add", msgspec.structs.astuple(record)), *incoming_rows(account, record, self._desk)]

    async def _find(self, phone: str) -> Number | None:
        row = await self._desk.db.one("numbers.find", phone)
        return None if row is None else number_of(row)

    async def _charge(
        self, account: Account, before: Number, after: Number, name: str, amount: int, now_ms: int
    ) -> None:
        """Balance, ledger, line and number in one transaction; Refused(NO_MONEY), _Changed."""
        purses = self._desk.purses
        if not purses.reserve(account.id, amount):
            raise Refused(Reason.NO_MONEY)
        rows = entry_rows(account, now_ms, RENT, -amount, note=before.phone)
        rows += turn_rows(before, after, name, amount, account.currency, now_ms)
        try:
            await self._commit(rows, account, -amount)
        except Exception:  # not a cancelled wait: what is in the batch settles it
            purses.release(account.id, amount)
            raise
        self._desk.snapshots.put_number(after)
        extra = {"phone": after.phone, "account_id": account.id, "amount": amount, "until_ms": after.until_ms}
        log.info(f"number_{name}", extra=extra)

    async def _commit(self, rows: list[tuple[str, Row]], account: Account | None = None, amount: int = 0) -> None:
        future: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()
        account_id, currency = (account.id, account.currency) if account is not None and amount else (0, "")
        self._desk.batch.add(Change(rows, future.set_result, account_id, amount, currency=currency))
        # Shielded: the commit goes on when the server is told to stop, and must find its future.
        error = await asyncio.shield(future)
        if isinstance(error, Broken) and error.which.startswith("rents."):
            raise _Changed
        if isinstance(error, Broken) and error.which.startswith("overdraft"):
            raise Refused(Reason.NO_MONEY)
        if error is not None:
            raise error


def turn_rows(
    before: Number, after: Number, name: str, amount: int, currency: str, now_ms: int, note: str = ""
) -> list[tuple[str, Row]]:
    """The rows that make ``before`` to ``after`` and leave a line of it, for whoever the number comes to or leaves."""
    account_id = after.account_id or before.account_id
    shared = int(after.shared)
    line = (now_ms, before.phone, account_id, name, amount, currency, after.until_ms, note)
    return [
        ("rents.turn", (*line, before.account_id, before.until_ms, shared)),
        ("numbers.turn", (after.account_id, after.since_ms, after.until_ms, int(after.noprolong), before.phone)),
    ]
