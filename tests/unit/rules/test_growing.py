"""Growing to more partitions, without a broker: killed at every write and run again, nobody loses anything."""

from __future__ import annotations

from itertools import count

import pytest

from services.rules.growing import CannotGrow, growth_of, owner
from services.rules.growing_run import Grower, NotWhole, Report
from services.rules.layout import LAYOUT_KEY, Layout, layout_record, read_layout
from services.rules.partitioner import partition_of
from services.rules.port import Outgoing
from services.rules.rebasing import body, rebased, version_of
from services.rules.records import Version, read_head
from tests.support.growing_broker import (
    CUSTOMERS,
    NEW,
    OLD,
    SNAPSHOTS,
    STATES,
    TOPICS,
    TORN,
    GrowingBroker,
    Killed,
    a_broker,
    head,
    kept,
    no_bar,
    require_grown,
    segment,
    state,
)


def grow(broker: GrowingBroker, wanted: int = NEW) -> Report:
    return Grower(broker, TOPICS, wanted, no_bar).run()


def test_states_snapshots_clocks_and_waiting_events_follow_their_customers() -> None:
    broker = a_broker()
    report = grow(broker)
    require_grown(broker, a_broker())
    movers = [one for one in CUSTOMERS if partition_of(one, NEW) >= OLD]
    assert (report.customers, report.movers, report.snapshots) == (len(CUSTOMERS), len(movers), len(movers))
    assert report.records == 2 * len(movers) + 1
    assert report.waiting == len(CUSTOMERS) + OLD
    moved = kept(broker, STATES)[movers[0].encode()][1]
    assert read_head(moved).unsent == [b"a warning"]


@pytest.mark.parametrize("halved", [False, True], ids=["before", "in the middle of"])
def test_killed_at_any_write_and_run_again_it_ends_right(halved: bool) -> None:
    for kill_at in count():
        broker = a_broker()
        broker.kill_at, broker.halved = kill_at, halved
        try:
            grow(broker)
        except Killed:
            refuses_workers = len({len(parts) for parts in broker.parts.values()}) > 1
            untouched = all(len(parts) == OLD for parts in broker.parts.values())
            assert refuses_workers or untouched
            broker.kill_at = None
            grow(broker)
            require_grown(broker, a_broker())
        else:
            assert kill_at > 15
            break


def test_run_again_when_all_is_done_it_changes_nothing() -> None:
    broker = a_broker()
    grow(broker)
    writes = broker.writes
    assert grow(broker).customers == len(CUSTOMERS)
    assert broker.writes == writes


def test_what_an_overtaken_worker_writes_afterwards_does_not_count() -> None:
    broker = a_broker()
    grow(broker)
    for customer_id in CUSTOMERS:
        broker.put(STATES, partition_of(customer_id, OLD), state(customer_id.encode(), head(customer_id, 95_000)))
    require_grown(broker, a_broker())
    writes = broker.writes
    assert grow(broker).records == 0
    assert broker.writes == writes


def test_what_one_of_an_earlier_version_writes_afterwards_is_removed() -> None:
    broker = a_broker()
    grow(broker)
    stranger = next(one for one in CUSTOMERS if partition_of(one, NEW) == 3)
    broker.put(STATES, 1, state(stranger.encode(), head(stranger, 70_000), None))
    broker.put(SNAPSHOTS, 1, Outgoing(stranger.encode(), b"old"))
    broker.put(STATES, 3, state(stranger.encode(), head(stranger, 0), 4))
    report = grow(broker)
    assert (report.customers, report.records) == (len(CUSTOMERS), 1)
    assert kept(broker, STATES)[stranger.encode()] == (3, head(stranger, 0))
    assert kept(broker, SNAPSHOTS)[stranger.encode()][1] != b"old"
    last, waited = broker.parts[STATES][1][-1], len(a_broker().parts[TOPICS.events][1])
    assert (last.key, last.value) == layout_record(Layout(NEW, waited))[:2]


