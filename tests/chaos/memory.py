"""A broker and a group in memory, for workers that die or fall asleep at any write."""

from __future__ import annotations

import asyncio
import random
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from schemas.topics import Topics
from services.rules.calendar import Micros
from services.rules.port import Outgoing
from tests.support.records import Rec

TOPICS = Topics("chaos")
PARTITIONS = 2


class Killed(BaseException):
    """SIGKILL: nothing of the worker runs after it."""


@dataclass
class Log:
    """One partition of a topic. Offsets go on when compaction takes records away."""

    records: list[Rec] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    end: int = 0

    def append(self, records: Sequence[Outgoing], now_s: float) -> int:
        for record in records:
            self.records.append(Rec(self.end, record.key, record.value, record.headers))
            self.times.append(now_s)
            self.end += 1
        return self.end - 1

    def compact(self, before_s: float) -> int:
        """Keeps of records that are old enough only the last of each key; the very last record always stays."""
        last = {record.key: record.offset for record in self.records}
        kept = [
            (record, time)
            for record, time in zip(self.records, self.times, strict=True)
            if time >= before_s or last[record.key] == record.offset
        ]
        gone = len(self.records) - len(kept)
        self.records, self.times = [record for record, _ in kept], [time for _, time in kept]
        return gone


@dataclass
class Plan:
    """What is done to the workers. Chances are per turn; `torn`: writes of one send may come apart anywhere."""

    event_clock: bool
    kills: float = 0.02
    sleeps: float = 0.0
    moves: float = 0.01
    compactions: float = 0.0
    jumps: float = 0.0
    torn: bool = True
    standbys: bool = True
    workers: int = 2


@dataclass
class Fault:
    """Strikes at the `after`th write from now."""

    after: int
    kill: bool


class Cluster:
    """The topics, the group and the clocks that all workers share."""

    def __init__(self, rng: random.Random, plan: Plan) -> None:
        self.rng, self.plan = rng, plan
        self.logs: dict[tuple[str, int], Log] = defaultdict(Log)
        self.committed: dict[int, int | None] = dict.fromkeys(range(PARTITIONS))
        self.owner: dict[int, object] = {}
        self.now_us: Micros = 0
        self.steady_s = 0.0
        self.counts: Counter[str] = Counter()

    def log(self, topic: str, partition: int) -> Log:
        return self.logs[topic, partition]


class Sink:
    """One worker's way to the topics, on which faults lie in wait."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self.fault: Fault | None = None
        self.dead = False
        self.awake = asyncio.Event()
        self.awake.set()

    async def send(self, topic: str, partition: int, records: Sequence[Outgoing]) -> int:
        last = -1
        for piece in self._pieces(records):
            await self.pass_("before", topic)
            last = self._cluster.log(topic, partition).append(piece, self._cluster.steady_s)
            await self.pass_("after", topic)
        return last

    def _pieces(self, records: Sequence[Outgoing]) -> list[Sequence[Outgoing]]:
        rng = self._cluster.rng
        if not self._cluster.plan.torn or len(records) < 2 or rng.random() < 0.5:
            return [records] if records else []
        cut = rng.randrange(1, len(records))
        return [records[:cut], records[cut:]]

    async def pass_(self, where: str, what: str) -> None:
        """Here a worker dies or falls asleep."""
        if self.dead:
            raise Killed
        if self.fault is None:
            return
        self.fault.after -= 1
        if self.fault.after > 0:
            return
        kind, self.fault = ("kill" if self.fault.kill else "sleep"), None
        self._cluster.counts[f"{kind} {where} {what.removeprefix(TOPICS.prefix)}"] += 1
        if kind == "kill":
            self.dead = True
            raise Killed
        self.awake.clear()
        await self.awake.wait()
        if self.dead:
            raise Killed
