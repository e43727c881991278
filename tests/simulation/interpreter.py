"""Rule files evaluated as they read, over plain values: what the matcher must give, worked out without the program.

It knows the language's words for comparing and nothing of how the program compiles them. Numbers are fractions here, so
no digit is lost; a comparison is asked whether it holds and whether its contrary does, and with nothing to measure
neither is so.
"""

from __future__ import annotations

import operator
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple

TIMES_PASSED = frozenset({"since_last", "waiting", "past_usual_gap"})
"""Shapes whose values are lengths of time, here in microseconds."""

_UNITS = {"s": 1_000_000, "m": 60_000_000, "h": 3_600_000_000, "d": 86_400_000_000}
_ORDERS = {"<": operator.lt, "<=": operator.le, ">=": operator.ge, ">": operator.gt}


class NotKnown:
    """The value of a fact of which nothing is known."""


NOT_KNOWN = NotKnown()


class Between(NamedTuple):
    """A number that lies somewhere between two, both included."""

    low: Decimal
    high: Decimal


class Comparison(NamedTuple):
    """A leaf of a rule file with its parameter put in."""

    name: str
    op: str
    wanted: Any
    is_time: bool


@dataclass(frozen=True)
class RuleFile:
    """A rule file as a mapping."""

    raw: Mapping[str, Any]

    def trees(self) -> list[Mapping[str, Any]]:
        """Its condition trees: what starts it, what escalates it, the named ones, and those of its classes."""
        raw = self.raw
        own = [] if raw["kind"] in ("class", "score") else [raw["when"]]
        own += [step["when"] for step in raw.get("escalates", [])]
        return [*own, *raw.get("conditions", {}).values(), *(one["when"] for one in raw.get("classes", []))]

    def comparisons(self, tree: Mapping[str, Any]) -> Iterator[Comparison]:
        """Every leaf of a tree, named conditions followed."""
        for part in tree.get("all", tree.get("any", [])):
            yield from self.comparisons(part)
        if "not" in tree:
            yield from self.comparisons(tree["not"])
        if "condition" in tree:
            yield from self.comparisons(self.raw["conditions"][tree["condition"]])
        if "op" in tree:
            yield self._comparison(tree)

    def holds(
        self, tree: Mapping[str, Any], values: Mapping[str, Any], *, supposed: bool = False, wanted: bool = True
    ) -> bool:
        """Whether a tree (`wanted` false: its contrary) holds, where comparisons that are not known are supposed to
        hold, or not to."""
        if "not" in tree:
            return self.holds(tree["not"], values, supposed=supposed, wanted=not wanted)
        if "condition" in tree:
            return self.holds(self.raw["conditions"][tree["condition"]], values, supposed=supposed, wanted=wanted)
        if "op" in tree:
            comparison = self._comparison(tree)
            found = compared(comparison, values[comparison.name])
            return supposed if isinstance(found, NotKnown) else found is wanted
        branches = tree["all"] if "all" in tree else tree["any"]
        parts = [self.holds(part, values, supposed=supposed, wanted=wanted) for part in branches]
        return all(parts) if ("all" in tree) is wanted else any(parts)

    def _comparison(self, leaf: Mapping[str, Any]) -> Comparison:
        name = leaf["field"] if "field" in leaf else leaf["fact"]
        is_time = "fact" in leaf and self.raw["facts"][name]["shape"] in TIMES_PASSED
        wanted = leaf["value"]
        if isinstance(wanted, str) and wanted.startswith("$"):
            wanted = self._parameter(wanted[1:])
        if is_time and leaf["op"] != "known" and isinstance(wanted, str):
            wanted = _length(wanted)
        return Comparison(name, leaf["op"], wanted, is_time)

    def _parameter(self, name: str) -> Any:
        parameter = self.raw["params"][name]
        value = parameter["default"]
        if parameter["type"] == "decimal":
            return Decimal(value)
        return _length(value) if parameter["type"] == "duration" else value


def _length(text: str) -> int:
    return int(text[:-1]) * _UNITS[text[-1]]


def compared(comparison: Comparison, value: Any) -> bool | NotKnown | None:
    """Whether a comparison holds; None where neither it nor its contrary does."""
    op, wanted = comparison.op, comparison.wanted
    if isinstance(value, NotKnown):
        return value
    if op == "known":
        return (value is not None) is wanted
    if value is None:
        return None
    if comparison.is_time:
        # The instant that fills a length of time belongs to what comes after it.
        return bool(value >= wanted) is (op in (">", ">="))
    return _between(op, wanted, value) if isinstance(value, Between) else _compared(op, wanted, value)


def _compared(op: str, wanted: Any, value: Any) -> bool | None:
    if op in ("in", "not_in"):
        return any(equal(value, one) for one in wanted) is (op == "in")
    if _is_number(wanted) and number(value) is None:
        return None
    if op in ("==", "!="):
        return equal(value, wanted) is (op == "==")
    return _ordered(op, number(value), number(wanted))


def _ordered(op: str, one: Fraction | None, other: Fraction | None) -> bool:
    assert one is not None, "what is no number is in no order"
    assert other is not None, "an order needs a number"
    return bool(_ORDERS[op](one, other))


def _between(op: str, wanted: Any, value: Between) -> bool | NotKnown:
    low, high = Fraction(value.low), Fraction(value.high)
    if op in _ORDERS:
        first, last = (_ordered(op, bound, number(wanted)) for bound in (low, high))
        return first if first is last else NOT_KNOWN
    numbers = [number(one) for one in (wanted if isinstance(wanted, list) else [wanted])]
    met = [one for one in numbers if one is not None and low <= one <= high]
    if met and low != high:
        return NOT_KNOWN
    return bool(met) is (op in ("==", "in"))


def equal(value: Any, wanted: Any) -> bool:
    """Texts as they are written; a number and a text by the number that the text is; true is not 1."""
    if isinstance(value, bool) or isinstance(wanted, bool):
        return value is wanted
    if isinstance(value, str) and isinstance(wanted, str):
        return value == wanted
    return number(value) is not None and number(value) == number(wanted)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | Decimal) and not isinstance(value, bool)


def number(value: Any) -> Fraction | None:
    """The number that a value is, or that a text of digits says."""
    if isinstance(value, str):
        whole, point, decimals = value.removeprefix("-").partition(".")
        parts = [whole, decimals] if point else [whole]
        if not all(part.isascii() and part.isdigit() for part in parts):
            return None
    elif isinstance(value, bool) or value is None:
        return None
    return Fraction(repr(value) if isinstance(value, float) else value)
