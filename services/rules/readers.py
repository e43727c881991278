"""PURE. Readers of plain data, compiled from the core schemas that pydantic itself validates by.

The models stay the one place that says what an event is. A reader takes what is plainly valid and gives up on anything
else. Of a schema with a type, a key or a validator that is not known here no reader is made at all.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from schemas import fields
from schemas.currencies import ISO_4217
from services.rules import spelling
from services.rules.entries import CLEARED

Schema = Mapping[str, Any]

Test = Callable[[Any], object]
"""Holds of a value that is kept as it came."""

Convert = Callable[[Any], Any]
"""From a value to what is kept of it."""

GIVES_UP = (LookupError, TypeError, ValueError, AttributeError)
"""What a reader raises when it gives up. It does not ask for a type where a wrong one raises by itself."""


class NoReader(Exception):
    """A schema of which no reader can be made."""


class Way(NamedTuple):
    """How a value is read: `test` it and keep it, or `convert` it."""

    test: Test | None
    convert: Convert | None = None


class Field(NamedTuple):
    """`absent` stands for a value that is not given, _REQUIRED for one that must be given. Of a value that may be null
    it is None: then nothing is said."""

    name: str
    way: Way
    absent: Any


class Plan(NamedTuple):
    """How documents with the same names in them are read. `begun` holds the fields that will be said in the model's
    order, with the defaults of those that are not given; `fresh` are defaults of which each document gets its own."""

    begun: dict[str, Any]
    fresh: list[tuple[str, Callable[[], Any]]]
    given: list[tuple[str, Test | None, Convert | None]]


_REQUIRED = object()

MOST_PLANS = 200
"""Sets of names in documents of one model for which a plan is kept: senders have their habits."""

MOST_CHARS = 1_000
"""Of the names in a plan that is kept: of those that no model knows there may be any number."""

_CONFIG = {
    "allow_inf_nan": False,
    "extra_fields_behavior": "ignore",
    "strict": True,
    "validate_by_alias": True,
    "validate_by_name": True,
}


class Reader:
    """Reads the data of one model: the fields in the model's order, without what was not said."""

    def __init__(self, model: Schema) -> None:
        """`model` is a core schema of type `model`, with or without a validator behind it."""
        self._holds: Callable[[dict[str, Any]], bool] | None = None
        if model["type"] == "function-after":
            self._holds = _known(CHECKS, validator_of(model))
            model = model["schema"]
        self.fields: list[Field] = []
        self._hidden_names: set[str] = set()
        for name, field in fields_of(model).items():
            self._add(name, field)
        self._may_be_null = frozenset(field.name for field in self.fields if field.absent is None)
        self._plans: dict[tuple[str, ...], Plan] = {}

    def _add(self, name: str, field: Schema) -> None:
        _require(field, "model-field", "schema", "validation_alias", "serialization_alias")
        said = field.get("validation_alias", name)
        if said != field.get("serialization_alias", name) or not isinstance(said, str):
            raise NoReader(f"{name} is read and written under different names")
        if said != name:
            self._hidden_names.add(name)
        self.fields.append(field_of(said, field["schema"]))

    def read(self, document: Any) -> dict[str, Any]:
        """The plain data of a document; raises one of GIVES_UP."""
        if type(document) is not dict:
            raise TypeError("no object")
        names = tuple(document)
        begun, fresh, given = self._plans.get(names) or self._planned(names)
        said = begun.copy()
        for name, make in fresh:
            said[name] = make()
        for name, test, convert in given:
            value = document[name]
            if value is None:
                self._require_may_be_null(name)
                del said[name]
            elif convert is not None:
                said[name] = convert(value)
            elif test is not None and test(value):
                said[name] = value
            else:
                raise ValueError(name)
        if self._holds is not None and not self._holds(said):
            raise ValueError("a field contradicts another")
        return said

    def _require_may_be_null(self, name: str) -> None:
        if name not in self._may_be_null:
            raise ValueError(name)

    def _planned(self, names: tuple[str, ...]) -> Plan:
        if not self._hidden_names.isdisjoint(names):
            raise ValueError("by which name a field is read is for the model to say")
        plan = Plan({}, [], [])
        for name, way, absent in self.fields:
            if name in names:
                plan.begun[name] = None
                plan.given.append((name, *way))
            elif absent is _REQUIRED:
                raise ValueError(name)
            elif absent is not None:
                plan.begun[name] = absent
                if isinstance(absent, (list, dict)):
                    plan.fresh.append((name, absent.copy))
        if len(self._plans) < MOST_PLANS and sum(map(len, names)) <= MOST_CHARS:
            self._plans[names] = plan
        return plan


