"""A partition after the topics have grown: by whom it lets itself be worked on, and what it need not do again."""

from __future__ import annotations

import orjson
import pytest

from services.rules.layout import Layout, LayoutChanged, layout_record
from services.rules.partition import Partition
from services.rules.port import Outgoing
from services.rules.stores import MemoryStore
from tests.support.records import Rec, apply_all, customer_on, paid, partition
from tests.support.standin_core import StandInCore

HOME = customer_on(0)
MOVED = customer_on(4, partitions=8)
"""Lives on 0 of 4 and on 4 of 8."""


def changelog() -> list[Outgoing]:
    """What a worker with four partitions has written of both customers."""
    results = apply_all(partition(), [paid(0, HOME), paid(1, MOVED)])
    return [record for result in results for record in result.writes]


def grown(number: int = 0, store: MemoryStore | None = None) -> Partition:
    return Partition(number, 8, StandInCore(), event_clock=False, store=store)


def restore(part: Partition, records: list[Outgoing]) -> None:
    part.restore([Rec(offset, record.key, record.value) for offset, record in enumerate(records)])
    for _ in part.load(1):
        pass
    part.recovered()


def test_a_worker_that_was_told_another_number_does_not_touch_the_partition() -> None:
    with pytest.raises(LayoutChanged, match="laid out for 8 partitions and this worker for 4: set BELLWETHER_PARTI"):
        restore(partition(), [*changelog(), layout_record(Layout(8))])
    restore(grown(), [*changelog(), layout_record(Layout(8))])


def test_without_a_layout_every_number_is_right() -> None:
    part = partition()
    restore(part, changelog())
    assert part.customers == 2


def test_events_that_were_forwarded_when_the_topics_grew_are_not_forwarded_again() -> None:
    part, store = grown(), MemoryStore()
    restore(part, [layout_record(Layout(8, forwarded=7))])
    assert forwarded(part) == [7, 8]
    store.commit(5, part._own.note())
    assert forwarded(grown(0, store)) == [7, 8]
    assert forwarded(grown()) == [5, 6, 7, 8]


def forwarded(part: Partition) -> list[int]:
    """The offsets of those that are forwarded of four events of somebody else."""
    result = part.apply_batch([paid(offset, MOVED, name=str(offset)) for offset in range(5, 9)], 0)
    assert result.next_offset == 9
    return [int(orjson.loads(record.value or b"")["id"]) for _, record in result.forwards]
