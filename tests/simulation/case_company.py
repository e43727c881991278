"""The company of the model of cases: which minutes are worked, and who answers for whom. By plain data and counting."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from itertools import accumulate
from zoneinfo import ZoneInfo

from services.notifier.people import Directory

MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
OPENS, CLOSES = time(9), time(18)
BREAK = (time(12), time(13))

HOLIDAYS_2026 = {date(2026, 2, day) for day in range(15, 24)} | {date(2026, 4, day) for day in (4, 5, 6)}
MADE_UP_2026 = {date(2026, 2, 14), date(2026, 2, 28)}
"""As the State Council announced them: Spring Festival and Qingming, and the Saturdays worked in their place."""


def next_day_worked(days: set[date], day: date) -> date:
    day += DAY
    while day not in days:
        day += DAY
    return day


class Calendar:
    """Which minutes are worked, from `start` for so many days."""

    def __init__(self, start: datetime, days: int, zone: ZoneInfo, off: set[date], worked: set[date]) -> None:
        self.start, self.zone = start, zone
        first = start.astimezone(zone).date() - DAY
        every = [first + DAY * n for n in range(days + 60)]
        normal = {day for day in every if day.weekday() < 5 and day not in HOLIDAYS_2026} | MADE_UP_2026
        self.days = (normal - off) | worked
        minutes = [self._is_worked(start + MINUTE * n) for n in range(days * 1440)]
        self._total = [0, *accumulate(minutes)]

    def _is_worked(self, at: datetime) -> bool:
        local = at.astimezone(self.zone)
        clock = local.time()
        return local.date() in self.days and OPENS <= clock < CLOSES and not BREAK[0] <= clock < BREAK[1]

    def passed_min(self, since: datetime, until: datetime, *, working: bool) -> int:
        """Minutes from one instant to another: of work, or all of them."""
        if not working:
            return (until - since) // MINUTE
        return self._total[(until - self.start) // MINUTE] - self._total[(since - self.start) // MINUTE]

    def after_days(self, at: datetime, number: int) -> tuple[date, time]:
        local = at.astimezone(self.zone)
        day, clock = local.date(), local.time()
        if day not in self.days:
            day, clock = next_day_worked(self.days, day), OPENS
        for _ in range(number):
            day = next_day_worked(self.days, day)
        return day, clock

    def instant(self, day: date, clock: time) -> datetime:
        return datetime.combine(day, clock, self.zone).astimezone(UTC)

    def morning_from(self, day: date) -> datetime:
        while day not in self.days:
            day += DAY
        return self.instant(day, OPENS)


class People:
    """Who answers for whom at an instant, by the directory as plain data."""

    def __init__(self, directory: Directory) -> None:
        self.all, self.customers, self.fallback = directory.people, directory.customers, directory.fallback
        self.absences = directory.absences
        self.heads = {office.id: office.head for office in directory.offices}

    def owner(self, customer: str) -> str:
        return self.customers[customer].owner or self.fallback

    def above(self, person: str) -> list[str]:
        found = []
        boss = self.all[person].reports_to if person in self.all else None
        while boss is not None:
            found.append(boss)
            boss = self.all[boss].reports_to
        return found

    def leads(self, department: str) -> list[str]:
        """Whom to ask for a department: its head, else those of it above whom there is nobody of it; not a crowd."""
        if self.heads.get(department) in self.all:
            return [self.heads[department] or ""]
        members = [one for one, who in sorted(self.all.items()) if who.department == department]
        first = [one for one in members if all(boss not in members for boss in self.above(one))]
        return first if len(first) <= 5 else []

    def is_away(self, person: str, at: datetime) -> bool:
        return any(a.person == person and a.start <= at < a.end for a in self.absences)

    def there(self, person: str, at: datetime) -> str | None:
        """The person, or a delegate who is there, or the delegate's; nobody where that ends."""
        passed = set()
        while person in self.all and person not in passed:
            if not self.is_away(person, at):
                return person
            passed.add(person)
            named = [
                a.delegate
                for a in sorted(self.absences, key=lambda a: a.start)
                if a.person == person and a.start <= at < a.end and a.delegate
            ]
            if not named:
                return None
            person = named[0] or ""
        return None

    def stands_in(self, person: str, at: datetime) -> str:
        line = [person, *self.above(person), self.fallback]
        return next(found for found in (self.there(one, at) for one in line) if found)
