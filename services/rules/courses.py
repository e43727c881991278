"""Courses that were worked out and still stand, kept with an open customer. PURE.

A course depends only on the items of the series that it reads, and what it says from an instant on depends on nothing
else: until one of those series changes, a course worked out earlier serves every later question, cut off in front. It
serves as long as it was worked out beyond the present.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from services.rules.calendar import Micros
from services.rules.facts import LATER, Point
from services.rules.series import Series

MOST_POINTS = 32
"""A longer course, of a question about a long past, is not kept."""


class Course(NamedTuple):
    """From `since` on. `subject` is whose course it is, held so that its identity is no other's; `seen` counts the
    changes of the series when it was worked out."""

    subject: Any
    since: Micros
    points: Sequence[Point]
    series: tuple[Series, ...]
    seen: int


class Courses:
    """The courses of one customer: of facts about the whole of it, and of classes."""

    def __init__(self) -> None:
        self._kept: dict[int, Course] = {}
        self._circumstances: Any = None

    def hold_for(self, circumstances: Any) -> None:
        """Under other circumstances (rates, rankings) nothing stands that was worked out before."""
        if circumstances != self._circumstances:
            self._kept.clear()
            self._circumstances = circumstances

    def find(self, subject: object, since: Micros, now: Micros) -> Sequence[Point] | None:
        """The course of a fact or a rule from an instant on, worked out beyond `now`; None when none stands."""
        course = self._kept.get(id(subject))
        if course is None or course.subject is not subject or course.since > since:
            return None
        points = course.points
        last = points[-1]
        if (last.value is LATER and last.at <= now) or course.seen != _changes(course.series):
            return None
        if len(points) == 1 or points[1].at > since:
            return points if course.since == since else [Point(since, points[0].value), *points[1:]]
        index = bisect_right(points, since, key=_at)
        return [Point(since, points[index - 1].value), *points[index:]]

    def keep(self, subject: object, since: Micros, points: Sequence[Point], series: Iterable[Series]) -> None:
        """A course that was worked out of the items of these series."""
        if len(points) <= MOST_POINTS:
            series = tuple(series)
            self._kept[id(subject)] = Course(subject, since, points, series, _changes(series))


def _changes(series: Iterable[Series]) -> int:
    # Each count only grows, so the sum is the same only if none has.
    return sum([one.changes for one in series])


def _at(point: Point) -> Micros:
    return point.at
