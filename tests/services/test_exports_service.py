"""Deferred tasks on both databases: made, listed, claimed in turns, cancelled, expired."""

import asyncio
from pathlib import Path

import pytest
from tests.databases import BACKENDS, fresh_database
from tests.services.rows import NOW

from heliograph.core.exports import Form, Place, State, Wanted
from heliograph.core.reasons import Reason, Refused
from heliograph.services import exports
from heliograph.store.database import Database


def want(account_id: int = 1, form: Form = Form.CSV) -> Wanted:
    return Wanted(account_id=account_id, start_ms=NOW, end_ms=NOW + 1000, form=form, phones=("79161234567",))


async def make(db: Database, account_id: int = 1, at_ms: int = NOW) -> int:
    return (await exports.create(db, want(account_id), "Отчёт", now_ms=at_ms)).id


@pytest.mark.parametrize("backend", BACKENDS)
def test_task_is_kept_as_it_was_made(backend: str, tmp_path: Path) -> None:
    """And belongs to its account alone, by id and by file."""

    async def story() -> None:
        async with fresh_database(backend, tmp_path) as db:
            made = await exports.create(db, want(form=Form.XLSX), "Отчёт" * 50, now_ms=NOW)
            assert (made.id, made.name, made.status) == (1, ("Отчёт" * 50)[:100], State.WAITING)
            assert (made.wanted, made.place, made.ready) == (want(form=Form.XLSX), Place(), "")
            assert made.file.startswith("history-2026-09-") and made.file.endswith(".xlsx") and len(made.file) == 45
            assert await exports.find(db, 1, 1) == await exports.find_file(db, 1, made.file) == made
            assert await exports.find(db, 2, 1) is None
            assert await exports.find_file(db, 2, made.file) is None
            assert await exports.cancel(db, 2, 1, now_ms=NOW) is None
            other = await exports.create(db, want(2), "", now_ms=NOW)
            assert other.file != made.file
            assert [task.id for task in await exports.list_tasks(db, 1)] == [1]
            assert [task.id for task in await exports.list_all(db)] == [1, 2]
            assert await exports.list_tasks(db, 1, after_id=1) == []

    asyncio.run(story())


@pytest.mark.parametrize("backend", BACKENDS)
def test_accounts_take_turns(backend: str, tmp_path: Path) -> None:
    """Ten exports of one customer do not hold up the one of another."""

    async def story() -> None:
        async with fresh_database(backend, tmp_path) as db:
            for account_id in (1, 1, 1, 2, 2, 3):
                await make(db, account_id)
            claimed = []
            for number in range(7):
                task = await exports.claim(db, now_ms=NOW + number)
                if task is not None:
                    claimed.append((task.account_id, task.id))
                    assert task.status is State.RUNNING and task.started_ms == NOW + number
                    assert await exports.finish(db, task.id, 5, now_ms=NOW + number)
            assert claimed == [(1, 1), (2, 4), (3, 6), (1, 2), (2, 5), (1, 3)]

    asyncio.run(story())


@pytest.mark.parametrize("backend", BACKENDS)
def test_progress_and_end_are_written_down(backend: str, tmp_path: Path) -> None:
    """What a restart goes on from, and what the customer sees."""

    async def story() -> None:
        async with fresh_database(backend, tmp_path) as db:
            await make(db)
            assert await exports.list_running(db) == []
            await exports.claim(db, now_ms=NOW)
            place = Place(first=1, last=9, later=False, int_id=5, looked=50, total=80, rows=40, bytes=1234)
            assert await exports.note_progress(db, 1, place)
            (task,) = await exports.list_running(db)
            assert (task.place, task.rows_done, task.rows_all, task.percent) == (place, 40, 70, 62)
            assert await exports.finish(db, 1, 66, now_ms=NOW + 9)
            task = (await exports.list_tasks(db, 1))[0]
            assert (task.status, task.rows_done, task.rows_all, task.percent, task.ready) == (2, 66, 66, 100, task.file)
            await make(db)
            await exports.claim(db, now_ms=NOW)
            assert await exports.fail(db, 2, "no room", now_ms=NOW + 9)
            task = (await exports.list_tasks(db, 1))[1]
            assert (task.status, task.complaint, task.ready, task.ended_ms) == (State.FAILED, "no room", "", NOW + 9)
            assert await exports.count_states(db) == {2: 1, 4: 1}

    asyncio.run(story())


