"""Carriers and routes: secrets at rest, what depends on what (services/carriers.py, services/routes.py, store/secrets.py)."""

import asyncio
from pathlib import Path

import pytest
from tests.databases import BACKENDS, fresh_database

from heliograph.core.carriers import Settings
from heliograph.core.reasons import Reason, Refused
from heliograph.core.routing import Conditions
from heliograph.services import carriers, routes
from heliograph.services.snapshot import Snapshots
from heliograph.store.database import StoreError
from heliograph.store.secrets import KEY_FILE, Secrets


@pytest.mark.parametrize("backend", BACKENDS)
def test_password_of_a_carrier_is_encrypted_at_rest(backend: str, tmp_path: Path) -> None:
    """Whoever gets the database without the key file gets no password; a server with it does."""

    async def story() -> None:
        async with fresh_database(backend, tmp_path) as db:
            secrets = Secrets.open(tmp_path)
            await carriers.create(db, secrets, "acme", password="pass-123", settings={"host": "h", "rate": "5"})
            assert "pass-123" not in str(await db.all("carriers.list"))
            (found,) = await carriers.list_all(db, Secrets.open(tmp_path))
            assert found.password == "pass-123" and found.settings == Settings(host="h", rate=5.0)
            assert (await carriers.show(db, "acme")).password == ""
            facts = await Snapshots(db, secrets.unseal).load()
            assert facts.carriers[found.id].password == "pass-123"

    asyncio.run(story())


@pytest.mark.parametrize("backend", BACKENDS)
def test_change_keeps_what_is_not_named(backend: str, tmp_path: Path) -> None:
    """Setting a speed must not lose the password."""

    async def story() -> None:
        async with fresh_database(backend, tmp_path) as db:
            secrets = Secrets.open(tmp_path)
            await carriers.create(db, secrets, "acme", password="one", settings={"host": "h"})
            await carriers.alter(db, secrets, "acme", settings={"links": "2"}, enabled=False)
            (found,) = await carriers.list_all(db, secrets)
            assert (found.settings, found.enabled, found.password) == (Settings(host="h", links=2), False, "one")
            await carriers.alter(db, secrets, "acme", password="two")
            (found,) = await carriers.list_all(db, secrets)
            assert (found.enabled, found.password) == (False, "two")

    asyncio.run(story())


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("hots", "x", "did you mean host?"),
        ("alphabets", "gsm7,ucs4", "did you mean ucs2?"),
        ("failover", "downs", "did you mean down?"),
        ("links", "65", "at most 64"),
        ("bind", "both", "not one of the choices"),
    ],
)
def test_wrong_carrier_setting_says_what_is_wanted(name: str, text: str, said: str) -> None:
    """A carrier that is set up wrongly loses messages; better not to take it."""
    with pytest.raises(Refused) as refused:
        carriers.parse_settings(Settings(), {name: text})
    assert said in refused.value.detail


def test_key_file_is_for_its_owner_and_of_its_installation(tmp_path: Path) -> None:
    """Another key must be told as such, not as a wrong password at the carrier."""
    sealed = Secrets.open(tmp_path).seal("x")
    assert (tmp_path / KEY_FILE).stat().st_mode & 0o777 == 0o600
    assert Secrets.open(tmp_path).unseal(sealed) == "x"
    assert [path.name for path in tmp_path.iterdir()] == [KEY_FILE]
    with pytest.raises(StoreError, match="another"):
        Secrets.open(tmp_path / "other").unseal(sealed)
    (tmp_path / KEY_FILE).write_text("no key")
    with pytest.raises(StoreError, match="no key"):
        Secrets.open(tmp_path)


def test_empty_secret_stays_empty(tmp_path: Path) -> None:
    """A carrier without a password needs no key."""
    secrets = Secrets.open(tmp_path)
    assert secrets.seal("") == "" and secrets.unseal("") == ""


