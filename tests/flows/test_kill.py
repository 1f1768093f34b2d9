"""`heliograph drill` on both databases: killed under load, nothing accepted is lost or sent twice (design section 11)."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.flows.rig import prepare

from heliograph.cli.drill_report import Report
from heliograph.cli.drill_run import Order, run
from heliograph.cli.drill_server import LINKS, WINDOW

KILLS = 20
TEXTS = 1200
ENDS = ("wait", *(f"receipt, status {status}" for status in (1, 20)))


def test_kills_under_load_lose_nothing(backend_url: str, tmp_path: Path) -> None:
    """The promise of the whole program; only what was on the wire at a kill may be doubtful."""
    report = drilled(Order(KILLS, TEXTS, 300, 20, backend_url, 3, tmp_path))
    assert report.accepted > TEXTS // 2
    assert {doubt.after for doubt in report.doubts} <= {f"kill {number}" for number in range(1, KILLS + 1)}


def test_carriers_that_die_as_well_lose_nothing(backend_url: str, tmp_path: Path) -> None:
    """Links cut in the middle of a write leave doubts too, and those are bounded in the same way."""
    report = drilled(Order(4, TEXTS, 400, 20, backend_url, 5, tmp_path, carrier_kills=6))
    assert report.accepted > TEXTS // 2
    assert {doubt.after.split()[0] for doubt in report.doubts} == {"kill", "carrier"}


def drilled(order: Order) -> Report:
    """A drill that has lost nothing; its doubts are listed, bounded and resolved."""
    report = asyncio.run(run(order, lambda done, total: None))
    assert report.drained
    assert (report.lost, report.lost_texts) == (0, ())
    assert (report.receipts_lost, report.sent_twice, report.callbacks_lost) == (0, 0, 0)
    assert report.faults == ()
    assert report.still_doubtful == 0
    assert report.doubtful == len(report.doubts) == report.by_receipt + report.by_wait
    assert report.doubtful_most <= report.doubtful_allowed == WINDOW * LINKS
    assert all(doubt.ended >= doubt.at and doubt.end in ENDS for doubt in report.doubts)
    assert report.accepted + report.unknown + report.refused == TEXTS
    assert report.refused == 0
    assert report.passed
    return report


def test_a_drill_tells_its_figures_in_json(tmp_path: Path) -> None:
    """Scripts run it before a release and read the figures."""
    order = ("--kills", "1", "--messages", "60", "--rate", "200", "--connections", "5", "--json")
    done = subprocess.run(
        [sys.executable, "-m", "heliograph", "drill", *order], capture_output=True, cwd=tmp_path, timeout=100
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["passed"] and report["kills"] == 1 and report["lost"] == 0
    assert len(report["doubts"]) == report["doubtful"]


def test_a_drill_does_not_touch_a_store_in_use(backend_url: str, tmp_path: Path) -> None:
    """A slip of the hand must not send five thousand texts to real carriers."""
    asyncio.run(prepare(backend_url, tmp_path / "data", 1))
    done = subprocess.run(
        [sys.executable, "-m", "heliograph", "drill", "--database", backend_url],
        capture_output=True,
        cwd=tmp_path,
        timeout=60,
    )
    assert done.returncode == 1
    assert b"this store is in use" in done.stderr


@pytest.mark.parametrize("option", ["--kills=-1", "--rate=0", "--messages=0"])
def test_a_drill_refuses_senseless_orders(option: str, tmp_path: Path) -> None:
    """Wrong options end with 2 before anything is started."""
    done = subprocess.run(
        [sys.executable, "-m", "heliograph", "drill", option], capture_output=True, cwd=tmp_path, timeout=60
    )
    assert done.returncode == 2
