"""`heliograph drill` on both databases: killed under load, nothing accepted is lost or sent twice (design section 11)."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.flows.rig import prepare

from heliograph.cli.drill_run import Order, run
from heliograph.cli.drill_server import LINKS, WINDOW

KILLS = 3


def test_kills_under_load_lose_nothing(backend_url: str, tmp_path: Path) -> None:
    """The promise of the whole program; only what was on the wire at a kill may be doubtful."""
    order = Order(KILLS, 900, 450, 30, backend_url, 3, tmp_path)
    report = asyncio.run(run(order, lambda done, total: None))
    assert report.drained
    assert (report.lost, report.lost_texts) == (0, ())
    assert (report.receipts_lost, report.sent_twice, report.callbacks_lost) == (0, 0, 0)
    assert report.faults == ()
    assert report.still_doubtful == 0
    assert report.doubtful <= WINDOW * LINKS * KILLS
    assert report.accepted > 600
    assert report.accepted + report.unknown + report.refused == 900
    assert report.refused == 0
    assert report.passed


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
