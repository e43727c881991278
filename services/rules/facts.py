"""Facts: named measures of a customer as functions of time; what a shape offers, and what it is asked. PURE.

A fact gives its course from an instant on: the points at which its value changes, on the supposition that nothing more
happens. So the same function tells what is and when it will change by itself. A fact's value at an instant depends
only on items up to that instant: so what an event changes, it changes from its own instant on.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple, Protocol

from services.rules.calendar import NEVER, Calendar, Micros
from services.rules.entries import Item, Key
from services.rules.reference import Reference
from services.rules.series import Pick, Series

if TYPE_CHECKING:
    from services.rules.state import CustomerState

INFINITY = Decimal("Infinity")

AHEAD = 4
"""Points after `now` that a course tells. What may change later still is found by asking again at the last of them."""


class Span(NamedTuple):
    """A number that is only known to lie between two bounds, both included."""

    low: Decimal | int
    high: Decimal | int


class Unknown:
    """Not known at all, and not zero."""


class Later:
    """From here on the course was not worked out: ask again at this instant."""


UNKNOWN = Unknown()
LATER = Later()

Value = int | Decimal | str | bool | Span | Unknown | Later | None
"""None: there is nothing to measure (nobody is waiting), so no comparison with it holds."""


class Point(NamedTuple):
    """From `at` until the next point the fact has this value."""

    at: Micros
    value: Value


class Proof(NamedTuple):
    """The events behind a value: the newest `keys` of `total`."""

    keys: list[Key]
    total: int


class Question:
    """What a fact is asked about: its course from `since` on, told to `ahead` changes beyond `now`.

    `holds(name, since)` gives the course of a named condition of the same rule, `result(rule, since)` that of another
    rule's class or score. What is missing is only known to be missing up to `complete_until` (NEVER: no feed is asked).
    """

    __slots__ = ("ahead", "complete_until", "holds", "now", "reference", "result", "since", "state", "subject")

    def __init__(
        self,
        state: CustomerState,
        subject: str,
        now: Micros,
        since: Micros,
        reference: Reference,
        holds: Callable[[str, Micros], Sequence[Point]],
        result: Callable[[str, Micros], Sequence[Point]],
        complete_until: Micros = NEVER,
        ahead: int = AHEAD,
    ) -> None:
        # Written out: the compiler looks the types of a dataclass's fields up, and the state's is not yet there.
        self.state = state
        self.subject = subject
        self.now = now
        self.since = since
        self.reference = reference
        self.holds = holds
        self.result = result
        self.complete_until = complete_until
        self.ahead = ahead

    @property
    def calendar(self) -> Calendar:
        return self.state.calendar

    def series(self, pick: Pick) -> Series:
        """The items of a pick; of the subject alone, where the pick has a field that names it."""
        series = self.state.series(pick.whole)
        return series.of(pick.subject, self.subject) if pick.subject is not None else series


class Fact(Protocol):
    """`elapsed` facts have instants as values (since when), and are compared as the time that has passed since."""

    @property
    def elapsed(self) -> bool: ...
    @property
    def asks(self) -> bool:
        """Whether it asks about conditions of its rule, so that its course is the rule's own."""
        ...

    @property
    def picks(self) -> tuple[Pick, ...]:
        """The series that it reads."""
        ...

    @property
    def reach(self) -> Micros:
        """How far back the fact looks, besides what it `keeps`."""
        ...

    def points(self, question: Question) -> Iterator[Point]:
        """What it is from `question.since` on, told as it is asked for; the first point is at that very instant."""
        ...

    def course(self, question: Question) -> list[Point]:
        """The points to `question.ahead` changes beyond `question.now`."""
        ...

    def takes_effect(self, at: Micros, calendar: Calendar) -> Micros:
        """From when on an item that lies at an instant can change the value."""
        ...

    def evidence(self, question: Question, start: Micros, stop: Micros) -> Proof:
        """The events behind its values between two instants."""
        ...

    def keeps(self, state: CustomerState, line: Micros) -> Iterable[Key]:
        """Events from before `line` that the fact needs for ever: its firsts and lasts."""
        ...

    def touched(self, state: CustomerState, pick: Pick, items: Sequence[Item]) -> Iterable[str] | None:
        """The subjects whose course changed when these items of a pick came or went; None for all that there are."""
        ...


