"""Bans, pace and concurrency: what stands before every request, without a query (spec sending 9.1, 9.2)."""

import ipaddress
from functools import lru_cache
from typing import NamedTuple

from heliograph.core.accounts import Account
from heliograph.core.limits import Window
from heliograph.services.snapshot import Snapshots

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class BanRules(NamedTuple):
    """When an address is banned, and for how long (spec sending 9.2)."""

    logins: int = 5
    logins_s: int = 1800
    logins_ban_s: int = 1800
    sends: int = 100
    sends_s: int = 600
    sends_ban_s: int = 600


@lru_cache(maxsize=4096)
def networks_of(text: str) -> tuple[Network, ...]:
    """Networks from "10.0.0.0/8, 192.0.2.7"; ValueError names the bad one."""
    return tuple(ipaddress.ip_network(part.strip(), strict=False) for part in text.split(",") if part.strip())


def is_within(client: str, networks: tuple[Network, ...]) -> bool:
    """Whether an address lies in one of the networks."""
    try:
        address = ipaddress.ip_address(client)
    except ValueError:
        return False
    return any(address in network for network in networks)


def is_welcome(account: Account, client: str) -> bool:
    """Whether the account takes requests from this address."""
    settings = account.settings
    return not settings.blocked and (not settings.addresses or is_within(client, networks_of(settings.addresses)))


class Guard:
    """Counters of all clients and accounts; lives on the loop, takes the time as an argument."""

    def __init__(self, snapshots: Snapshots, rules: BanRules | None = None) -> None:
        self._snapshots = snapshots
        self._rules = rules or BanRules()
        self._banned: dict[str, int] = {}
        self._logins = Window(self._rules.logins, self._rules.logins_s)
        self._failures: dict[str, tuple[int, int]] = {}
        self._under_way: dict[int, int] = {}
        self._paces: dict[tuple[str, int, int], Window] = {}
        self.bans = 0

    def is_banned(self, client: str, now_ms: int) -> bool:
        """Whether this address is banned now."""
        if not self._banned:
            return False
        until = self._banned.get(client)
        if until is None:
            return False
        if until <= now_ms:
            del self._banned[client]
            return False
        return True

    def note_login_failed(self, client: str, login: str, now_ms: int) -> None:
        """Count an authorisation error; addresses on the account's own list are never banned for it."""
        account = self._snapshots.current.accounts_by_login.get(login)
        if account and account.settings.addresses and is_within(client, networks_of(account.settings.addresses)):
            return
        self._logins.take(client, now_ms)
        if self._logins.count(client, now_ms) >= self._rules.logins:
            self._logins.forget(client)
            self._ban(client, now_ms + self._rules.logins_ban_s * 1000)

    def note_send(self, client: str, ok: bool, now_ms: int) -> None:
        """Count failed sends in a row; one that works ends the row."""
        if ok:
            if self._failures:
                self._failures.pop(client, None)
            return
        began, count = self._failures.get(client, (now_ms, 0))
        if now_ms - began > self._rules.sends_s * 1000:
            began, count = now_ms, 0
        if count + 1 >= self._rules.sends:
            self._failures.pop(client, None)
            self._ban(client, now_ms + self._rules.sends_ban_s * 1000)
            return
        if len(self._failures) >= 100_000:
            del self._failures[next(iter(self._failures))]
        self._failures[client] = (began, count + 1)

    def _ban(self, client: str, until_ms: int) -> None:
        self.bans += 1
        if len(self._banned) >= 100_000:
            del self._banned[next(iter(self._banned))]
        self._banned[client] = until_ms

    def enter(self, account: Account) -> bool:
        """Take a place among the requests of this account; False when there would be too many at once."""
        count = self._under_way.get(account.id, 0) + 1
        if count >= account.settings.concurrency:
            return False
        self._under_way[account.id] = count
        return True

    def leave(self, account_id: int) -> None:
        """Give the place back."""
        self._under_way[account_id] -= 1

    def pace(self, account_id: int, what: str, print: int, limit: int, period_s: int, now_ms: int) -> bool:
        """Note a request of the kind ``what``; False when it is over ``limit`` in ``period_s`` for the same ``print``."""
        key = (what, limit, period_s)
        window = self._paces.get(key)
        if window is None:
            window = self._paces[key] = Window(limit, period_s)
        return window.take((account_id, print), now_ms)
