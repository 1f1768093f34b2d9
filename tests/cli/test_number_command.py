"""The stock of dedicated numbers from the command line, on both databases."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.databases import BACKENDS, fresh_url

Where = tuple[str, ...]
PHONE = "79990001122"


@pytest.fixture(params=BACKENDS)
def on(request: pytest.FixtureRequest, tmp_path: Path) -> Where:
    """The option that names a store of this test's own."""
    return ("--database", asyncio.run(fresh_url(request.param, tmp_path)))


@pytest.fixture
def tell(shell: Any, on: Where) -> Callable[..., str]:
    """What a command says that must work."""
    return lambda *args: str(shell.tell(*args, *on))


def test_stock_is_kept(shell: Any, on: Where, tell: Callable[..., str]) -> None:
    """Adding, listing, changing and removing; what is wrong is said in words."""
    assert "No numbers" in tell("number", "list")
    assert tell("number", "add", "+7 999 000-11-22", "--cost", "500", "--info", "MTS") == f"{PHONE} is in the stock.\n"
    found = shell.ask("number", "add", "78005550000", "--shared", "--uses", "calls", *on)
    assert (found["shared"], found["uses"], found["cost"], found["type"]) == (True, ["calls"], "0", 1)
    assert "in the stock already" in shell.fail(1, "number", "add", PHONE, *on)
    assert "no number" in shell.fail(2, "number", "add", "1", *on)
    assert "texts, calls or both" in shell.fail(2, "number", "add", "5055", "--uses", "faxes", *on)
    assert "'3' is not one of" in shell.fail(2, "number", "add", "5055", "--type", "3", *on)
    assert "no currency" in shell.fail(2, "number", "add", "5055", "--currency", "rub", *on)
    assert "MTS" in tell("number", "list")
    found = shell.ask("number", "set", PHONE, "--cost", "550.5", "--type", "2", "--uses", "texts", "--no-shared", *on)
    assert (found["cost"], found["type"], found["uses"], found["info"]) == ("550.5", 2, ["texts"], "MTS")
    assert "nothing to change" in shell.fail(2, "number", "set", PHONE, *on)
    assert "not in the stock" in shell.fail(1, "number", "set", "5055", "--cost", "1", *on)
    assert [each["phone"] for each in shell.ask("number", "list", "--free", *on)] == [PHONE]
    assert shell.ask("number", "remove", PHONE, *on) == {"phone": PHONE, "removed": True}
    assert tell("number", "remove", "78005550000") == "78005550000 is gone.\n"


def test_number_is_given_out_by_hand(shell: Any, on: Where, tell: Callable[..., str]) -> None:
    """Without a charge; a number that is rented is removed by force only, and its history stays."""
    tell("tariff", "create", "basic", "--price", "2.5")
    tell("account", "create", "shop", "--balance", "100", "--no-password")
    tell("number", "add", PHONE, "--cost", "500")
    assert "no account" in shell.fail(1, "number", "assign", PHONE, "nobody", *on)
    assert f"{PHONE} belongs to shop up to " in tell("number", "assign", PHONE, "shop", "--noprolong")
    (found,) = shell.ask("number", "list", "--login", "shop", *on)
    assert (found["login"], found["noprolong"]) == ("shop", True)
    assert found["until_ms"] > found["since_ms"] > 0
    assert "ends" in tell("number", "list")
    assert "is rented" in shell.fail(1, "number", "assign", PHONE, "shop", *on)
    assert "release it before" in shell.fail(1, "number", "set", PHONE, "--shared", *on)
    assert "--force" in shell.fail(1, "number", "remove", PHONE, *on)
    assert tell("number", "release", PHONE) == f"{PHONE} is free.\n"
    assert "nobody rents" in shell.fail(1, "number", "release", PHONE, *on)
    tell("number", "assign", PHONE, "shop")
    assert tell("number", "remove", PHONE, "--force") == f"{PHONE} is gone.\n"
    lines = shell.ask("number", "history", PHONE, *on)
    assert [(line["name"], line["login"], line["amount"]) for line in lines] == [
        ("released", "shop", "0"),
        ("assigned", "shop", "0"),
        ("released", "shop", "0"),
        ("assigned", "shop", "0"),
    ]
    assert "removed from the stock" in tell("number", "history", PHONE)
    assert "Nobody has had" in tell("number", "history", "5055")
    assert "no account" in shell.fail(1, "number", "list", "--login", "nobody", *on)
    assert "All agrees: 1 accounts, 1 ledger rows" in tell("ledger", "check")


def test_price_of_a_confirmation_goes_through_the_file_of_a_tariff(
    shell: Any, on: Where, tell: Callable[..., str], tmp_path: Path
) -> None:
    """Exported, changed, imported, shown."""
    tell("tariff", "create", "basic", "--price", "2.5")
    path = tmp_path / "prices.csv"
    tell("tariff", "export", "basic", str(path))
    head, line, *rest = path.read_text("utf-8").splitlines()
    assert head.endswith(",call,waitcall")
    path.write_text("\n".join([head, line + "0.3", *rest]), "utf-8")
    tell("tariff", "import", "basic", str(path))
    prices = shell.ask("tariff", "show", "basic", *on)["zones"][0]["prices"]
    assert prices == {"sms": "2.5", "waitcall": "0.3"}
