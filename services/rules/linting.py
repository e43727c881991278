"""The lint of rule files: what compiles, and is still not what its author can have meant. PURE.

Errors are at the values in force. That a parameter could be set, within its bounds, so that a comparison never or
always holds is a warning; so is a rule about something missing that names no feed.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from services.rules.compiling import Loaded, Rule, compile_rule
from services.rules.conditions import Node, leaves_of
from services.rules.definition import BadRule
from services.rules.judging import Result
from services.rules.linting_found import Finding, Looking
from services.rules.linting_names import look_at_names
from services.rules.linting_people import look_at_people
from services.rules.linting_reach import look_at_reach
from services.rules.linting_texts import look_at_examples, look_at_texts
from services.rules.linting_truth import World, look_at_leaves, look_at_truth, true_in, variable, worlds
from services.rules.linting_types import look_at_types
from services.rules.wanted import did_you_mean, listed

HORIZON_MONTHS = 36
"""What is remembered by default."""


def lint(loaded: Sequence[Loaded], horizon_months: int = HORIZON_MONTHS, *, bounds: bool = True) -> list[Finding]:
    """What is wrong with rules that compile, by file and line. `bounds`: also at the bounds of their parameters."""
    rules = {one.rule.id: one.rule for one in loaded}
    found: list[Finding] = []
    lookings = [Looking(file, rule, rules, horizon_months) for file, rule in loaded]
    for looking in lookings:
        _look(looking)
        if bounds and not any(finding.level == "error" for finding in looking.found):
            found += _at_bounds(looking)
    _same(lookings)
    _sources(lookings)
    found += [finding for looking in lookings for finding in looking.found]
    return sorted(found, key=lambda one: (one.level, one.file, one.line, one.said))


def _look(looking: Looking) -> None:
    look_at_types(looking)
    fits = not looking.found
    look_at_texts(looking)
    look_at_names(looking)
    look_at_people(looking)
    look_at_reach(looking)
    look_at_examples(looking)
    _results(looking)
    if fits:
        look_at_truth(looking)


def _results(looking: Looking) -> None:
    judging = [rule.id for rule in looking.rules.values() if rule.definition.judges]
    for name, fact in looking.rule.facts.items():
        if isinstance(fact, Result) and fact.rule not in judging:
            said = f"{fact.rule} is no class or score of this rulebook (there are: {listed(judging)})"
            looking.error(["facts", name, "of"], f"{said}{did_you_mean(fact.rule, judging)}")


# ---- bounds


def _at_bounds(looking: Looking) -> Iterator[Finding]:
    """What would be wrong if a parameter were set to one of its bounds."""
    definition = looking.rule.definition
    for name, parameter in definition.params.items():
        for word, bound in (("least", parameter.min), ("greatest", parameter.max)):
            if bound is None or parameter.type not in ("int", "decimal", "duration"):
                continue
            other = _tried(looking, {name: bound})
            if other is not None and other.found:
                said = f"${name} may be set to its {word}, {bound}, and then {_why(other)}; narrow its bounds"
                yield Finding(looking.file, definition.line(["params", name]), looking.rule.id, said, "warning")


def _tried(looking: Looking, change: Mapping[str, Any]) -> Looking | None:
    try:
        rule = compile_rule(looking.rule.definition, change, looking.file)
    except BadRule:
        return None
    other = Looking(looking.file, rule, {**looking.rules, rule.id: rule}, looking.horizon_months)
    look_at_reach(other)
    look_at_leaves(other)
    other.found = [one for one in other.found if one.level == "error"]
    return other


def _why(other: Looking) -> str:
    first = other.found[0]
    return f"line {first.line} {first.said.split(';')[0]}"


# ---- rules that say the same


def _same(lookings: Sequence[Looking]) -> None:
    """Finds rules that hold for the same customers at the same instants, and give the same."""
    groups: dict[Any, list[Looking]] = defaultdict(list)
    for looking in lookings:
        groups[_outline(looking)].append(looking)
    for group in groups.values():
        for number, looking in enumerate(group):
            twin = next((one for one in group[:number] if _agree(one, looking)), None)
            if twin is not None:
                said = f"says the same as {twin.rule.id} in {twin.file}: take one of them away, or make them differ"
                looking.error(["id"], said)


# ---- feeds


def _sources(lookings: Sequence[Looking]) -> None:
    """Finds a feed that one rule alone names, and that is called almost like one that others wait for: a feed that is
    never heard of is never known to be silent."""
    readers = Counter(looking.rule.source for looking in lookings)
    for looking in lookings:
        source = looking.rule.source
        if source is None or readers[source] > 1:
            continue
        meant = did_you_mean(source, [name for name, rules in readers.items() if name is not None and rules > 1])
        if meant:
            said = f"no other rule waits for the feed {source}{meant}"
            looking.warning(["source"], said)


def _outline(looking: Looking) -> Any:
    """What two rules must share to say the same: what they are of, and what they compare."""
    rule, definition = looking.rule, looking.rule.definition
    compared = frozenset(variable(looking, leaf) for tree in _trees(rule) for leaf in leaves_of(tree))
    run = None if definition.run is None else rule.facts[definition.run]
    inputs = frozenset((rule.facts[one.fact], one.weight, one.scale, one.words, one.missing) for one in rule.inputs)
    given = (tuple(value for _, value in rule.classes), rule.otherwise)
    kind = (definition.kind, definition.output, definition.department)
    return kind, definition.per, rule.of, rule.once_per, compared, run, inputs, given


def _trees(rule: Rule) -> list[Node]:
    return [rule.when, *(tree for tree, _ in rule.classes)]


def _agree(one: Looking, other: Looking) -> bool:
    """Whether the trees of two rules with the same outline hold in the same cases."""
    found = worlds((looking, tree) for looking in (one, other) for tree in _trees(looking.rule))
    return found is not None and all(_alike(one, other, world) for world in found)


def _alike(one: Looking, other: Looking, world: World) -> bool:
    pairs = zip(_trees(one.rule), _trees(other.rule), strict=True)
    return all(true_in(first, world) == true_in(second, world) for first, second in pairs)