def least_elapsed(fact: Fact) -> Micros | None:
    """What a time passed would be if what is missing had come just now; None if nothing would be waited for."""
    least: Micros | None = getattr(fact, "least_elapsed", None)
    return least


LOOKS_AHEAD = 24
"""Instants after `now` that are looked at for changes, if none is found."""


class Measured:
    """What most facts have in common: they are told by their points, and an item counts from its own instant on."""

    def points(self, question: Question) -> Iterator[Point]:
        """What it is from `question.since` on."""
        raise AssertionError("every shape has its own")

    def course(self, question: Question) -> list[Point]:
        """The points to `question.ahead` changes beyond `question.now`."""
        return told(self.points(question), question.now, question.ahead)

    def takes_effect(self, at: Micros, calendar: Calendar) -> Micros:
        """From when on an item that lies at an instant can change the value."""
        return at

    def evidence(self, question: Question, start: Micros, stop: Micros) -> Proof:
        """No events: what others judged is proved where they judged it."""
        return Proof([], 0)

    def keeps(self, state: CustomerState, line: Micros) -> Iterable[Key]:
        """Nothing beyond its reach."""
        return ()

    def touched(self, state: CustomerState, pick: Pick, items: Sequence[Item]) -> Iterable[str] | None:
        """It is of the whole customer."""
        return None


@dataclass(frozen=True)
class OfOnePick(Measured):
    """Facts that read one series."""

    pick: Pick

    @property
    def picks(self) -> tuple[Pick, ...]:
        """The series that it reads."""
        return (self.pick,)

    def touched(self, state: CustomerState, pick: Pick, items: Sequence[Item]) -> Iterable[str] | None:
        """Those whom the items are about."""
        return subjects_of(pick, items)


def told(course: Iterable[Point], now: Micros, ahead: int = AHEAD) -> list[Point]:
    """The points of a course, to `ahead` changes beyond `now`."""
    points: list[Point] = []
    looks = LOOKS_AHEAD if ahead else 0
    beyond = looked = 0
    for at, value in course:
        if at > now:
            looked += 1
            if not points or points[-1].at != at:
                beyond += not points or points[-1].value != value
            if beyond > ahead or looked > looks:
                points.append(Point(at, LATER))
                break
        put(points, at, value)
    return points


MAX_EVENTS = 50
"""Events named as evidence of one fact; all of them are counted."""


def proof(items: Sequence[Item], first: int = 0, end: int | None = None) -> Proof:
    """The events behind a slice of a series' items, the newest named."""
    end = len(items) if end is None else end
    newest = items[max(first, end - MAX_EVENTS) : end]
    keys = list(dict.fromkeys(key for item in newest for key in item.keys))
    if end - first <= MAX_EVENTS:
        return Proof(keys, len(keys))
    return Proof(keys[-MAX_EVENTS:], end - first)


def subjects_of(pick: Pick, items: Sequence[Item]) -> Iterable[str] | None:
    """The subjects that items of a pick belong to; None when it knows no subject."""
    if pick.subject is None:
        return None
    return {subject_text(pick.subject.read(item)) for item in items}


def subject_text(value: object) -> str:
    """A subject as episodes name it."""
    return "" if value is None else str(value)


def put(points: list[Point], at: Micros, value: Value) -> None:
    """Adds a point; of several at one instant the last counts, and a value that stays the same is no change."""
    if points and points[-1].at == at:
        points.pop()
    if not points or points[-1].value != value or type(points[-1].value) is not type(value):
        points.append(Point(at, value))


def value_at(points: Sequence[Point], at: Micros) -> Value:
    """The value that holds at an instant."""
    index = bisect_right(points, at, key=lambda point: point.at)
    return points[index - 1].value if index else None
