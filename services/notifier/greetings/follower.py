"""Follows the events topic for bereavements (customer.milestone, kind mourning), which the archive of a customer keeps.

Offsets are committed once the database has them. Runs only where greetings are switched on.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from typing import Any

from schemas.events import PREFIX, Event, Retraction
from schemas.sales import CustomerMilestone
from schemas.topics import Topics
from services.common.clock import Now
from services.common.database import Database
from services.common.kafka_connection import Address
from services.notifier.greetings import store
from services.notifier.greetings.store import Mourning
from services.notifier.group_reader import GroupReader, events_in

log = logging.getLogger(__name__)

TYPE = f"{PREFIX}customer.milestone"
MOURNING = "mourning"
_MARK = b"customer.milestone"

POLL_MS = 500
BATCH = 5000


class MourningFollower:
    """`step` is one worker's. Every notifier may have one: they share the partitions as one group. `caught_up` may be
    read from other threads: whether all that was there when this notifier started has been read. Before that nobody
    knows who mourns, least of all at the first start of all."""

    def __init__(self, kafka: Address, topics: Topics, database: Database, now: Now) -> None:
        self._database = database
        self._now = now
        group = f"{topics.prefix}-notifier-greetings"
        self._reader = GroupReader(kafka, topics.events, group, "bellwether-notifier-greetings")
        self.caught_up = False

    def step(self) -> bool:
        """Take what is there; True when something was. Raises KafkaError, BrokerUnreachable or the database's error,
        and the next step starts again from the last committed offset."""
        try:
            records = self._reader.poll(BATCH, POLL_MS)
            if records:
                self.keep(record for part in records.values() for record in part)
                self._reader.commit()
            self.caught_up = self.caught_up or self._reader.has_read_all()
        except BaseException:
            self.close()
            raise
        return bool(records)

    def close(self) -> None:
        """Leave the group, so that another notifier gets the partitions at once."""
        self._reader.close()

    def keep(self, records: Iterable[Any]) -> int:
        """File what tells of mourning; how many events were new."""
        told = list(mourning_in(records))
        if not told:
            return 0
        with self._database.writing() as tx:
            return store.learn_mourning(tx, told, self._now())


def mourning_in(records: Iterable[Any]) -> Iterator[Mourning]:
    """What Kafka records tell of bereavements."""
    return (found for event in events_in(records, _MARK) if (found := as_mourning(event)) is not None)


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
