"""Shapes about when something last happened, what was said last, and what is waited for. PURE."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from services.rules.calendar import DAY, NEVER, OPENING, Micros, years_later
from services.rules.entries import Item, Key
from services.rules.facts import OfOnePick, Point, Proof, Question, Value, proof, put
from services.rules.series import Path, Pick, Series
from services.rules.state import CustomerState


@dataclass(frozen=True)
class Latest(OfOnePick):
    """The newest value that some item gave a field; `default` before there was one, after it was cleared, and after it
    expired: a length after it was given, or at the end of the day that another field names. All items of the pick say
    something of the field."""

    path: Path
    default: Value
    expires_after: Micros | None = None
    expires_on: Path | None = None
    elapsed: bool = False
    reach: Micros = 0
    asks: bool = False

    def points(self, question: Question) -> Iterator[Point]:
        series = question.series(self.pick)
        items, index = series.items, series.up_to(question.since)
        yield Point(question.since, self._value_at(items, index - 1, question.since, question))
        for number in range(max(index - 1, 0), len(items)):
            item = items[number]
            if number >= index:
                yield Point(item.at, self._value_at(items, number, item.at, question))
            end = self._end(item, question)
            following = items[number + 1].at if number + 1 < len(items) else NEVER
            if question.since < end < following:
                yield Point(max(end, item.at), self.default)

    def _value_at(self, items: Sequence[Item], index: int, at: Micros, question: Question) -> Value:
        if index < 0 or at >= self._end(items[index], question):
            return self.default
        value: Value = self.path.read(items[index])
        return self.default if value is None else value

    def _end(self, item: Item, question: Question) -> Micros:
        if self.expires_on is not None:
            day = self.expires_on.read(item)
            if isinstance(day, int):
                return question.calendar.start_of_day(day + 1)
        return NEVER if self.expires_after is None else item.at + self.expires_after

    def evidence(self, question: Question, start: Micros, stop: Micros) -> Proof:
        series = question.series(self.pick)
        index = series.up_to(start)
        return proof(series.items, max(index - 1, 0), index)

    def keeps(self, state: CustomerState, line: Micros) -> Iterable[Key]:
        return last_kept(state, self.pick, line)


def last_kept(state: CustomerState, pick: Pick, line: Micros) -> list[Key]:
    """The names of each subject's newest item before a line."""
    series = state.series(pick.whole)
    if pick.subject is None:
        return [key for item in series.items[: series.before(line)][-1:] for key in item.keys]
    groups = series.groups(pick.subject).values()
    return [key for one in groups for item in one.items[: one.before(line)][-1:] for key in item.keys]


LOOKS_BACK = (0, 90 * DAY, 400 * DAY, 10**17)
"""How far back a condition is asked for the instant from which it has held, until it does not hold there."""


