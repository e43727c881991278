"""The central property: warnings are a function of what is known, not of the order in which it was learned."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.codec import InvalidEvent, parse
from services.rules.calendar import instant, micros
from tests.simulation.playing import clock_of, difference, expected, how_many, listed, played, told_by
from tests.simulation.restarting import Restarting
from tests.simulation.strategies import History, histories
from tests.simulation.worlds import SHANGHAI, core_of

ANY_HISTORY = settings(
    deadline=None,
    derandomize=False,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
MANY = 10_000
"""Histories in all of a nightly run."""


@st.composite
def retellings(draw: st.DrawFn) -> tuple[History, History]:
    """A history, and the same events in any order and any number."""
    history = draw(histories())
    again = draw(st.lists(st.sampled_from(history.documents), max_size=10))
    return history, history.told(draw(st.permutations([*history.documents, *again])))


@st.composite
def interruptions(draw: st.DrawFn) -> tuple[History, frozenset[int], dict[int, int]]:
    """A history, after which of its events the service starts anew, and how many days time runs ahead after some."""
    history = draw(histories())
    numbers = st.integers(1, len(history.documents))
    ahead = draw(st.dictionaries(numbers, st.integers(1, 100), max_size=3))
    return history, draw(st.frozensets(numbers, min_size=1)), ahead


@st.composite
def batches(draw: st.DrawFn) -> tuple[History, dict[int, bool], frozenset[int]]:
    """A history told in any order; after which of its events a batch ends, and whether wake-ups come before that batch;
    after which batches the service starts anew."""
    _, history = draw(retellings())
    numbers = st.integers(1, len(history.documents))
    ends = draw(st.dictionaries(numbers, st.booleans(), max_size=8))
    return (
        history,
        {**ends, len(history.documents): draw(st.booleans())},
        draw(st.frozensets(st.sampled_from([*ends, 0]))),
    )


def check_against_the_oracle(history: History) -> None:
    assert not difference(played(history), expected(history))


def check_another_order(telling: tuple[History, History]) -> None:
    one, other = telling

    assert listed(other) == listed(one)


def check_interruptions(interrupted: tuple[History, frozenset[int], dict[int, int]]) -> None:
    history, restarts, ahead = interrupted
    through = run_with_restarts(history, frozenset(), ahead)
    broken = run_with_restarts(history, restarts, ahead)

    assert broken.warnings == through.warnings
    assert not difference(
        told_by(raw for said in broken.warnings.values() for raw in said),
        expected(history, instant(broken.clock)),
    )


def check_batches(batched: tuple[History, dict[int, bool], frozenset[int]]) -> None:
    history, ends, restarts = batched
    run = Restarting(core_of(history.world, history.references()), restarts)
    events, begin = list(history.events()), 0
    for end, wakes_first in sorted(ends.items()):
        run.feed_together(events[begin:end], wakes_first=wakes_first)
        begin = end
    run.advance(micros(clock_of(history)))
    run.restart()

    assert not difference(
        told_by(raw for said in run.warnings.values() for raw in said), expected(history, instant(run.clock))
    )


def run_with_restarts(history: History, restarts: frozenset[int], ahead: dict[int, int]) -> Restarting:
    run = Restarting(core_of(history.world, history.references()), restarts)
    for number, event in enumerate(history.events(), 1):
        run.feed(event)
        if number in ahead:
            run.advance(micros(event.time + timedelta(days=ahead[number])))
    run.advance(micros(clock_of(history)))
    run.restart()
    return run


@settings(ANY_HISTORY, max_examples=how_many(500))
@given(history=histories())
def test_the_core_finds_the_episodes_that_the_oracle_finds(history: History) -> None:
    check_against_the_oracle(history)


@settings(ANY_HISTORY, max_examples=how_many(100))
@given(telling=retellings())
def test_any_order_and_any_repetition_ends_in_the_same_episodes(telling: tuple[History, History]) -> None:
    check_another_order(telling)


@settings(ANY_HISTORY, max_examples=how_many(75))
@given(interrupted=interruptions())
def test_restarts_and_redelivery_change_no_word(interrupted: tuple[History, frozenset[int], dict[int, int]]) -> None:
    check_interruptions(interrupted)


@settings(ANY_HISTORY, max_examples=how_many(75))
@given(batched=batches())
def test_events_learned_together_end_in_the_same_episodes(
    batched: tuple[History, dict[int, bool], frozenset[int]],
) -> None:
    check_batches(batched)


@pytest.mark.nightly
@settings(ANY_HISTORY, max_examples=how_many(MANY // 2))
@given(history=histories())
def test_the_core_finds_the_episodes_that_the_oracle_finds_in_thousands(history: History) -> None:
    check_against_the_oracle(history)


@pytest.mark.nightly
@settings(ANY_HISTORY, max_examples=how_many(MANY // 4))
@given(telling=retellings())
def test_any_order_ends_in_the_same_episodes_in_thousands(telling: tuple[History, History]) -> None:
    check_another_order(telling)


@pytest.mark.nightly
@settings(ANY_HISTORY, max_examples=how_many(MANY // 4))
@given(interrupted=interruptions())
def test_restarts_change_no_word_in_thousands(interrupted: tuple[History, frozenset[int], dict[int, int]]) -> None:
    check_interruptions(interrupted)


@pytest.mark.nightly
@settings(ANY_HISTORY, max_examples=how_many(MANY // 4))
@given(batched=batches())
def test_events_learned_together_end_in_the_same_episodes_in_thousands(
    batched: tuple[History, dict[int, bool], frozenset[int]],
) -> None:
    check_batches(batched)


def test_an_id_that_comes_again_with_another_body_is_refused_and_changes_nothing() -> None:
    signed = {
        "specversion": "1.0",
        "id": "e1",
        "source": "crm",
        "type": "bellwether.contract.signed",
        "time": "2026-03-02T10:00:00+08:00",
        "subject": "c1",
        "data": {"contract_id": "V", "signed_at": "2026-03-02T10:00:00+08:00"},
    }
    other = {**signed, "data": {"contract_id": "W", "signed_at": "2026-03-01T10:00:00+08:00"}}
    run = Restarting(core_of(SHANGHAI))
    run.feed(parse(signed))

    with pytest.raises(InvalidEvent) as refusal:
        run.feed(parse(other))

    assert refusal.value.code == "id_reused"
    run.advance(micros(parse(signed).time + timedelta(days=10)))
    run.restart()
    told = {(found.rule, found.subject) for found in told_by(run.warnings["c1"])}
    assert {(rule, subject) for rule, subject in told if subject} == {("R5", "V"), ("R5a", "V")}
