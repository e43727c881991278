"""Workers on a broker in memory, killed, put to sleep and moved at any step of a batch: thousands of faults a minute.

Topics are lists; the host, the partitions and the core are the product's. A fault strikes when a write passes the sink:
a kill ends the worker there, a sleep lets the rest of its writes come later, when others have long taken over.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from prometheus_client import CollectorRegistry

from schemas.codec import parse
from schemas.topics import HOUR_MS
from services.rules.calendar import micros
from services.rules.core import Core
from services.rules.host import DEAD_LETTER_PARTITION, Host, HostConfig, NotCopartitioned, Overtaken
from services.rules.intake import advance_record
from services.rules.partitioner import partition_of
from services.rules.port import Outgoing
from services.rules.runtime_metrics import RuntimeMetrics
from tests.chaos.fragile import FragileCore
from tests.chaos.load import END, Load, core, learn_all
from tests.chaos.memory import PARTITIONS, TOPICS, Cluster, Fault, Killed, Plan, Sink
from tests.support.records import Rec

STALL_TURNS = 20_000


class Cursor:
    """One worker's membership."""

    def __init__(self, cluster: Cluster, worker: Worker) -> None:
        self._cluster, self._worker = cluster, worker

    async def committed(self) -> Mapping[int, int | None]:
        return {number: self._cluster.committed[number] for number in self._worker.mine()}

    async def bounds(self, partitions: Sequence[int]) -> Mapping[int, tuple[int, int]]:
        return {number: (0, self._cluster.log(TOPICS.events, number).end) for number in partitions}

    async def seek(self, positions: Mapping[int, int]) -> None:
        self._worker.position.update(positions)

    async def commit(self, positions: Mapping[int, int]) -> bool:
        await self._worker.sink.pass_("before", "commit")
        if any(self._cluster.owner.get(number) is not self._worker for number in positions):
            return False
        self._cluster.committed.update(positions)
        await self._worker.sink.pass_("after", "commit")
        return True


class Worker:
    """A process: its host, its place in the group, and what it has in hand."""

    def __init__(self, cluster: Cluster, rules: Core) -> None:
        self.cluster = cluster
        self.sink = Sink(cluster)
        self.position: dict[int, int] = {}
        self.task: asyncio.Task[None] | None = None
        config = HostConfig(
            TOPICS,
            PARTITIONS,
            event_clock=cluster.plan.event_clock,
            now=lambda: cluster.now_us,
            revoke_patience_s=0.01,
            monotonic_s=lambda: cluster.steady_s,
            open_items=cluster.rng.choice((0, 100, 10_000)),
        )
        self.host = Host(config, FragileCore(rules), self.sink, RuntimeMetrics(CollectorRegistry()))
        self.host.cursor = Cursor(cluster, self)

    @property
    def asleep(self) -> bool:
        return not self.sink.awake.is_set()

    def mine(self) -> set[int]:
        return {number for number, worker in self.cluster.owner.items() if worker is self}

    async def join(self) -> None:
        """After an assignment: changelogs in portions, recovery, first fetch."""
        for number in sorted(self.mine() | self.others()):
            await self.read_changelog(number)
        await self.host.on_recovered(self.mine(), self.others())
        await self.host.open()

    def others(self) -> set[int]:
        """The partitions that it stands by for."""
        return set(range(PARTITIONS)) - self.mine() if self.cluster.plan.standbys else set()

    async def read_changelog(self, number: int) -> None:
        """What it does not know yet of a partition's states."""
        known = self.host.changelog_offset(number)
        records = [one for one in self.cluster.log(TOPICS.changelog, number).records if one.offset > known]
        while records:
            portion = self.cluster.rng.randrange(1, 400)
            self.host.restore(number, records[:portion])
            records = records[portion:]
            await self.sink.pass_("in", "recovery")

    async def work(self) -> None:
        """Some records of one partition; then perhaps a wake-up, perhaps a commit."""
        rng = self.cluster.rng
        for number in rng.sample(sorted(self.mine()), len(self.mine())):
            log, start = self.cluster.log(TOPICS.events, number), self.position.get(number, 0)
            records = log.records[start : start + rng.choice((1, 5, 40))]
            self.position[number] = start + len(records)
            if records:
                await self.host.process(number, records)
            self.host.observe(number, self.position[number], log.end, idle=True)
        await self.host.wake_due()
        for number in sorted(self.others()):
            if rng.random() < 0.3:
                await self.read_changelog(number)
        if rng.random() < 0.3:
            await self.host.commit()


async def step(worker: Worker, doing: Callable[[], Any]) -> str:
    """Lets the worker do it until it has done it, sleeps, or is dead."""
    worker.task = asyncio.create_task(doing())
    while not worker.task.done() and not worker.asleep:  # noqa: ASYNC110 the turns are the time of this game
        await asyncio.sleep(0)
    if worker.asleep:
        return "asleep"
    return "done" if ended_well(worker) else "dead"


def ended_well(worker: Worker) -> bool:
    """Whether the process lives on after what it did; it ends itself when it finds that it was overtaken."""
    assert worker.task is not None
    try:
        worker.task.result()
    except (Killed, Overtaken, NotCopartitioned) as error:
        worker.cluster.counts[f"ended by {type(error).__name__}"] += 1
        return False
    return True


