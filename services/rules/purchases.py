"""A customer's orders as they are now known, kept up to date event by event. PURE."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import Counter
from decimal import Decimal
from typing import NamedTuple

from schemas.customers import OrderFacts
from services.rules.calendar import SECOND, Micros, instant
from services.rules.dealings import Order, fields, order_of
from services.rules.entries import Entry
from services.rules.newest import Newest

MAX_ORDER_TIMES = 400


class Swap(NamedTuple):
    """What an order was, and what it is now."""

    gone: Order | None
    new: Order | None


class Purchases:
    """All orders of which something is left. Systems may report an order twice: the newest word on its id counts."""

    def __init__(self) -> None:
        self._placed = Newest("order_id")
        self._cancelled: dict[str, list[Entry]] = {}
        self._orders: dict[str, Order] = {}
        self._times: list[Micros] = []
        # The gaps between the times, by size: the median of thousands must not cost a sort for each order.
        self._gaps: list[Micros] = []
        self._lines: Counter[str] = Counter()
        self._facts: OrderFacts | None = None

    @property
    def product_lines(self) -> list[str]:
        """What was ever bought, by name."""
        return sorted(self._lines)

    def change(self, entry: Entry, *, stands: bool) -> Swap:
        """An order or a cancellation begins to stand, or one that stood does so no longer."""
        if entry.kind == "order.placed":
            order_id = self._placed.change(entry, stands=stands)
        else:
            order_id = str(fields(entry)["order_id"])
            said = self._cancelled.setdefault(order_id, [])
            if stands:
                said.append(entry)
            else:
                said.remove(entry)
                if not said:
                    del self._cancelled[order_id]
        placed = self._placed.get(order_id)
        new = None if placed is None else order_of(placed, self._cancelled.get(order_id, ()))
        return self._swap(order_id, new)

    def facts(self) -> tuple[OrderFacts, int]:
        """The facts for the snapshot, and how many of the oldest times are left out of them."""
        if self._facts is None:
            self._facts = self._worked_out()
        return self._facts, len(self._times) - len(self._facts.times)

    def _worked_out(self) -> OrderFacts:
        if not self._times:
            return OrderFacts()
        return OrderFacts(
            count=len(self._times),
            first=instant(self._times[0]),
            last=instant(self._times[-1]),
            median_gap_s=self._median_gap_s(),
            times=[instant(at) for at in self._times[-MAX_ORDER_TIMES:]],
        )

    def _median_gap_s(self) -> Decimal | None:
        if not self._gaps:
            return None
        middle = len(self._gaps) // 2
        low = self._gaps[middle] if len(self._gaps) % 2 else self._gaps[middle - 1]
        return Decimal(low + self._gaps[middle]) / 2 / SECOND

    def _swap(self, order_id: str, new: Order | None) -> Swap:
        old = self._orders.pop(order_id, None)
        if new is not None:
            self._orders[order_id] = new
        if new == old:
            return Swap(None, None)
        self._facts = None
        if old is not None:
            self._take_out(old.at)
            self._lines.subtract(old.product_lines)
        if new is not None:
            self._put_in(new.at)
            self._lines.update(new.product_lines)
        self._lines = +self._lines
        return Swap(old, new)

    def _put_in(self, at: Micros) -> None:
        index = bisect_left(self._times, at)
        self._regap(index - 1, index, stands=False)
        self._times.insert(index, at)
        self._regap(index - 1, index, stands=True)
        self._regap(index, index + 1, stands=True)

    def _take_out(self, at: Micros) -> None:
        index = bisect_left(self._times, at)
        self._regap(index - 1, index, stands=False)
        self._regap(index, index + 1, stands=False)
        del self._times[index]
        self._regap(index - 1, index, stands=True)

    def _regap(self, earlier: int, later: int, *, stands: bool) -> None:
        """The gap between two neighbours appears or goes; at an end there is none."""
        if earlier < 0 or later >= len(self._times):
            return
        gap = self._times[later] - self._times[earlier]
        if stands:
            insort(self._gaps, gap)
        else:
            del self._gaps[bisect_left(self._gaps, gap)]
