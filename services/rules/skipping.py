"""When a rule need not be asked though items that it reads came or went: nothing that it says can be another. PURE.

What was wrong here would show as a missing or a lasting episode: the oracle's simulations run through it.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

from services.rules.calendar import DAY, NEVER, Micros
from services.rules.compiling import Rule
from services.rules.conditions import Leaf, Node, Op, leaves_of
from services.rules.entries import Item
from services.rules.facts import Fact, Question
from services.rules.missed import Missed
from services.rules.records import Announced
from services.rules.rulebook import Reader
from services.rules.series import Pick
from services.rules.state import CustomerState
from services.rules.tallying import Count, Counted, Distinct, DistinctDays, Sum
from services.rules.timing import PastUsualGap, SinceLast
from services.rules.waiting import Waiting


def was_silent(announced: Sequence[Announced], since: Micros) -> bool:
    """Whether none of the episodes about a subject reaches to an instant or begins after it."""
    return not announced or all(
        one.change == "withdrawn" or (one.end is not None and one.end < since) for one in announced
    )


class Soothing:
    """Which of a rule's picks can only keep it silent: one item more of them is what the rule misses."""

    def __init__(self, rule: Rule) -> None:
        self._picks: set[tuple[int, Pick]] = set()
        if rule.definition.kind not in ("stretch", "streak"):
            return
        leaves = [leaf for tree in rule.trees() for leaf in leaves_of(tree)]
        for name, fact in rule.facts.items():
            ops = {leaf.op for leaf in leaves if leaf.fact == name}
            self._picks.update((id(fact), pick) for pick in _missed_by(fact, ops))

    def __call__(self, reader: Reader, state: CustomerState, items: Sequence[Item]) -> bool:
        """Whether these items of the reader's pick, that came or went, only soothe."""
        if (id(reader.fact), reader.pick) not in self._picks or not came(state, reader.pick, items):
            return False
        # The first item of all begins a time where there was none, or none as long.
        return not isinstance(reader.fact, SinceLast) or state.series(reader.pick.whole).ats[0] < min(
            item.at for item in items
        )


def _missed_by(fact: Fact, ops: set[Op]) -> Sequence[Pick]:
    """The picks of which one item more can only make the fact's comparisons false."""
    if isinstance(fact, Waiting):
        return fact.answers if "!=" not in ops else ()
    if not ops <= {">", ">="}:
        return ()
    if isinstance(fact, SinceLast):
        return (fact.pick,) if fact.pick.subject is None else ()
    return fact.each if isinstance(fact, Missed) else ()


Glance = Callable[[Question], Micros]
"""An instant before which a condition surely does not hold from `question.since` on, as a look at each tally tells;
`since` itself where that tells nothing, NEVER where it cannot hold."""


def glance_of(node: Node, rule: Rule) -> Glance:
    """The glance at a rule's condition, worked out once: it is taken at nearly every event."""
    if isinstance(node, Leaf):
        return _glance_of_leaf(node, rule.facts[node.fact])
    glances = [glance_of(branch, rule) for branch in node.branches]
    of_all = max if node.mode == "all" else min
    return lambda question: of_all([glance(question) for glance in glances])


def _glance_of_leaf(leaf: Leaf, fact: Fact) -> Glance:
    limit = leaf.threshold
    if leaf.op not in (">", ">=") or not isinstance(limit, (int, Decimal)) or isinstance(limit, bool):
        return _tells_nothing
    if isinstance(fact, (Count, Sum, Distinct)):
        return _glance_of_tally(fact, operator.gt if leaf.op == ">" else operator.ge, limit)
    if isinstance(fact, SinceLast) and isinstance(limit, int):
        return lambda question: _passed_not_before(fact, limit, question)
    if isinstance(fact, (PastUsualGap, Waiting)) and isinstance(limit, int):
        return lambda question: _waited_not_before(fact, limit, question)
    return _tells_nothing


def _tells_nothing(question: Question) -> Micros:
    return question.since


def _glance_of_tally(fact: Counted, exceeds: Callable[[Any, Any], bool], limit: int | Decimal) -> Glance:
    def glance(question: Question) -> Micros:
        peak = greatest(fact, question)
        return question.since if peak is None or exceeds(peak, limit) else NEVER

    return glance


def _passed_not_before(fact: SinceLast, limit: Micros, question: Question) -> Micros:
    """What comes later only begins the time anew."""
    series = question.series(fact.pick)
    index = series.up_to(question.since)
    if not index or (fact.has_other_grounds and not series.before(question.since)):
        # The first item of all ends a time that ran on other grounds, of whose subject nothing was known until now.
        return question.since
    return max(question.since, series.ats[index - 1] + limit)


def _waited_not_before(fact: PastUsualGap | Waiting, threshold: Micros, question: Question) -> Micros:
    """When the time that passes may be full, if nothing that begins one lies ahead; an answer only helps."""
    series = question.series(fact.pick if isinstance(fact, PastUsualGap) else fact.after)
    index = series.up_to(question.since)
    if index < len(series):
        return question.since
    if not index:
        return NEVER
    if isinstance(fact, PastUsualGap):
        return max(question.since, fact.expected(series, index - 1) + threshold)
    return max(question.since, series.ats[-1 if fact.restarts else 0] + threshold)


def greatest(fact: Counted, question: Question) -> int | Decimal | None:
    """No less than the fact's greatest value from `question.since` on; None when that is not known at a glance."""
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


def came(state: CustomerState, pick: Pick, items: Sequence[Item]) -> bool:
    """Whether items that moved came, and none of them went."""
    series = state.series(pick.whole)
    return all(_is_in(series.items, series.before(item.at), item) for item in items)


def _is_in(items: Sequence[Item], index: int, item: Item) -> bool:
    while index < len(items) and items[index].at == item.at:
        if items[index] is item or items[index] == item:
            return True
        index += 1
    return False
