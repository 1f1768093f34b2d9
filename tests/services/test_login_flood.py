"""Floods of guesses and what the time of a refusal tells: counted in hashes, not in seconds (services/credentials.py)."""

import asyncio
import dataclasses
import hashlib
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.databases import fresh_database

from heliograph.core.accounts import Account
from heliograph.core.reasons import Refusal, Refused
from heliograph.services import accounts, hashes, tariffs
from heliograph.services.credentials import WAITING, WORKERS, Credentials
from heliograph.services.snapshot import Snapshots
from heliograph.store.database import Database

NOW = 1_790_000_000_000
SECRET = "Secret-1"
HOME = "198.51.100.7"
Answer = Account | Refusal | None


class Rig:
    """Credentials over a store; every hash that is computed is counted, as is every answer."""

    def __init__(self, db: Database, snapshots: Snapshots) -> None:
        self.db = db
        self.snapshots = snapshots
        self.credentials = Credentials(snapshots, derive=self.derive)
        self.hashed: list[str] = []
        self.answers: list[Answer] = []
        self.guesses = itertools.count()

    def derive(self, like: str, given: str) -> str:
        self.hashed.append(given)
        return hashes.derive(like, given)

    def ask(self, login: str, psw: str, client: str = "192.0.2.1") -> "asyncio.Future[Answer]":
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()

        def done(found: Answer) -> None:
            self.answers.append(found)
            answer.set_result(found)

        try:
            self.credentials.verify(login, psw, "", client, done)
        except Refused as refused:
            done(Refusal(refused.reason))
        return answer

    def flood(
        self, count: int, login: Callable[[int], str], client: Callable[[int], str]
    ) -> list["asyncio.Future[Answer]"]:
        return [self.ask(login(number), f"guess-{next(self.guesses)}", client(number)) for number in range(count)]


@asynccontextmanager
async def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Rig]:
    """The accounts of an installation: usual ones, and each that could answer sooner or later than an unknown login."""
    # The same way at a hundredth of the cost.
    monkeypatch.setattr(hashes, "_PARAMETERS", dataclasses.replace(hashes._PARAMETERS, memory_cost=64, time_cost=1))
    async with fresh_database("sqlite", tmp_path) as db:
        await tariffs.create(db, "basic")
        for login, settings in (
            ("shop", {}),
            ("rich", {}),
            ("blocked", {"blocked": "yes"}),
            ("listed", {"addresses": HOME}),
        ):
            await accounts.create(db, login, tariff="basic", now_ms=NOW, password=SECRET, settings=settings)
        for number in range(4):
            await accounts.add_password(db, "rich", f"another-{number}", now_ms=NOW)
        await accounts.create(db, "keyed", tariff="basic", now_ms=NOW)
        await accounts.create_key(db, "keyed", now_ms=NOW)
        snapshots = Snapshots(db, lambda sealed: sealed)
        await snapshots.load()
        made = Rig(db, snapshots)
        try:
            yield made
        finally:
            made.credentials.close()


LOGINS = ("shop", "rich", "keyed", "blocked", "listed", "unknown", "x" * 256)


def forms(password: str) -> tuple[str, ...]:
    """Plain, MD5 and SHA-1."""
    raw = password.encode()
    return password, hashlib.md5(raw).hexdigest(), hashlib.sha1(raw).hexdigest()


