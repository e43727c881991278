"""K1 and K2 over worlds small enough to count by hand."""

from __future__ import annotations

from decimal import Decimal
from zoneinfo import ZoneInfo

from schemas.events import Event
from services.rules.calendar import Calendar
from services.rules.reports.model import Cell
from tests.unit.rules.making import event, payment
from tests.unit.rules.reports.making import activity, customer, order, owned, profile, stage, tables, why


def lead(name: str, at: str, **more: str) -> Event:
    return event("lead.created", at, lead_id=name, **more)


ACME = customer(
    "acme",
    owned("2026-01-01", "ada"),
    profile(region="华东"),
    lead("L1", "2026-03-02", owner="ben"),
    lead("L2", "2026-03-02"),
    activity("call", "2026-03-02 09:00", "ada"),
    activity("call", "2026-03-02 10:00", "ada", outcome="no_answer"),
    activity("call", "2026-03-02 11:00", "ada", direction="inbound"),
    activity("visit", "2026-03-31 23:59", "ada"),
    activity("visit", "2026-04-01 00:00", "ada"),
)
BOLT = customer("bolt", profile(region="华南"), activity("call", "2026-03-02", "ada"), activity("call", "2026-03-03"))


def test_leads_calls_and_visits_are_counted_by_who_did_them_and_when() -> None:
    rows = tables("K1", [ACME, BOLT], "2026-03-01", "2026-03-31")["daily"]

    assert rows == [
        {"owner": "ada", "day": "2026-03-02", "new_leads": 1, "calls": 3, "visits": 0},
        {"owner": "ben", "day": "2026-03-02", "new_leads": 1, "calls": 0, "visits": 0},
        {"owner": None, "day": "2026-03-03", "new_leads": 0, "calls": 1, "visits": 0},
        {"owner": "ada", "day": "2026-03-31", "new_leads": 0, "calls": 0, "visits": 1},
    ]


def test_the_process_can_be_compared_by_region_and_asked_of_one_person() -> None:
    rows = tables("K1", [ACME, BOLT], "2026-03-01", "2026-03-31", by="region", owner="ada")["daily"]

    assert [(row["region"], row["day"], row["calls"], row["visits"]) for row in rows] == [
        ("华东", "2026-03-02", 2, 0),
        ("华东", "2026-03-31", 0, 1),
        ("华南", "2026-03-02", 1, 0),
    ]


def test_a_customer_whose_owner_no_event_told_is_the_directorys_owners() -> None:
    bolt = customer("bolt", activity("call", "2026-03-03"), usual_owner="cy")

    assert [row["owner"] for row in tables("K1", [bolt], "2026-03-01", "2026-03-31")["daily"]] == ["cy"]


def journey(name: str, began: str, *stages: str, **more: str) -> list[Event]:
    """A deal that enters a stage a day."""
    return [stage(name, f"{began[:8]}{int(began[8:]) + n:02d}", to, **more) for n, to in enumerate(stages)]


def test_conversion_follows_each_months_leads_and_deals_from_stage_to_stage() -> None:
    world = customer(
        "acme",
        # March: two leads, of which L1 became a deal that was won.
        lead("L1", "2026-03-01"),
        lead("L2", "2026-03-02"),
        *journey("D1", "2026-03-05", "lead", "opportunity", "needs", "proposal", "negotiation", "won", lead_id="L1"),
        # A deal without a lead, first seen as an opportunity, lost in the proposal.
        *journey("D2", "2026-03-10", "opportunity", "needs", "proposal", "lost"),
        # April's own.
        lead("L3", "2026-04-01"),
    )

    rows = tables("K1", [world], "2026-03-01", "2026-04-30")["conversion"]

    march = {row["stage"]: row for row in rows if row["cohort"] == "2026-03"}
    found = {name: (row["entered"], row["went_on"], row["conversion"], row["won"]) for name, row in march.items()}
    assert found == {
        "lead": (2, 1, 0.5, 1),
        "opportunity": (2, 2, 1.0, 1),
        "needs": (2, 2, 1.0, 1),
        "proposal": (2, 1, 0.5, 1),
        "negotiation": (1, 1, 1.0, 1),
    }
    april = {row["stage"]: row for row in rows if row["cohort"] == "2026-04"}
    assert (april["lead"]["entered"], april["lead"]["conversion"]) == (1, 0.0)
    assert why(april["opportunity"]["conversion"]) == "nobody entered the stage"


def test_conversion_knows_only_what_had_happened_by_the_end_of_the_period() -> None:
    world = customer("acme", *journey("D1", "2026-03-30", "lead", "opportunity"), stage("D1", "2026-04-02", "won"))

    rows = tables("K1", [world], "2026-03-01", "2026-03-31")["conversion"]

    assert [(row["stage"], row["entered"], row["won"]) for row in rows][:3] == [
        ("lead", 1, 0),
        ("opportunity", 1, 0),
        ("needs", 0, 0),
    ]


def test_results_add_up_by_currency_and_never_across() -> None:
    world = [
        customer(
            "acme",
            order("O1", "2026-03-01", "100.00"),
            order("O2", "2026-03-31 23:59", "50.00"),
            order("O3", "2026-03-10", "80.00", currency="USD"),
            order("O4", "2026-04-01", "999.00"),
            payment("P1", "2026-03-31", "120.00"),
            event("contract.signed", "2026-03-05", contract_id="K1", value="5000.00", currency="CNY"),
            event("contract.signed", "2026-03-06", contract_id="K2"),
        )
    ]

    (row,) = tables("K2", world, "2026-03-01", "2026-03-31")["results"]

    assert row["sales"] == {"CNY": Decimal("150.00"), "USD": Decimal("80.00")}
    assert row["orders"] == 3
    assert row["average_order"] == {"CNY": Decimal("75.00"), "USD": Decimal("80.00")}
    assert row["collections"] == {"CNY": Decimal("120.00")}
    assert (row["contracts"], row["contract_value"]) == (2, {"CNY": Decimal("5000.00")})


