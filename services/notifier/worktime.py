"""PURE: working hours and days of the company, and people's quiet hours. Local times belong to a zone, instants do not.

A working calendar counts time only where the company works: on working days, in its hours. Where clocks are put
forward, a time of day that there is not is the one that far after the jump; where they are put back, the first of two.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Protocol

DAY = timedelta(days=1)
MOST_DAYS = 366 * 6
"""Beyond which no working time is looked for: a calendar without working days must not be searched for ever."""


class Span(Protocol):
    """From one local time of day to another; one that ends before it starts goes over midnight."""

    @property
    def start(self) -> time: ...

    @property
    def end(self) -> time: ...


@dataclass(frozen=True)
class Hours:
    """From `start` up to `end`, local times of one day."""

    start: time
    end: time


OFFICE_HOURS = (Hours(time(9), time(12)), Hours(time(13), time(18)))


def is_weekday(day: date) -> bool:
    """Monday to Friday: what counts as a working day where nobody says more."""
    return day.isoweekday() <= 5


@dataclass(frozen=True)
class WorkCalendar:
    """When the company works. `hours` are in order and do not overlap."""

    zone: tzinfo
    is_working_day: Callable[[date], bool] = is_weekday
    hours: tuple[Hours, ...] = OFFICE_HOURS

    def add(self, at: datetime, span: timedelta) -> datetime:
        """The instant by which so much working time has passed from `at` on; the first such, also at a day's end."""
        left = span
        for start, end in self._worked(at):
            if end - start >= left:
                return start + left
            left -= end - start
        return at + span

    def between(self, start: datetime, end: datetime) -> timedelta:
        """Working time from one instant to another; none if the second is earlier."""
        total = timedelta()
        for begin, stop in self._worked(start):
            if begin >= end:
                break
            total += min(stop, end) - begin
        return total

    def add_days(self, at: datetime, days: int) -> datetime:
        """The same time of day so many working days later. From a day off it counts as from the beginning of the next
        working day: what comes on Saturday has as long as what is there on Monday morning."""
        local = at.astimezone(self.zone)
        day, clock = local.date(), local.time()
        if not self.is_working_day(day):
            day, clock = self._next_working(day), self.hours[0].start
        for _ in range(days):
            day = self._next_working(day)
        return self.at(day, clock)

    def morning(self, at: datetime) -> datetime:
        """The first beginning of a working day at or after `at`."""
        day = at.astimezone(self.zone).date()
        if self.is_working_day(day) and self.at(day, self.hours[0].start) >= at:
            return self.at(day, self.hours[0].start)
        return self.at(self._next_working(day), self.hours[0].start)

    def at(self, day: date, clock: time) -> datetime:
        """The instant, with UTC as its zone."""
        return _instant(day, clock, self.zone)

    def _next_working(self, day: date) -> date:
        following = (day + DAY * number for number in range(1, MOST_DAYS))
        return next((other for other in following if self.is_working_day(other)), day + DAY)

    def _worked(self, since: datetime) -> Iterator[tuple[datetime, datetime]]:
        """The stretches of working time from an instant on."""
        first = since.astimezone(self.zone).date()
        for number in range(MOST_DAYS):
            day = first + DAY * number
            if not self.is_working_day(day):
                continue
            for hours in self.hours:
                start, end = max(self.at(day, hours.start), since), self.at(day, hours.end)
                if start < end:
                    yield start, end


def quiet_until(quiet: Span | None, zone: tzinfo, at: datetime) -> datetime | None:
    """When the quiet hours end in which `at` lies; None when it lies in none."""
    if quiet is None or quiet.start == quiet.end:
        return None
    today = at.astimezone(zone).date()
    for day in (today - DAY, today):
        last = day if quiet.start < quiet.end else day + DAY
        start, end = _instant(day, quiet.start, zone), _instant(last, quiet.end, zone)
        if start <= at < end:
            return end
    return None


def _instant(day: date, clock: time, zone: tzinfo) -> datetime:
    return datetime.combine(day, clock.replace(fold=0), zone).astimezone(UTC)
