"""Every shape of the rule language: invented rules over invented histories, in the core and in the oracle."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings

from services.rules.books import assemble, rules_of
from tests.oracle.answer import Found, views
from tests.oracle.reading import rule_of
from tests.simulation.playing import clock_of, difference, how_many, played_on
from tests.simulation.strategies import History
from tests.simulation.strategies_invented import SHAPES, inventions
from tests.simulation.strategies_rules import Spec

ANY_RULE = settings(
    deadline=None,
    derandomize=False,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)
HISTORIES = 500
MANY = 10_000
"""Histories over all shapes, and in a nightly run."""


def found_by_the_core(history: History, document: Spec) -> set[Found]:
    rules = rules_of({"X1.yaml": orjson.dumps(document).decode()}, {})
    core = assemble(rules, history.world.zone, None)
    return played_on(core, history)


def found_by_the_oracle(history: History, document: Spec) -> set[Found]:
    rule = rule_of(document)
    return {
        Found(rule.id, view.customer_id, subject, start, end)
        for view in views(history.events(), history.world.zone, clock_of(history), history.references())
        for subject, (start, end) in rule.episodes(view)
    }


def check(invention: tuple[History, Spec]) -> None:
    history, document = invention
    found, wanted = found_by_the_core(history, document), found_by_the_oracle(history, document)

    assert not difference(found, wanted), orjson.dumps(document["facts"]).decode()


def tried(shape: str, examples: int) -> None:
    @settings(ANY_RULE, max_examples=max(1, how_many(examples) // len(SHAPES)))
    @given(invention=inventions(shape))
    def property_of_the_shape(invention: tuple[History, Any]) -> None:
        check(invention)

    property_of_the_shape()


@pytest.mark.parametrize("shape", SHAPES)
def test_the_core_measures_what_the_oracle_measures(shape: str) -> None:
    tried(shape, HISTORIES)


@pytest.mark.nightly
@pytest.mark.parametrize("shape", SHAPES)
def test_the_core_measures_what_the_oracle_measures_in_thousands(shape: str) -> None:
    tried(shape, MANY)
