"""What ingest remembers it remembers alike on every database that it may be given."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from services.common.database import Database
from services.ingest.tables import open_database
from tests.support.databases import postgresql


@pytest.fixture(scope="session")
def postgresql_url() -> Iterator[str]:
    with postgresql() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """An empty database with the newest schema; it is taken down to nothing again afterwards."""
    url = f"sqlite:///{tmp_path / 'ingest.db'}"
    if request.param == "postgresql":
        url = request.getfixturevalue("postgresql_url")
    made = open_database(url)
    made.migrate()
    yield made
    made.migrate("base", down=True)
    made.close()
