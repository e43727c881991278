"""Replays dead letters that somebody asked for: judged again, put on their topic, and only then marked so."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from schemas.topics import Topics
from services.common.clock import Now
from services.common.database import Database
from services.ingest import letters_store as store
from services.ingest.app import Publisher
from services.ingest.judge import BadBody, Judgement, Post, judge
from services.ingest.letters import FROM_INGEST, REPLAY_HEADER, Filed, Place
from services.ingest.publisher import TryLater
from services.ingest.records import Record
from services.ingest.sealing_keeping import Keeper, with_keys_kept
from services.ingest.treating import Treatment
from services.ingest.working import persistently

log = logging.getLogger(__name__)

AT_ONCE = 100
LOOK_EVERY_S = 1.0
INGEST = "ingest"

Around = Callable[[Callable[[], Awaitable[Judgement]]], Awaitable[Judgement]]
"""Judges, and does what has to be done before anything of it is sent."""


async def at_once(judged: Callable[[], Awaitable[Judgement]]) -> Judgement:
    """Nothing has to be done before."""
    return await judged()


def as_it_lies(filed: Filed) -> bytes:
    """Where nothing is sealed."""
    return filed.event


@dataclass(frozen=True, slots=True)
class Courts:
    """How a letter's event is judged. `treatments` are those of new events; `again` those for an event that went
    through ingest before, as one that the rules service refused: its ids are the customers' already. `keeper` keeps the
    keys by which they seal; `to_replay` gives a letter's event, and may ask a database."""

    topics: Topics
    now: Now
    treatments: Sequence[Treatment] = ()
    again: Sequence[Treatment] = ()
    around: Around = at_once
    keeper: Keeper | None = None
    to_replay: Callable[[Filed], bytes] = as_it_lies

    async def judge(self, filed: Filed) -> Judgement:
        """Raises BadBody, TryLater."""
        event = await asyncio.to_thread(self.to_replay, filed)
        post = Post(event, {"content-type": "application/json"}, self.now())
        if filed.letter.origin == FROM_INGEST:
            return await self.around(lambda: self._judged(post, self.treatments))
        return await self._judged(post, self.again)

    async def _judged(self, post: Post, treatments: Sequence[Treatment]) -> Judgement:
        return await with_keys_kept(self.keeper, lambda: asyncio.to_thread(judge, post, self.topics, treatments))


class Replayer:
    """One in a process. Two processes never replay the same letter, unless one of them seems to have died."""

    def __init__(self, database: Database, publisher: Publisher, courts: Courts) -> None:
        self._database = database
        self._publisher = publisher
        self._courts = courts

    async def run(self) -> None:
        """Until it is cancelled."""
        await persistently(self._all_steps, LOOK_EVERY_S, "dead letters are replayed later")

    async def _all_steps(self) -> None:
        while await self.step():
            pass

    async def step(self) -> bool:
        """Replay some of the letters that are asked for; False when none can be. Raises TryLater, SQLAlchemyError."""
        if self._publisher.problem is not None:
            return False
        claimed = await asyncio.to_thread(self._claim)
        try:
            accepted: list[Place] = []
            records: list[Record] = []
            for filed in claimed:
                found = await self._judged(filed)
                if found is not None:
                    accepted.append(filed.letter.place)
                    records += found
            await self._publisher.publish(records)
        except TryLater:
            await asyncio.to_thread(self._unclaim, [filed.letter.place for filed in claimed])
            raise
        if accepted:
            # Only now: a crash before this replays them once more, and the second one is known by (source, id).
            await asyncio.to_thread(self._sent, accepted)
        return bool(claimed)

    async def _judged(self, filed: Filed) -> list[Record] | None:
        """What is to be sent; None when the letter was refused again and waits with the new reason."""
        try:
            judgement = await self._courts.judge(filed)
        except BadBody as bad:
            await asyncio.to_thread(self._refused, filed, bad.code, bad.message)
            return None
        for verdict in judgement.verdicts:
            if verdict.errors:
                reason = "; ".join(f"{error.field}: {error.reason}" for error in verdict.errors)
                await asyncio.to_thread(self._refused, filed, verdict.code, reason)
                return None
        mark = (REPLAY_HEADER, str(filed.letter.place).encode())
        return [record._replace(headers=(*record.headers, mark)) for record in judgement.records]

    def _claim(self) -> list[Filed]:
        with self._database.reading() as tx:
            if not store.anything_asked(tx, self._courts.now()):
                return []
        with self._database.writing() as tx:
            return store.claim(tx, AT_ONCE, self._courts.now())

    def _unclaim(self, places: Sequence[Place]) -> None:
        with self._database.writing() as tx:
            store.unclaim(tx, places)

    def _sent(self, places: Sequence[Place]) -> None:
        with self._database.writing() as tx:
            store.sent(tx, places, INGEST, self._courts.now())

    def _refused(self, filed: Filed, code: str, reason: str) -> None:
        with self._database.writing() as tx:
            store.refused(tx, filed.letter.place, code, reason, INGEST, self._courts.now())
