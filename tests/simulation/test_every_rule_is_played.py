"""The histories are worth playing: each rule fires in one of a hundred, each class and score takes its values."""

from __future__ import annotations

from collections import Counter
from functools import cache

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from schemas.events import CUSTOMER_EVENTS
from tests.oracle.answer import episodes, standings, views
from tests.simulation.playing import clock_of
from tests.simulation.strategies import History, histories

HISTORIES = 500
LEAST = HISTORIES // 100
FIRST_RULES = {"money": ("R1", "R1b"), "people": ("R2", "R3", "R5", "R5a"), "care": ("R7",)}
RULES = {
    "finance": ("R1", "R1b", "R7", "R10b", "R23a", "R32"),
    "contact": ("R6", "R6b", "R7", "R8", "R9", "R11", "R28", "R28b", "R28c", "R29", "R33", "R35", "R39", "R39c"),
    "service": ("R12", "R13", "R14", "R28d", "R30", "R31", "R39b"),
    "sales": ("R24", "R24a", "R24b", "R24c", "R24cl", "R24d", "R24e", "R24s"),
    "classes": ("R2", "R10a", "R23", "R23a", "R27", "R38"),
}
WORDS: dict[str, dict[str, tuple[str | None, ...]]] = {
    "finance": {
        "R10v": ("high", "mid", "low", None),
        "R10r": ("high", "mid", "low"),
        "R10": ("risk_watch", "risk_control", "maintain", "ordinary"),
        "R15": ("A", "D", "none"),
        "R21": ("repurchase", "deal", "potential"),
    },
    "sales": {"R21": ("intent",)},
    "classes": {
        "R10": ("strategic", "key_cultivation", "growth", "ordinary"),
        "R10p": ("high", "mid", "low"),
        "R25": ("none", "new", "growth", "strategic_tenure"),
        "R26": ("head", "waist", "base", None),
        "R27p": ("high_potential", "maintain", "ordinary"),
    },
}
SCORES = ("R11c", "R16", "R17", "R18", "R19", "R20", "R22")


PLAYING = settings(
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@cache
def played(theme: str) -> tuple[Counter[str], Counter[tuple[str, str | None]]]:
    """How often each rule fired and each word was said."""
    fired, said = Counter[str](), Counter[tuple[str, str | None]]()

    @settings(PLAYING, max_examples=HISTORIES)
    @given(history=histories(theme))
    def play(history: History) -> None:
        events, reference, clock = history.events(), history.references(), clock_of(history)
        fired.update({one.rule for one in episodes(events, history.world.knobs, history.world.zone, clock, reference)})
        for view in views(events, history.world.zone, clock, reference):
            said.update(standings(view, clock).items())

    play()
    return fired, said


@pytest.mark.nightly
@pytest.mark.parametrize("theme", [*FIRST_RULES, *RULES])
def test_every_rule_fires_in_the_histories_about_it(theme: str) -> None:
    fired, said = played(theme)
    print(f"{theme}: {dict(sorted(fired.items()))}")

    assert {rule: fired[rule] for rule in (FIRST_RULES | RULES)[theme] if fired[rule] < LEAST} == {}
    wanted = {(rule, word) for rule, words in WORDS.get(theme, {}).items() for word in words}
    assert {one for one in wanted if not said[one]} == set()


@pytest.mark.nightly
def test_every_score_is_worked_out() -> None:
    _, said = played("classes")

    assert {rule for rule, word in said if rule in SCORES and word not in (None, "0.0")} == set(SCORES)


@pytest.mark.nightly
def test_every_type_of_event_comes() -> None:
    kinds = set[str]()

    @settings(PLAYING, max_examples=HISTORIES)
    @given(history=histories("everything"))
    def listen(history: History) -> None:
        kinds.update(event.kind for event in history.events())

    listen()
    assert kinds == set(CUSTOMER_EVENTS)
