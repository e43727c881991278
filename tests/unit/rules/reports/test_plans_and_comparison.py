"""P1, P2 and R36 over worlds small enough to count by hand, and the days that periods mean."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from schemas.events import Event
from services.rules.reports.model import Missing, Row
from services.rules.reports.query import months_before, parse_period, quarter_name
from tests.unit.rules.making import payment
from tests.unit.rules.reports.making import (
    activity,
    customer,
    day,
    learned,
    order,
    owned,
    profile,
    reference_event,
    stage,
    tables,
    why,
)


def plan(
    period: str, metric: str, scope: str, scope_id: str | None = None, amount: str = "100.00", **more: Any
) -> Event:
    said = {"scope_id": scope_id} if scope_id else {}
    currency = {} if metric in ("calls", "orders") else {"currency": "CNY"}
    data = {"plan_id": "plan", "period": period, "metric": metric, "scope": scope, "amount": amount}
    return reference_event("plan.set", "2026-01-01", **{**data, **said, **currency, **more})


WORLD = [
    customer(
        "acme",
        owned("2025-01-01", "ada"),
        profile(region="华东", team="North"),
        order("O1", "2026-02-28", "30.00", cost="20.00", line="valves"),
        order("O2", "2026-03-01", "50.00", cost="10.00", line="valves"),
        order("O3", "2026-03-31", "5.00", currency="USD"),
        payment("P1", "2026-03-31", "60.00"),
        activity("call", "2026-03-02", "ada"),
    ),
    customer(
        "bolt",
        owned("2025-01-01", "ben"),
        profile(region="华南"),
        order("O1", "2026-03-02", "7.00", cost="4.00", line="pumps"),
    ),
]


def planned(*plans: Event, until: str = "2026-03-31", **more: Any) -> list[Row]:
    return tables("P2", WORLD, "2026-01-01", until, reference=learned(*plans), **more)["plans"]


@pytest.mark.parametrize(
    ("made", "actual", "reached"),
    [
        (plan("2026", "sales", "company"), "87.00", 0.87),
        (plan("2026-Q1", "sales", "company"), "87.00", 0.87),
        (plan("2026-03", "sales", "company"), "57.00", 0.57),
        (plan("2026-02", "sales", "region", "华东"), "30.00", 0.3),
        (plan("2026-03", "sales", "person", "ben"), "7.00", 0.07),
        (plan("2026-03", "sales", "product_line", "valves"), "50.00", 0.5),
        (plan("2026-03", "margin", "team", "North"), "40.00", 0.4),
        (plan("2026-03", "collections", "company"), "60.00", 0.6),
        (plan("2026-03", "calls", "person", "ada", "4"), "1", 0.25),
        (plan("2026-03", "calls", "person", "ben", "4"), "0", 0.0),
        (plan("2026-03", "sales", "company", currency="USD"), "5.00", 0.05),
    ],
)
def test_the_actual_is_what_the_plans_period_and_scope_hold(made: Event, actual: str, reached: float) -> None:
    (row,) = planned(made)

    assert (row["actual"], row["reached"]) == (Decimal(actual), reached)


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        (plan("next year", "sales", "company"), "the period is no year"),
        (plan("2026", "smiles", "company"), "the metric is not known"),
        (plan("2026-03", "sales", "region", "海外"), "no orders in the period"),
        (plan("2026-03", "sales", "company", currency="EUR"), "no orders in the period"),
        (plan("2026-03", "collections", "product_line", "valves"), "this is not known by product line"),
        (plan("2026-01", "margin", "company"), "no order whose cost is known"),
    ],
)
def test_what_cannot_be_compared_says_why(made: Event, reason: str) -> None:
    (row,) = planned(made)

    assert why(row["actual"]).startswith(reason)
    assert row["reached"] == row["actual"]


def test_money_in_other_currencies_is_told_and_not_added() -> None:
    (row,) = planned(plan("2026-03", "sales", "company"))

    assert row["other_currencies"] == {"USD": Decimal("5.00")}


def test_a_plan_is_followed_up_to_the_last_day_asked_for() -> None:
    (row,) = planned(plan("2026", "sales", "company"), until="2026-03-01")

    assert row["actual"] == Decimal("80.00")
    assert row["elapsed"] == round(60 / 365, 4)


def test_plans_of_other_periods_and_scopes_are_left_out() -> None:
    plans = [
        plan("2025", "sales", "company"),
        plan("2026", "sales", "region", "华东"),
        plan("2026", "sales", "person", "ada"),
    ]

    assert [row["scope"] for row in planned(*plans)] == ["person", "region"]
    assert [row["scope"] for row in planned(*plans, by="region")] == ["region"]
    assert [row["scope_id"] for row in planned(*plans, owner="ada")] == ["ada"]


def least(period: str, who: str, amount: str) -> Event:
    return plan(period, "min_margin", "person", who, amount)


def margins(*plans: Event, world: list[Any] = WORLD) -> dict[object, Row]:
    rows = tables("R36", world, "2026-01-01", "2026-03-31", reference=learned(*plans))["margins"]
    return {row["owner"]: row for row in rows}


def test_who_stays_below_the_least_margin_is_marked() -> None:
    found = margins(least("2026", "ben", "3.01"), plan("2026", "sales", "person", "cy"))

    assert set(found) == {"ben"}
    assert (found["ben"]["margin"], found["ben"]["below"], found["ben"]["difference"]) == (
        Decimal("3.00"),
        True,
        Decimal("-0.01"),
    )
    assert margins(least("2026", "ben", "3.00"))["ben"]["below"] is False


def test_below_is_open_while_the_cost_of_an_order_or_another_currency_may_be_what_lacks() -> None:
    # Ada's order in USD has no cost.
    found = margins(least("2026", "ada", "60.00"))["ada"]
    assert (found["margin"], found["orders_without_cost"]) == (Decimal("50.00"), 1)
    assert why(found["below"]).startswith("the cost of some orders is not known")
    assert margins(least("2026", "ada", "50.00"))["ada"]["below"] is False

    dollars = customer("c", owned("2025-01-01", "cy"), order("O1", "2026-03-01", "9.00", cost="8.00", currency="USD"))
    yuan = customer("d", owned("2025-01-01", "cy"), order("O1", "2026-03-01", "9.00", cost="8.00"))
    assert why(margins(least("2026", "cy", "2.00"), world=[dollars, yuan])["cy"]["below"]).startswith(
        "there is margin in"
    )


def test_an_owner_without_any_known_margin_is_not_marked_as_0() -> None:
    found = margins(least("2026", "zoe", "5.00"))["zoe"]

    assert why(found["margin"]) == why(found["below"]) == "no order whose cost is known"


def test_figures_stand_side_by_side() -> None:
    deals = customer(
        "cargo",
        profile(region="华东"),
        stage("D1", "2026-03-01", "needs", amount="8.00", currency="CNY"),
        stage("D2", "2026-03-02", "won"),
        stage("D3", "2026-03-03", "won"),
        stage("D4", "2026-03-04", "lost"),
        stage("D5", "2026-02-04", "lost"),
        classes={"R26": "head"},
    )

    found = tables("P1", [*WORLD, deals], "2026-03-01", "2026-03-31", by="region")

    east, south = found["results"]
    assert (east["region"], east["customers"], east["orders"]) == ("华东", 2, 2)
    assert east["sales"] == {"CNY": Decimal("50.00"), "USD": Decimal("5.00")}
    assert (east["margin"], east["collections"]) == ({"CNY": Decimal("40.00")}, {"CNY": Decimal("60.00")})
    assert (east["won"], east["lost"], east["win_rate"]) == (2, 1, 0.6667)
    assert why(south["win_rate"]) == "no opportunity was closed in the period"
    assert why(south["collections"]) == "no money was received in the period"
    assert found["funnel"] == [{"region": "华东", "stage": "needs", "deals": 1, "amount": {"CNY": Decimal("8.00")}}]
    assert [(row["region"], row["rule"], row["value"], row["customers"]) for row in found["classes"]] == [
        ("华东", "R26", "head", 1)
    ]


def test_a_comparison_goes_down_to_the_person() -> None:
    rows = tables("P1", WORLD, "2026-03-01", "2026-03-31", by="person")["results"]
    assert [(row["person"], row["orders"]) for row in rows] == [("ada", 2), ("ben", 1)]

    (total,) = tables("P1", WORLD, "2026-03-01", "2026-03-31", owner="ben")["results"]
    assert (total["customers"], total["sales"]) == (1, {"CNY": Decimal("7.00")})


def test_by_product_line_only_what_orders_say_is_known() -> None:
    found = tables("P1", WORLD, "2026-03-01", "2026-03-31", by="product_line")

    pumps, valves = found["results"]
    assert (pumps["product_line"], pumps["sales"], pumps["customers"]) == ("pumps", {"CNY": Decimal("7.00")}, 1)
    assert (valves["margin"], valves["orders"]) == ({"CNY": Decimal("40.00")}, 1)
    assert isinstance(valves["win_rate"], Missing)


@pytest.mark.parametrize(
    ("name", "first", "last"),
    [
        ("2026", "2026-01-01", "2026-12-31"),
        ("2026-Q1", "2026-01-01", "2026-03-31"),
        ("2026Q4", "2026-10-01", "2026-12-31"),
        ("2028-02", "2028-02-01", "2028-02-29"),
    ],
)
def test_periods_are_years_quarters_and_months(name: str, first: str, last: str) -> None:
    assert parse_period(name) == (day(first), day(last))


@pytest.mark.parametrize("name", ["", "2026-13", "2026-Q5", "26", "H1 2026", "2026-1", "0000"])
def test_other_periods_are_not_guessed(name: str) -> None:
    assert parse_period(name) is None


@pytest.mark.parametrize(
    ("until", "months", "first"),
    [
        ("2026-03-31", 12, "2025-04-01"),
        ("2026-03-30", 12, "2025-03-31"),
        ("2028-02-29", 12, "2027-03-01"),
        # The order of 29 February 2028 counts through 28 February 2029, a day longer than that of the 28th.
        ("2029-02-28", 12, "2028-02-29"),
        ("2029-02-27", 12, "2028-02-28"),
        ("2026-02-28", 6, "2025-08-29"),
        ("2026-03-01", 6, "2025-09-02"),
    ],
)
def test_a_window_of_months_reaches_back_to_the_day_that_still_counts(until: str, months: int, first: str) -> None:
    assert date.fromordinal(months_before(day(until), months)).isoformat() == first


def test_quarters_have_names() -> None:
    assert [quarter_name(day(f"2026-{month:02d}-01")) for month in (1, 3, 4, 12)] == [
        "2026-Q1",
        "2026-Q1",
        "2026-Q2",
        "2026-Q4",
    ]
