"""Shapes that look for what did not come: somebody waits, a period closed without."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta

from tests.oracle.conditions import Condition, Fact
from tests.oracle.days import has_working_day, later_period, local_day, period_start
from tests.oracle.known import ABSENT, Source, View, at_path, same
from tests.oracle.series import Item
from tests.oracle.standing import midnight


class Waiting(Fact):
    """The time since the subject's item while no answer came; None when nobody waits."""

    def __init__(
        self,
        after: Source,
        answer: Source | Sequence[Source],
        match: dict[str, str] | None = None,
        first_only: bool = False,
        restarts: bool = False,
        early: bool = False,
    ) -> None:
        self.after = after
        self.answers = (answer,) if isinstance(answer, Source) else tuple(answer)
        self.match, self.first_only, self.restarts, self.early = match, first_only, restarts, early

    def sources(self) -> tuple[Source, ...]:
        return self.after, *self.answers

    def begins(self, view: View) -> Iterable[datetime]:
        return [item.at for item in view.all_of(self.after)]

    def measure(self, view: View, at: datetime, world: bool) -> timedelta | None:
        item = self._waits(view, at, world)
        if item is None or any(self._answered(view, item, answer, at, world) for answer in self.answers):
            return None
        return at - item.at if world or not view.silent(at) else None

    def _waits(self, view: View, at: datetime, world: bool) -> Item | None:
        """The item that would have to be answered."""
        items = [item for item in view.items(self.after, world) if item.at <= at]
        if self.first_only:
            everybody = view.root().items(self.after, world)
            items = [item for item in items if item.at == everybody[0].at]
        if not items:
            return None
        return items[-1] if self.restarts else items[0]

    def _answered(self, view: View, item: Item, answer: Source, at: datetime, world: bool) -> bool:
        return any(
            one.at <= at and self._belongs(item, one) and (one.at >= item.at or self._whenever())
            for one in view.items(answer, world)
        )

    def _whenever(self) -> bool:
        """Whether an answer that came before counts: it belongs to the item, and no newer item begins anew."""
        return self.early or (self.match is not None and not self.restarts)

    def _belongs(self, item: Item, answer: Item) -> bool:
        for theirs, ours in (self.match or {}).items():
            one, other = at_path(answer, theirs), at_path(item, ours)
            if ABSENT in (one, other) or not same(one, other):
                return False
        return True


class Missed(Fact):
    """Closed periods in a row in which something that is wanted did not come."""

    def __init__(self, every: str, each: Sequence[Source], during: Condition, working: bool = False) -> None:
        self.every, self.each, self.during, self.working = every, each, during, working

    def sources(self) -> tuple[Source, ...]:
        return (*self.each, *(source for fact in self.during.facts() for source in fact.sources()))

    def _periods(self, view: View) -> list[tuple[date, date, datetime]]:
        """(first day, day after the last, start of that) of the closed periods, from the first that can count."""
        if (self, "periods") not in view.memo:
            view.memo[self, "periods"] = self._closed(view)
        periods: list[tuple[date, date, datetime]] = view.memo[self, "periods"]
        return periods

    def _closed(self, view: View) -> list[tuple[date, date, datetime]]:
        """From the first in which `while` can hold: it begins to at one of its turns."""
        begins = min(self.during.turns(view), default=None)
        if begins is None:
            return []
        start, found = period_start(self.every, local_day(begins, view.zone)), []
        while (closes := midnight(end := later_period(self.every, start), view.zone)) <= view.clock:
            found.append((start, end, closes))
            start = end
        return found

    def turns(self, view: View) -> Iterable[datetime]:
        return [closes for _, _, closes in self._periods(view)]

    def measure(self, view: View, at: datetime, world: bool) -> int:
        if view.silent(at) and not world:
            return 0
        run = 0
        for start, end, closes in self._periods(view):
            failed = self._failed(view, start, end, world) if closes <= at else None
            if failed is not None:
                run = run + 1 if failed else 0
        return run

    def _failed(self, view: View, start: date, end: date, world: bool) -> bool | None:
        """Whether the period closed without, while it mattered; None when nobody worked in it, and a run stays."""
        key = (self, start, world)
        if key not in view.memo:
            view.memo[key] = self._judged(view, start, end, world)
        failed: bool | None = view.memo[key]
        return failed

    def _judged(self, view: View, start: date, end: date, world: bool) -> bool | None:
        begins, closes = midnight(start, view.zone), midnight(end, view.zone)
        if not self.during.held_during(view, begins, closes, world):
            return False
        if self.working and not has_working_day(start, end):
            return None
        return not all(any(begins <= i.at < closes for i in view.items(wanted, world)) for wanted in self.each)
