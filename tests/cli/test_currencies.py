"""Rates and the currency of an account from the command line, on both databases."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.databases import BACKENDS, fresh_url

Where = tuple[str, ...]


@pytest.fixture(params=BACKENDS)
def on(request: pytest.FixtureRequest, tmp_path: Path) -> Where:
    """The option that names a store of this test's own."""
    return ("--database", asyncio.run(fresh_url(request.param, tmp_path)))


@pytest.fixture
def tell(shell: Any, on: Where) -> Callable[..., str]:
    """What a command says that must work."""
    return lambda *args: str(shell.tell(*args, *on))


def test_rates_are_set_listed_and_removed(shell: Any, on: Where, tell: Callable[..., str]) -> None:
    """Decimals in, decimals out; what is no rate or no currency is wrong usage."""
    assert "No rates yet" in tell("rate", "list")
    assert tell("rate", "set", "EUR", "95.20") == "One EUR is 95.2 now.\n"
    found = shell.ask("rate", "set", "RUR", "1", *on)
    assert (found["currency"], found["rate"]) == ("RUR", "1") and found["changed_ms"] > 0
    listed = [(each["currency"], each["rate"]) for each in shell.ask("rate", "list", *on)]
    assert listed == [("EUR", "95.2"), ("RUR", "1")]
    assert "95.2" in tell("rate", "list")
    assert "95.2" in shell.fail(2, "rate", "set", "EUR", "much", *on)
    assert "three capitals" in shell.fail(2, "rate", "set", "euro", "95.2", *on)
    assert shell.ask("rate", "remove", "EUR", *on) == {"currency": "EUR", "removed": True}
    assert tell("rate", "remove", "RUR") == "RUR has no rate now.\n"
    assert "no rate" in shell.fail(1, "rate", "remove", "EUR", *on)


def test_account_gets_another_currency(shell: Any, on: Where, tell: Callable[..., str]) -> None:
    """Balance, credit and tariff change together, the ledger agrees, and refusals say what to do."""
    change = ("account", "currency", "shop", "EUR", "--tariff")
    tell("tariff", "create", "basic", "--price", "2.5")
    tell("account", "create", "shop", "--balance", "100", "--credit", "50", "--no-password")
    assert "Missing option '--tariff'" in shell.fail(2, *change[:-1], *on)
    assert "no tariff" in shell.fail(1, *change, "world", *on)
    tell("tariff", "create", "world", "--currency", "EUR", "--price", "0.03")
    assert "heliograph rate set RUR" in shell.fail(1, *change, "world", *on)
    tell("rate", "set", "RUR", "1")
    tell("rate", "set", "EUR", "80")
    assert "in RUR" in shell.fail(2, *change, "basic", *on)
    found = shell.ask(*change, "world", *on)
    assert (found["currency"], found["balance"], found["credit"], found["tariff"]) == ("EUR", "1.25", "0.625", "world")
    assert "EUR already" in shell.fail(1, *change, "world", *on)
    assert "All agrees: 1 accounts, 3 ledger rows" in tell("ledger", "check")
    assert tell("account", "currency", "shop", "RUR", "--tariff", "basic") == "shop has 100 RUR now.\n"
