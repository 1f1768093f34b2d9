"""Accounts: what is written, what is refused, on both databases (services/accounts.py)."""

import asyncio
from pathlib import Path

import pytest
from tests.databases import BACKENDS, fresh_database

from heliograph.core.accounts import Settings
from heliograph.core.money import SCALE
from heliograph.core.reasons import Reason, Refused
from heliograph.services import accounts, hashes, ledgers, tariffs
from heliograph.services.account_settings import parse_settings
from heliograph.store.database import Database

NOW = 1_790_000_000_000


async def make(db: Database, login: str = "shop", **more: object) -> None:
    if not await db.all("tariffs.list"):
        await tariffs.create(db, "basic")
    await accounts.create(db, login, tariff="basic", now_ms=NOW, **more)  # type: ignore[arg-type]


async def version(db: Database) -> int:
    row = await db.one("snapshot.version")
    assert row is not None
    return int(row[0])


@pytest.mark.parametrize("backend", BACKENDS)
def test_account_is_made_with_its_parts(backend: str, tmp_path: Path) -> None:
    """An account that was made is found again with everything it was given, and a running server hears of it."""

    async def story() -> None:
        async with fresh_database(backend, tmp_path) as db:
            await tariffs.create(db, "basic", currency="EUR")
            before = await version(db)
            made = await accounts.create(
                db,
                "shop",
                tariff="basic",
                currency="EUR",
                now_ms=NOW,
                password="secret1",
                credit=5,
                settings={"sender": "Shop", "test": "yes", "day_limit": "10"},
            )
            assert await version(db) == before + 1
            found = await accounts.show(db, "shop")
            assert found.account == made
            assert found.account.settings == Settings(sender="Shop", test=True, day_limit=10)
            assert (found.tariff, found.balance, found.created_ms) == ("basic", 0, NOW)
            (row,) = await db.all("snapshot.passwords")
            assert hashes.derive(row[2], "secret1") == row[2]
            assert [each.label for each in await accounts.list_passwords(db, "shop")] == ["first"]

    asyncio.run(story())


@pytest.mark.parametrize(
    ("login", "more", "reason"),
    [
        ("no good", {}, Reason.BAD_PARAMETERS),
        ("shop", {}, Reason.NOT_POSSIBLE),
        ("b", {"currency": "EUR"}, Reason.BAD_PARAMETERS),
        ("b", {"password": "пароль"}, Reason.BAD_PARAMETERS),
        ("b", {"password": "short"}, Reason.BAD_PARAMETERS),
        ("b", {"credit": -1}, Reason.BAD_PARAMETERS),
        ("b", {"balance": -1}, Reason.BAD_PARAMETERS),
        ("b", {"settings": {"sendr": "X"}}, Reason.BAD_PARAMETERS),
    ],
)
def test_bad_account_is_refused_and_nothing_kept(
    login: str, more: dict[str, object], reason: Reason, tmp_path: Path
) -> None:
    """A wrong part says what is wrong and leaves neither an account nor a raised version behind."""

    async def story() -> None:
        async with fresh_database("sqlite", tmp_path) as db:
            await make(db)
            before = await version(db)
            with pytest.raises(Refused) as refused:
                await make(db, login, **more)
            assert refused.value.reason == reason and refused.value.detail
            assert await version(db) == before
            assert len(await accounts.list_all(db)) == 1

    asyncio.run(story())


@pytest.mark.parametrize("backend", BACKENDS)
def test_money_moves_with_its_ledger_row(backend: str, tmp_path: Path) -> None:
    """Balance and ledger change together, on either wallet, and an overdraft changes neither."""

    async def story() -> None:
        async with fresh_database(backend, tmp_path) as db:
            await make(db)
            assert await accounts.top_up(db, "shop", 10 * SCALE, now_ms=NOW, note="bank") == 10 * SCALE
            assert await accounts.top_up(db, "shop", SCALE, now_ms=NOW, wallet=2) == SCALE
            await accounts.set_credit(db, "shop", 5 * SCALE)
            assert await accounts.correct(db, "shop", -14 * SCALE, now_ms=NOW, note="slip") == -4 * SCALE
            with pytest.raises(Refused) as refused:
                await accounts.correct(db, "shop", -2 * SCALE, now_ms=NOW, note="too much")
            assert refused.value.reason == Reason.NO_MONEY
            with pytest.raises(Refused) as refused:
                await accounts.set_credit(db, "shop", 0)
            assert refused.value.reason == Reason.NO_MONEY
            found = await accounts.show(db, "shop")
            assert (found.balance, found.balance2, found.account.credit) == (-4 * SCALE, SCALE, 5 * SCALE)
            assert (await ledgers.check(db)).faults == ()

    asyncio.run(story())


