"""From a rule's definition to what the engine runs: facts as objects, conditions as trees. PURE."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, get_args

from schemas.events import CUSTOMER_EVENTS
from schemas.warnings import SEVERITIES
from services.rules.conditions import OPPOSITE, Leaf, Node, Op, Threshold, Tree
from services.rules.definition import (
    SUBJECTS,
    BadRule,
    Definition,
    parse_duration,
    resolve_parameters,
)
from services.rules.facts import Fact, Filter, Pick
from services.rules.periods import LatePolicy
from services.rules.shapes import BestMonth, DistinctDays, Latest, SinceLast, Streak, Waiting

OPS: tuple[Op, ...] = get_args(Op)


@dataclass(frozen=True)
class Rule:
    """A rule ready to run. `kinds` are the events that can change its verdict."""

    definition: Definition
    params: Mapping[str, Any]
    facts: Mapping[str, Fact]
    conditions: Mapping[str, Node]
    when: Node
    escalations: tuple[tuple[int, Node], ...]
    kinds: frozenset[str]

    @property
    def id(self) -> str:
        return self.definition.id

    @property
    def severity(self) -> int:
        return SEVERITIES.index(self.definition.severity)

    def trees(self) -> Iterator[Node]:
        """Every tree that the matcher is asked about."""
        yield self.when
        yield from (tree for _, tree in self.escalations)
        yield from self.conditions.values()


class Rulebook:
    """All rules in force, and which of them an event can move."""

    def __init__(self, rules: list[Rule]) -> None:
        self.rules = {rule.id: rule for rule in sorted(rules, key=lambda rule: rule.id)}
        self._by_kind: dict[str, list[Rule]] = {}
        for rule in self.rules.values():
            for kind in rule.kinds:
                self._by_kind.setdefault(kind, []).append(rule)
        self.fingerprint = _fingerprint(rules)

    def reading(self, kind: str) -> list[Rule]:
        """The rules that read events of this kind."""
        return self._by_kind.get(kind, [])


def _fingerprint(rules: list[Rule]) -> str:
    said = [
        [rule.definition.model_dump(mode="json", exclude={"examples"}), {k: str(v) for k, v in rule.params.items()}]
        for rule in sorted(rules, key=lambda rule: rule.id)
    ]
    return hashlib.blake2b(json.dumps(said, sort_keys=True, default=str).encode(), digest_size=8).hexdigest()


def compile_rule(definition: Definition, overrides: Mapping[str, Any], file: str) -> Rule:
    """The rule with its parameters put in; raises BadRule with a sentence that names what is unknown or wrong."""
    try:
        return _Compiler(definition, resolve_parameters(definition, overrides)).rule()
    except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError) as error:
        raise BadRule([f"{file}: {definition.id}: {error}"]) from None
    except RecursionError:
        raise BadRule([f"{file}: {definition.id}: a condition contains itself"]) from None


class _Compiler:
    """Compiles one definition; its methods raise ValueError with a sentence."""

    def __init__(self, definition: Definition, params: dict[str, Any]) -> None:
        self.definition = definition
        self.params = params
        self.facts: dict[str, Fact] = {}
        self.names = 0

    def rule(self) -> Rule:
        definition = self.definition
        is_point = definition.kind == "point"
        if is_point != (definition.of is not None):
            raise ValueError("`of` names the event of a point rule, and of no other")
        if definition.of is not None:
            _check_kind(definition.of)
        for name, raw in definition.facts.items():
            self.facts[name] = self._fact(name, raw)
        # Each use of a tree gets leaves of its own names: the matcher keys verdicts by them.
        conditions = {name: self._node(raw, f"conditions.{name}") for name, raw in definition.conditions.items()}
        when = self._node(definition.when, "when")
        escalations = tuple(
            (SEVERITIES.index(step.to), self._node(step.when, f"escalates.{index}"))
            for index, step in enumerate(definition.escalates)
        )
        if definition.run is not None and definition.run not in self.facts:
            raise ValueError(f"run: there is no fact {definition.run} (facts: {_listed(self.facts)})")
        kinds = frozenset().union(*(fact.kinds for fact in self.facts.values()))
        if definition.of is not None:
            kinds |= {definition.of}
        if definition.per and not is_point and not any(isinstance(fact, Waiting) for fact in self.facts.values()):
            raise ValueError("per: needs a fact of shape waiting, whose subjects it counts")
        return Rule(definition, self.params, self.facts, conditions, when, escalations, kinds)

    # -- values

    def _value(self, raw: Any) -> Any:
        if isinstance(raw, str) and raw.startswith("$"):
            if raw[1:] not in self.params:
                raise ValueError(f"there is no parameter {raw} (params: {_listed(self.params)})")
            return self.params[raw[1:]]
        return raw

    def _duration(self, raw: Any) -> int:
        value = self._value(raw)
        return value if isinstance(value, int) and not isinstance(value, bool) else parse_duration(value)

    def _where(self, raw: Any, kind: str) -> Filter:
        wanted = []
        for path, test in (raw or {}).items():
            _check_field(kind, path)
            if not isinstance(test, dict) or len(test) != 1 or not set(test) <= {"is", "in", "not", "not_in"}:
                raise ValueError(f"where.{path}: give one of is, in, not, not_in")
            (word, operand), *_ = test.items()
            value = self._value(operand)
            values = frozenset(value) if isinstance(value, list) else frozenset({value})
            wanted.append((path, values, word in ("is", "in")))
        return Filter(tuple(wanted))

    def _pick(self, raw: Any) -> Pick:
        _only(raw, {"of", "where"})
        kind = raw["of"]
        _check_kind(kind)
        return Pick(kind, self._where(raw.get("where"), kind))

    # -- facts

    def _fact(self, name: str, raw: dict[str, Any]) -> Fact:
        shapes: dict[str, Callable[[dict[str, Any]], Fact]] = {
            "streak": self._streak,
            "distinct_days": self._distinct_days,
            "best_month": self._best_month,
            "latest": self._latest,
            "since_last": self._since_last,
            "waiting": self._waiting,
        }
        shape = raw.get("shape")
        if shape not in shapes:
            raise ValueError(f"facts.{name}: unknown shape {shape!r} (shapes: {_listed(shapes)})")
        try:
            return shapes[shape]({key: value for key, value in raw.items() if key not in ("shape", "label")})
        except KeyError as error:
            raise ValueError(f"facts.{name}: {error.args[0]} is missing") from None
        except ValueError as error:
            raise ValueError(f"facts.{name}: {error}") from None

    def _streak(self, raw: dict[str, Any]) -> Fact:
        _only(raw, {"series", "grace_days", "exclude_disputed", "tolerance"})
        if raw["series"] not in ("late_months", "overdue_month_ends"):
            raise ValueError(f"unknown series {raw['series']!r} (series: late_months, overdue_month_ends)")
        policy = LatePolicy(
            self._value(raw["grace_days"]),
            self._value(raw["exclude_disputed"]),
            Decimal(str(self._value(raw["tolerance"]))),
        )
        return Streak(raw["series"], policy)

    def _distinct_days(self, raw: dict[str, Any]) -> Fact:
        _only(raw, {"of", "where", "window"})
        return DistinctDays(self._pick(_without(raw, "window")), self._duration(raw["window"]))

    def _best_month(self, raw: dict[str, Any]) -> Fact:
        _only(raw, {"series", "currency", "months"})
        if raw["series"] != "receipts":
            raise ValueError(f"unknown series {raw['series']!r} (series: receipts)")
        return BestMonth(self._value(raw["currency"]), self._value(raw["months"]))

    def _latest(self, raw: dict[str, Any]) -> Fact:
        _only(raw, {"of", "where", "field", "default"})
        pick = self._pick(_without(raw, "field", "default"))
        _check_field(pick.kind, raw["field"])
        return Latest(pick, raw["field"], self._value(raw["default"]))

    def _since_last(self, raw: dict[str, Any]) -> Fact:
        _only(raw, {"of", "where", "otherwise"})
        otherwise = raw.get("otherwise", {})
        _only(otherwise, {"condition", "of", "where"})
        condition = otherwise.get("condition")
        if condition is not None and condition not in self.definition.conditions:
            raise ValueError(f"otherwise: there is no condition {condition}")
        assigned = self._pick(_without(otherwise, "condition")) if "of" in otherwise else None
        return SinceLast(self._pick(_without(raw, "otherwise")), condition, assigned)

    def _waiting(self, raw: dict[str, Any]) -> Fact:
        _only(raw, {"after", "first_only", "answer"})
        if self.definition.per is None:
            raise ValueError("a rule with a waiting fact needs per:")
        after, path = self._pick(raw["after"]), SUBJECTS[self.definition.per]
        _check_field(after.kind, path)
        return Waiting(after, path, bool(raw.get("first_only", False)), self._pick(raw["answer"]))

    # -- conditions

    def _node(self, raw: Any, path: str, negated: bool = False) -> Node:
        if not isinstance(raw, dict):
            raise ValueError(f"{path}: a condition is a mapping with all, any, not, condition, or fact, op and value")
        if "not" in raw:
            _only(raw, {"not"})
            return self._node(raw["not"], f"{path}.not", not negated)
        for mode in ("all", "any"):
            if mode in raw:
                return self._tree(raw, mode, path, negated)
        if "condition" in raw:
            _only(raw, {"condition"})
            if raw["condition"] not in self.definition.conditions:
                known = _listed(self.definition.conditions)
                raise ValueError(f"{path}: there is no condition {raw['condition']!r} (conditions: {known})")
            return self._node(self.definition.conditions[raw["condition"]], f"{path}.{raw['condition']}", negated)
        return self._leaf(raw, path, negated)

    def _tree(self, raw: dict[str, Any], mode: str, path: str, negated: bool) -> Tree:
        _only(raw, {mode})
        if not isinstance(raw[mode], list) or not raw[mode]:
            raise ValueError(f"{path}.{mode}: give a list of conditions")
        branches = tuple(self._node(part, f"{path}.{mode}.{n}", negated) for n, part in enumerate(raw[mode]))
        return Tree("all" if (mode == "all") != negated else "any", branches)

    def _leaf(self, raw: dict[str, Any], path: str, negated: bool) -> Leaf:
        _only(raw, {"fact", "field", "op", "value"})
        op, fact_name = raw.get("op"), raw.get("fact")
        value = self._value(raw.get("value"))
        if op in ("in", "not_in"):
            threshold: Threshold = frozenset(value if isinstance(value, list) else [value])
            compared: Op = "==" if op == "in" else "!="
        elif op in OPS:
            compared, threshold = op, value
        else:
            raise ValueError(f"{path}: unknown op {op!r} (ops: {_listed((*OPS, 'in', 'not_in'))})")
        if negated:
            compared = OPPOSITE[compared]
        self.names += 1
        name = f"{self.definition.id}_{self.names}"
        if self.definition.kind == "point":
            return self._field_leaf(raw, path, name, compared, threshold)
        if fact_name not in self.facts:
            raise ValueError(f"{path}: unknown fact {fact_name!r} (facts: {_listed(self.facts)})")
        elapsed = self.facts[fact_name].elapsed
        return Leaf(name, fact_name, compared, self._threshold(path, compared, threshold, elapsed=elapsed), elapsed)

    def _field_leaf(self, raw: dict[str, Any], path: str, name: str, op: Op, threshold: Threshold) -> Leaf:
        if raw.get("field") is None or self.definition.of is None:
            raise ValueError(f"{path}: a point rule compares a `field` of its event")
        _check_field(self.definition.of, raw["field"])
        return Leaf(name, raw["field"], op, self._threshold(path, op, threshold, elapsed=False))

    def _threshold(self, path: str, op: Op, value: Threshold, *, elapsed: bool) -> Threshold:
        if elapsed:
            return self._duration(value)
        if op not in ("==", "!="):
            return _number(path, op, value)
        if isinstance(value, float):
            raise ValueError(f"{path}: write {value} as a text, such as '{value}': floats are not exact")
        if value is None:
            raise ValueError(f"{path}: value is missing")
        return value


def _number(path: str, op: Op, value: Any) -> int | Decimal:
    if isinstance(value, (int, Decimal)) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", value):
        return Decimal(value)
    hint = f": write it as a text, such as '{value}'" if isinstance(value, float) else ""
    raise ValueError(f"{path}: {op} compares numbers, and {value!r} is none that is exact{hint}")


def _only(raw: Any, known: set[str]) -> None:
    if not isinstance(raw, dict):
        raise ValueError(f"{raw!r} must be a mapping with {_listed(known)}")
    unknown = sorted(set(raw) - known)
    if unknown:
        raise ValueError(f"unknown key {unknown[0]!r} (known here: {_listed(sorted(known))})")


def _without(raw: dict[str, Any], *names: str) -> dict[str, Any]:
    return {key: value for key, value in raw.items() if key not in names}


def _listed(names: Any) -> str:
    return ", ".join(names) or "none"


def _check_kind(kind: Any) -> None:
    if kind not in CUSTOMER_EVENTS:
        raise ValueError(f"unknown event type {kind!r} (without the prefix, as in invoice.issued)")


def _check_field(kind: str, path: str) -> None:
    model = CUSTOMER_EVENTS[kind]
    names = {item.alias or name for name, item in model.model_fields.items()}
    first, _, rest = path.partition(".")
    if first not in names:
        raise ValueError(f"{kind} has no field {first} (fields: {_listed(sorted(names))})")
    if rest and first != "fields":
        raise ValueError(f"{kind}.{first} has no field {rest}")
