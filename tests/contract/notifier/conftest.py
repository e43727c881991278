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
from tests.support.fixtures import migrated
from tests.unit.notifier.making import DIRECTORY


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    yield from migrated(open_database, request, tmp_path / "store.db")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def clerk(database: Database, clock: Clock) -> Clerk:
    return Clerk(database, DIRECTORY, clock, channels=("email", "webhook"))


@pytest.fixture
def desk(clerk: Clerk) -> Desk:
    return Desk(clerk)
