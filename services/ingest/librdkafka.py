"""A producer of librdkafka: how it is set up, connected and ended. With the publisher the only importer of
confluent-kafka.

What blocks is said to; none of that may be called on the event loop.
"""

from __future__ import annotations

from confluent_kafka import KafkaException, Producer

from schemas.topics import Topics
from services.common.kafka_connection import (
    Address,
    UnusableCertificate,
    is_reachable,
    librdkafka_options,
    why_unusable,
)

CONNECT_TIMEOUT_S = 5.0
DELIVERY_TIMEOUT_S = 10.0
LINGER_MS = 5
BATCH_BYTES = 256 * 1024
REQUEST_BYTES = 1024 * 1024


class NotConnected(Exception):
    """No producer can be had now. `for_us` says more than whoever sends events has to know."""

    def __init__(self, problem: str, for_us: str | None = None) -> None:
        super().__init__(problem)
        self.problem = problem
        self.for_us = for_us or problem


def connected(kafka: Address, topics: Topics, queue_records: int) -> Producer:
    """A producer that knows the three topics and holds so many records at most. Blocks. Raises NotConnected."""
    # A bare connection first: librdkafka has seconds of patience on a dead address.
    if not is_reachable(kafka):
        raise NotConnected(f"no Kafka answers at {kafka}")
    try:
        producer = _new_producer(kafka, queue_records)
        there = producer.list_topics(timeout=CONNECT_TIMEOUT_S).topics
    except (KafkaException, OSError, ValueError, UnusableCertificate) as error:
        # Whoever sends events learns no more than that; how we are let in is our business.
        raise NotConnected(f"Kafka at {kafka} cannot be used", why_unusable(kafka, error)) from error
    for topic in (topics.events, topics.dead_letters, topics.reference):
        if topic not in there:
            raise NotConnected(f'topic "{topic}" is not known to Kafka; bellwether topics create makes it')
    return producer


def ended(producer: Producer) -> None:
    """What it still holds is not sent: whoever waits for it was told so. Blocks for some milliseconds."""
    producer.purge()
    producer.poll(0)
    producer.close()


def reason(error: BaseException) -> str:
    """The name of what went wrong, without anything from a record."""
    inner = error.args[0] if error.args else None
    return str(inner.name()) if isinstance(error, KafkaException) and inner is not None else type(error).__name__


def _new_producer(kafka: Address, queue_records: int) -> Producer:
    """Its records are durable when they are acknowledged. Raises KafkaException, UnusableCertificate."""
    return Producer(
        {
            **librdkafka_options(kafka),
            "client.id": "bellwether-ingest",
            "acks": "all",
            "enable.idempotence": True,
            # Nothing is sent any more of a producer one of whose batches has failed: the rest would overtake it.
            "enable.gapless.guarantee": True,
            # As Java, kafka-python and aiokafka choose it; librdkafka's own default is another.
            "partitioner": "murmur2_random",
            "allow.auto.create.topics": False,
            # How soon it hears that a topic has grown.
            "topic.metadata.refresh.interval.ms": 300_000,
            "linger.ms": LINGER_MS,
            "batch.size": BATCH_BYTES,
            "message.max.bytes": REQUEST_BYTES,
            "queue.buffering.max.messages": queue_records,
            "message.timeout.ms": int(DELIVERY_TIMEOUT_S * 1000),
            "request.timeout.ms": int(DELIVERY_TIMEOUT_S * 800),
            "socket.timeout.ms": int(DELIVERY_TIMEOUT_S * 800),
            "socket.connection.setup.timeout.ms": int(CONNECT_TIMEOUT_S * 1000),
            "reconnect.backoff.max.ms": 1000,
            # The publisher says once when the broker goes and comes; the library says it several times a second.
            "log_level": 0,
            "enable.metrics.push": False,
        }
    )
