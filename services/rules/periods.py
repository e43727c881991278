"""Months that failed: the derived series behind period streaks. PURE."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from services.rules.calendar import Calendar, Day, Micros, Month, first_day, last_day, month_of_day
from services.rules.entries import Key
from services.rules.ledger import Instalment, Ledger

ZERO = Decimal(0)

LONGEST_RUN = 37
"""Months: one more than the greatest run that a rule may ask for."""


@dataclass(frozen=True)
class LatePolicy:
    """When an instalment counts as late: `grace_days` after its due date, with more than `tolerance` uncovered."""

    grace_days: int
    exclude_disputed: bool
    tolerance: Decimal

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


def late_months(ledger: Ledger, policy: LatePolicy, calendar: Calendar) -> Periods:
    """late(c, m) of R1: an instalment due in month m was late. Known from the day after the deadline on."""
    late: dict[Month, list[Instalment]] = defaultdict(list)
    for part in ledger.instalments:
        if policy.counts(part) and policy.late(part):
            late[part.month].append(part)
    by_month = {}
    for month, parts in late.items():
        certain = [part for part in parts if part.certain]
        faults = tuple(
            Fault(calendar.start_of_day(policy.deadline(part) + 1), _keys([part])) for part in certain or parts
        )
        failed_at = min(fault.known_at for fault in faults) if certain else None
        by_month[month] = Period(failed_at, faults)
    return Periods(by_month, policy.grace_days)


def overdue_month_ends(ledger: Ledger, policy: LatePolicy, calendar: Calendar, now: Micros) -> Periods:
    """R1b's months: those at whose end more than the tolerance was overdue in some currency.

    The tolerance is for the balance: small rests of many instalments add up. Money that is owed stays overdue for ever,
    so the series ends LONGEST_RUN months from now or from the last due date: no verdict changes later than that.
    """
    last = max([calendar.month_of(now), *(month_of_day(policy.deadline(part)) for part in ledger.instalments)])
    last += LONGEST_RUN
    overdue: dict[Month, list[Instalment]] = defaultdict(list)
    for part in ledger.instalments:
        deadline = policy.deadline(part)
        if policy.counts(part) and part.uncovered(deadline) > 0:
            settled = part.settled_on()
            for month in range(month_of_day(deadline), last + 1 if settled is None else month_of_day(settled)):
                overdue[month].append(part)
    periods = {month: _month_end(parts, policy, month, calendar) for month, parts in overdue.items()}
    return Periods({month: period for month, period in periods.items() if period is not None}, 0)


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
