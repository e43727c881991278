"""What kind of value a field of an event or series holds, and what kind a fact has. PURE.

Kinds of events' fields are read from the wire models, so they follow every change of those.
"""

from __future__ import annotations

import types
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any, Literal, NamedTuple, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from schemas.events import CUSTOMER_EVENTS
from schemas.fields import Amount, AmountOrZero
from services.rules.compiling import Rule
from services.rules.forms import THINGS
from services.rules.timing import PastUsualGap

Sort = Literal["number", "word", "bool", "day", "list", "mapping", "any", "time passed"]
"""`any` may be a word, a number, true or false (a profile's fields); `day` is a day or an instant of the data."""


class Kind(NamedTuple):
    """`values`: the only words that there are (None: any). `low` and `high`: bounds of numbers, and of times passed in
    microseconds. `whole`: whole numbers only. `money`: means nothing without a currency. `absent`: may be missing."""

    sort: Sort
    values: frozenset[str] | None = None
    low: Decimal | None = None
    high: Decimal | None = None
    whole: bool = False
    money: bool = False
    absent: bool = True

    @property
    def said(self) -> str:
        """What it is, for a sentence."""
        if self.values is not None:
            return f"one of {', '.join(sorted(self.values))}"
        return _SAID[self.sort]


_SAID: dict[Sort, str] = {
    "number": "a number",
    "word": "a word",
    "bool": "true or false",
    "day": "a day or an instant",
    "list": "a list",
    "mapping": "a group of fields",
    "any": "a word, a number, true or false",
    "time passed": "a time that passes",
}

ZERO = Decimal(0)
ANY = Kind("any")
WORD = Kind("word")
DAY = Kind("day")
BOOL = Kind("bool")
MONEY = Kind("number", low=ZERO, money=True)

DERIVED: dict[str, dict[str, Kind]] = {
    "instalments": {
        "invoice_id": WORD,
        "amount": MONEY,
        "currency": WORD,
        "late": BOOL,
        "settled": BOOL,
        "days_late": Kind("number", low=ZERO, whole=True),
        "fault": Kind("word", frozenset({"ours", "customer", "third_party"})),
    },
    "receipts": {"payment_id": WORD, "amount": MONEY, "currency": WORD},
    "orders": {
        "order_id": WORD,
        "currency": WORD,
        "amount": MONEY,
        "quantity": Kind("number", low=ZERO),
        "margin": Kind("number", money=True),
        "lines": Kind("list"),
        "campaign": WORD,
        "promised_date": DAY,
    },
    "promises": {
        "promise_id": WORD,
        "order_id": WORD,
        "by": WORD,
        "made_at": DAY,
        "due": DAY,
        "due_day": WORD,
        "met_at": DAY,
    },
    "stage_steps": {"jump": Kind("number", whole=True)},
    "stage_visits": {"opportunity_id": WORD, "stage": WORD, "left_at": DAY},
    "milestones": {"kind": WORD, "occurs_on": DAY, "subject": WORD},
    "anniversaries": {
        "kind": Kind("word", frozenset({"birthday", "cooperation"})),
        "contact_id": WORD,
        "subject": WORD,
        "years": Kind("number", low=ZERO, whole=True),
        "opt_in": BOOL,
        "day": WORD,
    },
}
"""The fields of derived series, but for those that they have from an event."""


def field_kind(of: str, dotted: str) -> Kind:
    """The kind of a field of an event type or series; ANY for what is not told apart further."""
    name, _, rest = dotted.partition(".")
    if rest:
        return ANY
    if of in DERIVED and name in DERIVED[of]:
        return DERIVED[of][name]
    fields = THINGS[of][1] if of in THINGS else of
    return event_kinds(fields).get(name, ANY) if isinstance(fields, str) else ANY


@lru_cache(maxsize=128)
def event_kinds(of: str) -> Mapping[str, Kind]:
    """The kinds of an event's fields, under the names that they have on the wire."""
    model = CUSTOMER_EVENTS.get(of)
    fields = {} if model is None else model.model_fields
    return {info.alias or name: _of_info(info, "currency" in fields) for name, info in fields.items()}


