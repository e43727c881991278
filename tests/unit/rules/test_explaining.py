"""What a warning says of its ground: what raised its severity, and the events behind a class that it rests on."""

from __future__ import annotations

import pytest

from schemas.events import Event
from schemas.warnings import Branch, Compared, Warning
from services.rules.core import Core
from tests.unit.rules import making
from tests.unit.rules.making import event
from tests.unit.rules.reports.making import reference_event
from tests.unit.rules.test_worked_examples import growth, late_three_times, orders, rumour, trading_company, wishes


@pytest.fixture(scope="module")
def book() -> Core:
    """All the rules that ship; a core keeps nothing of the customers it has seen."""
    return making.core()


def told(book: Core, rule: str, until: str, *events: Event) -> Warning:
    """The newest revision of the only warning of a rule."""
    run = making.replay(*sorted(events, key=lambda one: one.time), until=until, with_core=book)
    (warning,) = [one for one in run.warnings.values() if one.rule == rule]
    return warning


def raised_by(warning: Warning) -> list[Compared]:
    """The leaves that raised the severity."""
    rise = warning.evidence.rise
    assert rise is not None, "something raised it"
    assert rise.to == warning.severity
    return [warning.evidence.compared[place] for place in _places(rise.tree)]


def _places(tree: Branch) -> list[int]:
    return [place for branch in tree.of for place in _places(branch)] if tree.leaf is None else [tree.leaf]


def behind(leaf: Compared) -> list[str]:
    return [one.id for one in leaf.events]


def test_the_rumour_that_makes_it_graver_is_told_with_its_event(book: Core) -> None:
    gossip = rumour()
    warning = told(book, "R10b", "2026-04-30", *orders("5000000.00", "2025-12-01"), *late_three_times(), gossip)
    (leaf,) = raised_by(warning)
    assert (leaf.fact, leaf.value, leaf.op, leaf.threshold, leaf.held, leaf.decisive) == (
        "changes",
        "1",
        ">=",
        "1",
        True,
        True,
    )
    assert behind(leaf) == [gossip.id]
    assert leaf.events_total == 1
    assert gossip.id not in [one.id for one in warning.evidence.events], "more of it would be no news"


def test_a_rumour_that_is_long_past_is_told_as_it_was_when_it_counted(book: Core) -> None:
    lates = [
        made
        for month in ("04", "05", "06", "07", "08", "09", "10")
        for made in late_once(f"2026-{month}-15", f"2026-{month}-25")
    ]
    known = [*orders("5000000.00", "2026-03-01"), *late_three_times(), rumour(), *lates]
    warning = told(book, "R10b", "2026-11-10", *known)
    (leaf,) = raised_by(warning)
    assert warning.end is None
    assert (leaf.value, leaf.held) == ("1", True)


def late_once(due: str, on: str) -> list[Event]:
    issued = f"{due[:8]}01"
    return [making.invoice(due, issued, due), making.payment(due, on, "100.00", (due, "100.00"))]


def test_three_weeks_of_silence_after_a_handover_say_what_made_them_critical(book: Core) -> None:
    handover = event("customer.owner_changed", "2026-03-02 09:00", new="zhang.wei")
    assert told(book, "R8", "2026-03-12", handover).evidence.rise is None
    warning = told(book, "R8", "2026-03-30", handover)
    (leaf,) = raised_by(warning)
    assert warning.severity == "critical"
    assert (leaf.value, leaf.op, leaf.threshold, leaf.decisive) == ("21 d", ">=", "21 d", True)
    assert behind(leaf) == [handover.id]


def test_a_month_without_an_answer_says_why_the_superior_is_told(book: Core) -> None:
    raised = event("feedback.raised", "2026-03-02 09:00", feedback_id="F1", topic="terms")
    warning = told(book, "R14", "2026-04-05", raised)
    (leaf,) = raised_by(warning)
    assert (warning.severity, leaf.threshold, leaf.held) == ("high", "30 d", True)
    assert warning.evidence.compared[0].threshold == "7 d"


def test_the_customer_card_names_what_it_lacks(book: Core) -> None:
    signed = event("contract.signed", "2026-03-02", contract_id="C1")
    card = event("profile.updated", "2026-03-03", section="basic", fields={"name": "A", "post": "buyer", "contact": ""})
    summary = told(book, "R35", "2026-03-10", signed, card).evidence.summary
    assert summary.en.startswith("The customer card lacks these fields: employer, address, contact.")
    assert "还缺：employer, address, contact" in summary.zh


