"""Follows the events topic for bereavements (customer.milestone, kind mourning), which the archive of a customer keeps.

Offsets are committed once the database has them. Runs only where greetings are switched on.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from typing import Any

from kafka import KafkaConsumer

from schemas.codec import InvalidEvent, decode, decode_binary, is_binary
from schemas.events import PREFIX, Event, Retraction
from schemas.sales import CustomerMilestone
from schemas.topics import Topics
from services.common.clock import Now
from services.common.database import Database
from services.common.kafka_admin import CANNOT_CONNECT, unreachable
from services.common.kafka_connection import Address, client_options
from services.notifier.greetings import store
from services.notifier.greetings.store import Mourning

log = logging.getLogger(__name__)

TYPE = f"{PREFIX}customer.milestone"
MOURNING = "mourning"
_MARK = b"customer.milestone"

POLL_MS = 500
BATCH = 5000


class MourningFollower:
    """`step` is one worker's. Every notifier may have one: they share the partitions as one group."""

    def __init__(self, kafka: Address, topics: Topics, database: Database, now: Now) -> None:
        self._kafka = kafka
        self._topics = topics
        self._database = database
        self._now = now
        self._consumer: KafkaConsumer | None = None

    def step(self) -> bool:
        """Take what is there; True when something was. Raises KafkaError, BrokerUnreachable or the database's error,
        and the next step starts again from the last committed offset."""
        try:
            consumer = self._consumer or self._connect()
            records = consumer.poll(timeout_ms=POLL_MS, max_records=BATCH)
            if not records:
                return False
            self.keep(record for part in records.values() for record in part)
            consumer.commit()
        except BaseException:
            self.close()
            raise
        return True

    def close(self) -> None:
        """Leave the group, so that another notifier gets the partitions at once."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            consumer.close(autocommit=False, timeout_ms=5000)

    def keep(self, records: Iterable[Any]) -> int:
        """File what tells of mourning; how many events were new."""
        told = list(mourning_in(records))
        if not told:
            return 0
        with self._database.writing() as tx:
            return store.learn_mourning(tx, told, self._now())

    def _connect(self) -> KafkaConsumer:
        try:
            self._consumer = KafkaConsumer(
                self._topics.events,
                **client_options(self._kafka),
                group_id=f"{self._topics.prefix}-notifier-greetings",
                client_id="bellwether-notifier-greetings",
                enable_auto_commit=False,
                auto_offset_reset="earliest",
                metadata_max_age_ms=10_000,
            )
        except CANNOT_CONNECT as error:
            raise unreachable(self._kafka, error) from error
        return self._consumer


def mourning_in(records: Iterable[Any]) -> Iterator[Mourning]:
    """What Kafka records tell of bereavements. What is no valid event is left to the rules service."""
    for record in records:
        headers = {key: raw.decode(errors="replace") for key, raw in record.headers or () if raw is not None}
        binary = is_binary(headers)
        if record.value is None or not (binary or _MARK in record.value):
            continue
        try:
            event = decode_binary(headers, record.value) if binary else decode(record.value)
        except InvalidEvent:
            continue
        found = as_mourning(event)
        if found is not None:
            yield found


def as_mourning(event: Event) -> Mourning | None:
    """None for an event of another kind. A milestone that replaces a bereavement ends it, whatever it tells of."""
    if event.type != TYPE or event.subject is None:
        return None
    data = event.data
    sad = not isinstance(event, Retraction) and isinstance(data, CustomerMilestone) and data.kind == MOURNING
    if not sad and event.supersedes is None:
        return None
    day = data.occurs_on if sad and isinstance(data, CustomerMilestone) else None
    return Mourning(event.source, event.id, event.subject, day, event.supersedes)