def _of_info(info: FieldInfo, in_money: bool) -> Kind:
    kind = _of_type(info.annotation, tuple(info.metadata))
    is_money = in_money and kind.sort == "number"
    return kind._replace(money=is_money, absent=not info.is_required() and info.get_default() is None)


def _of_type(annotation: Any, told: tuple[Any, ...]) -> Kind:
    origin = get_origin(annotation)
    if origin in (Union, types.UnionType):
        parts = [part for part in get_args(annotation) if part is not type(None)]
        return _of_type(parts[0], told) if len(parts) == 1 else ANY
    if hasattr(annotation, "__metadata__"):
        return _of_type(annotation.__origin__, (*told, *annotation.__metadata__))
    if origin is Literal:
        return Kind("word", frozenset(map(str, get_args(annotation))))
    if origin in (list, dict):
        return Kind("list" if origin is list else "mapping")
    if annotation in (Decimal, int, float):
        low, high = _bounds(told)
        return Kind("number", low=low, high=high, whole=annotation is int)
    plain: dict[Any, Kind] = {bool: BOOL, date: DAY, datetime: DAY, str: WORD}
    return plain.get(annotation, Kind("mapping"))


def _bounds(told: Iterable[Any]) -> tuple[Decimal | None, Decimal | None]:
    low = high = None
    for one in told:
        for bound in one.metadata if isinstance(one, FieldInfo) else [one]:
            low = Decimal(str(bound.ge)) if hasattr(bound, "ge") else low
            high = Decimal(str(bound.le)) if hasattr(bound, "le") else high
            if any(bound is validator for validator in _NOT_NEGATIVE):
                low = ZERO
    return low, high


_NOT_NEGATIVE = (get_args(Amount)[1], get_args(AmountOrZero)[1])
"""What the wire models check amounts with."""


COUNTED = Kind("number", low=ZERO, whole=True, absent=False)
SHARE = Kind("number", low=ZERO, high=Decimal(1))
PASSED = Kind("time passed", low=ZERO)

_SHAPES: dict[str, Kind] = {
    "count": COUNTED,
    "distinct": COUNTED,
    "distinct_days": COUNTED,
    "changes": COUNTED,
    "streak": COUNTED,
    "missed": COUNTED,
    "anniversaries_since_first": COUNTED._replace(absent=True),
    "share": SHARE,
    "rank": SHARE,
    "checklist": SHARE,
    "filled": SHARE._replace(absent=False),
    "best_month": MONEY._replace(absent=False),
    "level": Kind("number", money=True, absent=False),
    "since_last": PASSED,
    "waiting": PASSED,
}


def fact_kind(name: str, rule: Rule, rules: Mapping[str, Rule]) -> Kind:
    """The kind of a fact's values; `rules` are those whose results it may read."""
    raw, fact = rule.definition.facts[name], rule.facts[name]
    shape = str(raw["shape"])
    if isinstance(fact, PastUsualGap):
        return PASSED._replace(low=Decimal(-fact.least))
    if shape == "result":
        return _result_kind(str(raw["of"]), rules)
    if shape in _SHAPES:
        return WORD if raw.get("tells") in ("note", "missing") else _SHAPES[shape]
    field = field_kind(str(raw["of"]), str(raw["field"]))
    if shape == "latest":
        return _latest_kind(field, raw.get("default"), rule)
    low = ZERO if field.low is not None and field.low >= 0 else None
    if shape in ("mean", "max"):
        return field._replace(sort="number", whole=field.whole and shape == "max", absent=True)
    return Kind("number", low=low, whole=field.whole and shape == "sum", money=field.money, absent=shape == "trend")


def _result_kind(name: str, rules: Mapping[str, Rule]) -> Kind:
    if name not in rules or not rules[name].definition.judges:
        return ANY
    definition = rules[name].definition
    if definition.kind == "score":
        return Kind("number", low=ZERO, high=Decimal(100))
    last = [definition.otherwise.value] if definition.otherwise else []
    return Kind("word", frozenset([one.value for one in definition.classes] + last))


def _latest_kind(field: Kind, default: Any, rule: Rule) -> Kind:
    if isinstance(default, str) and default.startswith("$"):
        default = rule.params.get(default[1:])
    if default is None:
        return field._replace(absent=True)
    values = field.values
    if values is not None and isinstance(default, str):
        values |= {default}
    return field._replace(values=values, absent=False)
