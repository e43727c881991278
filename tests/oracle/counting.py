"""Shapes that look at the items in a window."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from fractions import Fraction
from math import inf
from typing import Any

from tests.oracle.conditions import Fact
from tests.oracle.days import counts, local_day
from tests.oracle.known import ABSENT, Source, View, Where, at_path, number, passes
from tests.oracle.series import Item
from tests.oracle.worlds import OPTIMIST, UNKNOWN


class Windowed(Fact):
    """What lies in the window at an instant."""

    def __init__(self, of: str, where: Where | None = None, window: Any = None, **options: Any) -> None:
        self.source = Source(of, where or {}, options)
        self.window = window
        resets = window["since"] if isinstance(window, dict) and "since" in window else None
        self.resets = Source(resets["of"], resets.get("where", {})) if resets else None

    def sources(self) -> tuple[Source, ...]:
        return (self.source, self.resets) if self.resets else (self.source,)

    def turns(self, view: View) -> Iterable[datetime]:
        windows = [counts(self.window, item.at, view.zone) for item in view.all_of(self.source)]
        edges = [edge for window in windows for edge in window if edge is not None]
        return edges + [reset.at for reset in (view.all_of(self.resets) if self.resets else [])]

    def seen(self, view: View, at: datetime, world: bool) -> list[Item]:
        """The items that count, oldest first."""
        return [item for item in view.items(self.source, world) if self.counts(view, item, at)]

    def counts(self, view: View, item: Item, at: datetime) -> bool:
        """Whether an item that lies there counts at the instant."""
        start, end = counts(self.window, item.at, view.zone)
        if not start <= at or (end is not None and at >= end):
            return False
        resets = view.items(self.resets, False) if self.resets else []  # noqa: FBT003
        return not any(item.at < reset.at <= at for reset in resets)


class Count(Windowed):
    def measure(self, view: View, at: datetime, world: bool) -> int:
        return len(self.seen(view, at, world))


class DistinctDays(Windowed):
    def measure(self, view: View, at: datetime, world: bool) -> int:
        return len({local_day(item.at, view.zone) for item in self.seen(view, at, world)})


class Fielded(Windowed):
    """Looks at one field of the items."""

    def __init__(self, of: str, field: str, where: Where | None = None, window: Any = None, **options: Any) -> None:
        super().__init__(of, where, window, **options)
        self.field = field


class Distinct(Fielded):
    def measure(self, view: View, at: datetime, world: bool) -> int:
        values = [at_path(item, self.field) for item in self.seen(view, at, world)]
        return len({str(value) for value in values if value is not ABSENT and value is not None})


class Changes(Fielded):
    """The value that an item replaces may lie before the window; the change lies at the item."""

    def measure(self, view: View, at: datetime, world: bool) -> int:
        before: Any = None
        changed = 0
        for item in view.items(self.source, world):
            value = at_path(item, self.field)
            if item.at > at or value is ABSENT or value is None:
                continue
            if before is not None and str(value) != before and self.counts(view, item, at):
                changed += 1
            before = str(value)
        return changed


class Amounts(Fielded):
    """Looks at amounts, in one currency when that is given."""

    def __init__(
        self,
        of: str,
        field: str,
        where: Where | None = None,
        window: Any = None,
        currency: str | None = None,
        **options: Any,
    ) -> None:
        super().__init__(of, field, where, window, **options)
        self.currency = currency

    def amount(self, view: View, item: Item) -> Fraction | float | None:
        """The item's amount; None when it has none, infinite when no rate tells what it is worth."""
        value = number(None if (found := at_path(item, self.field)) is ABSENT else found)
        if value is None or self.currency is None:
            return value
        rate = view.reference.rate(str(at_path(item, "currency")), self.currency, local_day(item.at, view.zone))
        return Fraction(value) * rate if rate is not None else inf

    def total(self, view: View, items: Iterable[Item], world: bool) -> Fraction | float:
        """What they are worth together: at least what is known, and without a rate there is no limit."""
        amounts = [amount for item in items if (amount := self.amount(view, item)) is not None]
        known = sum((Fraction(amount) for amount in amounts if amount != inf), Fraction(0))
        return inf if world and inf in amounts else known


class Sum(Amounts):
    def measure(self, view: View, at: datetime, world: bool) -> Fraction | float:
        return self.total(view, self.seen(view, at, world), world)