def test_top_up_wants_an_amount_above_zero(tmp_path: Path) -> None:
    """Taking money away is a correction with a reason, so that the ledger can be read later."""

    async def story() -> None:
        async with fresh_database("sqlite", tmp_path) as db:
            await make(db)
            for moving in (
                accounts.top_up(db, "shop", 0, now_ms=NOW),
                accounts.top_up(db, "shop", 1, now_ms=NOW, wallet=3),
                accounts.correct(db, "shop", 1, now_ms=NOW, note=" "),
            ):
                with pytest.raises(Refused) as refused:
                    await moving
                assert refused.value.reason == Reason.BAD_PARAMETERS
            with pytest.raises(Refused) as refused:
                await accounts.top_up(db, "nobody", 1, now_ms=NOW)
            assert refused.value.reason == Reason.NOT_FOUND

    asyncio.run(story())


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("day_limt", "5", "did you mean day_limit?"),
        ("day_limit", "many", "a whole number is wanted"),
        ("day_limit", "-1", "at least 0"),
        ("blocked", "perhaps", "yes or no"),
        ("tz", "Mars/Olympus", "Europe/Moscow"),
        ("hours", "9-25", "9-21"),
        ("prefixes", "7;8", "commas"),
        ("addresses", "10.0.0.300", "10.0.0.300"),
        ("addresses", "shop.example", "addresses"),
        ("sender", "\u0412\u0430\u0441\u044f", "Latin"),
        ("sender", "TwelveLetter", "11"),
        ("callback_url", "ftp://x", "http://"),
    ],
)
def test_wrong_setting_says_what_is_wanted(name: str, text: str, said: str) -> None:
    """An operator who mistypes a setting reads how to write it."""
    with pytest.raises(Refused) as refused:
        parse_settings(Settings(), {name: text})
    assert said in refused.value.detail


@pytest.mark.parametrize("backend", BACKENDS)
def test_settings_change_one_by_one(backend: str, tmp_path: Path) -> None:
    """Setting one thing keeps the others; a default can be set again."""

    async def story() -> None:
        async with fresh_database(backend, tmp_path) as db:
            await make(db, settings={"sender": "Shop"})
            await accounts.set_settings(db, "shop", {"blocked": "yes", "tz": "+5"})
            await accounts.set_settings(db, "shop", {"blocked": "no"})
            assert (await accounts.show(db, "shop")).account.settings == Settings(sender="Shop", tz="+5")
            await tariffs.create(db, "dear")
            await accounts.alter(db, "shop", tariff="dear")
            assert (await accounts.show(db, "shop")).tariff == "dear"
            with pytest.raises(Refused):
                await accounts.alter(db, "shop", settings={"sender": "Other"}, tariff="none")
            assert (await accounts.show(db, "shop")).account.settings.sender == "Shop"

    asyncio.run(story())


@pytest.mark.parametrize("backend", BACKENDS)
def test_keys_are_shown_once_and_kept_as_digests(backend: str, tmp_path: Path) -> None:
    """The database holds nothing that opens an account, and a key can be revoked by what its list shows."""

    async def story() -> None:
        async with fresh_database(backend, tmp_path) as db:
            await make(db)
            key = await accounts.create_key(db, "shop", now_ms=NOW, label="site")
            other = await accounts.create_key(db, "shop", now_ms=NOW + 1, key="demo-key")
            assert len(key) == 32 and key.isalnum() and other == "demo-key"
            rows = await db.all("snapshot.keys")
            assert key not in str(rows)
            listed = await accounts.list_keys(db, "shop")
            assert [(each.label, each.hint) for each in listed] == [("site", key[:4]), ("", "demo")]
            with pytest.raises(Refused):
                await accounts.revoke_key(db, "shop", "nothing")
            await accounts.revoke_key(db, "shop", listed[0].digest[:10])
            await accounts.revoke_key(db, "shop", "demo-key")
            assert await accounts.list_keys(db, "shop") == []

    asyncio.run(story())


@pytest.mark.parametrize("backend", BACKENDS)
def test_password_is_removed_from_its_account_only(backend: str, tmp_path: Path) -> None:
    """A number typed for the wrong account takes nobody's password."""

    async def story() -> None:
        async with fresh_database(backend, tmp_path) as db:
            await make(db, "a", password="secret-a")
            await make(db, "b")
            number = await accounts.add_password(db, "b", "secret-b", now_ms=NOW)
            with pytest.raises(Refused):
                await accounts.remove_password(db, "a", number)
            await accounts.remove_password(db, "b", number)
            assert await accounts.list_passwords(db, "b") == []
            assert len(await accounts.list_passwords(db, "a")) == 1

    asyncio.run(story())
