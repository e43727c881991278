"""Instants, days and months of the company's calendar. PURE.

An instant is an int, microseconds since the epoch (UTC). A day is a proleptic ordinal (date.toordinal), a month is
year * 12 + month - 1: both are plain numbers that can be counted with, and belong to the company's zone.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
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

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def micros(instant: datetime) -> Micros:
    """An aware datetime as microseconds since the epoch, exactly."""
    return (instant - _EPOCH) // _MICROSECOND


def instant(at: Micros) -> datetime:
    """The datetime in UTC of `at`."""
    return _EPOCH + timedelta(microseconds=at)


class Calendar:
    """Days and months as the company in `zone` counts them. DST zones are fine: a day starts at its local midnight."""

    def __init__(self, zone: ZoneInfo) -> None:
        self.zone = zone
        self.start_of_day = lru_cache(maxsize=50_000)(self._start_of_day)

    def day_of(self, at: Micros) -> Day:
        """The local day in which `at` lies."""
        return instant(at).astimezone(self.zone).toordinal()

    def month_of(self, at: Micros) -> Month:
        """The local month in which `at` lies."""
        local = instant(at).astimezone(self.zone)
        return local.year * 12 + local.month - 1

    def start_of_month(self, month: Month) -> Micros:
        """The first instant of the month."""
        return self.start_of_day(first_day(month))

    def _start_of_day(self, day: Day) -> Micros:
        local = date.fromordinal(day)
        return micros(datetime(local.year, local.month, local.day, tzinfo=self.zone))


def month_of_day(day: Day) -> Month:
    """The month to which the day belongs."""
    local = date.fromordinal(day)
    return local.year * 12 + local.month - 1


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
