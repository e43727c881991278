"""A member of a consumer group on one topic: offsets are committed once the database has what came of the records."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from kafka import KafkaConsumer
from kafka.errors import KafkaTimeoutError

from schemas.codec import InvalidEvent, decode, decode_binary, is_binary
from schemas.events import Event
from services.common.kafka_admin import CANNOT_CONNECT, unreachable
from services.common.kafka_connection import CONNECT_TIMEOUT_MS, Address, client_options

SESSION_TIMEOUT_MS = 10_000
"""How long a killed notifier's partitions wait for the next one."""

METADATA_MAX_AGE_MS = 10_000
"""A topic that was made a moment before is not seen by everybody at once; by default it would be looked for again after
five minutes, and until then the group has nothing to share out."""

JOIN_PATIENCE_S = 20.0
"""Now and then kafka-python's consumer never gets its partitions, and says nothing; a new one does. Whoever waits for
what would be read waits meanwhile, so it is not waited for long."""

Records = Mapping[Any, Sequence[Any]]
"""By topic and partition, in order."""


class GroupReader:
    """Connects when it is first asked. After any error it is to be closed, and goes on from the last committed offset
    when it is asked again. `assigned` may be read from other threads."""

    def __init__(
        self, kafka: Address, topic: str, group: str, client: str, monotonic_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._kafka = kafka
        self._topic = topic
        self._group = group
        self._client = client
        self._monotonic_s = monotonic_s
        self._consumer: KafkaConsumer | None = None
        self._held_s = 0.0
        self.assigned = False

    def poll(self, limit: int, timeout_ms: int) -> Records:
        """What has come, at most so many records. Raises KafkaError (also when no partition is assigned for
        JOIN_PATIENCE_S) or BrokerUnreachable."""
        consumer = self._consumer or self._connect()
        records: Records = consumer.poll(timeout_ms=timeout_ms, max_records=limit)
        self._require_partitions(bool(consumer.assignment()))
        return records

    def commit(self) -> None:
        """All that was polled is done. Raises KafkaError."""
        self._joined().commit()

    def has_read_all(self) -> bool:
        """Whether everything was polled that is in the partitions assigned; asks the broker. False without partitions.
        Raises KafkaError."""
        consumer = self._joined()
        places = list(consumer.assignment())
        ends = consumer.end_offsets(places) if places else {}
        return bool(places) and all(consumer.position(place) >= end for place, end in ends.items())

    def positions(self, places: Iterable[Any]) -> Iterator[tuple[int, int, int | None]]:
        """Of each place in what was polled: the partition, the next offset, and the end of the log as far as known."""
        consumer = self._joined()
        for place in places:
            yield place.partition, consumer.position(place), consumer.highwater(place)

    def close(self) -> None:
        """Leave the group, so that another notifier gets the partitions at once."""
        consumer, self._consumer = self._consumer, None
        self.assigned = False
        if consumer is not None:
            consumer.close(autocommit=False, timeout_ms=5000)

    def _joined(self) -> KafkaConsumer:
        if self._consumer is None:
            raise RuntimeError("nothing was polled yet")
        return self._consumer

    def _connect(self) -> KafkaConsumer:
        self._held_s = self._monotonic_s()
        try:
            self._consumer = KafkaConsumer(
                self._topic,
                **client_options(self._kafka),
                group_id=self._group,
                client_id=self._client,
                bootstrap_timeout_ms=CONNECT_TIMEOUT_MS,
                enable_auto_commit=False,
                auto_offset_reset="earliest",
                session_timeout_ms=SESSION_TIMEOUT_MS,
                heartbeat_interval_ms=SESSION_TIMEOUT_MS // 4,
                metadata_max_age_ms=METADATA_MAX_AGE_MS,
            )
        except CANNOT_CONNECT as error:
            raise unreachable(self._kafka, error) from error
        return self._consumer

    def _require_partitions(self, assigned: bool) -> None:
        self.assigned = assigned
        if assigned:
            self._held_s = self._monotonic_s()
        elif self._monotonic_s() - self._held_s > JOIN_PATIENCE_S:
            raise KafkaTimeoutError(f"no partition of {self._topic} was assigned for {JOIN_PATIENCE_S:.0f} s")


def events_in(records: Iterable[Any], mark: bytes) -> Iterator[Event]:
    """The valid events among records of the events topic that have `mark` in them, or are in binary mode. What is no
    valid event is left to the rules service, which dead-letters it."""
    for record in records:
        headers = {key: raw.decode(errors="replace") for key, raw in record.headers or () if raw is not None}
        binary = is_binary(headers)
        if record.value is None or not (binary or mark in record.value):
            continue
        try:
            yield decode_binary(headers, record.value) if binary else decode(record.value)
        except InvalidEvent:
            continue
