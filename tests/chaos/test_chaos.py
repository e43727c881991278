"""Real workers on a real broker under faults; `make chaos` repeats any of these runs."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.chaos.scenarios import SCENARIOS, play_in
from tests.chaos.world import World
from tests.support.fixtures import Kafka, start_broker


@pytest.mark.timeout(300)
def test_workers_that_die_at_steps_of_a_batch_lose_and_contradict_nothing(kafka: Kafka, tmp_path: Path) -> None:
    seed = random.SystemRandom().randrange(10**6)
    verdict, line = play_in(World(tmp_path, "given", kafka.bootstrap), "short", seed, tmp_path)
    print(line)
    assert verdict.good, line


@pytest.mark.nightly
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", SCENARIOS)
def test_nothing_is_lost_or_contradicted(name: str, tmp_path: Path) -> None:
    world = World(tmp_path, SCENARIOS[name].world)
    try:
        start_broker(world)
        verdict, line = play_in(world, name, random.SystemRandom().randrange(10**6), tmp_path)
    finally:
        world.stop()
    print(line)
    assert verdict.good, line
