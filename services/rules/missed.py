"""The shape of standards that were not kept: closed periods in a row without what is wanted. PURE."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter

from services.rules.calendar import DAY, OPENING, Micros, PeriodName, first_day_of
from services.rules.entries import Key
from services.rules.facts import AHEAD, LATER, Measured, Point, Proof, Question, Span
from services.rules.series import Pick
from services.rules.state import CustomerState
from services.rules.timing import last_kept
from services.rules.windows import period_at, start_of_period

_at = attrgetter("at")

_REACH_DAYS: dict[PeriodName, int] = {"day": 14, "week": 60, "month": 120, "quarter": 280, "year": 800}


LOOKS_BACK = (3, 40, 10_000)
"""How many periods back a run is followed, until its beginning is found."""


@dataclass(frozen=True)
class Missed(Measured):
    """How many closed periods in a row lacked an item of one of the picks; 0 again when one had them all.

    Only periods count during all of which the condition `during` held; any other begins the count anew. With `working`
    a period without a working day neither breaks nor lengthens a run.
    """

    every: PeriodName
    each: tuple[Pick, ...]
    during: str
    working: bool = False
    elapsed: bool = False
    asks: bool = True

    @property
    def picks(self) -> tuple[Pick, ...]:
        return self.each

    @property
    def reach(self) -> Micros:
        return _REACH_DAYS[self.every] * DAY

    def points(self, question: Question) -> Iterator[Point]:
        calendar = question.calendar
        period = period_at(question.since, self.every, calendar)
        held, run = self._before(question, period)
        silent_from = question.complete_until + 1
        yield Point(question.since, _value(run, question.since >= silent_from))
        ats = [series.ats[-1] for series in map(question.series, self.each) if series.ats]
        last = max([question.now, question.since, held[-1].at, *ats])
        end = period_at(last, self.every, calendar) + AHEAD + 4
        while period <= end:
            if not run:
                period = self._next(held, period, end, question)
            closes = start_of_period(period + 1, self.every, calendar)
            if question.since < silent_from < closes:
                yield Point(silent_from, _value(run, is_silent=True))
                silent_from = question.since
            run = self._after(question, held, period, run)
            period += 1
            yield Point(closes, _value(run, closes > question.complete_until))
        if held[-1].value is not False:
            yield Point(start_of_period(period + 1, self.every, calendar), LATER)

    def _next(self, held: Sequence[Point], period: int, end: int, question: Question) -> int:
        """This period, or else the first later one at whose beginning the condition may hold; `end` for none.

        Between them lie whole lives of customers whom the rule is not about.
        """
        start = start_of_period(period, self.every, question.calendar)
        index = bisect_right(held, start, key=_at)
        if index and held[index - 1].value is True:
            return period
        begins = next((point.at for point in held[index:] if point.value is True), None)
        if begins is None:
            return max(end, period)
        found = period_at(begins, self.every, question.calendar)
        return found if start_of_period(found, self.every, question.calendar) == begins else found + 1

    def _before(self, question: Question, period: int) -> tuple[Sequence[Point], int]:
        """The condition's course from far enough back, and the run of the periods that had closed before this one."""
        held: Sequence[Point] = ()
        run = 0
        for back in LOOKS_BACK:
            first = max(period - back, period_at(OPENING, self.every, question.calendar))
            held = question.holds(self.during, start_of_period(first, self.every, question.calendar))
            run = 0
            for one in range(period - 1, first - 1, -1):
                after = self._after(question, held, one, 1)
                if after == 0:
                    return held, run
                run += after - 1
        return held, run

    def _after(self, question: Question, held: Sequence[Point], period: int, run: int) -> int:
        """The run at the close of a period: none when it was kept, or when the condition did not hold all the time."""
        if not self._holds_during(question, held, period):
            return 0
        days = range(first_day_of(period, self.every), first_day_of(period + 1, self.every))
        if self.working and not any(question.calendar.is_working_day(day) for day in days):
            return run
        return 0 if self._is_kept(question, period) else run + 1

    def _holds_during(self, question: Question, held: Sequence[Point], period: int) -> bool:
        calendar = question.calendar
        start, end = start_of_period(period, self.every, calendar), start_of_period(period + 1, self.every, calendar)
        index = bisect_right(held, start, key=_at)
        if not index or held[index - 1].value is not True:
            return False
        return index == len(held) or held[index].at >= end

    def _is_kept(self, question: Question, period: int) -> bool:
        start = start_of_period(period, self.every, question.calendar)
        end = start_of_period(period + 1, self.every, question.calendar)
        return all(series.before(start) < series.before(end) for series in map(question.series, self.each))

    def evidence(self, question: Question, start: Micros, stop: Micros) -> Proof:
        """What was done last before it was missed."""
        keys = [
            key
            for series in map(question.series, self.each)
            for item in series.items[: series.before(start)][-1:]
            for key in item.keys
        ]
        return Proof(list(dict.fromkeys(keys)), len(set(keys)))

    def keeps(self, state: CustomerState, line: Micros) -> Iterable[Key]:
        return [key for pick in self.each for key in last_kept(state, pick, line)]


def _value(run: int, is_silent: bool) -> int | Span:
    """While the feed is silent, what was missed may have been done."""
    return Span(0, run) if is_silent and run else run
