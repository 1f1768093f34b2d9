"""Many rows in few calls (store/sqlite_rows.py)."""

import sqlite3

import pytest

from heliograph.store.queries import SQL_DIRECTORY, load
from heliograph.store.sqlite_rows import WIDEST, run_rows, widen

ADD = "INSERT INTO t (a, b, c) VALUES (?, ?, 0)"


@pytest.mark.parametrize("count", [1, 2, 3, WIDEST - 1, WIDEST, WIDEST + 1, 5 * WIDEST + 7])
def test_every_row_is_written_once_and_in_order(count: int) -> None:
    """Widths are powers of two, so every number of rows is made of several statements."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, a, b, c)")
    rows = [(number, f"text {number}") for number in range(count)]
    run_rows(connection, ADD, rows)
    assert connection.execute("SELECT a, b FROM t ORDER BY id").fetchall() == rows
    run_rows(connection, "UPDATE t SET b = ? WHERE a = ?", [("moved", number) for number in range(count)])
    assert connection.execute("SELECT count(*) FROM t WHERE b = 'moved'").fetchone() == (count,)
    run_rows(connection, "DELETE FROM t WHERE a = ?", [(number,) for number in range(count)])
    assert connection.execute("SELECT count(*) FROM t").fetchone() == (0,)
    connection.close()


def test_what_a_conflict_does_holds_for_each_row() -> None:
    """The words behind the values stay behind all of them."""
    sql = "INSERT INTO t (a, b) VALUES (?, ?) ON CONFLICT (a) DO UPDATE SET b = excluded.b"
    assert widen(sql, 2) == "INSERT INTO t (a, b) VALUES (?, ?), (?, ?) ON CONFLICT (a) DO UPDATE SET b = excluded.b"
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.execute("CREATE TABLE t (a PRIMARY KEY, b)")
    run_rows(connection, sql, [(1, "x"), (2, "y"), (1, "z")])
    assert connection.execute("SELECT a, b FROM t ORDER BY a").fetchall() == [(1, "z"), (2, "y")]
    connection.close()


def test_statements_of_other_shapes_are_left_alone() -> None:
    """Only one row's insertion and a removal by a key mean the same when they are widened."""
    for sql in (
        "INSERT INTO t SELECT a FROM s WHERE b = ?",
        "DELETE FROM t WHERE a BETWEEN ? AND ?",
        "DELETE FROM t WHERE a = ? AND b = 1",
        "UPDATE t SET a = ? WHERE b = ?",
        "INSERT INTO t (a, b) VALUES (?1, ?1)",
    ):
        assert widen(sql, 2) is None, sql


def test_every_named_insertion_keeps_its_values_apart() -> None:
    """A shipped query that is widened has its parameters as often as there are rows."""
    widened = 0
    for query in load(SQL_DIRECTORY, "sqlite").values():
        wide = widen(query.sql, 3)
        if wide is not None:
            widened += 1
            assert wide.count("?") == 3 * query.parameters, query.name
    assert widened > 10
