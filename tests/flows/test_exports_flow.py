"""Exports on the whole program: made and fetched like a client does, the server killed in between, nothing slow for long."""

import asyncio
import contextlib
import gzip
import sqlite3
from pathlib import Path
from typing import Any

from tests.flows.rig import Answer, Carrier, Program, prepare, until
from tests.services.rows import make_message, put

from heliograph.core.exports import Wanted
from heliograph.services.excerpts import Job, build
from heliograph.store.opening import open_database

MANY = 200_000  # some two seconds of work
EAGER = {"HELIOGRAPH_EXPORTS_NICE": "0"}  # a test does not wait until the machine has nothing else to do
PERIOD = {"start": "20.09.2026", "end": "22.09.2026"}


async def fill(url: str, count: int) -> None:
    """Sent messages of the account, as they are after a busy day."""
    db = await open_database(url)
    await put(db, [make_message(n) for n in range(1, count + 1)])
    await db.close()


async def ask(program: Program, **parameters: object) -> Any:
    return (await program.ask("downloads", fmt=3, **parameters)).json


async def fetch(program: Program, **parameters: object) -> Answer:
    return await program.ask("downloads", get_file=1, **parameters)


async def percent_is(program: Program, id_: int, least: int) -> bool:
    """Asked once in a while, for a client may ask sixty times a minute only."""
    await asyncio.sleep(0.2)
    told = await ask(program, progress=1, id=id_)
    assert told["status"] < 3, told
    return bool(told["percent"] >= least)


async def undisturbed(url: str, folder: Path) -> bytes:
    """What the file must be."""
    folder.mkdir()
    db = await open_database(url)
    period = {"start_ms": 1_789_851_600_000, "end_ms": 1_790_110_800_000}  # midnights in Moscow
    wanted = Wanted(account_id=1, currency="RUR", **period)  # type: ignore[arg-type]
    await build(db, Job(database="", folder=str(folder), file="whole", wanted=wanted), lambda news: None)
    await db.close()
    return (folder / "whole").read_bytes()


def test_export_is_made_and_fetched(tmp_path: Path) -> None:
    """add, progress, get_list, get_file by id and by name, cancel: with a text sent a moment ago in it."""

    async def story() -> None:
        url = f"sqlite:///{tmp_path / 'flow.db'}"
        async with Carrier() as carrier:
            program = Program(tmp_path, database=url, environment=EAGER)
            await prepare(url, program.data, carrier.port)
            await fill(url, 3000)
            async with program:
                assert await ask(program, get_list=1) == []
                assert await ask(program, add=1, name="Сентябрь", **PERIOD) == {"id": 1}
                assert await ask(program, add=1, form="xlsx", **PERIOD) == {"id": 2}
                assert await ask(program, add=1, form="gzip", phone="79160000007", **PERIOD) == {"id": 3}
                await until(lambda: percent_is(program, 3, 100))
                tasks = await ask(program, get_list=1)
                assert [(task["id"], task["status"]) for task in tasks] == [(1, "2"), (2, "2"), (3, "2")]
                assert tasks[0]["name"] == "Сентябрь"
                file = await fetch(program, id=1)
                assert file.body == await undisturbed(url, tmp_path / "own")
                assert file.headers["content-length"] == str(len(file.body))
                assert file.headers["content-type"] == "text/csv; charset=utf-8"
                assert file.headers["content-disposition"].endswith(f'filename="{tasks[0]["file"].lower()}"')
                assert (await fetch(program, name=tasks[0]["file"])).body == file.body
                assert (await fetch(program, id=2)).body.startswith(b"PK\x03\x04")
                lines = gzip.decompress((await fetch(program, id=3)).body).decode("utf-8-sig").splitlines()
                assert len(lines) == 2 and lines[1].startswith("7;7;79160000007;Shop;")
                assert await ask(program, cancel=1, id=1) == {"result": "OK"}
                assert (await fetch(program, id=1, fmt=1)).body == b"0,-5"
                assert len(list((program.data / "exports").iterdir())) == 2
                metrics = await program.raw(b"GET /metrics HTTP/1.1\r\nHost: flow\r\nConnection: close\r\n\r\n")
                assert b"heliograph_export_tasks" in metrics.body
                assert await program.stop() == 0
            assert "error" not in program.log

    asyncio.run(story())


def test_killed_server_goes_on_with_its_export(tmp_path: Path) -> None:
    """SIGKILL while the file is written: the process ends, too, and the next run of the server makes the same file."""

    async def story() -> None:
        url = f"sqlite:///{tmp_path / 'flow.db'}"
        async with Carrier() as carrier:
            program = Program(tmp_path, database=url, environment=EAGER)
            await prepare(url, program.data, carrier.port)
            await fill(url, MANY)
            folder = program.data / "exports"
            async with program:
                assert await ask(program, add=1, **PERIOD) == {"id": 1}
                await until(lambda: rows_done(tmp_path / "flow.db") > 0)
                child = Path(f"/proc/{program.pid}/task/{program.pid}/children").read_text().split()
                await program.kill()
                await until(lambda: not any(is_builder(int(pid)) for pid in child))
                assert [path.suffix for path in folder.iterdir()] == [".part"]
            async with program:
                await until(lambda: percent_is(program, 1, 100))
                file = await fetch(program, id=1)
                assert file.body == await undisturbed(url, tmp_path / "own")
                assert await program.stop() == 0

    asyncio.run(story())


def test_stop_does_not_wait_for_an_export(tmp_path: Path) -> None:
    """SIGTERM ends the process, and the task goes on with the next start."""

    async def story() -> None:
        url = f"sqlite:///{tmp_path / 'flow.db'}"
        async with Carrier() as carrier:
            program = Program(tmp_path, database=url, environment=EAGER)
            await prepare(url, program.data, carrier.port)
            await fill(url, MANY // 2)
            async with program:
                await ask(program, add=1, **PERIOD)
                await until(lambda: any(path.stat().st_size for path in (program.data / "exports").glob("*.part")))
                pid = program.pid
                assert await program.stop() == 0
                assert pid and not any((program.data / "exports").glob("*.csv"))
            async with program:
                await until(lambda: percent_is(program, 1, 100))
                assert await program.stop() == 0

    asyncio.run(story())


def rows_done(path: Path) -> int:
    """How far the task is by what the store says, which is where the next run goes on."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        found: int = connection.execute("SELECT rows_done FROM tasks").fetchone()[0]
    return found


def is_builder(pid: int) -> bool:
    """Whether a process that builds an export lives under this number."""
    try:
        return b"build-export" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
