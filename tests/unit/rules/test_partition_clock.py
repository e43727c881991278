"""Wake-ups: by a given clock, and by the events' own times."""

from __future__ import annotations

import orjson
import pytest

from schemas.events import Event
from services.rules.batch import ASKING, MAX_WORK
from services.rules.calendar import micros
from services.rules.entries import Said
from services.rules.intake import advance_record, code_of
from services.rules.partition import Partition
from services.rules.port import CLOCK_KEY, Outgoing
from tests.support.records import PARTITIONS, Rec, apply_all, at, customer_on, customers_on, paid, partition, restore
from tests.support.standin_core import StandInCore, State

A, B, C = (customer_on(0, nth) for nth in range(3))
MOST_WOKEN = MAX_WORK // ASKING


def said(warnings: list[Outgoing]) -> list[tuple[str, str, int]]:
    found = [orjson.loads(warning.value or b"") for warning in warnings]
    return [(warning["id"].split(":")[0], warning["rule"], warning["at"]) for warning in found]


def advanced(offset: int, hours: float) -> Rec:
    record = advance_record(at(hours))
    return Rec(offset, record.key, record.value)


def test_whoever_is_due_is_woken_once_and_at_the_given_time() -> None:
    part = partition()
    part.apply_batch([paid(0, A, 0), paid(1, B, 5)], micros(at(5)))
    assert not part.has_due(micros(at(23)))
    now = micros(at(25))
    assert part.has_due(now)
    result = part.fire_due(now, 10)
    assert said(result.warnings) == [(A, "silence", now)]
    assert result.next_offset is None
    assert not part.has_due(now)


def test_wake_ups_come_in_bounded_batches() -> None:
    part = partition()
    part.apply_batch([paid(n, customer, n) for n, customer in enumerate((A, B, C))], 0)
    now = micros(at(100))
    assert [len(part.fire_due(now, 2).warnings) for _ in range(3)] == [2, 1, 0]


def test_a_given_clock_is_not_moved_by_events_or_control_records() -> None:
    part = partition()
    result = part.apply_batch([paid(0, A, 0), advanced(1, 1000), paid(2, B, 2000)], micros(at(1)))
    assert result.warnings == []
    assert result.next_offset == 3
    assert [record.key for record in result.writes if record.key == CLOCK_KEY] == []


def test_under_the_event_clock_wake_ups_come_before_the_event_each_at_its_own_time() -> None:
    part = partition(event_clock=True)
    result = part.apply_batch([paid(0, B, 3), paid(1, A, 1), paid(2, C, 100)], 0)
    # Of different customers the order does not show in the result; the instants tell it.
    assert sorted(said(result.warnings)) == sorted([(A, "silence", micros(at(25))), (B, "silence", micros(at(27)))])
    assert part.clock == micros(at(100))


def test_within_one_batch_a_customer_is_woken_between_its_own_events() -> None:
    part = partition(event_clock=True)
    result = part.apply_batch([paid(0, A, 0), paid(1, A, 50), paid(2, A, 51)], 0)
    assert said(result.warnings) == [(A, "silence", micros(at(24)))]


