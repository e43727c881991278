"""What is told of a customer on the customers topic, worked out by hand from a few events."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from schemas.codec import parse
from schemas.customers import (
    MAX_RECORD_BYTES,
    Count,
    CustomerSnapshot,
    MonthCounters,
    OwnerSince,
    decode_record,
    encode_record,
    record_key,
    split_key,
)
from schemas.events import Event
from services.rules.calendar import Calendar, Micros, instant, month_number
from services.rules.counting import points
from services.rules.entries import entry_of
from services.rules.snapshots import Judged, Telling
from services.rules.state import CustomerState
from tests.unit.rules.making import at, event, payment, state_of

LINE = {"product_id": "P1", "quantity": "10", "unit_price": "20.00", "unit_cost": "15.00", "product_line": "valves"}
OTHER = {"product_id": "P2", "quantity": "1", "unit_price": "50.00", "product_line": "sensors"}


def order(name: str, day: str, *lines: dict[str, Any], **more: Any) -> Event:
    return event("order.placed", day, order_id=name, currency="CNY", lines=list(lines or [LINE]), **more)


def stage(deal: str, day: str, to: str, **more: Any) -> Event:
    return event("opportunity.stage_changed", day, opportunity_id=deal, to=to, **more)


def owner(day: str, new: str, **more: str) -> Event:
    return event("customer.owner_changed", day, new=new, **more)


def counts(state: CustomerState, month: str, *kinds: str) -> list[Count]:
    return [one for one in Telling.of(state).counters(month_number(month)).counts if not kinds or one.kind in kinds]


def snapshot(*events: Event) -> CustomerSnapshot:
    return Telling.of(state_of(*events)).snapshot(Judged(), at("2026-06-30"))


def test_an_order_is_counted_with_its_margin_and_by_product_line() -> None:
    state = state_of(order("O1", "2026-03-05", LINE, OTHER, campaign="fair"), order("O2", "2026-03-05", LINE))

    found = counts(state, "2026-03")

    assert Count(day=5, kind="order", n=1, amount=Decimal("250.00"), currency="CNY", campaign="fair") in found
    assert Count(day=5, kind="order", n=1, amount=Decimal("200.00"), currency="CNY") in found
    # O1 has a line without a cost: its margin is not known, that of its valves is.
    assert Count(day=5, kind="order_without_cost", n=1) in found
    assert Count(day=5, kind="order_margin", n=1, amount=Decimal("50.00"), currency="CNY") in found
    assert (
        Count(day=5, kind="order_line", n=2, amount=Decimal("400.00"), currency="CNY", product_line="valves") in found
    )
    assert (
        Count(day=5, kind="order_line", n=1, amount=Decimal("50.00"), currency="CNY", product_line="sensors") in found
    )
    assert [(one.product_line, one.amount) for one in found if one.kind == "order_line_margin"] == [
        ("valves", Decimal("100.00"))
    ]


def test_a_cancellation_makes_the_order_smaller_on_the_day_it_was_placed() -> None:
    state = state_of(
        order("O1", "2026-03-05"),
        order("O2", "2026-03-06"),
        event("order.cancelled", "2026-05-01", order_id="O1", lines=[{"product_id": "P1", "quantity": "4"}]),
        event("order.cancelled", "2026-05-02", order_id="O2"),
    )

    assert [(one.day, one.amount) for one in counts(state, "2026-03", "order")] == [(5, Decimal("120.00"))]
    assert counts(state, "2026-05") == []
    assert Telling.of(state).snapshot(Judged(), at("2026-06-01")).orders.count == 1


def test_money_counts_on_its_value_date_and_a_reversed_payment_never_was() -> None:
    state = state_of(
        payment("P1", "2026-02-28", "300.00"),
        payment("P2", "2026-02-28", "70.00"),
        event("payment.reversed", "2026-04-01", payment_id="P2"),
    )

    assert [(one.day, one.n, one.amount, one.currency) for one in counts(state, "2026-02")] == [
        (28, 1, Decimal("300.00"), "CNY")
    ]


def test_calls_count_when_made_and_contacts_when_somebody_was_reached() -> None:
    state = state_of(
        event("activity.logged", "2026-03-01 09:00", kind="call", channel="phone", by="ada", outcome="no_answer"),
        event("activity.logged", "2026-03-01 10:00", kind="call", channel="phone", by="ada"),
        event("activity.logged", "2026-03-01 11:00", kind="call", channel="phone", direction="inbound", by="ada"),
        event("activity.logged", "2026-03-01 12:00", kind="visit", channel="onsite", by="ada"),
        event("activity.logged", "2026-03-01 13:00", kind="message", channel="email", automated=True, by="ada"),
    )

    assert {one.kind: one.n for one in counts(state, "2026-03")} == {"call": 2, "contact": 3, "visit": 1}


def test_the_owner_of_a_day_is_the_newest_one_up_to_its_end() -> None:
    state = state_of(
        owner("2026-03-01", "ada"),
        owner("2026-03-10 18:00", "ben"),
        order("O1", "2026-02-27"),
        order("O2", "2026-03-09"),
        order("O3", "2026-03-10 08:00"),
        event("lead.created", "2026-03-12", lead_id="L1", owner="cy", channel="web", campaign="fair"),
    )

    assert [one.owner for one in counts(state, "2026-02", "order")] == [None]
    assert [(one.day, one.owner) for one in counts(state, "2026-03", "order")] == [(9, "ada"), (10, "ben")]
    assert counts(state, "2026-03", "lead") == [
        Count(day=12, kind="lead", n=1, owner="cy", channel="web", campaign="fair")
    ]
    seen = Telling.of(state).snapshot(Judged(), at("2026-04-01"))
    assert seen.owner == "ben"
    assert seen.owners == [
        OwnerSince(owner="ada", since=date(2026, 3, 1)),
        OwnerSince(owner="ben", since=date(2026, 3, 10)),
    ]


def test_before_the_first_change_the_old_owner_was_the_owner() -> None:
    first, second = owner("2026-03-10", "ben", old="ada"), owner("2026-04-10", "cy", old="nobody")
    state = state_of(order("O1", "2025-03-09"), order("O2", "2026-03-10"), second, first)

    assert [one.owner for one in counts(state, "2025-03", "order")] == ["ada"]
    assert [one.owner for one in counts(state, "2026-03", "order")] == ["ben"]


def test_an_opportunity_has_its_stages_and_the_newest_of_what_was_said() -> None:
    seen = snapshot(
        stage("D1", "2026-03-01", "lead", owner="ada", lead_id="L1"),
        stage("D1", "2026-03-04", "opportunity", amount="900.00", currency="CNY"),
        stage("D1", "2026-03-05", "opportunity"),
        stage("D1", "2026-03-20", "won", amount="1000.00", currency="CNY", close_date="2026-03-20"),
        stage("D2", "2026-04-01", "lead"),
    )

    won, fresh = seen.opportunities
    assert (won.id, won.stage, won.owner, won.lead_id, won.amount) == ("D1", "won", "ada", "L1", Decimal("1000.00"))
    assert won.close_date == date(2026, 3, 20)
    assert [one.stage for one in won.stages] == ["lead", "opportunity", "won"]
    assert won.stages[1].left == won.stages[2].entered == datetime.fromisoformat("2026-03-20T00:00:00+08:00")
    assert (fresh.stage, fresh.amount, fresh.stages[0].left) == ("lead", None, None)


def test_a_deal_counts_as_won_only_while_it_stays_so() -> None:
    state = state_of(
        stage("D1", "2026-03-20", "won", amount="10.00", currency="CNY"), stage("D1", "2026-04-02", "lost")
    )

    assert counts(state, "2026-03", "opportunity_won") == []
    assert [(one.day, one.currency) for one in counts(state, "2026-04", "opportunity_lost")] == [(2, "CNY")]
    assert [one.stage for one in counts(state, "2026-03", "stage")] == ["won"]


@pytest.mark.parametrize(
    ("days", "median_gap_days"),
    [
        (["2026-01-01", "2026-01-11", "2026-02-01", "2026-03-13"], Decimal(21)),  # of gaps of 10, 21 and 40 days
        (["2026-02-01", "2026-01-01", "2026-01-11"], Decimal("15.5")),  # of 10 and 21
        (["2026-01-01", "2026-01-01 12:00"], Decimal("0.5")),
        (["2026-01-01"], None),
    ],
)
def test_order_facts_have_the_median_gap(days: list[str], median_gap_days: Decimal | None) -> None:
    facts = snapshot(*(order(f"O{number}", day) for number, day in enumerate(days))).orders

    assert facts.count == len(days)
    assert facts.median_gap_s == (None if median_gap_days is None else median_gap_days * 86_400)
    assert facts.last == facts.times[-1] == instant(at(max(days)))


def test_of_what_is_reported_twice_the_last_word_counts_whichever_came_first() -> None:
    early, late = (order("O1", day, line, id=day) for day, line in (("2026-03-05", LINE), ("2026-04-06", OTHER)))
    first, last = (
        event("lead.created", "2026-03-05", id=channel, lead_id="L1", channel=channel) for channel in ("fair", "web")
    )

    for events in ((early, late, first, last), (last, first, late, early)):
        seen = snapshot(*events)
        assert (seen.orders.count, seen.product_lines) == (1, ["sensors"])
        assert seen.months == ["2026-03", "2026-04"]
        # Both were said at one time: the later name in the alphabet decides.
        assert [one.channel for one in seen.leads] == ["web"]


def test_leads_are_told_in_the_order_in_which_they_came_also_when_one_was_reported_again() -> None:
    seen = snapshot(*(event("lead.created", f"2026-03-0{day}", lead_id=f"L{day % 2}") for day in (1, 2, 3)))

    assert [(lead.id, lead.created) for lead in seen.leads] == [
        ("L0", instant(at("2026-03-02"))),
        ("L1", instant(at("2026-03-03"))),
    ]


def test_what_the_owner_is_said_to_have_done_and_what_nobody_claims_is_one_count() -> None:
    money = {"amount": "10.00", "currency": "CNY"}
    state = state_of(
        owner("2026-03-01", "ada"),
        stage("D1", "2026-03-20", "won", owner="ada", **money),
        stage("D2", "2026-03-20", "won", **money),
    )

    assert counts(state, "2026-03", "opportunity_won") == [
        Count(day=20, kind="opportunity_won", n=2, owner="ada", amount=Decimal("20.00"), currency="CNY")
    ]


def test_region_and_team_come_from_the_profile_and_can_be_cleared() -> None:
    said = event("profile.updated", "2026-01-01", section="basic", fields={"region": "华东", "team": "A"})
    cleared = event("profile.updated", "2026-02-01", section="basic", fields={"team": None})

    assert (snapshot(said).region, snapshot(said).team) == ("华东", "A")
    assert (snapshot(said, cleared).region, snapshot(said, cleared).team) == ("华东", None)


def test_surveys_and_marks_are_points_from_0_to_100() -> None:
    state = state_of(
        event("survey.answered", "2026-03-01", satisfaction=4.0, nps=9),
        event("survey.answered", "2026-03-02", satisfaction=1.0, scale=10, nps=6),
        event("service_case.closed", "2026-03-02", case_id="S1", score=5),
        event("feedback.raised", "2026-03-03", feedback_id="F1", kind="complaint", topic="late"),
        event("feedback.raised", "2026-03-03", feedback_id="F2", kind="question", topic="price"),
    )

    found = [(one.kind, one.day, one.n, one.amount) for one in counts(state, "2026-03")]
    assert sorted(found, key=lambda one: (one[1], one[0])) == [
        ("nps_promoter", 1, 1, None),
        ("satisfaction", 1, 1, Decimal("75.00")),
        ("nps_detractor", 2, 1, None),
        ("satisfaction", 2, 1, Decimal("0.00")),
        ("service_score", 2, 1, Decimal("100.00")),
        ("complaint", 3, 1, None),
    ]
    assert points(0, 5) == 0
    assert points(99, 5) == 100


@pytest.mark.parametrize(
    ("zone", "time", "month", "day"),
    [
        ("Asia/Shanghai", "2028-02-29T15:59:59+00:00", "2028-02", 29),
        ("Asia/Shanghai", "2028-02-29T16:00:00+00:00", "2028-03", 1),
        # New York springs forward on 8 March 2026: midnight of the 9th is at 04:00 UTC, not 05:00.
        ("America/New_York", "2026-03-09T03:59:59+00:00", "2026-03", 8),
        ("America/New_York", "2026-03-09T04:00:00+00:00", "2026-03", 9),
        ("America/New_York", "2026-11-01T03:59:59+00:00", "2026-10", 31),
    ],
)
def test_days_and_months_are_those_of_the_company(zone: str, time: str, month: str, day: int) -> None:
    calendar = Calendar(ZoneInfo(zone))
    state = CustomerState.new("C", calendar)
    data = {"kind": "meeting", "channel": "video"}
    document = {"id": "1", "source": "crm", "type": "bellwether.activity.logged", "time": time, "subject": "C"}
    state.add(entry_of(parse({"specversion": "1.0", **document, "data": data}), calendar))

    assert [(one.kind, one.day) for one in counts(state, month)] == [("contact", day)]
    assert Telling.of(state).snapshot(Judged(), 0).months == [month]


def test_keys_name_the_customer_and_the_month() -> None:
    assert record_key("C1") == b"C1"
    assert split_key(record_key("C1")) == ("C1", "")
    assert split_key(record_key("C1", "2026-03")) == ("C1", "2026-03")


@pytest.mark.parametrize(
    "raw",
    [
        b'{"record":"month","customer_id":"C","month":"2026-13"}',
        b'{"record":"month","customer_id":"C","month":"2026-03","counts":[{"day":1,"kind":"order","n":0}]}',
        b'{"record":"month","customer_id":"C","month":"2026-03","counts":[{"day":1,"kind":"order","n":1,"amount":1.5}]}',
        b'{"record":"customer","customer_id":"C","as_of":"2026-03-01"}',
        b'{"customer_id":"C"}',
    ],
)
def test_what_is_no_record_is_refused(raw: bytes) -> None:
    with pytest.raises(ValueError):
        decode_record(raw)


def test_a_snapshot_that_would_be_too_large_loses_its_oldest_entries_and_says_so() -> None:
    visits = [
        stage(
            f"D{deal}", f"2025-{1 + deal % 12:02d}-{1 + turn // 24:02d} {turn % 24:02d}:00", ("lead", "needs")[turn % 2]
        )
        for deal in range(150)
        for turn in range(120)
    ]
    seen = snapshot(*visits)

    raw = encode_record(seen)
    assert len(raw) <= MAX_RECORD_BYTES
    assert len(seen.opportunities) + seen.cut["opportunities"] == 150
    assert decode_record(raw) == seen


def test_a_month_that_would_be_too_large_loses_details_before_totals() -> None:
    lines = [{**LINE, "product_id": f"P{n}", "product_line": f"{n:04d}" + "线" * 150} for n in range(1000)]
    state = state_of(order("O1", "2026-03-05", *lines), order("O2", "2026-03-06", *lines))

    counters = Telling.of(state).counters(month_number("2026-03"))

    assert isinstance(counters, MonthCounters)
    assert len(encode_record(counters)) <= MAX_RECORD_BYTES
    assert counters.cut["order_line_margin"] == 2000
    assert [one.amount for one in counters.counts if one.kind == "order"] == [Decimal("200000.00")] * 2


def test_instants_are_utc_micros() -> None:
    moment: Micros = at("2026-06-30")
    assert Telling.of(state_of()).snapshot(Judged(), moment).as_of.isoformat() == "2026-06-29T16:00:00+00:00"
