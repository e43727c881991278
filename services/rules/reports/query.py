"""What is asked of a report: which days, for whom, and compared by what. PURE."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

from schemas.customers import Count, Opportunity
from services.rules.calendar import Calendar, Day, Month, first_day, instant, last_day, month_of_day
from services.rules.reports.customer import Customer
from services.rules.reports.model import Column, Row, Words

GroupBy = Literal["region", "product_line", "team", "person"]
Group = str | None
"""What figures are gathered under: a region, a person …; None when it is not known, or when all are one group."""

GROUP_TITLES: dict[str, Words] = {
    "region": Words("区域", "Region"),
    "product_line": Words("产品线", "Product line"),
    "team": Words("团队", "Team"),
    "person": Words("负责人", "Person"),
}


@dataclass(frozen=True)
class Query:
    """The days `since` to `until`, both included; `owner` leaves out what is not this person's. `today` is the last day
    of which anything can be known; None where that is `until`."""

    since: Day
    until: Day
    calendar: Calendar
    today: Day | None = None
    by: GroupBy | None = None
    owner: str | None = None

    @property
    def start(self) -> datetime:
        """The instant at which the period begins."""
        return instant(self.calendar.start_of_day(self.since))

    @property
    def end(self) -> datetime:
        """The instant at which it is over: the start of the day after."""
        return instant(self.calendar.start_of_day(self.until + 1))

    def count_group(self, customer: Customer, count: Count) -> Group:
        """The group of something counted."""
        if self.by == "person":
            return customer.owner_of(count)
        return count.product_line if self.by == "product_line" else self._trait(customer)

    def deal_group(self, customer: Customer, deal: Opportunity) -> Group:
        """The group of an opportunity. By product line there is none: nobody says what is being sold."""
        return deal_owner(customer, deal) if self.by == "person" else self._trait(customer)

    @property
    def last_known(self) -> Day:
        """The last day of which anything can be known."""
        return self.until if self.today is None else self.today

    def customer_groups(self, customer: Customer, day: Day | None = None) -> Iterable[Group]:
        """The groups to which the customer belongs on a day (by default the last one): several, when it buys several
        product lines."""
        if self.by == "person":
            return (customer.owner_on(self.until if day is None else day),)
        if self.by == "product_line":
            return customer.snapshot.product_lines or (None,)
        return (self._trait(customer),)

    def wants_count(self, customer: Customer, count: Count) -> bool:
        """Whether it is the asked person's."""
        return self.owner is None or customer.owner_of(count) == self.owner

    def wants_deal(self, customer: Customer, deal: Opportunity) -> bool:
        """Whether the opportunity is the asked person's."""
        return self.owner is None or deal_owner(customer, deal) == self.owner

    def wants(self, customer: Customer, day: Day | None = None) -> bool:
        """Whether the customer is the asked person's on a day (by default the last one)."""
        return self.owner is None or customer.owner_on(self.until if day is None else day) == self.owner

    def columns(self) -> list[Column]:
        """The column that names the group, where there are groups."""
        return [Column(self.by, GROUP_TITLES[self.by])] if self.by else []

    def cells(self, group: Group) -> Row:
        """The cell that names the group, where there are groups."""
        return {self.by: group} if self.by else {}

    def _trait(self, customer: Customer) -> Group:
        if self.by == "region":
            return customer.region
        return customer.team if self.by == "team" else None


def deal_owner(customer: Customer, deal: Opportunity) -> str | None:
    """Who works on the opportunity."""
    return deal.owner or customer.usual_owner


def in_order(groups: Iterable[Group]) -> list[Group]:
    """By name, the unknown one last."""
    return sorted(groups, key=lambda group: (group is None, group or ""))


def months_before(until: Day, months: int) -> Day:
    """The first day whose `months`-month window still covers the end of `until`.

    An item counts up to, not including, the day of the same number `months` later, or the first of the next month
    where that month is too short.
    """
    day = _forth(until + 1, -months)
    while _forth(day - 1, months) > until:
        day -= 1
    while _forth(day, months) <= until:
        day += 1
    return day


def _forth(day: Day, months: int) -> Day:
    local = date.fromordinal(day)
    month = month_of_day(day) + months
    return min(first_day(month) + local.day - 1, first_day(month + 1))


def quarter_of(day: Day) -> tuple[Day, Day]:
    """The first and last day of the calendar quarter in which the day lies."""
    month = month_of_day(day)
    start = month - month % 3
    return first_day(start), last_day(start + 2)


def quarter_name(day: Day) -> str:
    """2026-Q1."""
    month = month_of_day(day)
    return f"{month // 12:04d}-Q{month % 12 // 3 + 1}"


_PERIOD = re.compile(r"([0-9]{4})(?:-?Q([1-4])|-(0[1-9]|1[0-2]))?")


def parse_period(name: str) -> tuple[Day, Day] | None:
    """The first and last day of 2026, 2026-Q1 or 2026-03; None for anything else."""
    found = _PERIOD.fullmatch(name.strip())
    if not found or not 1970 <= int(found[1]) < 2200:
        return None
    january: Month = int(found[1]) * 12
    if found[2]:
        first = january + 3 * (int(found[2]) - 1)
        return first_day(first), last_day(first + 2)
    if found[3]:
        month = january + int(found[3]) - 1
        return first_day(month), last_day(month)
    return first_day(january), last_day(january + 11)
