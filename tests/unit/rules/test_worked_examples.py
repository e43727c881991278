"""The customers that the guides work out with numbers, through all the rules that ship.

客户管理制度 2.1: a trading company to cultivate (R10a), and a customer of high value to watch (R10b). 公司客户维护案
3.1: a component maker of high potential, and a machine builder to maintain (R27, both texts).
"""

from __future__ import annotations

import pytest

from schemas.events import Event
from services.rules.backtest import Backtest
from services.rules.core import Core
from tests.unit.rules import making
from tests.unit.rules.making import at, event, extents, invoice, payment

UNTIL = "2026-04-30"


@pytest.fixture(scope="module")
def book() -> Core:
    """All the rules that ship; a core keeps nothing of the customers it has seen."""
    return making.core()


def replay(book: Core, *events: Event) -> Backtest:
    """The customer's history, in the order in which it happened."""
    return making.replay(*sorted(events, key=lambda one: one.time), until=UNTIL, with_core=book)


def orders(amount: str, *days: str) -> list[Event]:
    """Orders of one line in CNY, placed at ten o'clock."""
    line = {"product_id": "P1", "quantity": "1", "unit_price": amount}
    return [event("order.placed", f"{day} 10:00", order_id=f"O-{day}", currency="CNY", lines=[line]) for day in days]


def growth(percent: str) -> Event:
    return event("profile.updated", "2026-01-20 09:00", section="external", fields={"industry_growth_pct": percent})


def wishes(*days: str) -> list[Event]:
    """Requests for parts of special size."""
    return [event("request.logged", f"{day} 10:00", kind="custom", topic="special sizes") for day in days]


def paid(due: str, on: str) -> list[Event]:
    """An invoice due on one day and paid on another."""
    issued = f"{due[:8]}01"
    return [invoice(due, issued, due), payment(due, on, "100.00", (due, "100.00"))]


def three_years_in_time() -> list[Event]:
    """An invoice a quarter, each paid on the day it was due."""
    quarters = [f"{year}-{month}-15" for year in (2023, 2024, 2025) for month in ("03", "06", "09", "12")]
    return [made for due in quarters for made in paid(due, due)]


def late_three_times() -> list[Event]:
    """Due in January, February and March, each paid ten days later."""
    return [made for month in ("01", "02", "03") for made in paid(f"2026-{month}-15", f"2026-{month}-25")]


def rumour() -> Event:
    """The head is said to retire."""
    who = {"contact_id": "K1", "change": "left", "decision_role": "executive", "certainty": "rumoured"}
    return event("contact.changed", "2026-04-02 10:00", **who)


def severity(run: Backtest, rule: str) -> list[str]:
    return [one.severity for one in run.episodes() if one.rule == rule]


def trading_company() -> list[Event]:
    """Two million a year in four orders, an industry growing by 25 %, three years without a late payment."""
    days = ("2025-05-10", "2025-08-10", "2025-11-10", "2026-02-10")
    return [*three_years_in_time(), growth("25"), *orders("500000.00", *days)]


def test_two_million_a_year_in_a_growing_industry_and_never_late_is_to_be_cultivated(book: Core) -> None:
    run = replay(book, *trading_company())
    # 1.5 million, and so middling value, is reached with the third order; the growth is known in January.
    assert extents(run, "R10a") == [(at("2026-01-20 09:00"), None)]
    assert extents(run, "R10b") == []
    assert standing(run, "R10") == "key_cultivation"


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ([*three_years_in_time(), growth("24"), *orders("2000000.00", "2026-01-10")], "the industry grows by less"),
        ([*paid("2025-06-15", "2025-06-16"), growth("25"), *orders("2000000.00", "2026-01-10")], "late last summer"),
        ([*three_years_in_time(), growth("25"), *orders("900000.00", "2026-01-10")], "too little value"),
    ],
)
def test_the_trading_company_needs_all_three_to_be_cultivated(book: Core, changed: list[Event], why: str) -> None:
    assert extents(replay(book, *changed), "R10a") == [], why


def test_five_million_a_year_with_three_late_payments_in_half_a_year_is_watched(book: Core) -> None:
    run = replay(book, *orders("5000000.00", "2025-12-01"), *late_three_times())
    # The third invoice is known to be late when its day, 15 March, is over.
    assert extents(run, "R10b") == [(at("2026-03-16"), None)]
    assert severity(run, "R10b") == ["high"]
    assert standing(run, "R10") == "risk_watch"


def test_the_rumour_that_the_head_retires_makes_it_graver(book: Core) -> None:
    told = [*orders("5000000.00", "2025-12-01"), *late_three_times(), rumour()]
    run = replay(book, *told)
    assert extents(run, "R10b") == [(at("2026-03-16"), None)]
    assert severity(run, "R10b") == ["critical"]
    assert extents(run, "R2") == [], "a rumour is no change of the contact"


def test_the_rumour_alone_puts_nobody_under_watch(book: Core) -> None:
    run = replay(book, *orders("5000000.00", "2025-12-01"), rumour())
    assert extents(run, "R10b") == []


def component_maker(*requested: str) -> list[Event]:
    """Half a million a year, an industry growing by more than 30 %."""
    return [*orders("500000.00", "2026-01-10"), growth("31"), *wishes(*requested)]


def test_half_a_million_a_year_with_repeated_wishes_in_a_fast_industry_is_of_high_potential(book: Core) -> None:
    run = replay(book, *component_maker("2026-02-10", "2026-03-05"))
    assert extents(run, "R27") == [(at("2026-03-05 10:00"), None)]
    assert standing(run, "R27p") == "high_potential"
    assert standing(run, "R10v") == "low", "what it orders today is not the point"


def test_one_wish_is_not_repeated(book: Core) -> None:
    run = replay(book, *component_maker("2026-02-10"))
    assert extents(run, "R27") == []
    assert standing(run, "R27p") == "ordinary"


def test_five_years_and_three_million_in_a_slow_industry_is_maintained_and_not_pushed(book: Core) -> None:
    told = [
        event("contract.signed", "2021-01-04 10:00", contract_id="C1"),
        growth("3"),
        *orders("1500000.00", "2025-09-10", "2026-02-10"),
    ]
    run = replay(book, *told)
    assert extents(run, "R27") == []
    assert standing(run, "R27p") == "maintain"
    assert standing(run, "R25") == "strategic_tenure"


def standing(run: Backtest, rule: str) -> str | None:
    """The class of the one customer at the end."""
    return run.judgements("C")[rule]
