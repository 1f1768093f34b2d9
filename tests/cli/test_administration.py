"""Accounts, keys, lists, tariffs, carriers, routes, ranges and the ledger from the command line, on SQLite."""

import sqlite3
from pathlib import Path
from typing import Any

import pytest


def test_account_is_made_with_a_password_shown_once(shell: Any) -> None:
    """Without a given password one is made, told once, and works; it stands nowhere in the store."""
    shell.tell("tariff", "create", "basic", "--price", "2.5")
    made = shell.ask("account", "create", "shop", "--balance", "12.5", "--credit", "3", "tz=+3")
    assert len(made["password"]) == 12 and made["balance"] == "12.5" and made["settings"] == {"tz": "+3"}
    store = b"".join(path.read_bytes() for path in shell.data.glob("heliograph.db*"))
    assert made["password"].encode() not in store
    (listed,) = shell.ask("account", "list")
    assert (listed["login"], listed["credit"], listed["tariff"]) == ("shop", "3", "basic")
    assert "shop" in shell.tell("account", "list") and "tz" in shell.tell("account", "show", "shop")


def test_account_needs_a_tariff_and_is_told_how(shell: Any) -> None:
    """The first thing a new operator does wrong is answered with the command that helps."""
    shell.tell("carrier", "create", "acme")
    assert "heliograph tariff create" in shell.fail(2, "account", "create", "shop")
    shell.tell("tariff", "create", "one")
    shell.tell("tariff", "create", "two")
    assert "one, two" in shell.fail(2, "account", "create", "shop")
    shell.tell("account", "create", "shop", "--tariff", "two", "--no-password")
    assert shell.ask("account", "show", "shop")["passwords"] == []


def test_settings_tariff_and_credit_are_set_together(shop: Any) -> None:
    """One command changes what an operator thinks of as one thing."""
    shop.tell("tariff", "create", "dear", "--price", "5")
    found = shop.ask("account", "set", "shop", "day_limit=10", "tariff=dear", "credit=7")
    assert (found["settings"]["day_limit"], found["tariff"], found["credit"]) == (10, "dear", "7")
    assert "did you mean day_limit?" in shop.fail(2, "account", "set", "shop", "day_limt=10")
    assert "key=value" in shop.fail(2, "account", "set", "shop", "blocked")
    shop.tell("account", "block", "shop")
    assert shop.ask("account", "show", "shop")["settings"]["blocked"] is True
    shop.tell("account", "block", "shop", "--off")
    assert "blocked" not in shop.ask("account", "show", "shop")["settings"]


def test_money_is_moved_and_proved(shop: Any) -> None:
    """Top-ups and corrections reach the ledger; an overdraft is refused with code 1; the proof agrees."""
    assert shop.ask("account", "top-up", "shop", "10.25", "--note", "bank")["balance"] == "110.25"
    assert shop.ask("account", "correct", "shop", "-10.25", "--note", "slip")["balance"] == "100"
    assert "credit" in shop.fail(1, "account", "correct", "shop", "-100.01", "--note", "too much")
    assert "12.50" in shop.fail(2, "account", "top-up", "shop", "ten")
    assert "no account" in shop.fail(1, "account", "top-up", "nobody", "1")
    assert "All agrees: 1 accounts, 3 ledger rows" in shop.tell("ledger", "check")


def test_ledger_that_does_not_agree_ends_with_one(shop: Any) -> None:
    """A program that runs the check every night reads the exit code."""
    with sqlite3.connect(shop.data / "heliograph.db") as store:
        store.execute("UPDATE accounts SET balance = balance + 1")
    store.close()
    result = shop.call("ledger", "check")
    assert result.exit_code == 1 and "the main balance" in result.stdout
    assert shop.call("ledger", "check", "--json").exit_code == 1


