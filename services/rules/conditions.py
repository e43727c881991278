"""Condition trees over facts, and the courses of their truth. PURE.

A leaf compares a fact with a threshold; all that matters of the fact is on which side of the threshold it lies. The
sides of a tree's leaves at an instant are its signature, and a `Judge` says whether the tree holds for a signature.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal, NamedTuple

from services.rules.calendar import NEVER, Micros
from services.rules.facts import LATER, Later, Point, Span, Unknown, Value

Op = Literal["<", "<=", "==", "!=", ">=", ">"]
Side = Literal[-1, 0, 1]
SidePoint = tuple[Micros, Side | Later | None]
"""From an instant on a leaf lies on this side; None where that is not known, LATER where it was not worked out."""


class Measurable:
    """The threshold of a leaf that asks whether there is anything to measure."""


KNOWN = Measurable()
Threshold = int | Decimal | str | bool | frozenset[str | int | bool] | Measurable

FALSE_SIDE: dict[Op, Side] = {"<": 1, "<=": 1, "==": 1, "!=": 0, ">=": -1, ">": -1}
TRUE_SIDE: dict[Op, Side] = {"<": -1, "<=": -1, "==": 0, "!=": 1, ">=": 1, ">": 1}
OPPOSITE: dict[Op, Op] = {"<": ">=", "<=": ">", "==": "!=", "!=": "==", ">=": "<", ">": "<="}


@dataclass(frozen=True)
class Leaf:
    """`fact op threshold`; `elapsed` facts are compared as time passed, in microseconds."""

    name: str
    fact: str
    op: Op
    threshold: Threshold
    elapsed: bool = False
    leaves: tuple[Leaf, ...] = field(init=False, repr=False, compare=False)
    """Itself."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "leaves", (self,))


