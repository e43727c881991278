"""Shapes over the items of a window beside plain tallies: the greatest value, and means. PURE."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from services.rules.entries import Item
from services.rules.facts import INFINITY, Question, Span, Value
from services.rules.measuring import AMOUNT, Field
from services.rules.series import Path, Series, number_of
from services.rules.tallying import NOTHING, NOWHERE, Counted, Sum
from services.rules.totals import Amount, Totals
from services.rules.windows import Slice

ZERO = Decimal(0)


@dataclass(frozen=True)
class Max(Counted):
    """The greatest value of a field; None where no item has it."""

    path: Path = NOWHERE

    def value(self, series: Series, question: Question) -> Callable[[Slice], Value]:
        return _Greatest(series.items, self.path).of


class _Greatest:
    """The greatest value of a run that only moves on."""

    __slots__ = ("_greatest", "_items", "_path", "_seen")

    def __init__(self, items: list[Item], path: Path) -> None:
        self._items = items
        self._path = path
        # Places of values that no later one reaches, the greatest first: what leaves is at the left end.
        self._greatest: deque[tuple[int, Decimal]] = deque()
        self._seen = 0

    def of(self, part: Slice) -> Value:
        greatest = self._greatest
        for place in range(max(self._seen, part.first), part.end):
            number = number_of(self._path.read(self._items[place]))
            if number is None:
                continue
            while greatest and greatest[-1][1] <= number:
                greatest.pop()
            greatest.append((place, number))
        self._seen = max(self._seen, part.end)
        while greatest and greatest[0][0] < part.first:
            greatest.popleft()
        return greatest[0][1] if greatest else None


@dataclass(frozen=True)
class Mean(Sum):
    """The mean over the items that have the field; None when none has."""

    @property
    def only_falls(self) -> bool:
        return False

    def value(self, series: Series, question: Question) -> Callable[[Slice], Value]:
        totals = series.totals(
            self.field.name(question.reference), self.field.measure(question.reference, question.calendar)
        )
        return lambda part: _mean(totals.between(part.first, part.end))


def _mean(total: Amount) -> Value:
    if not total.counted:
        return None
    mean = total.amount / total.counted
    return Span(mean, INFINITY) if total.unknown else mean


@dataclass(frozen=True)
class WeightedMean(Mean):
    """The mean of a field that is never negative, each item weighed by another; None where nothing weighs. Money that
    cannot be converted leaves it open: one item may outweigh all others."""

    weight: Field = AMOUNT

    def value(self, series: Series, question: Question) -> Callable[[Slice], Value]:
        weights, products = self._totals(series, question)
        return lambda part: _weighted(part, weights, products)

    def _totals(self, series: Series, question: Question) -> tuple[Totals, Totals]:
        """Of the weights, and of the products with them."""
        weigh = self.weight.measure(question.reference, question.calendar)
        name = (self.field, self.weight.name(question.reference))
        path = self.field.path
        weights = series.totals(
            ("weights", name), lambda item: NOTHING if number_of(path.read(item)) is None else weigh(item)
        )
        products = series.totals(("weighed", name), lambda item: _times(number_of(path.read(item)), weigh(item)))
        return weights, products


def _times(number: Decimal | None, weight: Amount) -> Amount:
    return NOTHING if number is None else Amount(number * weight.amount, weight.counted, weight.unknown)


def _weighted(part: Slice, weights: Totals, products: Totals) -> Value:
    total = weights.between(part.first, part.end)
    if total.unknown:
        return Span(ZERO, INFINITY)
    return products.amount(part.first, part.end) / total.amount if total.amount else None
