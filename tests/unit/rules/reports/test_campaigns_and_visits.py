"""K6, R37 and R34 over worlds small enough to count by hand."""

from __future__ import annotations

from decimal import Decimal

from schemas.events import Event
from tests.unit.rules.making import event
from tests.unit.rules.reports.making import (
    activity,
    customer,
    learned,
    order,
    owned,
    profile,
    reference_event,
    tables,
    why,
)

FAIR = reference_event("promotion.announced", "2026-03-02", promotion_id="fair-web", campaign="fair", channel="web")
MAIL = reference_event("promotion.announced", "2026-03-20", promotion_id="fair-mail", campaign="fair", channel="mail")
PLAIN = reference_event("promotion.announced", "2026-03-05", promotion_id="plain")
LATER = reference_event("promotion.announced", "2026-04-01", promotion_id="later", campaign="fair")
PROMOTIONS = learned(FAIR, MAIL, PLAIN, LATER)


def lead(name: str, at: str, campaign: str | None = "fair", channel: str | None = None) -> Event:
    said = {name: value for name, value in (("campaign", campaign), ("channel", channel)) if value}
    return event("lead.created", at, lead_id=name, **said)


WORLD = [
    customer(
        "acme",
        lead("L1", "2026-03-02", channel="web"),
        lead("L2", "2026-03-01", channel="web"),
        lead("L3", "2026-03-25", channel="mail"),
        lead("L4", "2026-03-25"),
        lead("L5", "2026-03-25", campaign="other"),
        order("O1", "2026-03-31", "100.00", campaign="fair"),
        order("O2", "2026-04-01", "10.00", campaign="fair"),
        order("O3", "2026-03-10", "5.00"),
    ),
    customer("bolt", order("O4", "2026-03-21", "7.00", campaign="fair")),
]


def test_leads_and_orders_of_a_campaign_within_30_days_are_its_promotions_effect() -> None:
    rows = tables("K6", WORLD, "2026-03-01", "2026-03-31", reference=PROMOTIONS, today="2026-04-15")["promotions"]
    found = {row["promotion"]: row for row in rows}

    # 2 March to 31 March: L1 and L4 (no channel); L3 came by mail. O1, O4; O2 is a day late.
    web = found["fair-web"]
    assert (web["leads"], web["orders"], web["buyers"], web["sales"]) == (2, 2, 2, {"CNY": Decimal("107.00")})
    # 20 March to 18 April, of which 15 days have passed.
    mail = found["fair-mail"]
    assert (mail["leads"], mail["orders"], mail["sales"]) == (2, 3, {"CNY": Decimal("117.00")})
    assert (web["announced"], web["is_over"], mail["is_over"]) == ("2026-03-02", True, False)
    assert "later" not in found


def test_a_promotion_without_a_campaign_has_no_effect_that_can_be_told() -> None:
    rows = tables("K6", WORLD, "2026-03-01", "2026-03-31", reference=PROMOTIONS)["promotions"]

    (plain,) = [row for row in rows if row["promotion"] == "plain"]
    assert why(plain["leads"]).startswith("the promotion names no campaign")


def test_leads_are_told_by_channel_too() -> None:
    rows = tables("K6", WORLD, "2026-03-01", "2026-03-31", reference=PROMOTIONS)["channels"]

    assert [(row["campaign"], row["channel"], row["leads"]) for row in rows] == [
        ("fair", "mail", 1),
        ("fair", "web", 1),
        ("fair", None, 1),
    ]


def test_coverage_is_of_those_who_were_customers_when_it_was_announced() -> None:
    def signed(at: str) -> Event:
        return event("contract.signed", at, contract_id="K")

    world = [
        customer("told", signed("2026-01-01"), owned("2026-01-01", "ada"), activity("call", "2026-03-15 23:00")),
        customer("late", signed("2026-01-01"), owned("2026-01-01", "ada"), activity("call", "2026-03-16")),
        customer("early", signed("2026-01-01"), owned("2026-01-01", "ben"), activity("call", "2026-03-01 23:59")),
        customer("unreached", signed("2026-01-01"), activity("call", "2026-03-05", outcome="voicemail")),
        customer("new", signed("2026-03-03"), activity("call", "2026-03-04")),
        customer("prospect", activity("call", "2026-03-04")),
    ]
    reference = learned(FAIR)

    (row,) = tables("R37", world, "2026-03-01", "2026-03-31", reference=reference)["coverage"]
    assert (row["customers"], row["contacted"], row["coverage"], row["is_over"]) == (4, 1, 0.25, True)

    rows = tables("R37", world, "2026-03-01", "2026-03-31", by="person", reference=reference)["coverage"]
    assert [(row["person"], row["coverage"]) for row in rows] == [("ada", 0.5), ("ben", 0.0), (None, 0.0)]

    (nobody,) = tables("R37", [], "2026-03-01", "2026-03-31", reference=reference)["coverage"]
    assert why(nobody["coverage"]) == "no customers"


def test_the_share_visited_is_by_quarter_and_by_whose_customers_they_were_at_its_end() -> None:
    world = [
        customer("a", owned("2025-01-01", "ada"), activity("visit", "2026-01-01 00:00", "ben")),
        customer("b", owned("2025-01-01", "ada"), activity("visit", "2026-04-01 00:00", "ada")),
        customer("c", owned("2025-01-01", "ada"), owned("2026-03-31", "ben"), activity("visit", "2026-03-31 23:59")),
        customer("d", owned("2025-01-01", "ben"), activity("call", "2026-02-01")),
        customer("nobodys", order("O1", "2026-02-01")),
        customer("prospect"),
    ]

    rows = tables("R34", world, "2026-02-01", "2026-04-30", today="2026-05-01")["visits"]

    assert [(row["quarter"], row["owner"], row["customers"], row["visited"], row["share"]) for row in rows] == [
        ("2026-Q1", "ada", 2, 1, 0.5),
        ("2026-Q1", "ben", 2, 1, 0.5),
        ("2026-Q1", None, 1, 0, 0.0),
        ("2026-Q2", "ada", 2, 1, 0.5),
        ("2026-Q2", "ben", 2, 0, 0.0),
        ("2026-Q2", None, 1, 0, 0.0),
    ]
    assert [row["is_over"] for row in rows] == [True] * 3 + [False] * 3


def test_in_a_quarter_that_is_not_over_todays_owner_counts() -> None:
    world = [customer("a", owned("2025-01-01", "ada"), owned("2026-05-02", "ben"))]

    rows = tables("R34", world, "2026-04-01", "2026-05-01", today="2026-05-01")["visits"]

    assert [row["owner"] for row in rows] == ["ada"]


def test_visits_can_be_asked_of_one_owner_and_compared_by_region() -> None:
    world = [
        customer("a", owned("2025-01-01", "ada"), profile(region="华东"), activity("visit", "2026-01-05")),
        customer("b", owned("2025-01-01", "ada"), profile(region="华南")),
        customer("c", owned("2025-01-01", "ben"), profile(region="华南")),
    ]

    rows = tables("R34", world, "2026-01-01", "2026-03-31", by="region", owner="ada")["visits"]

    assert [(row["region"], row["owner"], row["share"]) for row in rows] == [("华东", "ada", 1.0), ("华南", "ada", 0.0)]
