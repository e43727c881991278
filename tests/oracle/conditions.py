"""Facts asked at an instant in one of the two worlds, and trees of comparisons over them.

A fact that is known has one value in both worlds. What depends on something unknown has the least that it can be in
the world where unknowns are false, and the most in the other; a comparison on which the two disagree is unknown itself.
"""

from __future__ import annotations

import operator
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any

from tests.oracle.known import Source, View, number, same
from tests.oracle.worlds import OPTIMIST, PESSIMIST, UNKNOWN

ORDERS = {">=": operator.ge, ">": operator.gt, "<=": operator.le, "<": operator.lt}


class Fact:
    """A measure at an instant: None where there is nothing to measure, UNKNOWN where it may be anything."""

    def value(self, view: View, at: datetime, world: bool) -> Any:
        """The value, worked out once for each question."""
        key = (self, at, world)
        if key not in view.memo:
            view.memo[key] = self.measure(view, at, world)
        return view.memo[key]

    def measure(self, view: View, at: datetime, world: bool) -> Any:
        """The value, from all items."""
        raise TypeError(f"{type(self).__name__} says nothing about {at} in {world}")

    def turns(self, view: View) -> Iterable[datetime]:
        """Instants that contain every one at which the value can become another one; apart from growing with time."""
        return [item.at for source in self.sources() for item in view.all_of(source)]

    def begins(self, view: View) -> Iterable[datetime]:
        """For a fact that measures time: the instants since which it may."""
        return self.turns(view)

    def sources(self) -> tuple[Source, ...]:
        """What it reads of the customer."""
        return ()

    def __ge__(self, wanted: Any) -> Condition:
        return Leaf(self, ">=", wanted)

    def __gt__(self, wanted: Any) -> Condition:
        return Leaf(self, ">", wanted)

    def __le__(self, wanted: Any) -> Condition:
        return Leaf(self, "<=", wanted)

    def __lt__(self, wanted: Any) -> Condition:
        return Leaf(self, "<", wanted)

    def equals(self, wanted: Any) -> Condition:
        return Leaf(self, "==", wanted)

    def differs(self, wanted: Any) -> Condition:
        return Leaf(self, "!=", wanted)

    def within(self, *wanted: Any) -> Condition:
        return Leaf(self, "in", wanted)

    def outside(self, *wanted: Any) -> Condition:
        return Leaf(self, "not_in", wanted)

    def known(self) -> Condition:
        return Leaf(self, "known", True)  # noqa: FBT003 - the language's word for it


class Condition:
    """A tree over facts."""

    def holds(self, view: View, at: datetime, world: bool) -> bool:
        """Whether it holds, in the world where the comparisons that are unknown have this value."""
        key = (self, at, world)
        if key not in view.memo:
            view.memo[key] = self.decide(view, at, world)
        found: bool = view.memo[key]
        return found

    def decide(self, view: View, at: datetime, world: bool) -> bool:
        """`holds`, from its parts."""
        raise TypeError(f"{type(self).__name__} says nothing about {at} in {world}")

    def facts(self) -> Iterator[Fact]:
        """Every fact in it."""
        raise TypeError(f"{type(self).__name__} has no facts")

    def turns(self, view: View) -> set[datetime]:
        """Instants that contain every one at which an answer can change."""
        raise TypeError(f"{type(self).__name__} never turns")

    def since(self, view: View, at: datetime, world: bool) -> datetime | None:
        """The start of the stretch in which it holds at the instant; None when it does not."""
        key = (self, "stretches", world)
        if key not in view.memo:
            begun: datetime | None = None
            stretches = []
            for turn in sorted(self.turns(view)):
                begun = (begun or turn) if self.holds(view, turn, world) else None
                stretches.append((turn, begun))
            view.memo[key] = stretches
        before = bisect_right(view.memo[key], at, key=lambda one: one[0])
        found: datetime | None = view.memo[key][before - 1][1] if before else None
        return found

    def held_during(self, view: View, start: datetime, end: datetime, world: bool) -> bool:
        """Whether it held at every instant of [start, end)."""
        inside = [start, *(turn for turn in self.turns(view) if start < turn < end)]
        return all(self.holds(view, at, world) for at in inside)


class Leaf(Condition):
    """One comparison."""

    def __init__(self, fact: Fact, op: str, wanted: Any) -> None:
        self.fact, self.op, self.wanted = fact, op, wanted

    def decide(self, view: View, at: datetime, world: bool) -> bool:
        least, most = self.fact.value(view, at, PESSIMIST), self.fact.value(view, at, OPTIMIST)
        if least is UNKNOWN or most is UNKNOWN:
            return world
        answers = {compare(least, self.op, self.wanted), compare(most, self.op, self.wanted)}
        if least != most and self.op not in ORDERS and self.op != "known":
            return world
        return answers.pop() if len(answers) == 1 else world

    def facts(self) -> Iterator[Fact]:
        yield self.fact

    def turns(self, view: View) -> set[datetime]:
        found = set(self.fact.turns(view))
        if isinstance(self.wanted, timedelta):
            found |= {begun + self.wanted for begun in self.fact.begins(view)}
        return found


class Tree(Condition):
    """Several conditions."""

    def __init__(self, *parts: Condition) -> None:
        self.parts = parts

    def facts(self) -> Iterator[Fact]:
        for part in self.parts:
            yield from part.facts()

    def turns(self, view: View) -> set[datetime]:
        key = (self, "turns")
        if key not in view.memo:
            view.memo[key] = set().union(*(part.turns(view) for part in self.parts))
        found: set[datetime] = view.memo[key]
        return found


class All(Tree):
    def decide(self, view: View, at: datetime, world: bool) -> bool:
        return all(part.holds(view, at, world) for part in self.parts)


class Some(Tree):
    def decide(self, view: View, at: datetime, world: bool) -> bool:
        return any(part.holds(view, at, world) for part in self.parts)


class Not(Tree):
    """One condition turned round; the comparisons in it that are unknown stay what the world says."""

    def decide(self, view: View, at: datetime, world: bool) -> bool:
        return not self.parts[0].holds(view, at, world)


def compare(value: Any, op: str, wanted: Any) -> bool:
    """A comparison with None holds never, but for the question whether something is known."""
    if op == "known":
        return (value is not None) is wanted
    if value is None:
        return False
    if op in ("==", "!="):
        return same(value, wanted) is (op == "==")
    if op in ("in", "not_in"):
        return any(same(value, one) for one in wanted) is (op == "in")
    if isinstance(value, timedelta):
        # At the very instant at which a time reaches its limit it has passed it.
        return (value >= wanted) is (op in (">=", ">"))
    value, wanted = number(value), number(wanted)
    return value is not None and bool(ORDERS[op](value, wanted))
