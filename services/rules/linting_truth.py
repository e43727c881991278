"""What condition trees can be: never true, always true, or with a part that makes no difference. PURE.

What a leaf compares is split into cases: a value on every side of every threshold, each word that is named and one that
is not, and nothing to measure. A tree is looked at in every combination of the cases of what it compares; equal facts
are one. What different facts have to do with each other is not known here, so nothing is said that rests on it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from itertools import pairwise, product
from math import prod
from typing import Any

from services.rules.conditions import KNOWN, Leaf, Node, Tree, leaves_of, side, true_on
from services.rules.entries import Derived
from services.rules.linting_found import Looking
from services.rules.linting_kinds import Kind
from services.rules.missed import Missed
from services.rules.series import Test
from services.rules.timing import SinceLast

MOST_WORLDS = 4096
"""Trees with more combinations of cases than this are looked at in pieces."""

World = Mapping[str, bool]
"""Whether each leaf holds, by its name."""

OTHER = "\x00another word"
ONE = Decimal(1)

Variable = Any
"""Hashable."""


def worlds(trees: Iterable[tuple[Looking, Node]]) -> list[World] | None:
    """Everything that the leaves of some trees can be together; None when that is too much."""
    leaves: dict[Variable, list[tuple[Looking, Leaf]]] = {}
    for looking, tree in trees:
        for leaf in leaves_of(tree):
            leaves.setdefault(variable(looking, leaf), []).append((looking, leaf))
    cases = [_cases(group[0][0], [leaf for _, leaf in group]) for group in leaves.values()]
    if prod(map(len, cases)) > MOST_WORLDS:
        return None
    return [{name: held for case in combination for name, held in case} for combination in product(*cases)]


def variable(looking: Looking, leaf: Leaf) -> Variable:
    """What a leaf compares, the same for facts that are equal under different names."""
    fact = looking.rule.facts.get(leaf.fact)
    if isinstance(fact, Missed):
        return replace(fact, during=""), _canonical(looking, looking.rule.conditions[fact.during])
    if isinstance(fact, SinceLast) and fact.since_condition is not None:
        condition = _canonical(looking, looking.rule.conditions[fact.since_condition])
        return replace(fact, since_condition=None), condition
    known: Variable = ("field", leaf.fact) if fact is None else fact
    return known


def _canonical(looking: Looking, node: Node) -> Variable:
    """A tree without the names and the order that its file gives."""
    if isinstance(node, Leaf):
        return variable(looking, node), node.op, node.threshold
    return node.mode, frozenset(_canonical(looking, branch) for branch in node.branches)


def _cases(looking: Looking, leaves: Sequence[Leaf]) -> list[tuple[tuple[str, bool], ...]]:
    samples = _samples(looking, leaves)
    return list(dict.fromkeys(tuple((leaf.name, holds(leaf, one)) for leaf in leaves) for one in samples))


def holds(leaf: Leaf, value: Any) -> bool:
    """Whether a leaf holds for a value; a time passed is given in microseconds."""
    if leaf.elapsed and value is not None and leaf.threshold is not KNOWN:
        assert isinstance(leaf.threshold, int), "an elapsed fact's threshold is a duration"
        return true_on(leaf.op, 1 if value >= leaf.threshold else -1)
    found = side(leaf, value)
    assert found is not None, "a sample is known"
    return true_on(leaf.op, found)


def _filters(looking: Looking, leaf: Leaf) -> list[Test]:
    """What the events of a point have passed already, of what a leaf compares."""
    of = looking.rule.of
    if of is None or leaf.fact in looking.rule.facts:
        return []
    return [test for test in of.where.tests if str(test.path) == leaf.fact]


def _item(dotted: str, value: Any) -> Derived:
    """An item with one value."""
    data = value
    for part in reversed(dotted.split(".")):
        data = {} if data is None else {part: data}
    return Derived(0, data or {}, (), ())


# ---- samples


def _samples(looking: Looking, leaves: Sequence[Leaf]) -> list[Any]:
    """Values of what some leaves compare: on each side of every threshold, and of every filter."""
    tests = _filters(looking, leaves[0])
    thresholds = [one for leaf in leaves for one in _named(leaf.threshold)]
    thresholds += [one for test in tests for one in _named(test.operand)]
    values = _values(looking.kind(leaves[0]), thresholds)
    return [one for one in values if all(test.holds(_item(leaves[0].fact, one)) for test in tests)]


def _values(kind: Kind, thresholds: Sequence[object]) -> Iterator[Any]:
    numbers = sorted({Decimal(str(one)) for one in thresholds if _is_number(one)})
    words = list(dict.fromkeys(one for one in thresholds if isinstance(one, str)))
    if kind.sort in ("number", "time passed"):
        yield from _numbers(kind, numbers)
    elif kind.sort == "bool":
        yield from (True, False)
    elif kind.values is not None:
        yield from sorted(kind.values)
    elif kind.sort == "any":
        yield from (*words, OTHER, True, False, *_numbers(kind, numbers))
    else:
        yield from (*words, OTHER)
    if kind.absent:
        yield None


def _named(threshold: object) -> Iterable[object]:
    return threshold if isinstance(threshold, frozenset) else (threshold,)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, Decimal)) and not isinstance(value, bool)


def _numbers(kind: Kind, thresholds: Sequence[Decimal]) -> Iterator[Decimal]:
    """A number on every side of every threshold, within the bounds of the kind."""
    marks = sorted({*thresholds, *(bound for bound in (kind.low, kind.high) if bound is not None)}) or [Decimal(0)]
    if kind.whole:
        around = {whole + step for mark in marks for whole in [mark // 1] for step in (-ONE, Decimal(0), ONE)}
    else:
        around = {*marks, marks[0] - 1, marks[-1] + 1, *((low + high) / 2 for low, high in pairwise(marks))}
    for number in sorted(around):
        if (kind.low is None or number >= kind.low) and (kind.high is None or number <= kind.high):
            yield number


# ---- truth


def true_in(node: Node, world: World) -> bool:
    """Whether a tree holds."""
    if isinstance(node, Leaf):
        return world[node.name]
    verdicts = (true_in(branch, world) for branch in node.branches)
    return all(verdicts) if node.mode == "all" else any(verdicts)


def look_at_truth(looking: Looking) -> None:
    """Finds trees and leaves that never hold, always hold, or make no difference."""
    before = len(looking.found)
    look_at_leaves(looking)
    if len(looking.found) > before:
        return  # the trees would only say it again
    for path, tree in _trees(looking):
        _tree(looking, tree, path)
    _escalations(looking)
    _classes(looking)


def look_at_leaves(looking: Looking) -> None:
    """Finds comparisons that never hold, or always."""
    for tree in looking.rule.trees():
        for leaf in leaves_of(tree):
            _leaf(looking, leaf)


def _trees(looking: Looking) -> Iterator[tuple[list[str], Node]]:
    rule = looking.rule
    yield from ((["conditions", name], tree) for name, tree in rule.conditions.items())
    if rule.definition.when is not None:
        yield ["when"], rule.when
    yield from ((["escalates", str(n), "when"], tree) for n, (_, tree) in enumerate(rule.escalations))
    yield from ((["classes", str(n), "when"], tree) for n, (tree, _) in enumerate(rule.classes))


def _leaf(looking: Looking, leaf: Leaf) -> None:
    kind, place = looking.kind(leaf), looking.place(leaf)
    if leaf.threshold is KNOWN:
        is_every_item = looking.rule.of is not None and leaf.op == "=="
        if not kind.absent and not is_every_item:
            looking.error(place, f"{leaf.fact} can always be measured: compare its value instead of asking `known`")
        return
    verdicts, limits = _verdicts(looking, leaf), _limits(kind)
    if verdicts == {False}:
        looking.error(place, f"can never hold: {leaf.fact} is {limits}; give a value on both sides of which it can lie")
    elif verdicts == {True} and not _is_tunable(looking, leaf, kind):
        instead = " or ask `op: known`" if kind.absent else ""
        said = f"always holds: {leaf.fact} is {limits}; give a value on both sides of which it can lie{instead}"
        looking.error(place, said)


def _verdicts(looking: Looking, leaf: Leaf) -> set[bool]:
    """What a leaf may be when there is something to measure."""
    return {holds(leaf, one) for one in _samples(looking, [leaf]) if one is not None}


def _is_tunable(looking: Looking, leaf: Leaf, kind: Kind) -> bool:
    """Whether a limit may well be set so that it lets everything through that can be measured: a grace of no time at
    all, a list of all the words."""
    parameter = looking.parameter(looking.raw(leaf).get("value"))
    return parameter is not None and (kind.absent or looking.rule.definition.params[parameter].type == "list")


def _limits(kind: Kind) -> str:
    if kind.low is None and kind.high is None:
        return kind.said
    if kind.sort == "time passed":
        return "a time that has passed"
    whole = "a whole number" if kind.whole else "a number"
    if kind.high is None:
        return f"{whole} from {kind.low}"
    return f"{whole} from {kind.low} to {kind.high}"


def _tree(looking: Looking, tree: Node, path: list[str]) -> None:
    found = worlds([(looking, tree)])
    if found is None:
        for piece in _pieces(looking, tree):
            _tree(looking, piece, looking.place(leaves_of(piece)[0]))
        return
    verdicts = [true_in(tree, world) for world in found]
    if not any(verdicts):
        looking.error(path, "can never hold: its parts contradict each other; take one of them away")
    elif all(verdicts):
        if looking.rule.of is not None:
            return  # a point may be of every item
        looking.error(path, "always holds, whatever happens: leave only the part that you mean")
    else:
        _useless(looking, tree, found, verdicts)


def _pieces(looking: Looking, tree: Node) -> Iterator[Tree]:
    """Where a tree is too much to be looked at whole: neighbours in it that compare the same thing."""
    if isinstance(tree, Leaf):
        return
    groups: dict[Variable, list[Leaf]] = {}
    for branch in tree.branches:
        if isinstance(branch, Leaf):
            groups.setdefault(variable(looking, branch), []).append(branch)
        yield from _pieces(looking, branch)
    yield from (Tree(tree.mode, tuple(group)) for group in groups.values() if len(group) > 1)


def _useless(looking: Looking, tree: Node, found: Sequence[World], verdicts: Sequence[bool]) -> None:
    """Leaves without which the tree would be the same."""
    if not isinstance(tree, Tree):
        return
    for leaf, mode in _parts(tree):
        if _verdicts(looking, leaf) == {True}:
            continue  # told by itself, or let through on purpose
        without = [true_in(tree, {**world, leaf.name: mode == "all"}) for world in found]
        if without == list(verdicts):
            why = "the rest implies it" if mode == "all" else "the rest holds whenever it does"
            looking.error(looking.place(leaf), f"{_said(looking, leaf)} makes no difference: {why}; take it away")
            return


def _parts(tree: Tree) -> Iterator[tuple[Leaf, str]]:
    for branch in tree.branches:
        if isinstance(branch, Leaf):
            yield branch, tree.mode
        else:
            yield from _parts(branch)


def _said(looking: Looking, leaf: Leaf) -> str:
    raw = looking.raw(leaf)
    return f"{leaf.fact} {raw['op']} {raw['value']}"


def _escalations(looking: Looking) -> None:
    rule = looking.rule
    for number, (_, tree) in enumerate(rule.escalations):
        found = worlds([(looking, rule.when), (looking, tree)])
        if found is None:
            continue
        held = {true_in(tree, world) for world in found if true_in(rule.when, world)}
        place = ["escalates", str(number), "when"]
        if held == {False}:
            looking.error(place, "can never hold while the rule does: change its limit or the rule's")
        elif held == {True}:
            looking.error(place, "holds whenever the rule does: give the rule that severity instead")


def _classes(looking: Looking) -> None:
    rule = looking.rule
    found = worlds((looking, tree) for tree, _ in rule.classes) if rule.classes else None
    if found is None:
        return
    left = list(found)
    for number, (tree, value) in enumerate(rule.classes):
        if not any(true_in(tree, world) for world in left):
            said = f"{value} is never given: whenever this holds, so does a class before it; put it before that"
            looking.error(["classes", str(number), "when"], said)
            return
        left = [world for world in left if not true_in(tree, world)]
    if not left:
        looking.error(["otherwise"], f"{rule.otherwise} is never given: one of the classes always holds")
