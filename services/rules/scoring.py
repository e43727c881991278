"""Scores: inputs scaled to 0–100 and weighed, each told with what it gave and what was missing. PURE."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal
from itertools import pairwise
from typing import Literal, NamedTuple

from services.rules.facts import UNKNOWN, Span, Unknown, Value
from services.rules.series import number_of

TENTH = Decimal("0.1")

Missing = Literal["reweight", "inconclusive"] | Decimal


@dataclass(frozen=True)
class Input:
    """A fact that a score weighs. `scale` are points (x, y) between which it is interpolated, `words` the parts of
    words; `missing` says what to do without a value."""

    name: str
    fact: str
    weight: Decimal
    scale: tuple[tuple[Decimal, Decimal], ...]
    words: tuple[tuple[str, Decimal], ...]
    missing: Missing

    def part(self, value: Value) -> Decimal | None:
        """0–100 for a value; None when there is none."""
        if value is None or isinstance(value, (Unknown, Span)):
            return None
        if self.words:
            return dict(self.words).get(str(value))
        number = number_of(value)
        return None if number is None else _interpolated(self.scale, number)


class Part(NamedTuple):
    """What an input gave: its value, and its part of 0–100 (None when it was missing)."""

    input: Input
    value: Value
    part: Decimal | None


class Score(NamedTuple):
    """A composite with all that went into it. `value`: 0–100 to one decimal, or unknown: inconclusive."""

    value: Decimal | Unknown
    parts: tuple[Part, ...]


def score(inputs: Sequence[Input], values: Sequence[Value]) -> Score:
    """Σ weight x part / Σ weight over the inputs there are."""
    parts = []
    conclusive = True
    for one, value in zip(inputs, values, strict=True):
        part = one.part(value)
        if part is None and isinstance(one.missing, Decimal):
            part = one.missing
        conclusive = conclusive and not (part is None and one.missing == "inconclusive" and one.weight)
        parts.append(Part(one, value, part))
    there = [part for part in parts if part.part is not None]
    weight = sum((part.input.weight for part in there), Decimal(0))
    if not conclusive or not weight:
        return Score(UNKNOWN, tuple(parts))
    total = sum((part.input.weight * part.part for part in there if part.part is not None), Decimal(0))
    return Score((total / weight).quantize(TENTH, ROUND_HALF_EVEN), tuple(parts))


def _interpolated(scale: tuple[tuple[Decimal, Decimal], ...], x: Decimal) -> Decimal:
    """The piecewise linear function through the points, flat outside."""
    if x <= scale[0][0]:
        return scale[0][1]
    for (left, low), (right, high) in pairwise(scale):
        if x <= right:
            return low + (high - low) * (x - left) / (right - left)
    return scale[-1][1]
