"""A small scratch schema and its queries, for tests of the database layer itself."""

from pathlib import Path
from typing import NamedTuple

import pytest

SCHEMA = """CREATE TABLE texts (
  id BIGINT NOT NULL PRIMARY KEY,
  body TEXT NOT NULL,
  raw
  -- only: sqlite
  BLOB
  -- end
  -- only: postgres
  BYTEA
  -- end
  ,
  CONSTRAINT small CHECK (id < 1000000)
);
"""
QUERIES = """-- The scratch queries.
-- name: add
INSERT INTO texts (id, body) VALUES (?, ?)
-- name: add_raw
INSERT INTO texts (id, body, raw) VALUES (?, ?, ?)
-- name: change
UPDATE texts SET body = ? WHERE id = ? RETURNING id, body
-- name: rename
WITH chosen AS (SELECT id FROM texts WHERE id >= ?2) UPDATE texts SET body = ?1 WHERE id IN (SELECT id FROM chosen)
-- name: all
SELECT id, body FROM texts ORDER BY id
-- name: get
SELECT id, body, raw FROM texts WHERE id = ?
-- name: sum
SELECT count(*), sum(id), EXISTS (SELECT 1 FROM texts) FROM texts
"""


class Scratch(NamedTuple):
    """Folders of the scratch migrations and queries."""

    migrations: Path
    queries: Path


@pytest.fixture
def scratch(tmp_path: Path) -> Scratch:
    """One table `texts (id, body, raw)` and queries `texts.add`, `.change`, `.all`, …"""
    made = Scratch(tmp_path / "migrations", tmp_path / "sql")
    made.migrations.mkdir()
    made.queries.mkdir()
    (made.migrations / "0001_first.sql").write_text(SCHEMA.replace("\n  --", "\n--"))
    (made.queries / "texts.sql").write_text(QUERIES)
    return made
