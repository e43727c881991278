"""Behind the horizon: what binds nothing is forgotten, what something still needs stays, what was announced freezes."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.events import Event
from schemas.warnings import decode_warning
from services.rules.calendar import instant
from services.rules.entries import Key
from tests.unit.rules.making import Customer, at, core, event, invoice, payment


def customer(*rules: str) -> Customer:
    return Customer(core(None, 36, *rules))


def known(one: Customer, *events: Event) -> list[bool]:
    return [one.state.find(Key(made.source, made.id)) is not None for made in events]


def nothing(day: str) -> Event:
    """An event that moves no rule, so that time is all that passes."""
    return event("lead.created", day, lead_id=f"L{day}")


def test_a_settled_invoice_is_forgotten_with_its_payment() -> None:
    one = customer("R1")
    bill, money = invoice("A", "2026-01-05", "2026-01-15"), payment("P", "2026-01-14", "100.00", ("A", "100.00"))
    one.learns(bill, "2026-01-05")
    one.learns(money, "2026-01-14")
    one.learns(nothing("2029-08-01"), "2029-08-01")
    assert known(one, bill, money) == [True, True], "the facts' longest look reaches beyond the horizon"
    one.learns(nothing("2030-08-01"), "2030-08-01")
    assert known(one, bill, money) == [False, False]


def test_money_that_is_owed_or_not_spent_stays_with_all_that_it_touches() -> None:
    one = customer("R1")
    owed = invoice("A", "2026-01-05", "2026-01-15")
    part = payment("P", "2026-01-14", "60.00", ("A", "60.00"))
    prepaid = payment("Q", "2026-01-20", "50.00", ("B", "50.00"))
    settled = invoice("C", "2026-01-06", "2026-01-16"), payment("R", "2026-01-16", "100.00", ("C", "100.00"))
    for made in (owed, part, prepaid, *settled):
        one.learns(made, "2026-01-20")
    one.learns(nothing("2030-08-01"), "2030-08-01")
    assert known(one, owed, part) == [True, True]
    assert known(one, *settled) == [False, False]
    one.learns(invoice("B", "2030-08-02", "2030-08-20", "50.00"), "2030-08-02")
    assert one.wakes("2030-08-21") == [], "the prepayment of long ago still covers its invoice"


def test_an_episode_that_passed_the_horizon_is_frozen_and_then_forgotten() -> None:
    one = customer("R1")
    bills = [invoice("A", "2026-01-05", "2026-01-15"), invoice("B", "2026-02-05", "2026-02-15")]
    for made in bills:
        one.learns(made, "2026-02-05")
    one.wakes("2026-02-16")
    one.learns(payment("P", "2026-02-20", "200.00"), "2026-02-20")
    one.wakes("2026-04-01")
    later = one.learns(nothing("2029-03-01"), "2029-03-01")
    [announced] = list(one.state.announced)
    assert (announced.change, announced.end) == ("ended", at("2026-04-01"))
    later += one.learns(nothing("2030-09-01"), "2030-09-01")
    later += one.learns(invoice("Z", "2030-09-02", "2030-09-20"), "2030-09-02")
    assert known(one, *bills) == [False, False]
    assert later == []
    assert list(one.state.announced) == []


def test_a_run_that_reaches_over_the_horizon_is_neither_shortened_nor_withdrawn() -> None:
    one = customer("R1")
    for month in range(1, 10):
        one.learns(invoice(f"I{month}", f"2026-{month:02d}-05", f"2026-{month:02d}-15"), f"2026-{month:02d}-05")
        one.wakes(f"2026-{month:02d}-16")
    one.learns(payment("P", "2026-09-20", "900.00"), "2026-09-20")
    [ended] = one.wakes("2026-11-01")
    assert (ended.change, ended.run) == ("ended", 9)
    said = []
    for month in range(1, 12):
        said += one.learns(nothing(f"2030-{month:02d}-02"), f"2030-{month:02d}-02")
        said += one.learns(invoice(f"J{month}", f"2030-{month:02d}-03", "2030-12-15"), f"2030-{month:02d}-03")
    assert said == []


def test_a_stretch_that_still_holds_keeps_its_start() -> None:
    one = customer("R1b")
    one.learns(invoice("A", "2026-01-05", "2026-01-15"), "2026-01-05")
    [raised] = one.wakes("2026-03-01")
    while (due := one.state.head.wake_at) is not None and due < at("2029-12-01"):
        one.wakes(instant(due).astimezone(one.core.engine.calendar.zone).strftime("%Y-%m-%d %H:%M"))
    one.learns(payment("P", "2029-12-05", "100.00", ("A", "100.00")), "2029-12-05")
    [ended] = one.wakes("2030-01-01")
    assert (ended.id, ended.change, ended.start, ended.end) == (
        raised.id,
        "ended",
        instant(at("2026-03-01")),
        instant(at("2030-01-01")),
    )
    assert ended.run == 47


def test_the_last_contact_and_the_flag_are_kept_for_ever() -> None:
    one = customer("R7")
    flag = event("profile.updated", "2026-01-01", section="basic", fields={"important": True})
    calls = [event("activity.logged", f"2026-01-{day:02d}", kind="call") for day in (3, 10)]
    for made in (flag, *calls):
        one.learns(made, "2026-01-10")
    [raised] = one.wakes("2026-02-09")
    assert one.learns(nothing("2029-09-01"), "2029-09-01") == []
    assert known(one, flag, *calls) == [True, False, True]
    [ended] = one.learns(event("activity.logged", "2029-09-02", kind="call"), "2029-09-02")
    assert (ended.id, ended.change, ended.start) == (raised.id, "ended", instant(at("2026-02-09")))


def test_the_first_contract_is_kept_so_a_later_one_is_no_new_customer() -> None:
    one = customer("R5")
    first = event("contract.signed", "2026-01-01", contract_id="K1", signed_at="2026-01-01T00:00:00+08:00")
    one.learns(first, "2026-01-01")
    one.learns(event("activity.logged", "2026-01-02", kind="needs_confirmation"), "2026-01-02")
    one.learns(nothing("2029-09-01"), "2029-09-01")
    assert known(one, first) == [True]
    one.learns(
        event("contract.signed", "2029-09-02", contract_id="K2", signed_at="2029-09-02T00:00:00+08:00"), "2029-09-02"
    )
    assert one.wakes("2029-09-20") == []


def test_a_correction_keeps_what_it_corrects_from_coming_back() -> None:
    one = customer("R3")
    old = event("competitor.activity", "2026-01-01", id="old", competitor_id="X", kind="trade_show")
    one.learns(old, "2026-01-01")
    back: dict[str, Any] = {"competitor_id": "X", "kind": "trade_show", "supersedes": "old", "retracted": True}
    taken = event("competitor.activity", "2029-01-01", id="back", **back)
    one.learns(taken, "2029-01-01")
    one.learns(nothing("2029-09-01"), "2029-09-01")
    assert known(one, old, taken) == [True, True]
    assert one.state.items("competitor.activity") == []


@pytest.mark.parametrize("taken_back", [False, True])
def test_a_corrected_event_and_its_correction_are_forgotten_together(taken_back: bool) -> None:
    one = customer("R3")
    said: dict[str, Any] = {"competitor_id": "X", "kind": "trade_show"}
    old = event("competitor.activity", "2026-01-01", id="old", **said)
    newer = event("competitor.activity", "2026-01-02", id="newer", supersedes="old", **said)
    newest = event("competitor.activity", "2026-01-03", id="newest", supersedes="newer", retracted=taken_back, **said)
    for made in (newest, old, newer):
        one.learns(made, "2026-01-03")
    one.learns(nothing("2030-08-01"), "2030-08-01")
    assert known(one, old, newer, newest) == [False, False, False]
    assert one.state.items("competitor.activity") == []


def test_an_invoice_that_was_taken_back_is_forgotten_with_what_took_it_back() -> None:
    one = customer("R1")
    bill = invoice("A", "2026-01-05", "2026-01-15")
    back = event("invoice.issued", "2026-01-06", id="back", supersedes=bill.id, retracted=True)
    for made in (bill, back):
        one.learns(made, "2026-01-06")
    one.learns(nothing("2030-08-01"), "2030-08-01")
    assert known(one, bill, back) == [False, False]


def test_money_without_an_invoice_of_its_own_stays_while_what_it_helped_to_pay_is_owed() -> None:
    one = customer("R1")
    first, second = invoice("A", "2026-01-05", "2026-01-15"), invoice("B", "2026-01-06", "2026-01-16")
    money = payment("P", "2026-01-20", "150.00")
    other = invoice("C", "2026-01-07", "2026-01-17"), payment("Q", "2026-01-17", "100.00", ("C", "100.00"))
    for made in (first, second, money, *other):
        one.learns(made, "2026-01-20")
    one.learns(nothing("2030-08-01"), "2030-08-01")
    assert known(one, first, second, money) == [True, True, True]
    assert known(one, *other) == [False, False]


def test_what_was_learned_is_told_before_anything_is_forgotten() -> None:
    with_core = core(None, 36, "R2")
    state = with_core.open("C", {})
    left = event("contact.changed", "2029-12-30", contact_id="K", change="left", decision_role="finance")
    with_core.learn(state, left, offset=0, now=at("2029-12-31"))
    with_core.learn(state, nothing("2030-08-01"), offset=1, now=at("2030-08-01"))
    with_core.settle(state)
    assert [decode_warning(raw).rule for raw in state.unsent] == ["R2"]
