"""Customers that stay open between batches: what comes out is the same as if each batch had opened them anew."""

from __future__ import annotations

import random
from datetime import date
from functools import cache
from typing import Any

import orjson
import pytest

from schemas.codec import decode
from services.ingest.sample.world import MIN_CUSTOMERS, make_sample
from services.rules.calendar import DAY, HOUR, micros
from services.rules.core import Core
from services.rules.examples import EXAMPLE_ZONE
from services.rules.opened import OpenCustomers
from services.rules.partition import BatchResult, Partition
from services.rules.port import Outgoing
from tests.support.records import PARTITIONS, START, Rec, at, customer_on, paid, restore
from tests.support.standin_core import StandInCore
from tests.unit.rules.making import core
from tests.unit.rules.test_reference import beat

A, B, C = (customer_on(0, nth) for nth in range(3))


# ---- the bound


def test_the_least_recently_used_customers_are_let_go() -> None:
    everyone = OpenCustomers(limit=10)
    shelf = everyone.shelf()
    for name in "abc":
        shelf.keep(name, name.upper(), items=2)
    assert (len(everyone), everyone.items) == (3, 9)
    shelf.keep("a", shelf.take("a"), items=2)
    shelf.keep("d", "D", items=2)
    assert [shelf.take(name) for name in "abcd"] == ["A", None, "C", "D"]
    assert everyone.items == 0


def test_a_customer_too_large_for_the_bound_is_not_kept_and_drives_nobody_out() -> None:
    everyone = OpenCustomers(limit=10)
    shelf = everyone.shelf()
    shelf.keep("small", "S", items=2)
    shelf.keep("large", "L", items=10)
    assert (shelf.take("large"), shelf.take("small")) == (None, "S")


def test_partitions_share_the_bound_and_not_the_customers() -> None:
    everyone = OpenCustomers(limit=10)
    one, other = everyone.shelf(), everyone.shelf()
    one.keep("a", "A", items=4)
    other.keep("a", "other A", items=4)
    assert one.take("a") == "A"
    other.clear()
    assert (other.take("a"), everyone.items) == (None, 0)


# ---- the same results


@cache
def sample_records() -> tuple[Rec, ...]:
    """A company's years with most of its calls left out, some events late and some twice."""
    events = make_sample(3, date(2026, 9, 1), EXAMPLE_ZONE, MIN_CUSTOMERS).events
    calls = "bellwether.activity.logged"
    mine = [event for n, event in enumerate(events) if "subject" in event and (event["type"] != calls or n % 9 == 0)]
    mine = mine[-350:]
    rng = random.Random(3)
    for _ in range(40):
        place = rng.randrange(len(mine) - 60)
        mine.insert(place + 50, mine[place] if rng.random() < 0.5 else mine.pop(place))
    return tuple(Rec(n, event["subject"].encode(), orjson.dumps(event)) for n, event in enumerate(mine))


def worked(limit: int, records: tuple[Rec, ...], *, event_clock: bool) -> list[BatchResult]:
    """Batches of many sizes with so many items kept open, and with wake-ups and heartbeats between them."""
    with_core = core()
    part = Partition(0, 1, with_core, event_clock=event_clock, opened=OpenCustomers(limit))
    rng, results, waiting, now = random.Random(5), [], list(records), 0
    while waiting:
        now = max(now, micros(decode(waiting[0].value or b"").time))
        results.append(part.apply_batch(waiting[: rng.randrange(1, 40)], now))
        waiting = waiting[results[-1].consumed :]
        now += rng.choice([0, DAY])
        if not event_clock:
            results.append(part.fire_due(now, 5))
            hours = (now - micros(START)) / HOUR
            with_core.reference.learn(beat(f"beat-{now}", until=hours - 30, hours=hours))
    return results


def said(results: list[BatchResult]) -> list[Any]:
    return [
        (found.writes, found.warnings, found.snapshots, found.next_offset, found.woken, code_free(found.dead_letters))
        for found in results
    ]


def code_free(letters: list[Outgoing]) -> list[bytes | None]:
    return [letter.value for letter in letters]


@pytest.mark.parametrize("event_clock", [True, False])
def test_results_do_not_depend_on_how_many_customers_stay_open(event_clock: bool) -> None:
    outcomes, decoded, warnings = [], [], 0
    for limit in (0, 100, 1_000_000):
        results = worked(limit, sample_records(), event_clock=event_clock)
        outcomes.append(said(results))
        decoded.append(sum(found.decoded for found in results))
        warnings = sum(len(found.warnings) for found in results)
    assert warnings > 10
    assert outcomes[1] == outcomes[0]
    assert outcomes[2] == outcomes[0]
    assert decoded[0] > decoded[1] > decoded[2] == len({record.key for record in sample_records()})


def test_the_real_core_closes_a_customer_as_often_as_it_likes() -> None:
    """Open, apply, close, apply, close gives the records of opening anew in between."""
    with_core = core()
    records = [record for record in sample_records() if record.key == sample_records()[0].key][:60]
    kept, stored = with_core.open("C", {}), dict[str, bytes]()
    for record in records:
        again = with_core.open("C", stored)
        closed = [step(with_core, state, record) for state in (kept, again)]
        assert closed[0] == closed[1]
        for name, value in closed[0].records:
            if value is None:
                stored.pop(name, None)
            else:
                stored[name] = value


