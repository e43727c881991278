"""A state is a set of events: what stands does not depend on the order in which they came."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from schemas.codec import InvalidEvent
from schemas.events import Event
from schemas.warnings import decode_warning
from services.rules.entries import Key
from services.rules.records import HEAD, read_head_prefix, read_prefix
from services.rules.segments import SMALL_BYTES, SMALL_ENTRIES
from services.rules.state import CustomerState
from tests.unit.rules.making import CALENDAR, at, core, entry, event, invoice, payment, state_of


def standing(state: CustomerState) -> list[str]:
    return [item.id for item in state.items("activity.logged")]


def call(name: str, time: str, **fields: Any) -> Event:
    return event("activity.logged", time, id=name, kind="call", **fields)


def test_a_repeated_event_changes_nothing() -> None:
    state = state_of(call("a", "2026-01-01"))
    before = state.encode()
    state.add(entry(call("a", "2026-01-01")))
    assert state.encode() == before[-1:]
    assert standing(state) == ["a"]


def test_the_same_id_with_another_body_is_refused() -> None:
    state = state_of(call("a", "2026-01-01"))
    with pytest.raises(InvalidEvent) as refused:
        state.add(entry(call("a", "2026-01-02")))
    assert refused.value.code == "id_reused"
    assert standing(state) == ["a"]


def test_a_customer_with_as_many_events_as_there_may_be_takes_no_more_until_some_are_forgotten() -> None:
    with_core = core(None, 36, "R3")
    with_core.max_items = 3
    state = with_core.open("C", {})
    for offset in range(5):
        name = f"e{offset}"
        now = at(f"2023-01-0{1 + offset}")
        if offset < 3:
            with_core.apply(state, call(name, f"2023-01-0{1 + offset}"), offset=offset, now=now)
            continue
        with pytest.raises(InvalidEvent) as refused:
            with_core.apply(state, call(name, f"2023-01-0{1 + offset}"), offset=offset, now=now)
        assert refused.value.code == "too_many_items"
    with_core.apply(state, call("e0", "2023-01-01"), offset=5, now=at("2023-01-06"))
    assert standing(state) == ["e0", "e1", "e2"]

    state = with_core.open("C", {name: raw for name, raw in with_core.close(state).records if raw is not None})
    with_core.apply(state, call("later", "2026-09-01"), offset=6, now=at("2026-09-01"))
    assert standing(state) == ["later"]


def test_a_note_that_is_not_kept_still_makes_another_body() -> None:
    state = state_of(call("a", "2026-01-01", note="one"))
    assert "note" not in (state.items("activity.logged")[0].data or {})
    with pytest.raises(InvalidEvent):
        state.add(entry(call("a", "2026-01-01", note="another")))


def test_the_same_past_imported_once_as_history_is_the_same_event() -> None:
    state = state_of(call("a", "2026-01-01", history=True))
    before = state.encode()
    state.add(entry(call("a", "2026-01-01")))
    assert state.encode() == before[-1:]


CHAINS = {
    "a correction takes the place of what it corrects": (
        [call("a", "2026-01-01"), call("b", "2026-01-02", supersedes="a")],
        ["b"],
    ),
    "the newest of competing corrections wins": (
        [
            call("a", "2026-01-01"),
            call("b", "2026-01-03", supersedes="a"),
            call("c", "2026-01-02", supersedes="a"),
        ],
        ["b"],
    ),
    "of corrections of one instant the greater id wins": (
        [
            call("a", "2026-01-01"),
            call("b", "2026-01-02", supersedes="a"),
            call("c", "2026-01-02", supersedes="a"),
        ],
        ["c"],
    ),
    "a correction of a correction": (
        [
            call("a", "2026-01-01"),
            call("b", "2026-01-02", supersedes="a"),
            call("c", "2026-01-03", supersedes="b"),
        ],
        ["c"],
    ),
    "what corrects a loser falls with it": (
        [
            call("a", "2026-01-01"),
            call("b", "2026-01-05", supersedes="a"),
            call("c", "2026-01-02", supersedes="a"),
            call("d", "2026-01-09", supersedes="c"),
        ],
        ["b"],
    ),
    "a retraction takes it back": (
        [call("a", "2026-01-01"), call("b", "2026-01-02", supersedes="a", retracted=True)],
        [],
    ),
    "a retracted correction leaves nothing": (
        [
            call("a", "2026-01-01"),
            call("b", "2026-01-02", supersedes="a"),
            call("c", "2026-01-03", supersedes="b", retracted=True),
        ],
        [],
    ),
    "a correction of something never seen stands for itself": ([call("b", "2026-01-02", supersedes="a")], ["b"]),
    "others stay as they are": (
        [call("a", "2026-01-01"), call("x", "2026-01-04"), call("b", "2026-01-02", supersedes="a")],
        ["b", "x"],
    ),
}


@pytest.mark.parametrize("name", CHAINS)
def test_corrections_end_the_same_in_every_order(name: str) -> None:
    events, expected = CHAINS[name]
    for order in itertools.permutations(events):
        assert standing(state_of(*order)) == expected, [one.id for one in order]


def opened_anew(state: CustomerState, *, in_segments: bool) -> CustomerState:
    """The customer as its records tell it."""
    if in_segments:
        state.segments.leave_head()
    records = {name: raw for name, raw in state.encode() if raw is not None}
    return CustomerState.decode(records, CALENDAR)


@pytest.mark.parametrize("in_segments", [False, True])
@pytest.mark.parametrize("name", CHAINS)
def test_corrections_end_the_same_wherever_the_customer_was_opened_anew_between(name: str, in_segments: bool) -> None:
    events, expected = CHAINS[name]
    for order in itertools.permutations(events):
        for cut in range(len(order) + 1):
            state = opened_anew(state_of(*order[:cut]), in_segments=in_segments)
            for one in order[cut:]:
                state.add(entry(one))
            assert standing(state) == expected, ([one.id for one in order], cut)


RINGS = {
    "two that correct each other": [("a", "b"), ("b", "a")],
    "three in a ring": [("a", "c"), ("b", "a"), ("c", "b")],
    "a ring with a rival of one of its members": [("a", "b"), ("b", "a"), ("r", "b")],
    "a ring with a correction of the rival": [("a", "b"), ("b", "a"), ("r", "a"), ("s", "r")],
}


@pytest.mark.parametrize("name", RINGS)
def test_of_a_ring_of_corrections_and_what_hangs_on_it_nothing_stands(name: str) -> None:
    events = [
        call(one, f"2026-01-{number + 1:02d}", supersedes=other) for number, (one, other) in enumerate(RINGS[name])
    ]
    for order in itertools.permutations([*events, call("x", "2026-02-01")]):
        state = state_of(*order)
        assert standing(state) == ["x"], [one.id for one in order]
        assert standing(opened_anew(state, in_segments=False)) == ["x"], [one.id for one in order]


def test_another_source_cannot_correct() -> None:
    state = state_of(call("a", "2026-01-01"), event("activity.logged", "2026-01-02", id="b", source="crm", kind="call"))
    state.add(entry(event("activity.logged", "2026-01-03", id="c", source="crm", kind="call", supersedes="a")))
    assert standing(state) == ["a", "b", "c"]


def in_segments(state: CustomerState) -> CustomerState:
    """As a customer with many events is kept."""
    state.segments.leave_head()
    return state


def records_of(state: CustomerState) -> dict[str, bytes]:
    return {name: record for name, record in state.encode() if record is not None}


@pytest.mark.parametrize("is_small", [True, False])
def test_what_is_written_and_read_again_is_the_same(is_small: bool) -> None:
    state = state_of(
        call("a", "2026-01-31"),
        call("b", "2026-02-01"),
        call("c", "2026-02-02", supersedes="b"),
        invoice("I", "2026-01-10", "2026-03-10"),
        payment("P", "2026-03-01", "100.00", ("I", "40.00")),
    )
    records = records_of(state if is_small else in_segments(state))
    again = CustomerState.decode(records, CALENDAR)
    assert list(records) == ([HEAD] if is_small else ["2026-01", "2026-02", "2026-03", HEAD])
    for kind in ("activity.logged", "invoice.issued", "payment.received"):
        assert again.items(kind) == state.items(kind)
    assert not again.reconcile


def test_a_customer_that_grows_leaves_its_head_for_good_and_loses_nothing() -> None:
    state, records = CustomerState.new("C", CALENDAR), dict[str, bytes]()
    for number in range(2 * SMALL_ENTRIES):
        state.add(entry(call(f"e{number}", f"2026-0{1 + number % 5}-10")))
        for name, record in state.encode():
            assert record is not None
            records[name] = record
        assert (list(records) == [HEAD]) == (number < SMALL_ENTRIES)
        again = CustomerState.decode(records, CALENDAR)
        assert again.items("activity.logged") == state.items("activity.logged")
        assert len(again.items("activity.logged")) == number + 1
        if number % 2:
            state = again


def test_few_but_heavy_events_leave_the_head_too() -> None:
    lines = [{"product_id": f"P{n}", "quantity": "1", "unit_price": "10.00"} for n in range(SMALL_BYTES // 40)]
    heavy = event("order.placed", "2026-01-10", order_id="O", currency="CNY", lines=lines)
    assert list(records_of(state_of(call("a", "2026-01-31"), heavy))) == ["2026-01", HEAD]


@pytest.mark.parametrize("written", range(5))
def test_a_crash_while_a_customer_leaves_its_head_loses_nothing(written: int) -> None:
    calls = [call(f"e{number}", f"2026-0{1 + number % 4}-10") for number in range(SMALL_ENTRIES)]
    small = state_of(*calls)
    small.head.offset = 1
    torn = records_of(small)
    small.head.offset = 2
    small.add(entry(call("late", "2026-01-10")))
    torn.update({name: record for name, record in small.encode()[:written] if record is not None})

    again = CustomerState.decode(torn, CALENDAR)
    assert again.reconcile == (0 < written < 5)
    expected = {f"e{number}" for number in range(SMALL_ENTRIES)} | ({"late"} if written else set())
    assert set(standing(again)) == expected
    records = {**torn, **records_of(again)}
    assert set(standing(CustomerState.decode(records, CALENDAR))) == expected


def test_only_the_months_that_changed_are_written_again() -> None:
    state = in_segments(state_of(call("a", "2026-01-31"), call("b", "2026-02-01")))
    state = CustomerState.decode(records_of(state), CALENDAR)
    state.add(entry(call("c", "2026-02-03")))
    assert [name for name, _ in state.encode()] == ["2026-02", HEAD]


def test_a_head_behind_its_segments_calls_for_all_rules_again() -> None:
    state = in_segments(state_of(call("a", "2026-01-31")))
    old_head = records_of(state)[HEAD]
    state.head.offset = 7
    state.add(entry(call("b", "2026-01-30")))
    torn = {**records_of(state), HEAD: old_head}
    assert CustomerState.decode(torn, CALENDAR).reconcile


def test_versions_are_read_without_the_rest() -> None:
    state = in_segments(state_of(call("a", "2026-01-31")))
    state.head.offset, state.head.revision, state.head.wake_at = 5, 2, 99
    records = records_of(state)
    assert (read_prefix(records["2026-01"]).offset, read_prefix(records["2026-01"]).revision) == (5, 2)
    assert read_head_prefix(records[HEAD]).wake_at == 99


def test_a_dropped_month_is_a_tombstone() -> None:
    state = in_segments(state_of(call("a", "2026-01-31"), call("b", "2026-02-01")))
    state = CustomerState.decode(records_of(state), CALENDAR)
    state.drop(state.entries_before(at("2026-02-01")))
    assert dict(state.encode())["2026-01"] is None
    assert state.find(Key("erp", "a")) is None
    assert standing(state) == ["b"]


def test_a_customer_torn_by_a_crash_is_judged_even_if_its_first_event_is_refused() -> None:
    with_core = core(None, 36, "R3")
    state = in_segments(with_core.open("C", {}))
    with_core.apply(state, fair_on("2026-01-05"), offset=1, now=at("2026-01-05"))
    head = dict(with_core.close(state).records)[""]
    with_core.apply(state, fair_on("2026-01-10"), offset=2, now=at("2026-01-10"))
    torn = {name: record for name, record in with_core.close(state).records if name and record is not None}
    assert head is not None

    again = with_core.open("C", {**torn, "": head})
    with pytest.raises(InvalidEvent) as refusal:
        with_core.apply(again, fair_on("2019-01-01"), offset=2, now=at("2026-01-10"))

    assert refusal.value.code == "before_horizon"
    [raised] = with_core.close(again).warnings
    assert decode_warning(raised).rule == "R3"


def fair_on(day: str) -> Event:
    return event("competitor.activity", day, competitor_id="X", kind="trade_show")
