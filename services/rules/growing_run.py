"""`bellwether topics grow`, step by step. Each step may be killed and done again; docs/growing.md says why.

1. No worker is in the group, and nothing lies where it does not belong.
2. The changelog and the customers topic grow. From here on no worker starts, whatever it is told.
3. States, snapshots and clocks go to their new homes, and all of them have arrived.
4. The events topic grows: producers write to the new partitions. Events that wait on the old ones are forwarded.
5. The warnings topic grows: workers may start.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from schemas.topics import Topics
from services.common.errors import UserError
from services.rules.fencing import Fence
from services.rules.growing import (
    SNAPSHOTS,
    STATES,
    CannotGrow,
    Census,
    Counter,
    Form,
    Growth,
    Index,
    Kept,
    clock_records,
    copies_of,
    first_few,
    forwards_of,
    growth_of,
    not_arrived,
    plan_move,
)
from services.rules.layout import Layout, layout_record
from services.rules.partitioner import partition_of
from services.rules.port import Outgoing

Bar = Callable[[str, int], AbstractContextManager[Callable[[int], None]]]
"""bar("moving states", 1000) gives a function that takes what has been done of the thousand."""


class Logs(Protocol):
    """The partitions of a broker; see growing_log.Logs."""

    def read(
        self, topic: str, number: int, advance: Callable[[int], None] = ..., start: int | None = None
    ) -> AsyncIterator[list[Any]]: ...

    async def sizes(self, topic: str, partitions: int) -> dict[int, int]: ...

    async def ends(self, topic: str, partitions: int) -> dict[int, int]: ...

    async def write(self, topic: str, records: Mapping[int, Sequence[Outgoing]]) -> None: ...


class Broker(Protocol):
    """Kafka from outside; see growing_log.Broker."""

    def logs(self) -> AbstractAsyncContextManager[Logs]: ...

    def counts(self) -> dict[str, int]: ...

    def require_no_workers(self) -> None: ...

    def committed(self) -> dict[int, int]: ...

    def enlarge(self, names: Sequence[str], partitions: int) -> None: ...


class NotWhole(UserError):
    """What lies at home is not what was there before. Workers cannot start; nothing of the original is lost."""


@dataclass
class Report:
    """What there is, what moves or has moved, and what waits: `waiting` counts events that no worker has applied."""

    growth: Growth
    customers: int = 0
    movers: int = 0
    records: int = 0
    bytes: int = 0
    snapshots: int = 0
    waiting: int = 0
    forwarded: int = 0


class Grower:
    """One run of the command."""

    def __init__(self, broker: Broker, topics: Topics, wanted: int, bar: Bar) -> None:
        """Raises BrokerUnreachable, CannotGrow."""
        self._broker = broker
        self._topics = topics
        self._bar = bar
        counts = broker.counts()
        self._growth = growth_of(topics, counts, wanted)
        self._present = counts[topics.changelog]
        self._applied = broker.committed()
        self._fences: dict[int, Fence] = {}
        self.report = Report(self._growth)

    def look(self) -> Report:
        """What `run` would do, without doing it. Workers may be there."""
        asyncio.run(self._look())
        return self.report

    def run(self) -> Report:
        """Grow, or finish what was begun. Raises CannotGrow, NotWhole, BrokerUnreachable, KafkaError."""
        broker, topics, new = self._broker, self._topics, self._growth.new
        broker.require_no_workers()
        asyncio.run(self._begin())
        if self._growth.begun or self._growth.old != new:
            broker.enlarge([topics.changelog, topics.customers], new)
            asyncio.run(self._mark())
            # A worker that came between our look and the marks is in the group now; a later one meets the marks.
            broker.require_no_workers()
            asyncio.run(self._move())
            broker.enlarge([topics.cases, topics.events], new)
            asyncio.run(self._forward())
            broker.enlarge([topics.warnings], new)
        return self.report

    # ---- the steps

    async def _look(self) -> None:
        report, growth = self.report, self._growth
        async with self._broker.logs() as logs:
            found = await self._census(logs, self._present, growth.new)
            report.customers = sum(one.at_home + one.away for one in found.values())
            self._count_movers(found)
            ends = await logs.ends(self._topics.events, growth.old)
        report.waiting = sum(end - self._applied.get(number, 0) for number, end in ends.items())

    async def _begin(self) -> None:
        """Learns whose word counts. What lies where it never belonged is not to be taken for somebody's state."""
        growth = self._growth
        async with self._broker.logs() as logs:
            found = await self._census(logs, self._present, growth.old)
            if growth.begun:
                return
            newcomers = await self._settle(logs, found, growth.old)
            await self._settle_snapshots(logs, growth.old, growth.old)
            self.report.customers = newcomers + sum(one.at_home for one in found.values())
            if any(one.away_records for one in found.values()):
                self._count_movers(found)
                self._require_whole(await self._census(logs, growth.old, growth.old))

    async def _mark(self) -> None:
        """From here on no worker's word on an old partition counts any more, and no worker starts."""
        async with self._broker.logs() as logs:
            mark = [layout_record(Layout(self._growth.new))]
            await self._write_states(logs, dict.fromkeys(range(self._growth.new), mark))

    async def _move(self) -> None:
        growth, report = self._growth, self.report
        async with self._broker.logs() as logs:
            before = await self._census(logs, growth.new, growth.new)
            self._count_movers(before)
            clocks = clock_records(growth, {number: one.clock for number, one in before.items()})
            await self._write_states(logs, {number: [record] for number, record in clocks.items()})
            newcomers = await self._settle(logs, before, growth.new)
            report.snapshots = await self._settle_snapshots(logs, growth.new, growth.new)
            report.customers = newcomers + sum(one.at_home for one in before.values())
            self._require_whole(await self._census(logs, growth.new, growth.new))

    async def _forward(self) -> None:
        growth, topic = self._growth, self._topics.events
        async with self._broker.logs() as logs:
            ends = await logs.ends(topic, growth.old)
            self.report.waiting = sum(end - self._applied.get(number, 0) for number, end in ends.items())
            with self._bar("forwarding events", self.report.waiting) as advance:
                for number in range(growth.old):
                    async for records in logs.read(topic, number, advance, self._applied.get(number, 0)):
                        homes: dict[int, list[Outgoing]] = {}
                        for home, record in forwards_of(records, number, growth):
                            homes.setdefault(home, []).append(record)
                        await logs.write(topic, homes)
                        self.report.forwarded += sum(map(len, homes.values()))
            # The workers need not do it again.
            done = {number: [layout_record(Layout(growth.new, end))] for number, end in ends.items()}
            await self._write_states(logs, done)

    # ---- what they are made of

    async def _census(self, logs: Logs, present: int, layout: int) -> dict[int, Census]:
        sizes = await logs.sizes(self._topics.changelog, present)
        found = {}
        with self._bar("counting customers", sum(sizes.values())) as advance:
            for number in range(present):
                counter = Counter(number, layout)
                async for records in logs.read(self._topics.changelog, number, advance):
                    for record in records:
                        counter.take(record)
                found[number] = counter.census()
                # We write as if we had taken the partition over, and it stays so over our own records.
                self._fences.setdefault(number, Fence(found[number].epoch + 1))
        return found

    async def _write_states(self, logs: Logs, records: Mapping[int, Sequence[Outgoing]]) -> None:
        fences = {number: self._fences.setdefault(number, Fence(1)) for number in records}
        await logs.write(self._topics.changelog, {n: fences[n].stamped(some) for n, some in records.items()})

    async def _write(self, logs: Logs, topic: str, records: Mapping[int, Sequence[Outgoing]]) -> None:
        if topic == self._topics.changelog:
            await self._write_states(logs, records)
        else:
            await logs.write(topic, records)

    def _count_movers(self, found: dict[int, Census]) -> None:
        self.report.movers = sum(one.away for one in found.values())
        self.report.records = sum(one.away_records for one in found.values())
        self.report.bytes = sum(one.away_bytes for one in found.values())

    def _require_whole(self, after: dict[int, Census]) -> None:
        at_home, away = sum(one.at_home for one in after.values()), sum(one.away_records for one in after.values())
        if away or at_home != self.report.customers:
            raise NotWhole(
                f"{self.report.customers} customers had a state, {at_home} have one at their home now, and {away} "
                "records lie where they do not belong: run this again, and if it stays so keep the workers stopped"
            )

    async def _settle(self, logs: Logs, found: dict[int, Census], layout: int) -> int:
        """Everybody's records to their homes; how many heads were not there before."""
        topic, newcomers = self._topics.changelog, 0
        away = {number: one for number, one in found.items() if one.away_records}
        with self._bar("moving states", len(away)) as advance:
            for number, census in away.items():
                known = census.layout if census.layout and census.layout.partitions == layout else None
                laid_out = known is not None
                newcomers += await self._settle_partition(logs, STATES, topic, number, layout, laid_out=laid_out)
                # The last record of a partition is no tombstone: compaction would take it, and a recovery wait for it.
                await self._write_states(logs, {number: [layout_record(known or Layout(layout))]})
                advance(1)
        return newcomers

    async def _settle_snapshots(self, logs: Logs, present: int, layout: int) -> int:
        topic, moved = self._topics.customers, 0
        with self._bar("moving snapshots", present) as advance:
            for number in range(present):
                moved += await self._settle_partition(logs, SNAPSHOTS, topic, number, layout, laid_out=True)
                advance(1)
        return moved

    async def _settle_partition(
        self, logs: Logs, form: Form, topic: str, number: int, layout: int, *, laid_out: bool
    ) -> int:
        """Copies what belongs elsewhere, sees that it has arrived, and only then removes it here."""
        movers = Index(form, lambda customer_id: partition_of(customer_id, layout) != number)
        await _fill(movers, logs, topic, number)
        if not movers.kept:
            return 0
        move = plan_move(form, movers, await self._at_home(logs, form, topic, movers, layout), laid_out=laid_out)
        if move.contested:
            raise CannotGrow(
                f"{len(move.contested)} customers have one state on partition {number} of {topic} and another on their "
                f"own partition ({first_few(move.contested)}): workers ran after the topics were enlarged by other "
                "means, and only a person can say which state counts"
            )
        if move.copies:
            async for records in logs.read(topic, number):
                await self._write(logs, topic, copies_of(form, records, move, layout))
            missing = not_arrived(movers, move, await self._at_home(logs, form, topic, movers, layout))
            if missing:
                raise NotWhole(f"of {first_few(missing)} not everything has arrived: run this again")
        await self._write(logs, topic, {number: [Outgoing(key, None) for key in movers.keys_heads_last()]})
        return move.newcomers

    async def _at_home(self, logs: Logs, form: Form, topic: str, movers: Index, layout: int) -> dict[bytes, Kept]:
        owners, found = movers.owners, dict[bytes, Kept]()
        for home in sorted({partition_of(customer_id, layout) for customer_id in owners}):
            there = Index(form, partial(_lives_at, owners, layout, home))
            await _fill(there, logs, topic, home)
            found.update(there.kept)
        return found


def _lives_at(owners: set[str], layout: int, home: int, customer_id: str) -> bool:
    return customer_id in owners and partition_of(customer_id, layout) == home


async def _fill(index: Index, logs: Logs, topic: str, number: int) -> None:
    async for records in logs.read(topic, number):
        for record in records:
            index.take(record)
