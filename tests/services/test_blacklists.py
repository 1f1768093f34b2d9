"""Senders, black lists and imported ranges (services/senders.py, services/blacklists.py, services/ranges.py)."""

import asyncio
from pathlib import Path

import pytest
from tests.databases import BACKENDS, fresh_database

from heliograph.core.numbers import make_plan
from heliograph.core.reasons import Reason, Refused
from heliograph.core.regulators import parse_csv
from heliograph.services import accounts, blacklists, ranges, senders, tariffs
from heliograph.services.snapshot import Snapshots
from heliograph.store.database import Database

NOW = 1_790_000_000_000
PLAN = make_plan()


async def make(db: Database) -> Snapshots:
    await tariffs.create(db, "basic")
    await accounts.create(db, "shop", tariff="basic", now_ms=NOW)
    snapshots = Snapshots(db, lambda sealed: sealed)
    await snapshots.load()
    return snapshots


@pytest.mark.parametrize("backend", BACKENDS)
def test_approved_senders_reach_the_server(backend: str, tmp_path: Path) -> None:
    """Only approved names may be used, and a change of state is seen."""

    async def story() -> None:
        async with fresh_database(backend, tmp_path) as db:
            snapshots = await make(db)
            await senders.put(db, "Shop", now_ms=NOW, login="shop")
            await senders.put(db, "Everybody", now_ms=NOW)
            await senders.put(db, "Bank", now_ms=NOW, login="shop", state="waiting")
            assert await snapshots.refresh()
            assert snapshots.current.senders == {0: {"Everybody"}, 1: {"Shop"}}
            await senders.put(db, "Bank", now_ms=NOW + 1, login="shop")
            await senders.remove(db, "Shop", login="shop")
            assert await snapshots.refresh()
            assert snapshots.current.senders == {0: {"Everybody"}, 1: {"Bank"}}
            assert [each.name for each in await senders.list_all(db, "shop")] == ["Bank"]
            assert [(each.login, each.name) for each in await senders.list_all(db)] == [
                ("", "Everybody"),
                ("shop", "Bank"),
            ]

    asyncio.run(story())


@pytest.mark.parametrize(
    ("name", "login", "state", "reason"),
    [
        ("", "", "approved", Reason.BAD_PARAMETERS),
        ("TwelveLetter", "", "approved", Reason.BAD_PARAMETERS),
        ("Магазин", "", "approved", Reason.BAD_PARAMETERS),
        ("Shop", "", "liked", Reason.BAD_PARAMETERS),
        ("Shop", "nobody", "approved", Reason.NOT_FOUND),
    ],
)
def test_sender_that_no_carrier_takes_is_refused(
    name: str, login: str, state: str, reason: Reason, tmp_path: Path
) -> None:
    """A name of more than 11 letters, or of other letters, does not fit into an SMS."""

    async def story() -> None:
        async with fresh_database("sqlite", tmp_path) as db:
            with pytest.raises(Refused) as refused:
                await senders.put(db, name, now_ms=NOW, login=login, state=state)
            assert refused.value.reason == reason
            with pytest.raises(Refused):
                await senders.remove(db, "Shop")

    asyncio.run(story())


@pytest.mark.parametrize("backend", BACKENDS)
def test_numbers_are_listed_in_their_international_form(backend: str, tmp_path: Path) -> None:
    """A number typed as at home must stop messages to the same number written abroad."""

    async def story() -> None:
        async with fresh_database(backend, tmp_path) as db:
            snapshots = await make(db)
            found = await blacklists.add(db, ["8 (916) 123-45-67"], PLAN, now_ms=NOW)
            assert found == ["79161234567"]
            await blacklists.add(db, ["+79161234567"], PLAN, now_ms=NOW, login="shop", type_=1)
            await snapshots.refresh()
            assert snapshots.current.blacklist == {"79161234567": {0: 0, 1: 1}}
            assert await blacklists.remove(db, ["89161234567", "89161234568"], PLAN) == 1
            assert [each.type for each in await blacklists.list_all(db, "shop")] == [1]
            assert await blacklists.list_all(db) == []
            with pytest.raises(Refused) as refused:
                await blacklists.add(db, ["79161234568", "12"], PLAN, now_ms=NOW)
            assert refused.value.reason == Reason.BAD_NUMBER
            assert await blacklists.list_all(db) == []

    asyncio.run(story())


@pytest.mark.parametrize("backend", BACKENDS)
def test_file_of_numbers_is_imported_and_bad_lines_are_told(
    backend: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A list of a million numbers always has some bad lines; they must not stop the others."""

    async def story() -> None:
        monkeypatch.setattr(blacklists, "BATCH", 2)
        async with fresh_database(backend, tmp_path) as db:
            await make(db)
            told: list[int] = []
            lines = ["\ufeff79161234561", "", "89161234562;left", "nonsense", "+79161234563,x", "79161234561"]
            found = await blacklists.import_lines(
                db, lines, PLAN, now_ms=NOW, login="shop", type_=2, progress=told.append
            )
            assert (found.taken, found.bad) == (4, ((4, "nonsense"),))
            listed = [each.phone for each in await blacklists.list_all(db, "shop")]
            assert listed == ["79161234561", "79161234562", "79161234563"] and told[-1] == 6

    asyncio.run(story())


@pytest.mark.parametrize("backend", BACKENDS)
def test_ranges_of_a_source_are_replaced_together(backend: str, tmp_path: Path) -> None:
    """A new edition of a registry takes the place of the old one, other sources stay, and the server reads it anew."""

    async def story() -> None:
        async with fresh_database(backend, tmp_path) as db:
            snapshots = await make(db)
            first = ["79990010000,79990019999,RU,First,Tver,250,99,180", "79990020000,79990029999,RU,Second,,250,98,"]
            done = await ranges.replace(db, "ru", parse_csv(first), now_ms=NOW)
            assert (done.taken, done.bad) == (2, 0)
            await ranges.replace(db, "kz", parse_csv(["7799123,,KZ,Third"]), now_ms=NOW)
            await snapshots.refresh()
            place = snapshots.current.look_up("79990015555")
            assert place is not None and (place.operator, place.mccmnc) == ("First", "25099")
            again = await ranges.replace(db, "ru", parse_csv([*first[1:], "nonsense"]), now_ms=NOW + 1)
            assert (again.taken, again.bad, again.examples[0].line) == (1, 1, 2)
            await snapshots.refresh()
            place = snapshots.current.look_up("79990015555")
            assert place is None or place.operator != "First"
            assert [(each.name, each.count) for each in await ranges.list_sources(db)] == [("kz", 1), ("ru", 1)]
            await ranges.remove(db, "ru", now_ms=NOW + 2)
            assert [each.name for each in await ranges.list_sources(db)] == ["kz"]

    asyncio.run(story())


def test_file_without_ranges_changes_nothing(tmp_path: Path) -> None:
    """The wrong file must not empty the table."""

    async def story() -> None:
        async with fresh_database("sqlite", tmp_path) as db:
            await ranges.replace(db, "ru", parse_csv(["7999001,,RU,First"]), now_ms=NOW)
            for source, lines in (("ru", ["nonsense"]), ("ru", []), (" ", ["7999001,,RU,First"])):
                with pytest.raises(Refused):
                    await ranges.replace(db, source, parse_csv(lines), now_ms=NOW)
            with pytest.raises(Refused, match="ru"):
                await ranges.remove(db, "none", now_ms=NOW)
            assert [each.count for each in await ranges.list_sources(db)] == [1]

    asyncio.run(story())
