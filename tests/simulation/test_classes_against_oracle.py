"""Classes and scores are what the oracle says of the customer, at the end of a history and at instants on the way."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.rules.calendar import instant, micros
from tests.oracle import standings, views
from tests.simulation.playing import clock_of, how_many
from tests.simulation.restarting import Restarting
from tests.simulation.strategies import History, histories
from tests.simulation.test_episodes_against_oracle import ANY_HISTORY
from tests.simulation.worlds import core_of, shipped

MANY = 10_000
"""Histories in a nightly run."""
ABOUT_CLASSES = ("finance", "classes", "everything", "contact", "sales")
Words = dict[str, dict[str, str | None]]


@st.composite
def pauses(draw: st.DrawFn) -> tuple[History, dict[int, int]]:
    """A history, and how many hours pass in quiet after some of its events before somebody looks."""
    history = draw(histories(draw(st.sampled_from(ABOUT_CLASSES))))
    numbers = st.integers(1, len(history.documents))
    return history, draw(st.dictionaries(numbers, st.sampled_from((0, 1, 24, 24 * 30, 24 * 200)), max_size=3))


def told_by_the_core(run: Restarting) -> Words:
    """What the core says of each customer at the run's clock."""
    return {
        customer_id: {rule: one.value for rule, one in run.core.engine.judge(state, run.clock).items()}
        for customer_id, state in run.states.items()
    }


def told_by_the_oracle(history: History, number: int, run: Restarting) -> Words:
    """What is to be said when so many events are known and time has come to the run's clock."""
    clock = instant(run.clock)
    known = views(history.events()[:number], history.world.zone, clock, history.references())
    return {view.customer_id: standings(view, clock, shipped()) for view in known}


def check_words(pausing: tuple[History, dict[int, int]]) -> None:
    history, pauses = pausing
    run = Restarting(core_of(history.world, history.references()))
    for number, event in enumerate(history.events(), 1):
        run.feed(event)
        if number in pauses:
            run.advance(micros(event.time + timedelta(hours=pauses[number])))
            run.restart()
            assert told_by_the_core(run) == told_by_the_oracle(history, number, run)
    run.advance(micros(clock_of(history)))
    run.restart()
    assert told_by_the_core(run) == told_by_the_oracle(history, len(history.documents), run)


@settings(ANY_HISTORY, max_examples=how_many(100))
@given(pausing=pauses())
def test_classes_and_scores_are_what_the_oracle_says(pausing: tuple[History, dict[int, int]]) -> None:
    check_words(pausing)


@pytest.mark.nightly
@settings(ANY_HISTORY, max_examples=how_many(MANY // 4))
@given(pausing=pauses())
def test_classes_and_scores_are_what_the_oracle_says_in_thousands(pausing: tuple[History, dict[int, int]]) -> None:
    check_words(pausing)
