"""The local Kafka: kept over kill -9, on the loopback interface only, with our topics."""

from __future__ import annotations

import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from deploy.kafka import Broker
from schemas.topics import Topics, TopicSpec, topic_specs
from services.common.kafka_admin import BrokerUnreachable, TopicMismatch, admin_client, ensure_topics
from tests.support.fixtures import Kafka


def read_all(bootstrap: str, topic: str, partitions: int) -> list[bytes]:
    """Every value of a topic, up to its end as it is now."""
    consumer = KafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest", enable_auto_commit=False)
    try:
        wanted = [TopicPartition(topic, number) for number in range(partitions)]
        ends = consumer.end_offsets(wanted)
        consumer.assign(wanted)
        consumer.seek_to_beginning()
        values: list[bytes] = []
        while any(consumer.position(partition) < ends[partition] for partition in wanted):
            for records in consumer.poll(timeout_ms=500).values():
                values.extend(record.value for record in records)
        return values
    finally:
        consumer.close()


def send(bootstrap: str, topic: str, value: bytes) -> None:
    producer = KafkaProducer(bootstrap_servers=bootstrap, acks="all")
    try:
        producer.send(topic, key=b"C-1", value=value).get(timeout=30)
    finally:
        producer.close()


# Nightly: test_ingest_killed.py kills brokers of this kind and looks for every record.
@pytest.mark.nightly
def test_a_broker_killed_with_9_comes_back_at_its_place_with_everything_it_acknowledged(own_broker: Broker) -> None:
    spec = TopicSpec("kept", 2, {})
    ensure_topics(own_broker.bootstrap, [spec])
    send(own_broker.bootstrap, "kept", b"before")
    own_broker.kill()
    assert not own_broker.running

    own_broker.start()
    send(own_broker.bootstrap, "kept", b"after")

    assert sorted(read_all(own_broker.bootstrap, "kept", 2)) == [b"after", b"before"]


def test_every_topic_exists_with_its_partitions_and_settings(kafka: Kafka, topics: Topics) -> None:
    specs = topic_specs(topics.prefix, 4)
    with admin_client(kafka.bootstrap) as admin:
        found = {t["name"]: len(t["partitions"]) for t in admin.describe_topics([s.name for s in specs])}
    assert found == {spec.name: spec.partitions for spec in specs}


def test_asking_twice_for_the_topics_creates_them_once(kafka: Kafka, topics: Topics) -> None:
    specs = topic_specs(topics.prefix, 4)
    again = ensure_topics(kafka.bootstrap, specs)
    assert again.created == ()
    assert again.existing == tuple(spec.name for spec in specs)


def test_a_topic_with_another_number_of_partitions_is_refused(kafka: Kafka, topics: Topics) -> None:
    with pytest.raises(TopicMismatch, match="has 4 partitions where 5 are wanted"):
        ensure_topics(kafka.bootstrap, topic_specs(topics.prefix, 5))


def test_without_a_broker_the_address_is_named() -> None:
    with pytest.raises(BrokerUnreachable, match="no Kafka answers at 127.0.0.1:1;"), admin_client("127.0.0.1:1", 0.5):
        pytest.fail("there is no broker on port 1")


def test_a_value_of_one_mebibyte_fits(kafka: Kafka, topics: Topics) -> None:
    producer = KafkaProducer(bootstrap_servers=kafka.bootstrap, acks="all", max_request_size=2 * 1024 * 1024)
    try:
        producer.send(topics.events, key=b"C-1", value=b"x" * 1024 * 1024).get(timeout=30)
    finally:
        producer.close()
