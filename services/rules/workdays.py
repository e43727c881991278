"""Working days in China: holidays and the weekend days worked in their place, as the State Council announces them."""

from __future__ import annotations

from datetime import date
from functools import lru_cache

import chinese_calendar

from services.rules.calendar import Day, is_weekday


@lru_cache(maxsize=10_000)
def is_working_day(day: Day) -> bool:
    """By the announced calendar where there is one; Monday to Friday in other years."""
    try:
        return bool(chinese_calendar.is_workday(date.fromordinal(day)))
    except NotImplementedError:  # the library knows no announcement for that year
        return is_weekday(day)
