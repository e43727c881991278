"""A sample as tests look at it."""

from __future__ import annotations

from collections import defaultdict
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from schemas.events import PREFIX
from services.ingest.sample.world import Sample

ZONE = ZoneInfo("Asia/Shanghai")
CUSTOMERS = 60
# Month ends, a leap day, the turn of the year, quarters: where calendars go wrong.
DAYS = [date(2026, 11, 22), date(2026, 3, 1), date(2028, 2, 29), date(2026, 1, 1), date(2025, 7, 31)]


class View:
    """A sample, and its events by kind and customer."""

    def __init__(self, sample: Sample, today: date) -> None:
        self.sample = sample
        self.today = today
        self.events = sample.events
        self.expected = sample.expected
        self.directory = sample.directory
        self._index: dict[str, dict[str, list[dict[str, Any]]]] = defaultdict(lambda: defaultdict(list))
        for event in sample.events:
            self._index[event["type"].removeprefix(PREFIX)][event.get("subject", "")].append(event)

    @property
    def end(self) -> datetime:
        """The start of today."""
        return datetime.combine(self.today, datetime.min.time(), ZONE)

    @property
    def this_month(self) -> int:
        """Months since the year 0, as month_of counts them."""
        return month_of(self.today.isoformat())

    def of(self, kind: str, customer: str) -> list[dict[str, Any]]:
        """A customer's events of a kind, in order."""
        return self._index[kind].get(customer, [])

    def by_customer(self, kind: str) -> dict[str, list[dict[str, Any]]]:
        """The events of a kind by customer."""
        return dict(self._index[kind])

    def all(self, kind: str) -> list[dict[str, Any]]:
        """Everybody's events of a kind."""
        return [event for events in self._index[kind].values() for event in events]


def time_of(event: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(event["time"])


def month_of(text: str) -> int:
    day = date.fromisoformat(text)
    return day.year * 12 + day.month
