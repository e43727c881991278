"""Workers on a broker in memory, killed and put to sleep at any write, against what the core makes of the load."""

from __future__ import annotations

import asyncio
import logging
import random

import pytest

from tests.chaos.load import make_load
from tests.chaos.memory import PARTITIONS, Plan
from tests.chaos.simulated import Game, outcome
from tests.chaos.verdict import judge

PLANS = {
    "kills": Plan(event_clock=True, kills=0.04),
    "kills on the wall clock": Plan(event_clock=False, kills=0.04),
    "sleepers": Plan(event_clock=True, sleeps=0.03, compactions=0.1),
    "sleepers on a wall clock that jumps": Plan(event_clock=False, sleeps=0.03, compactions=0.1, jumps=0.2),
}

FOUND = {
    "a write torn between a segment and its head lost the word of an end": ("kills on the wall clock", 3),
    "the same with sleepers": ("sleepers on a wall clock that jumps", 11),
    "a worker that had slept contradicted its successor": ("sleepers on a wall clock that jumps", 4),
    "and episodes were lost": ("sleepers on a wall clock that jumps", 8),
}
"""Seeds that find something when what was mended is taken out."""


def play(plan: Plan, seed: int, events: int = 250) -> None:
    print(f"seed {seed}, {plan}")
    load = make_load(seed, events, PARTITIONS, share=0.3)
    game = Game(load, seed, plan)
    cluster = asyncio.run(game.play())
    verdict = judge(game.rules, load.expected(), *outcome(cluster))
    print(dict(cluster.counts))
    assert verdict.good, str(verdict)


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)


@pytest.mark.parametrize("name", ["kills", "sleepers on a wall clock that jumps"])
def test_nothing_is_lost_or_contradicted_whenever_workers_die_or_sleep(name: str) -> None:
    play(PLANS[name], random.SystemRandom().randrange(10**6))


@pytest.mark.parametrize("what", FOUND)
def test_what_was_found_stays_mended(what: str) -> None:
    name, seed = FOUND[what]
    play(PLANS[name], seed)


@pytest.mark.nightly
@pytest.mark.parametrize("name", PLANS)
def test_nothing_is_lost_or_contradicted_in_many_runs(name: str) -> None:
    first = random.SystemRandom().randrange(10**6)
    for seed in range(first, first + 150):
        play(PLANS[name], seed)
