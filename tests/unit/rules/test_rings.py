"""What the rules make of a customer is freed at once when it is let go: no rings are left to the garbage collector.

The collector seldom looks in a worker (services/common/collector.py), so rings would be memory that grows.
"""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Iterator
from datetime import date
from functools import cache

import orjson
import pytest

from schemas.events import CUSTOMER_EVENTS, PREFIX
from services.ingest.sample.world import make_sample
from services.rules.books import SHIPPED, assemble, read_rules
from services.rules.calendar import DAY
from services.rules.examples import EXAMPLE_ZONE
from services.rules.opened import OpenCustomers
from services.rules.partition import BatchResult, Partition
from tests.support.records import Rec

CUSTOMERS = 60
"""Of the sample: among fewer some type of event does not occur."""

RINGS = 20
"""Objects that may be left, whatever the number of events: what a library leaves."""


@cache
def records() -> list[Rec]:
    """The last events of a few customers among whom every type occurs, and some that are refused."""
    histories: dict[str, list[dict[str, object]]] = {}
    for event in make_sample(3, date(2026, 9, 1), EXAMPLE_ZONE, CUSTOMERS).events:
        if "subject" in event:
            histories.setdefault(str(event["subject"]), []).append(event)
    missing, chosen = {f"{PREFIX}{kind}" for kind in CUSTOMER_EVENTS}, []
    for history in histories.values():
        new = [event for event in history if event["type"] in missing]
        if new:
            chosen += [*new, *history[-40:]]
            missing -= {str(event["type"]) for event in new}
    assert not missing
    chosen += [{**event, "time": chosen[-1]["time"]} for event in chosen[:5]]  # an id is used twice
    return [Rec(offset, str(event["subject"]).encode(), orjson.dumps(event)) for offset, event in enumerate(chosen)]


def worked(part: Partition, waiting: list[Rec]) -> Iterator[BatchResult]:
    while waiting:
        result = part.apply_batch(waiting[:30], 0)
        waiting = waiting[result.consumed :]
        yield result


@pytest.mark.parametrize("limit", [60, pytest.param(0, marks=pytest.mark.nightly)])
def test_customers_who_are_let_go_leave_nothing_to_the_garbage_collector(limit: int) -> None:
    core = assemble(read_rules(SHIPPED), EXAMPLE_ZONE, 36, snapshot_every=DAY)
    waiting = records()

    def play() -> Counter[str]:
        part, seen = Partition(0, 1, core, event_clock=True, opened=OpenCustomers(limit)), Counter[str]()
        for result in worked(part, waiting):
            seen["applied"] += result.applied
            seen["opened"] += result.decoded
            seen["warnings"] += len(result.warnings)
            seen["snapshots"] += len(result.snapshots)
            seen["refused"] += len(result.dead_letters)
        return seen

    seen = play()  # the verdicts that durable_rules gives are asked for once, and leave rings of its own
    assert min(seen.values()) > 0
    assert seen["opened"] > 10
    gc.collect()
    gc.disable()
    try:
        play()
        assert gc.collect() <= RINGS
    finally:
        gc.enable()
