"""The instalments that were not covered when they were due, found by month. PURE."""

from __future__ import annotations

from bisect import bisect_left, insort
from typing import TypeVar

from services.rules.calendar import Day, Month, month_of_day
from services.rules.instalments import Instalment, PartKey

_Parts = dict[PartKey, Instalment]
_Index = TypeVar("_Index", Month, Month | None)


class Arrears:
    """Kept up to date by `add` and `remove`; whoever pays in time leaves but a due date here."""

    def __init__(self) -> None:
        self._dues: list[Day] = []
        self._by_due: dict[Month, _Parts] = {}
        self._by_settled: dict[Month | None, _Parts] = {}

    def add(self, part: Instalment) -> None:
        """An instalment as it now is."""
        insort(self._dues, part.due)
        if part.uncovered(part.due) > 0:
            self._by_due.setdefault(part.month, {})[part.key] = part
            self._by_settled.setdefault(_settled(part), {})[part.key] = part

    def remove(self, part: Instalment) -> None:
        """An instalment as it was when it was added."""
        del self._dues[bisect_left(self._dues, part.due)]
        if part.uncovered(part.due) > 0:
            _take(self._by_due, part.month, part.key)
            _take(self._by_settled, _settled(part), part.key)

    @property
    def last_due(self) -> Day | None:
        """The greatest due date of all instalments; None without any."""
        return self._dues[-1] if self._dues else None

    def due_from(self, first: Month | None = None) -> dict[Month, list[Instalment]]:
        """Those due in each month from `first` on (None: from ever on), oldest due first."""
        return {
            month: sorted(parts.values(), key=_order)
            for month, parts in self._by_due.items()
            if first is None or month >= first
        }

    def open_at_ends_from(self, first: Month | None = None) -> list[Instalment]:
        """Those that some month from `first` on found uncovered at its end, oldest due first; at least those."""
        found = [
            part
            for settled, parts in self._by_settled.items()
            if first is None or settled is None or settled > first
            for part in parts.values()
        ]
        return sorted(found, key=_order)


def _order(part: Instalment) -> tuple[Day, Day, str, int]:
    return part.order


def _settled(part: Instalment) -> Month | None:
    day = part.settled_on()
    return None if day is None else month_of_day(day)


def _take(index: dict[_Index, _Parts], month: _Index, key: PartKey) -> None:
    del index[month][key]
    if not index[month]:
        del index[month]
