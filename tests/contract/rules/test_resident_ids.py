"""The promise of the rules service, on a real Kafka: what comes by Kafka directly leaves no resident-ID number."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import orjson
import pytest

from schemas.privacy import REMOVED
from schemas.topics import Topics
from tests.support.fixtures import Kafka
from tests.support.records import PARTITIONS, at, customer_on
from tests.support.rules_worker import Installation
from tests.support.standin_core import payment
from tests.support.waiting import wait_until
from tests.unit.schemas.resident_ids import BORN_IN_1990, VALID, reads

HOME = customer_on(0)


@pytest.fixture
def place(kafka: Kafka, make_topics: Callable[..., Topics], tmp_path: Path) -> Iterator[Installation]:
    installation = Installation(kafka.bootstrap, make_topics(PARTITIONS), PARTITIONS, tmp_path)
    yield installation
    installation.stop()


def test_an_event_put_on_the_topic_is_refused_and_kept_without_its_number(place: Installation) -> None:
    noted = {**orjson.loads(payment(HOME, "E-2", at(2))), "note": [f"张三{VALID}", int(BORN_IN_1990)]}
    broken = f'{{"note": "{VALID}'.encode()
    place.publish(
        [
            (HOME, payment(HOME, "E-1", at(1)), None),
            (HOME, orjson.dumps(noted), None),
            (VALID, payment(VALID, f"E-{VALID}", at(3)), None),
            (HOME, broken, None),
            (HOME, payment(HOME, "E-4", at(4)), None),
        ]
    )
    worker = place.worker()
    worker.wait_until_ready()
    place.wait_until_done()
    wait_until(lambda: place.counts() == {HOME: (2, "2.00")}, "the good ones")

    letters = place.read(place.topics.dead_letters, 1)
    assert sorted(code for code, _ in place.dead_letters()) == ["not_json", "resident_id", "resident_id"]
    assert all(REMOVED in letter.value.decode() for letter in letters)
    told = [(letter.key, letter.value.decode(), letter.headers) for letter in letters]
    for everything in (told, worker.log_text(), worker.page("/metrics"), place.read(place.topics.changelog)):
        assert reads(VALID, everything) + reads(BORN_IN_1990, everything) == []
    assert worker.metric('bellwether_rules_dead_letters_total{reason="resident_id"}') == 2
