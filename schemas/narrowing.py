"""PURE. Whether one JSON Schema takes all that another takes, for the keywords that our contracts use.

In doubt the answer is no: of two different patterns or conditions nobody can say which is wider.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

Schema = dict[str, Any]

ANNOTATIONS = frozenset({"$schema", "$id", "$defs", "$comment", "title", "description", "examples", "deprecated"})
"""They say nothing of which values are taken. So does what begins with x-."""

CONDITIONS = frozenset({"allOf", "oneOf", "not", "if", "then", "else", "dependentRequired", "contains", "multipleOf"})
"""Compared as they are written."""

LOWER = {"minimum": "smallest", "exclusiveMinimum": "greater than", "minLength": "fewest characters"}
LOWER |= {"minItems": "fewest items", "minProperties": "fewest names"}
UPPER = {"maximum": "greatest", "exclusiveMaximum": "less than", "maxLength": "most characters"}
UPPER |= {"maxItems": "most items", "maxProperties": "most names"}

_STRUCTURE = frozenset({"$ref", "anyOf", "type", "const", "enum", "default", "required", "properties", "items"})
_NAMES = frozenset({"additionalProperties", "patternProperties", "propertyNames", "pattern", "format", "uniqueItems"})
KNOWN = ANNOTATIONS | CONDITIONS | LOWER.keys() | UPPER.keys() | _STRUCTURE | _NAMES


class Finding(StrEnum):
    """What keeps the wide schema from taking all that the narrow one takes; or what taking it does not tell."""

    REQUIRED = "required"
    LIMIT = "limit"
    GONE = "gone"
    DEFAULT = "default"


@dataclass(frozen=True, order=True)
class Loss:
    """`path` says where, `says` what the wide schema does not take."""

    path: str
    finding: Finding
    says: str


class UnknownKeyword(Exception):
    """A schema says something that cannot be compared: teach schemas/narrowing.py the keyword."""


class _Place(NamedTuple):
    """A schema and the definitions that its references mean."""

    schema: Schema
    root: Schema


_Seen = frozenset[tuple[int, int]]


def losses(*, wide: Schema, narrow: Schema) -> list[Loss]:
    """What `narrow` takes and `wide` does not; empty if wide takes everything. Raises UnknownKeyword."""
    return sorted(set(_compare(_Place(wide, wide), _Place(narrow, narrow), "", frozenset())))


def drift(old: Schema, new: Schema) -> list[Loss]:
    """What is taken as before and means something else: fields that go unread now, and other defaults."""
    return sorted(set(_drift(_Place(old, old), _Place(new, new), "", frozenset())))


def _compare(wide: _Place, narrow: _Place, path: str, seen: _Seen) -> Iterator[Loss]:
    pair = (id(wide.schema), id(narrow.schema))
    if pair in seen:
        # A tree in itself: what is to be said of it is being said.
        return
    seen |= {pair}
    options = _alternatives(wide)
    for given in _alternatives(narrow):
        attempts = [list(_compare_plain(option, given, path, seen)) for option in options]
        if all(attempts):
            yield from _nearest(options, given, attempts, path)


def _nearest(options: list[_Place], given: _Place, attempts: list[list[Loss]], path: str) -> Iterator[Loss]:
    """What keeps the alternative away that would fit best; another type altogether is one loss."""
    alike = [found for option, found in zip(options, attempts, strict=True) if _types(given) <= _types(option)]
    if alike:
        yield from min(alike, key=len)
    else:
        yield Loss(path, Finding.LIMIT, _of_type(given, *options))


def _compare_plain(wide: _Place, narrow: _Place, path: str, seen: _Seen) -> Iterator[Loss]:
    """Both without alternatives or references."""
    _check_keywords(wide.schema)
    _check_keywords(narrow.schema)
    if not _types(narrow) <= _types(wide):
        yield Loss(path, Finding.LIMIT, _of_type(narrow, wide))
        return
    yield from _values(wide.schema, narrow.schema, path)
    yield from _bounds(wide.schema, narrow.schema, path)
    for keyword in ("pattern", "format", "uniqueItems", "anyOf", *sorted(CONDITIONS)):
        if keyword in wide.schema and wide.schema[keyword] != narrow.schema.get(keyword):
            yield Loss(path, Finding.LIMIT, f"what {keyword} {_spelled(wide.schema[keyword])} does not fit")
    yield from _fields(wide, narrow, path, seen)
    yield from _names(wide, narrow, path, seen)
    if "items" in wide.schema:
        inner = _Place(narrow.schema.get("items", {}), narrow.root)
        yield from _compare(_Place(wide.schema["items"], wide.root), inner, f"{path}[]", seen)


def _values(wide: Schema, narrow: Schema, path: str) -> Iterator[Loss]:
    taken = _listed(wide)
    if taken is None:
        return
    given = _listed(narrow)
    if given is None:
        yield Loss(path, Finding.LIMIT, f"any value but {', '.join(taken)}")
        return
    missing = [value for value in given if value not in taken]
    if missing:
        yield Loss(path, Finding.LIMIT, f"the value {', '.join(missing)}")


def _listed(schema: Schema) -> list[str] | None:
    if "const" in schema:
        return [_spelled(schema["const"])]
    return [_spelled(value) for value in schema["enum"]] if "enum" in schema else None


def _bounds(wide: Schema, narrow: Schema, path: str) -> Iterator[Loss]:
    for keyword, words in LOWER.items():
        bound = wide.get(keyword)
        if bound is not None and (narrow.get(keyword) is None or narrow[keyword] < bound):
            yield Loss(path, Finding.LIMIT, f"below {bound} ({words})")
    for keyword, words in UPPER.items():
        bound = wide.get(keyword)
        if bound is not None and (narrow.get(keyword) is None or narrow[keyword] > bound):
            yield Loss(path, Finding.LIMIT, f"above {bound} ({words})")


def _fields(wide: _Place, narrow: _Place, path: str, seen: _Seen) -> Iterator[Loss]:
    for name in wide.schema.get("required", ()):
        if name not in narrow.schema.get("required", ()):
            yield Loss(_join(path, name), Finding.REQUIRED, "")
    known, given = wide.schema.get("properties", {}), narrow.schema.get("properties", {})
    for name in known.keys() & given.keys():
        yield from _compare(_Place(known[name], wide.root), _Place(given[name], narrow.root), _join(path, name), seen)


def _names(wide: _Place, narrow: _Place, path: str, seen: _Seen) -> Iterator[Loss]:
    """Of mappings: which names there may be, and what stands behind them."""
    inside = _join(path, "*")
    patterns, given = wide.schema.get("patternProperties", {}), narrow.schema.get("patternProperties", {})
    if patterns.keys() != given.keys() and wide.schema.get("additionalProperties") is False:
        yield Loss(inside, Finding.LIMIT, f"names that do not fit {', '.join(patterns) or 'the fields'}")
    for pattern in patterns.keys() & given.keys():
        yield from _compare(_Place(patterns[pattern], wide.root), _Place(given[pattern], narrow.root), inside, seen)
    for keyword in ("additionalProperties", "propertyNames"):
        if keyword in wide.schema:
            there = _as_schema(narrow.schema.get(keyword, True), narrow.root)
            yield from _compare(_as_schema(wide.schema[keyword], wide.root), there, inside, seen)


def _as_schema(value: bool | Schema, root: Schema) -> _Place:
    """Nothing fits a schema that is False: as one without types."""
    if isinstance(value, bool):
        return _Place({} if value else {"type": []}, root)
    return _Place(value, root)


def _drift(old: _Place, new: _Place, path: str, seen: _Seen) -> Iterator[Loss]:
    pair = (id(old.schema), id(new.schema))
    if pair in seen:
        return
    seen |= {pair}
    defaults = [_spelled(place.schema["default"]) for place in (old, new) if "default" in place.schema]
    if len(set(defaults)) == 2:
        yield Loss(path, Finding.DEFAULT, f"the default was {defaults[0]} and is {defaults[1]}")
    before, after = _members(old), _members(new)
    for name, there in before.items():
        inside = _join(path, name)
        if name in after:
            yield from _drift(there, after[name], inside, seen)
        elif any(("array" if name == "[]" else "object") in _types(option) for option in _alternatives(new)):
            # Where there is no object any more the type has changed, and that is told instead.
            yield Loss(inside, Finding.GONE, "the field is gone")


def _members(place: _Place) -> dict[str, _Place]:
    """What an object has, whichever alternative it is in; what is in a list or behind any name too."""
    found: dict[str, _Place] = {}
    for option in _alternatives(place):
        schema = option.schema
        inner = dict(schema.get("properties", {}))
        for value in [*schema.get("patternProperties", {}).values(), schema.get("additionalProperties")]:
            if isinstance(value, dict):
                inner["*"] = value
        if "items" in schema:
            inner["[]"] = schema["items"]
        found |= {name: _Place(value, option.root) for name, value in inner.items()}
    return found


def _alternatives(place: _Place) -> list[_Place]:
    """Without references and anyOf of alternatives; what stands beside an anyOf holds for each of them."""
    schema, root = place
    if "$ref" in schema:
        target: Schema = root
        for part in schema["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        beside = {keyword: value for keyword, value in schema.items() if keyword not in ("$ref", "default")}
        # The very object, where nothing is added: who meets it again knows it by its identity.
        return _alternatives(_Place({**target, **beside} if beside.keys() - ANNOTATIONS else target, root))
    if "anyOf" not in schema:
        return [place]
    if all("type" not in option and "$ref" not in option and "anyOf" not in option for option in schema["anyOf"]):
        # A condition on an object, not a choice of types.
        return [place]
    beside = {keyword: value for keyword, value in schema.items() if keyword not in ("anyOf", "default", *ANNOTATIONS)}
    merged = [_Place({**beside, **option} if beside else option, root) for option in schema["anyOf"]]
    return [found for option in merged for found in _alternatives(option)]


_EVERY_TYPE = frozenset({"object", "array", "string", "integer", "number", "boolean", "null"})


def _types(place: _Place) -> frozenset[str]:
    named = place.schema.get("type")
    if named is None:
        return _EVERY_TYPE
    types = frozenset([named] if isinstance(named, str) else named)
    return types | {"integer"} if "number" in types else types


def _of_type(given: _Place, *taken: _Place) -> str:
    missing = _types(given).difference(*map(_types, taken))
    if len(missing) == len(_EVERY_TYPE):
        return "anything"
    return f"the type {', '.join(sorted(missing or _types(given)))}"


def _check_keywords(schema: Schema) -> None:
    unknown = sorted(key for key in schema.keys() - KNOWN if not key.startswith("x-"))
    if unknown:
        raise UnknownKeyword(f"cannot compare {', '.join(unknown)}: teach schemas/narrowing.py about it")


def _spelled(value: Any) -> str:
    return repr(value) if isinstance(value, str) else str(value)


def _join(path: str, name: str) -> str:
    if name == "[]":
        return f"{path}[]"
    return f"{path}.{name}" if path else name
