"""Both databases for tests of the whole program."""

import asyncio
from pathlib import Path

import pytest
from tests.databases import BACKENDS, fresh_url


@pytest.fixture(params=BACKENDS)
def backend_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty database of either kind."""
    return asyncio.run(fresh_url(request.param, tmp_path))
