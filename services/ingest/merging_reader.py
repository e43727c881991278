"""Reads the events topic, partition by partition, for a merge. Blocks: not to be called on the event loop."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, Protocol

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from schemas.records import ReadRecord
from services.common.kafka_connection import CONNECT_TIMEOUT_MS, Address, UnusableCertificate, client_options
from services.ingest.publisher import TryLater, broker_away

POLL_MS = 500

MAX_RECORDS = 5_000
"""Read at a time; between two times progress is kept."""

QUIET_S = 10.0
"""Where nothing more comes for so long are only the marks of transactions."""


class TopicReader(Protocol):
    """Where a merged customer's events are read."""

    def bounds(self) -> dict[int, tuple[int, int]]:
        """By partition: the first offset that there is, and the one that the next record will get. Raises TryLater."""

    def read(self, partition: int, offset: int, end: int) -> tuple[Sequence[ReadRecord], int]:
        """Some records from `offset` on, at least one unless there is none before `end`, and where to go on."""

    def close(self) -> None:
        """Until the next call."""


class KafkaReader:
    """The topic on a broker. Connects when it is needed, and again after a failure."""

    def __init__(self, kafka: Address, topic: str) -> None:
        self._kafka = kafka
        self._topic = topic
        self._consumer: KafkaConsumer | None = None

    def bounds(self) -> dict[int, tuple[int, int]]:
        """See TopicReader."""
        try:
            consumer = self._connected()
            parts = [TopicPartition(self._topic, number) for number in consumer.partitions_for_topic(self._topic) or ()]
            first, end = consumer.beginning_offsets(parts), consumer.end_offsets(parts)
        except (KafkaError, OSError, ValueError, UnusableCertificate) as error:
            raise self._away(error) from error
        if not parts:
            raise broker_away(f"topic {self._topic} is not there")
        return {part.partition: (first[part], end[part]) for part in parts}

    def read(self, partition: int, offset: int, end: int) -> tuple[Sequence[ReadRecord], int]:
        """See TopicReader."""
        part = TopicPartition(self._topic, partition)
        found: list[Any] = []
        try:
            consumer = self._connected()
            consumer.assign([part])
            consumer.seek(part, offset)
            moved_s, position = time.monotonic(), offset
            while position < end and len(found) < MAX_RECORDS:
                records = consumer.poll(timeout_ms=POLL_MS, max_records=MAX_RECORDS - len(found)).get(part, ())
                found += records
                position = consumer.position(part)
                if records:
                    moved_s = time.monotonic()
                elif time.monotonic() - moved_s > QUIET_S:
                    position = end
        except (KafkaError, OSError, ValueError, UnusableCertificate) as error:
            raise self._away(error) from error
        return found, position

    def close(self) -> None:
        """See TopicReader."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            consumer.close()

    def _connected(self) -> KafkaConsumer:
        if self._consumer is None:
            self._consumer = KafkaConsumer(
                **client_options(self._kafka),
                bootstrap_timeout_ms=CONNECT_TIMEOUT_MS,
                enable_auto_commit=False,
                auto_offset_reset="earliest",
                client_id="bellwether-merging",
            )
        return self._consumer

    def _away(self, error: Exception) -> TryLater:
        self.close()
        return broker_away(f"the events topic cannot be read: {type(error).__name__}")