def test_a_greeting_and_a_broken_promise_name_their_day(book: Core) -> None:
    born = event("contact.birthday", "2026-03-01 09:00", contact_id="K1", month_day="03-10", opt_in=True)
    assert told(book, "R29", "2026-03-20", born).evidence.summary.en.startswith("2026-03-10 is a day for good wishes")
    made = event("promise.made", "2026-03-02", promise_id="V1", due="2026-03-31T18:00:00+08:00", order_id="O1")
    moved = event("order.spec_changed", "2026-03-20", order_id="O1", promised_date="2026-04-10")
    assert "应于 2026-03-31 兑现" in told(book, "R31", "2026-04-15", made).evidence.summary.zh
    assert "应于 2026-04-10 兑现" in told(book, "R31", "2026-04-15", made, moved).evidence.summary.zh


def test_a_year_without_a_visit_tells_when_either_side_last_came(book: Core) -> None:
    signed = event("contract.signed", "2023-03-02", contract_id="C1")
    ours = event("activity.logged", "2024-06-01", kind="exec_visit", channel="onsite")
    summary = told(book, "R28c", "2026-01-02", signed, ours).evidence.summary
    assert summary.en.endswith("Time since ours to the customer: 579 d; since the customer's to us: —.")


def test_a_class_passes_on_the_events_of_the_facts_that_decided_it(book: Core) -> None:
    warning = told(book, "R10a", "2026-04-30", *trading_company())
    (leaf,) = warning.evidence.compared
    grounds = [event_id.split("-20")[0] for event_id in behind(leaf)]
    assert grounds == ["order.placed", "order.placed", "order.placed", "profile.updated"]
    assert (leaf.events_total, warning.evidence.events_total) == (4, 0)


def test_wishes_and_growth_are_behind_a_high_potential(book: Core) -> None:
    known = [*orders("500000.00", "2026-01-10"), growth("31"), *wishes("2026-02-01", "2026-03-01")]
    warning = told(book, "R27", "2026-04-30", *known)
    kinds = {event_id.split("-20")[0] for event_id in behind(warning.evidence.compared[0])}
    assert kinds == {"profile.updated", "request.logged"}


def test_orders_and_growth_are_behind_a_strategic_customer(book: Core) -> None:
    warning = told(book, "R23", "2026-04-30", *orders("5000000.00", "2026-01-10"), growth("31"))
    kinds = {event_id.split("-20")[0] for event_id in behind(warning.evidence.compared[0])}
    assert kinds == {"order.placed", "profile.updated"}


def test_a_later_order_is_no_news_of_a_customer_that_is_of_high_value_already(book: Core) -> None:
    known = [*orders("5000000.00", "2025-12-01"), *late_three_times()]
    more = orders("10000.00", "2026-04-10")
    before, after = (told(book, "R10b", "2026-04-30", *events) for events in (known, [*known, *more]))
    assert after.revision == before.revision
    (value,) = [leaf for leaf in after.evidence.compared if leaf.fact == "value"]
    assert len(behind(value)) == 1


def ranking(day: str, line: str) -> Event:
    """Of the customers like C six in ten buy the line, which it does not."""
    places = {"percentiles": {"C": 0.6}, "notes": {"C": line}}
    return reference_event("ranks.published", day, measure="cross_sell", as_of=f"{day}T00:00:00+08:00", **places)


def test_another_product_line_is_said_anew_and_the_same_one_is_not() -> None:
    customer = making.Customer(making.core(None, None, "R38"))
    customer.learns(orders("100.00", "2026-02-01")[0], "2026-02-01 10:00")
    said: list[list[tuple[str, bool]]] = []
    lines = []
    for day, line in (("2026-03-01", "valves"), ("2026-03-05", "valves"), ("2026-03-09", "pumps")):
        customer.core.reference.learn(ranking(day, line))  # type: ignore[arg-type]
        warnings = customer.wakes(f"{day} 12:00")
        said.append([(one.change, one.pages_again) for one in warnings])
        lines += [one.evidence.summary.en.split('"')[1] for one in warnings]
    assert said == [[("raised", True)], [], [("amended", False)]]
    assert lines == ["valves", "pumps"]
