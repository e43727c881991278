"""Rules as docs/rule-language.md writes them, as the oracle's facts and conditions: for rules that tests invent."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tests.oracle.conditions import All, Condition, Fact, Leaf, Not, Some
from tests.oracle.counting import (
    BestMonth,
    Changes,
    Count,
    Distinct,
    DistinctDays,
    Max,
    Mean,
    Share,
    Sum,
    Trend,
    WeightedMean,
)
from tests.oracle.days import duration
from tests.oracle.known import Source
from tests.oracle.lasting import (
    AnniversariesSinceFirst,
    Checklist,
    Filled,
    Latest,
    Level,
    PastUsualGap,
    Rank,
    SinceLast,
)
from tests.oracle.missing import Missed, Waiting
from tests.oracle.rules import StretchRule

Spec = Mapping[str, Any]
Conditions = Mapping[str, Condition]
OPTIONS = ("grace_days", "exclude_disputed", "tolerance", "lead")
DURATIONS = ("since_last", "past_usual_gap", "waiting")


def rule_of(document: Spec) -> StretchRule:
    """A rule without parameters that holds from ... to."""
    conditions: dict[str, Condition] = {}
    facts: dict[str, Fact] = {}
    for name, spec in document["facts"].items():
        for condition, tree in document.get("conditions", {}).items():
            if condition not in conditions and _reads(tree) <= set(facts):
                conditions[condition] = _condition(tree, facts, conditions, document["facts"])
        facts[name] = fact_of(spec, conditions)
    when = _condition(document["when"], facts, conditions, document["facts"])
    return StretchRule(document["id"], when, document.get("per"), document.get("source"))


def _reads(tree: Spec) -> set[str]:
    """The facts that a tree names."""
    if "fact" in tree:
        return {tree["fact"]}
    parts = [tree["not"]] if "not" in tree else tree.get("all", []) + tree.get("any", [])
    return set().union(*(_reads(part) for part in parts))


def _condition(tree: Spec, facts: Mapping[str, Fact], conditions: Conditions, specs: Spec) -> Condition:
    def inner(part: Spec) -> Condition:
        return _condition(part, facts, conditions, specs)

    if "all" in tree:
        return All(*map(inner, tree["all"]))
    if "any" in tree:
        return Some(*map(inner, tree["any"]))
    if "not" in tree:
        return Not(inner(tree["not"]))
    if "condition" in tree:
        return conditions[tree["condition"]]
    wanted = tree["value"]
    if specs[tree["fact"]]["shape"] in DURATIONS and isinstance(wanted, str):
        wanted = duration(wanted)
    return Leaf(facts[tree["fact"]], tree["op"], wanted)


def fact_of(spec: Spec, conditions: Conditions) -> Fact:
    """The fact that these keys describe."""
    return SHAPES[spec["shape"]](spec, conditions)


def _source(spec: Spec) -> Source:
    return Source(spec["of"], spec.get("where", {}), _options(spec))


def _options(spec: Spec) -> dict[str, Any]:
    return {name: spec[name] for name in OPTIONS if name in spec}


def _windowed(spec: Spec, *fields: str) -> dict[str, Any]:
    words = {"where": spec.get("where"), "window": spec.get("window"), **_options(spec)}
    return words | {name: spec[name] for name in fields if name in spec}


def _latest(spec: Spec, _: Conditions) -> Fact:
    expires = spec.get("expires")
    return Latest(
        spec["of"],
        spec["field"],
        spec.get("where"),
        spec.get("default"),
        duration(expires) if isinstance(expires, str) else None,
        expires["field"] if isinstance(expires, dict) else None,
    )


def _since_last(spec: Spec, conditions: Conditions) -> Fact:
    said = spec.get("otherwise", {})
    otherwise: list[Condition | Source] = [conditions[said["condition"]]] if "condition" in said else []
    return SinceLast(
        spec["of"], spec.get("where"), otherwise + ([_source(said)] if "of" in said else []), **_options(spec)
    )


def _waiting(spec: Spec, _: Conditions) -> Fact:
    answers = spec["answer"] if isinstance(spec["answer"], list) else [spec["answer"]]
    flags = {name: spec[name] for name in ("first_only", "restarts", "early") if name in spec}
    return Waiting(_source(spec["after"]), [_source(one) for one in answers], spec.get("match"), **flags)


def _missed(spec: Spec, conditions: Conditions) -> Fact:
    each = [_source(one) for one in spec["each"]]
    return Missed(spec["every"], each, conditions[spec["while"]], spec.get("working", False))


def _past_usual_gap(spec: Spec, _: Conditions) -> Fact:
    return PastUsualGap(spec["of"], duration(spec["least"]), spec["times"], spec.get("where"), **_options(spec))


def _trend(spec: Spec, _: Conditions) -> Fact:
    more = {"where": spec.get("where"), **_options(spec)}
    return Trend(spec["of"], spec["field"], spec["months"], spec["back"], spec.get("currency"), **more)


SHAPES: dict[str, Callable[[Spec, Conditions], Fact]] = {
    "count": lambda spec, _: Count(spec["of"], **_windowed(spec)),
    "distinct_days": lambda spec, _: DistinctDays(spec["of"], **_windowed(spec)),
    "distinct": lambda spec, _: Distinct(spec["of"], **_windowed(spec, "field")),
    "changes": lambda spec, _: Changes(spec["of"], **_windowed(spec, "field")),
    "sum": lambda spec, _: Sum(spec["of"], **_windowed(spec, "field", "currency")),
    "mean": lambda spec, _: (
        WeightedMean(spec["of"], **_windowed(spec, "field", "currency", "weight"))
        if "weight" in spec
        else Mean(spec["of"], **_windowed(spec, "field", "currency"))
    ),
    "max": lambda spec, _: Max(spec["of"], **_windowed(spec, "field")),
    "share": lambda spec, _: Share(spec["of"], **_windowed(spec, "matching", "field", "currency")),
    "trend": _trend,
    "best_month": lambda spec, _: BestMonth(spec["currency"], spec["months"]),
    "latest": _latest,
    "filled": lambda spec, _: Filled(spec["section"], spec["fields"]),
    "since_last": _since_last,
    "past_usual_gap": _past_usual_gap,
    "anniversaries_since_first": lambda spec, _: AnniversariesSinceFirst(
        spec["of"], spec.get("where"), **_options(spec)
    ),
    "waiting": _waiting,
    "missed": _missed,
    "level": lambda spec, _: Level(spec["series"], spec["currency"]),
    "rank": lambda spec, _: Rank(spec["measure"], spec.get("max_age"), spec.get("unknown", "unknown")),
    "checklist": lambda spec, _: Checklist(spec["lists"]),
}