@pytest.mark.parametrize("backend", BACKENDS)
def test_cancelled_task_takes_no_news(backend: str, tmp_path: Path) -> None:
    """A process that was about to tell its end must not bring the task back; what is done can be cancelled, once."""

    async def story() -> None:
        async with fresh_database(backend, tmp_path) as db:
            for _ in range(3):
                await make(db)
            await exports.claim(db, now_ms=NOW)
            running, waiting = (await exports.find(db, 1, 1)), (await exports.find(db, 1, 2))
            assert running is not None and waiting is not None
            assert await exports.cancel(db, 1, 1, now_ms=NOW) == running.file
            assert await exports.cancel(db, 1, 2, now_ms=NOW) == waiting.file
            assert not await exports.note_progress(db, 1, Place())
            assert not await exports.finish(db, 1, 5, now_ms=NOW)
            assert not await exports.fail(db, 1, "x", now_ms=NOW)
            assert await exports.cancel(db, 1, 1, now_ms=NOW) is None
            done = await exports.claim(db, now_ms=NOW)
            assert done is not None and await exports.finish(db, done.id, 5, now_ms=NOW)
            assert await exports.cancel(db, 1, 3, now_ms=NOW) == done.file
            assert await exports.count_states(db) == {3: 3}

    asyncio.run(story())


@pytest.mark.parametrize("backend", BACKENDS)
def test_tasks_of_an_account_are_bounded(backend: str, tmp_path: Path) -> None:
    """Those that take room count; another account has its own."""

    async def story() -> None:
        async with fresh_database(backend, tmp_path) as db:
            for _ in range(2):
                await exports.create(db, want(), "", now_ms=NOW, most=2)
            with pytest.raises(Refused) as refused:
                await exports.create(db, want(), "", now_ms=NOW, most=2)
            assert refused.value.reason is Reason.TOO_MANY_TASKS
            await exports.create(db, want(2), "", now_ms=NOW, most=2)
            await exports.cancel(db, 1, 1, now_ms=NOW)
            await exports.create(db, want(), "", now_ms=NOW, most=2)

    asyncio.run(story())


@pytest.mark.parametrize("backend", BACKENDS)
def test_expired_tasks_go_and_their_ids_do_not_come_back(backend: str, tmp_path: Path) -> None:
    """A client that asks for what follows the last id it knows must find the next task."""

    async def story() -> None:
        async with fresh_database(backend, tmp_path) as db:
            for number in range(3):
                await make(db)
                task = await exports.claim(db, now_ms=NOW)
                assert task is not None
                await exports.finish(db, task.id, 1, now_ms=NOW + number)
            await make(db)
            files = [task.file for task in await exports.list_all(db)]
            assert await exports.list_files(db) == dict.fromkeys(files[:3], True)
            assert sorted(await exports.expire(db, NOW + 2)) == sorted(files[:2])
            assert [task.id for task in await exports.list_all(db)] == [3, 4]
            await exports.expire(db, NOW + 3)
            await exports.cancel(db, 1, 4, now_ms=NOW)
            await exports.expire(db, NOW + 3)
            assert await exports.list_all(db) == []
            assert await make(db) == 5

    asyncio.run(story())


def test_files_are_removed_with_all_that_stands_beside_them(tmp_path: Path) -> None:
    """And nothing else is."""
    for name in ("a.csv", "a.csv.part", "b.csv"):
        (tmp_path / name).write_text("x")
    (tmp_path / "a.csv.work").mkdir()
    (tmp_path / "a.csv.work" / "sheet").write_text("x")
    exports.remove_files(tmp_path, "a.csv")
    exports.remove_files(tmp_path, "a.csv")
    assert [path.name for path in tmp_path.iterdir()] == ["b.csv"]
