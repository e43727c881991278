"""Working days in China, by the number of the day."""

from __future__ import annotations

from datetime import date
from functools import lru_cache

from services.common.workdays import is_working_date
from services.rules.calendar import Day


@lru_cache(maxsize=10_000)
def is_working_day(day: Day) -> bool:
    """By the announced calendar where there is one; Monday to Friday in other years."""
    return is_working_date(date.fromordinal(day))
