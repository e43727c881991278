"""K3 and K4 over worlds small enough to count by hand."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest

from schemas.events import Event
from services.rules.reports.customer import Customer
from services.rules.reports.lifetime import expected_years
from tests.unit.rules.making import event
from tests.unit.rules.reports.making import SHANGHAI, customer, order, profile, tables, why


def orders(*days: str, **more: str) -> list[Event]:
    return [order(f"O{n}", day, **more) for n, day in enumerate(days)]


def lapsed(one: Customer, at: str) -> bool | None:
    return one.has_lapsed(datetime.fromisoformat(at).replace(tzinfo=SHANGHAI.zone))


def test_a_customer_lapses_after_90_days_or_three_times_its_own_gap() -> None:
    once = customer("once", *orders("2026-01-01"))
    assert lapsed(once, "2026-01-01") is None
    assert lapsed(once, "2026-03-31 23:59") is False
    assert lapsed(once, "2026-04-01") is True

    # Gaps of 31 and 41 days: the median is 36, three times that 108 days after 14 March: 30 June.
    slow = customer("slow", *orders("2026-01-01", "2026-02-01", "2026-03-14"))
    assert lapsed(slow, "2026-06-29 23:59") is False
    assert lapsed(slow, "2026-06-30") is True
    # In February only the first gap was known: 3 × 31 = 93 days after 1 February is 5 May.
    assert lapsed(customer("slow", *orders("2026-01-01", "2026-02-01")), "2026-05-05") is True


def test_churn_is_of_those_active_at_the_start_who_had_lapsed_at_the_end() -> None:
    world = [
        customer("stays", *orders("2025-12-01", "2026-02-15", "2026-03-20")),
        customer("goes", *orders("2025-12-15")),
        customer("gone-before", *orders("2025-06-01")),
        customer("comes-back", *orders("2025-06-01", "2026-02-01")),
        customer("new", *orders("2026-03-01")),
        customer("prospect"),
    ]

    (row,) = tables("K3", world, "2026-01-01", "2026-03-31")["health"]

    assert (row["active_at_start"], row["churned"], row["churn_rate"]) == (2, 1, 0.5)
    # Bought: stays, comes back, new. New did so for the first time.
    assert (row["buyers"], row["repeat_buyers"], row["repurchase_rate"]) == (3, 2, 0.6667)


def test_two_first_orders_in_one_period_are_a_repurchase() -> None:
    (row,) = tables("K3", [customer("a", *orders("2026-01-05", "2026-02-05"))], "2026-01-01", "2026-03-31")["health"]

    assert (row["buyers"], row["repeat_buyers"]) == (1, 1)


def test_satisfaction_and_nps_are_worked_out_from_the_periods_answers() -> None:
    def survey(at: str, **more: Any) -> Event:
        return event("survey.answered", at, **more)

    world = [
        customer("a", survey("2026-03-01", satisfaction=5.0, nps=10), survey("2026-03-31 23:00", satisfaction=4.0)),
        customer("b", survey("2026-03-02", satisfaction=2.0, nps=6), survey("2026-03-03", nps=9)),
        customer("c", survey("2026-04-01", satisfaction=1.0, nps=0), survey("2026-03-04", nps=7)),
        customer("d", event("service_case.closed", "2026-03-04", case_id="S", score=4)),
    ]

    (row,) = tables("K3", world, "2026-03-01", "2026-03-31")["health"]

    # 100, 75 and 25 points; 2 promoters, 1 passive, 1 detractor of 4.
    assert (row["satisfaction"], row["surveys"]) == (66.7, 3)
    assert (row["nps"], row["nps_answers"]) == (25.0, 4)
    assert row["service_satisfaction"] == 75.0


def test_without_answers_health_is_open_and_says_why() -> None:
    (row,) = tables("K3", [], "2026-03-01", "2026-03-31")["health"]

    assert why(row["satisfaction"]) == "no survey with a satisfaction in the period"
    assert why(row["nps"]) == "no survey with a recommendation in the period"
    assert why(row["churn_rate"]) == "no customer was active at the start"
    assert why(row["repurchase_rate"]) == "no customer ordered in the period"


def margin(at: str, price: str, cost: str | None, name: str = "O") -> Event:
    return order(f"{name}{at}", at, price, cost=cost)


def test_lifetime_value_is_the_margin_of_12_months_times_the_expected_years() -> None:
    world = [
        # Active a year ago and now: margin 40 + 60.
        customer(
            "a", margin("2025-03-20", "90", "50"), margin("2025-04-01", "100", "60"), margin("2026-03-31", "90", "30")
        ),
        # Active a year ago, lapsed: no margin in the 12 months.
        customer("b", margin("2025-03-30", "500", "100")),
        # An order without cost: its margin is not known.
        customer("c", margin("2026-01-01", "100", "10"), margin("2026-02-01", "100", None)),
    ]

    (row,) = tables("K4", world, "2026-01-01", "2026-03-31")["lifetime"]

    # Of a and b, active when 1 April 2025 began, b had lapsed: the rate is 1/2, the expected years are 2.
    assert (row["active_before"], row["churn_rate"], row["expected_years"]) == (2, 0.5, 2.0)
    assert row["margin_12m"] == {"CNY": Decimal(100)}
    assert (row["customers"], row["customers_without_margin"]) == (1, 1)
    assert row["clv"] == {"CNY": Decimal("200.00")}
    assert row["clv_per_customer"] == {"CNY": Decimal("200.00")}


def test_lifetime_value_is_open_without_margin_or_without_anybody_active_before() -> None:
    (no_cost,) = tables("K4", [customer("a", margin("2026-01-01", "100", None))], "2026-01-01", "2026-03-31")[
        "lifetime"
    ]
    assert why(no_cost["margin_12m"]) == "no order whose cost is known"
    assert why(no_cost["clv"]) == "no customer was active at the start"

    old = customer("b", margin("2025-03-01", "100", None), margin("2026-03-01", "100", None))
    (no_margin,) = tables("K4", [old], "2026-01-01", "2026-03-31")["lifetime"]
    assert why(no_margin["clv"]) == "no order whose cost is known"


@pytest.mark.parametrize(
    ("active", "churned", "years"),
    [(0, 0, None), (4, 1, Decimal(4)), (3, 2, Decimal("1.5")), (100, 1, Decimal(10)), (5, 0, Decimal(10))],
)
def test_expected_years_are_bounded(active: int, churned: int, years: Decimal | None) -> None:
    assert expected_years(active, churned) == years


def test_health_can_be_compared_by_team() -> None:
    world = [
        customer("a", profile(team="North"), *orders("2026-01-05")),
        customer("b", profile(team="South"), *orders("2026-01-05", "2026-01-06")),
        customer("c", *orders("2026-01-05")),
    ]

    rows = tables("K3", world, "2026-01-01", "2026-03-31", by="team")["health"]

    assert [(row["team"], row["repurchase_rate"]) for row in rows] == [("North", 0.0), ("South", 1.0), (None, 0.0)]
