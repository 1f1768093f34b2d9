"""Named SQL read from files: `sql/<noun>.sql` holds the queries `<noun>.<name>` of both databases (design section 9).

A file is a row of blocks, each opened by a line of its own:

    -- name: accept                 one text for both databases
    -- name: claim (postgres)       the text for one database, standing beside (or instead of) the common one

Parameters are written `?`, or `?1`, `?2` where one is used twice; they become `$1`, `$2` on PostgreSQL. Comments are
dropped, so they may hold quotes and question marks.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from heliograph.store.database import Dialect, Query, Step, StoreError

DIALECTS: tuple[Dialect, ...] = ("sqlite", "postgres")
SQL_DIRECTORY = Path(__file__).parent / "sql"

_OPENING = re.compile(r"^--\s*name:(?P<rest>.*)$")
_NAME = re.compile(r"^\s*(?P<name>[a-z][a-z0-9_]*)\s*(?:\((?P<dialect>\w+)\))?\s*$")
_TOKEN = re.compile(
    r"""(?P<comment>--[^\n]*|/\*.*?\*/)
      | (?P<quoted>'(?:[^']|'')*'|"(?:[^"]|"")*")
      | (?P<mark>\?\d*|\$\d+)
      | (?P<end>;)""",
    re.VERBOSE | re.DOTALL,
)


class Work(NamedTuple):
    """A `Step` made ready for a writer: the SQL, and the query's name for error messages."""

    name: str
    sql: str
    rows: Sequence[Sequence[Any]]
    fetch: bool


class _Block(NamedTuple):
    """A named block of a file before translation; `dialect` is "" for the common version."""

    name: str
    dialect: Literal["sqlite", "postgres", ""]
    text: str


def load(directory: Path, dialect: Dialect) -> dict[str, Query]:
    """All queries of `directory/*.sql` for one database, by full name.

    Raises StoreError naming file and query when a name is malformed or used twice, a database is unknown or has no
    version, or a text is empty, holds several statements or mixes ways of writing parameters.
    """
    queries: dict[str, Query] = {}
    for path in sorted(directory.glob("*.sql")):
        versions: dict[str, dict[str, str]] = {}
        for block in _blocks(path):
            beside = versions.setdefault(block.name, {})
            if block.dialect in beside:
                raise StoreError(f"{path.name}: query {block.name} stands there twice for {block.dialect or 'both'}")
            beside[block.dialect] = block.text
        for name, texts in versions.items():
            full = f"{path.stem}.{name}"
            # Both databases are read whatever runs, so that a fault shows on the developer's one, not on the other.
            made = {each: _choose(full, texts, each) for each in DIALECTS}
            queries[full] = made[dialect]
    return queries


def find(queries: Mapping[str, Query], query: str | Query) -> Query:
    """The query of a name (one made elsewhere is given back); StoreError when there is none."""
    if isinstance(query, Query):
        return query
    found = queries.get(query)
    if found is None:
        raise StoreError(f"no query is called {query!r}")
    return found


def prepare(queries: Mapping[str, Query], steps: Sequence[Step]) -> list[Work]:
    """Steps made ready for a writer; StoreError for an unknown query."""
    works = []
    for query, rows, fetch in steps:
        found = find(queries, query)
        works.append(Work(found.name, found.sql, rows, fetch))
    return works


def translate(name: str, sql: str, dialect: Dialect, *, native: bool = False) -> Query:
    """One statement made ready for `dialect`; `native` says the text was written for that database alone.

    Raises StoreError when it is empty, holds several statements or mixes `?`, `?1` and `$1`.
    """
    pieces: list[str] = []
    marks: list[str] = []
    position = 0
    ended = False
    for token in _TOKEN.finditer(sql):
        between = sql[position : token.start()]
        position = token.end()
        if ended and (between.strip() or token.lastgroup != "comment"):
            raise StoreError(f"query {name} holds several statements")
        pieces.append(between)
        if token.lastgroup == "comment":
            pieces.append(" ")
        elif token.lastgroup == "end":
            ended = True
        elif token.lastgroup == "mark":
            marks.append(token.group())
            pieces.append(f"${_number(marks)}" if dialect == "postgres" else token.group())
        else:
            pieces.append(token.group())
    rest = sql[position:]
    if ended and rest.strip():
        raise StoreError(f"query {name} holds several statements")
    text = "\n".join(line.rstrip() for line in "".join([*pieces, rest]).splitlines() if line.strip()).strip()
    if not text:
        raise StoreError(f"query {name} is empty")
    return Query(name, text, _count(name, marks, dollars=native and dialect == "postgres"))


def _blocks(path: Path) -> Iterator[_Block]:
    name: str | None = None
    dialect: Literal["sqlite", "postgres", ""] = ""
    lines: list[str] = []
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        opening = _OPENING.match(line)
        if opening is None:
            if name is None and line.strip() and not line.lstrip().startswith("--"):
                raise StoreError(f"{path.name}, line {number}: SQL before the first '-- name:' line")
            lines.append(line)
            continue
        if name is not None:
            yield _Block(name, dialect, "\n".join(lines))
        head = _NAME.match(opening["rest"])
        if head is None:
            raise StoreError(f"{path.name}, line {number}: write '-- name: word' or '-- name: word (postgres)'")
        name, lines = head["name"], []
        match head["dialect"]:
            case None:
                dialect = ""
            case "sqlite" | "postgres" as known:
                dialect = known
            case other:
                raise StoreError(f"{path.name}, line {number}: unknown database {other!r}, not sqlite or postgres")
    if name is not None:
        yield _Block(name, dialect, "\n".join(lines))


def _choose(full: str, texts: dict[str, str], dialect: Dialect) -> Query:
    own = texts.get(dialect)
    text = texts.get("") if own is None else own
    if text is None:
        raise StoreError(f"query {full} has no version for {dialect}")
    return translate(full, text, dialect, native=own is not None)


def _number(marks: list[str]) -> int:
    return int(marks[-1][1:] or len(marks))


def _count(name: str, marks: list[str], *, dollars: bool) -> int:
    if not marks:
        return 0
    if any(mark[0] == "$" for mark in marks) and not dollars:
        raise StoreError(f"query {name}: write parameters as ?; $1 belongs into a version for postgres")
    if len({(mark[0], mark[1:] == "") for mark in marks}) > 1:
        raise StoreError(f"query {name} mixes ways of writing parameters")
    if marks[0] == "?":
        return len(marks)
    numbers = {int(mark[1:]) for mark in marks}
    if numbers != set(range(1, len(numbers) + 1)):
        raise StoreError(f"query {name}: parameters must be numbered from 1 without gaps")
    return len(numbers)
