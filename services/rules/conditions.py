"""Condition trees over facts, and the courses of their truth. PURE.

A leaf compares a fact with a threshold; all that matters of the fact is on which side of the threshold it lies. The
sides of a tree's leaves at an instant are its signature, and a `Judge` says whether the tree holds for a signature.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from services.rules.calendar import BEGINNING, Micros
from services.rules.facts import Point, Span, Unknown, Value, value_at

Op = Literal["<", "<=", "==", "!=", ">=", ">"]
Side = Literal[-1, 0, 1]
Threshold = int | Decimal | str | bool | frozenset[str]

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


@dataclass(frozen=True)
class Tree:
    """`all` or `any` of its branches; negation has been pushed down into the leaves."""

    mode: Literal["all", "any"]
    branches: tuple[Tree | Leaf, ...]


Node = Tree | Leaf
Judge = Callable[[Mapping[str, Side]], bool]
"""Whether the tree holds, given the side on which each of its leaves lies."""


def leaves_of(node: Node) -> Iterator[Leaf]:
    """Every leaf, from left to right."""
    if isinstance(node, Leaf):
        yield node
    else:
        for branch in node.branches:
            yield from leaves_of(branch)


def side(leaf: Leaf, value: Value) -> Side | None:
    """On which side of the threshold the value lies; None when that is not known."""
    if value is None:
        return FALSE_SIDE[leaf.op]
    if isinstance(value, Unknown):
        return None
    if _is_no_number(value, leaf.threshold):
        return FALSE_SIDE[leaf.op]
    if isinstance(value, Span):
        low, high = _compare(value.low, leaf.threshold), _compare(value.high, leaf.threshold)
        return low if _same_verdict(leaf.op, low, high) else None
    return _compare(value, leaf.threshold)


_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")


def _is_no_number(value: Value, threshold: Threshold) -> bool:
    """A word where a number is wanted: no comparison holds."""
    wants_number = isinstance(threshold, (int, Decimal)) and not isinstance(threshold, bool)
    return wants_number and isinstance(value, str) and not _NUMBER.fullmatch(value)


def _compare(value: object, threshold: Threshold) -> Side:
    if isinstance(threshold, frozenset):
        return 0 if value in threshold else 1
    if isinstance(threshold, (str, bool)) or isinstance(value, bool):
        return 0 if type(value) is type(threshold) and value == threshold else 1
    # A decimal is kept as a text, so that it stays exact.
    number = value if isinstance(value, (int, Decimal)) else Decimal(str(value))
    return 0 if number == threshold else -1 if number < threshold else 1


def true_on(op: Op, at: Side) -> bool:
    """Whether a comparison holds on this side."""
    return {"<": at < 0, "<=": at <= 0, "==": at == 0, "!=": at != 0, ">=": at >= 0, ">": at > 0}[op]


def _same_verdict(op: Op, low: Side, high: Side) -> bool:
    # Between the two the value may also equal the threshold.
    if low != high and op in ("==", "!="):
        return False
    return true_on(op, low) == true_on(op, high)


def side_course(leaf: Leaf, points: Sequence[Point]) -> list[tuple[Micros, Side | None]]:
    """The leaf's side over time. Time passed counts as above its limit from the instant that reaches it."""
    course: list[tuple[Micros, Side | None]] = []
    for index, point in enumerate(points):
        until = points[index + 1].at if index + 1 < len(points) else None
        if not leaf.elapsed or point.value is None:
            course.append((point.at, side(leaf, point.value)))
            continue
        assert isinstance(point.value, int), "an elapsed fact's values are instants"
        assert isinstance(leaf.threshold, int), "an elapsed fact's threshold is a duration"
        limit = point.value + leaf.threshold
        if limit > point.at:
            course.append((point.at, -1))
        if until is None or limit < until:
            course.append((max(limit, point.at), 1))
    return course


def assumed(leaf: Leaf, course: Sequence[tuple[Micros, Side | None]], holds: bool) -> list[tuple[Micros, Side]]:
    """The course as it would be if what is not known held, or did not."""
    side_if = TRUE_SIDE[leaf.op] if holds else FALSE_SIDE[leaf.op]
    return [(at, side_if if known is None else known) for at, known in course]


def truth_course(node: Node, courses: Mapping[str, Sequence[tuple[Micros, Side]]], judge: Judge) -> list[Point]:
    """When the tree holds, given the courses of its leaves: points of True and False."""
    leaves = list(leaves_of(node))
    changes = sorted({at for leaf in leaves for at, _ in courses[leaf.name]} | {BEGINNING})
    cursors = {leaf.name: -1 for leaf in leaves}
    points: list[Point] = []
    for at in changes:
        for leaf in leaves:
            course, cursor = courses[leaf.name], cursors[leaf.name]
            while cursor + 1 < len(course) and course[cursor + 1][0] <= at:
                cursor += 1
            cursors[leaf.name] = cursor
        verdict = judge({name: courses[name][cursor][1] for name, cursor in cursors.items()})
        if not points or points[-1].value is not verdict:
            points.append(Point(at, verdict))
    return points


def agreed(one: Sequence[Point], other: Sequence[Point]) -> list[Point]:
    """What two suppositions agree on: points of True, False, or None where they differ."""
    points: list[Point] = []
    for at in sorted({point.at for point in (*one, *other)}):
        first, second = value_at(one, at), value_at(other, at)
        verdict = first if first is second else None
        if not points or points[-1].value is not verdict:
            points.append(Point(at, verdict))
    return points


def stretches(points: Sequence[Point]) -> list[tuple[Micros, Micros | None]]:
    """[start, end) of each time the condition held; end None when nothing ends it. Where it is not known, no stretch
    starts or ends."""
    found: list[tuple[Micros, Micros | None]] = []
    start: Micros | None = None
    for point in points:
        if point.value is True and start is None:
            start = point.at
        elif point.value is False and start is not None:
            found.append((start, point.at))
            start = None
    if start is not None:
        found.append((start, None))
    return found


def plain_judge(node: Node) -> Judge:
    """The tree evaluated as it reads: what the matcher is held equal to, and its stand-in where it cannot be built."""

    def holds(sides: Mapping[str, Side], branch: Node) -> bool:
        if isinstance(branch, Leaf):
            return true_on(branch.op, sides[branch.name])
        verdicts = (holds(sides, inner) for inner in branch.branches)
        return all(verdicts) if branch.mode == "all" else any(verdicts)

    return lambda sides: holds(sides, node)
