"""The host of partitions, without Faust and broker: the order of writes, the cursor, taking over and giving back."""

from __future__ import annotations

import asyncio

import orjson
import pytest

from services.rules.batch import ASKING, MAX_WORK
from services.rules.calendar import micros
from services.rules.host import LogReplaced, NotCopartitioned, Overtaken
from services.rules.place import HOLE_PATIENCE_S, STILL_OBSERVATIONS
from tests.support.fake_kafka import FakeSink, HostBench
from tests.support.records import TOPICS, Rec, at, customer_on, paid
from tests.support.standin_core import payment

pytestmark = pytest.mark.anyio

A = customer_on(0)
TEN = [paid(offset, A, offset) for offset in range(10)]
"""Ends in a warning."""


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def ids(sink: FakeSink) -> list[str]:
    return [orjson.loads(record.value or b"")["id"] for record in sink.written(TOPICS.warnings, 0)]


def count_of(bench: HostBench) -> int:
    head = bench.host.places[0].partition.records_of(A)[""]
    count: int = orjson.loads(head)["count"]
    return count


async def test_dead_letters_then_states_then_warnings_then_the_commit() -> None:
    bench = HostBench()
    await bench.take_over()
    forwarded = Rec(10, b"x", payment(customer_on(3), "E-f", at(0)))
    await bench.host.process(0, [*TEN, forwarded, Rec(11, b"x", b"{")])
    claim, *batch = bench.sink.topics()
    assert claim == TOPICS.changelog
    assert batch == [TOPICS.dead_letters, TOPICS.events, TOPICS.customers, TOPICS.changelog, TOPICS.warnings]
    assert bench.cursor.offsets == {0: None}
    await bench.host.commit()
    assert bench.cursor.offsets == {0: 12}


@pytest.mark.parametrize("topic", [TOPICS.dead_letters, TOPICS.customers, TOPICS.changelog, TOPICS.warnings])
async def test_nothing_is_committed_of_a_batch_whose_writes_fail_and_nothing_more_is_taken(topic: str) -> None:
    bench = HostBench()
    await bench.take_over()
    bench.sink.fail_on = topic
    with pytest.raises(ConnectionError):
        await bench.host.process(0, [*TEN, Rec(10, b"x", b"{")])
    bench.sink.fail_on = None
    await bench.host.process(0, [paid(11, A)])
    await bench.host.on_revoked()
    assert bench.cursor.offsets == {0: 0}
    assert bench.host.failed


@pytest.mark.parametrize("topic", [TOPICS.dead_letters, TOPICS.customers, TOPICS.changelog, TOPICS.warnings])
async def test_the_next_process_makes_up_for_a_crash_before_any_write(topic: str) -> None:
    records = [*TEN, paid(10, A, payment_id="refused")]
    first = HostBench()
    await first.take_over()
    first.sink.fail_on = topic
    with pytest.raises(ConnectionError):
        await first.host.process(0, records)

    second = HostBench(sink=first.sink)
    second.sink.fail_on = None
    await second.take_over()
    await second.host.process(0, records)

    assert count_of(second) == 10
    assert set(ids(second.sink)) == {f"{A}:10"}
    assert len(second.sink.written(TOPICS.dead_letters, 0)) >= 1


async def test_a_dead_letter_is_safe_before_the_state_that_remembers_its_event() -> None:
    bench = HostBench()
    await bench.take_over()
    bench.sink.fail_on = TOPICS.changelog
    with pytest.raises(ConnectionError):
        await bench.host.process(0, [paid(0, A), paid(1, A, payment_id="refused")])
    assert bench.sink.topics() == [TOPICS.changelog, TOPICS.dead_letters, TOPICS.customers]


async def test_a_new_owner_goes_on_at_the_commit_and_a_fresh_group_at_the_first_offset_there_is() -> None:
    bench = HostBench()
    bench.cursor.first = {0: 3}
    await bench.take_over()
    assert bench.cursor.seeks == [{0: 3}]
    bench.cursor.offsets = {0: 7}
    await bench.take_over()
    assert bench.cursor.seeks[-1] == {0: 7}
    # Retention has deleted what was to come next.
    bench.cursor.first = {0: 20}
    await bench.take_over()
    assert bench.cursor.seeks[-1] == {0: 20}