def test_passwords_and_keys_come_and_go(shop: Any) -> None:
    """They are listed by number, label and first characters, and taken away by these."""
    number = shop.ask("account", "password", "add", "shop", "--label", "site")["number"]
    assert shop.call("account", "password", "add", "shop", "--password", "-", stdin="typed-in\n").exit_code == 0
    assert "standard input" in shop.fail(2, "account", "password", "add", "shop", "--password", "-")
    assert "site" in shop.tell("account", "password", "list", "shop")
    shop.tell("account", "password", "remove", "shop", str(number))
    assert [each["label"] for each in shop.ask("account", "password", "list", "shop")] == ["first", ""]
    key = shop.ask("key", "create", "shop", "--label", "app")["key"]
    assert (
        len(key) == 32 and key[:4] in shop.tell("key", "list", "shop") and key not in shop.tell("key", "list", "shop")
    )
    shop.tell("key", "revoke", "shop", key[:4])
    assert "no keys" in shop.tell("key", "list", "shop")
    assert "list" in shop.fail(1, "key", "revoke", "shop", "none")


def test_senders_and_blacklists_are_kept(shop: Any) -> None:
    """Names and numbers, for one account and for all."""
    shop.tell("sender", "add", "MyShop", "--login", "shop")
    shop.tell("sender", "add", "All", "--state", "waiting")
    assert [(each["login"], each["name"]) for each in shop.ask("sender", "list")] == [("", "All"), ("shop", "MyShop")]
    assert "(all)" in shop.tell("sender", "list")
    shop.tell("sender", "remove", "All")
    assert "11 Latin" in shop.fail(2, "sender", "add", "MuchTooLongAName")
    assert shop.ask("blacklist", "add", "8 916 123-45-67")["numbers"] == ["79161234567"]
    Path("numbers.txt").write_text("79161234568\nnonsense\n")
    assert shop.ask("blacklist", "import", "numbers.txt", "--login", "shop", "--stop", "mailings")["taken"] == 1
    assert "nonsense" in shop.tell("blacklist", "import", "numbers.txt")
    assert "mailings" in shop.tell("blacklist", "list", "--login", "shop")
    assert shop.ask("blacklist", "remove", "+79161234567", "+79161234568")["removed"] == 2
    assert "no number" in shop.fail(2, "blacklist", "add", "12")
    assert "cannot read" in shop.fail(1, "blacklist", "import", "none.txt")


def test_tariff_goes_out_and_comes_in_as_csv(shop: Any) -> None:
    """Prices are edited in a spreadsheet."""
    shop.tell("tariff", "export", "basic", "prices.csv")
    text = Path("prices.csv").read_text()
    assert text == shop.tell("tariff", "export", "basic") and '"*"' not in text and ",*,2.5," in text
    Path("prices.csv").write_text(text + ",,25001,2,,,,,\n")
    found = shop.ask("tariff", "import", "basic", "prices.csv")
    assert found["codes"] == {"25001": {"sms": "2"}}
    assert "25001" in shop.tell("tariff", "show", "basic") and "basic" in shop.tell("tariff", "list")
    assert shop.ask("tariff", "refund", "basic", "20,25")["refund"] == [20, 25]
    assert "final" in shop.fail(2, "tariff", "refund", "basic", "0")
    assert "shop" in shop.fail(1, "tariff", "remove", "basic")
    assert "exclude" in shop.fail(2, "tariff", "create", "x", "--price", "1", "--file", "prices.csv")
    shop.tell("tariff", "create", "copy", "--file", "prices.csv")
    shop.tell("tariff", "remove", "copy")


def test_price_of_an_e_mail_is_set_shown_and_carried_by_csv(shop: Any) -> None:
    """It belongs to the tariff as a whole, and travels with its file."""
    assert shop.ask("tariff", "show", "basic")["mail"] == "0"
    assert "E-mail" not in shop.tell("tariff", "show", "basic")
    assert "0.1" in shop.tell("tariff", "mail", "basic", "0.1")
    assert shop.ask("tariff", "mail", "basic", "0.25") == {"name": "basic", "mail": "0.25"}
    assert "E-mail" in shop.tell("tariff", "show", "basic")
    shop.tell("tariff", "export", "basic", "prices.csv")
    assert shop.ask("tariff", "create", "copy", "--file", "prices.csv")["mail"] == "0.25"
    assert shop.ask("tariff", "create", "dear", "--file", "prices.csv", "--mail", "1")["mail"] == "1"
    assert shop.ask("tariff", "import", "dear", "prices.csv")["mail"] == "0.25"
    assert "no price" in shop.fail(2, "tariff", "create", "odd", "--mail", "-1")
    assert "no tariff" in shop.fail(1, "tariff", "mail", "none", "1")
    assert "amount" in shop.fail(2, "tariff", "create", "odd", "--mail", "much")


