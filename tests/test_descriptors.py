"""File descriptors: as many connections as the system allows, and some kept for all else (descriptors.py)."""

import subprocess
import sys

import pytest

from heliograph.descriptors import KEPT

SCRIPT = "import resource as r; from heliograph.descriptors import make_room as m; print(m({}), r.getrlimit(r.RLIMIT_NOFILE)[0])"


@pytest.mark.parametrize(
    ("soft", "hard", "connections", "room", "after"),
    [
        (256, 2000, 1000, 1000, 1000 + KEPT),  # raised as far as needed
        (1024, 1024, 10_000, 1024 - KEPT, 1024),  # not allowed: fewer connections
        (300, 300, 10_000, 150, 300),  # hardly any: half for each
        (900, 2000, 100, 100, 900),  # enough as it is
    ],
)
def test_connections_leave_descriptors_for_all_else(
    soft: int, hard: int, connections: int, room: int, after: int
) -> None:
    """Whoever opens connections until there is no descriptor left must not stop what goes out."""
    script = SCRIPT.format(connections)
    limited = f'ulimit -Sn {soft} && ulimit -Hn {hard} && exec "$0" -c "$1"'
    run = subprocess.run(["bash", "-c", limited, sys.executable, script], capture_output=True, text=True, check=True)
    assert run.stdout.split() == [str(room), str(after)]
    assert ("open_files_limit_is_low" in run.stderr) == (room < connections)


FIT = """
from heliograph.config import Config
from heliograph.sections import Callbacks, Http, Smpp
from heliograph.doors import fit
config = Config(http=Http(connections=9000), smpp=Smpp(listen=":2775", connections=1000), callbacks=Callbacks())
found = fit(config)
print(found.http.connections, found.smpp.connections, found.smtp.connections, found.callbacks.total, found.callbacks.slow)
"""


@pytest.mark.parametrize(
    ("hard", "expected"),
    [
        (20_000, "9000 1000 1000 200 600"),
        (
            1224,
            "691 76 1000 64 192",
        ),  # 1,024 remain: a quarter for callbacks, nine parts of the rest for HTTP, one for SMPP
    ],
)
def test_doors_and_callbacks_share_the_descriptors_there_are(hard: int, expected: str) -> None:
    """Three doors that each take all there is would leave nothing for news and carriers; the closed mail door asks for none."""
    run = subprocess.run(
        ["bash", "-c", f'ulimit -Sn 256 && ulimit -Hn {hard} && exec "$0" -c "$1"', sys.executable, FIT],
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.split() == expected.split()
