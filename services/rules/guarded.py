"""For `bellwether feeds`: how far each feed is complete, read from the reference topic."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any, NamedTuple

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError
from prometheus_client import CollectorRegistry

from services.common.errors import UserError
from services.common.kafka_admin import CANNOT_CONNECT, unreachable
from services.common.kafka_connection import CONNECT_TIMEOUT_MS, client_options
from services.common.settings import Settings
from services.rules.calendar import instant
from services.rules.feeds import MAX_FEEDS
from services.rules.learning import learn
from services.rules.reference import Reference
from services.rules.runtime_metrics import RuntimeMetrics

_POLL_MS = 500
_QUIET_S = 10.0
"""What is left when nothing more comes for so long are transaction markers, which no record shows."""


class Guarded(NamedTuple):
    """A feed that ever sent a heartbeat."""

    name: str
    heartbeat_at: datetime
    complete_until: datetime


def guarded(settings: Settings) -> list[Guarded]:
    """The feeds on the reference topic, by name, at most MAX_FEEDS. Raises BrokerUnreachable, UserError."""
    reference, metrics = Reference(), RuntimeMetrics(CollectorRegistry())
    for record in _records(settings):
        learn(reference, record, metrics)
    found = sorted(reference.feeds().items())[:MAX_FEEDS]
    return [Guarded(name, instant(feed.last_heartbeat), instant(feed.complete_until)) for name, feed in found]


def _records(settings: Settings) -> Iterator[Any]:
    """Everything that lies on the reference topic now; raises BrokerUnreachable, UserError."""
    try:
        consumer = KafkaConsumer(
            **client_options(settings.kafka),
            bootstrap_timeout_ms=CONNECT_TIMEOUT_MS,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            client_id="bellwether-feeds",
        )
    except CANNOT_CONNECT as error:
        raise unreachable(settings.kafka, error) from error
    try:
        if settings.topics.reference not in consumer.topics():
            raise UserError(f"topic {settings.topics.reference} does not exist: run `bellwether topics create` first")
        only = TopicPartition(settings.topics.reference, 0)
        consumer.assign([only])
        end, moved_s = consumer.end_offsets([only])[only], time.monotonic()
        while consumer.position(only) < end and time.monotonic() - moved_s < _QUIET_S:
            for found in consumer.poll(timeout_ms=_POLL_MS).values():
                moved_s = time.monotonic()
                yield from found
    except KafkaError as error:
        raise UserError(f"{settings.topics.reference} cannot be read: {error}") from error
    finally:
        consumer.close()
