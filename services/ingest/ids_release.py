"""What waited goes on its way once it is known whose it is: published first, then forgotten.

A crash between the two sends it again, and (source, id) tells that it is the same. Two replicas that do it at once do
no harm either: each sends an id's events in their order, and the first of each counts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from schemas.codec import InvalidEvent
from schemas.topics import Topics
from services.ingest import ids_waiting
from services.ingest.app import Publisher
from services.ingest.ids import MustLook, is_held
from services.ingest.ids_metrics import IdsMetrics
from services.ingest.ids_registry import REFRESH_S, Registry
from services.ingest.ids_treatment import Identity
from services.ingest.ids_waiting import Row
from services.ingest.judge import rejudged
from services.ingest.publisher import TryLater
from services.ingest.records import Hide, Record, Refusal, as_it_came, dead_letters
from services.ingest.sealing_keeping import Keeper, with_keys_kept
from services.ingest.treating import Treatment, Waits
from services.ingest.working import persistently

AT_ONCE = 500
"""Waiting events in one step."""

MAX_AGE = timedelta(days=90)
"""After so long an event goes to the dead letters, where people find it beside whatever else was not taken."""

COUNT_EVERY = 10
"""In rounds of REFRESH_S: to count what waits costs a look at all of it."""


@dataclass(slots=True)
class Step:
    """What becomes of some waiting events: records to publish, in order, and the rows that are then done."""

    records: list[Record] = field(default_factory=list)
    done: list[int] = field(default_factory=list)
    moved: dict[int, str] = field(default_factory=dict)
    sent: int = 0


async def hear(registry: Registry) -> None:
    """For ever: what others change is heard of within REFRESH_S, also while something else has to wait."""
    await persistently(lambda: asyncio.to_thread(registry.refresh), REFRESH_S, "changes of ids are not heard of")


class Releaser:
    """One per process. `treatments` are those that an event still has to go through after the identity's; `keeper`
    keeps the keys by which they seal, and `hide` what dead letters are not to say."""

    def __init__(
        self,
        registry: Registry,
        publisher: Publisher,
        topics: Topics,
        metrics: IdsMetrics,
        treatments: Sequence[Treatment] = (),
        hide: Hide = as_it_came,
        keeper: Keeper | None = None,
    ) -> None:
        self._registry = registry
        self._identity = Identity(registry)
        self._publisher = publisher
        self._topics = topics
        self._metrics = metrics
        self._treatments = treatments
        self._hide = hide
        self._keeper = keeper
        self._released = -1
        self._rounds = 0

    async def run(self) -> None:
        """For ever."""
        await persistently(self.round, REFRESH_S, "waiting events stay where they are")

    async def round(self) -> None:
        """Hear what has changed; if anything has, send what need not wait any longer. Raises TryLater."""
        generation = await asyncio.to_thread(self._registry.refresh)
        if generation != self._released:
            while await self.step():
                pass
            # Only now: what failed is tried again.
            self._released = generation
        if self._rounds % COUNT_EVERY == 0:
            await self._give_up()
            self._metrics.show(*await asyncio.to_thread(self._count))
        self._rounds += 1

    async def step(self) -> bool:
        """Some of them. False when nothing more can be done. Raises TryLater, and then nothing is lost."""
        rows = await asyncio.to_thread(self._read)
        step = await with_keys_kept(self._keeper, lambda: asyncio.to_thread(self._decide, rows))
        await self._publisher.publish(step.records)
        await asyncio.to_thread(self._forget, step)
        self._metrics.released.inc(step.sent)
        return bool(step.done or step.moved)

    def _read(self) -> list[Row]:
        held = [merged for merged in self._registry.merges if is_held(merged, self._registry.merges)]
        with self._registry.database.reading() as tx:
            rows = ids_waiting.releasable(tx, held, AT_ONCE)
        return self._registry.opened(rows)

    def _decide(self, rows: Sequence[Row]) -> Step:
        self._registry.look_up({row.key for row in rows})
        step, stopped = Step(), set()
        for row in rows:
            if row.key in stopped:
                continue
            try:
                self._send(row, step)
            except Waits as waits:
                if waits.external_id == row.external_id:
                    # Known no longer, or a merge has begun; those behind it must not overtake it.
                    stopped.add(row.key)
                else:
                    step.moved[row.number] = waits.external_id
            except InvalidEvent as problem:
                problem.event_id, problem.source = row.event_id, row.source
                self._bury(row, problem, step)
        return step

    def _send(self, row: Row, step: Step) -> None:
        for _ in range(3):
            try:
                judged = rejudged(row.value, [self._identity.release, *self._treatments], self._topics)
                break
            except MustLook as look:
                self._registry.look_up(look.keys)
        else:
            raise TryLater("ids_are_changing", "ids are changing all the time", after_s=1)
        if judged.joinings:
            for problem in self._registry.keep((), judged.joinings).refused.values():
                raise problem
        step.records += judged.records
        step.done.append(row.number)
        step.sent += 1

    def _bury(self, row: Row, problem: InvalidEvent, step: Step) -> None:
        refusal = Refusal(row.value, problem, {})
        step.records += dead_letters(refusal, row.received_at, "application/json", self._topics, self._hide)
        step.done.append(row.number)

    def _forget(self, step: Step) -> None:
        if not (step.done or step.moved):
            return
        with self._registry.database.writing() as tx:
            ids_waiting.remove(tx, step.done)
            ids_waiting.move(tx, step.moved)

    async def _give_up(self) -> None:
        """What has waited too long goes to the dead letters."""
        step = await with_keys_kept(self._keeper, lambda: asyncio.to_thread(self._bury_overdue))
        await self._publisher.publish(step.records)
        await asyncio.to_thread(self._forget, step)
        self._metrics.given_up.inc(len(step.done))

    def _bury_overdue(self) -> Step:
        rows, step = self._overdue(), Step()
        self._registry.look_up({row.key for row in rows})
        for row in rows:
            sentence = f"nobody has said whose the id is in {MAX_AGE.days} days"
            self._bury(row, InvalidEvent("unknown_customer", sentence, (), row.event_id, row.source), step)
        return step

    def _overdue(self) -> list[Row]:
        with self._registry.database.reading() as tx:
            rows = ids_waiting.overdue(tx, self._registry.now() - MAX_AGE, AT_ONCE)
        return self._registry.opened(rows)

    def _count(self) -> tuple[int, float]:
        with self._registry.database.reading() as tx:
            number, oldest = ids_waiting.total(tx)
        return number, (self._registry.now() - oldest).total_seconds() if oldest else 0.0
