"""A small judge of JSON Schema: the vocabulary of our own export, and an error for any keyword beyond it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

Defs = dict[str, Any]
Judge = Callable[[Any, Any, Defs, str], Iterator[str]]

ANNOTATIONS = {"title", "description", "default", "format", "$defs"}
TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}


def faults(schema: dict[str, Any], document: Any) -> list[str]:
    """What is wrong with the document, as sentences with a path; empty when the schema accepts it."""
    return list(_judge(schema, document, schema.get("$defs", {}), ""))


def _judge(schema: dict[str, Any], value: Any, defs: Defs, path: str) -> Iterator[str]:
    for keyword, wanted in schema.items():
        if keyword not in ANNOTATIONS:
            yield from JUDGES[keyword](wanted, value, defs, path)


def _ref(wanted: str, value: Any, defs: Defs, path: str) -> Iterator[str]:
    yield from _judge(defs[wanted.rsplit("/", 1)[-1]], value, defs, path)


def _any_of(wanted: list[Any], value: Any, defs: Defs, path: str) -> Iterator[str]:
    if all(any(_judge(option, value, defs, path)) for option in wanted):
        yield f"{path} fits none of the alternatives"


def _type(wanted: str, value: Any, _defs: Defs, path: str) -> Iterator[str]:
    if not isinstance(value, TYPES[wanted]) or (isinstance(value, bool) and wanted != "boolean"):
        yield f"{path} is no {wanted}"


def _one_of_values(wanted: Any, value: Any, _defs: Defs, path: str) -> Iterator[str]:
    if value not in (wanted if isinstance(wanted, list) else [wanted]):
        yield f"{path} is not {wanted}"


def _required(wanted: list[str], value: Any, _defs: Defs, path: str) -> Iterator[str]:
    yield from (f"{path}{name} is missing" for name in wanted if name not in value)


def _properties(wanted: dict[str, Any], value: Any, defs: Defs, path: str) -> Iterator[str]:
    for name in wanted.keys() & value.keys():
        yield from _judge(wanted[name], value[name], defs, f"{path}{name}.")


def _every_value(wanted: Any, value: Any, defs: Defs, path: str) -> Iterator[str]:
    if isinstance(wanted, dict):
        for name, inner in value.items():
            yield from _judge(wanted, inner, defs, f"{path}{name}.")


def _pattern_properties(wanted: dict[str, Any], value: Any, defs: Defs, path: str) -> Iterator[str]:
    for pattern, schema in wanted.items():
        for name, inner in value.items():
            if re.search(pattern, name):
                yield from _judge(schema, inner, defs, f"{path}{name}.")


def _names(wanted: Any, value: Any, defs: Defs, path: str) -> Iterator[str]:
    for name in value:
        yield from _judge(wanted, name, defs, f"{path}{name} (its name)")


def _items(wanted: Any, value: Any, defs: Defs, path: str) -> Iterator[str]:
    for index, inner in enumerate(value):
        yield from _judge(wanted, inner, defs, f"{path}{index}.")


def _pattern(wanted: str, value: Any, _defs: Defs, path: str) -> Iterator[str]:
    if isinstance(value, str) and not re.search(wanted, value):
        yield f"{path} does not fit {wanted}"


def _size(value: Any) -> Any:
    return len(value) if isinstance(value, (str, list, dict)) else value


def _at_least(wanted: Any, value: Any, _defs: Defs, path: str) -> Iterator[str]:
    if _size(value) < wanted:
        yield f"{path} is below {wanted}"


def _at_most(wanted: Any, value: Any, _defs: Defs, path: str) -> Iterator[str]:
    if _size(value) > wanted:
        yield f"{path} is above {wanted}"


JUDGES: dict[str, Judge] = {
    "$ref": _ref,
    "anyOf": _any_of,
    "type": _type,
    "const": _one_of_values,
    "enum": _one_of_values,
    "required": _required,
    "properties": _properties,
    "additionalProperties": _every_value,
    "patternProperties": _pattern_properties,
    "propertyNames": _names,
    "items": _items,
    "pattern": _pattern,
    "minimum": _at_least,
    "minLength": _at_least,
    "minItems": _at_least,
    "maximum": _at_most,
    "maxLength": _at_most,
    "maxItems": _at_most,
    "maxProperties": _at_most,
}
