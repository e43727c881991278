"""PURE: the times by which people act: reviews and their nudges, due dates of tasks, idle cases, quiet hours."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta, timezone
from types import MappingProxyType
from zoneinfo import ZoneInfo

from schemas.warnings import Hours, Severity
from services.notifier.case import Page
from services.notifier.people import Directory, Quiet
from services.notifier.worktime import WorkCalendar, quiet_until

IDLE_DAYS = 3
"""Working days after which a case on which nobody does anything comes back."""

ACT_WITHIN_DAYS: Mapping[Severity, int] = MappingProxyType({"critical": 1, "high": 3, "medium": 5, "low": 10})
"""Working days for what a rule advises, where the rule itself says nothing."""

LAST_NUDGE = timedelta(hours=1)
DAILY_REMINDERS = 3
WEEKLY_DAYS = 5
"""A task is told of each working day, and after so many times each week: who has not done it by then does not do it
for being told more often."""

_BEIJING = timezone(timedelta(hours=8))


@dataclass(frozen=True)
class Clocks:
    """`quiet` are the quiet hours of whoever has none of their own."""

    calendar: WorkCalendar = field(default_factory=lambda: WorkCalendar(_BEIJING))
    idle_days: int = IDLE_DAYS
    act_within_days: Mapping[Severity, int] = field(default_factory=lambda: ACT_WITHIN_DAYS)
    quiet: Quiet | None = None

    def later(self, at: datetime, span: timedelta, hours: Hours) -> datetime:
        """So long after an instant, in all hours or in those in which the company works."""
        return self.calendar.add(at, span) if hours == "working" else at + span

    def left(self, at: datetime, due: datetime, hours: Hours) -> timedelta:
        """How much of such time there is from an instant to a deadline."""
        return self.calendar.between(at, due) if hours == "working" else due - at

    def nudges(self, at: datetime, due: datetime, hours: Hours) -> tuple[datetime, ...]:
        """When who was asked at an instant is reminded: at half of the time, and an hour of it before its end."""
        left = self.left(at, due, hours)
        spans = {left / 2, max(left / 2, left - LAST_NUDGE)}
        found = {self.later(at, span, hours) for span in spans}
        return tuple(sorted(nudge for nudge in found if at < nudge < due))

    def idle_at(self, now: datetime) -> datetime:
        """When a case of which somebody has just heard comes back if nobody does anything."""
        return self.calendar.add_days(now, self.idle_days)

    def act_by(self, now: datetime, severity: Severity, within_days: int | None) -> datetime:
        """The end of the working day by which something advised is to be done."""
        days = within_days or self.act_within_days[severity]
        return self.end_of_day(self.calendar.add_days(now, days).astimezone(self.calendar.zone).date())

    def end_of_day(self, day: date) -> datetime:
        """When work ends on a day."""
        return self.calendar.at(day, self.calendar.hours[-1].end)

    def first_reminder(self, due: datetime) -> datetime:
        """In the morning of the day on which something is due, where that is a working day, or on the next one."""
        return self.calendar.morning(self.calendar.at(due.astimezone(self.calendar.zone).date(), time()))

    def next_reminder(self, now: datetime, reminders: int) -> datetime:
        """After so many reminders of a task, the last of them now."""
        days = 1 if reminders < DAILY_REMINDERS else WEEKLY_DAYS
        following = self.calendar.add_days(now, days).astimezone(self.calendar.zone).date()
        return self.calendar.morning(self.calendar.at(following, time()))


def held_back(pages: Iterable[Page], clocks: Clocks, directory: Directory, now: datetime) -> Iterator[Page]:
    """The pages, of which those that are not critical wait for the end of their readers' quiet hours. What asks for
    something before that end does not wait: it would come too late."""
    for page in pages:
        until = None if page.critical else _quiet_until(page.person, clocks, directory, now)
        if until is None or (page.due is not None and page.due <= until):
            yield page
        else:
            yield replace(page, not_before=until)


def _quiet_until(person_id: str, clocks: Clocks, directory: Directory, now: datetime) -> datetime | None:
    person = directory.people.get(person_id)
    if person is None:
        return None
    zone = ZoneInfo(person.timezone) if person.timezone else clocks.calendar.zone
    return quiet_until(person.quiet or clocks.quiet, zone, now)