@dataclass(frozen=True)
class SinceLast(OfOnePick):
    """The time since something last happened. Before it ever did: since the later of the `otherwise` grounds, which are
    the instant from which a condition has held, and the newest item of another pick."""

    since_condition: str | None
    since_events: Pick | None
    elapsed: bool = True
    least_elapsed: Micros | None = 0
    reach: Micros = 0

    @property
    def asks(self) -> bool:
        return self.since_condition is not None

    @property
    def has_other_grounds(self) -> bool:
        """Whether time runs also where the thing never happened."""
        return self.since_condition is not None or self.since_events is not None

    @property
    def picks(self) -> tuple[Pick, ...]:
        return (self.pick, self.since_events) if self.since_events else (self.pick,)

    def points(self, question: Question) -> Iterator[Point]:
        series = question.series(self.pick)
        index = series.up_to(question.since)
        if index:
            yield Point(question.since, series.ats[index - 1])
        else:
            first = series.ats[0] if series.ats else NEVER
            yield from (point for point in self._otherwise(question) if point.at < first)
        for number in range(index, len(series)):
            yield Point(series.ats[number], series.ats[number])

    def _otherwise(self, question: Question) -> list[Point]:
        """Nobody has ever been in contact: from becoming important, or from the newest assignment, what is later."""
        since, changes = question.since, list[tuple[Micros, bool, Micros | None]]()
        started: Micros | None = None
        for point in self._held(question):
            started = (point.at if started is None else started) if point.value is True else None
            changes.append((point.at, False, started))
        if self.since_events is not None:
            changes += [(at, True, at) for at in question.series(self.since_events).ats]
        points = [Point(since, None)]
        anchors: dict[bool, Micros | None] = {False: None, True: None}
        for at, is_event, value in sorted(changes, key=lambda change: (change[0], change[1])):
            anchors[is_event] = value
            known = [anchor for anchor in anchors.values() if anchor is not None]
            put(points, max(at, since), max(known, default=None))
        return points

    def _held(self, question: Question) -> Sequence[Point]:
        """The condition's course from before the time in which it holds at `since` began, or from the newest event on:
        of both grounds the later counts."""
        points: Sequence[Point] = ()
        if self.since_condition is None:
            return points
        events = question.series(self.since_events) if self.since_events is not None else None
        index = events.up_to(question.since) if events is not None else 0
        floor = events.ats[index - 1] if events is not None and index else OPENING
        for back in LOOKS_BACK:
            start = max(question.since - back, floor)
            points = question.holds(self.since_condition, start)
            if points[0].value is not True or start == floor:
                break
        return points

    def evidence(self, question: Question, start: Micros, stop: Micros) -> Proof:
        for pick in self.picks:
            series = question.series(pick)
            index = series.up_to(start)
            if index:
                return proof(series.items, index - 1, index)
        return Proof([], 0)

    def keeps(self, state: CustomerState, line: Micros) -> Iterable[Key]:
        return [key for pick in self.picks for key in last_kept(state, pick, line)]


@dataclass(frozen=True)
class PastUsualGap(OfOnePick):
    """The time since the customer's usual rhythm would have brought the next item: the newest one and the greater of
    `least` and `times` x the median gap between items up to it."""

    least: Micros
    times: int
    elapsed: bool = True
    reach: Micros = 3 * 366 * DAY
    asks: bool = False

    def points(self, question: Question) -> Iterator[Point]:
        series = question.series(self.pick)
        index = series.up_to(question.since)
        yield Point(question.since, self.expected(series, index - 1) if index else None)
        for number in range(index, len(series)):
            yield Point(series.ats[number], self.expected(series, number))

    @property
    def least_elapsed(self) -> Micros:
        """What is the least that it can be: an item has come just now."""
        return -self.least

    def expected(self, series: Series, index: int) -> Micros:
        """The instant from which the silence after an item is longer than usual."""
        at, gaps = series.ats[index], series.gaps_up_to(index)
        if not gaps:
            return at + self.least
        middle = len(gaps) // 2
        doubled = gaps[middle] * 2 if len(gaps) % 2 else gaps[middle - 1] + gaps[middle]
        return at + max(self.least, self.times * doubled // 2)

    def evidence(self, question: Question, start: Micros, stop: Micros) -> Proof:
        series = question.series(self.pick)
        index = series.up_to(start)
        return proof(series.items, max(index - 1, 0), index)

    def keeps(self, state: CustomerState, line: Micros) -> Iterable[Key]:
        return last_kept(state, self.pick, line)


@dataclass(frozen=True)
class YearsSinceFirst(OfOnePick):
    """Full years since the first item, counted by its company day; 29 February is kept on the 28th. None before."""

    elapsed: bool = False
    reach: Micros = 0
    asks: bool = False

    def points(self, question: Question) -> Iterator[Point]:
        series, calendar = question.series(self.pick), question.calendar
        if not series.ats or series.ats[0] > question.since:
            yield Point(question.since, None)
        if not series.ats:
            return
        first = calendar.day_of(series.ats[0])
        years = 0
        while years < 200:
            at = series.ats[0] if years == 0 else calendar.start_of_day(years_later(first, years))
            after = calendar.start_of_day(years_later(first, years + 1))
            if after > question.since:
                yield Point(max(at, question.since), years)
            years += 1

    def evidence(self, question: Question, start: Micros, stop: Micros) -> Proof:
        return proof([item for item in question.series(self.pick).items[:1] if item.at <= stop])

    def keeps(self, state: CustomerState, line: Micros) -> Iterable[Key]:
        series = state.series(self.pick.whole)
        groups = [series] if self.pick.subject is None else list(series.groups(self.pick.subject).values())
        return [key for one in groups for item in one.items[:1] for key in item.keys]