async def test_a_log_shorter_than_what_was_applied_of_it_is_refused() -> None:
    bench = HostBench()
    bench.cursor.offsets, bench.cursor.end = {0: 7}, 6
    with pytest.raises(LogReplaced, match="partition 0 of t.events ends at 6 and was applied up to 7"):
        await bench.take_over()


async def test_no_record_is_accepted_before_the_cursor_has_been_put_in_its_place() -> None:
    bench = HostBench()
    await bench.host.on_recovered({0}, set())
    assert not bench.host.accepts(0)
    await bench.host.process(0, TEN)
    assert bench.sink.topics() == [TOPICS.changelog], "the claim alone"
    await bench.host.open()
    assert bench.host.accepts(0)
    assert not bench.host.accepts(1)


async def test_events_and_states_assigned_apart_are_refused() -> None:
    bench = HostBench()
    with pytest.raises(NotCopartitioned):
        await bench.host.on_recovered({0, 1}, set())


async def test_records_that_were_applied_already_are_not_applied_again() -> None:
    bench = HostBench()
    await bench.take_over()
    await bench.host.process(0, TEN)
    writes = len(bench.sink.log)
    await bench.host.process(0, TEN)
    assert len(bench.sink.log) == writes
    await bench.host.process(0, [*TEN[5:], paid(10, A)])
    assert count_of(bench) == 11


async def test_missing_records_are_read_again_and_a_genuine_hole_is_accepted_the_second_time() -> None:
    bench = HostBench()
    await bench.take_over()
    await bench.host.process(0, TEN)
    beyond = [paid(15, A), paid(16, A)]
    await bench.host.process(0, beyond)
    assert bench.cursor.seeks[-1] == {0: 10}
    assert count_of(bench) == 10
    # Already on its way when we sought back; dropped without asking again.
    await bench.host.process(0, [paid(17, A)])
    assert len(bench.cursor.seeks) == 2
    await bench.host.process(0, beyond)
    assert count_of(bench) == 12
    assert bench.host.places[0].next_offset == 17


async def test_records_lost_on_the_way_come_again_and_are_applied() -> None:
    bench = HostBench()
    await bench.take_over()
    await bench.host.process(0, TEN[5:])
    await bench.host.process(0, TEN)
    assert count_of(bench) == 10


async def test_another_hole_is_asked_about_once_patience_is_over() -> None:
    bench = HostBench()
    await bench.take_over()
    await bench.host.process(0, [paid(5, A)])
    bench.steady_s = HOLE_PATIENCE_S + 1
    await bench.host.process(0, [paid(8, A)])
    assert len(bench.cursor.seeks) == 3
    await bench.host.process(0, [paid(8, A)])
    assert count_of(bench) == 1


async def test_a_revocation_waits_for_the_batch_in_hand_commits_it_and_stops_before_the_next() -> None:
    bench = HostBench()
    await bench.take_over()
    bench.sink.hold = asyncio.Event()
    work = asyncio.create_task(bench.host.process(0, [paid(n, A) for n in range(2 * MAX_WORK)]))
    await asyncio.sleep(0.001)
    revoked = asyncio.create_task(bench.host.on_revoked())
    await asyncio.sleep(0.001)
    bench.sink.hold.set()
    await asyncio.gather(work, revoked)
    assert bench.cursor.offsets == {0: MAX_WORK - ASKING}
    assert set(bench.host.places) == {0}


async def test_a_partition_taken_away_in_the_middle_of_its_writes_is_forgotten() -> None:
    bench = HostBench()
    await bench.take_over()
    await bench.host.process(0, TEN[:5])
    bench.sink.hold = asyncio.Event()
    work = asyncio.create_task(bench.host.process(0, TEN[5:]))
    await asyncio.sleep(0.001)
    await bench.host.on_revoked()
    assert bench.host.places == {}
    assert bench.cursor.offsets == {0: 5}
    # What was in hand ends, late, and does not bring the partition back.
    bench.sink.hold.set()
    await work
    assert bench.host.places == {}
    # From the start, wherever Faust itself believes to have been.
    assert bench.host.changelog_offset(0) == -1


