"""Months that failed: the derived series behind period streaks. PURE."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple

from services.rules.calendar import Calendar, Day, Micros, Month, first_day, last_day, month_of_day
from services.rules.entries import Key
from services.rules.instalments import ZERO, Instalment
from services.rules.ledger import Ledger

LONGEST_RUN = 37
"""Months: one more than the greatest run that a rule may ask for."""


@dataclass(frozen=True)
class LatePolicy:
    """When an instalment counts as late: `grace_days` after its due date, with more than `tolerance` uncovered."""

    grace_days: int
    exclude_disputed: bool
    tolerance: Decimal

    def __post_init__(self) -> None:
        # What is paid by its due date must not be late: arrears.py does not even list it.
        if self.grace_days < 0 or self.tolerance < 0:
            raise ValueError("grace_days and tolerance of a late payment must not be negative")

    def counts(self, part: Instalment) -> bool:
        return not (self.exclude_disputed and part.disputed)

    def deadline(self, part: Instalment) -> Day:
        """The last day on which a payment is in time."""
        return part.due + self.grace_days

    def late(self, part: Instalment) -> bool:
        return part.uncovered(self.deadline(part)) > self.tolerance


class Fault(NamedTuple):
    """An instalment that made a month fail: from when that is known, and the events behind it."""

    known_at: Micros
    keys: tuple[Key, ...]


class Period(NamedTuple):
    """A month that is not simply fine: failed at an instant, or (failed_at None) inconclusive."""

    failed_at: Micros | None
    faults: tuple[Fault, ...]


class Periods(NamedTuple):
    """The months that failed or are inconclusive, and how many days after its last day a month closes."""

    by_month: dict[Month, Period]
    grace_days: int

    def closed_at(self, month: Month, calendar: Calendar) -> Micros:
        """From here on a month that has not failed is known to be fine."""
        return calendar.start_of_day(last_day(month) + self.grace_days + 1)


def late_months(ledger: Ledger, policy: LatePolicy, calendar: Calendar, first_month: Month | None = None) -> Periods:
    """late(c, m) of R1: an instalment due in month m was late. Known from the day after the deadline on.

    Only months from `first_month` on are told (None: all).
    """
    by_month = {}
    for month, due in ledger.arrears.due_from(first_month).items():
        parts = [part for part in due if policy.counts(part) and policy.late(part)]
        if not parts:
            continue
        certain = [part for part in parts if part.certain]
        faults = tuple(
            Fault(calendar.start_of_day(policy.deadline(part) + 1), _keys([part])) for part in certain or parts
        )
        failed_at = min(fault.known_at for fault in faults) if certain else None
        by_month[month] = Period(failed_at, faults)
    return Periods(by_month, policy.grace_days)


def overdue_month_ends(
    ledger: Ledger, policy: LatePolicy, calendar: Calendar, now: Micros, first_month: Month | None = None
) -> Periods:
    """R1b's months: those at whose end more than the tolerance was overdue in some currency.

    The tolerance is for the balance: small rests of many instalments add up. Money that is owed stays overdue for ever,
    so the series ends LONGEST_RUN months from now or from the last due date: no verdict changes later than that.
    Only months from `first_month` on are told (None: all).
    """
    last_due = ledger.arrears.last_due
    this_month = calendar.month_of(now)
    last = max(this_month, this_month if last_due is None else month_of_day(last_due + policy.grace_days)) + LONGEST_RUN
    found = [part for part in ledger.arrears.open_at_ends_from(first_month) if policy.counts(part)]
    owed = [part for part in found if part.uncovered(policy.deadline(part)) > 0]
    # From here on nothing changes: each month's end finds what the one before found.
    steady = max([first_month or 0, *(_last_change(part, policy) + 1 for part in owed)])
    by_month = {}
    for month, parts in _overdue(owed, policy, first_month or 0, min(last, steady)).items():
        period = _month_end(parts, policy, month, calendar)
        if period is not None:
            by_month[month] = period
    if steady in by_month:
        for month in range(steady + 1, last + 1):
            by_month[month] = _found_again(by_month[steady], calendar.start_of_month(month + 1))
    return Periods(by_month, 0)


def _overdue(owed: list[Instalment], policy: LatePolicy, first: Month, last: Month) -> dict[Month, list[Instalment]]:
    """What is overdue at the end of each month between the two, both included."""
    overdue: dict[Month, list[Instalment]] = defaultdict(list)
    for part in owed:
        settled = part.settled_on()
        stop = last + 1 if settled is None else min(last + 1, month_of_day(settled))
        for month in range(max(first, month_of_day(policy.deadline(part))), stop):
            overdue[month].append(part)
    return overdue


def _last_change(part: Instalment, policy: LatePolicy) -> Month:
    """The last month in which the instalment became overdue or money came on it."""
    return month_of_day(max([policy.deadline(part), *(cover.day for cover in part.covers)]))


def _found_again(period: Period, known_at: Micros) -> Period:
    faults = tuple(fault._replace(known_at=known_at) for fault in period.faults)
    return Period(None if period.failed_at is None else known_at, faults)


def _month_end(overdue: list[Instalment], policy: LatePolicy, month: Month, calendar: Calendar) -> Period | None:
    end, known_at = last_day(month), calendar.start_of_day(first_day(month + 1))
    certain = [part for part in overdue if part.certain]
    if _exceeds(certain, end, policy.tolerance):
        return Period(known_at, (Fault(known_at, _keys(certain)),))
    if _exceeds(overdue, end, policy.tolerance):
        return Period(None, (Fault(known_at, _keys(overdue)),))
    return None


def _exceeds(parts: list[Instalment], day: Day, tolerance: Decimal) -> bool:
    """Whether more than the tolerance is uncovered in some currency."""
    balances: dict[str, Decimal] = defaultdict(lambda: ZERO)
    for part in parts:
        balances[part.currency] += part.uncovered(day)
    return any(balance > tolerance for balance in balances.values())


def _keys(parts: list[Instalment]) -> tuple[Key, ...]:
    keys = {part.invoice: None for part in parts}
    for part in parts:
        keys.update({cover.payment: None for cover in part.covers})
    return tuple(keys)


class InstalmentItem(NamedTuple):
    """An item of the series `instalments`: where it lies, the fields that rules may read, the events behind it."""

    at: Micros
    data: dict[str, Any]
    keys: tuple[Key, ...]


def instalment_item(
    part: Instalment, policy: LatePolicy, calendar: Calendar, fault: str | None
) -> InstalmentItem | None:
    """The instalment as rules see it, at the start of the day after its deadline; None when it does not count.

    `days_late` (from the due date to the value date of the money that covered the last of it, at least 0) is absent
    while it is open, `fault` until a delay is explained. `certain` is false when money of another currency was booked
    on it: then `late` may be untrue.
    """
    if not policy.counts(part):
        return None
    settled = part.settled_on()
    data: dict[str, Any] = {
        "invoice_id": part.invoice_id,
        "amount": format(part.amount, "f"),
        "currency": part.currency,
        "late": policy.late(part),
        "settled": settled is not None,
        "certain": part.certain,
    }
    if settled is not None:
        data["days_late"] = max(0, settled - part.due)
    if fault is not None:
        data["fault"] = fault
    return InstalmentItem(calendar.start_of_day(policy.deadline(part) + 1), data, _keys([part]))
