"""Shapes that count or add up the items of a window: count, sum, share, distinct, changes. PURE."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from services.rules.calendar import NEVER, Calendar, Micros
from services.rules.dues import Instalments, Movements
from services.rules.entries import Item, Key
from services.rules.facts import (
    INFINITY,
    LATER,
    OfOnePick,
    Point,
    Proof,
    Question,
    Span,
    Value,
    proof,
)
from services.rules.measuring import AMOUNT, Field
from services.rules.series import Filter, Path, Pick, Series, Test
from services.rules.state import CustomerState
from services.rules.totals import Amount, Measure, Totals
from services.rules.windows import Ever, Since, Slice, Window, slices

EVERYTHING = Filter()
NOWHERE = Path(())
LATE = Path(("late",))

LOOKS_BETWEEN = 6
"""Instants ahead at which a value that stays between the same limits is looked at."""

KEPT_FOR_EVER = 50
"""Of a window without bounds so many of the first and of the last items are kept beyond the horizon."""


@dataclass(frozen=True)
class Counted(OfOnePick):
    """What all facts over the items of a window have in common. `limits` are all that the value is compared with, where
    that is known: between them it need not be told."""

    window: Window
    elapsed: bool = False
    asks: bool = False
    limits: tuple[Decimal, ...] | None = field(default=None, compare=False)
    is_unsure: bool = field(init=False, repr=False, compare=False)
    """Whether some items may not be what they are asked to be: late."""

    def __post_init__(self) -> None:
        is_unsure = isinstance(self.pick.source, Instalments) and any(test.path == LATE for test in self.tests())
        object.__setattr__(self, "is_unsure", is_unsure)

    @property
    def picks(self) -> tuple[Pick, ...]:
        return (self.pick, *self.window.picks)

    @property
    def reach(self) -> Micros:
        return self.window.reach

    def tests(self) -> Iterator[Test]:
        """All conditions on the items."""
        yield from self.pick.where.tests

    @property
    def only_falls(self) -> bool:
        """Whether items that leave can only make it less."""
        return False

    def takes_effect(self, at: Micros, calendar: Calendar) -> Micros:
        return self.window.enters(at, calendar)

    def points(self, question: Question) -> Iterator[Point]:
        series = question.series(self.pick)
        value = self.value(series, question)
        if self.limits is not None and not self.only_falls:
            yield from self._between_limits(series, self.limits, value, question)
            return
        for part in slices(series, self.window, question):
            now = value(part)
            yield Point(part.at, now)
            if part.end == len(series) and self.limits is not None and not isinstance(now, Span):
                if part.first < part.end:
                    yield from self._falling(series, part, value, question)
                return

    def _between_limits(
        self, series: Series, limits: tuple[Decimal, ...], value: Callable[[Slice], Value], question: Question
    ) -> Iterator[Point]:
        """The value where it comes to lie otherwise to the limits; only so many instants ahead are looked at."""
        looks = LOOKS_BETWEEN if question.ahead else 0
        told: object = NOTHING
        for part in slices(series, self.window, question):
            now = value(part)
            place = now if now is None or isinstance(now, Span) else _place(now, limits)
            looks -= part.at > question.now
            if place != told:
                told = place
                yield Point(part.at, now)
            elif looks < 0:
                yield Point(part.at, LATER)
                return
            steady = self.steady_to(series, part, question) if part.end == len(series) else None
            if steady is not None:
                at = self.window.leaves(series.ats[steady - 1], question)
                if at < NEVER:
                    yield Point(at, value(Slice(at, series.before(self.window.counted(at, question)[0]), part.end)))
                return

    def steady_to(self, series: Series, part: Slice, question: Question) -> int | None:
        """If nothing comes any more: how many items must have left before the value can be another, and then for good;
        None where that is not known."""
        return None

    def _falling(
        self, series: Series, part: Slice, value: Callable[[Slice], Value], question: Question
    ) -> Iterator[Point]:
        """Nothing comes any more: the value is told where it reaches a limit, and where it falls below."""
        first = part.first
        for limit in sorted(self.limits or (), reverse=True):
            for is_below in (False, True):
                found = _first_below(value, Slice(part.at, first, part.end), limit, is_below=is_below)
                if found is None or found <= first:
                    continue
                at = self.window.leaves(series.ats[found - 1], question)
                if at >= NEVER:
                    return
                first = series.before(self.window.counted(at, question)[0])
                yield Point(at, value(Slice(at, first, part.end)))

    def value(self, series: Series, question: Question) -> Callable[[Slice], Value]:
        """The fact's value for what counts at an instant; asked for slices in the order of time.

        Compiled, a named function inside of another one is a ring, and lambdas hold whatever any lambda beside them
        uses. So what totals measure by is made elsewhere than what uses these totals (tests/unit/rules/test_rings.py).
        """
        raise AssertionError("every shape has its own")

    def evidence(self, question: Question, start: Micros, stop: Micros) -> Proof:
        series = question.series(self.pick)
        first, _ = self.window.counted(start, question)
        end = len(series) if stop >= NEVER else series.before(self.window.counted(stop, question)[1])
        return proof(series.items, series.before(first), end)

    def keeps(self, state: CustomerState, line: Micros) -> Iterable[Key]:
        if not isinstance(self.window, (Ever, Since)):
            return ()
        items = state.series(self.pick.whole).items
        old = state.series(self.pick.whole).before(line)
        kept = [*items[: min(old, KEPT_FOR_EVER)], *items[max(0, old - KEPT_FOR_EVER) : old]]
        return [key for item in kept for key in item.keys]


def _first_below(value: Callable[[Slice], Value], part: Slice, limit: Decimal, *, is_below: bool) -> int | None:
    """How many items must have left for the value to be at most, or below, a limit; None when it always is more."""
    index = bisect_left(
        range(part.first, part.end + 1),
        x=True,
        key=lambda first: _reaches(value(Slice(part.at, first, part.end)), limit, is_below=is_below),
    )
    return part.first + index if index <= part.end - part.first else None


def _reaches(now: Value, limit: Decimal, *, is_below: bool) -> bool:
    assert isinstance(now, (int, Decimal)), "what only falls is a number"
    return now < limit if is_below else now <= limit


NOTHING = Amount(Decimal(0), 0)


def _place(value: Value, limits: tuple[Decimal, ...]) -> tuple[int, int]:
    """How a number lies to all limits."""
    assert isinstance(value, (int, Decimal)), "only numbers are compared with limits"
    return bisect_left(limits, value), bisect_right(limits, value)


def _is_doubted(item: Item) -> bool:
    """An instalment that looks late, but money of another currency was booked on it."""
    data = item.data or {}
    return bool(data.get("late")) and data.get("certain") is False


def _doubt(item: Item) -> Amount:
    return Amount(Decimal(0), 0, int(_is_doubted(item)))


@dataclass(frozen=True)
class Count(Counted):
    """How many items there are; those of which it is not sure that they are late may not be among them."""

    @property
    def only_falls(self) -> bool:
        return True

    def value(self, series: Series, question: Question) -> Callable[[Slice], Value]:
        if not self.is_unsure:
            return lambda part: part.end - part.first
        doubts = series.totals("doubts", _doubt)
        return lambda part: _less(part.end - part.first, doubts.between(part.first, part.end).unknown)


def _less(total: int, unsure: int) -> Value:
    return Span(total - unsure, total) if unsure else total


NEVER_NEGATIVE = frozenset({Path(("amount",)), Path(("quantity",))})


@dataclass(frozen=True)
class Sum(Counted):
    """The sum of a field. Money that cannot be converted makes it uncertain from below."""

    field: Field = AMOUNT

    @property
    def only_falls(self) -> bool:
        return self.field.path in NEVER_NEGATIVE and not isinstance(self.pick.source, Movements)

    def value(self, series: Series, question: Question) -> Callable[[Slice], Value]:
        totals = series.totals(
            self.field.name(question.reference), self.field.measure(question.reference, question.calendar)
        )
        return lambda part: _at_least(totals.between(part.first, part.end))


def _at_least(total: Amount) -> Value:
    """What money that is not known can only add to."""
    return Span(total.amount, INFINITY) if total.unknown else total.amount


@dataclass(frozen=True)
class Share(Counted):
    """The share of the items that pass a second filter, weighed by a field where one is given; None without items."""

    matching: Filter = EVERYTHING
    field: Field | None = None

    def tests(self) -> Iterator[Test]:
        yield from super().tests()
        yield from self.matching.tests

    def _totals(self, series: Series, question: Question) -> tuple[Totals, Totals]:
        """Of all items, and of those that pass."""
        weigh, matching, name = self._weight(question), self.matching, self._name(question)
        passing = series.totals((matching, name), lambda item: weigh(item) if matching(item) else NOTHING)
        return series.totals(("all", name), weigh), passing

    def _name(self, question: Question) -> object:
        return self.field.name(question.reference) if self.field else "one each"

    def value(self, series: Series, question: Question) -> Callable[[Slice], Value]:
        everything, passing = self._totals(series, question)
        doubts = self._doubts(series, question) if self.is_unsure else None
        return lambda part: _share(part, everything, passing, doubts)

    def _doubts(self, series: Series, question: Question) -> tuple[Totals, Totals]:
        """Of the items that may not be what they are asked to be, and of those of them that pass."""
        weigh, matching, name = self._weight(question), self.matching, self._name(question)
        unsure = series.totals(("unsure", name), lambda item: weigh(item) if _is_doubted(item) else NOTHING)
        both = series.totals(
            ("unsure", matching, name), lambda item: weigh(item) if _is_doubted(item) and matching(item) else NOTHING
        )
        return unsure, both

    def steady_to(self, series: Series, part: Slice, question: Question) -> int | None:
        """While all of it passes, all that remains does, until nothing does."""
        if self.is_unsure or not (self.field is None or self.field.path in NEVER_NEGATIVE):
            return None
        everything, passing = self._totals(series, question)
        total = everything.between(part.first, part.end)
        if total.unknown or not total.amount or passing.amount(part.first, part.end) != total.amount:
            return None
        left = range(part.first, part.end + 1)
        return part.first + bisect_left(left, x=True, key=lambda first: not everything.amount(first, part.end))

    def _weight(self, question: Question) -> Measure:
        if self.field is None:
            return lambda _: Amount(Decimal(1))
        return self.field.measure(question.reference, question.calendar)


def _share(part: Slice, everything: Totals, passing: Totals, doubts: tuple[Totals, Totals] | None) -> Value:
    total = everything.between(part.first, part.end)
    if total.unknown:
        return Span(Decimal(0), Decimal(1))
    if not total.amount:
        return None
    passed = passing.amount(part.first, part.end)
    maybe = doubts[0].amount(part.first, part.end) if doubts else Decimal(0)
    if doubts is None or not maybe:
        return passed / total.amount
    out = doubts[1].amount(part.first, part.end)
    return Span((passed - out) / total.amount, (passed + maybe - out) / total.amount)


@dataclass(frozen=True)
class Distinct(Counted):
    """How many different values a field has; items without it do not count."""

    path: Path = NOWHERE

    def name_of(self, item: Item, calendar: Calendar) -> Any:
        """What is to be counted once; None for nothing."""
        value = self.path.read(item)
        return str(value) if isinstance(value, (list, dict)) else value

    def value(self, series: Series, question: Question) -> Callable[[Slice], Value]:
        return _Names(series.items, lambda item: self.name_of(item, question.calendar)).distinct


class _Names:
    """What the items of a run are called, and how many of them are called so; the run only moves on."""

    __slots__ = ("_counts", "_end", "_first", "_items", "_name_of")

    def __init__(self, items: list[Item], name_of: Callable[[Item], Any]) -> None:
        self._items = items
        self._name_of = name_of
        self._counts = defaultdict[Any, int](int)
        self._first = self._end = 0

    def distinct(self, part: Slice) -> Value:
        counts = self._counts
        if part.first >= self._end:
            counts.clear()
            self._first = self._end = part.first
        for item in self._items[self._end : part.end]:
            counts[self._name_of(item)] += 1
        for item in self._items[self._first : part.first]:
            name = self._name_of(item)
            counts[name] -= 1
            if not counts[name]:
                del counts[name]
        self._first, self._end = part.first, part.end
        return len(counts) - (None in counts)


@dataclass(frozen=True)
class DistinctDays(Distinct):
    """On how many of the company's days something happened."""

    def name_of(self, item: Item, calendar: Calendar) -> Any:
        return calendar.day_of(item.at)


