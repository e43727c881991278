"""A look at a silent rule's condition that costs less than asking it: before when it surely does not hold. PURE.

What was wrong here would show as a missing or a late episode: the oracle's simulations run through it.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from services.rules.asking import Look
from services.rules.calendar import DAY, NEVER, Micros, first_day_of
from services.rules.compiling import Rule
from services.rules.conditions import Leaf, Node, Op, first_that_may_hold, side, true_on
from services.rules.facts import Fact
from services.rules.judging import Rank, Result
from services.rules.missed import Missed
from services.rules.monthly import Monthly
from services.rules.tallying import Count, Counted, Distinct, DistinctDays, Sum
from services.rules.timing import Latest, PastUsualGap, SinceLast, YearsSinceFirst
from services.rules.waiting import Waiting
from services.rules.windows import period_at, start_of_period

Seen = Callable[[Look], Micros]
"""An instant before which a condition surely does not hold from `look.since` on; `since` itself where that is not seen,
NEVER where it cannot hold if nothing more happens."""


@dataclass(frozen=True)
class Glance:
    """`quick` is what a look at the newest items tells; `close` asks facts for their courses, where what was seen so
    far lies not beyond `look.enough`."""

    quick: Seen
    close: Seen

    def __call__(self, look: Look) -> Micros:
        seen = self.quick(look)
        return seen if seen > look.enough else max(seen, self.close(look))


def glance_at(rule: Rule, rules: Mapping[str, Rule]) -> Glance:
    """The glance at a silent rule."""
    facts = rule.facts.values()
    if rule.subject is not None and any(isinstance(fact, SinceLast) and fact.has_other_grounds for fact in facts):
        # Of a subject that is first heard of now, time may have run on those other grounds before: it was never asked.
        return Glance(_nothing_seen, _nothing_seen)
    return glance_of(rule.when, rule, rules)


def glance_of(node: Node, rule: Rule, rules: Mapping[str, Rule]) -> Glance:
    """The glance at a rule's condition, worked out once: it is taken at nearly every event."""
    if isinstance(node, Leaf):
        return _glance_of_leaf(node, rule.facts[node.fact], rules)
    glances = tuple(glance_of(branch, rule, rules) for branch in node.branches)
    quick = [glance.quick for glance in glances]
    if node.mode == "all":
        return Glance(lambda look: max([seen(look) for seen in quick], default=look.since), _all_of(glances))
    return Glance(lambda look: min([seen(look) for seen in quick], default=NEVER), _any_of(glances))


def _all_of(glances: tuple[Glance, ...]) -> Seen:
    def seen(look: Look) -> Micros:
        latest = look.since
        for glance in glances:
            latest = max(latest, glance(look))
            if latest > look.enough:
                break
        return latest

    return seen


def _any_of(glances: tuple[Glance, ...]) -> Seen:
    def seen(look: Look) -> Micros:
        soonest = NEVER
        for glance in glances:
            soonest = min(soonest, glance(look))
            if soonest <= look.now:
                break
        return soonest

    return seen


def _glance_of_leaf(leaf: Leaf, fact: Fact, rules: Mapping[str, Rule]) -> Glance:
    quick = _quick_of(leaf, fact, rules)
    if isinstance(fact, Monthly):
        quick = _quick_of_month(leaf, fact)
    quick = _once(quick)
    if fact.asks or (leaf.elapsed and leaf.op not in (">", ">=")):
        # What it is can hang on a condition, or on a feed that is silent.
        return Glance(quick, _nothing_seen)
    by_course = _once(_by_course(leaf, fact))
    return Glance(by_course if isinstance(fact, (Latest, Rank, YearsSinceFirst)) else quick, by_course)


def _once(seen: Seen) -> Seen:
    """The same, and of each look once: trees are gone through more than once, and classes are read by many."""
    if seen is _nothing_seen:
        return seen

    def once(look: Look) -> Micros:
        at = look.seen.get(seen)
        if at is None:
            at = look.seen[seen] = seen(look)
        return at

    return once


def _by_course(leaf: Leaf, fact: Fact) -> Seen:
    return lambda look: first_that_may_hold(leaf, look.course(fact), look.since)


def _nothing_seen(look: Look) -> Micros:
    return look.since