def test_carriers_and_routes_are_made_changed_and_removed(shop: Any) -> None:
    """A password comes from standard input, and nothing shows it."""
    made = shop.call("carrier", "create", "acme", "host=h", "rate=5", "--password", "-", stdin="carrier-pass\n")
    assert made.exit_code == 0
    shop.tell("carrier", "create", "other", "--disabled")
    shop.tell("carrier", "enable", "other")
    shop.tell("carrier", "disable", "other")
    assert shop.ask("carrier", "set", "acme", "links=2")["settings"] == {"host": "h", "rate": 5.0, "links": 2}
    shown = shop.tell("carrier", "show", "acme") + shop.tell("carrier", "list") + str(shop.ask("carrier", "list"))
    assert "h:2775" in shown and "carrier-pass" not in shown
    shop.tell("carrier", "set", "acme", "links_most=4", "window=50", "window_most=500")
    listed = shop.tell("carrier", "list")
    assert "2-4" in listed and "50-500" in listed
    assert "say what to change" in shop.fail(2, "carrier", "set", "acme")
    shop.tell("route", "create", "russia", "--carrier", "acme", "--priority", "-1", "countries=ru")
    assert "no carrier" in shop.fail(1, "route", "create", "x", "--carrier", "none")
    found = shop.ask("route", "set", "russia", "weight=3", "enabled=no", "countries=", "prefixes=+7916", "priority=-2")
    assert (found["priority"], found["weight"], found["enabled"]) == (-2, 3, False)
    assert found["conditions"] == {"prefixes": ["7916"]}
    assert "yes or no" in shop.fail(2, "route", "set", "russia", "enabled=perhaps")
    assert "prefixes=7916" in shop.tell("route", "list")
    assert "russia" in shop.fail(1, "carrier", "remove", "acme")
    shop.tell("route", "remove", "russia")
    shop.tell("carrier", "remove", "acme")
    assert "No routes yet" in shop.tell("route", "list")


@pytest.mark.parametrize("form", ["csv", "russian"])
def test_ranges_are_imported_and_found(shell: Any, form: str) -> None:
    """What the regulator publishes decides where a number belongs."""
    line = "7999001,,RU,Range One,,250,77" if form == "csv" else "999;0010000;0019999;10000;ООО Один;г. Москва"
    Path("registry.csv").write_text(line + "\nnonsense\n")
    found = shell.ask("ranges", "import", "registry.csv", "--form", form)
    assert (found["source"], found["taken"], found["bad"]) == ("registry.csv", 1, 1)
    assert shell.ask("ranges", "find", "+79990015555")["place"]["operator"] in ("Range One", "ООО Один")
    assert "registry.csv" in shell.tell("ranges", "list")
    shell.tell("ranges", "remove", "registry.csv")
    assert "None were imported" in shell.tell("ranges", "list")
    assert "no number" in shell.fail(1, "ranges", "find", "12")


def test_settings_are_listed_with_their_help(shell: Any) -> None:
    """The names that ``set`` takes can be looked up where they are used."""
    assert "day_limit" in shell.tell("account", "settings")
    assert {"name": "port", "default": 2775, "help": "Its port"} in shell.ask("carrier", "settings")


def test_configuration_is_sampled_and_checked(shell: Any) -> None:
    """The sample is a file that passes the check."""
    Path("mine.toml").write_text(shell.tell("config", "sample"))
    assert "good" in shell.tell("config", "check", "mine.toml")
    assert shell.ask("config", "check", "mine.toml")["http"]["listen"] == "127.0.0.1:8080"
    assert "cannot read" in shell.fail(1, "config", "check", "none.toml")


def test_names_cannot_steer_the_terminal(shop: Any) -> None:
    """Names come from customers, carriers and files."""
    shop.tell("account", "set", "shop", "name=\x1b[31m[bold]red[/bold]")
    shown = shop.tell("account", "list")
    assert "\x1b" not in shown and "[bold]red[/bold]" in shown


def test_carrier_of_an_unknown_kind_is_refused(shop: Any) -> None:
    """A slip in the kind would otherwise show only in the server's log."""
    assert "there is: smpp" in shop.fail(2, "carrier", "create", "acme", "--kind", "nope")
