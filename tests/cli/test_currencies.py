"""Rates and the currency of an account from the command line, on SQLite; the services are tested on both databases."""

from typing import Any


def test_rates_are_set_listed_and_removed(shell: Any) -> None:
    """Decimals in, decimals out; what is no rate or no currency is wrong usage."""
    shell.tell("tariff", "create", "basic", "--price", "2.5")
    assert "No rates yet" in shell.tell("rate", "list")
    assert shell.tell("rate", "set", "EUR", "95.20") == "One EUR is 95.2 now.\n"
    found = shell.ask("rate", "set", "RUR", "1")
    assert (found["currency"], found["rate"]) == ("RUR", "1") and found["changed_ms"] > 0
    assert [(each["currency"], each["rate"]) for each in shell.ask("rate", "list")] == [("EUR", "95.2"), ("RUR", "1")]
    assert "95.2" in shell.tell("rate", "list")
    assert "95.2" in shell.fail(2, "rate", "set", "EUR", "much")
    assert "three capitals" in shell.fail(2, "rate", "set", "euro", "95.2")
    assert shell.ask("rate", "remove", "EUR") == {"currency": "EUR", "removed": True}
    assert shell.tell("rate", "remove", "RUR") == "RUR has no rate now.\n"
    assert "no rate" in shell.fail(1, "rate", "remove", "EUR")


def test_account_gets_another_currency(shop: Any) -> None:
    """Balance, credit and tariff change together, the ledger agrees, and refusals say what to do."""
    shop.tell("account", "set", "shop", "credit=50")
    assert "Missing option '--tariff'" in shop.fail(2, "account", "currency", "shop", "EUR")
    assert "no tariff" in shop.fail(1, "account", "currency", "shop", "EUR", "--tariff", "world")
    shop.tell("tariff", "create", "world", "--currency", "EUR", "--price", "0.03")
    assert "heliograph rate set RUR" in shop.fail(1, "account", "currency", "shop", "EUR", "--tariff", "world")
    shop.tell("rate", "set", "RUR", "1")
    shop.tell("rate", "set", "EUR", "80")
    assert "in RUR" in shop.fail(2, "account", "currency", "shop", "EUR", "--tariff", "basic")
    found = shop.ask("account", "currency", "shop", "EUR", "--tariff", "world")
    assert (found["currency"], found["balance"], found["credit"], found["tariff"]) == ("EUR", "1.25", "0.625", "world")
    assert "EUR already" in shop.fail(1, "account", "currency", "shop", "EUR", "--tariff", "world")
    assert "All agrees: 1 accounts, 3 ledger rows" in shop.tell("ledger", "check")
    assert shop.tell("account", "currency", "shop", "RUR", "--tariff", "basic") == "shop has 100 RUR now.\n"
