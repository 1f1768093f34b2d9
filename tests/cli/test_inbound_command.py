"""`heliograph inbound list` on a store with incoming texts."""

import sqlite3
from typing import Any

import pytest


@pytest.fixture
def texts(shop: Any) -> Any:
    """Three texts: one of the account's, one that answers nobody, one of the account's again."""
    shop.tell("account", "create", "other", "--password", "secret2")
    connection = sqlite3.connect(shop.data / "heliograph.db")
    with connection:
        for id_, account_id, int_id, text in ((1, 1, 17, "yes"), (2, 0, 0, "who is it?"), (3, 1, 0, "stop\x1b[2J")):
            connection.execute(
                "INSERT INTO inbound (id, carrier_id, received_ms, sent_ms, phone, to_phone, text, extra, account_id, int_id)"
                " VALUES (?, 1, 1790000000000, 0, '79161234567', '7000', ?, '', ?, ?)",
                (id_, text, account_id, int_id),
            )
    connection.close()
    return shop


def test_incoming_texts_are_listed_newest_first(texts: Any) -> None:
    """All, those of an account, those of nobody; what could steer a terminal is not printed."""
    assert [row["id"] for row in texts.ask("inbound", "list")] == [3, 2, 1]
    own = texts.ask("inbound", "list", "--login", "shop")
    assert [(row["id"], row["login"], row["int_id"], row["text"]) for row in own] == [
        (3, "shop", 0, "stop\x1b[2J"),
        (1, "shop", 17, "yes"),
    ]
    assert [(row["id"], row["login"]) for row in texts.ask("inbound", "list", "--nobody")] == [(2, "")]
    assert texts.ask("inbound", "list", "--login", "other") == []
    assert [row["id"] for row in texts.ask("inbound", "list", "--before", "3", "--limit", "1")] == [2]
    table = texts.tell("inbound", "list")
    assert "who is it?" in table and "79161234567" in table and "\x1b" not in table
    assert texts.tell("inbound", "list", "--login", "other") == "No text has come.\n"


def test_wrong_use_is_told(texts: Any) -> None:
    """An unknown account, and two wishes that exclude each other."""
    assert "there is no account 'nobody'" in texts.fail(1, "inbound", "list", "--login", "nobody")
    assert "cannot go together" in texts.fail(2, "inbound", "list", "--login", "shop", "--nobody")
