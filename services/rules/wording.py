"""A warning as the notifier receives it: the episode, with the values compared and the words of its rule. PURE."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

from schemas.warnings import SEVERITIES, Bilingual, Compared, ComparedOp, EventRef, Evidence, Review, Warning
from services.rules.announcing import Say
from services.rules.calendar import DAY, HOUR, SECOND, Micros, instant
from services.rules.compiling import Rule
from services.rules.conditions import Leaf, Side, side, true_on
from services.rules.definition import Words
from services.rules.entries import Key
from services.rules.facts import Span, Unknown, Value

MAX_EVENTS = 50
"""Events named in one warning; all of them are counted."""


def warning_of(
    rule: Rule,
    say: Say,
    customer_id: str,
    keys: list[Key],
    values: list[tuple[Leaf, Value]],
    at: Micros,
    now: Micros,
) -> Warning:
    """The warning of one revision; `values` are those compared at `at`."""
    definition, announced = rule.definition, say.announced
    review = definition.review
    first = instant(announced.first_detected_at)
    return Warning(
        id=announced.id,
        revision=announced.revision,
        change=say.change,
        output=definition.output,
        rule=rule.id,
        name=_bilingual(definition.name),
        customer_id=customer_id,
        subject=announced.subject,
        kind=definition.kind,
        severity=SEVERITIES[announced.severity],
        start=instant(announced.start),
        end=None if announced.end is None else instant(announced.end),
        run=announced.run,
        detected_at=instant(now),
        first_detected_at=first,
        historical=announced.historical,
        pages_again=say.pages_again and not announced.historical,
        merged_into=say.merged_into,
        evidence=_evidence(rule, announced.run, keys, values, at),
        advice=_bilingual(definition.advice),
        clause=Bilingual(zh=definition.clause.zh, en=definition.clause.en),
        clause_source=definition.clause.source,
        audience=list(definition.audience),
        review=None
        if review is None
        else Review(
            within_hours=review.within_hours,
            due=first + timedelta(hours=review.within_hours),
            departments=list(review.departments),
            quorum=review.quorum,
        ),
    )


def _bilingual(words: Words) -> Bilingual:
    return Bilingual(zh=words.zh, en=words.en)


def _evidence(rule: Rule, run: int, keys: list[Key], values: list[tuple[Leaf, Value]], at: Micros) -> Evidence:
    texts = {leaf.fact: value_text(value, leaf.elapsed, at) for leaf, value in values}
    for name, value in rule.params.items():
        is_duration = rule.definition.params[name].type == "duration"
        texts.setdefault(name, duration_text(value) if is_duration else parameter_text(value))
    texts["run"] = str(run)
    summary = rule.definition.summary
    chinese = {name: _chinese(text) for name, text in texts.items()}
    return Evidence(
        events=[EventRef(source=key.source, id=key.id) for key in keys[-MAX_EVENTS:]],
        events_total=len(keys),
        compared=[_compared(rule, leaf, value, at) for leaf, value in values],
        summary=Bilingual(zh=_filled(summary.zh, chinese), en=_filled(summary.en, texts)),
    )


_UNITS = {"d": "天", "h": "小时", "min": "分钟"}


def _chinese(text: str) -> str:
    """A duration with its units in Chinese; any other text as it is."""
    words = text.split(" ")
    return " ".join(_UNITS.get(word, word) for word in words) if words[0].isdigit() else text


def _filled(text: str, texts: dict[str, str]) -> str:
    for name, value in texts.items():
        text = text.replace("{" + name + "}", value)
    return text


def _compared(rule: Rule, leaf: Leaf, value: Value, at: Micros) -> Compared:
    if leaf.elapsed and isinstance(value, int) and isinstance(leaf.threshold, int):
        found: Side | None = 1 if at - value >= leaf.threshold else -1
    else:
        found = side(leaf, value)
    return Compared(
        fact=leaf.fact,
        label=_label(rule, leaf.fact),
        value=value_text(value, leaf.elapsed, at),
        op=_op_text(leaf),
        threshold=threshold_text(leaf),
        held=found is not None and true_on(leaf.op, found),
    )


def _label(rule: Rule, fact: str) -> Bilingual:
    words = rule.definition.fields.get(fact)
    if words is not None:
        return _bilingual(words)
    raw = rule.definition.facts.get(fact, {}).get("label") or {"zh": fact, "en": fact}
    return Bilingual(zh=str(raw["zh"]), en=str(raw["en"]))


def _op_text(leaf: Leaf) -> ComparedOp:
    if isinstance(leaf.threshold, frozenset):
        return "in" if leaf.op == "==" else "not in"
    return leaf.op


def value_text(value: Value, elapsed: bool, at: Micros) -> str:
    """A fact's value as people read it; time passed as days and hours."""
    if value is None:
        return "—"
    if isinstance(value, Unknown):
        return "?"
    if isinstance(value, Span):
        return f"{value.low}–{'?' if value.high == Decimal('Infinity') else value.high}"
    if elapsed and isinstance(value, int):
        return duration_text(at - value)
    return parameter_text(value)


def threshold_text(leaf: Leaf) -> str:
    """The threshold as people read it."""
    if isinstance(leaf.threshold, frozenset):
        return ", ".join(sorted(str(one) for one in leaf.threshold))
    if leaf.elapsed and isinstance(leaf.threshold, int):
        return duration_text(leaf.threshold)
    return parameter_text(leaf.threshold)


def parameter_text(value: Any) -> str:
    """A parameter as people read it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ", ".join(str(one) for one in value)
    return format(value, "f") if isinstance(value, Decimal) else str(value)


def duration_text(span: Micros) -> str:
    """Microseconds as `31 d 4 h`, `72 h` or `90 min`."""
    if span >= 4 * DAY or (span >= DAY and span % DAY == 0):
        days, rest = divmod(span, DAY)
        return f"{days} d" + (f" {rest // HOUR} h" if rest >= HOUR else "")
    if span >= HOUR:
        return f"{span // HOUR} h"
    return f"{span // (60 * SECOND)} min"
