"""Customers of the SMPP door who are bound: sessions, window and rate of each account (SMPP 3.4, 2.9; spec protocols 5.1)."""

from collections.abc import Callable, Sequence
from typing import Any

from heliograph.core.accounts import Account
from heliograph.core.limits import Rate
from heliograph.gateways.smpp_outbox import Outbox, Spawn
from heliograph.services.deliveries import Deliveries, delivery_of
from heliograph.services.snapshot import Snapshots
from heliograph.wire.smpp.session import Session


class Customer:
    """One account with live sessions. ``waiting`` are its requests without an answer yet, in all sessions."""

    __slots__ = ("_rate", "account_id", "outbox", "sessions", "waiting")

    def __init__(self, account_id: int, outbox: Outbox) -> None:
        self.account_id = account_id
        self.outbox = outbox
        self.sessions: list[Session] = []
        self.waiting = 0
        self._rate: Rate | None = None

    def may_submit(self, account: Account, now_ms: int) -> bool:
        """Whether one more text is within the account's window and rate; it counts against the rate."""
        settings = account.settings
        if self.waiting >= settings.smpp_window:
            return False
        if not settings.smpp_rate:
            return True
        rate = self._rate
        if rate is None or rate.rate != settings.smpp_rate:
            rate = self._rate = Rate(settings.smpp_rate, now_ms)
        return rate.take(now_ms)


class Bound:
    """What the door knows of one session."""

    __slots__ = ("client", "customer", "latin1", "login")

    def __init__(self, customer: Customer, client: str, login: str, latin1: bool) -> None:
        self.customer = customer
        self.client = client
        self.login = login
        self.latin1 = latin1


class Customers:
    """All that are bound, by account."""

    def __init__(self, snapshots: Snapshots, deliveries: Deliveries, spawn: Spawn, clock_ms: Callable[[], int]) -> None:
        self._snapshots = snapshots
        self._deliveries = deliveries
        self._spawn = spawn
        self._clock_ms = clock_ms
        self._known: dict[int, Customer] = {}

    def find(self, account_id: int) -> Customer | None:
        """An account with sessions."""
        return self._known.get(account_id)

    @property
    def held(self) -> int:
        """News in memory."""
        return sum(customer.outbox.held for customer in self._known.values())

    def all(self) -> list[Customer]:
        """Everybody."""
        return list(self._known.values())

    def reserve(self, account: Account) -> Customer:
        """The customer of an account that is about to bind."""
        customer = self._known.get(account.id)
        if customer is None:
            outbox = Outbox(account.id, self._deliveries, self._spawn, self._clock_ms)
            customer = self._known[account.id] = Customer(account.id, outbox)
        customer.outbox.bare = not account.settings.smpp_fields
        customer.outbox.ids = account.settings.smpp_incoming_ids
        return customer

    def forget(self, customer: Customer) -> None:
        """Let go of a customer whose last session is gone; his news waits in the table."""
        idle = not customer.sessions and not customer.waiting and customer.outbox.is_idle
        if idle and self._known.get(customer.account_id) is customer:
            del self._known[customer.account_id]

    def take(self, rows: Sequence[Sequence[Any]]) -> None:
        """News that has just been committed (services/batch.py, watch)."""
        for row in rows:
            customer = self._known.get(row[2])
            if customer is not None and customer.outbox.sessions:
                customer.outbox.take(delivery_of(row))

    def account_of(self, customer: Customer) -> Account | None:
        """The present settings; None when the account is gone."""
        return self._snapshots.current.accounts.get(customer.account_id)
