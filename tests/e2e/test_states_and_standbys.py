"""States on a real broker: kept on disk over a restart, kept by a standby over a death, and erased."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from schemas.topics import Topics
from services.rules import control
from tests.support.fixtures import Kafka
from tests.support.records import at
from tests.support.rules_worker import Installation, Sent, Worker
from tests.support.standin_core import payment
from tests.support.waiting import wait_until

PARTITIONS = 4
CUSTOMERS = [f"C-{number}" for number in range(60)]
READ = "bellwether_rules_recovery_records_total"
APPLIED = "bellwether_rules_events_applied_total"
TAKEN = "bellwether_rules_partitions"

Install = Callable[..., Installation]


@pytest.fixture
def install(kafka: Kafka, make_topics: Callable[..., Topics], tmp_path: Path) -> Iterator[Install]:
    """install(**settings): topics of this test's own, whose workers end with it."""
    made: list[Installation] = []

    def build(**settings: str) -> Installation:
        named = {f"BELLWETHER_{name.upper()}": value for name, value in settings.items()}
        made.append(Installation(kafka.bootstrap, make_topics(PARTITIONS), PARTITIONS, tmp_path, "wall", named))
        return made[-1]

    yield build
    for installation in made:
        installation.stop()


def payments(first: int, count: int) -> list[Sent]:
    """One payment after another, of all customers in turn."""
    numbers = range(first, first + count)
    owners = [CUSTOMERS[number % len(CUSTOMERS)] for number in numbers]
    return [(owner, payment(owner, f"E-{n}", at(n / 60)), None) for n, owner in zip(numbers, owners, strict=True)]


def counts(events: int) -> dict[str, tuple[int, str]]:
    each = events // len(CUSTOMERS)
    return dict.fromkeys(CUSTOMERS, (each, f"{each}.00"))


def test_a_standby_goes_on_where_the_dead_worker_was_without_reading_the_changelog_again(install: Install) -> None:
    place = install(standbys="1")
    first, second = place.worker(), place.worker()
    wait_until(lambda: first.metric(TAKEN) == second.metric(TAKEN) == PARTITIONS / 2, "each to have its half")
    place.publish(payments(0, 3_000))
    place.wait_until_done()
    wait_until(lambda: first.metric(READ) > 0 and second.metric(READ) > 0, "each to follow the other")
    wait_for_standbys(place, first, second)

    read, applied = second.metric(READ), second.metric(APPLIED)
    first.process().kill()
    place.publish(payments(3_000, 600))
    place.wait_until_done()
    assert place.counts() == counts(3_600)
    assert second.metric(APPLIED) - applied == 600
    # What it had read as a standby it has not read again; a fetch may begin a little before what is wanted.
    assert second.metric(READ) - read < 100
    assert second.metric(TAKEN) == PARTITIONS


def wait_for_standbys(place: Installation, *workers: Worker) -> None:
    """Until they have read all that the others have written. Who held a partition for a moment has claimed it, and does
    not read its own claim when it stands by afterwards."""
    written = len(place.read(place.topics.changelog)) - PARTITIONS
    wait_until(lambda: sum(worker.metric(READ) for worker in workers) >= written, "standbys to have read everything")


def test_on_disk_a_restart_reads_only_what_came_since_and_nothing_of_an_erased_customer(install: Install) -> None:
    place = install(store="rocksdb")
    worker, erased = place.worker(), CUSTOMERS[0]
    place.publish(payments(0, 1_200))
    place.wait_until_done()
    control.erase(place.bootstrap, place.topics, erased)
    place.wait_until_done()
    assert kept_of(place, erased) == set()
    assert told(place)[erased.encode()] is None

    worker.process().kill()
    worker.start()
    worker.wait_until_ready()
    place.publish(payments(1_200, 600))
    place.wait_until_done()
    assert place.counts() == {**counts(1_800), erased: (10, "10.00")}
    assert told(place)[erased.encode()] == b"10"
    assert worker.metric(READ) < 100


def kept_of(place: Installation, customer_id: str) -> set[bytes]:
    """The keys of a customer's records that compaction would leave."""
    newest = {record.key: record.value for record in place.read(place.topics.changelog)}
    mine = {key: value for key, value in newest.items() if key.partition(b"\x1f")[0] == customer_id.encode()}
    assert len(mine) > 1
    return {key for key, value in mine.items() if value is not None}


def told(place: Installation) -> dict[bytes, bytes | None]:
    """The newest snapshots."""
    return {record.key: record.value for record in place.read(place.topics.customers)}
