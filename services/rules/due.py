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
    """At most one wake-up per customer. Replaced entries stay in the heap until they surface or are purged."""

    def __init__(self) -> None:
        self._at: dict[str, Micros] = {}
        self._heap: list[Due] = []

    def __len__(self) -> int:
        return len(self._at)

    def set(self, customer_id: str, at: Micros | None) -> None:
        """Replace the customer's wake-up; None cancels it."""
        if at is None:
            self._at.pop(customer_id, None)
        elif self._at.get(customer_id) != at:
            self._at[customer_id] = at
            heappush(self._heap, Due(at, customer_id))
            if len(self._heap) > 2 * len(self._at) + _SLACK:
                self._purge()

    def first(self) -> Due | None:
        """The earliest wake-up, left in the queue."""
        while self._heap:
            due = self._heap[0]
            if self._at.get(due.customer_id) == due.at:
                return due
            heappop(self._heap)
        return None

    def take(self, until: Micros) -> Due | None:
        """The earliest wake-up, removed, if it is due by `until`."""
        due = self.first()
        if due is None or due.at > until:
            return None
        heappop(self._heap)
        del self._at[due.customer_id]
        return due

    def _purge(self) -> None:
        self._heap = [Due(at, customer_id) for customer_id, at in self._at.items()]
        heapify(self._heap)
