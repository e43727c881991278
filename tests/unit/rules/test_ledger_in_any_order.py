"""The ledger after any events began or ceased to stand, in any order, is what the plain computation finds."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.rules.calendar import Month, month_of_day
from services.rules.entries import Entry, Key
from services.rules.instalments import Instalment, PartKey
from services.rules.ledger import Changes, Ledger
from services.rules.periods import LatePolicy, Periods, late_months, overdue_month_ends
from tests.unit.rules.making import CALENDAR
from tests.unit.rules.slow_ledger import Part, SlowLedger, slow_ledger
from tests.unit.rules.slow_periods import Fault, Period, slow_late_months, slow_overdue_month_ends

FIRST_DAY = date(2026, 1, 1).toordinal()
NOW = CALENDAR.start_of_day(FIRST_DAY + 100)
POLICIES = (
    LatePolicy(grace_days=0, exclude_disputed=True, tolerance=Decimal("0.01")),
    LatePolicy(grace_days=5, exclude_disputed=False, tolerance=Decimal(10)),
)

days = st.integers(FIRST_DAY, FIRST_DAY + 12) | st.integers(FIRST_DAY, FIRST_DAY + 150)
# Few different sums and names, so that money often just suffices and things are said twice.
sums = st.sampled_from(("10.00", "10", "20.00", "30.00", "30.50", "55.55"))
currencies = st.sampled_from(("CNY", "CNY", "CNY", "CNY", "CNY", "USD"))
invoices = st.sampled_from("ABCDEF")


@st.composite
def issues(draw: st.DrawFn) -> dict[str, Any]:
    data = {"invoice_id": draw(invoices), "currency": draw(currencies), "issue_date": draw(days)}
    amounts = draw(st.lists(sums, min_size=1, max_size=3))
    if len(amounts) == 1:
        return data | {"amount": amounts[0], "due_date": draw(days)}
    parts = [{"due_date": draw(days), "amount": amount} for amount in amounts]
    return data | {"amount": str(sum(map(Decimal, amounts))), "instalments": parts}


@st.composite
def payments(draw: st.DrawFn) -> dict[str, Any]:
    pairs = draw(st.lists(st.tuples(invoices, sums), max_size=2) | st.just([]))
    allocations = [{"invoice_id": invoice_id, "amount": amount} for invoice_id, amount in pairs]
    free = draw(sums if not pairs else st.just("0") | sums)
    return {
        "payment_id": draw(st.sampled_from("PQRSTUV")),
        "amount": str(sum((Decimal(amount) for _, amount in pairs), Decimal(free))),
        "currency": draw(currencies),
        "value_date": draw(days),
        "allocations": allocations,
    }


DATA = {
    "invoice.issued": issues(),
    "invoice.credited": st.fixed_dictionaries(
        {"invoice_id": invoices, "credit_id": st.sampled_from("NM"), "amount": sums, "currency": currencies}
    ),
    "invoice.disputed": st.fixed_dictionaries({"invoice_id": invoices}),
    "dispute.settled": st.fixed_dictionaries(
        {"invoice_id": invoices, "outcome": st.sampled_from(("upheld", "rejected"))}
    ),
    "invoice.delay_explained": st.fixed_dictionaries(
        {"invoice_id": invoices, "fault": st.sampled_from(("ours", "customer", "third_party"))}
    ),
    "payment.received": payments(),
    "payment.reversed": st.fixed_dictionaries({"payment_id": st.sampled_from("PQRSTUV")}),
}
# What moves money is most of it; the rest comes now and then.
KINDS = ("invoice.issued",) * 8 + ("payment.received",) * 8 + tuple(DATA)


@st.composite
def entries(draw: st.DrawFn) -> Entry:
    kind = draw(st.sampled_from(KINDS))
    name = f"{draw(st.integers(0, 99)):02d}"
    return Entry(draw(st.integers(0, 3)), kind, "erp", name, draw(st.integers(0, 3)), b"", draw(DATA[kind]))


@st.composite
def stories(draw: st.DrawFn) -> tuple[list[Entry], list[tuple[int, bool]]]:
    """Events, and steps: which event begins to stand, or ceases when it stood, and whether the ledger is read then."""
    pool = draw(st.lists(entries(), min_size=1, max_size=24, unique_by=lambda entry: entry.id))
    steps = st.tuples(st.integers(0, len(pool) - 1), st.booleans())
    return pool, [(number, True) for number in range(len(pool))] * draw(st.booleans()) + draw(
        st.lists(steps, max_size=40)
    )


def as_found(part: Instalment | Part) -> dict[str, Any]:
    """All that is said of an instalment."""
    names = (*Instalment.__struct_fields__, "month")
    said = {name: getattr(part, name) for name in names} | {"covers": list(part.covers)}
    return said | {"settled_on": part.settled_on(), "uncovered": part.uncovered(), "then": part.uncovered(part.due)}


class Watched:
    """A ledger, the events that stand, and what the changes told so far add up to."""

    def __init__(self) -> None:
        self.ledger = Ledger()
        self.standing: dict[Key, Entry] = {}
        self.told: dict[PartKey, Instalment] = {}
        self.received: dict[Key, Entry] = {}

    def toggle(self, entry: Entry) -> None:
        """The event begins to stand, or ceases to when it stood."""
        stood = self.standing.pop(entry.key, None)
        if stood is None:
            self.standing[entry.key] = entry
        self.ledger.change(entry, stands=stood is None)

    def settle(self) -> None:
        """Settles, and holds everything against the plain computation."""
        changes = self.ledger.settle()
        plain = slow_ledger(self.standing.values())
        expected = {PartKey(part.invoice_id, part.number): as_found(part) for part in plain.instalments}
        assert {key: as_found(part) for key, part in self.ledger.instalments.items()} == expected
        assert self.ledger.unspent == plain.unspent
        assert self.ledger.receipts == plain.receipts
        self._add_up(changes)
        check_months(self.ledger, plain)

    def _add_up(self, changes: Changes) -> None:
        assert not [part for part in changes.removed if part in changes.added], "what is told as changed did change"
        for part in changes.removed:
            assert self.told.pop(part.key) == part
        for part in changes.added:
            assert part.key not in self.told
            self.told[part.key] = part
        assert self.told == self.ledger.instalments
        assert not [entry for entry in changes.receipts_removed if entry in changes.receipts_added]
        for entry in changes.receipts_removed:
            del self.received[entry.key]
        self.received.update({entry.key: entry for entry in changes.receipts_added})
        assert sorted(self.received) == sorted(entry.key for entry in self.ledger.receipts)


def check_months(ledger: Ledger, plain: SlowLedger) -> None:
    for policy in POLICIES:
        late = slow_late_months(plain, policy, CALENDAR)
        overdue = slow_overdue_month_ends(plain, policy, CALENDAR, NOW)
        for first in (None, *(month_of_day(FIRST_DAY + later) for later in (40, 130, 800))):
            assert as_told(late_months(ledger, policy, CALENDAR, first)) == since(first, late)
            assert as_told(overdue_month_ends(ledger, policy, CALENDAR, NOW, first)) == since(first, overdue)


def as_told(periods: Periods) -> dict[Month, Period]:
    """The months with the events behind their faults looked up."""
    return {
        month: Period(period.failed_at, tuple(Fault(fault.known_at, fault.keys) for fault in period.faults))
        for month, period in periods.by_month.items()
    }


def since(first: Month | None, periods: dict[Month, Period]) -> dict[Month, Period]:
    return {month: period for month, period in periods.items() if first is None or month >= first}


def play(story: tuple[list[Entry], list[tuple[int, bool]]]) -> None:
    pool, steps = story
    watched = Watched()
    for number, read in steps:
        watched.toggle(pool[number])
        if read:
            watched.settle()
    watched.settle()


EVERY_ORDER = settings(
    deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


@given(stories())
@settings(EVERY_ORDER, max_examples=150)
def test_the_ledger_is_a_function_of_the_events_that_stand(
    story: tuple[list[Entry], list[tuple[int, bool]]],
) -> None:
    play(story)


@pytest.mark.nightly
@given(stories())
@settings(EVERY_ORDER, max_examples=10_000)
def test_the_ledger_is_a_function_of_the_events_that_stand_in_very_many_stories(
    story: tuple[list[Entry], list[tuple[int, bool]]],
) -> None:
    play(story)
