"""What a ledger tells of a change, how little it works out again, and its instalments as rules see them."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from schemas.events import Event
from services.rules.arrears import MOST_VIEWS
from services.rules.instalment_items import instalment_item
from services.rules.instalments import Instalment, PartKey
from services.rules.ledger import Changes, Ledger
from services.rules.periods import LatePolicy, late_months
from services.rules.spreading import Spreading
from tests.unit.rules.making import CALENDAR, at, entry, event, invoice, payment

AT_ONCE = LatePolicy(grace_days=0, exclude_disputed=True, tolerance=Decimal("0.01"))
A = invoice("A", "2026-01-01", "2026-01-31")
B = invoice("B", "2026-01-05", "2026-02-28")
EXPLAINED = event("invoice.delay_explained", "2026-03-01", invoice_id="A", reason="bank holiday", fault="third_party")


def ledger(*events: Event) -> Ledger:
    made = Ledger()
    learn(made, *events)
    return made


def learn(made: Ledger, *events: Event) -> Changes:
    for one in events:
        made.change(entry(one), stands=True)
    return made.settle()


def instalment(*events: Event) -> Instalment:
    return ledger(*events).instalments[PartKey("A", 0)]


def test_a_change_tells_the_instalments_that_are_others_now_and_no_more() -> None:
    books = ledger(A, B)
    money = payment("P", "2026-01-20", "40.00")

    changes = learn(books, money)

    [before], [after] = changes.removed, changes.added
    assert (before.invoice_id, before.uncovered(), after.uncovered()) == ("A", Decimal(100), Decimal(60))
    assert changes.receipts_added == [entry(money)]
    assert books.settle() == Changes([], [], [], [])


def test_what_falls_before_it_was_told_is_not_told() -> None:
    books = ledger(A)
    books.change(entry(B), stands=True)
    books.change(entry(B), stands=False)
    assert books.settle() == Changes([], [], [], [])


def test_a_ledger_is_not_read_while_changes_wait() -> None:
    books = ledger(A)
    books.change(entry(B), stands=True)
    with pytest.raises(AssertionError):
        _ = books.instalments


class Counted:
    """How many of its events a spreading does or takes back."""

    def __init__(self, patched: pytest.MonkeyPatch) -> None:
        self.steps = 0
        done, undone = Spreading._do, Spreading._undo

        def do(spreading: Spreading, event: Any) -> None:
            self.steps += 1
            done(spreading, event)

        def undo(spreading: Spreading, first: int) -> list[Any]:
            found = undone(spreading, first)
            self.steps += len(found)
            return found

        patched.setattr(Spreading, "_do", do)
        patched.setattr(Spreading, "_undo", undo)


def test_what_comes_in_order_is_worked_out_without_the_past(monkeypatch: pytest.MonkeyPatch) -> None:
    counted = Counted(monkeypatch)
    books = Ledger()
    start = date(2024, 1, 1).toordinal()
    days = [date.fromordinal(start + number).isoformat() for number in range(400)]
    for number in range(300):
        learn(books, invoice(f"I{number}", days[number], days[number + 30]))
        to = (f"I{number - 20}", "100.00")
        if number >= 20 and number % 2:
            learn(books, payment(f"P{number}", days[number], "100.00", to))
        elif number >= 20 and number % 10:
            learn(books, payment(f"P{number}", days[number], "100.00"))
        counted.steps, before = 0, counted.steps
        assert before <= 45, f"day {number}: at most what was issued since the oldest that is open"


def test_what_no_spread_money_ever_reached_comes_and_goes_without_work(monkeypatch: pytest.MonkeyPatch) -> None:
    days = [f"2026-01-{number:02d}" for number in range(1, 29)]
    books = ledger(*(invoice(f"I{number}", day, "2026-02-15") for number, day in enumerate(days)))
    counted = Counted(monkeypatch)
    learn(books, payment("P", "2026-02-01", "100.00", ("I3", "100.00")))
    learn(books, invoice("late", "2026-01-02", "2026-01-31"))
    assert counted.steps == 0, "nothing was spread that either could have had"


def test_an_instalment_lies_at_the_start_of_the_day_after_its_deadline() -> None:
    late = LatePolicy(grace_days=5, exclude_disputed=True, tolerance=Decimal("0.01"))
    part = instalment(A, payment("P", "2026-02-03", "100.00", ("A", "100.00")))

    [in_time, too_late] = [instalment_item(part, policy, CALENDAR, part.fault) for policy in (late, AT_ONCE)]

    assert in_time is not None
    assert too_late is not None
    assert (in_time.at, too_late.at) == (at("2026-02-06"), at("2026-02-01"))
    assert (in_time.data["late"], too_late.data["late"]) == (False, True)
    assert too_late.data == {
        "invoice_id": "A",
        "amount": "100.00",
        "currency": "CNY",
        "late": True,
        "settled": True,
        "certain": True,
        "days_late": 3,
    }
    assert [key.id for key in too_late.keys] == ["issued-A", "payment-P"]


def test_an_open_instalment_has_no_days_late_and_one_paid_early_has_none_of_them() -> None:
    early = instalment(A, payment("P", "2026-01-03", "100.00", ("A", "100.00")))
    items = [instalment_item(part, AT_ONCE, CALENDAR, None) for part in (instalment(A), early)]
    assert [item and item.data.get("days_late") for item in items] == [None, 0]


def test_an_explained_delay_says_whose_fault_it_was_by_the_last_word() -> None:
    ours = event("invoice.delay_explained", "2026-03-02", invoice_id="A", reason="our mistake", fault="ours")
    part = instalment(ours, A, EXPLAINED)
    item = instalment_item(part, AT_ONCE, CALENDAR, part.fault)
    assert item is not None
    assert item.data["fault"] == "ours"


def test_a_disputed_instalment_is_no_item_where_those_are_excluded() -> None:
    part = instalment(A, event("invoice.disputed", "2026-01-02", invoice_id="A"))
    with_disputed = LatePolicy(grace_days=0, exclude_disputed=False, tolerance=Decimal(0))
    assert instalment_item(part, AT_ONCE, CALENDAR, None) is None
    assert instalment_item(part, with_disputed, CALENDAR, None) is not None


@pytest.mark.parametrize(("grace_days", "tolerance"), [(-1, "0"), (0, "-1")])
def test_a_policy_cannot_call_late_what_was_paid_in_time(grace_days: int, tolerance: str) -> None:
    with pytest.raises(ValueError, match="must not be negative"):
        LatePolicy(grace_days=grace_days, exclude_disputed=True, tolerance=Decimal(tolerance))


def test_more_policies_than_are_kept_up_to_date_still_find_the_same() -> None:
    books = ledger(A)
    policies = [
        LatePolicy(grace_days=days, exclude_disputed=True, tolerance=Decimal(0)) for days in range(2 * MOST_VIEWS)
    ]
    for policy in (*policies, *policies):
        [period] = late_months(books, policy, CALENDAR).by_month.values()
        assert period.failed_at == CALENDAR.start_of_day(date(2026, 2, 1).toordinal() + policy.grace_days)
