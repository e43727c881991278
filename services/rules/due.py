"""PURE. Who must be woken when, for one partition."""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from typing import NamedTuple

from services.rules.calendar import Micros

# Below this many entries, rebuilding the heap to be rid of stale ones is not worth it.
_SLACK = 1024


class Due(NamedTuple):
    """Ordered by instant, then by customer: the order of wake-ups does not depend on how they got into the queue."""

    at: Micros
    customer_id: str


class DueQueue:
    """At most one wake-up per customer. Replaced entries stay in the heap until they surface or are purged.

    Entries are plain tuples, one for the heap and the dictionary: a million of named ones weigh twice as much, and the
    garbage collector never lets go of them.
    """

    def __init__(self) -> None:
        self._of: dict[str, tuple[Micros, str]] = {}
        self._heap: list[tuple[Micros, str]] = []

    def __len__(self) -> int:
        return len(self._of)

    def set(self, customer_id: str, at: Micros | None) -> None:
        """Replace the customer's wake-up; None cancels it."""
        if at is None:
            self._of.pop(customer_id, None)
            return
        known = self._of.get(customer_id)
        if known is None or known[0] != at:
            entry = (at, customer_id if known is None else known[1])
            self._of[entry[1]] = entry
            heappush(self._heap, entry)
            if len(self._heap) > 2 * len(self._of) + _SLACK:
                self._purge()

    def first(self) -> Due | None:
        """The earliest wake-up, left in the queue."""
        while self._heap:
            entry = self._heap[0]
            if self._of.get(entry[1]) is entry:
                return Due(*entry)
            heappop(self._heap)
        return None

    def take(self, until: Micros) -> Due | None:
        """The earliest wake-up, removed, if it is due by `until`."""
        due = self.first()
        if due is None or due.at > until:
            return None
        heappop(self._heap)
        del self._of[due.customer_id]
        return due

    def _purge(self) -> None:
        self._heap = list(self._of.values())
        heapify(self._heap)