@pytest.mark.parametrize("epoch", [None, 3])
def test_an_overtaken_worker_that_writes_between_two_runs_undoes_no_copy(epoch: int | None) -> None:
    strangers = [one for one in CUSTOMERS[5:] if partition_of(one, NEW) >= OLD]
    for kill_at in count():
        broker = a_broker()
        broker.kill_at = kill_at
        try:
            grow(broker)
        except Killed:
            broker.kill_at = None
            marked = any(record.key == LAYOUT_KEY for record in broker.parts[STATES][1])
            for stranger in strangers if marked else ():
                late = state(stranger.encode(), head(stranger, 1), epoch)
                broker.put(STATES, partition_of(stranger, OLD), late)
            grow(broker)
            require_grown(broker, a_broker())
        else:
            break


def test_nothing_is_removed_before_its_copy_has_arrived() -> None:
    broker = a_broker()

    def lose(_: int) -> None:
        for log in broker.parts[STATES][OLD:]:
            log[:] = [record for record in log if record.key != TORN.encode()]

    broker.on_write = lose
    with pytest.raises(NotWhole, match=f"of {TORN} not everything has arrived"):
        grow(broker)
    assert any(record.key == TORN.encode() for record in broker.parts[STATES][1])
    broker.on_write = lambda _: None
    grow(broker)
    require_grown(broker, a_broker())


def test_topics_that_were_enlarged_by_other_means_are_mended_while_nobody_has_worked_on_them() -> None:
    broker = a_broker()
    for parts in broker.parts.values():
        parts += [[] for _ in range(NEW - OLD)]
    stranger = next(one for one in CUSTOMERS if partition_of(one, NEW) == 3)
    broker.put(STATES, 3, state(stranger.encode(), head(stranger, 0)))
    with pytest.raises(CannotGrow, match=f"1 customers have one state on partition 1 .* another .* \\({stranger}\\)"):
        grow(broker)
    broker.parts[STATES][3].clear()
    assert grow(broker).customers == len(CUSTOMERS)
    assert all(number == partition_of(owner(key), NEW) for key, (number, _) in kept(broker, STATES).items())


def test_it_refuses_while_there_are_workers_and_changes_nothing() -> None:
    broker = a_broker()
    broker.workers = ["one"]
    with pytest.raises(CannotGrow, match="one"):
        grow(broker)
    assert broker.writes == 0


def test_a_worker_that_comes_between_the_look_and_the_marks_stops_it() -> None:
    broker = a_broker()
    broker.on_write = lambda _: broker.workers.append("late")
    with pytest.raises(CannotGrow, match="late"):
        grow(broker)
    assert len(broker.parts[TOPICS.warnings]) == OLD
    broker.on_write = lambda _: None
    broker.workers.clear()
    grow(broker)
    require_grown(broker, a_broker())


def test_a_look_tells_the_numbers_and_writes_nothing() -> None:
    broker = a_broker()
    report = Grower(broker, TOPICS, NEW, no_bar).look()
    assert broker.writes == 0
    done = grow(broker)
    assert (report.customers, report.movers, report.records, report.bytes, report.waiting) == (
        (done.customers, done.movers, done.records, done.bytes, done.waiting)
    )


@pytest.mark.parametrize(
    ("changes", "wanted", "message"),
    [
        ({}, 1, "there are 2 partitions already"),
        ({}, 5, "from 2 partitions go to a multiple of 2"),
        ({TOPICS.changelog: 4}, 8, "a growth to 4 partitions was begun: finish it with `topics grow --partitions 4`"),
        ({TOPICS.rulebook: None}, 4, "t.rulebook does not exist: run `bellwether topics create` first"),
    ],
)
def test_what_cannot_be_done_is_a_sentence(changes: dict[str, int | None], wanted: int, message: str) -> None:
    counts = {**GrowingBroker(TOPICS, OLD).counts(), **changes}
    with pytest.raises(CannotGrow) as error:
        growth_of(TOPICS, {name: number for name, number in counts.items() if number is not None}, wanted)
    assert message in str(error.value)


@pytest.mark.parametrize("offset", [0, 127, 128, 255, 256, 65_535, 65_536, 2**32 - 1, 2**32, 2**62])
def test_a_record_with_another_version_is_otherwise_the_same(offset: int) -> None:
    for record in (head("C", offset, offset), segment(offset, 200)):
        moved = rebased(record, Version(-1, 0))
        assert version_of(moved) == Version(-1, 0)
        assert body(moved) == body(record)
        assert rebased(moved, version_of(record)) == record


def test_a_layout_is_read_as_it_was_written() -> None:
    assert read_layout(layout_record(Layout(8, 5)).value or b"") == Layout(8, 5)
