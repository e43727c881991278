"""Records as they lie on a topic, for tests of the rules runtime without a broker."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count, islice

from schemas.topics import Topics
from services.rules.partition import BatchResult, Partition
from services.rules.partitioner import partition_of
from services.rules.port import Outgoing
from tests.support.standin_core import StandInCore, payment

START = datetime(2026, 3, 1, tzinfo=UTC)
PARTITIONS = 4
TOPICS = Topics("t")


@dataclass(frozen=True)
class Rec:
    """One record of a topic."""

    offset: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()


def at(hours: float) -> datetime:
    """An instant `hours` after the start of the tests' time."""
    return START + timedelta(hours=hours)


def customers_on(partition: int, number: int, partitions: int = PARTITIONS) -> list[str]:
    """The first customer ids that belong on the partition."""
    ids = (f"C-{number}" for number in count())
    return list(islice((one for one in ids if partition_of(one, partitions) == partition), number))


def customer_on(partition: int, nth: int = 0, partitions: int = PARTITIONS) -> str:
    """The nth customer id that belongs on the partition."""
    return customers_on(partition, nth + 1, partitions)[-1]


def paid(offset: int, customer_id: str, hours: float = 0, name: str = "", payment_id: str | None = None) -> Rec:
    """A payment of 1.00 at that offset."""
    return Rec(offset, customer_id.encode(), payment(customer_id, name or f"E-{offset}", at(hours), "1.00", payment_id))


def partition(number: int = 0, *, event_clock: bool = False, changelog: Iterable[Outgoing] = ()) -> Partition:
    """A partition with the stand-in core, restored from what others wrote."""
    made = Partition(number, PARTITIONS, StandInCore(), event_clock=event_clock)
    restore(made, changelog)
    return made


def restore(part: Partition, changelog: Iterable[Outgoing], first_offset: int = 0) -> int:
    """The partition reads what others wrote, as it lies on the changelog; how many of it were stale."""
    records = [Rec(offset, *record) for offset, record in enumerate(changelog, first_offset)]
    return part.restore(records) if records else 0


def apply_all(part: Partition, records: list[Rec], now: int = 0) -> list[BatchResult]:
    """Batch after batch until everything is consumed."""
    results = []
    while records:
        results.append(part.apply_batch(records, now))
        records = records[results[-1].consumed :]
    return results
