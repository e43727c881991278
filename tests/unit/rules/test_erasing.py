"""A customer is erased: nothing stays of it, nothing of it comes back, and whoever else is there is left alone."""

from __future__ import annotations

import orjson
import pytest

from schemas.codec import encode
from schemas.control import CONTROL_KEY
from services.rules.books import assemble
from services.rules.calendar import SECOND, micros
from services.rules.examples import EXAMPLE_ZONE
from services.rules.intake import code_of, erase_record
from services.rules.partition import Partition
from services.rules.port import ERASED_HEADER, OWN_KEYS, Outgoing
from tests.support.fake_kafka import HostBench
from tests.support.records import TOPICS, Rec, apply_all, customer_on, paid, partition, restore
from tests.support.standin_core import StandInCore
from tests.unit.rules.making import event, shipped

pytestmark = pytest.mark.anyio

A, B = customer_on(0), customer_on(0, 1)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def erase(offset: int, customer_id: str) -> Rec:
    record = erase_record(customer_id)
    return Rec(offset, record.key, record.value)


def count_of(part: Partition, customer_id: str) -> int:
    found: int = StandInCore().open(customer_id, part.records_of(customer_id)).count
    return found


def test_every_record_of_the_customer_becomes_a_tombstone_and_others_stay() -> None:
    part = partition()
    part.apply_batch([paid(0, A), paid(1, A, 24 * 40), paid(2, B)], 0)
    result = part.apply_batch([erase(3, A)], 0)
    own, gone = result.writes[-1], result.writes[:-1]
    assert {record.key for record in gone} == {A.encode(), f"{A}\x1f2026-03".encode(), f"{A}\x1f2026-04".encode()}
    assert gone[-1].key == A.encode()
    assert {(record.value, record.headers) for record in gone} == {(None, ((ERASED_HEADER, b"3"),))}
    # The log must not end with a tombstone: a recovery waits for its last record.
    assert own.key is not None
    assert own.key.startswith(OWN_KEYS)
    assert own.value is not None
    assert result.snapshots == [Outgoing(A.encode(), None)]
    assert (part.customers, count_of(part, B)) == (1, 1)
    due = part.due.first()
    assert due is not None
    assert (due.customer_id, len(part.due)) == (B, 1)


def test_what_comes_before_in_the_same_fetch_is_another_batch_and_what_comes_later_begins_anew() -> None:
    part = partition()
    results = apply_all(part, [paid(0, A), paid(1, A), erase(2, A), paid(3, A), paid(4, B)])
    assert [(result.consumed, result.erased, result.next_offset) for result in results] == [
        (2, 0, 2),
        (1, 1, 3),
        (2, 0, 5),
    ]
    assert (count_of(part, A), count_of(part, B)) == (1, 1)


@pytest.mark.parametrize("event_clock", [True, False])
def test_who_reads_the_changelog_again_finds_nothing_of_the_customer(event_clock: bool) -> None:
    owner = partition(event_clock=event_clock)
    records = [paid(0, A), paid(1, B), erase(2, A), paid(3, B)]
    changelog = [write for result in apply_all(owner, records) for write in result.writes]
    part = partition(event_clock=event_clock, changelog=changelog)
    assert (part.customers, part.records_of(A), part.clock) == (1, {}, owner.clock)


def test_an_unknown_customer_may_be_erased_and_erased_again() -> None:
    part = partition()
    for offset in range(2):
        result = part.apply_batch([erase(offset, A)], 0)
        assert [record.key for record in result.writes[:-1]] == [A.encode()]
    assert part.customers == 0


