"""What a fact may be compared with, and what is equal to what: each case was once answered wrongly."""

from __future__ import annotations

from decimal import Decimal

import pytest
import yaml

from services.rules.books import SHIPPED, rules_of
from services.rules.conditions import Leaf, Op, Side, Threshold, side
from services.rules.definition import BadRule
from services.rules.facts import Span, Value


@pytest.mark.parametrize(
    ("value", "op", "threshold", "expected"),
    [
        (True, ">", 0, -1),
        (True, "!=", 5, 0),
        (True, "==", frozenset({1}), 1),
        (1, "==", frozenset({True}), 1),
        (Decimal("0.50"), "==", "0.5", 0),
        ("0.50", "==", "0.5", 1),
        ("0.50", "==", Decimal("0.5"), 0),
        ("5", "==", frozenset({5}), 0),
        (Decimal("0.5"), "==", frozenset({"0.50", "high"}), 0),
        (Span(3, 5), "==", frozenset({3, 5}), None),
        (Span(2, 6), "!=", frozenset({4}), None),
        (Span(2, 6), "==", frozenset({7, "high"}), 1),
        (Span(4, 4), "==", frozenset({4}), 0),
    ],
)
def test_true_is_not_one_and_a_number_is_equal_to_its_text(
    value: Value, op: Op, threshold: Threshold, expected: Side | None
) -> None:
    assert side(Leaf("L", "fact", op, threshold), value) == expected


@pytest.mark.parametrize("op", ["==", "!="])
@pytest.mark.parametrize("written", ["[0, 1]", "{a: 1}", "2026-03-01", "0.5", "null"])
def test_what_nothing_is_ever_equal_to_is_refused_before_an_event_meets_it(op: str, written: str) -> None:
    raw = yaml.safe_load(next(SHIPPED.glob("R10r_*.yaml")).read_text(encoding="utf-8"))
    raw["classes"][0]["when"] = {"fact": "late_long", "op": op, "value": yaml.safe_load(written)}
    with pytest.raises(BadRule, match="compare with a word|as a text|value is missing"):
        rules_of({"R10r.yaml": yaml.safe_dump(raw, allow_unicode=True)}, {})