class Diary(StandInCore):
    """Writes down who was applied and woken, in the order in which it happened."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []

    def learn(self, state: State, event: Event | Said, *, offset: int, now: int) -> None:
        super().learn(state, event, offset=offset, now=now)
        self.lines.append(("event", state.customer_id))

    def wake(self, state: State, *, now: int) -> None:
        super().wake(state, now=now)
        self.lines.append(("wake", state.customer_id))


def test_under_the_event_clock_wake_ups_happen_in_the_order_of_their_instants() -> None:
    diary = Diary()
    part = Partition(0, PARTITIONS, diary, event_clock=True)
    part.apply_batch([paid(0, B, 3), paid(1, A, 1), paid(2, C, 100)], 0)
    assert diary.lines == [("event", B), ("event", A), ("wake", A), ("wake", B), ("event", C)]


@pytest.mark.parametrize("size", [1, 2, 5, 1000])
def test_the_event_clock_gives_the_same_warnings_wherever_batches_end(size: int) -> None:
    records = [paid(n, (A, B, C)[n % 7 % 3], n * 9) for n in range(60)] + [advanced(60, 2000)]
    whole, cut = partition(event_clock=True), partition(event_clock=True)
    expected = sorted(w.value or b"" for result in apply_all(whole, records) for w in result.warnings)
    found = []
    for start in range(0, len(records), size):
        for result in apply_all(cut, records[start : start + size]):
            found += [w.value or b"" for w in result.warnings]
    assert sorted(found) == expected
    assert len(expected) > 10


def test_the_event_clock_never_goes_back() -> None:
    part = partition(event_clock=True)
    part.apply_batch([paid(0, A, 50), paid(1, B, 10), advanced(2, 20)], 0)
    assert part.clock == micros(at(50))


def test_refused_and_forwarded_events_do_not_move_the_clock() -> None:
    part = partition(event_clock=True)
    part.apply_batch([paid(0, customer_on(1), 500), Rec(1, A.encode(), b"{"), paid(2, A, 5)], 0)
    assert part.clock == micros(at(5))


def test_advance_fires_everything_due_up_to_it() -> None:
    part = partition(event_clock=True)
    part.apply_batch([paid(0, A, 0), paid(1, B, 30)], 0)
    result = part.apply_batch([advanced(2, 24 + 30)], 0)
    assert said(result.warnings) == [(B, "silence", micros(at(54)))]


def test_the_clock_is_written_last_and_restored() -> None:
    owner = partition(event_clock=True)
    first = owner.apply_batch([paid(0, A, 10)], 0).writes
    second = owner.apply_batch([paid(1, A, 20)], 0).writes
    assert [writes[-1].key for writes in (first, second)] == [CLOCK_KEY, CLOCK_KEY]
    part = partition(event_clock=True)
    assert restore(part, [*second, *first]) == 3
    assert part.clock == micros(at(20))


def test_an_advance_with_more_wake_ups_than_fit_a_batch_goes_on_where_it_stopped() -> None:
    part = partition(event_clock=True)
    customers = customers_on(0, MOST_WOKEN + 20)
    apply_all(part, [paid(n, customer, 0) for n, customer in enumerate(customers)])
    control = advanced(len(customers), 24)
    first, second = apply_all(part, [control])
    assert (first.consumed, first.next_offset, len(first.warnings)) == (0, control.offset, MOST_WOKEN)
    assert (second.consumed, second.next_offset, len(second.warnings)) == (1, control.offset + 1, 20)


class SleepBreaker(StandInCore):
    """Cannot be woken; or asks for the same wake-up for ever."""

    def __init__(self, *, again: bool) -> None:
        self.again = again

    def wake(self, state: State, *, now: int) -> None:
        if not self.again:
            raise ArithmeticError("this customer cannot be woken")
        state.wake_at = now


@pytest.mark.parametrize("event_clock", [True, False])
@pytest.mark.parametrize("again", [True, False])
def test_a_wake_up_that_fails_is_told_once_and_its_customer_sleeps_until_its_next_event(
    event_clock: bool, again: bool
) -> None:
    part = Partition(0, PARTITIONS, SleepBreaker(again=again), event_clock=event_clock)
    letters = part.apply_batch([paid(0, A, 0), paid(1, B, 30)], 0).dead_letters
    for _ in range(2):
        letters += part.fire_due(micros(at(29)), 10).dead_letters
    assert [code_of(letter) for letter in letters] == ["poison_wake"]
    assert orjson.loads(letters[0].value or b"")["customer_id"] == A
    assert orjson.loads(part.records_of(A)[""])["count"] == 1


class Forgetful(StandInCore):
    """Runs out of memory."""

    def learn(self, state: State, event: Event | Said, *, offset: int, now: int) -> None:
        raise MemoryError


def test_a_lack_of_memory_is_no_events_fault() -> None:
    part = Partition(0, PARTITIONS, Forgetful(), event_clock=False)
    with pytest.raises(MemoryError):
        part.apply_batch([paid(0, A)], 0)