class Mean(Amounts):
    def measure(self, view: View, at: datetime, world: bool) -> Fraction | float | None:
        measured = [item for item in self.seen(view, at, world) if self.amount(view, item) is not None]
        return self.total(view, measured, world) / len(measured) if measured else None


class Max(Amounts):
    def measure(self, view: View, at: datetime, world: bool) -> Fraction | float | None:
        return max(
            (found for item in self.seen(view, at, world) if (found := self.amount(view, item)) is not None),
            default=None,
        )


class WeightedMean(Amounts):
    """Of a second field: the amounts are what the items weigh."""

    def __init__(self, of: str, field: str, weight: str, **options: Any) -> None:
        super().__init__(of, weight, **options)
        self.averaged = field

    def measure(self, view: View, at: datetime, world: bool) -> Fraction | float | None:
        pairs = []
        for item in self.seen(view, at, world):
            value = number(None if (found := at_path(item, self.averaged)) is ABSENT else found)
            weight = self.amount(view, item)
            if value is not None and weight is not None:
                pairs.append((Fraction(value), weight))
        if inf in [weight for _, weight in pairs]:
            return inf if world else Fraction(0)
        whole = sum((Fraction(weight) for _, weight in pairs), Fraction(0))
        return sum((value * Fraction(weight) for value, weight in pairs), Fraction(0)) / whole if whole else None


class Share(Amounts):
    """Of the items in the window, those that also pass `matching`; all weigh the same unless a field weighs them."""

    def __init__(
        self,
        of: str,
        matching: Where,
        field: str | None = None,
        where: Where | None = None,
        window: Any = None,
        currency: str | None = None,
        **options: Any,
    ) -> None:
        super().__init__(of, field or "", where, window, currency, **options)
        self.matching = matching

    def measure(self, view: View, at: datetime, world: bool) -> Fraction | None:
        items = self.seen(view, at, world)
        matching = [item for item in items if passes(item, self.matching, world)]
        if not self.field:
            return Fraction(len(matching), len(items)) if items else None
        if any(self.amount(view, item) == inf for item in items):
            return Fraction(int(world))  # any share is possible
        whole = self.total(view, items, world)
        return Fraction(self.total(view, matching, world)) / Fraction(whole) if whole else None


class Trend(Amounts):
    """The last full months against the same months before."""

    def __init__(self, of: str, field: str, months: int, back: int, currency: str | None = None, **more: Any) -> None:
        super().__init__(of, field, window=None, currency=currency, **more)
        self.months, self.back = months, back

    def turns(self, view: View) -> Iterable[datetime]:
        return [
            edge
            for item in view.all_of(self.source)
            for shift in (0, self.back)
            for edge in _full_months(view, item, self.months, shift)
        ]

    def measure(self, view: View, at: datetime, world: bool) -> Any:
        items = view.items(self.source, world)
        lately = [item for item in items if _within(_full_months(view, item, self.months, 0), at)]
        before = [item for item in items if _within(_full_months(view, item, self.months, self.back), at)]
        above, below = self.total(view, lately, OPTIMIST), self.total(view, before, OPTIMIST)
        if inf in (above, below):
            return UNKNOWN
        return above / below if below else None


class BestMonth(Amounts):
    """The greatest sum of receipts in one of the last full months."""

    def __init__(self, currency: str, months: int) -> None:
        super().__init__("receipts", "amount", None, {"calendar": "month", "full": months}, currency)

    def measure(self, view: View, at: datetime, world: bool) -> Fraction | float:
        by_month: dict[tuple[int, int], list[Item]] = {}
        for item in self.seen(view, at, world):
            day = local_day(item.at, view.zone)
            by_month.setdefault((day.year, day.month), []).append(item)
        return max((self.total(view, items, world) for items in by_month.values()), default=Fraction(0))


def _full_months(view: View, item: Item, months: int, shift: int) -> tuple[datetime, datetime]:
    """When the item lies in one of the last `months` full months, as seen `shift` months later."""
    whole = counts({"calendar": "month", "full": shift + months}, item.at, view.zone)
    early = counts({"calendar": "month", "full": shift}, item.at, view.zone)
    assert whole[1] is not None
    assert early[1] is not None
    return early[1] if shift else whole[0], whole[1]


def _within(span: tuple[datetime, datetime], at: datetime) -> bool:
    return span[0] <= at < span[1]
