"""The shape of period streaks over a customer's ledger: months in a row that failed. PURE."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from services.rules.calendar import DAY, Micros, Month
from services.rules.dues import Instalments
from services.rules.entries import Key
from services.rules.facts import AHEAD, LATER, MAX_EVENTS, Measured, Point, Proof, Question, Span, Value
from services.rules.ledger import ledger_of
from services.rules.periods import LatePolicy, Period, Periods, late_months, overdue_month_ends
from services.rules.series import Pick
from services.rules.state import CustomerState

LOOK_BACK = 40
"""Months before the instant asked about that are looked at: more than the greatest run that a rule may ask for."""


@dataclass(frozen=True)
class Streak(Measured):
    """How many months in a row failed, up to the newest. Back to 0 when a month has closed without failing."""

    series: Literal["late_months", "overdue_month_ends"]
    policy: LatePolicy
    elapsed: bool = False
    asks: bool = False
    reach: Micros = 400 * DAY

    @property
    def picks(self) -> tuple[Pick, ...]:
        return (Pick(Instalments(self.policy)),)

    def course(self, question: Question) -> list[Point]:
        points = [Point(question.since, 0)]
        for point in self._all(question):
            if point.at <= question.since:
                points[0] = Point(question.since, point.value)
            else:
                points.append(point)
            if len(points) > AHEAD and points[-AHEAD].at > question.now:
                points[-1] = Point(points[-1].at, LATER)
                break
        return points

    def points(self, question: Question) -> Iterator[Point]:
        yield from self.course(question)

    def _all(self, question: Question) -> Iterator[Point]:
        periods, calendar = self._periods(question), question.calendar
        low = high = 0
        for month in _months(periods):
            period = periods.by_month.get(month)
            if period is None:
                if high:
                    yield Point(periods.closed_at(month, calendar), 0)
                low = high = 0
            elif period.failed_at is None:
                low, high = 0, high + 1
                yield Point(periods.closed_at(month, calendar), Span(0, high))
            else:
                low, high = low + 1, high + 1
                # A point for each fault: the evidence grows then, though the run does not.
                for at in sorted({fault.known_at for fault in period.faults}):
                    yield Point(at, _run(low, high))

    def evidence(self, question: Question, start: Micros, stop: Micros) -> Proof:
        """The events of the months whose failing made the run that holds between the two instants."""
        periods, seen = self._periods(question), min(stop, question.now)
        run: list[Key] = []
        for month in _months(periods):
            period = periods.by_month.get(month)
            failed_at = period.failed_at if period else None
            if failed_at is not None and failed_at > seen:
                break
            if period is not None:
                run.extend(_keys(period, seen))
            elif periods.closed_at(month, question.calendar) <= start:
                run = []
            else:
                break
        keys = list(dict.fromkeys(run))
        return Proof(keys[-MAX_EVENTS:], len(keys))

    def _periods(self, question: Question) -> Periods:
        ledger, calendar = ledger_of(question.state), question.calendar
        first = calendar.month_of(question.since) - LOOK_BACK
        if self.series == "late_months":
            return late_months(ledger, self.policy, calendar, first)
        return overdue_month_ends(ledger, self.policy, calendar, question.now, first)

    def keeps(self, state: CustomerState, line: Micros) -> Iterable[Key]:
        return ()  # open money keeps itself


def _months(periods: Periods) -> Iterable[Month]:
    months = periods.by_month
    return range(min(months), max(months) + 2) if months else ()


def _run(low: int, high: int) -> Value:
    return low if low == high else Span(low, high)


def _keys(period: Period, seen: Micros) -> list[Key]:
    return [key for fault in period.faults if fault.known_at <= seen for key in fault.keys]
