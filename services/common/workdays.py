"""Working days in China: holidays and the weekend days worked in their place, as the State Council announces them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import lru_cache

import chinese_calendar

SATURDAY = 6


@lru_cache(maxsize=10_000)
def is_working_date(day: date) -> bool:
    """By the announced calendar where there is one; Monday to Friday in other years."""
    try:
        return bool(chinese_calendar.is_workday(day))
    except NotImplementedError:  # the library knows no announcement for that year
        return day.isoweekday() < SATURDAY


@dataclass(frozen=True)
class OwnDays:
    """The announced calendar with a company's own days: those it has `off`, and those `worked` all the same."""

    off: frozenset[date] = frozenset()
    worked: frozenset[date] = frozenset()

    def __call__(self, day: date) -> bool:
        """Whether the company works on that day."""
        return day in self.worked or (day not in self.off and is_working_date(day))
