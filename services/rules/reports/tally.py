"""Sums of counts by group: numbers, and money by currency. PURE."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable
from decimal import Decimal
from typing import Generic, TypeVar

from schemas.customers import Count
from services.rules.reports.model import Money

KeyT = TypeVar("KeyT", bound=Hashable)
ZERO = Decimal(0)


class Tally:
    """How often each kind of thing happened, and the money of each; `parts` are the numbers by kind and currency."""

    def __init__(self) -> None:
        self.n: Counter[str] = Counter()
        self.parts: Counter[tuple[str, str]] = Counter()
        self.money: dict[str, Money] = defaultdict(dict)
        self.points: dict[str, Decimal] = defaultdict(Decimal)

    def add(self, count: Count) -> None:
        """Adds what was counted under its own kind."""
        self.n[count.kind] += count.n
        if count.currency is not None:
            self.parts[count.kind, count.currency] += count.n
            if count.amount is not None:
                add_money(self.money[count.kind], count.currency, count.amount)
        elif count.amount is not None:
            self.points[count.kind] += count.amount


class Tallies(dict[KeyT, Tally], Generic[KeyT]):
    """A Tally for each key that was asked for."""

    def __missing__(self, key: KeyT) -> Tally:
        self[key] = Tally()
        return self[key]


def add_money(sums: Money, currency: str, amount: Decimal) -> None:
    """Adds an amount to the sum of its currency."""
    sums[currency] = sums.get(currency, ZERO) + amount


def per_currency(sums: Money, make: Callable[[str, Decimal], Decimal]) -> Money:
    """Another figure for each currency's sum."""
    return {currency: make(currency, amount) for currency, amount in sums.items()}


CENT = Decimal("0.01")


def cents(amount: Decimal) -> Decimal:
    """Rounded to the hundredth, half to even."""
    return amount.quantize(CENT)
