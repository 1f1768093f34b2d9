"""What all tests share: the PostgreSQL server, started when a test first asks for it and stopped at the end."""

from collections.abc import Iterator

import pytest
from tests.databases import stop_postgres


@pytest.fixture(scope="session", autouse=True)
def _postgres_server() -> Iterator[None]:
    yield
    stop_postgres()
