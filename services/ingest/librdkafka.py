"""A producer of librdkafka that can be used: connected, and with the topics that ingest writes to.

What blocks is said to; none of that may be called on the event loop.
"""

from __future__ import annotations

from confluent_kafka import KafkaException, Producer

from schemas.topics import Topics
from services.common.kafka_connection import Address, UnusableCertificate, is_reachable, why_unusable
from services.common.librdkafka import CONNECT_TIMEOUT_S, new_producer


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
        producer = new_producer(kafka, "bellwether-ingest", queue_records)
        there = producer.list_topics(timeout=CONNECT_TIMEOUT_S).topics
    except (KafkaException, OSError, ValueError, UnusableCertificate) as error:
        # Whoever sends events learns no more than that; how we are let in is our business.
        raise NotConnected(f"Kafka at {kafka} cannot be used", why_unusable(kafka, error)) from error
    for topic in (topics.events, topics.dead_letters, topics.reference):
        if topic not in there:
            raise NotConnected(f'topic "{topic}" is not known to Kafka; bellwether topics create makes it')
    return producer
