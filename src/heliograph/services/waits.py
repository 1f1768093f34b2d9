"""Confirmation of a number by its subscriber's call: which number he is to call, and the call itself (seed 001, "Confirm
your phone number with a call"; docs/calls.md)."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec

from heliograph.core.accounts import Account
from heliograph.core.limits import Window
from heliograph.core.news import CALL_TEXT
from heliograph.core.numbers import is_possible, normalize
from heliograph.core.rates import convert
from heliograph.core.reasons import Reason, Refusal, Refused
from heliograph.core.rents import CALLS, Number, list_for_calls
from heliograph.core.zones import offset_min
from heliograph.services.batch import Change
from heliograph.services.births import reason_of
from heliograph.services.deciding import find_opening, is_allowed
from heliograph.services.desk import Desk, Row
from heliograph.services.entries import WAITCALL, entry_rows
from heliograph.services.inbound import Inbound, Part
from heliograph.services.news import incoming_rows
from heliograph.store.database import Broken, Step, StoreError

log = logging.getLogger(__name__)
Spawn = Callable[[Coroutine[Any, Any, None]], None]

PATIENCE_MS = 15 * 60_000  # so long a call is waited for (seed 001)
SWEEP_MS = 60_000
SKEW_MS = 60_000  # a line's clock may be so far behind
RING_TEXT = "[call] "
"""The text of the record of a call to a rented number that nobody waited for."""
RING_S = 60  # one such record a minute, subscriber and number: redialling is no news


class Awaited(msgspec.Struct, frozen=True):
    """The number that the subscriber is to call, and all that are possible, this one first."""

    phone: str
    all_phones: tuple[str, ...]


class _Taken(Exception):  # noqa: N818 - a condition, not an error
    """Another account waits for this subscriber on this number since a moment ago."""


class Waits:
    """Calls that are waited for. ``call`` is told of every call, whatever line it comes over."""

    def __init__(self, desk: Desk, spawn: Spawn) -> None:
        self._desk = desk
        self._spawn = spawn
        self._coming: dict[tuple[str, str], list[Callable[[bool | None], None]]] = {}
        self._rings = Window(1, RING_S, most_keys=20_000)
        self._swept_ms = 0
        self.watchers: list[Callable[[Inbound], None]] = []
        self.asked = self.confirmed = self.rung = self.unknown = self.unpaid = self.failed = 0

    # -- the customer --------------------------------------------------------------
    def wait(self, account: Account, given: str, now_ms: int, done: Callable[[Awaited | Refusal], None]) -> None:
        """Waits for a call of the subscriber; ``done`` is called once it is on disk. A repeat gives the same number and
        another 15 minutes."""
        self._spawn(self._answer(account, given, now_ms, done))

    async def _answer(
        self, account: Account, given: str, now_ms: int, done: Callable[[Awaited | Refusal], None]
    ) -> None:
        try:
            answer: Awaited | Refusal = await self._wait(account, given, now_ms)
            self.asked += 1
        except Refused as refused:
            answer = Refusal(refused.reason, refused.detail)
        except StoreError as error:
            answer = Refusal(reason_of(error))
        except Exception:
            log.exception("wait_failed")
            answer = Refusal(Reason.NOT_POSSIBLE)
        done(answer)

    async def _wait(self, account: Account, given: str, now_ms: int) -> Awaited:
        snapshot = self._desk.snapshots.current
        phone = normalize(given, snapshot.plan)
        if phone is None:
            raise Refused(Reason.BAD_PARAMETERS, "phone is no number")
        cost = self._price(account, phone, now_ms)
        balance, _, credit = self._desk.purses.balance(account.id)
        if cost and balance + credit < cost:
            raise Refused(Reason.NO_MONEY)

        def country_of(number: str) -> str:
            place = snapshot.look_up(number)
            return place.iso if place else ""

        possible = list_for_calls(snapshot.numbers.values(), account.id, country_of(phone), country_of)
        if not possible:
            raise Refused(Reason.BAD_PARAMETERS, "there is no number to call")
        self._sweep(now_ms)
        for _ in possible:
            to_phone = await self._choose(account, phone, possible, now_ms)
            try:
                await self._store(account, phone, to_phone, cost, now_ms)
            except _Taken:
                continue
            return Awaited(to_phone, (to_phone, *(each for each in possible if each != to_phone)))
        raise Refused(Reason.BAD_PARAMETERS, "every number is waiting for a call of this subscriber")

    def _price(self, account: Account, phone: str, now_ms: int) -> int:
        """What a confirmation costs; Refused when it is forbidden or has no price."""
        snapshot, settings = self._desk.snapshots.current, account.settings
        listed = snapshot.blacklist.get(phone, {})
        # Type 1 stops mailings only (spec management 1.2).
        if any(listed.get(owner, 1) != 1 for owner in (0, account.id)):
            raise Refused(Reason.BLACK_LISTED)
        if settings.prefixes and not is_allowed(phone, settings.prefixes):
            raise Refused(Reason.NUMBER_DENIED)
        place = snapshot.look_up(phone)
        if settings.hours:
            local = place.tz if settings.hours_local and place else offset_min(settings.tz, now_ms)
            if find_opening(settings.hours, now_ms, local) > now_ms:
                raise Refused(Reason.OUTSIDE_HOURS)
        index = snapshot.prices.get(account.tariff_id)
        prices = index.find(phone, place.iso if place else "", place.mccmnc if place else "0") if index else None
        cost = prices.of_confirmation() if prices else None
        if cost is None:
            raise Refused(Reason.NO_PRICE)
        return 0 if settings.test else cost

    async def _choose(self, account: Account, phone: str, possible: list[str], now_ms: int) -> str:
        """The number that the account waits on already, else the first on which nobody does."""
        busy: dict[str, int] = {row[0]: row[1] for row in await self._desk.db.all("waits.of", phone, now_ms)}
        for to_phone, account_id in busy.items():
            if account_id == account.id and to_phone in possible:
                return to_phone
        for to_phone in possible:
            if to_phone not in busy:
                return to_phone
        raise Refused(Reason.BAD_PARAMETERS, "every number is waiting for a call of this subscriber")

    async def _store(self, account: Account, phone: str, to_phone: str, cost: int, now_ms: int) -> None:
        future: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()
        row = (phone, to_phone, account.id, now_ms, now_ms + PATIENCE_MS, cost, account.currency)
        self._desk.batch.add(Change([("waits.add", row)], future.set_result))
        error = await asyncio.shield(future)
        if isinstance(error, Broken) and error.which.startswith("waits."):
            raise _Taken
        if error is not None:
            raise error

    def _sweep(self, now_ms: int) -> None:
        """Those that are over leave the store, a look a minute."""
        if now_ms - self._swept_ms >= SWEEP_MS:
            self._swept_ms = now_ms
            self._desk.db.write([Step("waits.expire", [(now_ms,)])], _nobody)

    # -- the line ------------------------------------------------------------------
    def call(self, caller: str, called: str, now_ms: int, done: Callable[[bool | None], None], at_ms: int = 0) -> None:
        """A call has come, from and to numbers as the line writes them, at ``at_ms`` (0: now).

        ``done(True)`` once it is on disk that a subscriber has called who was waited for, or that somebody has called a
        number which an account rents; ``done(False)`` for any other; ``done(None)`` when it could not be kept, and may
        come again.
        """
        phones, number = self._read_caller(caller), self._find(called)
        if not phones or number is None or CALLS not in number.uses:
            self.unknown += 1
            done(False)
            return
        key = (phones[0], number.phone)
        waiting = self._coming.get(key)
        if waiting is not None:  # the same call over a second line, or redialled within a commit: once is enough
            waiting.append(done)
            return
        self._coming[key] = [done]
        self._spawn(self._take(phones, number, now_ms, min(at_ms or now_ms, now_ms)))

    def _read_caller(self, caller: str) -> tuple[str, ...]:
        """The international numbers that a line may mean by its digits: these themselves, for most lines write them so and
        leave the plus out, and what people would mean by them (84912345678 is of Vietnam, or of Ryazan)."""
        plan = self._desk.snapshots.current.plan
        digits = caller.strip().removeprefix("+")
        exact = digits if digits.isascii() and digits.isdigit() and is_possible(digits, plan) else None
        return tuple(dict.fromkeys(each for each in (exact, normalize(caller, plan)) if each is not None))

    def _find(self, called: str) -> Number | None:
        """The number of the stock that a line means: as it is, else made international."""
        snapshot = self._desk.snapshots.current
        digits = called.strip().removeprefix("+")
        return snapshot.numbers.get(digits) or snapshot.numbers.get(normalize(called, snapshot.plan) or "")

    async def _take(self, phones: tuple[str, ...], number: Number, now_ms: int, at_ms: int) -> None:
        kept: bool | None = None
        try:
            kept = await self._record(phones, number, now_ms, at_ms)
        except StoreError as error:
            self.failed += 1
            log.error("call_not_stored", extra={"to_phone": number.phone, "error": str(error)})
        except Exception:
            self.failed += 1
            log.exception("call_not_stored")
        for done in self._coming.pop((phones[0], number.phone)):
            done(kept)

    async def _record(self, phones: tuple[str, ...], number: Number, now_ms: int, at_ms: int) -> bool:
        accounts = self._desk.snapshots.current.accounts
        # One that is told of later than a call is waited for is no proof of anything.
        timely = now_ms - at_ms <= PATIENCE_MS
        for phone in phones if timely else ():
            row = await self._desk.db.one("waits.find", phone, number.phone, at_ms + SKEW_MS, at_ms)
            if row is not None and row[0] in accounts:
                return await self._confirm(accounts[row[0]], phone, number.phone, row, now_ms, at_ms)
        phone = phones[0]
        renter = accounts.get(number.account_id)
        if renter is None:
            self.unknown += 1
            return False
        if self._rings.take((phone, number.phone), now_ms):
            record = self._make(renter, phone, number.phone, RING_TEXT, now_ms, at_ms)
            await self._commit(self._rows(renter, record), None, 0)
            self._tell(record)
            self.rung += 1
        return True

    async def _confirm(self, account: Account, phone: str, to_phone: str, row: Row, now_ms: int, at_ms: int) -> bool:
        """The record, the news, the charge and the end of the waiting in one transaction."""
        cost = self._exchange(account, int(row[3]), row[4])
        if cost is None or not self._desk.purses.reserve(account.id, cost):
            log.warning("call_not_paid", extra={"account_id": account.id, "to_phone": to_phone})
            self.unpaid += 1
            return False
        rows: list[tuple[str, Row]] = entry_rows(account, now_ms, WAITCALL, -cost, count=1, note=phone)
        record = self._make(account, phone, to_phone, CALL_TEXT, now_ms, at_ms)
        rows += self._rows(account, record)
        rows.append(("waits.take", (phone, to_phone, account.id)))
        try:
            await self._commit(rows, account, cost)
        except Exception:  # not a cancelled wait: what is in the batch settles it
            self._desk.purses.release(account.id, cost)
            raise
        self._tell(record)
        self.confirmed += 1
        return True

    def _exchange(self, account: Account, cost: int, currency: str) -> int | None:
        """The price that was told, in the account's present currency; None without rates."""
        rates = self._desk.snapshots.current.rates
        if currency == account.currency or not cost:
            return cost
        if currency not in rates or account.currency not in rates:
            return None
        return convert(cost, rates[currency], rates[account.currency])

    def _make(self, account: Account, phone: str, to_phone: str, text: str, now_ms: int, at_ms: int) -> Inbound:
        part = Part(call=True) if text == CALL_TEXT else Part(direct=True)
        return Inbound(
            id=self._desk.take_inbound(),
            carrier_id=0,
            received_ms=now_ms,
            sent_ms=at_ms,
            phone=phone,
            to_phone=to_phone,
            text=text,
            extra=msgspec.json.encode(part).decode(),
            account_id=account.id,
        )

    def _rows(self, account: Account, record: Inbound) -> list[tuple[str, Row]]:
        """The record and its news."""
        return [("inbound.add", msgspec.structs.astuple(record)), *incoming_rows(account, record, self._desk)]

    def _tell(self, record: Inbound) -> None:
        for watcher in self.watchers:
            watcher(record)

    async def _commit(self, rows: list[tuple[str, Row]], account: Account | None, cost: int) -> None:
        future: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()
        if account is not None and cost:
            change = Change(rows, future.set_result, account.id, -cost, currency=account.currency)
        else:
            change = Change(rows, future.set_result)
        self._desk.batch.add(change)
        error = await asyncio.shield(future)
        if error is not None:
            raise error


def _nobody(results: object, error: Exception | None) -> None:
    """What is over may stay a minute longer."""
