"""From a rule's definition to what the engine runs: facts as objects, conditions as trees. PURE."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from typing import Any, NamedTuple, get_args

from schemas.warnings import SEVERITIES
from services.rules.conditions import KNOWN, OPPOSITE, Leaf, Node, Op, Threshold, Tree, leaves_of
from services.rules.definition import BadRule, Definition, ScoreInput, resolve_parameters
from services.rules.facts import Fact
from services.rules.forming import BadParameter
from services.rules.forms import Forms
from services.rules.judging import Result
from services.rules.missed import Missed
from services.rules.nobody import holds_of_nobody
from services.rules.scoring import Input
from services.rules.series import Path, Pick
from services.rules.timing import SinceLast
from services.rules.wanted import did_you_mean, exact, listed, only

MOST_LEAVES = 500
MOST_NAMES = 5
"""Comparisons of a rule, and conditions that name conditions: more are a mistake, or meant to do harm."""

OPS: tuple[Op, ...] = get_args(Op)


@dataclass(frozen=True)
class Rule:
    """A rule ready to run. `of`, `once_per` and `fields` belong to points; `classes` and `otherwise` to classes (each
    class by its tree and its word); `inputs` to scores. `subject` is the field that names whom an item is about.
    `places` tells where in the file each leaf stands, by its name."""

    definition: Definition
    params: Mapping[str, Any]
    facts: Mapping[str, Fact]
    conditions: Mapping[str, Node]
    when: Node
    escalations: tuple[tuple[int, Node], ...] = ()
    of: Pick | None = None
    subject: Path | None = None
    once_per: tuple[Path, ...] = ()
    fields: Mapping[str, Path] = field(default_factory=dict)
    classes: tuple[tuple[Node, str], ...] = ()
    otherwise: str | None = None
    inputs: tuple[Input, ...] = ()
    source: str | None = None
    places: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @cached_property
    def id(self) -> str:
        return self.definition.id

    @property
    def severity(self) -> int:
        return SEVERITIES.index(self.definition.severity)

    def trees(self) -> Iterator[Node]:
        """Every tree that the matcher is asked about."""
        if not self.definition.judges:
            yield self.when
        yield from (tree for _, tree in self.escalations)
        yield from self.conditions.values()
        yield from (tree for tree, _ in self.classes)

    @property
    def results(self) -> list[str]:
        """The rules whose class or score it reads."""
        return [fact.rule for fact in self.facts.values() if isinstance(fact, Result)]


class Loaded(NamedTuple):
    """A rule that compiled, and the file it came from."""

    file: str
    rule: Rule


NO_CONDITION = Tree("all", ())
"""The condition of classes and scores, which have none."""


def compile_rule(definition: Definition, overrides: Mapping[str, Any], file: str) -> Rule:
    """The rule with its parameters put in; raises BadRule with the file, the line, and what is unknown or wrong."""
    place: list[str] = []
    try:
        return _Compiler(definition, resolve_parameters(definition, overrides), place).rule()
    except BadParameter as error:
        line = definition.line(["params", error.name])
        raise BadRule([f"{file}:{line}: {definition.id}: {error}"]) from None
    except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError) as error:
        place += getattr(error, "path", [])
        where = f"{'.'.join(place)}: " if place else ""
        raise BadRule([f"{file}:{definition.line(place)}: {definition.id}: {where}{_sentence(error)}"]) from None
    except RecursionError:
        raise BadRule([f"{file}:{definition.line(place)}: {definition.id}: a condition contains itself"]) from None


def _sentence(error: Exception) -> str:
    """What a reader's error says of the file."""
    if isinstance(error, KeyError):
        return f"{error.args[0]} is missing"
    if isinstance(error, ValueError):
        return str(error)
    return f"a word, a number, a list or a mapping stands where another of them is wanted ({error})"


