"""A customer turned out to be another: what was announced of it is withdrawn before nothing of it is kept."""

from __future__ import annotations

import pytest

from schemas.codec import encode
from schemas.control import CONTROL_KEY, erase_value
from schemas.warnings import Warning, decode_warning
from services.rules.books import assemble
from services.rules.calendar import DAY, micros
from services.rules.examples import EXAMPLE_ZONE
from services.rules.partition import BatchResult, Partition
from tests.support.fake_kafka import HostBench
from tests.support.records import TOPICS, Rec, customer_on
from tests.unit.rules.making import event, invoice, shipped


def bad_payer() -> Partition:
    """Customer C, late two months running, as long ago as makes warnings that ended and warnings that stand."""
    core = assemble(list(shipped("", None).values()), EXAMPLE_ZONE, 36, None)
    part = Partition(0, 1, core, event_clock=False)
    said = [
        invoice("1", "2026-01-01", "2026-01-10"),
        invoice("2", "2026-02-01", "2026-02-10"),
        event("contact.changed", "2026-02-12", contact_id="K", change="left", decision_role="finance"),
    ]
    for offset, one in enumerate(said):
        part.apply_batch([Rec(offset, b"C", encode(one))], micros(one.time))
    return part


def merged(offset: int, into: str | None = "S") -> Rec:
    return Rec(offset, CONTROL_KEY, erase_value("C", into))


def told(results: list[BatchResult]) -> list[Warning]:
    return [decode_warning(one.value or b"") for result in results for one in result.warnings]


def to_the_end(part: Partition, record: Rec, now: int) -> list[BatchResult]:
    results = [part.apply_batch([record], now)]
    while not results[-1].consumed:
        results.append(part.apply_batch([record], now))
    return results


def test_its_warnings_are_withdrawn_once_each_and_then_it_is_gone() -> None:
    part = bad_payer()
    now = micros(event("promise.met", "2026-03-05", promise_id="P").time)
    before = {one.id: one for one in told([part.fire_due(now, 100)])}
    assert before
    results = to_the_end(part, merged(3), now)
    withdrawn = told(results)
    assert {one.change for one in withdrawn} == {"withdrawn"}
    assert {one.customer_merged_into for one in withdrawn} == {"S"}
    assert len({one.id for one in withdrawn}) == len(withdrawn)
    assert {one for one in before if before[one].change != "withdrawn"} <= {one.id for one in withdrawn}
    assert all(one.revision == before[one.id].revision + 1 for one in withdrawn if one.id in before)
    assert [(result.consumed, result.erased, result.next_offset) for result in results] == [(0, 0, 3), (1, 1, 4)]
    assert (part.customers, part.records_of("C"), part.has_due(now + 400 * DAY)) == (0, {}, False)


def test_between_the_two_steps_nothing_is_announced_of_it_again() -> None:
    part = bad_payer()
    now = micros(event("promise.met", "2026-03-05", promise_id="P").time)
    part.fire_due(now, 100)
    assert told([part.apply_batch([merged(3)], now)])
    assert not part.has_due(now + 400 * DAY)


def test_a_customer_who_is_forgotten_or_unknown_has_nothing_withdrawn() -> None:
    part = bad_payer()
    now = micros(event("promise.met", "2026-03-05", promise_id="P").time)
    assert told(to_the_end(part, merged(3, into=None), now)) == []
    assert told(to_the_end(part, merged(4), now)) == []


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.mark.anyio
@pytest.mark.parametrize("fails", [TOPICS.changelog, TOPICS.warnings])
async def test_a_crash_while_warnings_are_withdrawn_leaves_none_standing(fails: str) -> None:
    core = assemble(list(shipped("", None).values()), EXAMPLE_ZONE, 36, None)
    customer = customer_on(0)
    said = [invoice("1", "2026-01-01", "2026-01-10"), invoice("2", "2026-02-01", "2026-02-10")]
    moved = [one.model_copy(update={"subject": customer}) for one in said]
    records = [Rec(offset, customer.encode(), encode(one)) for offset, one in enumerate(moved)]
    gone = Rec(2, CONTROL_KEY, erase_value(customer, "S"))
    first = HostBench(core=core)
    first.now_us = micros(event("promise.met", "2026-03-05", promise_id="P").time)
    await first.take_over()
    await first.host.process(0, records)
    assert standing(first), "the case is of no use without a warning"
    first.sink.fail_on = fails
    with pytest.raises(ConnectionError):
        await first.host.process(0, [gone])
    first.sink.fail_on = None
    second = HostBench(core=core, sink=first.sink)
    second.now_us = first.now_us
    second.cursor.offsets = dict(first.cursor.offsets)
    await second.take_over()
    await second.host.process(0, [gone])
    assert standing(second) == set()
    assert second.host.places[0].partition.records_of(customer) == {}


def standing(bench: HostBench) -> set[str]:
    """Ids of the warnings whose newest revision does not take them back."""
    told = [decode_warning(record.value or b"") for record in bench.sink.written(TOPICS.warnings, 0)]
    newest = {one.id: one for one in sorted(told, key=lambda one: one.revision)}
    return {one.id for one in newest.values() if one.change != "withdrawn"}
