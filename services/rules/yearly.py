"""The derived series of yearly days: birthdays of contacts who opted in, and the cooperation's anniversary. PURE."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from functools import lru_cache

from lunar_python import Lunar, LunarYear

from services.rules.calendar import Calendar, Day, Micros, years_later
from services.rules.entries import Derived, Entry, Item, Key
from services.rules.series import Feed
from services.rules.state import CustomerState

FIELDS = frozenset({"kind", "contact_id", "subject", "years", "opt_in", "day"})
COOPERATION = "cooperation"
AHEAD_DAYS = 400
"""Days beyond now for which the series is told: the next one of every day is among them."""


@dataclass(frozen=True)
class Anniversaries:
    """Each yearly day, `lead_days` before it."""

    lead_days: int = 0

    @property
    def kinds(self) -> frozenset[str]:
        return frozenset({"contact.birthday", "contract.signed"})

    def feed(self, state: CustomerState) -> Feed:
        feed = _Feed(state.calendar, self.lead_days)
        for kind in self.kinds:
            for entry in state.items(kind):
                feed.change(entry, stands=True)
        return feed


class _Feed:
    """Items by whom they are about. Told in whole quarters ahead, so that time alone seldom makes work."""

    goes_with_time = True

    def __init__(self, calendar: Calendar, lead_days: int) -> None:
        self._calendar = calendar
        self._lead_days = lead_days
        self._entries: dict[str, dict[Key, Entry]] = defaultdict(dict)
        self._items: dict[str, list[Derived]] = {}
        self._touched: set[str] = set()
        self._newest: Micros = 0
        self._told_to: Day = 0

    def change(self, entry: Entry, *, stands: bool) -> None:
        subject = COOPERATION if entry.kind == "contract.signed" else str((entry.data or {})["contact_id"])
        if stands:
            self._entries[subject][entry.key] = entry
            self._newest = max(self._newest, entry.at)
        else:
            del self._entries[subject][entry.key]
        self._touched.add(subject)

    def refresh(self, now: Micros) -> tuple[list[Item], list[Item]]:
        if not self._entries:
            return [], []
        if now > self._newest:
            self._newest = now
        if self._newest > self._fresh_until():
            self._told_to = self._calendar.day_of(self._newest) + AHEAD_DAYS + 90
            self._touched.update(self._entries)
        gone: list[Item] = []
        come: list[Item] = []
        for subject in self._touched:
            before, after = self._items.pop(subject, []), list(self._made(subject))
            gone += [item for item in before if item not in after]
            come += [item for item in after if item not in before]
            if after:
                self._items[subject] = after
        self._touched.clear()
        return gone, come

    def _fresh_until(self) -> Micros:
        return self._calendar.start_of_day(max(self._told_to - AHEAD_DAYS, 1)) if self._told_to else -1

    @property
    def items(self) -> Iterator[Item]:
        return (item for items in self._items.values() for item in items)

    def _made(self, subject: str) -> Iterator[Derived]:
        entries = self._entries[subject].values()
        if not entries:
            del self._entries[subject]
        elif subject == COOPERATION:
            yield from self._cooperation(min(entries, key=lambda entry: entry.order))
        else:
            yield from self._birthdays(subject, max(entries, key=lambda entry: (entry.time, entry.key)))

    def _cooperation(self, first: Entry) -> Iterator[Derived]:
        signed = self._calendar.day_of(first.at)
        for years in range(1, 200):
            day = years_later(signed, years)
            if day > self._told_to + self._lead_days:
                return
            yield from self._told(day, first, {"kind": COOPERATION, "subject": COOPERATION, "years": years})

    def _birthdays(self, contact: str, entry: Entry) -> Iterator[Derived]:
        data = entry.data or {}
        said = {
            "kind": "birthday",
            "contact_id": contact,
            "subject": contact,
            "opt_in": data.get("opt_in", False),
        }
        month, day = map(int, data["month_day"].split("-"))
        first = date.fromordinal(self._calendar.day_of(entry.at)).year - 1
        last = date.fromordinal(self._told_to + self._lead_days).year + 1
        for year in range(first, last + 1):
            found = _lunar(year, month, day) if data.get("lunar") else _solar(year, month, day)
            if found is not None and found <= self._told_to + self._lead_days:
                yield from self._told(found, entry, said)

    def _told(self, day: Day, entry: Entry, said: dict[str, object]) -> Iterator[Derived]:
        at = self._calendar.start_of_day(day - self._lead_days)
        # A day that was past when it became known calls for nothing.
        if at >= entry.at:
            yield Derived(at, said | {"day": date.fromordinal(day).isoformat()}, entry.keys, (said["subject"],))


def _solar(year: int, month: int, day: int) -> Day | None:
    if month == 2 and day == 29:
        return years_later(date(2000, 2, 29).toordinal(), year - 2000)
    try:
        return date(year, month, day).toordinal()
    except ValueError:
        return None


@lru_cache(maxsize=50_000)
def _lunar(year: int, month: int, day: int) -> Day | None:
    """The day of the Chinese calendar in the lunar year; the 30th of a short month is kept on its 29th."""
    month_of_year = LunarYear.fromYear(year).getMonth(month)
    if month_of_year is None:
        return None
    solar = Lunar.fromYmd(year, month, min(day, month_of_year.getDayCount())).getSolar()
    return date(solar.getYear(), solar.getMonth(), solar.getDay()).toordinal()
