"""Shapes that read what others judged: rankings, the results of other rules, archives, checklists. PURE."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from services.rules.calendar import NEVER, Micros
from services.rules.entries import Item, Key
from services.rules.facts import UNKNOWN, Measured, OfOnePick, Point, Proof, Question, Value, proof, subjects_of
from services.rules.series import Pick
from services.rules.state import CustomerState
from services.rules.timing import last_kept


@dataclass(frozen=True)
class Rank(Measured):
    """The customer's percentile in the newest ranking, or with `note` what is said of its place there; None when it is
    not named. Before the first ranking, and when the newest is older than `max_age`, it is unknown, or None where the
    rule says so."""

    measure: str
    max_age: Micros
    none_without: bool = False
    note: bool = False
    elapsed: bool = False
    asks: bool = False
    picks: tuple[Pick, ...] = ()
    reach: Micros = 0

    def points(self, question: Question) -> Iterator[Point]:
        rankings = question.reference.ranking(self.measure)
        missing: Value = None if self.none_without else UNKNOWN
        yield Point(question.since, missing)
        for index, one in enumerate(rankings):
            following = rankings[index + 1].as_of if index + 1 < len(rankings) else NEVER
            expires = one.as_of + self.max_age
            if min(following, expires) > question.since:
                told: Mapping[str, Value] = one.notes if self.note else one.percentiles
                value = told.get(question.state.customer_id)
                yield Point(max(one.as_of, question.since), value)
            if question.since <= expires < following:
                yield Point(expires, missing)


RANKED_MONTHS = (12, 24)
"""Of how many months rankings by amount are published."""


def measure_of(name: str, months: int) -> str:
    """What a ranking of so many months is called. Raises ValueError with a sentence when none is published."""
    if months not in RANKED_MONTHS:
        raise ValueError(f"months: rankings are published of {' or '.join(map(str, RANKED_MONTHS))} months")
    return f"{name}_{months}m"


@dataclass(frozen=True)
class Result(Measured):
    """The class or the score that another rule gives the customer. `picks` are the series that rule reads."""

    rule: str
    picks: tuple[Pick, ...] = ()
    elapsed: bool = False
    asks: bool = False
    reach: Micros = 0

    def points(self, question: Question) -> Iterator[Point]:
        yield from question.result(self.rule, question.since)


@dataclass(frozen=True)
class Filled(OfOnePick):
    """The share of an archive section's fields that have a value; with `missing` the names of those that have none."""

    fields: tuple[str, ...]
    missing: bool = False
    elapsed: bool = False
    asks: bool = False
    reach: Micros = 0

    def points(self, question: Question) -> Iterator[Point]:
        series = question.series(self.pick)
        index = series.up_to(question.since)
        values: dict[str, Any] = {}
        for item in series.items[:index]:
            values.update(_archived(item))
        yield Point(question.since, self._value(values))
        for item in series.items[index:]:
            values.update(_archived(item))
            yield Point(item.at, self._value(values))

    def _value(self, values: Mapping[str, Any]) -> Value:
        missing = [name for name in self.fields if values.get(name) in (None, "")]
        if self.missing:
            return ", ".join(missing) or None
        return Decimal(len(self.fields) - len(missing)) / len(self.fields)

    def evidence(self, question: Question, start: Micros, stop: Micros) -> Proof:
        # What was filled in since has not been enough, and says what is missing now.
        series = question.series(self.pick)
        return proof(series.items, 0, len(series) if stop >= NEVER else series.up_to(stop))

    def keeps(self, state: CustomerState, line: Micros) -> Iterable[Key]:
        newest: dict[str, tuple[Key, ...]] = {}
        series = state.series(self.pick.whole)
        for item in series.items[: series.before(line)]:
            newest.update(dict.fromkeys(_archived(item), item.keys))
        return [key for name in self.fields for key in newest.get(name, ())]


def _archived(item: Item) -> Mapping[str, Any]:
    found = (item.data or {}).get("fields")
    return found if isinstance(found, Mapping) else {}


@dataclass(frozen=True)
class Checklist(Measured):
    """The share of the tasks of the opportunity's stage that were done since it entered; None without a list."""

    visits: Pick
    tasks: Pick
    lists: tuple[tuple[str, frozenset[str]], ...]
    elapsed: bool = False
    asks: bool = False
    reach: Micros = 0

    @property
    def picks(self) -> tuple[Pick, ...]:
        return (self.visits, self.tasks)

    def points(self, question: Question) -> Iterator[Point]:
        visits, since = question.series(self.visits), question.since
        first = visits.up_to(since) - 1
        if first < 0:
            yield Point(since, None)
        for number in range(max(first, 0), len(visits)):
            following = visits.ats[number + 1] if number + 1 < len(visits) else NEVER
            for point in self._during(question, visits.items[number], following):
                yield Point(max(point.at, since), point.value)

    def _during(self, question: Question, visit: Item, end: Micros) -> Iterator[Point]:
        wanted = dict(self.lists).get((visit.data or {})["stage"])
        if not wanted:
            yield Point(visit.at, None)
            return
        tasks = question.series(self.tasks)
        done: set[str] = set()
        yield Point(visit.at, Decimal(0))
        for task in tasks.items[tasks.before(visit.at) : tasks.before(end)]:
            kind = (task.data or {})["kind"]
            if kind in wanted:
                done.add(kind)
                yield Point(task.at, Decimal(len(done)) / len(wanted))

    def evidence(self, question: Question, start: Micros, stop: Micros) -> Proof:
        visits, tasks = question.series(self.visits), question.series(self.tasks)
        index = visits.up_to(start)
        visit = visits.items[max(index - 1, 0) : index]
        entered = visit[0].at if visit else start
        return proof([*visit, *tasks.items[tasks.before(entered) : tasks.up_to(start)]])

    def keeps(self, state: CustomerState, line: Micros) -> Iterable[Key]:
        return last_kept(state, self.visits, line)

    def touched(self, state: CustomerState, pick: Pick, items: Sequence[Item]) -> Iterable[str] | None:
        return subjects_of(pick, items)
