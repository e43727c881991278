"""What the rules say of a customer, as reports, rankings and people who look it up read it. PURE."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache

from schemas.customers import ClassNow, NearMiss, OpenEpisode, ScoreInput, ScoreNow
from schemas.warnings import SEVERITIES, Bilingual
from services.rules.asking import Asking, World
from services.rules.asking import Judged as JudgedRule
from services.rules.calendar import Micros, instant, micros
from services.rules.definition import Class, Otherwise, Words
from services.rules.engine import Engine
from services.rules.facts import Fact, Unknown
from services.rules.judging import Rank, Result
from services.rules.nearness import near_misses
from services.rules.records import Judgement
from services.rules.scoring import TENTH, Part, score
from services.rules.snapshots import Judged
from services.rules.state import CustomerState
from services.rules.wording import class_words, label_of, names_fact, summary_of, value_text

MAX_VALUE = 200
"""Characters of an input's value: what is longer is cut off."""

ANSWERS = {"true": Bilingual(zh="是", en="yes"), "false": Bilingual(zh="否", en="no")}

END: Micros = micros(datetime(2200, 1, 1, tzinfo=UTC))


def judged_of(engine: Engine, state: CustomerState) -> Judged:
    """Everything that the rules say at the customer's clock. The classes and scores are remembered in its head."""
    now = state.head.clock
    # Only of now: what is still to come is nobody's question here, and is most of the work.
    asking = Asking(state, now, engine.reference, engine.judged, ahead=0)
    classes: dict[str, ClassNow] = {}
    scores: dict[str, ScoreNow] = {}
    for rule_id, judgement in engine.judge(state, now, asking).items():
        judged = engine.judged[rule_id]
        if judged.rule.definition.kind == "class":
            classes[rule_id] = _class(judged, judgement, asking)
        else:
            scores[rule_id] = _score(judged, judgement, asking)
    return Judged(classes, scores, list(_episodes(engine, state)), list(_near_misses(engine, asking)))


def _class(judged: JudgedRule, judgement: Judgement, asking: Asking) -> ClassNow:
    rule = judged.rule
    definition = rule.definition
    words: dict[str, Class | Otherwise] = {one.value: one for one in definition.classes or ()}
    if definition.otherwise is not None:
        words[definition.otherwise.value] = definition.otherwise
    word = None if judgement.value is None else words.get(judgement.value)
    return ClassNow(
        value=judgement.value,
        rule_name=_bilingual(definition.name),
        name=None if word is None else _bilingual(word.name),
        advice=None if word is None or word.advice is None else _bilingual(word.advice),
        says=_says(judged, asking),
        since=_tellable(judgement.since),
        ranked_at=min((at for fact in rule.facts.values() if (at := _ranked_at(fact, asking))), default=None),
    )


def _says(judged: JudgedRule, asking: Asking) -> Bilingual:
    """What a class rests on: the rule's summary with the values that it sees."""
    rule = judged.rule
    world = World(asking, judged, "", asking.now, unknown_holds=False)
    texts: dict[str, str] = {}
    classes: dict[str, Bilingual] = {}
    for name, fact in rule.facts.items():
        if not names_fact(rule, name):
            continue
        value = world.course(name)[0].value
        texts[name] = value_text(value, fact.elapsed, asking.now)[:MAX_VALUE]
        other = asking.judged.get(fact.rule) if isinstance(fact, Result) else None
        word = (ANSWERS if other is None else class_words(other.rule)).get(texts[name])
        classes |= {} if word is None else {name: word}
    return summary_of(rule, texts, classes)


def _score(judged: JudgedRule, judgement: Judgement, asking: Asking) -> ScoreNow:
    rule = judged.rule
    world = World(asking, judged, "", asking.now, unknown_holds=False)
    found = score(rule.inputs, [world.course(one.fact)[0].value for one in rule.inputs])
    return ScoreNow(
        value=None if judgement.value is None else Decimal(judgement.value),
        rule_name=_bilingual(rule.definition.name),
        since=_tellable(judgement.since),
        inputs=[_input(judged, part, asking) for part in found.parts],
        missing=[part.input.name for part in found.parts if part.part is None],
    )


def _input(judged: JudgedRule, part: Part, asking: Asking) -> ScoreInput:
    rule, one = judged.rule, part.input
    labels = {raw.fact: raw.label for raw in rule.definition.inputs or ()}
    label = labels.get(one.fact)
    is_missing = part.value is None or isinstance(part.value, Unknown)
    return ScoreInput(
        name=one.name,
        label=label_of(rule, one.fact) if label is None else _bilingual(label),
        value=None if is_missing else value_text(part.value, elapsed=False, at=asking.now)[:MAX_VALUE],
        weight=one.weight,
        part=None if part.part is None else part.part.quantize(TENTH),
        ranked_at=_ranked_at(rule.facts[one.fact], asking),
    )


def _ranked_at(fact: Fact, asking: Asking) -> datetime | None:
    """Of when the ranking is that a place is taken from; None when none is used."""
    if not isinstance(fact, Rank):
        return None
    newest = max((one.as_of for one in asking.reference.ranking(fact.measure) if one.as_of <= asking.now), default=None)
    return None if newest is None or newest + fact.max_age <= asking.now else instant(newest)


def _episodes(engine: Engine, state: CustomerState) -> Iterator[OpenEpisode]:
    for one in state.announced.open():
        judged = engine.judged.get(one.rule)
        yield OpenEpisode(
            rule=one.rule,
            rule_name=None if judged is None else _bilingual(judged.rule.definition.name),
            id=one.id,
            severity=SEVERITIES[one.severity],
            start=instant(one.start),
            subject=one.subject,
        )


def _near_misses(engine: Engine, asking: Asking) -> Iterator[NearMiss]:
    """The soonest last: of too many the first are left out."""
    for near in reversed(near_misses(asking)):
        yield NearMiss(
            rule=near.rule,
            rule_name=_bilingual(engine.judged[near.rule].rule.definition.name),
            subject=near.subject,
            text=Bilingual(zh=near.zh, en=near.en),
            due=_tellable(near.due),
        )


def _tellable(at: Micros | None) -> datetime | None:
    """None for what has always been so, or never comes: the wire knows the years 1970 to 2199."""
    return instant(at) if at is not None and 0 <= at < END else None


def _bilingual(words: Words) -> Bilingual:
    return _in_both(words.zh, words.en)


@lru_cache(maxsize=5_000)
def _in_both(zh: str, en: str) -> Bilingual:
    # The names of rules and classes: always the same few.
    return Bilingual(zh=zh, en=en)
