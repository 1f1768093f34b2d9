"""What customers are told, from the command line."""

import asyncio
from typing import Any

import pytest

from heliograph.core.messages import Message
from heliograph.services.desk import accept_row
from heliograph.store.database import Step
from heliograph.store.opening import open_database
from heliograph.store.secrets import Secrets

NOW = 1_790_000_000_000
MESSAGE = Message(
    9, 1, "17", "79161234567", "8916", 0, 0, "Shop", "hello", "", 1, 0, "25001", 1, 0, NOW, NOW, NOW, NOW, 1, 1, 1, 1
)


@pytest.fixture
def told(shop: Any) -> Any:
    """A message was told, another one is to be told again, an incoming text waits."""
    shop.tell("account", "set", "shop", "callback_url=https://shop.example/cb?md5=hidden")

    async def work() -> None:
        db = await open_database(str(shop.data / "heliograph.db"))
        second = list(accept_row(MESSAGE)[1])
        second[0], second[2] = 10, "18"
        inbound = (3, 1, NOW, NOW, "79161234567", "79037654321", "yes", "", 1, 10)
        await db.transact(
            [
                Step("messages.accept", [accept_row(MESSAGE)[1], second]),
                Step("inbound.add", [inbound]),
                Step(
                    "events.add",
                    [
                        (9, NOW * 1000, "callback", "status 1, event 40: 200 in 5 ms"),
                        (10, 1, "callback", "500 in 5 ms"),
                    ],
                ),
                Step("callbacks.add", [(42, 10, 1, 1, 0, NOW, NOW), (44, -3, 1, 0, 0, NOW, NOW)]),
                Step("callbacks.later", [(NOW + 2**40, 1, 42)]),
            ]
        )
        await db.close()

    asyncio.run(work())
    return shop


def test_backlog_is_listed(told: Any) -> None:
    """Without the secrets of the address."""
    (line,) = told.ask("callbacks", "list")
    assert (line["login"], line["host"], line["waiting"], line["untried"]) == ("shop", "shop.example", 2, 1)
    text = told.tell("callbacks", "list")
    assert "500 in 5 ms" in text and "hidden" not in text


def test_empty_backlog_says_so(shop: Any) -> None:
    """Nobody needs to read an empty table."""
    assert "Nothing waits" in shop.tell("callbacks", "list")


def test_attempts_are_shown(told: Any) -> None:
    """By int_id, by the account's own id, and of an incoming text."""
    for args in (("9",), ("17", "--login", "shop")):
        (found,) = told.ask("callbacks", "show", *args)
        assert found["int_id"] == 9 and found["attempts"][0]["event"] == 40
    assert "status" in told.tell("callbacks", "show", "9") and "due" in told.tell("callbacks", "show", "10")
    (found,) = told.ask("callbacks", "show", "3", "--incoming")
    assert found["waiting"][0]["event"] == 44
    assert "no message" in told.fail(1, "callbacks", "show", "77")
    assert "no incoming text" in told.fail(2, "callbacks", "show", "77", "--incoming")


def test_message_is_told_again(told: Any) -> None:
    """Once more with the same number; of what waits for a repeat now."""
    assert told.ask("callbacks", "replay", "--message", "17", "--login", "shop")["again"] == 1
    (found,) = told.ask("callbacks", "show", "9")
    assert [each["event"] for each in found["waiting"]] == [40]
    assert told.ask("callbacks", "replay", "--from", "2026-09-01", "--login", "shop")["hastened"] == 1
    assert "Looked at" in told.tell(
        "callbacks", "replay", "--from", "2026-09-01", "--to", "2026-09-02", "--state", "all"
    )
    assert "say what" in told.fail(2, "callbacks", "replay")
    assert "before" in told.fail(2, "callbacks", "replay", "--from", "2026-09-02", "--to", "2026-09-01")
    assert "nobody" in told.fail(1, "callbacks", "replay", "--from", "2026-09-01", "--login", "nobody")


def test_news_is_dropped_after_a_question(told: Any) -> None:
    """What was dropped by mistake can be told again, but it had better not come to that."""
    assert told.call("callbacks", "drop", "--login", "shop", stdin="n\n").exit_code == 1
    assert told.ask("callbacks", "drop", "--message", "3", "--incoming") == {"dropped": 1}
    assert "Dropped: 1" in told.tell("callbacks", "drop", "--login", "shop", "--yes")
    assert told.ask("callbacks", "list") == []
    assert "say what" in told.fail(2, "callbacks", "drop")


def test_keys_are_shown_once_and_lie_encrypted(shop: Any) -> None:
    """Two at most: the new one and the old one."""
    first = shop.ask("callbacks", "key", "shop", "--add")["key"]
    second = "0123456789abcdef-second"
    shop.tell("callbacks", "key", "shop", "--add", "--value", "-", stdin=second + "\n")
    assert shop.ask("callbacks", "key", "shop") == ["0123", first[:4]]
    assert "two keys" in shop.fail(1, "callbacks", "key", "shop", "--add")
    store = (shop.data / "heliograph.db").read_bytes() + b"".join(
        path.read_bytes() for path in shop.data.glob("heliograph.db-*")
    )
    assert second.encode() not in store and first.encode() not in store
    assert "1 left" in shop.tell("callbacks", "key", "shop", "--remove", first[:4])
    assert "no keys that begin so" in shop.fail(1, "callbacks", "key", "shop", "--remove", "zzzz")
    assert shop.ask("callbacks", "key", "shop", "--remove", "0123") == {"left": 0}
    assert "not signed" in shop.tell("callbacks", "key", "shop")
    assert "two steps" in shop.fail(2, "callbacks", "key", "shop", "--add", "--remove", "x")
    assert "16" in shop.fail(2, "callbacks", "key", "shop", "--add", "--value", "short")
    assert "nobody" in shop.fail(1, "callbacks", "key", "nobody", "--add")


def test_server_reads_the_keys_it_was_given(shop: Any) -> None:
    """The snapshot opens what the command line sealed."""
    from heliograph.services.snapshot import Snapshots

    key = shop.ask("callbacks", "key", "shop", "--add")["key"]

    async def work() -> Any:
        db = await open_database(str(shop.data / "heliograph.db"))
        try:
            return (await Snapshots(db, Secrets.open(shop.data).unseal).load()).callback_keys
        finally:
            await db.close()

    assert list(asyncio.run(work()).values()) == [(key,)]