# -- what models require of several fields together


def _due_once(said: dict[str, Any]) -> bool:
    parts = said.get("instalments")
    if ("due_date" in said) is bool(parts):
        return False
    return not parts or _sum_of(parts) == Decimal(said["amount"])


def _not_over_allocated(said: dict[str, Any]) -> bool:
    parts, amount = said["allocations"], said["amount"]
    if not parts or (len(parts) == 1 and parts[0]["amount"] == amount):
        return True
    return _sum_of(parts) <= Decimal(amount)


def _says_something(said: dict[str, Any]) -> bool:
    return bool(said["fields"]) or bool(said["confirmed_unchanged"])


def _sum_of(parts: list[dict[str, Any]]) -> Decimal:
    return sum((Decimal(part["amount"]) for part in parts), Decimal(0))


CHECKS: dict[str, Callable[[dict[str, Any]], bool]] = {
    "InvoiceIssued._due_once": _due_once,
    "PaymentReceived._not_over_allocated": _not_over_allocated,
    "ProfileUpdated._says_something": _says_something,
}
"""By the name of a model's validator, the same on plain data."""


# -- ways, by the type of a core schema


def field_of(name: str, schema: Schema) -> Field:
    """How a field is read; raises NoReader."""
    absent: Any = _REQUIRED
    if schema["type"] == "default":
        _require(schema, "default", "default", "schema")
        absent, schema = schema["default"], schema["schema"]
    if (schema["type"] == "nullable") is not (absent is None):
        raise NoReader(f"{name}: null is a value of its own")
    if schema["type"] == "nullable":
        _require(schema, "nullable", "schema")
        schema = schema["schema"]
    if (schema["type"] == "dict") is not (name == CLEARED):
        raise NoReader(f"{name}: in {CLEARED}, and nowhere else, a null is kept")
    way = _scalars(schema) if name == CLEARED else _way(schema)
    return Field(name, way, absent)


def test_of(schema: Schema) -> Test:
    """What holds of a text; raises NoReader for a value that is not kept as it came."""
    test = _way(schema).test
    if test is None:
        raise NoReader(f"a {schema['type']} is not kept as it came")
    return test


def _way(schema: Schema) -> Way:
    make: Callable[[Schema], Way] = _known(_WAYS, schema["type"])
    return make(schema)


def _text(schema: Schema) -> Way:
    _require(schema, "str", "pattern", "min_length", "max_length")
    times = f"{{{schema.get('min_length', 0)},{schema.get('max_length', '')}}}"
    pattern = schema.get("pattern", "^$")
    if not isinstance(pattern, str) or not pattern.startswith("^") or not pattern.endswith("$"):
        raise NoReader(f"the pattern {pattern} is not one of a whole text")
    # Python's $ would match before a last newline too.
    whole = rf"(?:{pattern[:-1]}\Z)"
    if "pattern" not in schema:
        whole = rf"(?s:.){times}\Z"
    elif times != "{0,}":
        whole = rf"(?=(?s:.){times}\Z){whole}"
    if pattern == fields.IDENTIFIER:
        # Most are plain ASCII, which is quicker found.
        whole = rf"[!-~]{times}\Z|{whole}"
    return Way(re.compile(whole).match)


def _literal(schema: Schema) -> Way:
    _require(schema, "literal", "expected")
    expected = schema["expected"]
    if not all(type(one) is str for one in expected):
        raise NoReader("a literal that is no text: 1 and true are equal here")
    return Way(frozenset(expected).__contains__)


def _flag(schema: Schema) -> Way:
    _require(schema, "bool")
    return Way(None, _bool)


def _bool(value: Any) -> bool:
    if value is True or value is False:
        return bool(value)
    raise ValueError("no boolean")


def _int(schema: Schema) -> Way:
    _require(schema, "int", "ge", "le")
    low, high = _known(schema, "ge"), _known(schema, "le")
    return Way(lambda value: type(value) is int and low <= value <= high)


def _float(schema: Schema) -> Way:
    _require(schema, "float", "ge", "le", "allow_inf_nan")
    low, high = _known(schema, "ge"), _known(schema, "le")

    def read(value: Any) -> float:
        if type(value) in (int, float) and low <= value <= high:
            return float(value)
        raise ValueError("no number in the range")

    return Way(None, read)


def _list(schema: Schema) -> Way:
    _require(schema, "list", "items_schema", "min_length", "max_length")
    shortest, longest = schema.get("min_length", 0), _known(schema, "max_length")
    test, convert = _way(schema["items_schema"])

    def read(value: Any) -> list[Any]:
        if type(value) is not list or not shortest <= len(value) <= longest:
            raise ValueError("no list of such a length")
        if convert is not None:
            return [convert(one) for one in value]
        if test is not None and all(map(test, value)):
            return list(value)
        raise ValueError("no list of such texts")

    return Way(None, read)


