"""What a condition says of a customer of whom nothing is known. PURE."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from services.rules.conditions import Leaf, Node, side, true_on
from services.rules.facts import Value

TIMES = ("since_last", "past_usual_gap", "waiting", "anniversaries_since_first")
MEASURED = (*TIMES, "share", "mean", "max", "trend", "rank")
"""Shapes with nothing to measure before something happened."""

JUDGED = ("result", "checklist")

Facts = Mapping[str, Mapping[str, Any]]
"""Facts as their file declares them."""


def holds_of_nobody(node: Node, facts: Facts, params: Mapping[str, Any]) -> bool:
    """Whether a tree over facts holds where nothing has happened."""
    if isinstance(node, Leaf):
        found = side(node, _value(facts[node.fact], params))
        return found is not None and true_on(node.op, found)
    verdicts = [holds_of_nobody(branch, facts, params) for branch in node.branches]
    return all(verdicts) if node.mode == "all" else any(verdicts)


def _value(raw: Mapping[str, Any], params: Mapping[str, Any]) -> Value:
    if raw["shape"] in (*MEASURED, *JUDGED):
        return None
    if raw["shape"] != "latest":
        return 0
    default: Value = raw.get("default")
    return params[default[1:]] if isinstance(default, str) and default[1:] in params and default[0] == "$" else default
