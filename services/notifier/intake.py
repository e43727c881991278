"""Warnings from Kafka to the clerk: the offset is committed only after the database has what came of them."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError
from sqlalchemy.exc import DataError

from schemas import warnings as wire
from schemas.topics import Topics
from services.common.kafka_connection import Address
from services.notifier import outbox, store
from services.notifier.bounds import unfit
from services.notifier.clerk import Clerk
from services.notifier.group_reader import GroupReader
from services.notifier.metrics import IntakeMetrics

log = logging.getLogger(__name__)

POLL_MS = 250
BATCH = 200
"""Warnings in one transaction: a storm goes quickly, and nobody else waits long for the database."""


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
        self._clerk = clerk
        self._metrics = metrics
        self._reader = GroupReader(
            kafka, topics.warnings, f"{topics.prefix}-notifier", "bellwether-notifier", monotonic_s
        )
        self.settled = False

    @property
    def assigned(self) -> bool:
        """Whether there are partitions to read from."""
        return self._reader.assigned

    def step(self) -> bool:
        """Take what is there; True when something was. Raises KafkaError, BrokerUnreachable or the database's
        error, and the next step starts again from the last committed offset."""
        try:
            taken = self._take()
        except BaseException:
            self.close()
            raise
        self.settled = not taken
        return taken

    def close(self) -> None:
        """Leave the group, so that the next notifier gets the partitions at once."""
        self.settled = True
        self._reader.close()

    def _take(self) -> bool:
        records = self._reader.poll(BATCH, POLL_MS)
        if not records:
            return False
        batch = read_batch(record for part in records.values() for record in part)
        self.keep(batch)
        # Only now: a crash before this line files the same revisions again, and they are known then.
        self._reader.commit()
        for place in self._reader.positions(records):
            self._metrics.at(*place)
        return True

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