class _Compiler:
    """Compiles one definition; its methods raise ValueError with a sentence. `place` always tells where it reads."""

    def __init__(self, definition: Definition, params: dict[str, Any], place: list[str]) -> None:
        self.definition = definition
        self.params = params
        self.place = place
        self.forms = Forms(definition, params)
        self.facts: dict[str, Fact] = {}
        self.fields: dict[str, Path] = {}
        self.of: Pick | None = None
        self._raw_of: dict[str, Any] = {}
        self.places: dict[str, tuple[str, ...]] = {}
        self.inside: list[str] = []

    def rule(self) -> Rule:
        definition = self.definition
        for name, raw in definition.facts.items():
            self.place[:] = ["facts", name]
            self.facts[name] = self.forms.fact(raw)
        self._of()
        self._check_kind()
        # Each use of a tree gets leaves of its own names: the matcher keys verdicts by them.
        conditions = {name: self._named(name, negated=False) for name in definition.conditions}
        self._check_circles(conditions)
        when = NO_CONDITION if definition.when is None else self._node(definition.when, ["when"])
        escalations = tuple(
            (SEVERITIES.index(step.to), self._node(step.when, ["escalates", str(index), "when"]))
            for index, step in enumerate(definition.escalates)
        )
        classes = tuple(
            (self._node(one.when, ["classes", str(index), "when"]), one.value)
            for index, one in enumerate(definition.classes)
        )
        return Rule(
            definition=definition,
            params=self.params,
            facts=self.facts,
            conditions=conditions,
            when=when,
            escalations=escalations,
            of=self.of,
            subject=self._subject(),
            once_per=self._once_per(),
            fields=self.fields,
            classes=classes,
            otherwise=definition.otherwise.value if definition.otherwise else None,
            inputs=tuple(self._input(one, index) for index, one in enumerate(definition.inputs)),
            source=self._source(),
            places=self.places,
        )

    def _of(self) -> None:
        definition = self.definition
        if definition.of is None:
            return
        self.place[:] = ["of"]
        raw: dict[str, Any] = {"of": definition.of} if isinstance(definition.of, str) else dict(definition.of)
        if definition.where is not None:
            raw["where"] = definition.where
        self.of = self.forms.pick(raw).whole
        self._raw_of = raw

    def _once_per(self) -> tuple[Path, ...]:
        self.place[:] = ["once_per"]
        if self.definition.once_per and self.of is None:
            raise ValueError("belongs to a point rule")
        return tuple(self.forms.path(self._raw_of, path) for path in self.definition.once_per)

    def _source(self) -> str | None:
        self.place[:] = ["source"]
        source = self.forms.value(self.definition.source)
        return str(source) if source else None

    def _subject(self) -> Path | None:
        definition, subject = self.definition, self.forms.subject
        self.place[:] = ["per"]
        if subject is None:
            return None
        if definition.judges:
            raise ValueError("a class or score is of the whole customer: take `per` away")
        if self.of is not None:
            return self.forms.path(self._raw_of, str(subject))
        if not any(pick.subject for fact in self.facts.values() for pick in fact.picks):
            raise ValueError(f"no fact reads items that have the field {subject}, so nobody would be asked about")
        return subject

    def _check_kind(self) -> None:
        definition = self.definition
        self.place[:] = ["kind"]
        wanted = {
            "point": ({"of", "when"}, {"classes", "otherwise", "inputs", "run", "escalates"}),
            "class": (
                {"classes", "otherwise"},
                {"of", "when", "inputs", "run", "escalates", "review", "act_within_days"},
            ),
            "score": (
                {"inputs"},
                {"of", "when", "classes", "otherwise", "run", "escalates", "review", "act_within_days"},
            ),
            "stretch": ({"when"}, {"of", "classes", "otherwise", "inputs", "run"}),
        }.get(definition.kind, ({"when"}, {"of", "classes", "otherwise", "inputs"}))
        for name in sorted(wanted[0]):
            if not getattr(definition, name):
                raise ValueError(f"a {definition.kind} needs `{name}`")
        for name in sorted(wanted[1]):
            if getattr(definition, name):
                raise ValueError(f"a {definition.kind} has no `{name}`: take it away")
        if definition.judges != (definition.output in ("class", "score")):
            raise ValueError(f"a {definition.kind} cannot have the output {definition.output}")
        if definition.run is not None and definition.run not in self.facts:
            self.place[:] = ["run"]
            meant = did_you_mean(definition.run, self.facts)
            raise ValueError(f"there is no fact {definition.run} (facts: {listed(self.facts)}){meant}")

    def _holds_of_nobody(self, tree: Node) -> bool:
        if any(leaf.fact not in self.facts for leaf in leaves_of(tree)):
            return False
        return holds_of_nobody(tree, self.definition.facts, self.params)

    def _check_circles(self, conditions: Mapping[str, Node]) -> None:
        """A fact that asks a condition must not be compared in it, in the end; and what it asks must have begun."""
        asked = {name: _asked(fact) for name, fact in self.facts.items()}
        for name, condition in asked.items():
            self.place[:] = ["facts", name, "while" if isinstance(self.facts[name], Missed) else "otherwise"]
            if condition is not None and self._holds_of_nobody(conditions[condition]):
                raise ValueError(f"{condition} holds of customers of whom nothing is known, so it has no beginning")
        for name, condition in asked.items():
            seen: list[str | None] = []
            wanted = [condition]
            for one in wanted:
                if one is None or one in seen:
                    continue
                seen.append(one)
                compared = {leaf.fact for leaf in leaves_of(conditions[one])}
                if name in compared:
                    self.place[:] = ["facts", name]
                    raise ValueError(f"asks the condition {condition}, which in the end compares {name} itself")
                wanted += [asked.get(fact) for fact in compared]

    def _input(self, one: ScoreInput, index: int) -> Input:
        self.place[:] = ["inputs", str(index)]
        if one.fact not in self.facts:
            meant = did_you_mean(one.fact, self.facts)
            raise ValueError(f"there is no fact {one.fact} (facts: {listed(self.facts)}){meant}")
        if self.facts[one.fact].elapsed:
            raise ValueError(f"{one.fact} is a time that passes: a score weighs numbers and words")
        weight = self.forms.decimal(one.weight)
        if weight < 0:
            raise ValueError("weight: must not be negative")
        if (one.scale is None) == (one.map is None) and weight:
            raise ValueError("give either scale or map")
        scale = [(self.forms.decimal(x), self.forms.decimal(y)) for x, y in one.scale or [[0, 0]]]
        if sorted({x for x, _ in scale}) != [x for x, _ in scale]:
            raise ValueError("scale: give the points from the least x to the greatest")
        words = tuple((word, self.forms.decimal(part)) for word, part in (one.map or {}).items())
        missing = Decimal(one.missing) if isinstance(one.missing, int) else one.missing
        return Input(one.fact, one.fact, weight, tuple(scale), words, missing)

    # -- conditions

    def _node(self, raw: Any, path: list[str], negated: bool = False) -> Node:
        self.place[:] = path
        if not isinstance(raw, dict):
            raise ValueError("a condition is a mapping with all, any, not, condition, or fact, op and value")
        if "not" in raw:
            only(raw, {"not"})
            return self._node(raw["not"], [*path, "not"], not negated)
        for mode in ("all", "any"):
            if mode in raw:
                return self._tree(raw, mode, path, negated)
        if "condition" in raw:
            only(raw, {"condition"})
            return self._named(self.forms.condition(raw["condition"]), negated)
        return self._leaf(raw, negated)

    def _named(self, name: str, negated: bool) -> Node:
        if name in self.inside:
            raise ValueError("a condition contains itself")
        if len(self.inside) >= MOST_NAMES:
            raise ValueError(f"conditions name others more than {MOST_NAMES} deep: write some of them out")
        self.inside.append(name)
        node = self._node(self.definition.conditions[name], ["conditions", name], negated)
        self.inside.pop()
        return node

    def _tree(self, raw: dict[str, Any], mode: str, path: list[str], negated: bool) -> Tree:
        only(raw, {mode})
        if not isinstance(raw[mode], list) or not raw[mode]:
            raise ValueError(f"{mode}: give a list of conditions")
        branches = tuple(self._node(part, [*path, mode, str(n)], negated) for n, part in enumerate(raw[mode]))
        return Tree("all" if (mode == "all") != negated else "any", branches)

    def _leaf(self, raw: dict[str, Any], negated: bool) -> Leaf:
        only(raw, {"fact", "field", "op", "value"})
        op, value = raw.get("op"), self.forms.value(raw.get("value"))
        if op in ("in", "not_in"):
            words = value if isinstance(value, list) else [value]
            threshold: Threshold = frozenset(map(_word, words))
            compared: Op = "==" if op == "in" else "!="
        elif op == "known":
            if not isinstance(value, bool):
                raise ValueError("known: the value is true or false")
            threshold, compared = KNOWN, "==" if value else "!="
        elif op in OPS:
            compared, threshold = op, value
        else:
            raise ValueError(f"unknown op {op!r} (ops: {listed((*OPS, 'in', 'not_in', 'known'))})")
        if negated:
            compared = OPPOSITE[compared]
        name = f"{self.definition.id}_{len(self.places) + 1}"
        if len(self.places) >= MOST_LEAVES:
            raise ValueError(f"more than {MOST_LEAVES} comparisons, named conditions written out: make two rules of it")
        self.places[name] = tuple(self.place)
        if raw.get("field") is not None:
            return self._field_leaf(raw["field"], name, compared, threshold)
        if raw.get("fact") not in self.facts:
            meant = did_you_mean(raw.get("fact"), self.facts)
            raise ValueError(f"unknown fact {raw.get('fact')!r} (facts: {listed(self.facts)}){meant}")
        elapsed = self.facts[raw["fact"]].elapsed
        if elapsed and threshold is not KNOWN:
            threshold = self._length(op, raw.get("value"))
        return Leaf(name, raw["fact"], compared, self._threshold(compared, threshold), elapsed)

    def _length(self, op: Any, raw: Any) -> int:
        if op not in ("<", "<=", ">=", ">"):
            raise ValueError(f"a time that passes is never {op} a length of time: compare it with <, <=, >= or >")
        return self.forms.duration(raw)

    def _field_leaf(self, dotted: str, name: str, op: Op, threshold: Threshold) -> Leaf:
        if self.of is None:
            raise ValueError("only a point rule compares a `field` of its event")
        if dotted in self.facts:
            raise ValueError(f"{dotted} is a fact and a field of the event: give the fact another name")
        self.fields[dotted] = self.forms.path(self._raw_of, dotted)
        return Leaf(name, dotted, op, self._threshold(op, threshold))

    @staticmethod
    def _threshold(op: Op, value: Threshold) -> Threshold:
        if value is KNOWN:
            return value
        if op not in ("==", "!="):
            number = exact(value)
            return value if isinstance(value, int) else number
        return value if isinstance(value, (Decimal, frozenset)) else _word(value)


def _asked(fact: Fact) -> str | None:
    """The condition of its rule that a fact asks."""
    if isinstance(fact, Missed):
        return fact.during
    return fact.since_condition if isinstance(fact, SinceLast) else None


def _word(value: Any) -> str | int | bool:
    """What a value may be compared with for equality."""
    if isinstance(value, float):
        raise ValueError(f"write {value} as a text, such as '{value}': floats are not exact")
    if value is None:
        raise ValueError("value is missing")
    if not isinstance(value, (str, int)):
        raise ValueError(f"compare with a word, a number, true or false, and not with {value!r}")
    return value