def test_orders_of_one_day_are_each_counted_in_the_average() -> None:
    world = customer("acme", order("O1", "2026-03-01", "100.00"), order("O2", "2026-03-01", "50.00"))

    (row,) = tables("K2", [world], "2026-03-01", "2026-03-31")["results"]

    assert (row["orders"], row["average_order"]) == (2, {"CNY": Decimal("75.00")})


def test_without_data_a_figure_is_open_and_says_why() -> None:
    (row,) = tables("K2", [customer("acme")], "2026-03-01", "2026-03-31")["results"]

    assert why(row["sales"]) == "no orders in the period"
    assert why(row["average_order"]) == "no orders in the period"
    assert why(row["collections"]) == "no money was received in the period"
    assert why(row["cycle_mean_days"]).startswith("no deal was won")
    assert (row["orders"], row["contracts"]) == (0, 0)


def test_the_sales_cycle_runs_from_the_lead_to_the_win() -> None:
    world = customer(
        "acme",
        # 10 days from the lead, which came before the deal.
        lead("L1", "2026-03-01"),
        stage("D1", "2026-03-04", "opportunity", lead_id="L1"),
        stage("D1", "2026-03-11", "won"),
        # 2 and 30 days from the stage lead.
        stage("D2", "2026-03-10", "lead"),
        stage("D2", "2026-03-12", "won"),
        stage("D3", "2026-02-10", "lead"),
        stage("D3", "2026-03-12", "won"),
        # No lead; won before the period; lost; won and then lost: none of them counts.
        stage("D4", "2026-03-01", "opportunity"),
        stage("D4", "2026-03-02", "won"),
        stage("D5", "2026-02-01", "lead"),
        stage("D5", "2026-02-28", "won"),
        stage("D6", "2026-03-01", "lead"),
        stage("D6", "2026-03-05", "lost"),
        stage("D7", "2026-03-01", "lead"),
        stage("D7", "2026-03-05", "won"),
        stage("D7", "2026-03-06", "lost"),
    )

    (row,) = tables("K2", [world], "2026-03-01", "2026-03-31")["results"]

    assert (row["won_deals"], row["cycle_mean_days"], row["cycle_median_days"]) == (3, 14.0, 10.0)


def test_a_lead_that_became_two_deals_was_won_with_the_first() -> None:
    world = customer(
        "acme",
        lead("L1", "2026-03-01"),
        stage("D1", "2026-03-02", "won", lead_id="L1"),
        stage("D2", "2026-03-21", "won", lead_id="L1"),
    )

    (row,) = tables("K2", [world], "2026-03-01", "2026-03-31")["results"]

    assert (row["won_deals"], row["cycle_mean_days"]) == (1, 1.0)


def test_by_product_line_sales_are_known_and_collections_are_not() -> None:
    world = customer(
        "acme",
        order("O1", "2026-03-01", "100.00", line="valves"),
        order("O2", "2026-03-02", "30.00", line="valves"),
        order("O3", "2026-03-02", "7.00", line="sensors"),
        payment("P1", "2026-03-31", "120.00"),
    )

    sensors, valves = tables("K2", [world], "2026-03-01", "2026-03-31", by="product_line")["results"]

    assert (valves["product_line"], valves["sales"], valves["orders"]) == ("valves", {"CNY": Decimal("130.00")}, 2)
    assert (sensors["product_line"], sensors["sales"]) == ("sensors", {"CNY": Decimal("7.00")})
    assert why(valves["collections"]) == "this is not known by product line"


def test_by_person_an_order_belongs_to_the_owner_of_its_day() -> None:
    world = customer(
        "acme",
        owned("2026-01-01", "ada"),
        owned("2026-03-15", "ben"),
        order("O1", "2026-03-14", "10.00"),
        order("O2", "2026-03-15", "20.00"),
    )

    rows = tables("K2", [world], "2026-03-01", "2026-03-31", by="person")["results"]

    assert [(row["person"], row["sales"]) for row in rows] == [
        ("ada", {"CNY": Decimal("10.00")}),
        ("ben", {"CNY": Decimal("20.00")}),
    ]


def test_a_month_begins_at_the_companys_midnight_also_where_clocks_change() -> None:
    new_york = Calendar(ZoneInfo("America/New_York"))
    # Events are stamped in Shanghai: noon there is 23:00 of the day before in New York (EST), in April midnight (EDT).
    world = customer(
        "acme", order("O1", "2026-03-01 12:00", "1.00"), order("O2", "2026-04-01 12:00", "10.00"), calendar=new_york
    )

    def sales(since: str, until: str) -> Cell:
        return tables("K2", [world], since, until, calendar=new_york)["results"][0]["sales"]

    assert sales("2026-02-28", "2026-02-28") == {"CNY": Decimal("1.00")}
    assert why(sales("2026-03-01", "2026-03-31")) == "no orders in the period"
    assert sales("2026-04-01", "2026-04-01") == {"CNY": Decimal("10.00")}