def _quick_of(leaf: Leaf, fact: Fact, rules: Mapping[str, Rule]) -> Seen:
    if isinstance(fact, Result):
        return _quick_of_class(leaf, rules[fact.rule], rules)
    limit = leaf.threshold
    if leaf.op not in (">", ">=") or not isinstance(limit, (int, Decimal)) or isinstance(limit, bool):
        return _nothing_seen
    if isinstance(fact, (Count, Sum, Distinct)):
        return _quick_of_tally(fact, operator.gt if leaf.op == ">" else operator.ge, limit)
    return _quick_of_absence(fact, limit, leaf.op) if isinstance(limit, int) else _nothing_seen


def _quick_of_absence(fact: Fact, limit: int, op: Op) -> Seen:
    if isinstance(fact, SinceLast):
        return lambda look: _passed_not_before(fact, limit, look)
    if isinstance(fact, (PastUsualGap, Waiting)):
        return lambda look: _waited_not_before(fact, limit, look)
    if isinstance(fact, Missed):
        return lambda look: _missed_not_before(fact, limit + (op == ">"), look)
    return _nothing_seen


def _quick_of_class(leaf: Leaf, rule: Rule, rules: Mapping[str, Rule]) -> Seen:
    """A class is given when its own condition holds; which is given otherwise cannot be seen quickly."""

    def is_meant(word: str | None) -> bool:
        at = side(leaf, word)
        return at is None or true_on(leaf.op, at)

    if rule.definition.kind != "class" or is_meant(rule.otherwise):
        return _nothing_seen
    quick = [glance_of(tree, rule, rules).quick for tree, word in rule.classes if is_meant(word)]
    return lambda look: min([seen(look) for seen in quick], default=NEVER)


def _quick_of_tally(fact: Counted, exceeds: Callable[[Any, Any], bool], limit: int | Decimal) -> Seen:
    def seen(look: Look) -> Micros:
        peak = greatest(fact, look)
        return look.since if peak is None or exceeds(peak, limit) else NEVER

    return seen


def _quick_of_month(leaf: Leaf, fact: Monthly) -> Seen:
    """What holds not this month holds not before the next one."""

    def seen(look: Look) -> Micros:
        question = look.question
        month = question.calendar.month_of(look.since)
        at = side(leaf, fact.value(fact.totals(question), month))
        if at is None or true_on(leaf.op, at):
            return look.since
        return question.calendar.start_of_month(month + 1)

    return seen


def _passed_not_before(fact: SinceLast, limit: Micros, look: Look) -> Micros:
    """What comes later only begins the time anew."""
    series = look.series(fact.pick)
    index = series.up_to(look.since)
    return max(look.since, series.ats[index - 1] + limit) if index else look.since


def _waited_not_before(fact: PastUsualGap | Waiting, threshold: Micros, look: Look) -> Micros:
    """When the time that passes may be full, if nothing that begins one lies ahead; an answer only helps."""
    series = look.series(fact.pick if isinstance(fact, PastUsualGap) else fact.after)
    index = series.up_to(look.since)
    if index < len(series):
        return look.since
    if not index:
        return NEVER
    if isinstance(fact, PastUsualGap):
        return max(look.since, fact.expected(series, index - 1) + threshold)
    return max(look.since, series.ats[-1 if fact.restarts else 0] + threshold)


def _missed_not_before(fact: Missed, run: int, look: Look) -> Micros:
    """A run begins after the last period in which everything wanted came; more of it only helps."""
    calendar = look.question.calendar
    ends = []
    for pick in fact.each:
        series = look.series(pick)
        index = series.up_to(look.since)
        if not index:
            return look.since
        ends.append(period_at(series.ats[index - 1], fact.every, calendar))
    # Until its period closes, what came in it does not end the run from before.
    if ends.count(ends[0]) < len(ends) or ends[0] >= period_at(look.since, fact.every, calendar):
        return look.since
    days = range(first_day_of(ends[0], fact.every), first_day_of(ends[0] + 1, fact.every))
    if fact.working and not any(map(calendar.is_working_day, days)):
        return look.since
    return max(look.since, start_of_period(ends[0] + run + 1, fact.every, calendar))


def greatest(fact: Counted, look: Look) -> int | Decimal | None:
    """No less than the fact's greatest value from `look.since` on; None when that is not known at a glance."""
    question = look.question
    series = question.series(fact.pick)
    start, _ = fact.window.counted(question.since, question)
    first = series.before(start)
    if isinstance(fact, Sum):
        if not fact.only_falls:
            return None
        measure = fact.field.measure(question.reference, question.calendar)
        total = series.totals(fact.field.name(question.reference), measure).between(first, len(series))
        return None if total.unknown else total.amount
    count = len(series) - first
    if isinstance(fact, DistinctDays) and fact.window.reach:
        return min(count, fact.window.reach // DAY + 2)
    return count
