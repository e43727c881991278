"""The store's contract holds on every database that the notifier may be given."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from services.common.database import Database
from services.notifier.clerk import Clerk
from services.notifier.desk import Desk
from services.notifier.tables import open_database
from tests.contract.notifier.clocks import Clock
from tests.support.databases import postgresql
from tests.unit.notifier.making import DIRECTORY


@pytest.fixture(scope="session")
def postgresql_url() -> Iterator[str]:
    with postgresql() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """An empty database with the newest schema; it is taken down to nothing again afterwards."""
    url = f"sqlite:///{tmp_path / 'store.db'}"
    if request.param == "postgresql":
        url = request.getfixturevalue("postgresql_url")
    made = open_database(url)
    made.migrate()
    yield made
    made.migrate("base", down=True)
    made.close()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def clerk(database: Database, clock: Clock) -> Clerk:
    return Clerk(database, DIRECTORY, clock, channels=("email", "webhook"))


@pytest.fixture
def desk(clerk: Clerk) -> Desk:
    return Desk(clerk)
