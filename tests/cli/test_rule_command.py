"""`heliograph rule`, and the story of an incoming text."""

import sqlite3
from typing import Any


def test_rules_are_made_moved_tried_and_removed(shop: Any) -> None:
    """In the order in which they apply, with numbers made international."""
    first = shop.ask("rule", "add", "shop", "--keyword", "Price!", "--reply", "To {phone}: 5", "--last")
    assert (first["id"], first["position"], first["keyword"], first["last"]) == (1, 1, "price", True)
    second = shop.ask(
        "rule", "add", "shop", "--to", "+7 495 123-45-67", "--forward", "89161234568", "--mail", "a@example.ru",
        "--handler", "off", "--position", "1",
    )  # fmt: skip
    assert (second["position"], second["to"], second["forward"]) == (1, "74951234567", ["79161234568"])
    assert [row["id"] for row in shop.ask("rule", "list", "--login", "shop")] == [2, 1]
    assert shop.ask("rule", "move", "1", "1")["position"] == 1
    assert [row["id"] for row in shop.ask("rule", "list")] == [1, 2]
    tried = shop.ask("rule", "test", "shop", "price?", "--to", "74951234567", "--from", "7999")
    assert [(row["id"], row["reply"]) for row in tried] == [(1, "To 7999: 5")]
    assert [row["id"] for row in shop.ask("rule", "test", "shop", "hello", "--to", "84951234567")] == [2]
    assert "No rule applies" in shop.tell("rule", "test", "shop", "hello")
    table = shop.tell("rule", "list")
    assert "mail to a@example.ru" in table and "price" in table
    shop.tell("rule", "remove", "1")
    assert [(row["id"], row["position"]) for row in shop.ask("rule", "list")] == [(2, 1)]


def test_rules_that_make_no_sense_are_refused(shop: Any) -> None:
    """With words that say what to do."""
    for code, arguments, said in (
        (2, ("add", "shop", "--keyword", "a"), "must do something"),
        (2, ("add", "shop", "--keyword", "two words", "--last"), "no keyword"),
        (2, ("add", "shop", "--reply", "{name}"), "{name} is not known"),
        (2, ("add", "shop", "--forward", "12"), "no number"),
        (2, ("add", "shop", "--mail", "a b"), "no e-mail"),
        (1, ("add", "nobody", "--last"), "no account"),
        (1, ("list", "--login", "nobody"), "no account"),
        (1, ("remove", "9"), "no rule 9"),
        (1, ("move", "9", "1"), "no rule 9"),
    ):
        assert said in shop.fail(code, "rule", *arguments), arguments


def test_story_of_an_incoming_text_is_shown(shop: Any) -> None:
    """What it caused, and what is still to be done."""
    connection = sqlite3.connect(shop.data / "heliograph.db")
    with connection:
        connection.execute(
            "INSERT INTO inbound (id, carrier_id, received_ms, sent_ms, phone, to_phone, text, extra, account_id, int_id)"
            " VALUES (5, 1, 1790000000000, 0, '79161234567', '7000', 'stop', '{\"command\":\"stop\"}', 1, 0)"
        )
        connection.execute("INSERT INTO events VALUES (-5, 1790000000000000, 'stop', 'all')")
        connection.execute("INSERT INTO errands VALUES (1, 5, 1, 'mail', 'a@example.ru', '', 1790000060000, 1)")
    connection.close()
    found = shop.ask("inbound", "show", "5")
    assert found["text"]["login"] == "shop" and found["remarks"]["command"] == "stop"
    assert [(each["what"], each["detail"]) for each in found["story"]] == [
        ("stop", "all"),
        ("to do", "mail to a@example.ru, 1 tries"),
    ]
    assert "to do" in shop.tell("inbound", "show", "5")
    assert "no incoming text" in shop.fail(1, "inbound", "show", "6")
