"""Telling of a customer: what is written after a change, and that the way it came leaves no trace."""

from __future__ import annotations

import random
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from schemas.customers import ClassNow, decode_record, encode_record
from schemas.events import Event
from services.rules.calendar import month_name, month_number
from services.rules.snapshots import Judged, Telling
from services.rules.state import CustomerState
from services.rules.touching import touched_of
from tests.unit.rules.making import CALENDAR, at, entry, event, payment, state_of

LINE = {"product_id": "P1", "quantity": "10", "unit_price": "20.00", "unit_cost": "15.00", "product_line": "valves"}
OTHER = {"product_id": "P2", "quantity": "1", "unit_price": "50.00", "product_line": "sensors"}


def order(name: str, day: str, *lines: dict[str, Any], **more: Any) -> Event:
    return event("order.placed", day, order_id=name, currency="CNY", lines=list(lines or [LINE]), **more)


def stage(deal: str, day: str, to: str, **more: Any) -> Event:
    return event("opportunity.stage_changed", day, opportunity_id=deal, to=to, **more)


def owner(day: str, new: str, **more: str) -> Event:
    return event("customer.owner_changed", day, new=new, **more)


TOUCHING: list[tuple[str, Callable[[], Event], set[str]]] = [
    ("an order", lambda: order("O9", "2026-04-02"), {"2026-04"}),
    ("its cancellation", lambda: event("order.cancelled", "2026-06-01", order_id="O1"), {"2026-03"}),
    ("a reversal", lambda: event("payment.reversed", "2026-06-01", payment_id="P1"), {"2026-02"}),
    ("a later owner", lambda: owner("2026-03-02", "ben"), {"2026-03", "2026-05"}),
    ("the first owner", lambda: owner("2026-01-05", "ben", old="ada"), {"2026-02", "2026-03", "2026-05"}),
    ("a deal's end", lambda: stage("D1", "2026-06-01", "lost"), {"2026-05", "2026-06"}),
    ("a profile", lambda: event("profile.updated", "2026-06-01", section="basic", confirmed_unchanged=True), set()),
    (
        "an order that moves",
        lambda: order("O1", "2026-04-09", id="moved", supersedes="first"),
        {"2026-03", "2026-04"},
    ),
]


class Learning:
    """A customer who is open, and which months are to be told of it."""

    def __init__(self, *events: Event) -> None:
        self.state = CustomerState.new("C", CALENDAR)
        self.changes = touched_of(self.state)
        for one in events:
            self.learn(one)

    def learn(self, made: Event) -> set[str]:
        """The months that this touches."""
        self.state.add(entry(made))
        return {month_name(month) for month in self.changes.take()[1]}


@pytest.mark.parametrize(("learned", "months"), [pytest.param(make, m, id=name) for name, make, m in TOUCHING])
def test_a_change_touches_the_months_whose_counters_differ(learned: Callable[[], Event], months: set[str]) -> None:
    world = Learning(
        owner("2026-02-01", "zoe"),
        payment("P1", "2026-02-10"),
        order("O1", "2026-03-05", id="first"),
        stage("D1", "2026-05-01", "won"),
    )

    assert world.learn(learned()) == months
    assert world.changes.take() == (False, set())


def test_an_event_that_is_known_already_changes_nothing() -> None:
    world = Learning(order("O1", "2026-03-05"))

    assert world.learn(order("O1", "2026-03-05")) == set()
    assert world.changes.take() == (False, set())


def test_what_is_not_counted_is_a_change_without_a_month() -> None:
    world = Learning()
    world.state.add(entry(event("contact.changed", "2026-03-05", contact_id="K", change="left")))

    assert world.changes.take() == (True, set())


def test_months_of_which_something_was_forgotten_are_left_as_they_were_written() -> None:
    state = state_of(order("O1", "2026-03-05"), order("O2", "2026-04-05"))
    months = [month_number("2026-03"), month_number("2026-04")]

    records = Telling.of(state).records(Judged(), 0, months, kept_from=at("2026-03-02"))

    assert [suffix for suffix, _ in records] == ["2026-04", ""]


def test_the_records_are_the_months_and_then_the_snapshot() -> None:
    state = state_of(order("O1", "2026-03-05"))
    judged = Judged(classes={"R26": ClassNow(value="head")})

    records = Telling.of(state).records(judged, at("2026-04-01"), [month_number("2026-03")])

    assert [suffix for suffix, _ in records] == ["2026-03", ""]
    month, whole = (decode_record(raw) for _, raw in records if raw is not None)
    assert month == Telling.of(state).counters(month_number("2026-03"))
    assert whole == Telling.of(state).snapshot(judged, at("2026-04-01"))


def test_a_customer_who_is_opened_again_touches_only_what_is_new() -> None:
    state = state_of(order("O1", "2026-03-05"))
    changes = touched_of(state)
    assert changes.take() == (False, set())

    state.add(entry(order("O2", "2026-04-05")))

    assert touched_of(state) is changes
    assert changes.take() == (True, {month_number("2026-04")})


