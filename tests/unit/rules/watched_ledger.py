"""A ledger that is held against the plain computation whenever it settles."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

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
