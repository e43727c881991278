"""The kinds of rule, and what each makes of a customer: episodes, points, a class, a score."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import Any, Literal

from tests.oracle.conditions import Condition, Fact
from tests.oracle.known import ABSENT, SUBJECTS, Source, View, at_path, number
from tests.oracle.worlds import OPTIMIST, PESSIMIST, UNKNOWN, Span, spans


@dataclass(frozen=True, eq=False)
class StretchRule:
    """Holds from ... to, for the customer or for each subject."""

    id: str
    when: Condition
    per: str | None = None
    source: str | None = None

    def episodes(self, view: View) -> Iterator[tuple[str, Span]]:
        """(subject, span) of each episode."""
        for subject in _subjects(view, self.per, self.when):
            seen = view.about((SUBJECTS[self.per], subject) if self.per else None, self.source)

            def holds(at: datetime, world: bool, seen: View = seen) -> bool:
                return self.when.holds(seen, at, world)

            for span in spans(holds, self.when.turns(seen), view.clock):
                yield subject, span


@dataclass(frozen=True, eq=False)
class PointRule:
    """One episode for each item, at its instant."""

    id: str
    of: Source
    when: Condition | None = None
    per: str | None = None
    once_per: tuple[str, ...] = ()

    def episodes(self, view: View) -> Iterator[tuple[str, Span]]:
        """(subject, span) of each point that time has reached."""
        seen_before = set()
        for item in view.items(self.of, PESSIMIST):
            subject = str(at_path(item, SUBJECTS[self.per])) if self.per else ""
            once = tuple(str(at_path(item, name)) for name in self.once_per)
            if item.at > view.clock or (self.once_per and once in seen_before):
                continue
            seen = view.about((SUBJECTS[self.per], subject) if self.per else None, None)
            worlds = (PESSIMIST, OPTIMIST)
            if self.when is None or all(self.when.holds(seen, item.at, world) for world in worlds):
                seen_before.add(once)
                yield subject, (item.at, item.at)


def _subjects(view: View, per: str | None, when: Condition) -> Iterable[str]:
    """Everything of which a fact of the rule sees something, by name."""
    if per is None:
        return [""]
    name = SUBJECTS[per]
    sources = [source for fact in when.facts() for source in fact.sources() if source.carries(name)]
    values = [at_path(item, name) for source in sources for item in view.items(source, OPTIMIST)]
    return sorted({str(value) for value in values if value is not ABSENT})


@dataclass(frozen=True, eq=False)
class ClassRule:
    """The first word whose condition holds."""

    id: str
    classes: tuple[tuple[str, Condition], ...]
    otherwise: str

    def facts(self) -> Iterator[Fact]:
        """Every fact that decides."""
        for _, when in self.classes:
            yield from when.facts()

    def turns(self, view: View) -> set[datetime]:
        """Instants that contain every one at which the class can change."""
        key = (self, "turns")
        if key not in view.memo:
            view.memo[key] = set().union(*(when.turns(view) for _, when in self.classes))
        found: set[datetime] = view.memo[key]
        return found

    def _in(self, view: View, at: datetime, world: bool) -> str:
        return next((value for value, when in self.classes if when.holds(view, at, world)), self.otherwise)

    def result(self, view: View, at: datetime) -> Any:
        """The class, or UNKNOWN where what is unknown decides."""
        key = (self, at)
        if key not in view.memo:
            least, most = self._in(view, at, PESSIMIST), self._in(view, at, OPTIMIST)
            view.memo[key] = least if least == most else UNKNOWN
        return view.memo[key]

    def shown(self, view: View, at: datetime) -> str | None:
        """The class as it is told: None where it is inconclusive."""
        found = self.result(view, at)
        return None if found is UNKNOWN else str(found)


Missing = Literal["reweight", "inconclusive"] | int


@dataclass(frozen=True, eq=False)
class Input:
    """One part of a score: a fact, how much it weighs, and how it is read as 0 to 100."""

    fact: Fact
    weight: Fraction
    scale: tuple[tuple[int, int], ...] = ()
    map: Mapping[str, int] = field(default_factory=dict)
    missing: Missing = "reweight"

    def part(self, view: View, at: datetime) -> Fraction | None:
        """0 to 100; None without a value."""
        least, most = self.fact.value(view, at, PESSIMIST), self.fact.value(view, at, OPTIMIST)
        if least is UNKNOWN or most is UNKNOWN or least != most:
            return None
        if self.map:
            return Fraction(self.map[least]) if least in self.map else None
        value = number(least)
        return None if value is None else _read_off(self.scale, Fraction(value))


def _read_off(scale: tuple[tuple[int, int], ...], x: Fraction) -> Fraction:
    """The broken line through the points, flat outside."""
    points = sorted(scale)
    if x <= points[0][0]:
        return Fraction(points[0][1])
    for (left, low), (right, high) in pairwise(points):
        if x <= right:
            return low + (x - left) * Fraction(high - low, right - left)
    return Fraction(points[-1][1])


@dataclass(frozen=True, eq=False)
class ScoreRule:
    """A weighted mean of the parts there are."""

    id: str
    inputs: tuple[Input, ...]

    def facts(self) -> Iterator[Fact]:
        """Every fact that counts."""
        for one in self.inputs:
            yield one.fact

    def turns(self, view: View) -> set[datetime]:
        """Instants that contain every one at which the score can change."""
        return {at for fact in self.facts() for at in fact.turns(view)}

    def result(self, view: View, at: datetime) -> Any:
        """The score, to one decimal; UNKNOWN where it is inconclusive."""
        found = self._worked_out(view, at)
        return UNKNOWN if found is None else found

    def _worked_out(self, view: View, at: datetime) -> Fraction | None:
        total, weights = Fraction(0), Fraction(0)
        for one in self.inputs:
            part = one.part(view, at)
            if part is None and one.missing == "inconclusive":
                return None
            if part is None and one.missing == "reweight":
                continue
            total += one.weight * (part if part is not None else Fraction(one.missing))
            weights += one.weight
        if not weights:
            return None
        return Fraction(round(total / weights * 10), 10)  # half to even

    def shown(self, view: View, at: datetime) -> str | None:
        """The score as it is told, such as 72.5; None where it is inconclusive."""
        found = self._worked_out(view, at)
        return None if found is None else f"{Decimal(found.numerator) / Decimal(found.denominator):.1f}"


Rule = StretchRule | PointRule | ClassRule | ScoreRule
