"""Facts: named measures of a customer as functions of time; what a shape offers, and what it is asked. PURE.

A fact gives its whole course at once: the points at which its value changes, from the beginning on, on the
supposition that nothing more happens. So the same function tells what was, what is, and when it will change by itself.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple, Protocol

from services.rules.calendar import Calendar, Micros
from services.rules.entries import Entry, Key
from services.rules.state import CustomerState

INFINITY = Decimal("Infinity")


class Span(NamedTuple):
    """A number that is only known to lie between two bounds, both included."""

    low: Decimal | int
    high: Decimal | int


class Unknown:
    """Not known at all, and not zero."""


UNKNOWN = Unknown()

Value = int | Decimal | str | bool | Span | Unknown | None
"""None: there is nothing to measure (nobody is waiting), so no comparison with it holds."""


class Point(NamedTuple):
    """From `at` until the next point the fact has this value."""

    at: Micros
    value: Value


@dataclass(frozen=True)
class Question:
    """What a fact is asked about, and when. `holds` gives the course of a named condition of the same rule."""

    state: CustomerState
    subject: str
    now: Micros
    holds: Callable[[str], Sequence[Point]]

    @property
    def calendar(self) -> Calendar:
        return self.state.calendar


class Fact(Protocol):
    """`elapsed` facts have instants as values (since when), and are compared as the time that has passed since."""

    @property
    def kinds(self) -> frozenset[str]: ...
    @property
    def elapsed(self) -> bool: ...
    def course(self, question: Question) -> list[Point]: ...
    def evidence(self, question: Question, start: Micros, stop: Micros) -> Iterable[Key]: ...

    @property
    def reach(self) -> Micros:
        """How far back the fact looks, besides what it `keeps`."""
        ...

    def keeps(self, state: CustomerState, line: Micros) -> Iterable[Key]:
        """Events from before `line` that the fact needs for ever: its firsts and lasts."""
        ...


@dataclass(frozen=True)
class Filter:
    """Conditions on an event's data, by dotted path: a value in, or not in, a set; all must hold."""

    wanted: tuple[tuple[str, frozenset[Any], bool], ...] = ()

    def __call__(self, entry: Entry) -> bool:
        return all((read(entry, path) in values) == inside for path, values, inside in self.wanted)


def read(entry: Entry, path: str) -> Any:
    """The value at a dotted path of an event's data; None when it is absent."""
    value: Any = entry.data
    for name in path.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def says(entry: Entry, path: str) -> bool:
    """Whether an event's data have something to say at a dotted path, be it that there is no value any more."""
    folder, _, name = path.rpartition(".")
    place = read(entry, folder) if folder else entry.data
    return isinstance(place, Mapping) and name in place


@dataclass(frozen=True)
class Pick:
    """The events of a kind that pass a filter."""

    kind: str
    where: Filter = Filter()

    def items(self, state: CustomerState) -> list[Entry]:
        return [entry for entry in state.items(self.kind) if self.where(entry)]

    def last_before(self, state: CustomerState, line: Micros) -> list[Key]:
        """The newest of them before `line`."""
        return [entry.key for entry in self.items(state) if entry.at < line][-1:]


def put(points: list[Point], at: Micros, value: Value) -> None:
    """Adds a point; of several at one instant the last counts, and a value that stays the same is no change."""
    if points and points[-1].at == at:
        points.pop()
    if not points or points[-1].value != value or type(points[-1].value) is not type(value):
        points.append(Point(at, value))


def value_at(points: Sequence[Point], at: Micros) -> Value:
    """The value that holds at an instant."""
    index = bisect_left(points, at + 1, key=lambda point: point.at)
    return points[index - 1].value if index else None
