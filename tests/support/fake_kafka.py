"""A broker and a group member in memory, for the host of partitions: what was written, in which order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence

from prometheus_client import CollectorRegistry

from schemas.topics import Topics
from services.rules.host import Host, HostConfig
from services.rules.port import Core, Outgoing
from services.rules.runtime_metrics import RuntimeMetrics
from services.rules.stores import MemoryStore, Store
from tests.support.records import PARTITIONS, TOPICS, Rec
from tests.support.standin_core import StandInCore


class FakeSink:
    """Keeps what it is sent. `fail_on` breaks at the first records for that topic, `hold` makes them wait."""

    def __init__(self) -> None:
        self.log: list[tuple[str, int, list[Outgoing]]] = []
        self.fail_on: str | None = None
        self.hold: asyncio.Event | None = None

    async def send(self, topic: str, partition: int, records: Sequence[Outgoing]) -> int:
        await asyncio.sleep(0)
        if not records:
            return -1
        if topic == self.fail_on:
            raise ConnectionError("the broker is gone")
        if self.hold is not None:
            await self.hold.wait()
        self.log.append((topic, partition, list(records)))
        return len(self.written(topic, partition)) - 1

    def written(self, topic: str, partition: int) -> list[Outgoing]:
        return [
            record for name, number, records in self.log if (name, number) == (topic, partition) for record in records
        ]

    def topics(self) -> list[str]:
        return [topic for topic, _, _ in self.log]

    def changelog(self, topics: Topics, partition: int) -> list[Rec]:
        written = self.written(topics.changelog, partition)
        return [Rec(offset, record.key, record.value, record.headers) for offset, record in enumerate(written)]


class FakeCursor:
    """A member of a group to which partition 0 is assigned."""

    def __init__(self) -> None:
        self.offsets: dict[int, int | None] = {0: None}
        self.first: dict[int, int] = {0: 0}
        self.end = 1_000_000
        self.seeks: list[dict[int, int]] = []
        self.accepting = True

    async def committed(self) -> Mapping[int, int | None]:
        return dict(self.offsets)

    async def bounds(self, partitions: Sequence[int]) -> Mapping[int, tuple[int, int]]:
        return {number: (self.first[number], self.end) for number in partitions}

    async def seek(self, positions: Mapping[int, int]) -> None:
        self.seeks.append(dict(positions))

    async def commit(self, positions: Mapping[int, int]) -> bool:
        if self.accepting:
            self.offsets.update(positions)
        return self.accepting


class HostBench:
    """A host with its surroundings; `now_us` and `steady_s` are set by the test."""

    def __init__(
        self,
        *,
        event_clock: bool = False,
        core: Core | None = None,
        sink: FakeSink | None = None,
        open_store: Callable[[int], Store] = lambda _: MemoryStore(),
    ) -> None:
        self.sink = sink or FakeSink()
        self.cursor = FakeCursor()
        self.now_us = 0
        self.steady_s = 0.0
        self.registry = CollectorRegistry()
        config = HostConfig(
            TOPICS,
            PARTITIONS,
            event_clock=event_clock,
            now=lambda: self.now_us,
            revoke_patience_s=0.5,
            monotonic_s=lambda: self.steady_s,
            open_items=1_000,
            open_store=open_store,
        )
        self.metrics = RuntimeMetrics(self.registry)
        self.host = Host(config, core or StandInCore(), self.sink, self.metrics)
        self.host.cursor = self.cursor

    async def take_over(self) -> None:
        """As Faust does it: changelog, recovery, first fetch."""
        known = self.host.changelog_offset(0)
        records = [record for record in self.sink.changelog(TOPICS, 0) if record.offset > known]
        if records:
            self.host.restore(0, records)
        await self.host.on_recovered({0}, set())
        await self.host.open()

    def caught_up(self) -> None:
        """The consumer stands at the end of the log."""
        offset = self.host.places[0].next_offset or 0
        self.host.observe(0, offset, offset, idle=True)
