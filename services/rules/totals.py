"""Running totals over the items of a series: a sum over any run of neighbours costs no more than its ends. PURE."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import NamedTuple

from services.rules.entries import Item


class Amount(NamedTuple):
    """What an item adds: an amount, whether it counts at all, and whether the amount is not known (it is then 0)."""

    amount: Decimal
    counted: int = 1
    unknown: int = 0


Measure = Callable[[Item], Amount]
_ZERO = Amount(Decimal(0), 0, 0)


class Totals:
    """Sums over any run of neighbouring items, from running totals that are extended when asked for."""

    __slots__ = ("_items", "_measure", "_running")

    def __init__(self, items: list[Item], measure: Measure) -> None:
        self._items = items
        self._measure = measure
        self._running: list[Amount] = [_ZERO]

    def forget_from(self, index: int) -> None:
        del self._running[index + 1 :]

    def between(self, first: int, end: int) -> Amount:
        """The total of items[first:end]; nothing when end <= first."""
        if end <= first:
            return _ZERO
        running = self._running
        if len(running) <= end:
            self._extend(end)
        (amount, counted, unknown), high = running[first], running[end]
        return Amount(high[0] - amount, high[1] - counted, high[2] - unknown)

    def amount(self, first: int, end: int) -> Decimal:
        """The amount of `between`."""
        if end <= first:
            return _ZERO.amount
        running = self._running
        if len(running) <= end:
            self._extend(end)
        return running[end][0] - running[first][0]

    def _extend(self, end: int) -> None:
        running = self._running
        amount, counted, unknown = running[-1]
        for item in self._items[len(running) - 1 : end]:
            one = self._measure(item)
            amount += one[0]
            counted += one[1]
            unknown += one[2]
            running.append(Amount(amount, counted, unknown))
