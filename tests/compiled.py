"""A pytest plugin for `./dev test --compiled`: the tests run on the compiled copy, or not at all (docs/adr/0008).

    PYTHONPATH=build/native python -m pytest -p tests.compiled

What the tests start finds the copy by the same PYTHONPATH.
"""

import importlib
import os
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest
from native.compile import BUILT, MODULES, digest, is_of


def pytest_configure(config: pytest.Config) -> None:
    """Ends the run when a module of the list is not an extension of the copy, or the copy is of other sources."""
    if not is_of(digest()):
        raise pytest.UsageError("the compiled copy is not of these sources: ./dev build")
    if os.environ.get("PYTHONPATH", "").split(os.pathsep)[0] != str(BUILT):
        raise pytest.UsageError(f"what the tests start would not be compiled: PYTHONPATH must begin with {BUILT}")
    for name in MODULES:
        module = importlib.import_module(f"heliograph.{name.replace('/', '.')}")
        path = Path(str(module.__file__))
        if not path.is_relative_to(BUILT) or not path.name.endswith(tuple(EXTENSION_SUFFIXES)):
            raise pytest.UsageError(f"{module.__name__} is not compiled: {path}")


def pytest_sessionstart(session: pytest.Session) -> None:
    """Said at the start, by the process that reports."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None and not hasattr(session.config, "workerinput"):
        reporter.write_line(f"heliograph: {len(MODULES)} modules compiled, in {BUILT}")
