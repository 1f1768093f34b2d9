"""Migrations: applied once, in order, whole, and guarded against change."""

import asyncio
from pathlib import Path

import pytest
from tests.databases import BACKENDS, fresh_url

from heliograph.store.database import Query, StoreError
from heliograph.store.migrate import migrate, read_migrations
from heliograph.store.opening import open_database

TABLES = Query("tables", "SELECT count(*) FROM one", 0)


def folder(tmp_path: Path, **files: str) -> Path:
    made = tmp_path / "steps"
    made.mkdir(exist_ok=True)
    for name, text in files.items():
        (made / f"{name[1:]}.sql").write_text(text)
    return made


def run(backend: str, tmp_path: Path, *stories: Path) -> list[list[str]]:
    """Apply folders one after another to one new database."""

    async def story() -> list[list[str]]:
        (tmp_path / "none").mkdir(exist_ok=True)
        database = await open_database(await fresh_url(backend, tmp_path, migrations=tmp_path / "none"), queries=None)
        try:
            return [await migrate(database, directory, 1) for directory in stories]
        finally:
            await database.close()

    return asyncio.run(story())


@pytest.mark.parametrize("backend", BACKENDS)
def test_each_file_is_applied_once_and_in_order(backend: str, tmp_path: Path) -> None:
    """A restart must not repeat what was done."""
    steps = folder(tmp_path, _0001_first="CREATE TABLE one (a BIGINT); CREATE TABLE two (b TEXT);\n-- the end\n")
    folder(tmp_path, _0002_more="INSERT INTO one VALUES (7);\nINSERT INTO two VALUES ('a;b')")
    assert run(backend, tmp_path, steps, steps) == [["0001_first", "0002_more"], []]


@pytest.mark.parametrize("backend", BACKENDS)
def test_block_is_for_its_database_only(backend: str, tmp_path: Path) -> None:
    """Column types differ; the rest of a table is written once."""
    text = "CREATE TABLE one (a\n-- only: postgres\nBYTEA\n-- end\n-- only: sqlite\nBLOB\n-- end\n);\n"
    assert run(backend, tmp_path, folder(tmp_path, _0001_first=text)) == [["0001_first"]]


def test_words_of_sqlite_become_those_of_postgres(tmp_path: Path) -> None:
    """One text of a table for both: 64 bits, bytes, and texts sorted alike; comments, strings and casts are left alone."""
    text = (
        "CREATE TABLE one (a INTEGER PRIMARY KEY, text TEXT DEFAULT 'TEXT', c BLOB) STRICT, WITHOUT ROWID; -- BLOB\n"
        "CREATE TABLE two (a TEXT) STRICT;\nINSERT INTO two SELECT CAST(a AS TEXT) FROM one;\n"
        "-- only: postgres\nCREATE TABLE three (a INTEGER);\n-- end\n"
    )
    steps = folder(tmp_path, _0001_first=text)
    assert read_migrations(steps, "postgres")[0].sql == (
        "CREATE TABLE one (a BIGINT PRIMARY KEY, text TEXT COLLATE \"C\" DEFAULT 'TEXT', c BYTEA) ; -- BLOB\n"
        'CREATE TABLE two (a TEXT COLLATE "C") ;\nINSERT INTO two SELECT CAST(a AS TEXT) FROM one;\n'
        "CREATE TABLE three (a INTEGER);\n"
    )
    assert read_migrations(steps, "sqlite")[0].sql == text[: text.index("-- only")]


@pytest.mark.parametrize("backend", BACKENDS)
def test_texts_are_sorted_by_bytes(backend: str, tmp_path: Path) -> None:
    """Pages go on where the last one ended, so both databases must agree on what comes next."""

    async def story() -> None:
        steps = folder(tmp_path, _0001_first="CREATE TABLE one (a TEXT);")
        database = await open_database(await fresh_url(backend, tmp_path, migrations=steps), queries=None)
        async with database.transaction() as transaction:
            await transaction.script("INSERT INTO one VALUES ('b'), ('я'), ('Б'), ('a'), ('B'), ('_')")
        rows = await database.all(Query("sorted", "SELECT a FROM one ORDER BY a", 0))
        assert "".join(row[0] for row in rows) == "B_abБя"
        await database.close()

    asyncio.run(story())


