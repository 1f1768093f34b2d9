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
def test_connections_leave_descriptors_for_carriers_and_callbacks(
    soft: int, hard: int, connections: int, room: int, after: int
) -> None:
    """Whoever opens connections until there is no descriptor left must not stop what goes out."""
    script = SCRIPT.format(connections)
    limited = f'ulimit -Sn {soft} && ulimit -Hn {hard} && exec "$0" -c "$1"'
    run = subprocess.run(["bash", "-c", limited, sys.executable, script], capture_output=True, text=True, check=True)
    assert run.stdout.split() == [str(room), str(after)]
    assert ("open_files_limit_is_low" in run.stderr) == (room < connections)
