"""Named queries: how files become statements for either database."""

from pathlib import Path

import pytest

from heliograph.store.database import Query, StoreError
from heliograph.store.queries import load, translate


def written(tmp_path: Path, text: str) -> Path:
    (tmp_path / "messages.sql").write_text(text)
    return tmp_path


def test_name_is_noun_of_the_file_and_name_of_the_block(tmp_path: Path) -> None:
    """Callers ask for `messages.accept`; the file is messages.sql."""
    folder = written(
        tmp_path, "-- Of messages.\n\n-- name: accept\nINSERT INTO m VALUES (?, ?);\n-- name: all\nSELECT 1\n"
    )
    assert load(folder, "sqlite") == {
        "messages.accept": Query("messages.accept", "INSERT INTO m VALUES (?, ?)", 2),
        "messages.all": Query("messages.all", "SELECT 1", 0),
    }


def test_question_marks_become_numbers_on_postgres(tmp_path: Path) -> None:
    """The two drivers write parameters differently, the files do not."""
    folder = written(tmp_path, "-- name: a\nSELECT ? FROM m WHERE x = ? AND y = '?' -- really?\n AND z = \"?\" /* ? */")
    found = load(folder, "postgres")["messages.a"]
    assert found.sql == "SELECT $1 FROM m WHERE x = $2 AND y = '?'\n AND z = \"?\""
    assert found.parameters == 2


def test_numbered_mark_is_used_twice(tmp_path: Path) -> None:
    """A value needed in two places is given once."""
    folder = written(tmp_path, "-- name: a\nSELECT ?2, ?1, ?2")
    assert load(folder, "postgres")["messages.a"] == Query("messages.a", "SELECT $2, $1, $2", 2)
    assert load(folder, "sqlite")["messages.a"] == Query("messages.a", "SELECT ?2, ?1, ?2", 2)


def test_own_version_replaces_the_common_one(tmp_path: Path) -> None:
    """Where the databases differ, the second version stands beside the first."""
    folder = written(tmp_path, "-- name: a\nSELECT ?\n-- name: a (postgres)\nSELECT $1 FOR UPDATE\n")
    assert load(folder, "sqlite")["messages.a"].sql == "SELECT ?"
    assert load(folder, "postgres")["messages.a"].sql == "SELECT $1 FOR UPDATE"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("-- name: a (postgres)\nSELECT 1", "messages.a has no version for sqlite"),
        ("-- name: a (sqlite)\nSELECT 1", "messages.a has no version for postgres"),
        ("-- name: a\nSELECT 1\n-- name: a\nSELECT 2", "query a stands there twice"),
        ("-- name: a (oracle)\nSELECT 1", "unknown database 'oracle'"),
        ("-- name: A b\nSELECT 1", "line 1: write '-- name: word'"),
        ("SELECT 1\n-- name: a\nSELECT 1", "SQL before the first"),
        ("-- name: a\n-- nothing\n", "messages.a is empty"),
        ("-- name: a\nSELECT 1; SELECT 2", "messages.a holds several statements"),
        ("-- name: a\nSELECT 1; 'x'", "messages.a holds several statements"),
        ("-- name: a\nSELECT ?, ?1", "messages.a mixes"),
        ("-- name: a\nSELECT $1", "write parameters as"),
        ("-- name: a\nSELECT ?1, ?3", "numbered from 1 without gaps"),
    ],
)
@pytest.mark.parametrize("dialect", ["sqlite", "postgres"])
def test_fault_is_told_at_load_on_both_databases(tmp_path: Path, text: str, complaint: str, dialect: str) -> None:
    """A developer with SQLite must not ship a query that PostgreSQL lacks."""
    with pytest.raises(StoreError, match=complaint.replace("?", r"\?").replace("(", r"\(")):
        load(written(tmp_path, text), "sqlite" if dialect == "sqlite" else "postgres")


def test_statement_may_end_in_a_semicolon_and_a_comment() -> None:
    """Editors add semicolons; a comment after one is no second statement."""
    assert translate("a", "SELECT 1; -- done", "sqlite").sql == "SELECT 1"
