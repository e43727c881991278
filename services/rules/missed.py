"""The shape of standards that were not kept: closed periods in a row without what is wanted. PURE."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter

from services.rules.calendar import DAY, OPENING, Micros, PeriodName, first_day_of
from services.rules.entries import Item, Key
from services.rules.facts import AHEAD, LATER, Measured, Point, Proof, Question, Span, value_at
from services.rules.series import Pick
from services.rules.state import CustomerState
from services.rules.timing import last_kept
from services.rules.windows import period_at, start_of_period

_at = attrgetter("at")

_REACH_DAYS: dict[PeriodName, int] = {"day": 14, "week": 60, "month": 120, "quarter": 280, "year": 800}


@dataclass(frozen=True)
class Missed(Measured):
    """How many closed periods in a row lacked an item of one of the picks; 0 again when one had them all.

    A period counts when the condition `during` held all the time, and with `working` when it has a working day. Others
    neither break nor lengthen a run.
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
        looked_from = start_of_period(period - 3, self.every, calendar)
        held = question.holds(self.during, looked_from)
        if held[0].value is True and not self._is_kept(question, period - 1):
            held = question.holds(self.during, OPENING)
        run = self._run_before(question, held, period)
        silent_from = question.complete_until + 1
        yield Point(question.since, _value(run, question.since >= silent_from))
        ats = [series.ats[-1] for series in map(question.series, self.each) if series.ats]
        last = max([question.now, question.since, held[-1].at, *ats])
        end = period_at(last, self.every, calendar) + AHEAD + 4
        while (period := self._next(held, period, end, question)) <= end:
            closes = start_of_period(period + 1, self.every, calendar)
            if question.since < silent_from < closes:
                yield Point(silent_from, _value(run, is_silent=True))
                silent_from = question.since
            run = self._after(question, held, period, run)
            period += 1
            yield Point(closes, _value(run, closes > question.complete_until))
        told_until = start_of_period(end + 1, self.every, calendar)
        if question.since < silent_from < told_until:
            yield Point(silent_from, _value(run, is_silent=True))
        if held[-1].value is not False:
            yield Point(start_of_period(end + 2, self.every, calendar), LATER)

    def _next(self, held: Sequence[Point], period: int, end: int, question: Question) -> int:
        """This period, or else the first later one at whose beginning the condition may hold; end + 1 for none.

        Between them lie whole lives of customers whom the rule is not about.
        """
        start = start_of_period(period, self.every, question.calendar)
        index = bisect_right(held, start, key=_at)
        if index and held[index - 1].value is True:
            return period
        begins = next((point.at for point in held[index:] if point.value is True), None)
        if begins is None:
            return end + 1
        found = period_at(begins, self.every, question.calendar)
        return found if start_of_period(found, self.every, question.calendar) == begins else found + 1

    def _run_before(self, question: Question, held: Sequence[Point], period: int) -> int:
        """The run of the periods that had closed by the beginning of this one."""
        first = period_at(max(held[0].at, OPENING), self.every, question.calendar)
        run, one = 0, period - 1
        while one >= first:
            index = bisect_right(held, start_of_period(one, self.every, question.calendar), key=_at) - 1
            if index < 0:
                break
            if held[index].value is not True:
                # On to the period in which it held last.
                one = period_at(held[index].at - 1, self.every, question.calendar)
                continue
            if self._counts(question, held, one):
                if self._is_kept(question, one):
                    break
                run += 1
            one -= 1
        return run

    def _after(self, question: Question, held: Sequence[Point], period: int, run: int) -> int:
        if not self._counts(question, held, period):
            return run
        return 0 if self._is_kept(question, period) else run + 1

    def _counts(self, question: Question, held: Sequence[Point], period: int) -> bool:
        calendar = question.calendar
        start, end = start_of_period(period, self.every, calendar), start_of_period(period + 1, self.every, calendar)
        if value_at(held, start) is not True or any(
            start < point.at < end and point.value is not True for point in held
        ):
            return False
        days = range(first_day_of(period, self.every), first_day_of(period + 1, self.every))
        return not self.working or any(calendar.is_working_day(day) for day in days)

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

    def touched(self, state: CustomerState, pick: Pick, items: Sequence[Item]) -> Iterable[str] | None:
        return None


def _value(run: int, is_silent: bool) -> int | Span:
    """While the feed is silent, what was missed may have been done."""
    return Span(0, run) if is_silent and run else run
