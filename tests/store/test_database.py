"""The store's promises, kept by both databases alike."""

import asyncio
from contextlib import aclosing
from typing import Any

import pytest
from tests.databases import BACKENDS, fresh_database, fresh_url

from heliograph.store.database import Broken, Database, Row, Step, StoreError, Unfit
from heliograph.store.opening import file_of, open_database

both = pytest.mark.parametrize("backend", BACKENDS)


def add(*ids: int, body: str = "text") -> Step:
    return Step("texts.add", [(each, body) for each in ids])


async def ids(database: Database) -> list[int]:
    return [row[0] for row in await database.all("texts.all")]


@both
def test_writes_are_committed_and_told_in_the_order_of_their_calls(backend: str, tmp_path: Any, scratch: Any) -> None:
    """The engine relies on it: a receipt's commit never overtakes the message's."""

    async def story() -> None:
        async with fresh_database(backend, tmp_path, **scratch._asdict()) as database:
            told: list[int] = []
            finished = asyncio.Event()
            for number in range(100):

                def done(_results: object, error: Exception | None, number: int = number) -> None:
                    assert error is None
                    told.append(number)
                    if number == 99:
                        finished.set()

                # Each changes what the one before wrote.
                steps = [Step("texts.rename", [(str(number), 1)], False), add(number + 1)]
                database.write(steps, done)
            await finished.wait()
            assert told == list(range(100))
            assert await database.all("texts.all") == [*((n + 1, "99") for n in range(99)), (100, "text")]

    asyncio.run(story())


@both
def test_reader_sees_a_write_when_it_is_told(backend: str, tmp_path: Any, scratch: Any) -> None:
    """What was answered to one request is there for the next one."""

    async def story() -> None:
        async with fresh_database(backend, tmp_path, **scratch._asdict()) as database:
            for number in range(20):
                await database.transact([add(number)])
                assert len(await ids(database)) == number + 1
            assert await database.one("texts.get", 3) == (3, "text", None)
            assert await database.one("texts.get", 99) is None

    asyncio.run(story())


@both
def test_fetched_rows_come_back_by_step_and_in_order(backend: str, tmp_path: Any, scratch: Any) -> None:
    """Claims and sequences need what the database decided."""

    async def story() -> None:
        async with fresh_database(backend, tmp_path, **scratch._asdict()) as database:
            change = Step("texts.change", [("c", 3), ("x", 9), ("a", 1)], fetch=True)
            assert await database.transact(
                [add(1, 2, 3), change, Step("texts.add", []), Step("texts.change", [], True)]
            ) == [
                [],
                [(3, "c"), (1, "a")],
                [],
                [],
            ]

    asyncio.run(story())


@both
@pytest.mark.parametrize(
    ("row", "kind", "which"),
    [
        ((5, "again"), "unique", "texts.id"),
        ((6, None), "not_null", "texts.body"),
        ((1_000_000, "far"), "check", "small"),
    ],
)
def test_broken_row_takes_its_whole_transaction_back_and_no_other(
    backend: str, row: Row, kind: str, which: str, tmp_path: Any, scratch: Any
) -> None:
    """A batch that fails is divided and tried again, so nothing of it may stay; its neighbours are not touched."""

    async def story() -> None:
        async with fresh_database(backend, tmp_path, **scratch._asdict()) as database:
            outcomes = await asyncio.gather(
                database.transact([add(5)]),
                database.transact([add(10, 11), Step("texts.add", [(12, "good"), row, (13, "good")])]),
                database.transact([add(20)]),
                return_exceptions=True,
            )
            assert outcomes[0] == [[]] and outcomes[2] == [[]]
            assert isinstance(outcomes[1], Broken)
            assert (outcomes[1].kind, outcomes[1].which) == (kind, which)
            assert await ids(database) == [5, 20]

    asyncio.run(story())


@both
@pytest.mark.parametrize("row", [(2**63, "big"), (1, "lone \ud800"), (1, object())])
def test_value_no_column_holds_is_refused_without_being_shown(
    backend: str, row: Row, tmp_path: Any, scratch: Any
) -> None:
    """Error messages reach logs, and texts must not."""

    async def story() -> None:
        async with fresh_database(backend, tmp_path, **scratch._asdict()) as database:
            with pytest.raises(Unfit) as caught:
                await database.transact([add(7), Step("texts.add", [row])])
            assert "texts.add" in str(caught.value)
            assert "lone" not in str(caught.value)
            assert await ids(database) == []

    asyncio.run(story())


