"""The calendar of the company and of China: windows, periods, yearly days, weeks without a working day."""

from __future__ import annotations

from calendar import isleap, monthrange
from datetime import UTC, date, datetime, timedelta
from functools import cache
from importlib import import_module
from typing import Any
from zoneinfo import ZoneInfo

from tests.oracle.standing import midnight

DAY = timedelta(days=1)

LUNAR_YEARS: dict[int, tuple[date, int, str]] = {
    2015: (date(2015, 2, 19), 0, "010010111010"),
    2016: (date(2016, 2, 8), 0, "101001011011"),
    2017: (date(2017, 1, 28), 6, "0101001010111"),
    2018: (date(2018, 2, 16), 0, "010100101011"),
    2019: (date(2019, 2, 5), 0, "101010010011"),
    2020: (date(2020, 1, 25), 4, "0111010010101"),
    2021: (date(2021, 2, 12), 0, "011010101010"),
    2022: (date(2022, 2, 1), 0, "101011010101"),
    2023: (date(2023, 1, 22), 2, "0100110110101"),
    2024: (date(2024, 2, 10), 0, "010010110110"),
    2025: (date(2025, 1, 29), 6, "1010010101110"),
    2026: (date(2026, 2, 17), 0, "101001001110"),
    2027: (date(2027, 2, 6), 0, "110100100110"),
    2028: (date(2028, 1, 26), 5, "1110100100110"),
    2029: (date(2029, 2, 13), 0, "110101010011"),
    2030: (date(2030, 2, 3), 0, "010110101010"),
    2031: (date(2031, 1, 23), 3, "0110101101010"),
    2032: (date(2032, 2, 11), 0, "100101101101"),
    2033: (date(2033, 1, 31), 11, "0100101011101"),
}
"""Chinese years: New Year's Day, the month after which a leap month comes (0: none), a 1 for each month of 30 days."""


def local_day(at: datetime, zone: ZoneInfo) -> date:
    """The company's day on which the instant lies."""
    return at.astimezone(zone).date()


def add_months(day: date, months: int) -> date:
    """The same day so many months later; where that month lacks it, the first of the next."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    if day.day <= monthrange(year, month + 1)[1]:
        return date(year, month + 1, day.day)
    return add_months(date(year, month + 1, 1), 1)


def in_year(day: date, year: int) -> date:
    """The yearly day in that year; 29 February is kept on the 28th where there is none."""
    if (day.month, day.day) == (2, 29) and not isleap(year):
        return date(year, 2, 28)
    return day.replace(year=year)


def lunar_day(year: int, month: int, day: int) -> date:
    """The day of the Chinese year (not in its leap month); the 30th of a month of 29 days is its last."""
    start, leap, lengths = LUNAR_YEARS[year]
    before = month - 1 + (1 if leap and leap < month else 0)
    days = [29 + int(long) for long in lengths]
    return start + timedelta(days=sum(days[:before]) + min(day, days[before]) - 1)


def period_start(every: str, day: date) -> date:
    """The first day of the week (ISO), month, quarter or year in which the day lies."""
    if every == "week":
        return day - timedelta(days=day.weekday())
    first_month = {"month": day.month, "quarter": day.month - (day.month - 1) % 3, "year": 1}[every]
    return date(day.year, first_month, 1)


def later_period(every: str, start: date, number: int = 1) -> date:
    """The first day of the period that begins `number` periods after the one that begins at `start`."""
    if every == "week":
        return start + timedelta(weeks=number)
    return add_months(start, number * {"month": 1, "quarter": 3, "year": 12}[every])


def counts(window: Any, at: datetime, zone: ZoneInfo) -> tuple[datetime, datetime | None]:
    """From when to when (exclusive; None: for ever) a window sees what lies at the instant."""
    if window is None or "since" in window:
        return at, None
    if isinstance(window, str):
        return at, at + duration(window)
    day = local_day(at, zone)
    if "months" in window:
        return at, midnight(add_months(day, window["months"]), zone)
    every = window["calendar"]
    following = later_period(every, period_start(every, day))
    if "full" not in window:
        return at, midnight(following, zone)
    return midnight(following, zone), midnight(later_period(every, following, window["full"]), zone)


def duration(text: str) -> timedelta:
    """90d, 24h, 30m, 0s."""
    unit = {"d": "days", "h": "hours", "m": "minutes", "s": "seconds"}[text[-1]]
    return timedelta(**{unit: int(text[:-1])})


@cache
def is_working_day(day: date) -> bool:
    """By the Chinese calendar of holidays and make-up days; in years that it does not know, Monday to Friday."""
    calendar: Any = import_module("chinese_calendar")
    try:
        return bool(calendar.is_workday(day))
    except NotImplementedError:
        return day.weekday() < 5


def has_working_day(start: date, end: date) -> bool:
    """Whether one of the days in [start, end) is worked."""
    return any(is_working_day(start + timedelta(days=number)) for number in range((end - start).days))


def anniversaries_reached(first: datetime, at: datetime, zone: ZoneInfo) -> int:
    """Full years by the calendar of the company, from the day of one instant to the day of the other."""
    begun, today = local_day(first, zone), local_day(at, zone)
    years = today.year - begun.year
    return years if in_year(begun, today.year) <= today else years - 1


def year_starts(first: datetime, until: datetime, zone: ZoneInfo) -> list[datetime]:
    """The starts of the anniversaries of the instant's day, up to another instant."""
    day, last = local_day(first, zone), local_day(until, zone)
    found = (in_year(day, year) for year in range(day.year + 1, last.year + 1))
    return [midnight(one, zone).astimezone(UTC) for one in found]
