"""Credentials: which form of a password is right, what is remembered, what stops working (services/credentials.py)."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.databases import fresh_database

from heliograph.core.accounts import Account
from heliograph.core.reasons import Reason, Refusal, Refused
from heliograph.services import accounts, credentials, tariffs
from heliograph.services.credentials import Credentials
from heliograph.services.snapshot import Snapshots
from heliograph.store.database import Database

NOW = 1_790_000_000_000
SECRET = "Secret-1"
HERE = "192.0.2.1"
# A password may itself look like a hash.
HEX32 = "0123456789abcdef0123456789abcdef"


class World:
    """A store with one account, its snapshot and its credentials, and a clock that is moved by hand."""

    def __init__(self, db: Database) -> None:
        self.db = db
        self.now = 0.0
        self.snapshots = Snapshots(db, lambda sealed: sealed)

    async def start(self) -> None:
        await tariffs.create(self.db, "basic")
        await accounts.create(self.db, "shop", tariff="basic", now_ms=NOW, password=SECRET)
        await self.snapshots.load()
        self.credentials = Credentials(self.snapshots, clock=lambda: self.now)

    async def ask(self, login: str, psw: str, apikey: str = "", client: str = HERE) -> Account | Refusal | None:
        answer: asyncio.Future[Account | Refusal | None] = asyncio.get_running_loop().create_future()
        self.credentials.verify(login, psw, apikey, client, answer.set_result)
        return await answer

    async def find(self, login: str, psw: str, apikey: str = "", client: str = HERE) -> Account:
        """The account, which must be found."""
        found = await self.ask(login, psw, apikey, client)
        assert isinstance(found, Account)
        return found

    def ask_now(self, login: str, psw: str, apikey: str = "", client: str = HERE) -> list[Account | Refusal | None]:
        """What ``done`` is told before ``verify`` returns."""
        told: list[Account | Refusal | None] = []
        self.credentials.verify(login, psw, apikey, client, told.append)
        return list(told)


@asynccontextmanager
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with fresh_database("sqlite", tmp_path) as db:
        made = World(db)
        await made.start()
        try:
            yield made
        finally:
            made.credentials.close()


def test_password_is_taken_plain_as_md5_and_as_sha1(tmp_path: Path) -> None:
    """Clients send any of the three forms (spec sending 1.2)."""

    async def story() -> None:
        async with world(tmp_path) as w:
            md5 = hashlib.md5(SECRET.encode()).hexdigest()
            sha1 = hashlib.sha1(SECRET.encode()).hexdigest()
            for form in (SECRET, md5, sha1):
                assert (await w.find("shop", form)).login == "shop"
            for wrong in (
                "secret-1",
                md5.upper(),
                sha1[:-1] + "0" if sha1[-1] != "0" else sha1[:-1] + "1",
                "",
                "x" * 500,
            ):
                assert await w.ask("shop", wrong) is None
            assert await w.ask("nobody", SECRET) is None

    asyncio.run(story())


def test_password_that_looks_like_a_hash_works_plain(tmp_path: Path) -> None:
    """32 hex digits may be somebody's password; its MD5 works as well."""

    async def story() -> None:
        async with world(tmp_path) as w:
            await accounts.add_password(w.db, "shop", HEX32, now_ms=NOW)
            await w.snapshots.refresh()
            assert await w.ask("shop", HEX32) is not None
            assert await w.ask("shop", hashlib.md5(HEX32.encode()).hexdigest()) is not None
            assert await w.ask("shop", SECRET) is not None

    asyncio.run(story())


def test_key_alone_is_enough(tmp_path: Path) -> None:
    """A key replaces login and password, and may come as the password of an empty login, answered at once."""

    async def story() -> None:
        async with world(tmp_path) as w:
            key = await accounts.create_key(w.db, "shop", now_ms=NOW)
            assert w.ask_now("", "", key) == [None]
            await w.snapshots.refresh()
            for login, psw, apikey in (("", "", key), ("", key, ""), ("other", "wrong", key)):
                (found,) = w.ask_now(login, psw, apikey)
                assert isinstance(found, Account) and found.login == "shop"
            assert w.ask_now("", "", "") == [None]
            assert w.ask_now("", "", key + "x") == [None]

    asyncio.run(story())


