"""Warnings from Kafka to the clerk: the offset is committed only after the database has what came of them."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from kafka import KafkaConsumer
from kafka.errors import KafkaTimeoutError
from pydantic import ValidationError
from sqlalchemy.exc import DataError

from schemas import warnings as wire
from schemas.topics import Topics
from services.common.kafka_admin import CANNOT_CONNECT, unreachable
from services.common.kafka_connection import Address, client_options
from services.notifier import outbox, store
from services.notifier.bounds import unfit
from services.notifier.clerk import Clerk
from services.notifier.metrics import IntakeMetrics

log = logging.getLogger(__name__)

POLL_MS = 250
BATCH = 200
"""Warnings in one transaction: a storm goes quickly, and nobody else waits long for the database."""

SESSION_TIMEOUT_MS = 10_000
"""How long a killed notifier's partitions wait for the next one."""


class Poison(Exception):
    """A record that is no warning, or one that cannot be kept, and never will be."""


OF_THE_WARNING = (DataError, ArithmeticError, ValueError, TypeError, RecursionError)
"""What a warning can do to who files it. All else is the database's fault or ours, and no reason to reject it."""


@dataclass
class Batch:
    """What one poll brought, in its order: warnings, and what is rejected with the reason, each with its record."""

    taken: list[tuple[Any, wire.Warning]] = field(default_factory=list)
    poison: list[tuple[Any, str]] = field(default_factory=list)

    @property
    def warnings(self) -> list[wire.Warning]:
        """The warnings alone."""
        return [warning for _, warning in self.taken]


METADATA_MAX_AGE_MS = 10_000
"""A topic that was made a moment before is not seen by everybody at once; by default it would be looked for again after
five minutes, and until then the group has nothing to share out."""


JOIN_PATIENCE_S = 20.0
"""Now and then kafka-python's consumer never gets its partitions, and says nothing; a new one does. Nobody is paged
meanwhile, so it is not waited for long."""


class Intake:
    """`step` is one worker's; `settled` and `assigned` may be read from other threads."""

    def __init__(
        self,
        kafka: Address,
        topics: Topics,
        clerk: Clerk,
        metrics: IntakeMetrics,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._monotonic_s = monotonic_s
        self._kafka = kafka
        self._topics = topics
        self._clerk = clerk
        self._metrics = metrics
        self._consumer: KafkaConsumer | None = None
        self._held_s = 0.0
        self.settled = False
        self.assigned = False

    def step(self) -> bool:
        """Take what is there; True when something was. Raises KafkaError, BrokerUnreachable or the database's
        error, and the next step starts again from the last committed offset."""
        try:
            taken = self._take(self._consumer or self._connect())
        except BaseException:
            self.close()
            raise
        self.settled = not taken
        return taken

    def close(self) -> None:
        """Leave the group, so that the next notifier gets the partitions at once."""
        consumer, self._consumer = self._consumer, None
        self.assigned, self.settled = False, True
        if consumer is not None:
            consumer.close(autocommit=False, timeout_ms=5000)

    def _connect(self) -> KafkaConsumer:
        self._held_s = self._monotonic_s()
        try:
            self._consumer = KafkaConsumer(
                self._topics.warnings,
                **client_options(self._kafka),
                group_id=f"{self._topics.prefix}-notifier",
                client_id="bellwether-notifier",
                enable_auto_commit=False,
                auto_offset_reset="earliest",
                session_timeout_ms=SESSION_TIMEOUT_MS,
                heartbeat_interval_ms=SESSION_TIMEOUT_MS // 4,
                metadata_max_age_ms=METADATA_MAX_AGE_MS,
            )
        except CANNOT_CONNECT as error:
            raise unreachable(self._kafka, error) from error
        return self._consumer

    def _take(self, consumer: KafkaConsumer) -> bool:
        records = consumer.poll(timeout_ms=POLL_MS, max_records=BATCH)
        self._require_partitions(bool(consumer.assignment()))
        if not records:
            return False
        batch = read_batch(record for part in records.values() for record in part)
        self.keep(batch)
        # Only now: a crash before this line files the same revisions again, and they are known then.
        consumer.commit()
        for place in records:
            self._metrics.at(place.partition, consumer.position(place), consumer.highwater(place))
        return True

    def _require_partitions(self, assigned: bool) -> None:
        self.assigned = assigned
        if assigned:
            self._held_s = self._monotonic_s()
        elif self._monotonic_s() - self._held_s > JOIN_PATIENCE_S:
            raise KafkaTimeoutError(f"no partition of {self._topics.warnings} was assigned for {JOIN_PATIENCE_S:.0f} s")

    def keep(self, batch: Batch) -> None:
        """File the warnings of a batch; what cannot be kept is rejected, and the rest is filed all the same."""
        self._reject(batch.poison)
        try:
            self._metrics.count(self._clerk.file(batch.warnings))
        except OF_THE_WARNING:
            log.exception("a batch of %d warnings cannot be filed as a whole; each is tried alone", len(batch.taken))
            for record, warning in batch.taken:
                self._keep_alone(record, warning)

    def _keep_alone(self, record: Any, warning: wire.Warning) -> None:
        try:
            self._metrics.count(self._clerk.file([warning]))
        except OF_THE_WARNING as error:
            self._reject([(record, f"cannot be stored: {type(error).__name__}")])

    def _reject(self, poison: list[tuple[Any, str]]) -> None:
        if not poison:
            return
        with self._clerk.database.writing() as tx:
            for record, error in poison:
                at = record.topic, record.partition, record.offset
                log.error("%s[%d] at %d is rejected and set aside: %s", *at, error)
                store.keep_poison(tx, at, (record.key, record.value), outbox.printable(error), self._clerk.now())
        self._metrics.poisoned(len(poison))


def read_batch(records: Iterable[Any]) -> Batch:
    """Sort Kafka records into warnings, in their order, and what is none."""
    batch = Batch()
    for record in records:
        try:
            batch.taken.append((record, _read(record.value)))
        except Poison as error:
            batch.poison.append((record, str(error)))
    return batch


def _read(value: bytes | None) -> wire.Warning:
    if value is None:
        raise Poison("the record is empty")
    try:
        warning = wire.decode_warning(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise Poison(f"{'.'.join(map(str, first['loc'])) or 'the record'}: {first['msg']}") from None
    problem = unfit(warning, value)
    if problem is not None:
        raise Poison(problem)
    return warning
