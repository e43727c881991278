"""A warning as the notifier receives it: the episode, with the values compared and the words of its rule. PURE."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Context, Decimal
from typing import Any, Literal

from schemas.warnings import (
    SEVERITIES,
    Bilingual,
    Branch,
    Compared,
    ComparedOp,
    EventRef,
    Evidence,
    Other,
    Output,
    Review,
    Rise,
    Warning,
)
from services.rules.announcing import Say
from services.rules.calendar import DAY, HOUR, SECOND, Micros, instant
from services.rules.compiling import Rule
from services.rules.conditions import KNOWN, Leaf, Node, Side, side, true_on
from services.rules.definition import Class, Demand, Otherwise, Who, Words
from services.rules.entries import Key
from services.rules.explaining import NO_PROOF, Told
from services.rules.facts import Span, Unknown, Value
from services.rules.records import Announced

MAX_LEAF_EVENTS = 10
"""Events named behind one value; all of them are counted."""

MAX_OTHERS = 20
"""Other warnings of the customer that are told."""

RATIOS = ("share", "filled", "trend", "checklist")
"""Shapes whose values are parts of a whole: people read them in percent."""

NOTHING = "—"
"""A value that there is not."""

FULL: dict[str, ComparedOp] = {">": ">=", "<=": "<"}
"""What is meant where a time that passes is compared."""

FOUR_PLACES = Decimal("0.0001")
_EVERY_DIGIT = Context(prec=1000)
"""For numbers of any length: a quantity times a price has thirty digits, which the usual context refuses to round."""


def warning_of(
    rule: Rule,
    say: Say,
    customer_id: str,
    told: Told,
    others: Sequence[Announced],
    rules: Mapping[str, Rule],
    now: Micros,
) -> Warning:
    """The warning of one revision; `others` are the customer's other open episodes."""
    definition, announced = rule.definition, say.announced
    first = instant(announced.first_detected_at)
    return Warning(
        id=announced.id,
        revision=announced.revision,
        change=say.change,
        output=_output(rule),
        rule=rule.id,
        name=_bilingual(definition.name),
        customer_id=customer_id,
        subject=announced.subject,
        kind=_kind(rule),
        severity=SEVERITIES[announced.severity],
        start=instant(announced.start),
        end=None if announced.end is None else instant(announced.end),
        run=announced.run,
        detected_at=instant(now),
        first_detected_at=first,
        historical=announced.historical,
        pages_again=say.pages_again and not announced.historical,
        merged_into=say.merged_into,
        customer_merged_into=say.customer_merged_into,
        evidence=_evidence(rule, announced.run, told),
        advice=_bilingual(definition.advice),
        clause=Bilingual(zh=definition.clause.zh, en=definition.clause.en),
        clause_source=definition.clause.source,
        clears=None if definition.clears is None else _bilingual(definition.clears),
        audience=_audience(rule, say),
        department=definition.department,
        review=None if definition.review is None else _review(definition.review, first),
        act_within_days=definition.act_within_days,
        others=[_other(one, rules[one.rule]) for one in others[-MAX_OTHERS:] if one.rule in rules],
    )


def _review(demand: Demand, first: datetime) -> Review:
    return Review(
        within_hours=demand.within_hours,
        due=first + timedelta(hours=demand.within_hours),
        departments=list(demand.departments),
        quorum=demand.quorum,
        hours=demand.hours,
    )


def _output(rule: Rule) -> Output:
    output = rule.definition.output
    assert output != "class", "a class is not announced"
    assert output != "score", "a score is not announced"
    return output


def _kind(rule: Rule) -> Literal["stretch", "streak", "point"]:
    kind = rule.definition.kind
    assert kind != "class", "a class is not announced"
    assert kind != "score", "a score is not announced"
    return kind


def _audience(rule: Rule, say: Say) -> list[Who]:
    number = say.episode.escalation if say.episode is not None else None
    escalated = None if number is None else rule.definition.escalates[number].audience
    return list(escalated if escalated is not None else rule.definition.audience)


def _other(one: Announced, rule: Rule) -> Other:
    return Other(
        id=one.id,
        rule=one.rule,
        name=_bilingual(rule.definition.name),
        severity=SEVERITIES[one.severity],
        subject=one.subject,
        start=instant(one.start),
    )


def _bilingual(words: Words) -> Bilingual:
    return Bilingual(zh=words.zh, en=words.en)


def _evidence(rule: Rule, run: int, told: Told) -> Evidence:
    # What is withdrawn held at no instant, so nothing can be shown of it: no name in braces may reach the reader.
    texts = dict.fromkeys((*rule.facts, *rule.definition.fields), NOTHING)
    texts |= {name: value_text(value, elapsed, told.at) for name, (value, elapsed) in told.shown.items()}
    places = itertools.count()
    tree = _tree(rule.when, places) if told.values else None
    compared = [_compared(rule, leaf, value, told, told.at) for leaf, value in told.values]
    rise = None
    if told.rise is not None:
        severity, raising, at, values = told.rise
        rise = Rise(to=SEVERITIES[severity], tree=_tree(raising, places))
        compared += [_compared(rule, leaf, value, told, at) for leaf, value in values]
    return Evidence(
        events=_refs(told.proof.keys),
        events_total=told.proof.total,
        compared=compared,
        summary=summary_of(rule, {**texts, "run": str(run)}),
        tree=tree,
        rise=rise,
    )