def test_of_a_customer_who_is_opened_again_earlier_events_of_the_same_id_are_known() -> None:
    state = state_of(order("O1", "2026-03-05"), owner("2026-02-01", "zoe"))
    changes = touched_of(state)

    state.add(entry(event("order.cancelled", "2026-06-01", order_id="O1")))
    assert changes.take()[1] == {month_number("2026-03")}
    state.add(entry(owner("2026-03-20", "ben")))
    assert changes.take()[1] == {month_number("2026-03")}


def test_a_month_in_which_nothing_is_left_becomes_a_tombstone() -> None:
    state = state_of(order("O1", "2026-03-05"), event("order.cancelled", "2026-04-01", order_id="O1"))

    assert Telling.of(state).records(Judged(), 0, [month_number("2026-03")])[0] == ("2026-03", None)


def some_event(rng: random.Random, number: int) -> Event:
    """An event of any kind that is told, often about what others tell of, sometimes correcting another."""
    day = f"2026-{rng.randrange(1, 5):02d}-{rng.randrange(1, 29):02d} {rng.randrange(24):02d}:00"
    few = rng.randrange(3)
    amount = rng.choice(["10", "3.5", "7.25", "0.125", "1000.00"])
    made: list[tuple[str, dict[str, Any]]] = [
        (
            "order.placed",
            {"order_id": f"O{few}", "currency": "CNY", "lines": rng.sample([LINE, OTHER], rng.randrange(1, 3))},
        ),
        ("order.cancelled", {"order_id": f"O{few}", "lines": [{"product_id": "P1", "quantity": str(1 + few * 5)}]}),
        ("payment.received", {"payment_id": f"P{few}", "amount": amount, "currency": "CNY", "value_date": day[:10]}),
        ("payment.reversed", {"payment_id": f"P{few}"}),
        (
            "opportunity.stage_changed",
            {"opportunity_id": f"D{few}", "to": rng.choice(["lead", "needs", "won", "lost"])},
        ),
        ("customer.owner_changed", {"new": f"U{few}", **({"old": "V"} if rng.random() < 0.5 else {})}),
        ("lead.created", {"lead_id": f"L{few}"}),
        ("contract.signed", {"contract_id": f"K{few}", "value": amount, "currency": "CNY"}),
        ("activity.logged", {"kind": "call", "by": rng.choice(["ada", "ben"])}),
        ("survey.answered", {"satisfaction": 4.0, "nps": few * 4}),
        ("profile.updated", {"section": "basic", "fields": {"region": rng.choice(["A", None])}}),
        ("service_case.closed", {"case_id": f"S{few}", "score": 1 + few}),
        ("feedback.raised", {"feedback_id": f"F{few}", "kind": "complaint", "topic": "x"}),
    ]
    kind, data = rng.choice(made)
    envelope = {"supersedes": f"E{rng.randrange(number)}"} if number and rng.random() < 0.2 else {}
    if envelope and rng.random() < 0.4:
        envelope["retracted"] = True  # type: ignore[assignment]
    return event(kind, day, id=f"E{number}", **data, **envelope)


@pytest.mark.parametrize("seed", range(40))
def test_what_is_told_depends_on_what_stands_and_not_on_how_it_came(seed: int) -> None:
    rng = random.Random(seed)
    events = [some_event(rng, number) for number in range(60)]
    one_way, another = Telling.of(state_of(*events)), Telling.of(state_of(*rng.sample(events, len(events))))

    assert one_way.snapshot(Judged(), 0) == another.snapshot(Judged(), 0)
    assert one_way.months == another.months
    for month in one_way.months:
        assert encode_record(one_way.counters(month)) == encode_record(another.counters(month))


@pytest.mark.parametrize("seed", range(10))
def test_no_month_differs_that_was_not_touched(seed: int) -> None:
    rng = random.Random(seed)
    world = Learning()
    for number in range(40):
        if number == 20:
            world.changes = touched_of(opened_again(world.state))
        before = Telling.of(world.state)
        was = {month: before.counters(month) for month in range(JANUARY - 1, JANUARY + 6)}
        touched = {month_number(name) for name in world.learn(some_event(rng, number))}
        after = Telling.of(world.state)
        assert {month for month, counters in was.items() if after.counters(month) != counters} <= touched


def opened_again(state: CustomerState) -> CustomerState:
    """The same state with nothing derived from it yet."""
    state._feeds.clear()
    state._fed_by.clear()
    state._planned.clear()
    return state


JANUARY = month_number("2026-01")


def test_an_amount_that_is_taken_back_leaves_no_trace() -> None:
    state = state_of(payment("P1", "2026-02-10", "300.00"), payment("P2", "2026-02-10", "0.125"))
    february = month_number("2026-02")
    assert [one.amount for one in Telling.of(state).counters(february).counts] == [Decimal("300.125")]

    state.add(entry(event("payment.reversed", "2026-03-01", payment_id="P2")))

    assert b'"amount":"300.00"' in encode_record(Telling.of(state).counters(february))
