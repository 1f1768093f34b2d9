"""The large store of ./dev bench reading is as its account says, the same each time, and can be read (bench/archive.py)."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from bench import archive, reading
from bench.lookups import measure_history, measure_statistics
from bench.preparation import fill_store
from tests.databases import BACKENDS, fresh_url

from heliograph.services import ledgers
from heliograph.store.database import Query, Row
from heliograph.store.opening import open_database

NOW = 1_790_000_000_000
TEXTS = 20_000
SMALL = 5


async def make(backend: str, tmp_path: Path) -> str:
    """A store with the accounts and the texts."""
    url = await fresh_url(backend, tmp_path)
    address = url.removeprefix("sqlite:///")
    await fill_store(tmp_path, address, carrier_port=9, callback_url="", many=[""] * SMALL)
    await asyncio.to_thread(archive.fill, address, TEXTS, SMALL, NOW)
    return address


async def ask(address: str, sql: str) -> list[Row]:
    """All rows of a query."""
    db = await open_database(address)
    try:
        return await db.all(Query("asked", sql, 0))
    finally:
        await db.close()


@pytest.mark.parametrize("backend", BACKENDS)
def test_store_is_as_it_is_described(backend: str, tmp_path: Path) -> None:
    """Figures of a store with other shares would be compared with what they are not."""

    async def story() -> None:
        address = await make(backend, tmp_path)
        accounts = dict(await ask(address, "SELECT account_id, count(*) FROM messages GROUP BY account_id"))  # type: ignore[arg-type]
        assert accounts[archive.BIG] == pytest.approx(0.8 * TEXTS, rel=0.02)
        assert accounts[archive.MIDDLE] == pytest.approx(0.1 * TEXTS, rel=0.1)
        assert set(accounts) == {1, 2, *range(archive.FIRST_SMALL, archive.FIRST_SMALL + SMALL)}
        heavy = await ask(address, f"SELECT count(*) FROM messages WHERE phone = '{archive.HEAVY}'")
        assert heavy[0][0] == pytest.approx(0.01 * TEXTS, rel=0.2)
        statuses = await ask(address, "SELECT DISTINCT status FROM messages ORDER BY status")
        assert [row[0] for row in statuses] == [1, 2, 3, 4, 20]
        later = await ask(address, "SELECT count(*) FROM messages WHERE send_ms - created_ms > 86400000")
        future = await ask(address, f"SELECT count(*) FROM messages WHERE changed_ms > {NOW}")
        assert later[0][0] > 0 and future == [(0,)]
        db = await open_database(address)
        report = await ledgers.check(db)
        await db.close()
        assert report.messages == TEXTS and report.faults == ()

    asyncio.run(story())


def test_two_stores_of_a_size_are_the_same_on_both_databases(tmp_path: Path) -> None:
    """What is measured on one is compared with the other."""

    async def story() -> list[list[Row]]:
        found = []
        for backend in BACKENDS:
            (tmp_path / backend).mkdir()
            address = await make(backend, tmp_path / backend)
            sums = "sum(fingerprint % 1000003), sum(changed_ms % 1000003), sum(cost - refunded), min(phone), max(phone)"
            found.append(
                await ask(address, f"SELECT CAST(account_id AS BIGINT), {sums} FROM messages GROUP BY 1 ORDER BY 1")
            )
        return found

    first, second = asyncio.run(story())
    assert [tuple(map(str, row)) for row in first] == [tuple(map(str, row)) for row in second]


@pytest.mark.parametrize("backend", BACKENDS)
def test_every_filter_finds_its_messages(backend: str, tmp_path: Path) -> None:
    """A filter that finds nothing would be measured as fast."""

    async def story() -> tuple[dict[str, Any], dict[str, Any]]:
        address = await make(backend, tmp_path)
        db = await open_database(address)
        try:
            told: list[str] = []
            pages = await measure_history(db, TEXTS, NOW, 8, told.append, SMALL)
            return pages, await measure_statistics(db, NOW, 2)
        finally:
            await db.close()

    pages, sums = asyncio.run(story())
    empty = {name for name, figures in pages.items() if not figures["rows"]}
    assert {name for name in empty if "rare" not in name and "address" not in name and "common" not in name} == set()
    assert pages["everything"]["rows"] == 1000
    assert len(sums) == 3


def test_kept_store_is_used_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Ten million texts are made once; the tables are those of the other steps."""
    arguments = ["--stored", "10000", "--keep", str(tmp_path), "--samples", "1", "--parts", "statistics", "--json"]
    assert reading.main([*arguments, "--check"]) == 0
    first = json.loads(capsys.readouterr().out)
    made = (tmp_path / "sqlite" / "data" / "heliograph.db").stat().st_mtime_ns
    assert reading.main(arguments) == 0
    again = json.loads(capsys.readouterr().out)
    assert (tmp_path / "sqlite" / "data" / "heliograph.db").stat().st_mtime_ns == made
    assert set(first["steps"]["reading"]) == set(again["steps"]["reading"])
    assert first["machine"]["filled in s"] == again["machine"]["filled in s"]
