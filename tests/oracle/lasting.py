"""Shapes that look back at what came last or first, at balances, at rankings and at other rules."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from fractions import Fraction
from itertools import pairwise
from math import floor
from statistics import median
from typing import TYPE_CHECKING, Any

from tests.oracle.conditions import Condition, Fact
from tests.oracle.days import DAY, anniversaries_reached, duration, local_day, year_starts
from tests.oracle.known import ABSENT, Source, View, Where, at_path
from tests.oracle.money import ZERO, Part, parts_of
from tests.oracle.series import Item
from tests.oracle.standing import midnight
from tests.oracle.worlds import UNKNOWN

if TYPE_CHECKING:
    from tests.oracle.rules import ClassRule, ScoreRule

NOTHING = timedelta(0)


class Lasting(Fact):
    """Looks at the items of one source up to the instant."""

    def __init__(self, of: str, where: Where | None = None, **options: Any) -> None:
        self.source = Source(of, where or {}, options)

    def sources(self) -> tuple[Source, ...]:
        return (self.source,)

    def upto(self, view: View, at: datetime, world: bool) -> list[Item]:
        """What lies there by the instant, oldest first."""
        return [item for item in view.items(self.source, world) if item.at <= at]


class Latest(Lasting):
    """The newest value of a field; the default before there is one, where it was cleared and when it has expired."""

    def __init__(
        self,
        of: str,
        field: str,
        where: Where | None = None,
        default: Any = None,
        expires: timedelta | None = None,
        last_day: str | None = None,
    ) -> None:
        super().__init__(of, where)
        self.field, self.default, self.expires, self.last_day = field, default, expires, last_day

    def turns(self, view: View) -> Iterable[datetime]:
        items = view.all_of(self.source)
        ends = [end for item in items if (end := self._end(view, item)) is not None]
        return [item.at for item in items] + ends

    def _end(self, view: View, item: Item) -> datetime | None:
        day = at_path(item, self.last_day) if self.last_day else ABSENT
        if isinstance(day, date):
            return midnight(day + DAY, view.zone)
        return item.at + self.expires if self.expires else None

    def measure(self, view: View, at: datetime, world: bool) -> Any:
        said = [item for item in self.upto(view, at, world) if at_path(item, self.field) is not ABSENT]
        if not said:
            return self.default
        value, end = at_path(said[-1], self.field), self._end(view, said[-1])
        return self.default if value is None or (end is not None and at >= end) else value


class Filled(Lasting):
    """The share of the fields of a section that have a value which is neither empty nor null."""

    def __init__(self, section: str, fields: Sequence[str]) -> None:
        super().__init__("profile.updated", {"section": {"is": section}})
        self.fields = fields

    def measure(self, view: View, at: datetime, world: bool) -> Fraction:
        known: dict[str, Any] = {}
        for item in self.upto(view, at, world):
            known.update(item.fields["fields"])
        return Fraction(sum(known.get(field) not in (None, "") for field in self.fields), len(self.fields))


class SinceLast(Lasting):
    """The time since the newest item; before there was one, since the latest of what counts otherwise."""

    def __init__(
        self, of: str, where: Where | None = None, otherwise: Sequence[Condition | Source] = (), **options: Any
    ) -> None:
        super().__init__(of, where, **options)
        self.otherwise = otherwise

    def turns(self, view: View) -> Iterable[datetime]:
        found = [item.at for item in view.all_of(self.source)]
        for other in self.otherwise:
            found += other.turns(view) if isinstance(other, Condition) else [i.at for i in view.all_of(other)]
        return found

    def sources(self) -> tuple[Source, ...]:
        found = [self.source]
        for other in self.otherwise:
            if isinstance(other, Source):
                found.append(other)
            else:
                found += [source for fact in other.facts() for source in fact.sources()]
        return tuple(found)

    def measure(self, view: View, at: datetime, world: bool) -> timedelta | None:
        if view.silent(at) and not world:
            return NOTHING
        items = self.upto(view, at, world)
        begun = [items[-1].at] if items else self._otherwise(view, at, world)
        return at - max(begun) if begun else None

    def _otherwise(self, view: View, at: datetime, world: bool) -> list[datetime]:
        found = []
        for other in self.otherwise:
            if isinstance(other, Condition):
                since = other.since(view, at, world)
                found += [since] if since is not None else []
            else:
                found += [item.at for item in view.items(other, world) if item.at <= at]
        return found


class PastUsualGap(Lasting):
    """The time since nothing came for longer than usual; negative while it is not that long yet."""

    def __init__(self, of: str, least: timedelta, times: int, where: Where | None = None, **options: Any) -> None:
        super().__init__(of, where, **options)
        self.least, self.times = least, times

    def begins(self, view: View) -> Iterable[datetime]:
        instants = {item.at for item in view.all_of(self.source)}
        return [
            allowed for at in instants for w in (False, True) if (allowed := self._allowed(view, at, w)) is not None
        ]

    def _allowed(self, view: View, at: datetime, world: bool) -> datetime | None:
        """Until when the next one may take its time."""
        instants = [item.at for item in self.upto(view, at, world)]
        if not instants:
            return None
        gaps = [later - earlier for earlier, later in pairwise(instants)]
        usual = median(Fraction(gap // timedelta(microseconds=1)) for gap in gaps) if gaps else Fraction(0)
        return instants[-1] + max(self.least, timedelta(microseconds=floor(usual * self.times)))

    def measure(self, view: View, at: datetime, world: bool) -> timedelta | None:
        allowed = self._allowed(view, at, world)
        if allowed is None:
            return None
        return at - allowed if world or not view.silent(at) else -self.least


class AnniversariesSinceFirst(Lasting):
    def turns(self, view: View) -> Iterable[datetime]:
        instants = [item.at for item in view.all_of(self.source)]
        return instants + [start for at in instants for start in year_starts(at, view.clock, view.zone)]

    def measure(self, view: View, at: datetime, world: bool) -> int | None:
        items = self.upto(view, at, world)
        return anniversaries_reached(items[0].at, at, view.zone) if items else None


class Level(Fact):
    """What is open, or open after its day, at the start of the day and all through it; in one currency."""

    def __init__(self, series: str, currency: str) -> None:
        self.overdue, self.currency = series == "overdue_balance", currency

    def _parts(self, view: View) -> list[Part]:
        if self not in view.memo:
            found = [part for part in parts_of(view.events) if not part.disputed and part.currency == self.currency]
            view.memo[self] = found
        parts: list[Part] = view.memo[self]
        return parts

    def _begins(self, part: Part) -> date:
        return part.due + DAY if self.overdue else part.issued

    def turns(self, view: View) -> Iterable[datetime]:
        days = {day for part in self._parts(view) for day in (self._begins(part), *(on for on, _ in part.covered))}
        return [midnight(day, view.zone) for day in days]

    def measure(self, view: View, at: datetime, world: bool) -> Any:
        today = local_day(at, view.zone)
        return sum((p.uncovered_at_end_of(today) for p in self._parts(view) if self._begins(p) <= today), ZERO)


class Rank(Fact):
    """Where the newest ranking sees the customer; unknown, or None on request, when there is no fresh one."""

    def __init__(self, measure: str, max_age: str | None = None, unknown: str = "unknown") -> None:
        self.measured, self.max_age = measure, duration(max_age) if max_age else None
        self.nothing = None if unknown == "none" else UNKNOWN

    def turns(self, view: View) -> Iterable[datetime]:
        instants = [ranking.as_of for ranking in view.reference.rankings(self.measured)]
        return instants + [at + self.max_age for at in instants if self.max_age]

    def measure(self, view: View, at: datetime, world: bool) -> Any:
        seen = [ranking for ranking in view.reference.rankings(self.measured) if ranking.as_of <= at]
        if not seen or (self.max_age is not None and at >= seen[-1].as_of + self.max_age):
            return self.nothing
        return seen[-1].percentiles.get(view.customer_id)


class Result(Fact):
    """What another rule says of the customer as a whole."""

    def __init__(self, rule: ClassRule | ScoreRule) -> None:
        self.rule = rule

    def sources(self) -> tuple[Source, ...]:
        return tuple(source for fact in self.rule.facts() for source in fact.sources())

    def turns(self, view: View) -> Iterable[datetime]:
        return self.rule.turns(view.root())

    def measure(self, view: View, at: datetime, world: bool) -> Any:
        return self.rule.result(view.root(), at)


class Checklist(Fact):
    """The share of the tasks of the opportunity's present stage that are done since it entered."""

    def __init__(self, lists: dict[str, list[str]]) -> None:
        self.lists = lists
        self.visits, self.tasks = Source("stage_visits"), Source("task.completed")

    def sources(self) -> tuple[Source, ...]:
        return self.visits, self.tasks

    def measure(self, view: View, at: datetime, world: bool) -> Fraction | None:
        visits = [visit for visit in view.all_of(self.visits) if visit.at <= at]
        wanted = self.lists.get(visits[-1].fields["stage"]) if visits else None
        if not wanted:
            return None
        tasks = [task for task in view.all_of(self.tasks) if visits[-1].at <= task.at <= at]
        done = {task.fields["kind"] for task in tasks if "opportunity_id" in task.fields}
        return Fraction(len(done & set(wanted)), len(set(wanted)))
