"""A long run in short, on both databases: the real server, loader, carrier and handler (bench/longrun.py)."""

from dataclasses import replace
from pathlib import Path

import pytest
from bench.conditions import Conditions
from bench.longrun import Course, run
from bench.samples import Sample
from bench.stores import PostgresStores, SqliteStores
from bench.verdict import LEAKS, Rule, judge
from tests.databases import postgres_dsn

QUIET = {"lost": 0, "doubled": 0, "left_over": 0}
CALM = Sample(
    at_s=1.0,
    accepted=1000,
    arrived=1000,
    told=1000,
    memory_mb=80.0,
    files=20,
    sockets=90,
    answer_ms_p50=2.0,
    answer_ms_p99=8.0,
    carrier_ms_p50=3.0,
    carrier_ms_p99=9.0,
    loop_cpu_us=250.0,
    writer_cpu_us=60.0,
    wal_mb=16.0,
    queue=3,
    callbacks=2,
    staged=0,
    orphans=0,
)


@pytest.mark.parametrize("backend", ["sqlite", "postgres"])
def test_nothing_leaks_while_texts_pass(backend: str, tmp_path: Path) -> None:
    """Memory, files, logs and tables that grow with the texts that have passed end every server one day."""
    stores = SqliteStores() if backend == "sqlite" else PostgresStores(postgres_dsn())
    seen: list[Sample] = []
    course = Course(minutes=15 / 60, rate=150, every_s=1.0)
    outcome = run(course, tmp_path, stores, Conditions(), seen.append)
    assert outcome.accepted == course.texts
    assert seen == outcome.samples
    assert [rule for rule in find(outcome.rules) if not rule.holds] == []


def find(rules: list[Rule]) -> list[Rule]:
    """Those that do not depend on how fast the machine is."""
    found = [rule for rule in rules if rule.name in LEAKS]
    assert len(found) == len(LEAKS)
    return found


@pytest.mark.parametrize(
    ("grown", "name"),
    [
        ({"memory_mb": 120.0}, "memory"),
        ({"files": 40}, "open files"),
        ({"sockets": 300}, "sockets"),
        ({"wal_mb": 100.0}, "write-ahead log"),
        ({"queue": 6000}, "queue"),
        ({"callbacks": 6000}, "callbacks"),
        ({"orphans": 6000}, "orphans"),
        ({"staged": 1}, "staged"),
        ({"carrier_ms_p99": 30.0}, "request to carrier, p99"),
    ],
)
def test_each_growth_is_found(grown: dict[str, float], name: str) -> None:
    """A verdict that never says no would be worth nothing."""
    samples = [CALM] * 12 + [replace(CALM, **grown)] * 4  # type: ignore[arg-type]
    assert [rule.name for rule in judge(samples, 1000, 80, QUIET) if not rule.holds] == [name]


def test_a_lost_text_is_found() -> None:
    """Nothing may be lost, however even the rest is."""
    rules = judge([CALM] * 16, 1000, 80, QUIET | {"lost": 1})
    assert [rule.name for rule in rules if not rule.holds] == ["lost"]
