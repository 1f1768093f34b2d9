"""``./dev bench``: how fast Heliograph is on this machine, with nothing but this repository (see README.md)."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# The script's own folder comes first otherwise, and there this file would hide the package of its name.
sys.path[0] = str(ROOT)

from bench.command import main  # noqa: E402

if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
