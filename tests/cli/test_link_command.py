"""Short links from the command line: lists, counts, and whose link a code is."""

import asyncio
from typing import Any

import pytest

from heliograph.core.links import QUARTER_MS, Codes
from heliograph.services import accounts
from heliograph.store.database import Step
from heliograph.store.opening import open_database
from heliograph.store.secrets import LINKS, Secrets

URL = "https://www.MyWebsite.ru/sale"


@pytest.fixture
def linked(shop: Any) -> Any:
    """The account has a link with two clicks of long ago, and a recipient has his own."""

    async def work() -> None:
        db = await open_database(str(shop.data / "heliograph.db"))
        account = (await accounts.show(db, "shop")).account
        await db.transact(
            [
                Step("links.add", [(7, account.id, URL, "mywebsite.ru/sale", 1_700_000_000_000)]),
                Step("trails.add", [(8, 7, 55)]),
                Step("clicks.add", [(7, 1_700_000_000_000 // QUARTER_MS, 2)]),
            ]
        )
        await db.close()

    asyncio.run(work())
    return shop


def code(shell: Any, id_: int) -> str:
    """The code that the installation's key makes of an id."""
    return Codes(Secrets.open(shell.data).derive(LINKS)).write(id_)


def test_links_are_listed_with_their_clicks(linked: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the configured address before the code, and without one as a path."""
    (listed,) = linked.ask("link", "list", "shop")
    short = f"/r/{code(linked, 7)}"
    assert listed == {"id": 7, "url": URL, "short": short, "clicks": 2, "created_ms": 1_700_000_000_000}
    monkeypatch.setenv("HELIOGRAPH_LINKS_BASE", "https://s.example.ru/")
    assert f"https://s.example.ru/{code(linked, 7)}" in linked.tell("link", "list", "shop")


def test_an_account_without_links_is_told_so(shop: Any) -> None:
    """And one that does not exist is a failure."""
    assert "no short links" in shop.tell("link", "list", "shop")
    assert "nobody" in shop.fail(1, "link", "list", "nobody")


def test_a_link_is_shown_by_any_of_its_names(linked: Any) -> None:
    """Its id, its address as people type it, the short link."""
    for name in ("7", URL, "mywebsite.ru/sale/", f"/r/{code(linked, 7)}"):
        shown = linked.ask("link", "show", "shop", name)
        assert (shown["id"], shown["cnt"], shown["cnt_day"], shown["cnt_pmon"]) == (7, 2, 0, 0)
    assert "last month" in linked.tell("link", "show", "shop", "7")
    assert "no such short link" in linked.fail(1, "link", "show", "shop", "other.ru")


def test_a_code_tells_whose_it_is(linked: Any) -> None:
    """Somebody complains of a link in a text that he got."""
    own = linked.ask("link", "find", f"https://any.example/r/{code(linked, 8)}")
    assert own == {"login": "shop", "id": 7, "url": URL, "int_id": 55}
    assert linked.ask("link", "find", code(linked, 7))["int_id"] == 0
    assert "shop" in linked.tell("link", "find", code(linked, 8))
    assert "no short link" in linked.fail(1, "link", "find", code(linked, 9))
    assert "no short link" in linked.fail(1, "link", "find", "nonsense")