async def test_memory_that_agrees_with_the_changelog_is_kept_for_the_next_assignment() -> None:
    bench = HostBench()
    await bench.take_over()
    await bench.host.process(0, TEN)
    sent = len(ids(bench.sink))
    await bench.host.on_revoked()
    assert bench.host.changelog_offset(0) == 3
    await bench.host.on_recovered({0}, set())
    await bench.host.open()
    assert count_of(bench) == 10
    assert len(ids(bench.sink)) == sent


async def test_a_worker_that_slept_ends_before_its_late_warnings_and_its_states_do_not_count() -> None:
    sleeper = HostBench()
    await sleeper.take_over()
    await sleeper.host.process(0, TEN[:3])
    other = HostBench(sink=sleeper.sink)
    other.cursor.offsets = {0: 3}
    other.now_us = 5
    await other.take_over()
    await other.host.process(0, TEN[3:])
    sent = ids(sleeper.sink)
    # It wakes up and does not yet know: what it writes lies behind the states of the other.
    with pytest.raises(Overtaken):
        await sleeper.host.process(0, TEN[3:])
    assert ids(sleeper.sink) == sent
    # The other finds out with its next write, since it cannot know which of them is late.
    with pytest.raises(Overtaken):
        await other.host.process(0, [paid(10, A)])
    third = HostBench(sink=sleeper.sink)
    third.cursor.offsets = {0: 10}
    await third.take_over()
    assert third.registry.get_sample_value("bellwether_rules_recovery_stale_records_total") == 2
    assert count_of(third) == 11, "the state that the other wrote before it noticed counts"
    assert ids(sleeper.sink) == sent


async def test_what_a_late_writer_shadows_is_written_again_since_compaction_would_leave_the_late_word_alone() -> None:
    sleeper = HostBench()
    await sleeper.take_over()
    other = HostBench(sink=sleeper.sink)
    await other.take_over()
    await other.host.process(0, TEN)
    with pytest.raises(Overtaken):
        await sleeper.host.process(0, TEN[:3])
    await HostBench(sink=sleeper.sink).take_over()
    newest = {record.key: record for record in sleeper.sink.changelog(TOPICS, 0)}
    compacted = HostBench()
    assert compacted.host.changelog_offset(0) == -1
    compacted.host.restore(0, [Rec(n, r.key, r.value, r.headers) for n, r in enumerate(newest.values())])
    assert orjson.loads(compacted.host.places[0].partition.records_of(A)[""])["count"] == 10


async def test_a_partition_into_which_somebody_writes_while_it_is_claimed_is_read_again_first() -> None:
    sleeper = HostBench()
    await sleeper.take_over()
    other = HostBench(sink=sleeper.sink)
    assert other.host.changelog_offset(0) == -1
    other.host.restore(0, sleeper.sink.changelog(TOPICS, 0))
    await sleeper.host.process(0, TEN[:3])
    with pytest.raises(Overtaken):
        await other.host.on_recovered({0}, set())


async def test_a_recovery_that_was_overtaken_by_the_next_assignment_touches_nothing() -> None:
    bench = HostBench()
    await bench.take_over()
    bench.sink.hold = asyncio.Event()
    work = asyncio.create_task(bench.host.process(0, TEN))
    await asyncio.sleep(0.001)
    overtaken = asyncio.create_task(bench.host.on_recovered(set(), set()))
    await asyncio.sleep(0)
    revoked = asyncio.create_task(bench.host.on_revoked())
    await asyncio.sleep(0)
    bench.sink.hold.set()
    await asyncio.gather(work, overtaken, revoked)
    assert set(bench.host.places) == {0}
    assert bench.host.changelog_offset(0) == 3