def test_an_old_state_that_a_paused_worker_writes_afterwards_does_not_bring_the_customer_back() -> None:
    owner, sleeper = partition(), partition()
    changelog = owner.apply_batch([paid(0, A)], 0).writes
    late = sleeper.apply_batch([paid(0, A), paid(1, A)], 0).writes
    owner.apply_batch([paid(1, A)], 0)
    changelog += owner.apply_batch([erase(2, A)], 0).writes
    part = partition()
    assert restore(part, [*changelog, *late]) == 2
    assert part.customers == 0
    # Also when it is read in two parts, and not when the customer has come back since.
    part = partition(changelog=changelog)
    assert restore(part, late, len(changelog)) == 2
    part.apply_batch([paid(3, A)], 0)
    assert count_of(part, A) == 1


def test_an_erasure_on_the_wrong_partition_is_forwarded() -> None:
    elsewhere = customer_on(2)
    result = partition().apply_batch([erase(0, elsewhere)], 0)
    assert result.forwards == [(2, erase_record(elsewhere))]
    assert (result.erased, result.next_offset) == (0, 1)


@pytest.mark.parametrize("customer_id", [None, 7, "", "a\x1fb", "a" * 2_000])
def test_an_erasure_of_nobody_is_a_dead_letter(customer_id: object) -> None:
    value = orjson.dumps({"type": "bellwether.customer.erase", "customer_id": customer_id})
    result = partition().apply_batch([Rec(0, CONTROL_KEY, value), paid(1, A)], 0)
    assert [code_of(letter) for letter in result.dead_letters] == ["invalid"]
    assert (result.consumed, result.applied) == (2, 1)


def test_the_real_core_names_every_record_that_reports_may_have_been_told() -> None:
    call = event("activity.logged", "2026-01-02", kind="call")
    with_core = assemble(list(shipped("", None).values()), EXAMPLE_ZONE, 36, None, SECOND)
    part = Partition(0, 1, with_core, event_clock=False)
    first = part.apply_batch([Rec(0, b"C", encode(call))], micros(call.time))
    told = [*first.snapshots, *part.fire_due(micros(call.time) + SECOND, 10).snapshots]
    assert {record.key for record in told} == {b"C", b"C\x1f2026-01"}
    gone = part.apply_batch([erase(1, "C")], 0).snapshots
    assert {record.key for record in told} <= {record.key for record in gone}
    assert {record.value for record in gone} == {None}


async def test_all_before_is_committed_before_anything_is_erased() -> None:
    bench = HostBench()
    await bench.take_over()
    await bench.host.process(0, [paid(0, A), paid(1, A), erase(2, A)])
    assert bench.cursor.offsets == {0: 2}
    assert bench.host.places[0].next_offset == 3


async def test_a_crash_while_a_customer_is_erased_is_made_up_for_and_no_event_comes_again() -> None:
    records = [paid(0, A), paid(1, A), erase(2, A), paid(3, A)]
    for topic in (TOPICS.customers, TOPICS.changelog):
        first = HostBench()
        await first.take_over()
        await first.host.process(0, records[:2])
        first.sink.fail_on = topic
        with pytest.raises(ConnectionError):
            await first.host.process(0, records[2:])
        first.sink.fail_on = None
        second = HostBench(sink=first.sink)
        second.cursor.offsets = dict(first.cursor.offsets)
        assert second.cursor.offsets == {0: 2}
        await second.take_over()
        await second.host.process(0, records[2:])
        assert count_of(second.host.places[0].partition, A) == 1
        assert second.sink.written(TOPICS.customers, 0)[-2:] == [Outgoing(A.encode(), None), Outgoing(A.encode(), b"1")]


async def test_nothing_is_erased_by_a_worker_whose_commit_the_group_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = HostBench()
    await bench.take_over()
    await bench.host.process(0, [paid(0, A)])
    place = bench.host.places[0]

    async def refused(_: object) -> bool:
        # The group has moved on, and says so in a moment.
        place.ready = False
        return False

    monkeypatch.setattr(bench.cursor, "commit", refused)
    await bench.host.process(0, [erase(1, A)])
    assert (count_of(place.partition, A), place.next_offset) == (1, 1)
