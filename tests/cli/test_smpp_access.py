"""Letting a customer in over SMPP from the command line (docs/smpp.md)."""

from typing import Any


def test_passwords_for_smpp_are_short_and_told_apart(shell: Any) -> None:
    """SMPP's field holds eight characters; a longer one could never be sent."""
    shell.tell("tariff", "create", "basic", "--price", "2.5")
    shell.tell("account", "create", "shop", "--tariff", "basic", "--no-password")
    made = shell.ask("account", "password", "add", "shop", "--kind", "smpp")
    assert len(made["password"]) == 8
    assert "at most 8" in shell.fail(
        2, "account", "password", "add", "shop", "--kind", "smpp", "--password", "123456789"
    )
    shell.tell("account", "password", "add", "shop", "--password", "123456789")
    assert [each["kind"] for each in shell.ask("account", "password", "list", "shop")] == ["smpp", ""]


def test_addresses_of_sessions_are_checked(shell: Any) -> None:
    """A network that is none is said so at once, not at the customer's first bind."""
    shell.tell("tariff", "create", "basic", "--price", "2.5")
    shell.tell("account", "create", "shop", "--tariff", "basic", "smpp=yes", "smpp_addresses=192.0.2.0/24")
    assert "smpp_addresses" in shell.fail(2, "account", "set", "shop", "smpp_addresses=everywhere")
    assert "customers on SMPP: 0" in shell.tell("queue")
