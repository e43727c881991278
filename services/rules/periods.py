"""Months that failed: the derived series behind period streaks. PURE."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import NamedTuple

from services.rules.calendar import Calendar, Day, Micros, Month, last_day, month_of_day
from services.rules.entries import Key
from services.rules.instalments import ZERO, Instalment, OldestDue
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


@dataclass(frozen=True, eq=False, slots=True)
class Fault:
    """Instalments that made a month fail: from when that is known, and which they are (looked up when asked for)."""

    known_at: Micros
    parts: Callable[[], Iterable[Instalment]]

    @property
    def keys(self) -> tuple[Key, ...]:
        """The events behind it: the invoices, then the payments on them."""
        return events_behind(tuple(self.parts()))


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
    view = ledger.arrears.view((_LateMonths, policy, calendar), partial(_LateMonths, policy, calendar))
    return Periods(dict(view.periods(first_month)), policy.grace_days)


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
    view = ledger.arrears.view((_OverdueMonthEnds, policy), partial(_OverdueMonthEnds, policy))
    return Periods(dict(view.periods(first_month, last, calendar)), 0)


def events_behind(parts: Iterable[Instalment]) -> tuple[Key, ...]:
    """The invoices of instalments, then the payments on them, each once."""
    keys = {part.invoice: None for part in parts}
    for part in parts:
        keys.update({cover.payment: None for cover in part.covers})
    return tuple(keys)


class _Late(NamedTuple):
    order: OldestDue
    certain: bool
    fault: Fault


class _LateMonths:
    """The late instalments of each month, oldest due first."""

    def __init__(self, policy: LatePolicy, calendar: Calendar) -> None:
        self._policy = policy
        self._calendar = calendar
        self._late: dict[Month, list[_Late]] = {}
        self._periods: dict[Month, Period] = {}

    def add(self, part: Instalment) -> None:
        if self._is_late(part):
            known_at = self._calendar.start_of_day(self._policy.deadline(part) + 1)
            late = self._late.setdefault(part.month, [])
            insort(late, _Late(part.order, part.certain, Fault(known_at, partial(tuple, (part,)))))
            self._periods.pop(part.month, None)

    def remove(self, part: Instalment) -> None:
        if self._is_late(part):
            late = self._late[part.month]
            del late[bisect_left(late, (part.order,))]
            if not late:
                del self._late[part.month]
            self._periods.pop(part.month, None)

    def _is_late(self, part: Instalment) -> bool:
        return self._policy.counts(part) and self._policy.late(part)

    def periods(self, first: Month | None) -> Iterator[tuple[Month, Period]]:
        for month, late in self._late.items():
            if first is None or month >= first:
                if month not in self._periods:
                    self._periods[month] = _late_period(late)
                yield month, self._periods[month]


def _late_period(late: list[_Late]) -> Period:
    certain = tuple(one.fault for one in late if one.certain)
    if certain:
        return Period(min(fault.known_at for fault in certain), certain)
    return Period(None, tuple(one.fault for one in late))


class _Owed(NamedTuple):
    """An instalment that is overdue at the ends of the months from `first` on, up to before `stop` (None: for ever)."""

    order: OldestDue
    first: Month
    stop: Month | None
    part: Instalment

    def at_end_of(self, month: Month) -> bool:
        return self.first <= month and (self.stop is None or month < self.stop)


_Purse = tuple[str, bool]
"""A currency, and whether it is certain that the money is owed."""


class _OverdueMonthEnds:
    """What is overdue, oldest due first, and by how much the balance changes from one month's end to the next."""

    def __init__(self, policy: LatePolicy) -> None:
        self._policy = policy
        self._owed: list[_Owed] = []
        self._steps: dict[Month, dict[_Purse, Decimal]] = defaultdict(lambda: defaultdict(lambda: ZERO))
        self._parts_that_step: Counter[Month] = Counter()

    def add(self, part: Instalment) -> None:
        owed = self._owed_of(part)
        if owed is not None:
            insort(self._owed, owed)
            self._step(owed, 1)

    def remove(self, part: Instalment) -> None:
        if self._owed_of(part) is not None:
            index = bisect_left(self._owed, (part.order,))
            self._step(self._owed.pop(index), -1)

    def _owed_of(self, part: Instalment) -> _Owed | None:
        deadline = self._policy.deadline(part)
        if not self._policy.counts(part) or part.uncovered(deadline) <= 0:
            return None
        settled = part.settled_on()
        first, stop = month_of_day(deadline), None if settled is None else month_of_day(settled)
        return None if stop is not None and stop <= first else _Owed(part.order, first, stop, part)

    def _step(self, owed: _Owed, sign: int) -> None:
        part = owed.part
        steps = {owed.first: part.uncovered(last_day(owed.first))}
        for cover in part.covers:
            month = month_of_day(cover.day)
            if month > owed.first:
                steps[month] = steps.get(month, ZERO) - cover.amount
        for month, step in steps.items():
            self._steps[month][part.currency, part.certain] += sign * step
            self._parts_that_step[month] += sign
            if not self._parts_that_step[month]:
                del self._steps[month], self._parts_that_step[month]

    def periods(self, first: Month | None, last: Month, calendar: Calendar) -> Iterator[tuple[Month, Period]]:
        owed = tuple(self._owed)
        balances: dict[_Purse, Decimal] = defaultdict(lambda: ZERO)
        certain = fails = False
        for month in range(min(self._steps, default=last + 1), last + 1):
            if month in self._steps:
                for purse, step in self._steps[month].items():
                    balances[purse] += step
                certain = self._exceeds(balance for (_, certain), balance in balances.items() if certain)
                fails = certain or self._exceeds(_by_currency(balances))
            if fails and (first is None or month >= first):
                known_at = calendar.start_of_month(month + 1)
                fault = Fault(known_at, partial(_at_end_of, month, owed, certain_only=certain))
                yield month, Period(known_at if certain else None, (fault,))

    def _exceeds(self, balances: Iterable[Decimal]) -> bool:
        return any(balance > self._policy.tolerance for balance in balances)


def _by_currency(balances: dict[_Purse, Decimal]) -> Iterable[Decimal]:
    sums: dict[str, Decimal] = defaultdict(lambda: ZERO)
    for (currency, _), balance in balances.items():
        sums[currency] += balance
    return sums.values()


def _at_end_of(month: Month, owed: tuple[_Owed, ...], *, certain_only: bool) -> list[Instalment]:
    return [one.part for one in owed if one.at_end_of(month) and (one.part.certain or not certain_only)]
