"""K5 over worlds small enough to count by hand."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

from schemas.events import Event
from services.rules.reports.customer import Customer
from tests.unit.rules.reports.making import customer, profile, stage, tables, why


def open_deal(
    name: str, at: str, stage_name: str, amount: str | None = "1000.00", close: str | None = "2026-05-15"
) -> Event:
    more = {"amount": amount, "currency": "CNY"} if amount else {}
    return stage(name, at, stage_name, **more, **({"close_date": close} if close else {}))


OPEN = customer(
    "acme",
    profile(region="华东"),
    open_deal("D1", "2026-03-01", "proposal"),
    open_deal("D2", "2026-03-11", "proposal", "3000.00"),
    open_deal("D3", "2026-03-21", "needs", "400.00", "2026-06-01"),
    open_deal("D4", "2026-03-30", "lead", None, "2026-03-20"),
    open_deal("D5", "2026-03-30", "qualifying", "77.00", None),
    open_deal("D6", "2026-04-01", "lead"),
)


def closed(deals: int, won: int) -> Customer:
    """Deals that went from the proposal straight to their end before March, one a day."""
    events = []
    for number in range(deals):
        day = date(2026, 1, 1) + timedelta(days=number)
        end = "won" if number < won else "lost"
        events += [stage(f"X{number}", day.isoformat(), "proposal"), stage(f"X{number}", f"{day} 12:00", end)]
    return customer("old", *events)


def test_open_deals_are_weighted_by_stage_and_gathered_by_close_month() -> None:
    rows = tables("K5", [OPEN], "2026-03-01", "2026-03-31")["forecast"]

    assert [(row["close_month"], row["deals"], row["amount"]) for row in rows[1:3]] == [
        ("2026-05", 2, {"CNY": Decimal("4000.00")}),
        ("2026-06", 1, {"CNY": Decimal("400.00")}),
    ]
    # Half of a proposal, a quarter of a need.
    assert [row["weighted"] for row in rows[1:3]] == [{"CNY": Decimal("2000.00")}, {"CNY": Decimal("100.00")}]


def test_deals_that_cannot_be_forecast_are_counted_and_late_ones_marked() -> None:
    rows = tables("K5", [OPEN], "2026-03-01", "2026-03-31")["forecast"]

    late, unknown = rows[0], rows[-1]
    assert (late["close_month"], late["overdue"], late["not_forecast"]) == ("2026-03", 1, 1)
    assert why(late["amount"]) == "the opportunities name no amount"
    assert (unknown["close_month"], unknown["not_forecast"], unknown["amount"]) == (None, 1, {"CNY": Decimal("77.00")})
    assert why(unknown["weighted"]) == "the opportunities name no amount"


def stages(*world: Customer) -> dict[object, dict[str, object]]:
    rows = tables("K5", world, "2026-03-01", "2026-03-31")["stages"]
    return {row["stage"]: dict(row) for row in rows}


def test_bottlenecks_are_the_stages_in_which_deals_wait_longest() -> None:
    found = stages(OPEN)

    # On 1 April, when March is over, the proposals are 31 and 21 days old.
    assert (found["proposal"]["open"], found["proposal"]["median_age_days"]) == (2, 26.0)
    assert (found["needs"]["open"], found["needs"]["median_age_days"]) == (1, 11.0)
    assert found["negotiation"]["median_age_days"] is not None
    assert why(found["negotiation"]["median_age_days"]) == "no deal is in the stage"
    assert why(found["qualifying"]["weight"]).startswith("the stage is not one of the procedure's")


def test_the_stay_of_deals_that_moved_on_in_the_period_is_told_beside() -> None:
    moved = customer(
        "acme",
        stage("D1", "2026-02-27", "needs"),
        stage("D1", "2026-03-05", "proposal"),
        stage("D1", "2026-03-06", "lost"),
    )

    found = stages(moved)

    assert (found["needs"]["left"], found["needs"]["median_stay_days"]) == (1, 6.0)
    assert (found["proposal"]["left"], found["proposal"]["open"]) == (1, 0)


def test_weights_come_from_own_history_from_30_closed_deals_on() -> None:
    few = stages(OPEN, closed(29, 27))["proposal"]
    enough = stages(OPEN, closed(30, 27))["proposal"]

    assert (few["weight"], few["weight_from"], few["closed_deals"]) == (0.5, "configured", 29)
    assert (enough["weight"], enough["weight_from"], enough["closed_deals"]) == (0.9, "history", 30)
    # No closed deal had been in the needs analysis: that weight stays the configured one.
    assert stages(OPEN, closed(30, 27))["needs"]["weight_from"] == "configured"


def test_the_forecast_is_weighted_by_that_history() -> None:
    rows = tables("K5", [OPEN, closed(40, 10)], "2026-03-01", "2026-03-31")["forecast"]

    assert rows[1]["weighted"] == {"CNY": Decimal("1000.00")}


def test_the_history_is_everybodys_whomever_the_forecast_is_asked_for() -> None:
    mine = customer("acme", stage("D1", "2026-03-01", "proposal", owner="ada", amount="10.00", currency="CNY"))
    world = [mine, OPEN, closed(40, 10)]

    rows = tables("K5", world, "2026-03-01", "2026-03-31", owner="ada")["forecast"]

    assert [(row["deals"], row["weighted"]) for row in rows] == [(1, {"CNY": Decimal("2.50")})]


def test_a_deal_that_closed_later_was_open_then() -> None:
    deal = customer("acme", open_deal("D1", "2026-03-01", "negotiation"), stage("D1", "2026-04-02", "lost"))

    assert tables("K5", [deal], "2026-03-01", "2026-03-31")["forecast"][0]["deals"] == 1
    assert tables("K5", [deal], "2026-03-01", "2026-04-02")["forecast"] == []


def test_the_funnel_can_be_compared_by_region() -> None:
    rows = tables("K5", [OPEN, closed(3, 1)], "2026-03-01", "2026-03-31", by="region")["forecast"]

    assert {row["region"] for row in rows} == {"华东"}
