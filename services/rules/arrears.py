"""The instalments that were not covered when they were due, and what is worked out of them alone. PURE."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Hashable
from typing import Protocol, TypeVar, cast

from services.rules.calendar import Day
from services.rules.instalments import Instalment, PartKey

MOST_VIEWS = 32
"""As many ways of looking at arrears are kept up to date; rules that were changed leave theirs behind."""


class View(Protocol):
    """Something worked out of arrears, which follows them one by one."""

    def add(self, part: Instalment) -> None:
        """An instalment is in arrears, so as it now is."""

    def remove(self, part: Instalment) -> None:
        """An instalment that was added is not, or is not so any more."""


_View = TypeVar("_View", bound=View)


class Arrears:
    """Kept up to date by `add` and `remove`; whoever pays in time leaves but a due date here.

    An instalment that is not yet due and not yet paid is in arrears as well: it will be late, as far as is known.
    """

    def __init__(self) -> None:
        self._dues: list[Day] = []
        self._parts: dict[PartKey, Instalment] = {}
        self._views: dict[Hashable, View] = {}

    def add(self, part: Instalment) -> None:
        """An instalment as it now is."""
        insort(self._dues, part.due)
        if part.uncovered(part.due) > 0:
            self._parts[part.key] = part
            for view in self._views.values():
                view.add(part)

    def remove(self, part: Instalment) -> None:
        """An instalment as it was when it was added."""
        del self._dues[bisect_left(self._dues, part.due)]
        if self._parts.pop(part.key, None) is not None:
            for view in self._views.values():
                view.remove(part)

    @property
    def last_due(self) -> Day | None:
        """The greatest due date of all instalments; None without any."""
        return self._dues[-1] if self._dues else None

    def view(self, name: Hashable, make: Callable[[], _View]) -> _View:
        """The view of this name, made from all arrears when it is asked for first, then kept up to date."""
        found = self._views.get(name)
        if found is None:
            found = make()
            for part in self._parts.values():
                found.add(part)
            if len(self._views) == MOST_VIEWS:
                del self._views[next(iter(self._views))]
            self._views[name] = found
        return cast("_View", found)
