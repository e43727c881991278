"""The months that failed by the plainest computation, over all instalments. What the fast one must equal."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from typing import NamedTuple

from services.rules.calendar import Calendar, Day, Micros, Month, first_day, last_day, month_of_day
from services.rules.entries import Key
from services.rules.periods import LONGEST_RUN, LatePolicy
from tests.unit.rules.slow_ledger import Part, SlowLedger

ZERO = Decimal(0)


class Fault(NamedTuple):
    known_at: Micros
    keys: tuple[Key, ...]


class Period(NamedTuple):
    failed_at: Micros | None
    faults: tuple[Fault, ...]


def _counts(policy: LatePolicy, part: Part) -> bool:
    return not (policy.exclude_disputed and part.disputed)


def _deadline(policy: LatePolicy, part: Part) -> Day:
    return part.due + policy.grace_days


def _late(policy: LatePolicy, part: Part) -> bool:
    return part.uncovered(_deadline(policy, part)) > policy.tolerance


def slow_late_months(ledger: SlowLedger, policy: LatePolicy, calendar: Calendar) -> dict[Month, Period]:
    """late(c, m) of R1: an instalment due in month m was late. Known from the day after the deadline on."""
    late: dict[Month, list[Part]] = defaultdict(list)
    for part in ledger.instalments:
        if _counts(policy, part) and _late(policy, part):
            late[part.month].append(part)
    by_month = {}
    for month, parts in late.items():
        certain = [part for part in parts if part.certain]
        faults = tuple(
            Fault(calendar.start_of_day(_deadline(policy, part) + 1), _keys([part])) for part in certain or parts
        )
        failed_at = min(fault.known_at for fault in faults) if certain else None
        by_month[month] = Period(failed_at, faults)
    return by_month


def slow_overdue_month_ends(
    ledger: SlowLedger, policy: LatePolicy, calendar: Calendar, now: Micros
) -> dict[Month, Period]:
    """R1b's months: those at whose end more than the tolerance was overdue in some currency.

    The tolerance is for the balance: small rests of many instalments add up. Money that is owed stays overdue for ever,
    so the series ends LONGEST_RUN months from now or from the last due date: no verdict changes later than that.
    """
    last = max([calendar.month_of(now), *(month_of_day(_deadline(policy, part)) for part in ledger.instalments)])
    last += LONGEST_RUN
    overdue: dict[Month, list[Part]] = defaultdict(list)
    for part in ledger.instalments:
        deadline = _deadline(policy, part)
        if _counts(policy, part) and part.uncovered(deadline) > 0:
            settled = part.settled_on()
            for month in range(month_of_day(deadline), last + 1 if settled is None else month_of_day(settled)):
                overdue[month].append(part)
    periods = {month: _month_end(parts, policy, month, calendar) for month, parts in overdue.items()}
    return {month: period for month, period in periods.items() if period is not None}


def _month_end(overdue: list[Part], policy: LatePolicy, month: Month, calendar: Calendar) -> Period | None:
    end, known_at = last_day(month), calendar.start_of_day(first_day(month + 1))
    certain = [part for part in overdue if part.certain]
    if _exceeds(certain, end, policy.tolerance):
        return Period(known_at, (Fault(known_at, _keys(certain)),))
    if _exceeds(overdue, end, policy.tolerance):
        return Period(None, (Fault(known_at, _keys(overdue)),))
    return None


def _exceeds(parts: list[Part], day: Day, tolerance: Decimal) -> bool:
    """Whether more than the tolerance is uncovered in some currency."""
    balances: dict[str, Decimal] = defaultdict(lambda: ZERO)
    for part in parts:
        balances[part.currency] += part.uncovered(day)
    return any(balance > tolerance for balance in balances.values())


def _keys(parts: list[Part]) -> tuple[Key, ...]:
    keys = {part.invoice: None for part in parts}
    for part in parts:
        keys.update({cover.payment: None for cover in part.covers})
    return tuple(keys)
