"""The spool by chance: whatever fails, nothing that was confirmed is lost, and each key's order stays."""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from pathlib import Path

import pytest

from tests.unit.ingest.spool_bench import AWAY, Bench, play, record

STEPS = 40


@pytest.mark.parametrize("rounds", [8, pytest.param(300, marks=pytest.mark.nightly)])
def test_whatever_fails_every_confirmed_record_arrives_in_the_order_of_its_key(tmp_path: Path, rounds: int) -> None:
    """Senders that wait for each answer; a broker that goes, comes and tears calls; crashes of the process. The disk's
    thread takes its own time, so a seed gives the same faults but not to the step the same run."""
    seed = random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}")
    for round_ in range(rounds):
        play(Bench(tmp_path / str(round_)), Trial(random.Random(seed + round_)).scenario)


class Trial:
    """One run from a seed."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.number = 0
        self.confirmed: set[int] = set()
        self.key_of: dict[int, str] = {}

    async def scenario(self, bench: Bench) -> None:
        bench.broker.torn = lambda size: self.rng.randrange(size + 1) if self.rng.random() < 0.2 else None
        for _ in range(STEPS):
            await self.step(bench)
        bench.broker.problem = None
        await bench.emptied()
        self.check(bench)

    async def step(self, bench: Bench) -> None:
        bench.broker.problem = self.rng.choice([None, None, AWAY])
        senders = [asyncio.create_task(self.send(bench, sender)) for sender in "abc"]
        if self.rng.random() < 0.15:
            for _ in range(self.rng.randrange(20)):
                await asyncio.sleep(0)
            await bench.crash()
            await asyncio.gather(*senders, return_exceptions=True)
            return
        await asyncio.gather(*senders)

    async def send(self, bench: Bench, sender: str) -> None:
        """Some batches of one sender's customers; what was not confirmed is left behind, as by one who gives up."""
        for _ in range(self.rng.randrange(3)):
            numbers = range(self.number, self.number + self.rng.randrange(1, 5))
            self.number = numbers.stop
            self.key_of |= {number: f"{sender}{self.rng.randrange(2)}" for number in numbers}
            await bench.publisher.publish([record(self.key_of[number], number) for number in numbers])
            self.confirmed |= set(numbers)

    def check(self, bench: Bench) -> None:
        arrived = bench.arrived()
        assert self.confirmed <= set(arrived)
        first_seen: dict[str, list[int]] = defaultdict(list)
        for number in dict.fromkeys(arrived):
            if number in self.confirmed:
                first_seen[self.key_of[number]].append(number)
        assert all(numbers == sorted(numbers) for numbers in first_seen.values()), first_seen
