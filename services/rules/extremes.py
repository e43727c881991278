"""Shapes over the items of a window beside plain tallies: the greatest value, and means. PURE."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from services.rules.entries import Item
from services.rules.facts import INFINITY, Question, Span, Value
from services.rules.series import Path, Series, number_of
from services.rules.tallying import AMOUNT, NOTHING, NOWHERE, Counted, Field, Sum
from services.rules.totals import Amount
from services.rules.windows import Slice

ZERO = Decimal(0)


@dataclass(frozen=True)
class Max(Counted):
    """The greatest value of a field; None where no item has it."""

    path: Path = NOWHERE

    def value(self, series: Series, question: Question) -> Callable[[Slice], Value]:
        # Places of values that no later one reaches, the greatest first: what leaves is at the left end.
        greatest: deque[tuple[int, Decimal]] = deque()
        seen = 0

        def most(part: Slice) -> Value:
            nonlocal seen
            for place in range(max(seen, part.first), part.end):
                number = number_of(self.path.read(series.items[place]))
                if number is None:
                    continue
                while greatest and greatest[-1][1] <= number:
                    greatest.pop()
                greatest.append((place, number))
            seen = max(seen, part.end)
            while greatest and greatest[0][0] < part.first:
                greatest.popleft()
            return greatest[0][1] if greatest else None

        return most


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

        def value(part: Slice) -> Value:
            total = totals.between(part.first, part.end)
            if not total.counted:
                return None
            mean = total.amount / total.counted
            return Span(mean, INFINITY) if total.unknown else mean

        return value


@dataclass(frozen=True)
class WeightedMean(Mean):
    """The mean of a field that is never negative, each item weighed by another; None where nothing weighs. Money that
    cannot be converted leaves it open: one item may outweigh all others."""

    weight: Field = AMOUNT

    def value(self, series: Series, question: Question) -> Callable[[Slice], Value]:
        weigh = self.weight.measure(question.reference, question.calendar)
        name = (self.field, self.weight.name(question.reference))

        def weighed(item: Item) -> Amount:
            return NOTHING if number_of(self.field.path.read(item)) is None else weigh(item)

        def multiplied(item: Item) -> Amount:
            number, weight = number_of(self.field.path.read(item)), weigh(item)
            return NOTHING if number is None else Amount(number * weight.amount, weight.counted, weight.unknown)

        weights, products = series.totals(("weights", name), weighed), series.totals(("weighed", name), multiplied)

        def mean(part: Slice) -> Value:
            total = weights.between(part.first, part.end)
            if total.unknown:
                return Span(ZERO, INFINITY)
            return products.amount(part.first, part.end) / total.amount if total.amount else None

        return mean
