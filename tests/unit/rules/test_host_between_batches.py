"""The host of partitions between batches: who stays open, what the customers topic is told, other rules."""

from __future__ import annotations

import asyncio

import orjson
import pytest

from services.rules.batch import MAX_WORK
from services.rules.port import Outgoing
from tests.support.fake_kafka import HostBench
from tests.support.records import TOPICS, customer_on, paid
from tests.support.standin_core import StandInCore

pytestmark = pytest.mark.anyio

A = customer_on(0)
TEN = [paid(offset, A, offset) for offset in range(10)]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def test_snapshots_lie_with_their_customer_and_are_safe_before_the_state_that_would_not_give_them_again() -> None:
    bench = HostBench()
    await bench.take_over()
    bench.sink.fail_on = TOPICS.changelog
    with pytest.raises(ConnectionError):
        await bench.host.process(0, TEN)
    assert bench.sink.written(TOPICS.customers, 0) == [Outgoing(A.encode(), b"10")]


async def test_customers_stay_open_until_their_partition_is_taken_away() -> None:
    bench = HostBench()
    await bench.take_over()
    for record in TEN:
        await bench.host.process(0, [record])
    assert bench.registry.get_sample_value("bellwether_rules_customers_decoded_total") == 1
    await bench.host.on_revoked()
    bench.host.refresh_gauges()
    assert bench.registry.get_sample_value("bellwether_rules_open_items") == 0
    await bench.take_over()
    await bench.host.process(0, [paid(10, A)])
    assert bench.registry.get_sample_value("bellwether_rules_customers_decoded_total") == 2
    head = bench.host.places[0].partition.records_of(A)[""]
    assert orjson.loads(head)["count"] == 11


async def test_a_customer_counts_once_in_a_batch_however_many_of_its_events_that_holds() -> None:
    bench = HostBench()
    await bench.take_over()
    await bench.host.process(0, TEN)
    assert bench.registry.get_sample_value("bellwether_rules_customers_written_total") == 1
    await bench.host.process(0, [paid(10, A), paid(11, customer_on(0, 1))])
    assert bench.registry.get_sample_value("bellwether_rules_customers_written_total") == 3


async def test_while_one_partition_waits_for_its_acknowledgements_another_is_worked_on() -> None:
    bench = HostBench()
    bench.cursor.offsets[1], bench.cursor.first[1] = None, 0
    await bench.host.on_recovered({0, 1}, set())
    await bench.host.open()
    bench.sink.hold = asyncio.Event()
    first = asyncio.create_task(bench.host.process(0, [paid(0, A)]))
    other = asyncio.create_task(bench.host.process(1, [paid(0, customer_on(1))]))
    again = asyncio.create_task(bench.host.process(0, [paid(1, A)]))
    await asyncio.sleep(0.001)
    decided = {number: bench.host.places[number].partition.customers for number in (0, 1)}
    assert decided == {0: 1, 1: 1}
    assert orjson.loads(bench.host.places[0].partition.records_of(A)[""])["count"] == 1, "one batch of each at a time"
    bench.sink.hold.set()
    await asyncio.gather(first, other, again)
    assert orjson.loads(bench.host.places[0].partition.records_of(A)[""])["count"] == 2


async def test_other_rules_wait_for_the_batch_in_hand() -> None:
    bench = HostBench()
    await bench.take_over()
    bench.sink.hold = asyncio.Event()
    work = asyncio.create_task(bench.host.process(0, [paid(n, A) for n in range(MAX_WORK)]))
    await asyncio.sleep(0.001)
    other = StandInCore()
    other.book = "2"
    replaced = asyncio.create_task(bench.host.use(other))
    await asyncio.sleep(0.001)
    assert not replaced.done()
    bench.sink.hold.set()
    await asyncio.gather(work, replaced)
    await bench.host.recheck()
    assert bench.host.places[0].partition.unjudged == {A}
    bench.caught_up()
    await bench.host.wake_due()
    last = bench.sink.written(TOPICS.warnings, 0)[-1]
    assert orjson.loads(last.value or b"")["id"] == f"{A}:book:2"


async def test_a_partition_that_is_only_stood_by_for_is_neither_sought_nor_worked_on() -> None:
    bench = HostBench()
    await bench.take_over()
    await bench.host.process(0, TEN)
    await bench.host.on_revoked()
    bench.cursor.offsets, seeks = {}, len(bench.cursor.seeks)
    await bench.host.on_recovered(set(), {0})
    await bench.host.open()
    assert bench.cursor.seeks[seeks:] in ([], [{}])
    assert not bench.host.accepts(0)


async def test_what_is_left_over_of_the_changelog_after_a_partition_was_forgotten_makes_no_half_of_it() -> None:
    owner = HostBench()
    await owner.take_over()
    await owner.host.process(0, TEN[:5])
    await owner.host.process(0, TEN[5:])
    changelog = owner.sink.changelog(TOPICS, 0)
    bench = HostBench(sink=owner.sink)
    bench.host.restore(0, changelog[-1:])
    assert bench.host.places == {}
    bench.cursor.offsets = {0: 10}
    await bench.take_over()
    assert orjson.loads(bench.host.places[0].partition.records_of(A)[""])["count"] == 10
    assert set(bench.host.places[0].partition.records_of(A)) == {"", "2026-03"}