def test_verified_password_is_answered_at_once_for_ten_minutes(tmp_path: Path) -> None:
    """The second request of a customer costs no hash; after ten minutes the next one does."""

    async def story() -> None:
        async with world(tmp_path) as w:
            assert w.ask_now("shop", SECRET) == []
            assert await w.ask("shop", SECRET) is not None
            w.now = credentials.REMEMBERED_S - 1
            (found,) = w.ask_now("shop", SECRET)
            assert found is not None
            w.now = credentials.REMEMBERED_S
            assert w.ask_now("shop", SECRET) == []
            assert await w.ask("shop", SECRET) is not None

    asyncio.run(story())


def test_removed_password_stops_with_the_new_snapshot(tmp_path: Path) -> None:
    """A password that was taken away must not live on in the memory of verified ones, nor in a check under way."""

    async def story() -> None:
        async with world(tmp_path) as w:
            assert await w.ask("shop", SECRET) is not None
            (password,) = await accounts.list_passwords(w.db, "shop")
            await accounts.add_password(w.db, "shop", "another-1", now_ms=NOW)
            await w.snapshots.refresh()
            assert w.ask_now("shop", SECRET) != [], "another change forgets nobody"
            under_way: asyncio.Future[Account | Refusal | None] = asyncio.get_running_loop().create_future()
            await accounts.remove_password(w.db, "shop", password.id)
            w.credentials.verify("shop", hashlib.md5(SECRET.encode()).hexdigest(), "", HERE, under_way.set_result)
            await w.snapshots.refresh()
            assert await under_way is None
            assert await w.ask("shop", SECRET) is None
            assert await w.ask("shop", "another-1") is not None

    asyncio.run(story())


def test_remembered_account_has_its_new_settings(tmp_path: Path) -> None:
    """A limit that was set must hold for a customer whose password is remembered, and so must a block."""

    async def story() -> None:
        async with world(tmp_path) as w:
            await w.ask("shop", SECRET)
            await accounts.set_settings(w.db, "shop", {"concurrency": "3"})
            await w.snapshots.refresh()
            (found,) = w.ask_now("shop", SECRET)
            assert isinstance(found, Account) and found.settings.concurrency == 3
            await accounts.set_settings(w.db, "shop", {"blocked": "yes"})
            await w.snapshots.refresh()
            assert (await w.find("shop", SECRET)).settings.blocked

    asyncio.run(story())


def test_many_with_one_password_share_one_check(tmp_path: Path) -> None:
    """A customer who opens a hundred connections at once must not fill the queue of the hash workers."""

    async def story() -> None:
        async with world(tmp_path) as w:
            found = await asyncio.gather(*(w.ask("shop", SECRET) for _ in range(200)))
            assert all(account is not None for account in found)

    asyncio.run(story())


def test_too_many_checks_are_refused_not_failed(tmp_path: Path) -> None:
    """Somebody who floods with guesses must not make others look as if their password was wrong."""

    async def story() -> None:
        async with world(tmp_path) as w:
            w.credentials.close()
            w.credentials = Credentials(w.snapshots, waiting=4)
            asked = [asyncio.ensure_future(w.ask("shop", f"guess-{n}")) for n in range(3)]
            await asyncio.sleep(0)
            with pytest.raises(Refused) as refused:
                w.ask_now("shop", SECRET)
            assert refused.value.reason == Reason.TOO_MANY_AT_ONCE
            assert await asyncio.gather(*asked) == [None] * 3
            assert await w.ask("shop", SECRET) is not None

    asyncio.run(story())


def test_memory_of_verified_ones_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that was used longest ago is forgotten first."""

    async def story() -> None:
        monkeypatch.setattr(credentials, "REMEMBERED", 1)
        async with world(tmp_path) as w:
            await w.ask("shop", SECRET)
            await w.ask("shop", hashlib.md5(SECRET.encode()).hexdigest())
            assert w.ask_now("shop", SECRET) == []
            assert await w.ask("shop", SECRET) is not None

    asyncio.run(story())
