"""Merges, one after the other: events are sent again, then progress is kept; at last the merged customer is erased.

A crash anywhere repeats what came since the last progress, and repeating is harmless: an event is recognised by
(source, id), and an erased customer may be erased again. Meanwhile new events of the merged customer wait (see
ids_treatment), so that they come after those that are older.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from datetime import timedelta

from schemas.records import ReadRecord
from schemas.topics import Topics
from services.ingest import merging_store
from services.ingest.app import Publisher
from services.ingest.ids import survivor
from services.ingest.ids_metrics import IdsMetrics
from services.ingest.ids_registry import Registry
from services.ingest.merging import Move, Reseal, left_to_read, unsealed
from services.ingest.merging_reader import TopicReader
from services.ingest.merging_store import Work
from services.ingest.records import Record
from services.ingest.sealing_keeping import Keeper, with_keys_kept
from services.ingest.working import persistently

log = logging.getLogger(__name__)

CLAIM_S = 60.0
"""A worker that has kept no progress for so long is taken for dead."""

PAUSE_S = 1.0


class Merger:
    """One per process; `who` names it among the replicas."""

    def __init__(
        self,
        registry: Registry,
        publisher: Publisher,
        topics: Topics,
        metrics: IdsMetrics,
        reader: TopicReader,
        who: str,
        settle_s: float,
        reseal: Reseal = unsealed,
        keeper: Keeper | None = None,
    ) -> None:
        """`settle_s`: so long after a merge became known a replica may still be sending under the old id: it hears of
        it within STALE_S or sends nothing, and what it has begun to send is there or given up after ANSWER_BOUND_S.
        `keeper` keeps the keys by which `reseal` seals."""
        self._registry = registry
        self._publisher = publisher
        self._topics = topics
        self._metrics = metrics
        self._reader = reader
        self._who = who
        self._settle_s = settle_s
        self._reseal = reseal
        self._keeper = keeper

    async def run(self) -> None:
        """For ever."""
        await persistently(self._all_steps, PAUSE_S, "a merge has to wait")

    async def _all_steps(self) -> None:
        while await self.step():
            pass

    async def step(self) -> bool:
        """A little of the oldest merge. False when nothing can be done for now. Raises TryLater."""
        work = await asyncio.to_thread(self._claim)
        if work is None:
            await asyncio.to_thread(self._reader.close)
            return False
        asked_at = self._registry.now()
        bounds = await asyncio.to_thread(self._reader.bounds)
        # What was forgotten before must not come back.
        left = {} if work.is_forgotten else left_to_read(work.progress, bounds)
        move = Move(work.merged, survivor(work.merged, self._registry.merges))
        if left:
            number = min(left)
            await self._send_again(work, move, number, left[number], bounds[number][1])
            return True
        if (asked_at - work.at).total_seconds() < self._settle_s:
            return False
        # Asked for the ends after everybody knew of the merge: nothing more comes under the old id.
        await self._publisher.publish([move.erasure(self._topics)])
        await asyncio.to_thread(self._finish, work)
        log.info("a customer was merged: %d events were sent again", work.resent)
        return True

    async def _send_again(self, work: Work, move: Move, number: int, offset: int, end: int) -> None:
        read, position = await asyncio.to_thread(self._reader.read, number, offset, end)
        records = await with_keys_kept(self._keeper, lambda: asyncio.to_thread(self._moved, move, read))
        await self._publisher.publish(records)
        # Only now: a crash before this line sends them again.
        await asyncio.to_thread(self._save, work, number, position, len(records))
        self._metrics.resent.inc(len(records))

    def _moved(self, move: Move, read: Sequence[ReadRecord]) -> list[Record]:
        found = (move.again(one, self._topics, self._reseal) for one in read)
        return [one for one in found if one is not None]

    def _claim(self) -> Work | None:
        now = self._registry.now()
        with self._registry.database.writing() as tx:
            self._metrics.merges.set(merging_store.count_open(tx))
            work = merging_store.claim_first(tx, self._who, now, now + timedelta(seconds=CLAIM_S))
        if work is not None:
            self._registry.refresh()
        return work

    def _save(self, work: Work, number: int, position: int, resent: int) -> None:
        until = self._registry.now() + timedelta(seconds=CLAIM_S)
        progress = {**work.progress, number: position}
        with self._registry.database.writing() as tx:
            merging_store.save(tx, work.merged, self._who, progress, work.resent + resent, until)

    def _finish(self, work: Work) -> None:
        with self._registry.database.writing() as tx:
            merging_store.finish(tx, work.merged, self._registry.now())
        self._registry.refresh()