def step(with_core: Core, state: Any, record: Rec) -> Any:
    event = decode(record.value or b"")
    with_core.apply(state, event, offset=record.offset, now=micros(event.time))
    return with_core.close(state)


# ---- whoever must be opened anew


def kept_open() -> Partition:
    """A and B are open."""
    part = Partition(0, PARTITIONS, StandInCore(), event_clock=False, opened=OpenCustomers(1_000))
    assert part.apply_batch([paid(0, A), paid(1, B)], 0).decoded == 2
    assert part.apply_batch([paid(2, A), paid(3, B)], 0).decoded == 0
    return part


@pytest.mark.parametrize("harm", ["poison", "bomb"])
def test_after_an_error_the_customer_is_opened_anew_and_the_others_stay_open(harm: str) -> None:
    part = kept_open()
    bad = paid(4, A, payment_id=harm) if harm == "poison" else paid(4, A, name="bomb")
    result = part.apply_batch([bad, paid(5, A), paid(6, B)], 0)
    assert len(result.dead_letters) == 1
    assert part.apply_batch([paid(7, A), paid(8, B)], 0).decoded == 1
    assert orjson.loads(part.records_of(A)[""])["count"] == 4


def test_a_refused_event_leaves_its_customer_open() -> None:
    part = kept_open()
    part.apply_batch([paid(4, A, payment_id="refused")], 0)
    assert part.apply_batch([paid(5, A)], 0).decoded == 0


def test_a_failed_wake_up_makes_its_customer_be_opened_anew() -> None:
    class Sleepless(StandInCore):
        def wake(self, state: Any, *, now: int) -> None:
            raise ArithmeticError("no wake-ups today")

    part = Partition(0, PARTITIONS, Sleepless(), event_clock=False, opened=OpenCustomers(1_000))
    part.apply_batch([paid(0, A), paid(1, B)], 0)
    part.fire_due(micros(at(24)), 1)
    assert part.apply_batch([paid(2, A), paid(3, B)], 0).decoded == 1


def test_what_another_worker_wrote_is_read_again() -> None:
    part, other = kept_open(), Partition(0, PARTITIONS, StandInCore(), event_clock=False)
    restore(part, other.apply_batch([paid(n, A) for n in range(7)], 0).writes)
    assert part.apply_batch([paid(7, A), paid(8, B)], 0).decoded == 1
    assert orjson.loads(part.records_of(A)[""])["count"] == 8


def test_a_partition_can_be_told_to_open_everybody_anew() -> None:
    part = kept_open()
    part.forget_opened()
    assert part.apply_batch([paid(4, A), paid(5, B)], 0).decoded == 2


# ---- other rules


def with_other_book(part: Partition) -> Partition:
    other = StandInCore()
    other.book = "2"
    part.use(other)
    return part


def test_other_rules_judge_everybody_anew_in_slices_while_batches_go_on() -> None:
    part = with_other_book(kept_open())
    part.apply_batch([paid(4, C)], 0)
    left = part.recheck(1)
    assert next(left) == 2
    part.apply_batch([paid(5, C)], 0)
    assert list(left) == [1, 0]
    assert part.unjudged == {A, B}
    result = part.fire_due(0, 10)
    assert [orjson.loads(warning.value or b"")["rule"] for warning in result.warnings] == ["book", "book"]
    assert part.unjudged == set()
    assert not part.has_due(0)


def test_an_event_that_is_refused_or_known_does_not_make_its_customer_judged() -> None:
    part = with_other_book(kept_open())
    assert list(part.recheck(10)) == [0]
    part.apply_batch([paid(4, A, payment_id="refused"), paid(1, B)], 0)
    assert part.unjudged == {A, B}
    assert part.fire_due(0, 10).woken == 2


def test_a_recovered_customer_whom_other_rules_judged_counts_as_not_judged() -> None:
    core = StandInCore()
    core.book = "2"
    after = Partition(0, PARTITIONS, core, event_clock=False)
    before = Partition(0, PARTITIONS, StandInCore(), event_clock=False)
    restore(after, before.apply_batch([paid(0, A)], 0).writes)
    after.recovered()
    assert after.unjudged == {A}
    restore(after, [Outgoing(A.encode(), None)])
    after.recovered()
    assert after.unjudged == set()


def test_a_customer_with_whom_the_new_rules_cannot_deal_is_woken_once() -> None:
    class Helpless(StandInCore):
        book = "2"

        def wake(self, state: Any, *, now: int) -> None:
            raise ArithmeticError("these rules are broken")

    part = kept_open()
    part.use(Helpless())
    assert list(part.recheck(10)) == [0]
    assert len(part.fire_due(0, 10).dead_letters) == 2
    assert part.unjudged == set()
    assert not part.has_due(micros(at(24)))