class Game:
    """One run: faults strike while the load is worked on, and nobody disturbs the end."""

    def __init__(self, load: Load, seed: int, plan: Plan) -> None:
        self.rng = random.Random(f"game {seed}")
        self.cluster = Cluster(self.rng, plan)
        self.load = load
        self.plan = plan
        self.rules = core()
        learn_all(self.rules, load)
        self.workers: list[Worker] = []
        self.sleepers: list[Worker] = []
        self.queue = [
            (one.partition if one.partition is not None else partition_of(one.key, PARTITIONS), one)
            for one in load.records
        ]

    async def play(self) -> Cluster:
        """The whole run; what lies on the topics then is for `judge`."""
        cluster, end = self.cluster, micros(END)
        cluster.now_us = micros(parse(self.load.events[0]).time)
        span = end - cluster.now_us
        await self.rebalance()
        turns = max(60, len(self.queue) // 8)
        for turn in range(turns):
            self.publish(len(self.load.records) // turns + 1)
            cluster.steady_s += 1.0
            cluster.now_us = max(cluster.now_us, end - span + span * turn // turns)
            if self.rng.random() < self.plan.jumps:
                cluster.now_us += self.rng.choice((-1, 1)) * HOUR_MS * 1000
            await self.disturb()
            await self.turn()
        self.publish(len(self.queue))
        await self.finish()
        return cluster

    def publish(self, count: int) -> None:
        """The next records of the load."""
        for number, one in self.queue[:count]:
            self.cluster.log(TOPICS.events, number).append([Outgoing(one.key.encode(), one.value)], 0.0)
        del self.queue[:count]

    async def disturb(self) -> None:
        """Something may happen to somebody."""
        rng, plan = self.rng, self.plan
        for worker in self.workers:
            if rng.random() < plan.kills:
                worker.sink.fault = Fault(rng.randrange(1, 12), kill=True)
            elif rng.random() < plan.sleeps:
                worker.sink.fault = Fault(rng.randrange(1, 12), kill=False)
        if self.sleepers and rng.random() < 0.2:
            await self.waken(self.sleepers.pop(rng.randrange(len(self.sleepers))))
        if rng.random() < plan.compactions:
            for number in range(PARTITIONS):
                # As the product sets it: nobody sleeps longer than min.compaction.lag.ms and then writes.
                self.cluster.counts["compacted"] += self.cluster.log(TOPICS.changelog, number).compact(
                    self.cluster.steady_s - 40
                )
        if rng.random() < plan.moves:
            self.cluster.counts["moved"] += 1
            await self.rebalance()

    async def turn(self) -> None:
        """Everybody works; whoever died or fell asleep is missed, and others take over."""
        lost = False
        for worker in list(self.workers):
            how = await step(worker, worker.work)
            if how != "done":
                lost = True
                self.leave(worker, how)
        if lost:
            await self.rebalance()

    def leave(self, worker: Worker, how: str) -> None:
        """The group's session with it is over."""
        self.workers.remove(worker)
        self.cluster.owner = {n: one for n, one in self.cluster.owner.items() if one is not worker}
        if how == "asleep":
            self.sleepers.append(worker)

    async def waken(self, worker: Worker) -> None:
        """It goes on where it slept, finds out that it was left out, and joins again with what it has in memory."""
        worker.sink.awake.set()
        assert worker.task is not None
        await asyncio.wait([worker.task])
        if not ended_well(worker):
            return
        await worker.host.on_revoked()
        self.workers.append(worker)
        await self.rebalance()

    async def rebalance(self) -> None:
        """Everybody gives everything back, partitions are dealt out anew. Whoever dies meanwhile is left out."""
        while True:
            while len(self.workers) < self.plan.workers:
                self.workers.append(Worker(self.cluster, self.rules))
            for worker in list(self.workers):
                if await step(worker, worker.host.on_revoked) != "done":
                    worker.sink.awake.set()
                    self.leave(worker, "dead")
            if not self.workers:
                continue
            self.cluster.owner = {number: self.rng.choice(self.workers) for number in range(PARTITIONS)}
            hows = {worker: await step(worker, worker.join) for worker in list(self.workers)}
            fallen = {worker: how for worker, how in hows.items() if how != "done"}
            for worker, how in fallen.items():
                self.leave(worker, how)
            if not fallen:
                return

    async def finish(self) -> None:
        """Nobody is disturbed any more. Sleepers wake up; time goes on to END; everything is worked off."""
        while self.sleepers:
            await self.waken(self.sleepers.pop())
        for worker in self.workers:
            worker.sink.fault = None
        await self.work_off()
        if self.plan.event_clock:
            for number in range(PARTITIONS):
                self.cluster.log(TOPICS.events, number).append([advance_record(END)], 0.0)
        self.cluster.now_us = max(self.cluster.now_us, micros(END))
        await self.work_off()

    async def work_off(self) -> None:
        """Until nothing is left to do."""
        for _ in range(STALL_TURNS):
            await self.turn()
            places = [(worker, worker.host.places[number]) for worker in self.workers for number in worker.mine()]
            if all(self._is_done(place) for _, place in places):
                for worker in self.workers:
                    await worker.host.commit()
                return
        raise AssertionError("the workers do not come to an end")

    def _is_done(self, place: Any) -> bool:
        end = self.cluster.log(TOPICS.events, place.partition.number).end
        return place.next_offset == end and not place.partition.has_due(self.cluster.now_us)


def outcome(cluster: Cluster) -> tuple[list[list[Rec]], list[bytes], list[tuple[str, bytes]]]:
    """What `judge` wants: changelogs by partition, warnings, dead letters."""
    changelogs = [cluster.log(TOPICS.changelog, number).records for number in range(PARTITIONS)]
    warnings = [r.value or b"" for n in range(PARTITIONS) for r in cluster.log(TOPICS.warnings, n).records]
    letters = cluster.log(TOPICS.dead_letters, DEAD_LETTER_PARTITION).records
    return changelogs, warnings, [(dict(one.headers)["code"].decode(), one.value or b"") for one in letters]
