"""Windows: which items count at an instant. PURE.

An item counts on [enters, leaves); both move on with the item's own instant, so what counts at any instant is a run of
neighbouring items, and a window can be asked from both sides: which instants lie in it, and when an instant leaves.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from services.rules.calendar import (
    BEGINNING,
    DAY,
    NEVER,
    Calendar,
    Micros,
    PeriodName,
    first_day_of,
    months_earlier,
    months_later,
    period_of_day,
)
from services.rules.facts import Question
from services.rules.series import Pick, Series


class Window(Protocol):
    """`picks` are the series that the window itself reads; `reach` is how far back it looks; 0 for what has no
    bound, whose facts keep their firsts and lasts."""

    @property
    def picks(self) -> tuple[Pick, ...]: ...
    @property
    def reach(self) -> Micros: ...

    def counted(self, at: Micros, question: Question) -> tuple[Micros, Micros]:
        """The items that count at an instant are those in [from, to)."""
        ...

    def enters(self, item_at: Micros, calendar: Calendar) -> Micros:
        """From when on an item counts."""
        ...

    def leaves(self, item_at: Micros, question: Question) -> Micros:
        """From when on an item does not count any more; NEVER if it does not leave."""
        ...


@dataclass(frozen=True)
class Ever:
    """Everything up to now."""

    picks: tuple[Pick, ...] = ()
    reach: Micros = 0

    def counted(self, at: Micros, question: Question) -> tuple[Micros, Micros]:
        return BEGINNING, at + 1

    def enters(self, item_at: Micros, calendar: Calendar) -> Micros:
        return item_at

    def leaves(self, item_at: Micros, question: Question) -> Micros:
        return NEVER


@dataclass(frozen=True)
class Rolling:
    """The last `length` microseconds: (at − length, at]."""

    length: Micros
    picks: tuple[Pick, ...] = ()

    @property
    def reach(self) -> Micros:
        return self.length

    def counted(self, at: Micros, question: Question) -> tuple[Micros, Micros]:
        return at - self.length + 1, at + 1

    def enters(self, item_at: Micros, calendar: Calendar) -> Micros:
        return item_at

    def leaves(self, item_at: Micros, question: Question) -> Micros:
        return item_at + self.length


@dataclass(frozen=True)
class RollingMonths:
    """From the item's instant to the start of the day `months` months after its day."""

    months: int
    picks: tuple[Pick, ...] = ()

    @property
    def reach(self) -> Micros:
        return (self.months * 31 + 1) * DAY

    def counted(self, at: Micros, question: Question) -> tuple[Micros, Micros]:
        calendar = question.calendar
        return calendar.start_of_day(months_earlier(calendar.day_of(at), self.months) + 1), at + 1

    def enters(self, item_at: Micros, calendar: Calendar) -> Micros:
        return item_at

    def leaves(self, item_at: Micros, question: Question) -> Micros:
        calendar = question.calendar
        return calendar.start_of_day(months_later(calendar.day_of(item_at), self.months))


_LONGEST_DAYS = {"day": 1, "week": 7, "month": 31, "quarter": 92, "year": 366}


@dataclass(frozen=True)
class Present:
    """The present calendar period up to now."""

    every: PeriodName
    picks: tuple[Pick, ...] = ()

    @property
    def reach(self) -> Micros:
        return _LONGEST_DAYS[self.every] * DAY + DAY

    def counted(self, at: Micros, question: Question) -> tuple[Micros, Micros]:
        return start_of_period(period_at(at, self.every, question.calendar), self.every, question.calendar), at + 1

    def enters(self, item_at: Micros, calendar: Calendar) -> Micros:
        return item_at

    def leaves(self, item_at: Micros, question: Question) -> Micros:
        period = period_at(item_at, self.every, question.calendar)
        return start_of_period(period + 1, self.every, question.calendar)


@dataclass(frozen=True)
class Full:
    """The last `full` calendar periods that are over."""

    every: PeriodName
    full: int
    picks: tuple[Pick, ...] = ()

    @property
    def reach(self) -> Micros:
        return (_LONGEST_DAYS[self.every] * (self.full + 1) + 1) * DAY

    def counted(self, at: Micros, question: Question) -> tuple[Micros, Micros]:
        period, calendar = period_at(at, self.every, question.calendar), question.calendar
        first = start_of_period(period - self.full, self.every, calendar)
        return first, start_of_period(period, self.every, calendar)

    def enters(self, item_at: Micros, calendar: Calendar) -> Micros:
        return start_of_period(period_at(item_at, self.every, calendar) + 1, self.every, calendar)

    def leaves(self, item_at: Micros, question: Question) -> Micros:
        period = period_at(item_at, self.every, question.calendar)
        return start_of_period(period + 1 + self.full, self.every, question.calendar)


@dataclass(frozen=True)
class Since:
    """From the newest item of another series on, that instant included."""

    pick: Pick
    reach: Micros = 0

    @property
    def picks(self) -> tuple[Pick, ...]:
        return (self.pick,)

    def counted(self, at: Micros, question: Question) -> tuple[Micros, Micros]:
        begins = question.series(self.pick)
        index = begins.up_to(at)
        return (begins.ats[index - 1] if index else BEGINNING), at + 1

    def enters(self, item_at: Micros, calendar: Calendar) -> Micros:
        return item_at

    def leaves(self, item_at: Micros, question: Question) -> Micros:
        begins = question.series(self.pick)
        index = begins.up_to(item_at)
        return begins.ats[index] if index < len(begins) else NEVER


def period_at(at: Micros, every: PeriodName, calendar: Calendar) -> int:
    """The number of the calendar period in which an instant lies."""
    return period_of_day(calendar.day_of(at), every)


def start_of_period(period: int, every: PeriodName, calendar: Calendar) -> Micros:
    """The first instant of a period."""
    return calendar.start_of_day(first_day_of(period, every))


class Slice(NamedTuple):
    """From an instant on, items[first:end] of a series are those that count."""

    at: Micros
    first: int
    end: int


def slices(series: Series, window: Window, question: Question) -> Iterator[Slice]:
    """What counts, from `question.since` on: at that instant, and at each at which an item comes or goes."""
    since, calendar = question.since, question.calendar
    start, stop = window.counted(since, question)
    first, end = series.before(start), series.before(stop)
    yield Slice(since, first, end)
    ats, count = series.ats, len(series)
    entering = window.enters(ats[end], calendar) if end < count else NEVER
    leaving = window.leaves(ats[first], question) if first < count else NEVER
    while first < count:
        at = min(entering, leaving)
        if at >= NEVER:
            return
        while end < count and entering <= at:
            end += 1
            entering = window.enters(ats[end], calendar) if end < count else NEVER
        while first < end and leaving <= at:
            first += 1
            leaving = window.leaves(ats[first], question) if first < count else NEVER
        yield Slice(at, first, end)