def test_wrong_password_costs_one_hash_for_every_login_and_form(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The time of a refusal must not tell whether the login exists, how many passwords it has, or that it is blocked."""

    async def story() -> None:
        async with rig(tmp_path, monkeypatch) as r:
            for login in LOGINS:
                for psw in forms("wrong-password"):
                    for _ in range(2):
                        answer = r.ask(login, psw)
                        assert not answer.done(), "never at once"
                        assert await answer is None
                        assert r.hashed == [psw], (login, psw)
                        r.hashed.clear()

    asyncio.run(story())


def test_every_login_goes_through_the_same_workers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A way of its own for unknown logins would be quicker or slower than the usual one under load."""

    async def story() -> None:
        async with rig(tmp_path, monkeypatch) as r:
            for login in LOGINS:
                r.credentials.close()
                r.credentials = Credentials(r.snapshots, workers=1, derive=r.derive)
                r.hashed.clear()
                asked = [r.ask(f"other-{number}", f"guess-{number}", f"203.0.113.{number}") for number in range(3)]
                asked.append(r.ask(login, "wrong-password", "203.0.113.99"))
                asked.append(r.ask("other", "guess-4", "203.0.113.100"))
                assert await asyncio.gather(*asked) == [None] * 5
                assert r.hashed == ["guess-0", "guess-1", "guess-2", "wrong-password", "guess-4"]

    asyncio.run(story())


def test_right_password_that_is_of_no_use_is_hashed_every_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Error 2 for a blocked account, or from an address not on the list, must not come at once when the guess was right."""

    async def story() -> None:
        async with rig(tmp_path, monkeypatch) as r:
            assert await r.ask("listed", SECRET, HOME) is not None
            assert r.ask("listed", SECRET, HOME).done(), "the customer himself is remembered"
            r.hashed.clear()
            for login, psw in (("blocked", SECRET), ("listed", SECRET), ("blocked", "wrong"), ("unknown", "wrong")):
                for form in forms(psw):
                    for _ in range(3):
                        answer = r.ask(login, form)
                        assert not answer.done()
                        await answer
                        assert r.hashed == [form]
                        r.hashed.clear()

    asyncio.run(story())


def test_keys_cost_the_same_known_or_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key is one look into a table of digests and never touches the workers."""

    async def story() -> None:
        async with rig(tmp_path, monkeypatch) as r:
            told: list[Answer] = []
            for key in ("unknown-key", await accounts.create_key(r.db, "shop", now_ms=NOW), ""):
                r.credentials.verify("", "", key, HOME, told.append)
                r.credentials.verify("", key, "", HOME, told.append)
            assert len(told) == 6 and r.hashed == []

    asyncio.run(story())


# Who floods: one address; many that guess one customer's password; many with logins of their own invention.
FLOODS = {
    "one address": (lambda _: "shop", lambda _: "192.0.2.66"),
    "one address, many logins": (lambda number: f"login-{number}", lambda _: "192.0.2.66"),
    "one IPv6 network": (lambda number: f"login-{number}", lambda number: f"2001:db8::{number:x}"),
    "many addresses, one login": (lambda _: "shop", lambda number: f"10.0.{number % 50}.1"),
    "many addresses, many logins": (lambda number: f"login-{number}", lambda number: f"10.0.{number % 50}.1"),
}


@pytest.mark.parametrize("name", FLOODS)
def test_new_login_is_answered_during_a_flood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """A customer at a new address must get in, soon, while others guess, even while they guess his own password."""
    login, client = FLOODS[name]

    async def story() -> None:
        async with rig(tmp_path, monkeypatch) as r:
            # First tries of all of them: only the results tell who they are.
            for _ in range(4):
                await asyncio.gather(*r.flood(50, login, client))
            guesses = r.flood(500, login, client)
            assert not all(guess.done() for guess in guesses)
            r.hashed.clear()
            customer = r.ask("shop", SECRET, HOME)
            guesses += r.flood(500, login, client)
            assert isinstance(await customer, Account)
            # Those that the workers have begun, and one turn of others.
            assert r.hashed.index(SECRET) <= 2 * WORKERS
            await asyncio.gather(*guesses)

    asyncio.run(story())


@pytest.mark.parametrize("name", FLOODS)
def test_flood_of_strangers_is_over_with_their_first_tries(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Nothing is known of any address yet: a customer who comes again gets in after some hundred hashes, not never."""
    login, client = FLOODS[name]

    async def story() -> None:
        async with rig(tmp_path, monkeypatch) as r:
            r.flood(500, login, client)
            for _ in range(200):
                r.flood(100, login, client)
                found = await r.ask("shop", SECRET, HOME)
                if isinstance(found, Account):
                    break
                assert isinstance(found, Refusal), "never told that his password is wrong"
                before = len(r.hashed)
                while len(r.hashed) < before + WORKERS:
                    await asyncio.sleep(0)
            assert isinstance(found, Account)
            assert len(r.hashed) <= 3 * WAITING

    asyncio.run(story())


def test_remembered_customers_are_answered_at_once_in_a_flood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who was verified within ten minutes never waits, from whatever address he comes."""

    async def story() -> None:
        async with rig(tmp_path, monkeypatch) as r:
            assert await r.ask("shop", SECRET, HOME) is not None
            guesses = r.flood(500, lambda _: "shop", lambda number: f"10.0.{number}.1")
            for number in range(100):
                assert r.ask("shop", SECRET, f"203.0.113.{number}").done()
            await asyncio.gather(*guesses)
            assert SECRET not in r.hashed[1:]

    asyncio.run(story())


def test_every_question_of_a_flood_is_answered_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those beyond the bound are told so at once, those that lose their place later; nobody waits for ever."""

    async def story() -> None:
        async with rig(tmp_path, monkeypatch) as r:
            guesses = r.flood(400, lambda number: f"login-{number % 90}", lambda number: f"10.0.0.{number % 7}")
            guesses += r.flood(400, lambda _: "shop", lambda number: f"10.0.1.{number % 200}")
            answers = await asyncio.gather(*guesses)
            assert len(r.answers) == 800
            assert None in answers and any(isinstance(answer, Refusal) for answer in answers)
            assert len(r.hashed) == answers.count(None)
            assert r.credentials._asking == {} and len(r.credentials._turns) == 0

    asyncio.run(story())
