"""Follows the events topic for customer.owner_changed, and for customer.merged, after which holds follow the customer.

Offsets are committed once the database has what came of it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from kafka.errors import GroupAuthorizationFailedError, TopicAuthorizationFailedError

from schemas.events import PREFIX, Event, Retraction
from schemas.people import CustomerOwnerChanged
from schemas.sales import CustomerMerged
from schemas.topics import Topics
from services.common.clock import Now
from services.common.database import Database
from services.common.kafka_connection import Address
from services.notifier import holding, owners_store
from services.notifier.group_reader import GroupReader, events_in
from services.notifier.owners import OwnerEvent

log = logging.getLogger(__name__)

KIND = "customer.owner_changed"
MERGED = "customer.merged"
_MARK = b"owner_changed"
_MERGE_MARK = b"customer.merged"

POLL_MS = 500
BATCH = 5000
"""Records looked at between two commits; few of them are about owners."""

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
        self._database = database
        self._now = now
        self._monotonic_s = monotonic_s
        group = f"{topics.prefix}-notifier-directory"
        self._reader = GroupReader(kafka, topics.events, group, "bellwether-notifier-directory", monotonic_s)
        self._denied_until_s = 0.0

    def step(self) -> bool:
        """Take what is there; True when something was. Raises KafkaError, BrokerUnreachable or the database's error,
        and the next step starts again from the last committed offset."""
        if self._monotonic_s() < self._denied_until_s:
            return False
        try:
            return self._take()
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
        self._reader.close()

    def _take(self) -> bool:
        records = self._reader.poll(BATCH, POLL_MS)
        if not records:
            return False
        self.keep(record for part in records.values() for record in part)
        self._reader.commit()
        return True

    def keep(self, records: Iterable[Any]) -> int:
        """File what tells of owners, and have holds follow customers that were merged; how many events about owners
        were new."""
        records = list(records)
        told, merges = list(owner_events_in(records)), list(merges_in(records))
        if not told and not merges:
            return 0
        with self._database.writing() as tx:
            new = owners_store.learn(tx, told, self._now())
            moved = sum(holding.follow_merge(tx, merged, into, self._now()) for merged, into in merges)
        log.info("owners: %d events, %d of them new; %d holds moved by %d merges", len(told), new, moved, len(merges))
        return new


def owner_events_in(records: Iterable[Any]) -> Iterator[OwnerEvent]:
    """What Kafka records tell of owners."""
    return (found for event in events_in(records, _MARK) if (found := as_owner_event(event)) is not None)


def merges_in(records: Iterable[Any]) -> Iterator[tuple[str, str]]:
    """Customers that turned out to be others, each with that one. A merge that is taken back later is not undone."""
    for event in events_in(records, _MERGE_MARK):
        if event.type == PREFIX + MERGED and event.subject is not None and isinstance(event.data, CustomerMerged):
            yield event.data.merged_customer_id, event.subject


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
