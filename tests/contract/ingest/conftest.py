"""What ingest remembers it remembers alike on every database that it may be given."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from services.common.database import Database
from services.ingest.tables import open_database
from tests.support.fixtures import migrated


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    yield from migrated(open_database, request, tmp_path / "ingest.db")
