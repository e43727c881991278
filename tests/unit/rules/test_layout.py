"""A partition after the topics have grown: whose states it takes in, and by whom it lets itself be worked on."""

from __future__ import annotations

import pytest

from services.rules.layout import LayoutChanged, layout_record
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
        restore(partition(), [*changelog(), layout_record(8)])
    restore(grown(), [*changelog(), layout_record(8)])


def test_without_a_layout_every_number_is_right() -> None:
    part = partition()
    restore(part, changelog())
    assert part.customers == 2


def test_what_an_overtaken_worker_wrote_after_the_growth_is_left_alone() -> None:
    gone = [Outgoing(record.key, None) for record in changelog() if (record.key or b"").startswith(MOVED.encode())]
    part = grown()
    restore(part, [*changelog(), layout_record(8), *gone, layout_record(8)])
    late = [record for result in apply_all(partition(), [paid(9, MOVED)]) for record in result.writes]
    restore(part, late)
    assert part.records_of(MOVED) == {}
    assert part.records_of(HOME) != {}
    assert part.due.take(10**18) is not None
    assert part.due.take(10**18) is None


def test_the_layout_is_remembered_beside_a_store() -> None:
    part, store = grown(), MemoryStore()
    restore(part, [layout_record(8)])
    assert part.customers == 0
    store.commit(5, part._own.note())
    late = [record for result in apply_all(partition(), [paid(9, MOVED)]) for record in result.writes]
    part = grown(0, store)
    restore(part, late)
    assert part.customers == 0
