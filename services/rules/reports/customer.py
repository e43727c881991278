"""One customer as a report sees it: its snapshot, and the counters of the months that the report reads. PURE."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import median

from schemas.customers import Count, CustomerSnapshot, MonthCounters, Opportunity, StageVisit
from services.rules.calendar import Calendar, Day, first_day, month_name, month_of_day

USUAL_GAP_LEAST = timedelta(days=90)
USUAL_GAP_TIMES = 3
"""A customer has lapsed once it did not order for the greater of 90 days and three times its own median gap (R23a)."""


@dataclass(frozen=True)
class Customer:
    """`months` are the counters by name, of the months read; `usual_owner` is whose customer it is where the events
    never told (from the directory of people and customers)."""

    snapshot: CustomerSnapshot
    months: Mapping[str, MonthCounters] = field(default_factory=dict)
    usual_owner: str | None = None
    usual_region: str | None = None

    @property
    def region(self) -> str | None:
        return self.snapshot.region or self.usual_region

    @property
    def team(self) -> str | None:
        return self.snapshot.team

    def counts(self, since: Day, until: Day, *kinds: str) -> Iterator[tuple[Day, Count]]:
        """The counts of these kinds on the days from `since` to `until`, both included."""
        for month in range(month_of_day(since), month_of_day(until) + 1):
            counters = self.months.get(month_name(month))
            if counters is None:
                continue
            before = first_day(month) - 1
            for count in counters.counts:
                if count.kind in kinds and since <= before + count.day <= until:
                    yield before + count.day, count

    def owner_on(self, day: Day) -> str | None:
        """Whose customer it was at the end of a day."""
        owners = self.snapshot.owners
        if not owners:
            return self.snapshot.owner or self.usual_owner
        index = bisect_right(owners, day, key=lambda one: one.since.toordinal())
        return owners[index - 1].owner if index else None

    def owner_of(self, count: Count) -> str | None:
        """Who did what was counted, or whose customer it was then."""
        if count.owner is not None or self.snapshot.owners:
            return count.owner
        return self.usual_owner

    def people(self) -> set[str]:
        """Everybody whose customer it ever was, who works on its opportunities and leads, or did what was counted."""
        told = self.snapshot
        found = [told.owner, self.usual_owner, *(one.owner for one in told.owners)]
        found += [*(deal.owner for deal in told.opportunities), *(lead.owner for lead in told.leads)]
        found += [count.owner for counters in self.months.values() for count in counters.counts]
        return {one for one in found if one is not None}

    def customer_since(self, calendar: Calendar) -> Day | None:
        """The day of the first contract or order; None for somebody who never bought."""
        firsts = [at for at in (self.snapshot.first_contract, self.snapshot.orders.first) if at is not None]
        return day_of(min(firsts), calendar) if firsts else None

    def has_lapsed(self, at: datetime) -> bool | None:
        """Whether it had not ordered for longer than usual by `at`, not included; None before its first order."""
        times = self.snapshot.orders.times
        seen = times[: bisect_left(times, at)]
        if not seen:
            return None
        gaps = [(later - earlier).total_seconds() for earlier, later in pairwise(seen)]
        usual = timedelta(seconds=USUAL_GAP_TIMES * median(gaps)) if gaps else timedelta()
        return at - seen[-1] >= max(USUAL_GAP_LEAST, usual)

    def deals_until(self, at: datetime) -> Iterator[tuple[Opportunity, list[StageVisit]]]:
        """Every opportunity that existed before `at`, with the stages it had been in by then."""
        for deal in self.snapshot.opportunities:
            visits = [visit for visit in deal.stages if visit.entered < at]
            if visits:
                yield deal, visits


def day_of(at: datetime, calendar: Calendar) -> Day:
    """The company's day of an instant."""
    return at.astimezone(calendar.zone).toordinal()
