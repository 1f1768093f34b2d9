"""Bans, pace and concurrency before every request (services/guard.py; spec sending 9.1 and 9.2)."""

from types import SimpleNamespace
from typing import Any

import pytest

from heliograph.core.accounts import Account, Settings
from heliograph.services.guard import Guard, is_within, networks_of

MINUTE = 60_000
CLIENT = "198.51.100.7"


def account(**settings: Any) -> Account:
    return Account(1, "shop", "RUR", 0, 1, Settings(**settings))


def guard(one: Account | None = None) -> Guard:
    known = one or account()
    current = SimpleNamespace(accounts_by_login={known.login: known})
    return Guard(SimpleNamespace(current=current))  # type: ignore[arg-type]


def test_fifth_wrong_login_bans_the_address_for_half_an_hour() -> None:
    """5 authorisation errors within 30 minutes; others and other addresses go on."""
    door = guard()
    for number in range(4):
        door.note_login_failed(CLIENT, "shop", number * MINUTE)
    assert not door.is_banned(CLIENT, 4 * MINUTE)
    door.note_login_failed(CLIENT, "whoever", 4 * MINUTE)
    assert door.is_banned(CLIENT, 4 * MINUTE) and not door.is_banned("198.51.100.8", 4 * MINUTE)
    assert door.is_banned(CLIENT, 34 * MINUTE - 1) and not door.is_banned(CLIENT, 34 * MINUTE)
    door.note_login_failed(CLIENT, "shop", 34 * MINUTE)
    assert not door.is_banned(CLIENT, 34 * MINUTE), "counting begins anew"


def test_slow_mistakes_are_forgiven() -> None:
    """Four in half an hour, for ever."""
    door = guard()
    for number in range(50):
        door.note_login_failed(CLIENT, "shop", number * 8 * MINUTE)
        assert not door.is_banned(CLIENT, number * 8 * MINUTE)


def test_addresses_of_the_account_are_never_banned_for_logins() -> None:
    """A customer's own server with a wrong password must not lock itself out."""
    door = guard(account(addresses="198.51.100.0/24, 2001:db8::/32"))
    for client in (CLIENT, "2001:db8::1"):
        for _ in range(20):
            door.note_login_failed(client, "shop", 1)
        assert not door.is_banned(client, 1)
    for _ in range(5):
        door.note_login_failed(CLIENT, "another", 1)
    assert door.is_banned(CLIENT, 1)


def test_hundred_failed_sends_in_a_row_ban_for_ten_minutes() -> None:
    """One that works ends the row, and so do ten minutes."""
    door = guard()
    for _ in range(99):
        door.note_send(CLIENT, False, MINUTE)
    door.note_send(CLIENT, True, MINUTE)
    for _ in range(99):
        door.note_send(CLIENT, False, 2 * MINUTE)
    for _ in range(99):
        door.note_send(CLIENT, False, 12 * MINUTE + 1)
    assert not door.is_banned(CLIENT, 12 * MINUTE + 1)
    door.note_send(CLIENT, False, 12 * MINUTE + 1)
    assert door.is_banned(CLIENT, 22 * MINUTE) and not door.is_banned(CLIENT, 22 * MINUTE + 1)
    assert door.bans == 1


def test_fifteenth_request_at_once_is_too_many() -> None:
    """15 or more simultaneous requests of one login; a place that is given back can be taken again."""
    door, one = guard(), account()
    assert [door.enter(one) for _ in range(15)] == [True] * 14 + [False]
    door.leave(one.id)
    assert door.enter(one) and not door.enter(one)


def test_pace_is_kept_for_each_account_and_request() -> None:
    """Ten balance queries a minute are nobody else's, and no other operation's."""
    door = guard()
    taken = [door.pace(1, "balance", 0, 10, 60, second * 1000) for second in range(12)]
    assert taken == [True] * 10 + [False] * 2
    assert door.pace(2, "balance", 0, 10, 60, 11_000) and door.pace(1, "status", 0, 10, 60, 11_000)
    assert door.pace(1, "balance", 5, 10, 60, 11_000) and door.pace(1, "balance", 0, 10, 60, 60_000)


@pytest.mark.parametrize(
    ("client", "inside"),
    [("10.1.2.3", True), ("192.0.2.7", True), ("192.0.2.8", False), ("not an address", False), ("::1", False)],
)
def test_address_lies_within_networks(client: str, inside: bool) -> None:
    """Lists hold networks and single addresses."""
    assert is_within(client, networks_of("10.0.0.0/8, 192.0.2.7")) is inside