@pytest.mark.parametrize("backend", BACKENDS)
def test_carrier_with_routes_or_messages_stays(backend: str, tmp_path: Path) -> None:
    """Messages that wait for a carrier that is gone would wait for ever."""

    async def story() -> None:
        async with fresh_database(backend, tmp_path) as db:
            secrets = Secrets.open(tmp_path)
            made = await carriers.create(db, secrets, "acme")
            await routes.create(db, "all", carrier="acme")
            with pytest.raises(Refused, match="all"):
                await carriers.remove(db, "acme")
            await routes.remove(db, "all")
            async with db.transaction() as tx:
                await tx.run("queue.add", 7, made.id, 1, 0, 0)
            with pytest.raises(Refused, match="1 messages"):
                await carriers.remove(db, "acme")
            async with db.transaction() as tx:
                await tx.run("queue.remove", 7)
            await carriers.remove(db, "acme")
            assert await carriers.list_all(db) == []

    asyncio.run(story())


@pytest.mark.parametrize("backend", BACKENDS)
def test_route_is_made_changed_and_seen_by_the_server(backend: str, tmp_path: Path) -> None:
    """Conditions are written as people write them, and disabled routes are not used."""

    async def story() -> None:
        async with fresh_database(backend, tmp_path) as db:
            secrets = Secrets.open(tmp_path)
            await carriers.create(db, secrets, "acme")
            await carriers.create(db, secrets, "other")
            texts = {"countries": "ru,kz", "prefixes": "+7916", "kinds": "0,4"}
            await routes.create(db, "some", carrier="acme", priority=5, conditions=texts)
            await routes.create(db, "rest", carrier="acme")
            found = await routes.alter(db, "some", carrier="other", weight=3, conditions={"kinds": "", "senders": "A"})
            assert found.carrier == "other" and found.route.weight == 3 and found.route.priority == 5
            assert found.route.conditions == Conditions(countries=("RU", "KZ"), prefixes=("7916",), senders=("A",))
            assert [each.route.name for each in await routes.list_all(db)] == ["some", "rest"]
            await routes.alter(db, "rest", enabled=False)
            facts = await Snapshots(db, secrets.unseal).load()
            assert facts.routes.routes == (found.route,)

    asyncio.run(story())


def test_bad_route_is_refused(tmp_path: Path) -> None:
    """A route to nowhere, a taken name, a wrong weight or condition."""

    async def story() -> None:
        async with fresh_database("sqlite", tmp_path) as db:
            await carriers.create(db, Secrets.open(tmp_path), "acme")
            await routes.create(db, "all", carrier="acme")
            cases = (
                (routes.create(db, "b", carrier="none"), Reason.NOT_FOUND),
                (routes.create(db, "all", carrier="acme"), Reason.NOT_POSSIBLE),
                (routes.create(db, "b", carrier="acme", weight=-1), Reason.BAD_PARAMETERS),
                (routes.create(db, "b", carrier="acme", conditions={"country": "RU"}), Reason.BAD_PARAMETERS),
                (routes.create(db, "b", carrier="acme", conditions={"countries": "Russia"}), Reason.BAD_PARAMETERS),
                (routes.create(db, "b", carrier="acme", conditions={"operators": "MTS"}), Reason.BAD_PARAMETERS),
                (routes.create(db, "b", carrier="acme", conditions={"prefixes": "7916,x"}), Reason.BAD_PARAMETERS),
                (routes.create(db, "b", carrier="acme", conditions={"kinds": "99"}), Reason.BAD_PARAMETERS),
                (routes.alter(db, "all", conditions={"prefixes": "zz"}), Reason.BAD_PARAMETERS),
                (routes.create(db, " b", carrier="acme"), Reason.BAD_PARAMETERS),
                (routes.alter(db, "none"), Reason.NOT_FOUND),
                (routes.remove(db, "none"), Reason.NOT_FOUND),
            )
            for making, reason in cases:
                with pytest.raises(Refused) as refused:
                    await making
                assert refused.value.reason == reason and refused.value.detail
            assert len(await routes.list_all(db)) == 1

    asyncio.run(story())