@both
def test_values_come_back_as_they_went_in(backend: str, tmp_path: Any, scratch: Any) -> None:
    """Code above the store must not know which database it has: sums are int, truth is 0 or 1, rows are tuples."""

    async def story() -> None:
        async with fresh_database(backend, tmp_path, **scratch._asdict()) as database:
            await database.transact(
                [Step("texts.add_raw", [(-(2**63), "Привет \U0001f600 '?", b"\x00\xff"), (2, "", None)])]
            )
            row = await database.one("texts.get", -(2**63))
            assert row == (-(2**63), "Привет \U0001f600 '?", b"\x00\xff")
            assert type(row) is tuple and type(row[2]) is bytes
            sums = await database.one("texts.sum")
            assert sums == (2, 2 - 2**63, 1)
            assert [type(value) for value in sums or ()] == [int, int, int]

    asyncio.run(story())


@both
def test_transaction_takes_its_turn_and_sees_only_its_own(backend: str, tmp_path: Any, scratch: Any) -> None:
    """Account pages change money beside the hot path; neither may see half of the other."""

    async def story() -> None:
        async with fresh_database(backend, tmp_path, **scratch._asdict()) as database:
            before = asyncio.ensure_future(database.transact([add(1)]))
            await asyncio.sleep(0)  # handed over
            async with database.transaction() as transaction:
                after = asyncio.ensure_future(database.transact([Step("texts.rename", [("after", 1)])]))
                assert await transaction.run("texts.add", 2, "mine") == 1
                assert await transaction.run("texts.rename", "all", 1) == 2
                assert await transaction.run("texts.rename", "none", 77) == 0
                assert await transaction.one("texts.change", "one", 1) == (1, "one")
                assert await transaction.all("texts.all") == [(1, "one"), (2, "all")]
                assert await database.all("texts.all") == [(1, "text")]
                assert before.done() and not after.done()
            await after
            assert await database.all("texts.all") == [(1, "after"), (2, "after")]
            with pytest.raises(StoreError, match="is over"):
                await transaction.one("texts.sum")

    asyncio.run(story())


@both
def test_exception_rolls_a_transaction_back(backend: str, tmp_path: Any, scratch: Any) -> None:
    """Leaving by an exception, or being cancelled, must not keep half a change or block the writer."""

    async def story() -> None:
        async with fresh_database(backend, tmp_path, **scratch._asdict()) as database:
            with pytest.raises(ZeroDivisionError):
                async with database.transaction() as transaction:
                    await transaction.run("texts.add", 1, "x")
                    raise ZeroDivisionError
            entered = asyncio.Event()

            async def linger() -> None:
                async with database.transaction() as transaction:
                    await transaction.run("texts.add", 2, "x")
                    entered.set()
                    await asyncio.Event().wait()

            task = asyncio.ensure_future(linger())
            await entered.wait()
            waiting = asyncio.ensure_future(linger())
            await asyncio.sleep(0)
            waiting.cancel()
            task.cancel()
            await asyncio.gather(task, waiting, return_exceptions=True)
            await database.transact([add(3)])
            assert await ids(database) == [3]

    asyncio.run(story())


@both
def test_swallowed_fault_does_not_leave_half_a_transaction(backend: str, tmp_path: Any, scratch: Any) -> None:
    """PostgreSQL refuses to go on after a fault; SQLite would, so the store refuses for it."""

    async def story() -> None:
        async with fresh_database(backend, tmp_path, **scratch._asdict()) as database:
            with pytest.raises(StoreError, match="nothing of it is kept"):
                async with database.transaction() as transaction:
                    await transaction.run("texts.add", 1, "x")
                    with pytest.raises(Broken):
                        await transaction.run("texts.add", 1, "x")
            assert await ids(database) == []

    asyncio.run(story())


@both
def test_pages_give_every_row_once_of_one_moment(backend: str, tmp_path: Any, scratch: Any) -> None:
    """Exports run for minutes beside the hot path; they must neither repeat, nor stop the writer, nor see it."""

    async def story() -> None:
        async with fresh_database(backend, tmp_path, **scratch._asdict()) as database:
            await database.transact([add(*range(1, 26))])
            sizes: list[int] = []
            seen: list[int] = []
            async with aclosing(database.pages("texts.all", size=10)) as pages:
                async for rows in pages:
                    sizes.append(len(rows))
                    seen += [row[0] for row in rows]
                    await database.transact([add(100 + len(sizes))])
            assert (sizes, seen) == ([10, 10, 5], list(range(1, 26)))
            # Left halfway, more often than there are readers.
            for _ in range(6):
                async with aclosing(database.pages("texts.all", size=2)) as pages:
                    assert len(await anext(pages)) == 2
            assert len(await ids(database)) == 28

    asyncio.run(story())