@dataclass(frozen=True)
class Tree:
    """`all` or `any` of its branches; negation has been pushed down into the leaves."""

    mode: Literal["all", "any"]
    branches: tuple[Tree | Leaf, ...]
    leaves: tuple[Leaf, ...] = field(init=False, repr=False, compare=False)
    """Every leaf, from left to right."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "leaves", tuple(leaf for branch in self.branches for leaf in branch.leaves))


Node = Tree | Leaf
Judge = Callable[[Mapping[str, Side]], bool]
"""Whether the tree holds, given the side on which each of its leaves lies."""


def leaves_of(node: Node) -> tuple[Leaf, ...]:
    """Every leaf, from left to right."""
    return node.leaves


def side(leaf: Leaf, value: Value) -> Side | None:
    """On which side of the threshold the value lies; None when that is not known."""
    threshold = leaf.threshold
    if type(value) in _NUMBERS and type(threshold) in _NUMBERS:
        return 0 if value == threshold else -1 if value < threshold else 1  # type: ignore[operator]
    if isinstance(value, Unknown):
        return None
    if leaf.threshold is KNOWN:
        return 1 if value is None else 0
    if value is None or _is_no_number(value, leaf.threshold):
        return FALSE_SIDE[leaf.op]
    if isinstance(value, Span):
        return _side_of_span(leaf, value)
    return _compare(value, leaf.threshold)


_NUMBERS = frozenset({int, Decimal})
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")


def _is_no_number(value: Value, threshold: Threshold) -> bool:
    """A word, or true or false, where a number is wanted: no comparison holds."""
    if isinstance(threshold, bool) or not isinstance(threshold, (int, Decimal)):
        return False
    return not isinstance(value, Span) and _number(value) is None


def _number(value: object) -> Decimal | int | None:
    """The number that a value is. A decimal is kept as a text, so that it stays exact."""
    if isinstance(value, (int, Decimal)) and not isinstance(value, bool):
        return value
    if isinstance(value, float) or (isinstance(value, str) and _NUMBER.fullmatch(value)):
        return Decimal(str(value))
    return None


def _compare(value: object, threshold: Threshold) -> Side:
    if isinstance(threshold, frozenset):
        return 0 if any(_equals(value, one) for one in threshold) else 1
    if isinstance(threshold, (str, bool)):
        return 0 if _equals(value, threshold) else 1
    number = _number(value)
    assert number is not None, "what is no number was told apart before"
    assert not isinstance(threshold, Measurable), "whether there is anything to measure is no comparison"
    return 0 if number == threshold else -1 if number < threshold else 1


def _equals(value: object, wanted: object) -> bool:
    """Texts are compared as they are written, numbers as numbers, also where one of the two is written as a text."""
    if isinstance(value, str) and isinstance(wanted, str):
        return value == wanted
    if isinstance(value, bool) or isinstance(wanted, bool):
        return value is wanted
    number = _number(value)
    return number is not None and number == _number(wanted)


def _side_of_span(leaf: Leaf, span: Span) -> Side | None:
    """None where the numbers within the bounds lie on sides with different verdicts."""
    if leaf.op in ("==", "!="):
        words = leaf.threshold if isinstance(leaf.threshold, frozenset) else [leaf.threshold]
        numbers = [number for number in map(_number, words) if number is not None]
        if span.low != span.high and any(span.low <= number <= span.high for number in numbers):
            return None
    low, high = _compare(span.low, leaf.threshold), _compare(span.high, leaf.threshold)
    return low if true_on(leaf.op, low) == true_on(leaf.op, high) else None


_HOLDS_ON: dict[Op, tuple[Side, ...]] = {
    "<": (-1,),
    "<=": (-1, 0),
    "==": (0,),
    "!=": (-1, 1),
    ">=": (0, 1),
    ">": (1,),
}


def true_on(op: Op, at: Side) -> bool:
    """Whether a comparison holds on this side."""
    return at in _HOLDS_ON[op]


def first_that_may_hold(leaf: Leaf, points: Sequence[Point], since: Micros) -> Micros:
    """The first instant from `since` on at which a comparison holds or is not known, by the course of its fact from
    then or earlier; NEVER where it never does."""
    course = side_course(leaf, points)
    for index, (at, known) in enumerate(course):
        if index + 1 < len(course) and course[index + 1][0] <= since:
            continue
        if known is None or isinstance(known, Later) or true_on(leaf.op, known):
            return max(at, since)
    return NEVER


def side_course(leaf: Leaf, points: Sequence[Point]) -> list[SidePoint]:
    """The leaf's side over time. Time passed counts as above its limit from the instant that reaches it."""
    course: list[SidePoint] = []
    for index, point in enumerate(points):
        at, value = point
        if isinstance(value, Later):
            course.append((at, LATER))
            break
        if not leaf.elapsed or value is None or leaf.threshold is KNOWN:
            course.append((at, side(leaf, value)))
            continue
        assert isinstance(value, int), "an elapsed fact's values are instants"
        assert isinstance(leaf.threshold, int), "an elapsed fact's threshold is a duration"
        limit = value + leaf.threshold
        if limit > at:
            course.append((at, -1))
        if limit < (points[index + 1].at if index + 1 < len(points) else NEVER):
            course.append((max(limit, at), 1))
    return course


def silenced(leaf: Leaf, course: Sequence[SidePoint], complete_until: Micros, least: Micros | None) -> list[SidePoint]:
    """The side of a time passed where its feed may be silent: beyond `complete_until` what is missing may have come,
    and then `least` would have passed (None: nothing would be waited for). Where that changes the verdict it is not
    known."""
    if least is None or leaf.threshold is KNOWN:
        had_it_come = FALSE_SIDE[leaf.op] if leaf.threshold is not KNOWN else (1 if least is None else 0)
    else:
        assert isinstance(leaf.threshold, int), "an elapsed fact's threshold is a duration"
        had_it_come = 1 if least >= leaf.threshold else -1
    verdict = true_on(leaf.op, had_it_come)
    known = [point for point in course if point[0] <= complete_until]
    beyond = [point for point in course if point[0] > complete_until]
    if known and (not beyond or beyond[0][0] > complete_until + 1):
        beyond.insert(0, (complete_until + 1, known[-1][1]))
    return known + [(at, now if _agrees(leaf, now, verdict) else None) for at, now in beyond]


def _agrees(leaf: Leaf, now: Side | Later | None, verdict: bool) -> bool:
    return now is None or isinstance(now, Later) or true_on(leaf.op, now) is verdict


