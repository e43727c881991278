"""Instants, days and months of the company's calendar. PURE.

An instant is an int, microseconds since the epoch (UTC). A day is a proleptic ordinal (date.toordinal), a month is
year * 12 + month - 1: both are plain numbers that can be counted with, and belong to the company's zone.
"""

from __future__ import annotations

from calendar import isleap
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Literal
from zoneinfo import ZoneInfo

Micros = int
Day = int
Month = int

SECOND = 1_000_000
HOUR = 3600 * SECOND
DAY = 24 * HOUR
BEGINNING = -(2**62)
"""Before every instant: where a timeline starts."""
NEVER = 2**62
"""After every instant: a wake-up that does not come."""
OPENING = -315_619_200_000_000
"""1960-01-01: before anything that an event can tell of, and a day that calendars know."""

MOST_HOURS = 50_000
"""Hours of which the day is remembered: nearly six years."""

_NO_DAY: tuple[Micros, Micros, Day] = (NEVER, NEVER, 0)

PeriodName = Literal["day", "week", "month", "quarter", "year"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def micros(instant: datetime) -> Micros:
    """An aware datetime as microseconds since the epoch, exactly."""
    return (instant - _EPOCH) // _MICROSECOND


def instant(at: Micros) -> datetime:
    """The datetime in UTC of `at`."""
    return _EPOCH + timedelta(microseconds=at)


def is_weekday(day: Day) -> bool:
    """Monday to Friday: what counts as a working day where nobody says more."""
    return (day - 1) % 7 < 5


class Calendar:
    """Days and months as the company in `zone` counts them. DST zones are fine: a day starts at its local midnight."""

    def __init__(self, zone: ZoneInfo, is_working_day: Callable[[Day], bool] = is_weekday) -> None:
        self.zone = zone
        self.is_working_day = is_working_day
        self._days: dict[int, tuple[Micros, Micros, Day]] = {}
        self.start_of_day = lru_cache(maxsize=50_000)(self._start_of_day)

    def day_of(self, at: Micros) -> Day:
        """The local day in which `at` lies."""
        # Zones are slow, and this is asked most of all: of each hour the day that was found in it last is remembered.
        start, end, day = self._days.get(at // HOUR, _NO_DAY)
        if not start <= at < end:
            day = instant(at).astimezone(self.zone).toordinal()
            if len(self._days) >= MOST_HOURS:
                self._days.clear()
            self._days[at // HOUR] = self.start_of_day(day), self.start_of_day(day + 1), day
        return day

    def month_of(self, at: Micros) -> Month:
        """The local month in which `at` lies."""
        return month_of_day(self.day_of(at))

    def start_of_month(self, month: Month) -> Micros:
        """The first instant of the month."""
        return self.start_of_day(first_day(month))

    def _start_of_day(self, day: Day) -> Micros:
        local = date.fromordinal(day)
        return micros(datetime(local.year, local.month, local.day, tzinfo=self.zone))


def period_of_day(day: Day, every: PeriodName) -> int:
    """The number of the day's period; neighbouring periods have neighbouring numbers. Weeks are ISO weeks."""
    if every == "day":
        return day
    if every == "week":
        return (day - 1) // 7
    month = month_of_day(day)
    return month if every == "month" else month // (3 if every == "quarter" else 12)


def first_day_of(period: int, every: PeriodName) -> Day:
    """The first day of a period that `period_of_day` numbered."""
    if every == "day":
        return period
    if every == "week":
        return period * 7 + 1
    return first_day(period if every == "month" else period * (3 if every == "quarter" else 12))


def months_later(day: Day, months: int) -> Day:
    """The same day `months` later; where that month lacks it, the first of the next month."""
    month = month_of_day(day) + months
    later = first_day(month) + day - first_day(month - months)
    return min(later, first_day(month + 1))


def months_earlier(day: Day, months: int) -> Day:
    """The same day `months` before; where that month lacks it, its last day."""
    month = month_of_day(day) - months
    return min(first_day(month) + day - first_day(month + months), last_day(month))


def years_later(day: Day, years: int) -> Day:
    """The same day `years` later; 29 February is kept on the 28th where there is none."""
    local = date.fromordinal(day)
    is_lost = local.month == 2 and local.day == 29 and not isleap(local.year + years)
    return local.replace(year=local.year + years, day=28 if is_lost else local.day).toordinal()


@lru_cache(maxsize=100_000)
def month_of_day(day: Day) -> Month:
    """The month to which the day belongs."""
    local = date.fromordinal(day)
    return local.year * 12 + local.month - 1


@lru_cache(maxsize=10_000)
def first_day(month: Month) -> Day:
    """The month's first day."""
    return date(month // 12, month % 12 + 1, 1).toordinal()


def last_day(month: Month) -> Day:
    """The month's last day."""
    return first_day(month + 1) - 1


def month_name(month: Month) -> str:
    """The month as people and segment names write it: 2026-03."""
    return f"{month // 12:04d}-{month % 12 + 1:02d}"


def month_number(name: str) -> Month:
    """The month that `month_name` wrote."""
    return int(name[:4]) * 12 + int(name[5:]) - 1
