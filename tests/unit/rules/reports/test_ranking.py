"""The rankings of small groups of customers, worked out by hand, and the events that publish them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from schemas.codec import MAX_EVENT_BYTES, encode, parse
from schemas.events import Event
from schemas.reference import RanksPublished
from services.rules.reference import Reference
from services.rules.reports.customer import Customer
from services.rules.reports.publishing import events_of
from services.rules.reports.ranking import MAX_PART, Ranking, Rankings, percentiles, published
from tests.unit.rules.making import event
from tests.unit.rules.reports.making import SHANGHAI, customer, learned, order, reference_event

AS_OF = datetime(2026, 3, 31, 16, tzinfo=UTC)
"""April begins in Shanghai: March is over."""
NOW = datetime(2026, 4, 1, 3, tzinfo=UTC)


def ranked(*world: Customer, reference: Reference | None = None, as_of: datetime = AS_OF) -> dict[str, Ranking]:
    rankings = Rankings(as_of, SHANGHAI, reference or Reference())
    for one in world:
        rankings.add(one)
    return {one.measure: one for one in rankings.results()}


@pytest.mark.parametrize(
    ("figures", "places"),
    [
        ([], []),
        ([7], [1.0]),
        ([1, 2, 3], [0.0, 0.5, 1.0]),
        # Of the four others two are not above a 5: ties get the higher place.
        ([5, 9, 5, 1, 9], [0.5, 1.0, 0.5, 0.0, 1.0]),
        ([4, 4], [1.0, 1.0]),
        # A third is rounded down, two thirds too: 0.6667 would be more than it is.
        ([1, 2, 3, 4], [0.0, 0.333333, 0.666666, 1.0]),
    ],
)
def test_a_percentile_is_the_share_of_the_others_that_are_not_above(figures: list[int], places: list[float]) -> None:
    assert list(percentiles(figures)) == places


def test_customers_are_ranked_by_what_they_ordered_in_12_months() -> None:
    found = ranked(
        customer("big", order("O1", "2026-03-31", "900.00", cost="890.00")),
        customer("mid", order("O1", "2025-04-01", "500.00", cost="100.00")),
        customer("old", order("O1", "2025-03-31", "999.00", cost="1.00")),
        customer("prospect"),
    )

    assert found["order_amount_12m"].percentiles == {"big": 1.0, "mid": 0.5, "old": 0.0}
    # Margins of 10, 400 and none in the 12 months.
    assert found["margin_12m"].percentiles == {"big": 0.5, "mid": 1.0, "old": 0.0}


def test_two_years_are_ranked_as_well() -> None:
    found = ranked(
        customer("new", order("O1", "2026-03-31", "500.00")),
        customer("old", order("O1", "2024-04-01", "999.00")),
        customer("older", order("O1", "2024-03-31", "9999.00")),
    )

    assert found["order_amount_24m"].percentiles == {"new": 0.5, "old": 1.0, "older": 0.0}
    assert found["order_amount_12m"].percentiles == {"new": 1.0, "old": 0.5, "older": 0.5}


def test_what_came_later_is_not_counted_and_a_day_that_has_begun_is() -> None:
    world = [customer("a", order("O1", "2026-04-01 15:00", "7.00")), customer("b", order("O1", "2026-03-01", "1.00"))]

    assert ranked(*world)["order_amount_12m"].percentiles == {"b": 1.0}
    assert ranked(*world, as_of=NOW)["order_amount_12m"].percentiles == {"a": 1.0, "b": 0.0}


def test_the_active_are_ranked_by_recency_frequency_and_money() -> None:
    found = ranked(
        customer("a", order("O1", "2026-03-01", "10.00"), order("O2", "2026-01-01", "10.00")),
        customer("b", order("O1", "2026-03-31", "15.00")),
        customer("c", order("O1", "2026-03-31", "30.00")),
        customer("old", order("O1", "2025-01-01", "99.00")),
    )

    assert found["rfm_recency"].percentiles == {"a": 0.0, "b": 1.0, "c": 1.0}
    assert found["rfm_frequency"].percentiles == {"a": 1.0, "b": 0.5, "c": 0.5}
    assert found["rfm_monetary"].percentiles == {"a": 0.5, "b": 0.0, "c": 1.0}


def test_money_is_compared_in_cny_and_without_a_rate_there_is_no_place() -> None:
    rate = reference_event("rate.published", "2026-03-01", base="USD", quote="CNY", date="2026-03-01", rate="7.00")
    world = [
        customer("yuan", order("O1", "2026-03-10", "60.00", cost="60.00")),
        customer("dollar", order("O1", "2026-03-10", "10.00", cost="1.00", currency="USD")),
        customer("early", order("O1", "2026-02-10", "10.00", cost="1.00", currency="USD")),
    ]

    found = ranked(*world, reference=learned(rate))

    assert found["order_amount_12m"].percentiles == {"yuan": 0.0, "dollar": 1.0}
    assert found["rfm_frequency"].percentiles == {"yuan": 1.0, "dollar": 1.0, "early": 1.0}


def test_an_order_without_cost_leaves_no_place_by_margin() -> None:
    rankings = Rankings(AS_OF, SHANGHAI, Reference())
    rankings.add(customer("a", order("O1", "2026-03-10", "60.00"), order("O2", "2026-03-10", "60.00", cost="1.00")))

    assert next(one for one in rankings.results() if one.measure == "margin_12m").percentiles == {}
    assert rankings.left_out == {"margin_12m": 1}


def buyer(name: str, contribution: str | None, *lines: str) -> Customer:
    events = [order(f"O{n}", "2026-03-01", line=line) for n, line in enumerate(lines)]
    return customer(name, *events, classes={"R26": contribution})


def test_cross_selling_names_the_line_that_most_customers_of_the_class_buy_and_this_one_does_not() -> None:
    found = ranked(
        buyer("a", "head", "valves", "pumps"),
        buyer("b", "head", "valves", "sensors"),
        buyer("c", "head", "valves"),
        buyer("d", "head", "sensors"),
        buyer("all", "waist", "valves"),
        buyer("unknown", None, "pumps"),
    )["cross_sell"]

    # Of the four heads three buy valves, two sensors, one pumps.
    assert found.percentiles == {"a": 0.5, "b": 0.25, "c": 0.5, "d": 0.75}
    assert found.notes == {"a": "sensors", "b": "pumps", "c": "sensors", "d": "valves"}


def test_the_events_are_valid_and_say_when_and_what() -> None:
    found = ranked(customer("a", order("O1", "2026-03-10", "60.00"))).values()

    events = [parse(one) for one in published(iter(found), AS_OF, NOW)]

    assert {data_of(one).measure for one in events} == {
        "order_amount_12m",
        "order_amount_24m",
        "margin_12m",
        "rfm_recency",
        "rfm_frequency",
        "rfm_monetary",
        "cross_sell",
    }
    first = events[0]
    assert (first.kind, first.time, data_of(first).as_of) == ("ranks.published", NOW, AS_OF)
    assert data_of(first).percentiles == {"a": 1.0}


def test_a_reference_learns_the_ranking_from_its_parts() -> None:
    names = {f"C{n:05d}": n / 20_000 for n in range(12_001)}
    documents = list(published(iter([Ranking("order_amount_12m", names, {"C00007": "valves"})]), AS_OF, NOW))

    assert [len(one["data"]["percentiles"]) for one in documents] == [MAX_PART, MAX_PART, 2001]
    (ranking,) = learned(*events_of(documents)).ranking("order_amount_12m")
    assert {name: float(place) for name, place in ranking.percentiles.items()} == names
    assert ranking.notes == {"C00007": "valves"}


def test_a_part_stays_below_the_codecs_limit_however_long_names_and_notes_are() -> None:
    names = {"线" * 90 + f"{n:05d}": 0.5 for n in range(6000)}
    notes = dict.fromkeys(names, "阀" * 200)

    events = list(events_of(published(iter([Ranking("cross_sell", names, notes)]), AS_OF, NOW)))

    assert max(len(encode(one)) for one in events) < MAX_EVENT_BYTES
    assert sum(len(data_of(one).percentiles) for one in events) == 6000


def data_of(one: Event) -> RanksPublished:
    assert isinstance(one.data, RanksPublished)
    return one.data


def test_a_second_run_of_the_same_instant_is_the_newer_word() -> None:
    runs = [
        (Ranking("rfm_recency", {"a": 0.25}, {}), NOW),
        (Ranking("rfm_recency", {"a": 0.75}, {}), NOW.replace(hour=4)),
    ]
    events = [one for ranking, now in runs for one in events_of(published(iter([ranking]), AS_OF, now))]

    (ranking,) = learned(*reversed(events)).ranking("rfm_recency")

    assert len({one.id for one in events}) == 2
    assert float(ranking.percentiles["a"]) == 0.75


def test_who_only_signed_a_contract_has_no_place_by_orders() -> None:
    signed = customer("a", event("contract.signed", "2026-01-01", contract_id="K"))

    assert ranked(signed)["order_amount_12m"].percentiles == {}