@pytest.mark.parametrize("backend", BACKENDS)
def test_trigger_with_semicolons_is_one_statement(backend: str, tmp_path: Path) -> None:
    """SQLite runs statements one by one; a trigger's body holds several."""
    text = (
        "CREATE TABLE one (a BIGINT);\n-- only: sqlite\nCREATE TRIGGER t AFTER INSERT ON one BEGIN\n"
        "UPDATE one SET a = 1; UPDATE one SET a = 2; END;\n-- end\n"
    )
    assert run(backend, tmp_path, folder(tmp_path, _0001_first=text)) == [["0001_first"]]


@pytest.mark.parametrize("backend", BACKENDS)
def test_failing_file_leaves_nothing(backend: str, tmp_path: Path) -> None:
    """A half-applied file could not be applied again."""

    async def story() -> None:
        steps = folder(tmp_path, _0001_first="CREATE TABLE one (a BIGINT);\nINSERT INTO nowhere VALUES (1);\n")
        (tmp_path / "none").mkdir()
        database = await open_database(await fresh_url(backend, tmp_path, migrations=tmp_path / "none"), queries=None)
        with pytest.raises(StoreError, match="nowhere"):
            await migrate(database, steps, 1)
        with pytest.raises(StoreError, match="one"):
            await database.one(TABLES)
        folder(tmp_path, _0001_first="CREATE TABLE one (a BIGINT);\n")
        assert await migrate(database, steps, 1) == ["0001_first"]
        assert await database.one(TABLES) == (0,)
        await database.close()

    asyncio.run(story())


@pytest.mark.parametrize("backend", BACKENDS)
def test_changed_file_is_refused_and_the_remedy_told(backend: str, tmp_path: Path) -> None:
    """Two databases of the same number must not differ."""
    steps = folder(tmp_path, _0001_first="CREATE TABLE one (a BIGINT);")
    other = tmp_path / "other"
    other.mkdir()
    (other / "0001_first.sql").write_text("CREATE TABLE one (a TEXT);")
    with pytest.raises(StoreError, match=r"changed after it was applied.*new migration"):
        run(backend, tmp_path, steps, other)


@pytest.mark.parametrize("backend", BACKENDS)
def test_database_newer_than_the_program_is_refused(backend: str, tmp_path: Path) -> None:
    """An old program would write rows that the new tables do not allow for."""
    steps = folder(tmp_path, _0001_first="CREATE TABLE one (a BIGINT);", _0002_more="CREATE TABLE two (a BIGINT);")
    old = tmp_path / "old"
    old.mkdir()
    (old / "0001_first.sql").write_text("CREATE TABLE one (a BIGINT);")
    with pytest.raises(StoreError, match="newer than this program: it has migration 0002_more"):
        run(backend, tmp_path, steps, old)


@pytest.mark.parametrize("backend", BACKENDS)
def test_two_programs_at_once_apply_each_file_once(backend: str, tmp_path: Path) -> None:
    """A server and a command line may be started in the same second."""

    async def story() -> None:
        steps = folder(tmp_path, _0001_first="CREATE TABLE one (a BIGINT);", _0002_more="INSERT INTO one VALUES (1);")
        (tmp_path / "none").mkdir()
        url = await fresh_url(backend, tmp_path, migrations=tmp_path / "none")
        databases = [await open_database(url, queries=None) for _ in range(2)]
        applied = await asyncio.gather(*(migrate(database, steps, 1) for database in databases))
        assert sorted(applied[0] + applied[1]) == ["0001_first", "0002_more"]
        assert await databases[0].one(TABLES) == (1,)
        for database in databases:
            await database.close()

    asyncio.run(story())


@pytest.mark.parametrize(
    ("name", "text", "complaint"),
    [
        ("_first", "", "called like 0001_first.sql"),
        ("_0002_first", "", "number 0001 must come next"),
        ("_0001_first", "-- only: oracle\n-- end\n", "line 1: write '-- only"),
        ("_0001_first", "-- only: sqlite\n-- only: postgres\n-- end\n", "line 2: write '-- only"),
        ("_0001_first", "-- only: sqlite\n", "has no '-- end'"),
        ("_0001_first", "-- end\n", "line 1: '-- end' without"),
    ],
)
def test_malformed_file_is_named(tmp_path: Path, name: str, text: str, complaint: str) -> None:
    """Whoever writes a migration is told the line."""
    with pytest.raises(StoreError, match=complaint):
        read_migrations(folder(tmp_path, **{name: text}), "sqlite")
