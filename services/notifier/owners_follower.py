"""Follows the events topic for customer.owner_changed; offsets are committed once the database has what came of it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from kafka import KafkaConsumer
from kafka.errors import GroupAuthorizationFailedError, KafkaTimeoutError, TopicAuthorizationFailedError

from schemas.codec import InvalidEvent, decode, decode_binary, is_binary
from schemas.events import PREFIX, Event, Retraction
from schemas.people import CustomerOwnerChanged
from schemas.topics import Topics
from services.common.clock import Now
from services.common.database import Database
from services.common.kafka_admin import CANNOT_CONNECT, unreachable
from services.common.kafka_connection import Address, client_options
from services.notifier import owners_store
from services.notifier.owners import OwnerEvent

log = logging.getLogger(__name__)

KIND = "customer.owner_changed"
_MARK = b"owner_changed"

POLL_MS = 500
BATCH = 5000
"""Records looked at between two commits; few of them are about owners."""

JOIN_PATIENCE_S = 20.0
"""As in intake: now and then kafka-python's consumer never gets its partitions, and a new one does."""


DENIED_S = 300.0
"""Until it is tried again after the broker has said that it is not allowed."""


class OwnersFollower:
    """`step` is one worker's. Every notifier may have one: they share the partitions as one group."""

    def __init__(
        self,
        kafka: Address,
        topics: Topics,
        database: Database,
        now: Now,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._kafka = kafka
        self._topics = topics
        self._database = database
        self._now = now
        self._monotonic_s = monotonic_s
        self._consumer: KafkaConsumer | None = None
        self._held_s = 0.0
        self._denied_until_s = 0.0

    def step(self) -> bool:
        """Take what is there; True when something was. Raises KafkaError, BrokerUnreachable or the database's error,
        and the next step starts again from the last committed offset."""
        if self._monotonic_s() < self._denied_until_s:
            return False
        try:
            return self._take(self._consumer or self._connect())
        except (TopicAuthorizationFailedError, GroupAuthorizationFailedError) as error:
            # People are paged all the same, by what files and the API say: no reason not to be ready.
            self.close()
            self._denied_until_s = self._monotonic_s() + DENIED_S
            log.warning("owners are not followed: %s (docs/kafka.md has what the notifier needs)", error)
            return False
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Leave the group, so that another notifier gets the partitions at once."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            consumer.close(autocommit=False, timeout_ms=5000)

    def _connect(self) -> KafkaConsumer:
        self._held_s = self._monotonic_s()
        try:
            self._consumer = KafkaConsumer(
                self._topics.events,
                **client_options(self._kafka),
                group_id=f"{self._topics.prefix}-notifier-directory",
                client_id="bellwether-notifier-directory",
                enable_auto_commit=False,
                auto_offset_reset="earliest",
                metadata_max_age_ms=10_000,
            )
        except CANNOT_CONNECT as error:
            raise unreachable(self._kafka, error) from error
        return self._consumer

    def _take(self, consumer: KafkaConsumer) -> bool:
        records = consumer.poll(timeout_ms=POLL_MS, max_records=BATCH)
        if consumer.assignment():
            self._held_s = self._monotonic_s()
        elif self._monotonic_s() - self._held_s > JOIN_PATIENCE_S:
            raise KafkaTimeoutError(f"no partition of {self._topics.events} was assigned for {JOIN_PATIENCE_S:.0f} s")
        if not records:
            return False
        self.keep(record for part in records.values() for record in part)
        consumer.commit()
        return True

    def keep(self, records: Iterable[Any]) -> int:
        """File what tells of owners; how many events were new."""
        told = list(owner_events_in(records))
        if not told:
            return 0
        with self._database.writing() as tx:
            new = owners_store.learn(tx, told, self._now())
        log.info("owners: %d events, %d of them new", len(told), new)
        return new


def owner_events_in(records: Iterable[Any]) -> Iterator[OwnerEvent]:
    """What Kafka records tell of owners. What is no valid event is left to the rules service, which dead-letters it."""
    for record in records:
        value = record.value
        headers = {key: raw.decode(errors="replace") for key, raw in record.headers or () if raw is not None}
        binary = is_binary(headers)
        if value is None or not (binary or _MARK in value):
            continue
        try:
            event = decode_binary(headers, value) if binary else decode(value)
        except InvalidEvent:
            continue
        found = as_owner_event(event)
        if found is not None:
            yield found


def as_owner_event(event: Event) -> OwnerEvent | None:
    """None for an event of another kind."""
    if event.type != PREFIX + KIND or event.subject is None:
        return None
    if isinstance(event, Retraction):
        return OwnerEvent(
            event.source, event.id, event.subject, event.time, event.time, owner=None, supersedes=event.supersedes
        )
    data = event.data
    if not isinstance(data, CustomerOwnerChanged):
        return None
    at = data.at or event.time
    return OwnerEvent(event.source, event.id, event.subject, event.time, at, data.new, event.supersedes)