def assumed(leaf: Leaf, course: Sequence[SidePoint], holds: bool) -> list[tuple[Micros, Side | Later]]:
    """The course as it would be if what is not known held, or did not."""
    side_if = TRUE_SIDE[leaf.op] if holds else FALSE_SIDE[leaf.op]
    return [(at, side_if if known is None else known) for at, known in course]


def truth_course(node: Node, courses: Sequence[Sequence[tuple[Micros, Side | Later]]], judge: Judge) -> list[Point]:
    """When the tree holds, given the courses of its leaves from left to right, which begin at one instant: points of
    True and False, and of LATER where the first of them ends."""
    if len(courses) == 1:
        return _truth_of_one(node, courses[0], judge)
    names = [leaf.name for leaf in leaves_of(node)]
    cursors = [0] * len(courses)
    points: list[Point] = []
    at = courses[0][0][0]
    while True:
        sides: dict[str, Side] = {}
        for number, course in enumerate(courses):
            cursor = cursors[number]
            while cursor + 1 < len(course) and course[cursor + 1][0] <= at:
                cursor += 1
            cursors[number] = cursor
            now = course[cursor][1]
            if isinstance(now, Later):
                points.append(Point(at, LATER))
                return points
            sides[names[number]] = now
        verdict = judge(sides)
        if not points or points[-1].value is not verdict:
            points.append(Point(at, verdict))
        coming = [
            course[cursor + 1][0] for course, cursor in zip(courses, cursors, strict=True) if cursor + 1 < len(course)
        ]
        if not coming:
            return points
        at = min(coming)


def _truth_of_one(node: Node, course: Sequence[tuple[Micros, Side | Later]], judge: Judge) -> list[Point]:
    (leaf,) = leaves_of(node)
    points: list[Point] = []
    for at, now in course:
        if isinstance(now, Later):
            points.append(Point(at, LATER))
            break
        verdict = judge({leaf.name: now})
        if not points or points[-1].value is not verdict:
            points.append(Point(at, verdict))
    return points


def agreed(one: Sequence[Point], other: Sequence[Point]) -> list[Point]:
    """What two suppositions agree on: True, False, or None where they differ; LATER where one of them ends."""
    points: list[Point] = []
    first = second = 0
    at = one[0].at
    while True:
        while first + 1 < len(one) and one[first + 1].at <= at:
            first += 1
        while second + 1 < len(other) and other[second + 1].at <= at:
            second += 1
        verdict: Value
        if LATER in (one[first].value, other[second].value):
            verdict = LATER
        else:
            verdict = one[first].value if one[first].value is other[second].value else None
        if not points or points[-1].value is not verdict:
            points.append(Point(at, verdict))
        coming = [course[n + 1].at for course, n in ((one, first), (other, second)) if n + 1 < len(course)]
        if not coming or verdict is LATER:
            return points
        at = min(coming)


class Stretch(NamedTuple):
    """[start, end) in which a condition held; end None when nothing ends it."""

    start: Micros
    end: Micros | None


def stretches(points: Sequence[Point], running_since: Micros | None = None) -> tuple[list[Stretch], Micros]:
    """Each time the condition held, and the instant from which on that was not worked out (NEVER for none).

    Where it is not known, no stretch starts or ends. `running_since` is the start of the one that was running when the
    points begin.
    """
    found: list[Stretch] = []
    start = running_since
    for point in points:
        if point.value is LATER:
            if start is not None:
                found.append(Stretch(start, None))
            return found, point.at
        if point.value is True and start is None:
            start = point.at
        elif point.value is False and start is not None:
            found.append(Stretch(start, point.at))
            start = None
    if start is not None:
        found.append(Stretch(start, None))
    return found, NEVER


def plain_judge(node: Node) -> Judge:
    """The tree evaluated as it reads: what the matcher is held equal to, and its stand-in where it cannot be built."""

    def holds(sides: Mapping[str, Side], branch: Node) -> bool:
        if isinstance(branch, Leaf):
            return true_on(branch.op, sides[branch.name])
        verdicts = (holds(sides, inner) for inner in branch.branches)
        return all(verdicts) if branch.mode == "all" else any(verdicts)

    return lambda sides: holds(sides, node)
