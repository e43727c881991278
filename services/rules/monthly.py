"""Shapes over sums of full calendar months: trend and best_month. PURE."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from services.rules.calendar import DAY, NEVER, Calendar, Micros, Month
from services.rules.facts import (
    INFINITY,
    UNKNOWN,
    OfOnePick,
    Point,
    Proof,
    Question,
    Span,
    Value,
    proof,
)
from services.rules.measuring import Field
from services.rules.totals import Amount

TotalOf = Callable[[Month, Month], Amount]
"""The sum over the months [first, end)."""


@dataclass(frozen=True)
class Monthly(OfOnePick):
    """What the two have in common: a value for each month, from the months before it. `span` months back are read."""

    field: Field
    months: int
    elapsed: bool = False
    asks: bool = False

    @property
    def span(self) -> int:
        return self.months

    @property
    def reach(self) -> Micros:
        return (self.span + 1) * 31 * DAY

    def takes_effect(self, at: Micros, calendar: Calendar) -> Micros:
        return calendar.start_of_month(calendar.month_of(at) + 1)

    def points(self, question: Question) -> Iterator[Point]:
        calendar, series = question.calendar, question.series(self.pick)
        total = self.totals(question)
        month = calendar.month_of(question.since)
        yield Point(question.since, self.value(total, month))
        if not series.ats:
            return
        month = max(month + 1, calendar.month_of(series.ats[0]))
        last = calendar.month_of(series.ats[-1]) + self.span + 1
        while month <= last:
            yield Point(calendar.start_of_month(month), self.value(total, month))
            month += 1

    def value(self, total: TotalOf, month: Month) -> Value:
        """The value during a month, given the sums over months."""
        raise AssertionError("every shape has its own")

    def totals(self, question: Question) -> TotalOf:
        """The sums over the months [first, end)."""
        calendar, series = question.calendar, question.series(self.pick)
        totals = series.totals(self.field.name(question.reference), self.field.measure(question.reference, calendar))
        return lambda first, end: totals.between(
            series.before(calendar.start_of_month(first)), series.before(calendar.start_of_month(end))
        )

    def evidence(self, question: Question, start: Micros, stop: Micros) -> Proof:
        calendar, series = question.calendar, question.series(self.pick)
        month = calendar.month_of(start)
        last = len(series) if stop >= NEVER else series.before(calendar.start_of_month(calendar.month_of(stop)))
        return proof(series.items, series.before(calendar.start_of_month(month - self.span)), last)


@dataclass(frozen=True)
class BestMonth(Monthly):
    """The greatest sum of one of the last full months. Money that cannot be converted makes it uncertain from below."""

    def value(self, total: TotalOf, month: Month) -> Value:
        totals = [total(one, one + 1) for one in range(month - self.months, month)]
        best = max([one.amount for one in totals])
        return Span(best, INFINITY) if any(one.unknown for one in totals) else best


@dataclass(frozen=True)
class Trend(Monthly):
    """The sum of the last full months as a share of the sum of the same months `back` months before."""

    back: int = 12

    @property
    def span(self) -> int:
        return self.months + self.back

    def value(self, total: TotalOf, month: Month) -> Value:
        before = month - self.span
        now, then = total(month - self.months, month), total(before, before + self.months)
        if now.unknown or then.unknown:
            return UNKNOWN
        return now.amount / then.amount if then.amount else None
