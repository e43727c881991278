"""Fixtures for every test: the broker, topics of one's own, commands, the shared data."""

from __future__ import annotations

import itertools
import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import pytest

from deploy.kafka import Broker, JarsUnavailable, new_place
from schemas.topics import Topics, topic_specs
from services.common.database import Database
from services.common.kafka_admin import admin_client, ensure_topics
from tests.support.commands import ROOT, Commands
from tests.support.databases import OpenDatabase, open_migrated
from tests.support.postgres import PostgresServer
from tests.support.programs import require_program
from tests.support.small_disk import DiskUnavailable

TEST_PARTITIONS = 4
REUSED_KAFKA = "BELLWETHER_TEST_KAFKA"


class Kafka:
    """The broker that the tests of a session share. Tests that kill or stop a broker take `own_broker`."""

    def __init__(self, bootstrap: str) -> None:
        self.bootstrap = bootstrap


class Startable(Protocol):
    """A broker, or several, with what stands around them."""

    def start(self) -> None:
        """Raises JarsUnavailable, DiskUnavailable."""


def start_broker(broker: Startable) -> None:
    """Start it, or skip the test where no Kafka can be had."""
    try:
        broker.start()
    except (JarsUnavailable, DiskUnavailable) as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    """A real Kafka on ports of its own. BELLWETHER_TEST_KAFKA=host:port uses a running one: quicker for one test."""
    reused = os.environ.get(REUSED_KAFKA)
    if reused:
        yield Kafka(reused)
        return
    broker = Broker(new_place(tmp_path_factory.mktemp("kafka")))
    start_broker(broker)
    yield Kafka(broker.bootstrap)
    broker.stop()


@pytest.fixture
def own_broker(tmp_path: Path) -> Iterator[Broker]:
    """A started Kafka of the test's own, to be killed and started again at the same place."""
    broker = Broker(new_place(tmp_path / "own-kafka"))
    start_broker(broker)
    yield broker
    broker.stop()


@pytest.fixture
def make_topics(kafka: Kafka) -> Iterator[Callable[..., Topics]]:
    """make_topics(partitions=4): all of Bellwether's topics under a fresh prefix. They are deleted after the test."""
    prefixes: list[str] = []
    serial = itertools.count()

    def make(partitions: int = TEST_PARTITIONS) -> Topics:
        prefix = f"test-{uuid.uuid4().hex[:10]}-{next(serial)}"
        ensure_topics(kafka.bootstrap, topic_specs(prefix, partitions))
        prefixes.append(prefix)
        return Topics(prefix)

    yield make
    # Hundreds of tests with dozens of partitions each would slow the broker down for those that come later.
    with admin_client(kafka.bootstrap) as admin:
        mine = [name for name in admin.list_topics() if any(name.startswith(prefix) for prefix in prefixes)]
        if mine:
            admin.delete_topics(mine)


@pytest.fixture
def topics(make_topics: Callable[..., Topics]) -> Topics:
    """All of Bellwether's topics, empty, under a prefix of this test's own."""
    return make_topics()


@pytest.fixture
def commands(tmp_path: Path) -> Iterator[Commands]:
    """Starts `bellwether` subcommands as real processes; none of them is left after the test."""
    started = Commands(tmp_path / "command-logs")
    yield started
    started.stop_all()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A real PostgreSQL shared by the session; skips where it is not installed."""
    server = PostgresServer(require_program("postgresql"))
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    """The URL of an empty PostgreSQL database of this test's own."""
    name = f"test_{uuid.uuid4().hex[:10]}"
    yield postgres_server.new_database(name)
    postgres_server.drop_database(name)


def migrated(open_database: OpenDatabase, request: pytest.FixtureRequest, file: Path) -> Iterator[Database]:
    """For a fixture with the params "sqlite" and "postgresql": an empty database with the newest schema, in that file
    or on a server, of this test's own."""
    if request.param != "postgresql":
        made = open_migrated(open_database, file)
        yield made
        made.close()
        return
    server, name = request.getfixturevalue("postgres_server"), f"test_{uuid.uuid4().hex[:10]}"
    made = open_database(server.new_migrated_database(name, open_database))
    yield made
    made.close()
    server.drop_database(name)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data beside the checkout. It is no part of the project, so its tests skip without it."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the folder ../shared/data is not beside this checkout")
    return folder