def summary_of(rule: Rule, texts: Mapping[str, str], classes: Mapping[str, Bilingual] | None = None) -> Bilingual:
    """The rule's summary with the texts of its facts and its parameters put in; `classes` are the names that people
    have for facts that are another rule's class."""
    found = dict(texts)
    for name, value in rule.params.items():
        if not names_fact(rule, name):
            continue
        is_duration = rule.definition.params[name].type == "duration"
        found.setdefault(name, duration_text(value) if is_duration else parameter_text(value))
    names = classes or {}
    english = {name: names[name].en if name in names else text for name, text in found.items()}
    chinese = {name: names[name].zh if name in names else chinese_text(text) for name, text in found.items()}
    summary = rule.definition.summary
    return Bilingual(zh=_filled(summary.zh, chinese), en=_filled(summary.en, english))


def names_fact(rule: Rule, name: str) -> bool:
    """Whether the rule's summary tells a fact or a parameter."""
    place = "{" + name + "}"
    return place in rule.definition.summary.zh or place in rule.definition.summary.en


def class_words(rule: Rule) -> dict[str, Bilingual]:
    """What people call the classes that a rule gives."""
    definition = rule.definition
    given: list[Class | Otherwise] = [*definition.classes, *([definition.otherwise] if definition.otherwise else [])]
    return {one.value: _bilingual(one.name) for one in given}


def _refs(keys: Sequence[Key]) -> list[EventRef]:
    return [EventRef(source=key.source, id=key.id) for key in keys]


def _tree(node: Node, places: Iterator[int]) -> Branch:
    if isinstance(node, Leaf):
        return Branch(mode="leaf", leaf=next(places))
    return Branch(mode=node.mode, of=[_tree(branch, places) for branch in node.branches])


_UNITS = {"d": "天", "h": "小时", "min": "分钟"}
_ANSWERS = {"true": "是", "false": "否"}


def chinese_text(text: str) -> str:
    """A duration with its units in Chinese, true and false as well; any other text as it is."""
    words = text.split(" ")
    if words[0].removeprefix("-").isdigit():
        return " ".join(_UNITS.get(word, word) for word in words)
    return _ANSWERS.get(text, text)


def _filled(text: str, texts: dict[str, str]) -> str:
    for name, value in texts.items():
        text = text.replace("{" + name + "}", value)
    return text


def _compared(rule: Rule, leaf: Leaf, value: Value, told: Told, at: Micros) -> Compared:
    held = holds(leaf, value, at)
    raises = told.rise is not None and (leaf, value) in told.rise.values
    proof = told.proofs.get(leaf.fact, NO_PROOF)
    return Compared(
        fact=leaf.fact,
        label=label_of(rule, leaf.fact),
        value=value_text(value, leaf.elapsed, at),
        op=op_text(leaf),
        threshold=threshold_text(leaf),
        held=held,
        decisive=held if raises else leaf.name in told.decisive,
        ratio=rule.definition.facts.get(leaf.fact, {}).get("shape") in RATIOS,
        events=_refs(proof.keys[-MAX_LEAF_EVENTS:]),
        events_total=proof.total,
    )


def holds(leaf: Leaf, value: Value, at: Micros) -> bool:
    """Whether a leaf holds for a fact's value at an instant; what is not known does not."""
    if leaf.elapsed and isinstance(value, int) and isinstance(leaf.threshold, int):
        found: Side | None = 1 if at - value >= leaf.threshold else -1
    else:
        found = side(leaf, value)
    return found is not None and true_on(leaf.op, found)


def label_of(rule: Rule, fact: str) -> Bilingual:
    """What people call a fact, or a field of a point's event."""
    words = rule.definition.fields.get(fact)
    if words is not None:
        return _bilingual(words)
    raw = rule.definition.facts.get(fact, {}).get("label") or {"zh": fact, "en": fact}
    return Bilingual(zh=str(raw["zh"]), en=str(raw["en"]))


def op_text(leaf: Leaf) -> ComparedOp:
    """The operator as the wire names it. A time that passes reaches its limit at the instant at which that is full, and
    nobody shall read that 30 d were more than 30 d."""
    if leaf.threshold is KNOWN:
        return "known" if leaf.op == "==" else "not known"
    if isinstance(leaf.threshold, frozenset):
        return "in" if leaf.op == "==" else "not in"
    return FULL.get(leaf.op, leaf.op) if leaf.elapsed else leaf.op


def value_text(value: Value, elapsed: bool, at: Micros) -> str:
    """A fact's value as people read it; time passed as days and hours."""
    if value is None:
        return NOTHING
    if isinstance(value, Unknown):
        return "?"
    if isinstance(value, Span):
        high = "?" if value.high == Decimal("Infinity") else parameter_text(value.high)
        return f"{parameter_text(value.low)}–{high}"
    if elapsed and isinstance(value, int):
        return duration_text(at - value)
    return parameter_text(value)


def threshold_text(leaf: Leaf) -> str:
    """The threshold as people read it."""
    if leaf.threshold is KNOWN:
        return ""
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
    if isinstance(value, Decimal):
        short = value.quantize(FOUR_PLACES, context=_EVERY_DIGIT)
        return format(value if value == short else short, "f")
    return str(value)


def duration_text(span: Micros) -> str:
    """Microseconds as `31 d 4 h`, `72 h` or `90 min`; what lies ahead has a minus before it."""
    if span < 0:
        return f"-{duration_text(-span)}"
    if span >= 4 * DAY or (span >= DAY and span % DAY == 0):
        days, rest = divmod(span, DAY)
        return f"{days} d" + (f" {rest // HOUR} h" if rest >= HOUR else "")
    if span >= HOUR:
        return f"{span // HOUR} h"
    return f"{span // (60 * SECOND)} min"
