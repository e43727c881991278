"""Reports and rankings over a real broker: the newest record of every customer counts, rankings can be read back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaProducer

from schemas.codec import encode
from schemas.customers import decode_record, record_key, record_suffix
from schemas.topics import Topics
from services.rules.partitioner import partition_of
from services.rules.reports.reading import reference_of_topic
from tests.support.commands import call_bellwether
from tests.support.fixtures import TEST_PARTITIONS, Kafka
from tests.unit.rules.reports.making import order, owned, records, reference_event

Env = Mapping[str, str]


@pytest.fixture
def env(kafka: Kafka, topics: Topics, tmp_path: Path) -> Env:
    clock = tmp_path / "clock"
    clock.write_text("2026-04-01T00:00:00+08:00")
    return {
        "BELLWETHER_KAFKA": kafka.bootstrap,
        "BELLWETHER_TOPIC_PREFIX": topics.prefix,
        "BELLWETHER_PARTITIONS": str(TEST_PARTITIONS),
        "BELLWETHER_DATA_DIR": str(tmp_path / "data"),
        "BELLWETHER_CLOCK": f"manual:{clock}",
    }


def write(kafka: Kafka, topics: Topics, *written: bytes | tuple[bytes, None]) -> None:
    """The records on their customers' partitions, in this order; a key with None is a tombstone."""
    producer = KafkaProducer(bootstrap_servers=kafka.bootstrap, acks="all")
    for one in written:
        if isinstance(one, tuple):
            key, value = one[0], one[1]
            customer_id = key.decode()
        else:
            record = decode_record(one)
            customer_id, value = record.customer_id, one
            key = record_key(customer_id, record_suffix(record))
        producer.send(topics.customers, key=key, value=value, partition=partition_of(customer_id, TEST_PARTITIONS))
    plan = {"plan_id": "P", "period": "2026-Q1", "metric": "sales", "scope": "company", "amount": "1000.00"}
    event = reference_event("plan.set", "2026-01-01", **plan, currency="CNY")
    producer.send(topics.reference, key=b"plan", value=encode(event))
    producer.flush()
    producer.close()


def report(env: Env, *arguments: str) -> dict[str, Any]:
    done = call_bellwether("report", *arguments, "--format", "json", env=env)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_reports_read_every_customer_as_it_was_last_written(kafka: Kafka, topics: Topics, env: Env) -> None:
    small, big = order("O1", "2026-03-05", "100.00", cost="40.00"), order("O2", "2026-03-06", "200.00", cost="150.00")
    write(
        kafka,
        topics,
        *records("acme", small),
        *records("acme", owned("2026-01-01", "ada"), small, big),
        *records("bolt", order("O1", "2026-01-31", "50.00", cost="10.00")),
        *records("gone", order("O1", "2026-03-31", "999.00")),
        (b"gone", None),
    )

    sales = report(env, "K2", "--from", "2026-03-01", "--until", "2026-03-31", "--by", "person")
    plans = report(env, "P2")

    assert sales["customers"] == 2
    assert [(row["person"], row["sales"]) for row in sales["tables"]["results"]["rows"]] == [("ada", {"CNY": "300.00"})]
    (plan,) = plans["tables"]["plans"]["rows"]
    assert (plan["actual"], plan["reached"]) == ("350.00", 0.35)


def test_published_rankings_can_be_learned_from_the_topic(kafka: Kafka, topics: Topics, env: Env) -> None:
    write(
        kafka,
        topics,
        *records("acme", order("O1", "2026-03-05", "100.00", cost="90.00")),
        *records("bolt", order("O1", "2026-03-05", "50.00", cost="10.00")),
    )

    done = call_bellwether("ranks", "publish", "--as-of", "2026-03-31T00:00:00+08:00", env=env)

    assert done.returncode == 0, done.stderr
    reference = reference_of_topic(kafka.bootstrap, topics)
    (amounts,), (margins,) = reference.ranking("order_amount_12m"), reference.ranking("margin_12m")
    assert {name: float(place) for name, place in amounts.percentiles.items()} == {"acme": 1.0, "bolt": 0.0}
    assert {name: float(place) for name, place in margins.percentiles.items()} == {"acme": 0.0, "bolt": 1.0}


def test_empty_topics_make_no_report_and_no_ranking(env: Env) -> None:
    done = call_bellwether("report", "K2", env=env)
    assert done.returncode == 1
    assert "no customer is known yet" in done.stderr

    done = call_bellwether("ranks", "publish", env=env)
    assert done.returncode == 1
    assert "there is nobody to rank" in done.stderr


def test_without_topics_the_reader_is_told_to_create_them(env: Env) -> None:
    done = call_bellwether("report", "K2", env={**env, "BELLWETHER_TOPIC_PREFIX": "never-created"})

    assert done.returncode == 1
    assert "run `bellwether topics create` first" in done.stderr