@both
def test_close_commits_what_was_handed_over(backend: str, tmp_path: Any, scratch: Any) -> None:
    """An orderly stop loses nothing; afterwards the store says that it is closed."""

    async def story() -> None:
        url = await fresh_url(backend, tmp_path, migrations=scratch.migrations)
        database = await open_database(url, queries=scratch.queries)
        told: list[Exception | None] = []
        for number in range(50):
            database.write([add(number)], lambda _results, error: told.append(error))
        await database.close()
        await database.close()
        await asyncio.sleep(0)
        assert told == [None] * 50
        with pytest.raises(StoreError, match="closed"):
            database.write([add(99)], lambda _results, _error: None)
        with pytest.raises(StoreError, match="closed"):
            await database.one("texts.sum")
        again = await open_database(url, queries=scratch.queries)
        assert await ids(again) == list(range(50))
        await again.close()

    asyncio.run(story())


@both
def test_unknown_query_is_refused_at_the_call(backend: str, tmp_path: Any, scratch: Any) -> None:
    """A misspelt name shows where it stands, not in the writer."""

    async def story() -> None:
        async with fresh_database(backend, tmp_path, **scratch._asdict()) as database:
            with pytest.raises(StoreError, match=r"no query is called 'texts.ad'"):
                database.write([Step("texts.ad", [(1, "x")])], lambda _results, _error: None)
            with pytest.raises(StoreError, match=r"texts\.all"):
                await database.all("texts.all", 1)

    asyncio.run(story())


@both
def test_fault_in_a_callback_does_not_stop_the_others(backend: str, tmp_path: Any, scratch: Any) -> None:
    """One bad door must not leave the others without answers."""

    async def story() -> None:
        faults: list[Any] = []
        asyncio.get_running_loop().set_exception_handler(lambda _loop, context: faults.append(context["exception"]))
        async with fresh_database(backend, tmp_path, **scratch._asdict()) as database:

            def fail(_results: object, _error: object) -> None:
                raise ZeroDivisionError

            database.write([add(1)], fail)
            await database.transact([add(2)])
            assert [type(fault) for fault in faults] == [ZeroDivisionError]

    asyncio.run(story())


@both
def test_second_server_is_refused_until_the_first_ends(backend: str, tmp_path: Any, scratch: Any) -> None:
    """Two dispatchers on one queue would send everything twice; a command line beside the server is welcome."""

    async def story() -> None:
        url = await fresh_url(backend, tmp_path, migrations=scratch.migrations)
        first = await open_database(url, queries=scratch.queries)
        second = await open_database(url, queries=scratch.queries)
        await first.lock_for_serving()
        await first.lock_for_serving()
        with pytest.raises(StoreError, match=r"another Heliograph.*stop it first"):
            await second.lock_for_serving()
        await second.transact([add(1)])
        await first.transact([add(2)])
        await first.close()
        await second.lock_for_serving()
        assert await ids(second) == [1, 2]
        await second.close()

    asyncio.run(story())


@both
def test_several_programs_write_at_once(backend: str, tmp_path: Any, scratch: Any) -> None:
    """Hot writes wait for a command line that writes too, instead of failing."""

    async def story() -> None:
        url = await fresh_url(backend, tmp_path, migrations=scratch.migrations)
        opened = [await open_database(url, queries=scratch.queries) for _ in range(3)]
        await asyncio.gather(
            *(database.transact([add(1000 * which + n)]) for n in range(30) for which, database in enumerate(opened))
        )
        assert len(await ids(opened[0])) == 90
        for database in opened:
            await database.close()

    asyncio.run(story())


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("data/h.db", "data/h.db"),
        ("/srv/h.db", "/srv/h.db"),
        ("sqlite:///h.db", "h.db"),
        ("sqlite:////srv/a%20b.db", "/srv/a b.db"),
    ],
)
def test_address_names_a_file(url: str, path: str) -> None:
    """Three slashes are relative and four absolute, as elsewhere."""
    assert str(file_of(url)) == path


@pytest.mark.parametrize("url", ["mysql://h/x", "sqlite://host/x", "sqlite:///", "sqlite:///:memory:", ":memory:", ""])
def test_address_that_names_no_durable_store_is_refused(url: str) -> None:
    """A store in memory would lose what was accepted."""
    with pytest.raises(StoreError):
        file_of(url)
