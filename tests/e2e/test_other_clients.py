"""Producers that write to the topic themselves, with librdkafka: whatever its partitioner, a customer has one state."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import confluent_kafka
import orjson
import pytest

from schemas.topics import Topics
from services.rules.partitioner import partition_of
from tests.support.fixtures import Kafka
from tests.support.records import START
from tests.support.rules_worker import Installation
from tests.support.standin_core import payment

PARTITIONS = 4
CUSTOMERS = [f"C-{number}" for number in range(40)]
RESIDENT_ID = "11010519491231002X"


@pytest.fixture
def place(kafka: Kafka, make_topics: Callable[..., Topics], tmp_path: Path) -> Iterator[Installation]:
    made = Installation(kafka.bootstrap, make_topics(PARTITIONS), PARTITIONS, tmp_path)
    yield made
    made.stop()


class Librdkafka:
    """A producer of confluent-kafka as docs/kafka.md sets it up, but for what a test sets otherwise."""

    def __init__(self, place: Installation, **config: Any) -> None:
        base = {"bootstrap.servers": place.bootstrap, "acks": "all", "enable.idempotence": True}
        self._producer = confluent_kafka.Producer(base | {name.replace("_", "."): it for name, it in config.items()})
        self._topic = place.topics.events
        self.went_to: list[tuple[str | None, int]] = []

    def send(self, key: str | None, value: bytes, headers: list[tuple[str, str | bytes | None]] | None = None) -> None:
        self._producer.produce(self._topic, value, key, headers=headers or [], on_delivery=self._delivered)

    def flush(self) -> None:
        assert self._producer.flush(60) == 0

    def _delivered(self, error: confluent_kafka.KafkaError | None, message: confluent_kafka.Message) -> None:
        assert error is None, error
        key, partition = message.key(), message.partition()
        assert partition is not None
        self.went_to.append((key.decode() if isinstance(key, bytes) else key, partition))


def binary(event: bytes) -> tuple[bytes, list[tuple[str, str | bytes | None]]]:
    """The event in binary mode: its data as the value, its attributes as headers."""
    document = orjson.loads(event)
    data = document.pop("data")
    return orjson.dumps(data), [(f"ce_{name}", str(value)) for name, value in document.items()]


def homes_of_states(place: Installation) -> dict[str, set[int]]:
    """On which partitions of the changelog each customer has a record."""
    found: dict[str, set[int]] = {}
    for record in place.read(place.topics.changelog):
        customer_id = record.key.decode().split("\x1f")[0]
        if customer_id in CUSTOMERS:
            found.setdefault(customer_id, set()).add(record.partition)
    return found


def test_librdkafkas_own_partitioner_is_another_one(place: Installation) -> None:
    """What this file is about: without the setting most customers would live elsewhere."""
    default, told = Librdkafka(place), Librdkafka(place, partitioner="murmur2_random")
    for producer in (default, told):
        for customer_id in CUSTOMERS:
            producer.send(customer_id, payment(customer_id, f"E-{customer_id}", START))
        producer.flush()

    assert dict(default.went_to) == {c: zlib.crc32(c.encode()) % PARTITIONS for c in CUSTOMERS}
    assert dict(told.went_to) == {c: partition_of(c, PARTITIONS) for c in CUSTOMERS}
    assert default.went_to != told.went_to


def test_a_customer_of_many_producers_has_one_state(place: Installation) -> None:
    """Three settings of librdkafka write of the same customers in turn, in both modes, and some without a key."""
    worker = place.worker()
    producers = [
        Librdkafka(place),
        Librdkafka(place, partitioner="murmur2_random"),
        Librdkafka(place, partitioner="random"),
    ]
    sent: Counter[str] = Counter()
    for number in range(600):
        customer_id = CUSTOMERS[number % len(CUSTOMERS)]
        event = payment(customer_id, f"E-{number}", START + timedelta(minutes=number))
        value, headers = binary(event) if number % 5 == 0 else (event, [])
        producers[number % 3].send(None if number % 7 == 0 else customer_id, value, headers)
        sent[customer_id] += 1
    for producer in producers:
        producer.flush()
    place.wait_until_done()

    astray = [
        key for producer in producers for key, at in producer.went_to if key and at != partition_of(key, PARTITIONS)
    ]
    assert len(astray) > 100
    assert worker.metric("bellwether_rules_forwarded_total") >= len(astray)
    assert {customer_id: count for customer_id, (count, _) in place.counts().items()} == sent
    assert homes_of_states(place) == {customer_id: {partition_of(customer_id, PARTITIONS)} for customer_id in CUSTOMERS}
    assert place.dead_letters() == []


def test_what_ingest_would_refuse_is_refused_on_the_topic_too(place: Installation) -> None:
    """The same codec judges it, resident-ID numbers included; what is good goes on."""
    place.worker()
    producer = Librdkafka(place)
    good = payment("C-1", "E-1", START)
    no_offset = good.replace(b"+00:00", b"").replace(b'Z"', b'"')
    wrong = orjson.dumps({**orjson.loads(good), "id": "E-2", "data": {"payment_id": "P"}})
    private = orjson.dumps({**orjson.loads(good), "id": "E-3", "note": f"his number is {RESIDENT_ID}"})
    for value in (b"no JSON", wrong, private, no_offset, good):
        producer.send("C-1", value)
    producer.send("C-1", b"{}", [("ce_specversion", "1.0"), ("ce_id", "E-4"), ("ce_type", "bellwether.no.such")])
    producer.flush()
    place.wait_until_done()

    letters = place.dead_letters()
    assert sorted(code for code, _ in letters) == ["invalid", "invalid", "not_json", "resident_id", "unknown_type"]
    assert {value for _, value in letters} >= {b"no JSON", wrong, no_offset}
    assert RESIDENT_ID.encode() not in b"".join(value for _, value in letters)
    assert place.counts()["C-1"][0] == 1