@dataclass(frozen=True)
class Changes(Counted):
    """How often a field took another value than before; the first value is no change."""

    path: Path = NOWHERE

    def points(self, question: Question) -> Iterator[Point]:
        changed = Series()
        for item in self._changes(question.series(self.pick)):
            changed.add(item)
        for part in slices(changed, self.window, question):
            yield Point(part.at, part.end - part.first)

    def evidence(self, question: Question, start: Micros, stop: Micros) -> Proof:
        items = list(self._changes(question.series(self.pick)))
        first, _ = self.window.counted(start, question)
        return proof([item for item in items if first <= item.at <= stop])

    def _changes(self, series: Series) -> Iterator[Item]:
        before: Any = None
        for item in series:
            value = self.path.read(item)
            if value is None:
                continue
            if before is not None and value != before:
                yield item
            before = value

    def keeps(self, state: CustomerState, line: Micros) -> Iterable[Key]:
        # The newest value before the line tells whether the next one is a change.
        series = state.series(self.pick.whole)
        newest = {}
        for item in series.items[: series.before(line)]:
            if self.path.read(item) is not None:
                newest[self.pick.subject.read(item) if self.pick.subject else ""] = item.keys
        return [*super().keeps(state, line), *(key for keys in newest.values() for key in keys)]
