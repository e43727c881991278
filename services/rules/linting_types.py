"""Whether values are compared with values of their own kind. PURE."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from schemas.warnings import SEVERITIES
from services.rules.conditions import KNOWN, Leaf, leaves_of
from services.rules.linting_found import Looking
from services.rules.linting_kinds import Kind, fact_kind, field_kind
from services.rules.wanted import did_you_mean

ORDERED = ("number", "any", "time passed")
Path = list[str]


def look_at_types(looking: Looking) -> None:
    """Finds leaves, filters and facts that compare or add up what cannot be."""
    for tree in looking.rule.trees():
        for leaf in leaves_of(tree):
            _leaf(looking, leaf)
    definition = looking.rule.definition
    if definition.of is not None:
        where = definition.of.get("where") if isinstance(definition.of, dict) else None
        _where(looking, looking.of, definition.where or where, ["where"] if definition.where else ["of", "where"])
    for name, raw in definition.facts.items():
        _fact(looking, raw, ["facts", name])
    _inputs(looking)
    _run(looking)
    _severities(looking)


def _run(looking: Looking) -> None:
    definition = looking.rule.definition
    if definition.run is None:
        if definition.kind == "streak":
            looking.error(["kind"], "a streak needs `run`: name the fact that counts its periods")
        return
    kind = fact_kind(definition.run, looking.rule, looking.rules)
    if kind.sort != "number" or not kind.whole:
        looking.error(["run"], f"{definition.run} is {kind.said} and counts no periods: name a fact that does")


def _severities(looking: Looking) -> None:
    definition = looking.rule.definition
    for number, step in enumerate(definition.escalates):
        if SEVERITIES.index(step.to) <= looking.rule.severity:
            said = f"{step.to} is not above the rule's own severity, {definition.severity}: escalate to a higher one"
            looking.error(["escalates", str(number), "to"], said)


# ---- leaves


def _leaf(looking: Looking, leaf: Leaf) -> None:
    kind, raw, place = looking.kind(leaf), looking.raw(leaf), [*looking.place(leaf), "value"]
    if leaf.threshold is KNOWN:
        return
    if kind.sort in ("list", "mapping", "day"):
        looking.error(place, f"{leaf.fact} is {kind.said}, and only `op: known` can be asked of it")
        return
    if leaf.op not in ("==", "!=") and kind.sort not in ORDERED:
        looking.error(place, f"{leaf.fact} is {kind.said} and cannot be {raw['op']} anything: use ==, !=, in or not_in")
        return
    parameter = looking.parameter(raw.get("value"))
    if kind.sort == "number" and parameter and looking.rule.definition.params[parameter].type == "duration":
        looking.error(place, f"{leaf.fact} is a number and ${parameter} a length of time: compare it with a number")
        return
    for word in _words(leaf.threshold):
        problem = _misfit(kind, word)
        if problem:
            looking.error(_default(looking, raw.get("value"), place), f"{leaf.fact} is {kind.said}, {problem}")


def _words(threshold: object) -> Iterator[object]:
    if isinstance(threshold, frozenset):
        yield from sorted(threshold, key=str)
    else:
        yield threshold


def _misfit(kind: Kind, value: object) -> str | None:
    """Why a value can never be one of a kind."""
    if kind.sort == "number":
        is_number = isinstance(value, (int, Decimal)) and not isinstance(value, bool)
        return None if is_number else f"and never {_quoted(value)}: compare it with a number"
    if kind.sort == "bool":
        return None if isinstance(value, bool) else f"and never {_quoted(value)}: write true or false"
    if kind.sort == "word":
        if not isinstance(value, str):
            return f"and never {_quoted(value)}: compare it with a word"
        if kind.values is not None and value not in kind.values:
            return f"and never {_quoted(value)}: write one of those{did_you_mean(value, kind.values)}"
    return None


def _quoted(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"“{value}”" if isinstance(value, str) else str(value)


def _default(looking: Looking, raw: Any, place: Path) -> Path:
    """The place of the value itself: at the parameter, if it comes from one."""
    parameter = looking.parameter(raw)
    return ["params", parameter, "default"] if parameter else place


# ---- filters


def _where(looking: Looking, of: Any, where: Any, place: Path) -> None:
    for path, test in (where or {}).items():
        ((word, raw),) = test.items()
        kind, here = field_kind(str(of), str(path)), [*place, str(path)]
        parameter = looking.parameter(raw)
        value = looking.rule.params[parameter] if parameter else raw
        name = f"{of}.{path}"
        if word == "known":
            if not kind.absent:
                looking.error(here, f"{name} is always there: take `known` away, or ask about its value")
        elif word == "has":
            if kind.sort not in ("list", "any"):
                looking.error(here, f"{name} is {kind.said} and no list: ask `is` or `in`")
        elif word in ("at_least", "at_most", "above", "below"):
            _bound(looking, name, kind, word, value, here)
        else:
            _among(looking, name, kind, value, here, _default(looking, raw, here))


def _bound(looking: Looking, name: str, kind: Kind, word: str, value: Any, here: Path) -> None:
    if kind.sort not in ORDERED:
        looking.error(here, f"{name} is {kind.said} and no number: ask `is` or `in` rather than `{word}`")
        return
    number = Decimal(str(value))
    low, high = kind.low, kind.high
    up = word in ("at_least", "above")
    if up and high is not None and (number > high or (word == "above" and number == high)):
        looking.error(here, f"{name} is at most {high} and never {word} {number}: give a number up to {high}")
    elif not up and low is not None and (number < low or (word == "below" and number == low)):
        looking.error(here, f"{name} is at least {low} and never {word} {number}: give a number from {low}")


def _among(looking: Looking, name: str, kind: Kind, value: Any, here: Path, said_at: Path) -> None:
    values = value if isinstance(value, list) else [value]
    if not values:
        looking.error(here, f"{name} is compared with an empty list, which nothing is in: name what you mean")
    if kind.sort in ("list", "mapping", "day"):
        hint = "`has`" if kind.sort == "list" else "`known`"
        looking.error(here, f"{name} is {kind.said} and is no single word: ask {hint}")
        return
    if kind.sort == "number" and not kind.whole:
        looking.error(here, f"{name} is a number kept to its decimals: use at_least, at_most, above or below")
        return
    for one in values:
        problem = _misfit(kind, one)
        if problem:
            looking.error(said_at, f"{name} is {kind.said}, {problem}")


# ---- facts


def _fact(looking: Looking, raw: Mapping[str, Any], place: Path) -> None:
    shape, of = raw["shape"], raw.get("of")
    for inner, path in _picks(raw, place):
        _where(looking, inner.get("of"), inner.get("where"), [*path, "where"])
    if "matching" in raw:
        _where(looking, of, raw["matching"], [*place, "matching"])
    if shape == "mean" and "weight" in raw:
        _weighed(looking, raw, place)
    elif shape in ("sum", "mean", "max", "trend", "share") and "field" in raw:
        _measured(looking, field_kind(str(of), raw["field"]), raw, place)
    if shape == "latest":
        _latest(looking, field_kind(str(of), raw["field"]), raw, place)


def _picks(raw: Mapping[str, Any], place: Path) -> Iterator[tuple[Mapping[str, Any], Path]]:
    """Every `of` with its `where` in a fact, and where it stands."""
    if raw.get("shape") not in ("result", "filled"):
        yield raw, place
    for key in ("after", "otherwise"):
        if isinstance(raw.get(key), dict):
            yield raw[key], [*place, key]
    for key in ("each", "answer"):
        parts = raw.get(key, [])
        if isinstance(parts, dict):
            yield parts, [*place, key]
        for number, part in enumerate(parts if isinstance(parts, list) else []):
            yield part, [*place, key, str(number)]
    window = raw.get("window")
    if isinstance(window, dict) and "since" in window:
        yield window["since"], [*place, "window", "since"]


def _measured(looking: Looking, kind: Kind, raw: Mapping[str, Any], place: Path, key: str = "field") -> None:
    name, here = f"{raw['of']}.{raw[key]}", [*place, key]
    if kind.sort not in ("number", "any"):
        looking.error(here, f"{name} is {kind.said}: a {raw['shape']} needs a field that holds a number")
    elif kind.money and raw.get("currency") is None and "is" not in (raw.get("where") or {}).get("currency", {}):
        looking.error(here, f"{name} is money, and amounts of different currencies do not add up: add `currency: CNY`")
    elif not kind.money and kind.sort == "number" and raw.get("currency") is not None:
        looking.error([*place, "currency"], f"{name} is no money: take `currency` away")


def _weighed(looking: Looking, raw: Mapping[str, Any], place: Path) -> None:
    kind, weight = (field_kind(str(raw["of"]), raw[name]) for name in ("field", "weight"))
    _measured(looking, kind, {**raw, "currency": None}, place)
    _measured(looking, weight, raw, place, "weight")
    for name, one in (("field", kind), ("weight", weight)):
        if one.sort == "number" and (one.low is None or one.low < 0):
            said = (
                f"{raw['of']}.{raw[name]} may be negative, and then a weighted mean means nothing: take another field"
            )
            looking.error([*place, name], said)


def _latest(looking: Looking, kind: Kind, raw: Mapping[str, Any], place: Path) -> None:
    name, default = f"{raw['of']}.{raw['field']}", raw.get("default")
    parameter = looking.parameter(default)
    value = looking.rule.params[parameter] if parameter else default
    if kind.sort in ("list", "mapping"):
        looking.error([*place, "field"], f"{name} is {kind.said}: the latest value of a single field can be asked for")
    elif value is not None and kind.values is None and _misfit(kind, _exactly(kind, value)):
        looking.error([*place, "default"], f"{name} is {kind.said}, and the default {_quoted(value)} is none")
    expires = raw.get("expires")
    if isinstance(expires, dict):
        ends = field_kind(str(raw["of"]), str(expires["field"]))
        if ends.sort not in ("day", "any"):
            said = f"{raw['of']}.{expires['field']} is {ends.said}: name a field that holds the last day"
            looking.error([*place, "expires"], said)


def _exactly(kind: Kind, value: Any) -> Any:
    is_text = kind.sort == "number" and isinstance(value, str)
    return Decimal(value) if is_text and value.replace(".", "", 1).lstrip("-").isdigit() else value


# ---- scores


def _inputs(looking: Looking) -> None:
    for number, (one, said) in enumerate(zip(looking.rule.inputs, looking.rule.definition.inputs, strict=True)):
        kind, place = fact_kind(one.fact, looking.rule, looking.rules), ["inputs", str(number)]
        if isinstance(one.missing, Decimal):
            _part(looking, one.missing, [*place, "missing"])
        if said.map is None:
            if kind.sort in ("word", "bool", "day", "list", "mapping"):
                looking.error(place, f"{one.fact} is {kind.said} and has no scale: give a `map` of words")
            for x, y in one.scale if said.scale else ():
                _scaled(looking, kind, one.fact, x, y, [*place, "scale"])
            continue
        if kind.sort == "number":
            looking.error([*place, "map"], f"{one.fact} is a number and no word: give a `scale`")
        for word, y in one.words:
            if kind.values is not None and word not in kind.values:
                meant = did_you_mean(word, kind.values)
                looking.error([*place, "map"], f"{one.fact} is {kind.said} and never “{word}”: take it away{meant}")
            _part(looking, y, [*place, "map"])


def _scaled(looking: Looking, kind: Kind, fact: str, x: Decimal, y: Decimal, place: Path) -> None:
    _part(looking, y, place)
    if (kind.high is not None and x > kind.high) or (kind.low is not None and x < kind.low):
        looking.error(place, f"{fact} lies between {_bounds(kind)}, and is never {x}: scale what there is")


def _part(looking: Looking, y: Decimal, place: Path) -> None:
    if not 0 <= y <= 100:
        looking.error(place, f"a part of a score lies between 0 and 100, and {y} does not: scale to those")


def _bounds(kind: Kind) -> str:
    return f"{kind.low} and {'any number' if kind.high is None else kind.high}"