def _scalars(schema: Schema) -> Way:
    """A dict of values that are kept as they are, nulls too."""
    _require(schema, "dict", "keys_schema", "values_schema", "max_length")
    if schema["values_schema"] != _SCALAR:
        raise NoReader("a dict of anything but scalars")
    longest, is_name = _known(schema, "max_length"), test_of(schema["keys_schema"])

    def read(value: Any) -> dict[str, Any]:
        if (
            type(value) is dict
            and len(value) <= longest
            and all(map(is_name, value))
            and _SCALARS.issuperset(map(type, value.values()))
        ):
            return dict(value)
        raise ValueError("no such dict")

    return Way(None, read)


_SCALARS = frozenset({str, bool, int, float, type(None)})
_SCALAR = {
    "type": "nullable",
    "schema": {"type": "union", "choices": [{"type": "str"}, {"type": "bool"}, {"type": "int"}, {"type": "float"}]},
}


def _parsed(schema: Schema) -> Way:
    _require(schema, "function-before", "function", "schema", "serialization")
    if schema.get("serialization", _IN_JSON)["when_used"] != "json":
        raise NoReader("a value that is dumped as another")
    _require(schema["schema"], *_known(_INSIDE, schema["function"]["function"]))
    return _PARSED[schema["function"]["function"]]


_IN_JSON = {"when_used": "json"}

_PARSED: dict[Any, Way] = {
    fields.parse_instant: Way(None, spelling.instant),
    fields.parse_date: Way(None, spelling.ordinal),
    fields.parse_decimal: Way(spelling.DECIMAL.fullmatch),
    fields.parse_not_negative: Way(spelling.NOT_NEGATIVE.fullmatch),
    fields.parse_positive: Way(spelling.POSITIVE.fullmatch),
    fields.parse_currency: Way(ISO_4217.__contains__),
    fields.parse_personal_label: Way(spelling.personal(1, fields.LABEL_CHARS)),
    fields.parse_personal_text: Way(spelling.personal(0, fields.TEXT_CHARS)),
}
_INSIDE: dict[Any, tuple[str, ...]] = {
    fields.parse_instant: ("datetime", "microseconds_precision"),
    fields.parse_date: ("date",),
    fields.parse_decimal: ("decimal",),
    fields.parse_not_negative: ("decimal",),
    fields.parse_positive: ("decimal",),
    fields.parse_currency: ("str",),
    fields.parse_personal_label: ("str",),
    fields.parse_personal_text: ("str",),
}

_WAYS: dict[str, Callable[[Schema], Way]] = {
    "str": _text,
    "literal": _literal,
    "bool": _flag,
    "int": _int,
    "float": _float,
    "list": _list,
    "model": lambda schema: Way(None, Reader(schema).read),
    "function-after": lambda schema: Way(None, Reader(schema).read),
    "function-before": _parsed,
}


# -- reading core schemas


def _require(schema: Schema, kind: str, *keys: str) -> None:
    """Nothing that a schema says must go unnoticed."""
    surplus = schema.keys() - {"type", "metadata", "ref", *keys}
    if schema["type"] != kind or surplus:
        raise NoReader(f"{schema['type']} with {sorted(surplus)}")


def _known(table: Mapping[Any, Any], name: Any) -> Any:
    if name not in table:
        raise NoReader(f"{name} is not there")
    return table[name]


def validator_of(schema: Schema) -> str:
    """The name of what validates a model behind its fields."""
    _require(schema, "function-after", "function", "schema")
    if schema["function"]["type"] != "no-info" or schema["schema"]["type"] != "model":
        raise NoReader("more than one validator of a model")
    return str(schema["function"]["function"].__qualname__)


def fields_of(model: Schema) -> dict[str, Schema]:
    """The core schemas of a model's fields; raises NoReader for a model of another kind than `Wire`."""
    _require(model, "model", "cls", "config", "custom_init", "root_model", "schema")
    config = {name: value for name, value in model["config"].items() if name != "title"}
    if config != _CONFIG or model["custom_init"] or model["root_model"]:
        raise NoReader(f"{model['cls'].__name__} is configured in another way")
    inner = model["schema"]
    _require(inner, "model-fields", "fields", "model_name", "computed_fields")
    if inner["computed_fields"]:
        raise NoReader(f"{model['cls'].__name__} computes fields")
    return dict(inner["fields"])
