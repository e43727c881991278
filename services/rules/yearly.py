"""The derived series of yearly days: birthdays of contacts who opted in, and the cooperation's anniversary. PURE."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from lunar_python import Lunar, LunarYear

from services.rules.calendar import Calendar, Day, Micros, years_later
from services.rules.entries import Derived, Entry, Item, Key
from services.rules.series import Feed
from services.rules.state import CustomerState

FIELDS = frozenset({"kind", "contact_id", "subject", "years", "opt_in"})
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
    def __init__(self, calendar: Calendar, lead_days: int) -> None:
        self._calendar = calendar
        self._lead_days = lead_days
        self._entries: dict[str, dict[Key, Entry]] = {"contact.birthday": {}, "contract.signed": {}}
        self._items: dict[tuple[Micros, str], Derived] = {}
        self._told_to: Day = 0
        self._is_touched = False

    def change(self, entry: Entry, *, stands: bool) -> None:
        if stands:
            self._entries[entry.kind][entry.key] = entry
        else:
            del self._entries[entry.kind][entry.key]
        self._is_touched = True

    def refresh(self, now: Micros) -> tuple[list[Item], list[Item]]:
        known = [entry.at for entries in self._entries.values() for entry in entries.values()]
        wanted = self._calendar.day_of(max(now, *known, 0) if known else 0) + AHEAD_DAYS
        if not self._is_touched and wanted <= self._told_to:
            return [], []
        # Told in whole quarters ahead, so that time alone does not make every step work it out anew.
        self._told_to = max(self._told_to, wanted + 90)
        self._is_touched = False
        before = self._items
        self._items = {(item.at, str(item.data["subject"])): item for item in self._made()}
        gone = [item for key, item in before.items() if self._items.get(key) != item]
        come = [item for key, item in self._items.items() if before.get(key) != item]
        return list(gone), list(come)

    @property
    def items(self) -> Iterator[Item]:
        return iter(list(self._items.values()))

    def _made(self) -> Iterator[Derived]:
        birthdays: dict[str, Entry] = {}
        for entry in sorted(self._entries["contact.birthday"].values(), key=lambda entry: (entry.time, entry.key)):
            birthdays[(entry.data or {})["contact_id"]] = entry
        for contact, entry in birthdays.items():
            yield from self._birthdays(contact, entry)
        first = min(self._entries["contract.signed"].values(), key=lambda entry: entry.order, default=None)
        if first is not None:
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
            yield Derived(at, said, entry.keys, (said["subject"],))


def _solar(year: int, month: int, day: int) -> Day | None:
    if month == 2 and day == 29:
        return years_later(date(2000, 2, 29).toordinal(), year - 2000)
    try:
        return date(year, month, day).toordinal()
    except ValueError:
        return None


def _lunar(year: int, month: int, day: int) -> Day | None:
    """The day of the Chinese calendar in the lunar year; the 30th of a short month is kept on its 29th."""
    month_of_year = LunarYear.fromYear(year).getMonth(month)
    if month_of_year is None:
        return None
    solar = Lunar.fromYmd(year, month, min(day, month_of_year.getDayCount())).getSolar()
    return date(solar.getYear(), solar.getMonth(), solar.getDay()).toordinal()
