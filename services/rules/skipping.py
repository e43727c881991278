"""When a rule need not be asked though items that it reads came or went: nothing that it says can be another. PURE.

What was wrong here would show as a missing or a lasting episode: the oracle's simulations run through it.
"""

from __future__ import annotations

from collections.abc import Sequence

from services.rules.calendar import Micros
from services.rules.compiling import Rule
from services.rules.conditions import Op, leaves_of
from services.rules.entries import Item
from services.rules.facts import Fact
from services.rules.missed import Missed
from services.rules.records import Announced
from services.rules.rulebook import Reader
from services.rules.series import Pick
from services.rules.state import CustomerState
from services.rules.timing import SinceLast
from services.rules.waiting import Waiting


def was_silent(announced: Sequence[Announced], since: Micros) -> bool:
    """Whether none of the episodes about a subject reaches to an instant or begins after it."""
    return not announced or all(
        one.change == "withdrawn" or (one.end is not None and one.end < since) for one in announced
    )


def soothing(rule: Rule) -> set[tuple[int, Pick]]:
    """Which picks of which of a rule's facts (by identity) can only keep it silent: one item more of them is what the
    rule misses."""
    if rule.definition.kind not in ("stretch", "streak"):
        return set()
    leaves = [leaf for tree in rule.trees() for leaf in leaves_of(tree)]
    picks: set[tuple[int, Pick]] = set()
    for name, fact in rule.facts.items():
        ops = {leaf.op for leaf in leaves if leaf.fact == name}
        picks.update((id(fact), pick) for pick in _missed_by(fact, ops))
    return picks


def only_soothes(reader: Reader, state: CustomerState, items: Sequence[Item]) -> bool:
    """Whether items that came to a soothing pick, and none of which went, soothe."""
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
