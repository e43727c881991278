"""What a warning says: whatever is told in any example of the shipped rules, its sentences are complete."""

from __future__ import annotations

import re

import pytest

from schemas.codec import parse
from schemas.events import PREFIX, Event
from schemas.fields import parse_instant
from schemas.warnings import Bilingual, Warning
from services.rules.backtest import Backtest
from services.rules.books import SHIPPED, read_rules
from services.rules.calendar import DAY, HOUR, micros
from services.rules.core import Core
from services.rules.definition import Definition, Example, ExampleEvent
from services.rules.wording import duration_text
from tests.unit.rules import making

RULES = [rule.definition for rule in read_rules(SHIPPED)]
TOLD = [rule for rule in RULES if rule.output not in ("class", "score")]


@pytest.fixture(scope="module")
def book() -> Core:
    return making.core()


def told_in(book: Core, rule: Definition, example: Example) -> list[Warning]:
    """Every warning of the rule in an example, the customer being named after it."""
    run = Backtest(book)
    for number, short in enumerate(example.events):
        run.feed(_event(short, number, f"{rule.id}-{example.name}".replace(" ", "-")[:100]))
    run.advance(micros(parse_instant(example.until)))
    return [warning for warning in run.warnings.values() if warning.rule == rule.id]


def _event(short: ExampleEvent, number: int, customer: str) -> Event:
    told = short.model_dump(exclude={"type", "id"})
    envelope = {"specversion": "1.0", "source": "example", "subject": customer, "type": PREFIX + short.type}
    return parse({**told, **envelope, "id": short.id or f"event-{number}"})


def unfilled(words: Bilingual) -> list[str]:
    return re.findall(r"\{\w+\}", words.zh + words.en)


@pytest.mark.parametrize("rule", TOLD, ids=[rule.id for rule in TOLD])
def test_no_warning_leaves_a_name_in_braces(book: Core, rule: Definition) -> None:
    warnings = [
        warning for example in rule.examples if not example.reference for warning in told_in(book, rule, example)
    ]
    left = {name for warning in warnings for name in unfilled(warning.evidence.summary)}
    assert left == set()


@pytest.mark.parametrize("rule", RULES, ids=[rule.id for rule in RULES])
def test_every_name_in_a_summary_is_one_of_the_rule(rule: Definition) -> None:
    known = {*rule.facts, *rule.params, *rule.fields, "run"}
    assert {name.strip("{}") for name in unfilled(Bilingual(zh=rule.summary.zh, en=rule.summary.en))} <= known


@pytest.mark.parametrize("rule", RULES, ids=[rule.id for rule in RULES])
def test_every_parameter_and_fact_is_labelled_and_every_number_has_bounds(rule: Definition) -> None:
    assert [name for name, parameter in rule.params.items() if parameter.label is None] == []
    assert [name for name, fact in rule.facts.items() if set(fact.get("label", {})) != {"zh", "en"}] == []
    numbers = {name: one for name, one in rule.params.items() if one.type in ("int", "duration")}
    assert [name for name, one in numbers.items() if one.min is None or one.max is None] == []
    assert rule.clears is not None, "a rule says what would end it"


@pytest.mark.parametrize(
    ("span", "text"), [(250 * DAY + 22 * HOUR, "250 d 22 h"), (-250 * DAY - 22 * HOUR, "-250 d 22 h"), (-HOUR, "-1 h")]
)
def test_a_time_that_is_still_to_come_reads_like_one_that_passed(span: int, text: str) -> None:
    assert duration_text(span) == text


def test_yes_and_no_are_said_in_the_reader_s_language(book: Core) -> None:
    unasked = next(rule for rule in TOLD if rule.id == "R24e")
    (warning,) = told_in(book, unasked, unasked.examples[1])
    assert "需求 是，预算 否，决策流程 是" in warning.evidence.summary.zh
    assert "need true, budget false, way of deciding true" in warning.evidence.summary.en


def test_a_time_that_has_just_reached_its_limit_is_not_said_to_be_more(book: Core) -> None:
    rule = next(rule for rule in RULES if rule.id == "R39c")
    compared = [one for told in told_in(book, rule, rule.examples[0]) for one in told.evidence.compared]
    assert {(one.op, one.threshold) for one in compared if one.fact == "unvisited"} == {(">=", "90 d")}


def test_the_product_line_that_similar_customers_buy_is_named() -> None:
    run = Backtest(making.core())
    run.feed(making.event("order.placed", "2026-01-10", order_id="O", currency="CNY", lines=[PIECE]))
    run.feed(
        parse(
            {
                "specversion": "1.0",
                "id": "ranking",
                "source": "ranks",
                "type": f"{PREFIX}ranks.published",
                "time": "2026-03-01T02:00:00+08:00",
                "data": {
                    "measure": "cross_sell",
                    "as_of": "2026-03-01T00:00:00+08:00",
                    "percentiles": {"C": 0.6},
                    "notes": {"C": "备件"},
                },
            }
        )
    )
    run.advance(making.at("2026-03-02"))
    told = next(warning for warning in run.warnings.values() if warning.rule == "R38").evidence.summary
    assert "备件" in told.zh
    assert 'buys the product line "备件"' in told.en


PIECE = {"product_id": "P", "quantity": "1", "unit_price": "1000.00", "product_line": "machines"}