async def test_partitions_that_went_elsewhere_are_forgotten() -> None:
    bench = HostBench()
    await bench.take_over()
    await bench.host.process(0, TEN)
    await bench.host.on_revoked()
    bench.cursor.offsets = {}
    await bench.host.on_recovered(set(), set())
    assert bench.host.places == {}
    assert bench.host.taken_over


async def test_a_refused_commit_is_tried_again() -> None:
    bench = HostBench()
    await bench.take_over()
    await bench.host.process(0, TEN)
    bench.cursor.accepting = False
    await bench.host.commit()
    assert bench.cursor.offsets == {0: None}
    bench.cursor.accepting = True
    await bench.host.commit()
    assert bench.cursor.offsets == {0: 10}


async def test_wake_ups_go_the_way_of_events_and_commit_nothing() -> None:
    bench = HostBench()
    await bench.take_over()
    await bench.host.process(0, TEN[:1])
    bench.caught_up()
    bench.now_us = micros(at(24))
    before = len(bench.sink.log)
    await bench.host.wake_due()
    assert bench.sink.topics()[before:] == [TOPICS.customers, TOPICS.changelog, TOPICS.warnings]
    assert ids(bench.sink) == [f"{A}:silent:{micros(at(0))}"]
    assert bench.host.places[0].next_offset == 1
    await bench.host.wake_due()
    assert len(bench.sink.log) == before + 3


async def test_a_crash_between_a_wake_ups_state_and_its_warning_is_made_up_for() -> None:
    first = HostBench()
    await first.take_over()
    await first.host.process(0, TEN[:1])
    first.caught_up()
    first.now_us = micros(at(24))
    first.sink.fail_on = TOPICS.warnings
    with pytest.raises(ConnectionError):
        await first.host.wake_due()
    assert ids(first.sink) == []

    first.sink.fail_on = None
    second = HostBench(sink=first.sink)
    await second.take_over()
    assert ids(second.sink) == [f"{A}:silent:{micros(at(0))}"]


async def test_nobody_is_woken_before_the_events_that_waited_have_been_applied() -> None:
    bench = HostBench()
    await bench.take_over()
    await bench.host.process(0, TEN[:1])
    bench.now_us = micros(at(24))
    bench.host.observe(0, 1, 2, idle=True)
    await bench.host.wake_due()
    assert ids(bench.sink) == []
    await bench.host.process(0, [paid(1, A, 23)])
    bench.host.observe(0, 2, 2, idle=True)
    await bench.host.wake_due()
    assert ids(bench.sink) == []
    bench.now_us = micros(at(47))
    await bench.host.wake_due()
    assert ids(bench.sink) == [f"{A}:silent:{micros(at(23))}"]


async def test_a_log_that_ends_in_transaction_markers_counts_as_read_once_nothing_comes() -> None:
    bench = HostBench()
    await bench.take_over()
    await bench.host.process(0, TEN[:1])
    place = bench.host.places[0]
    for _ in range(STILL_OBSERVATIONS):
        bench.host.observe(0, 3, 3, idle=True)
        assert place.lag == 2
    bench.host.observe(0, 3, 3, idle=True)
    assert (place.lag, place.caught_up) == (0, True)


async def test_the_event_clock_leaves_the_walls_alone() -> None:
    bench = HostBench(event_clock=True)
    await bench.take_over()
    await bench.host.process(0, TEN[:1])
    bench.caught_up()
    bench.now_us = micros(at(2400))
    await bench.host.wake_due()
    assert ids(bench.sink) == []


async def test_metrics_tell_what_was_done() -> None:
    bench = HostBench()
    await bench.take_over()
    await bench.host.process(0, [*TEN, Rec(10, b"x", b"{")])
    bench.host.refresh_gauges()
    registry = bench.registry
    assert registry.get_sample_value("bellwether_rules_events_applied_total") == 10
    assert registry.get_sample_value("bellwether_rules_dead_letters_total", {"reason": "not_json"}) == 1
    assert registry.get_sample_value("bellwether_rules_warnings_sent_total", {"rule": "tenth"}) == 1
    assert registry.get_sample_value("bellwether_rules_due_queue_length") == 1
    assert registry.get_sample_value("bellwether_rules_partitions") == 1
