"""A request is judged, and what of it waits or joins customers is made durable, before anything of it is sent."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime

from schemas.codec import FieldError, InvalidEvent
from schemas.topics import Topics
from services.ingest.ids import MustLook
from services.ingest.ids_registry import Registry
from services.ingest.judge import Judgement, Verdict
from services.ingest.publisher import TryLater
from services.ingest.records import Hide, Refusal, as_it_came, dead_letters
from services.ingest.sealing_keeping import Keeper, with_keys_kept

MAX_ROUNDS = 5
"""Somebody changes ids while a request is judged: once is likely, more is not."""

Judge = Callable[[], Awaitable[Judgement]]


class Keeping:
    """Between judging and sending. The database is only asked on other threads."""

    def __init__(
        self, registry: Registry, topics: Topics, hide: Hide = as_it_came, keeper: Keeper | None = None
    ) -> None:
        """`hide`: what dead letters hold of what is refused here; `keeper` keeps the keys by which that is hidden."""
        self._registry = registry
        self._topics = topics
        self._hide = hide
        self._keeper = keeper

    async def judged(self, judge: Judge) -> Judgement:
        """What `judge` finds once all that it has to know is in memory. Raises TryLater and whatever `judge` raises."""
        for _ in range(MAX_ROUNDS):
            try:
                return await judge()
            except MustLook as look:
                await asyncio.to_thread(self._registry.look_up, look.keys)
        raise _changing()

    async def whole(self, judge: Judge) -> Judgement:
        """`judged` and then `kept`."""
        return await self.kept(await self.judged(judge), judge)

    async def kept(self, judgement: Judgement, judge: Judge) -> Judgement:
        """With what waits and who was merged made durable: nothing is left to be done but to publish the records. When
        what was to wait could go by now, all is judged again. Raises as `judged`."""
        for _ in range(MAX_ROUNDS):
            if not (judgement.waiting or judgement.joinings):
                return judgement
            kept = await asyncio.to_thread(self._registry.keep, judgement.waiting, judgement.joinings)
            if not kept.again:
                if kept.refused:
                    await self._overruled(judgement, kept.refused)
                return judgement
            judgement = await self.judged(judge)
        raise _changing()

    async def _overruled(self, judgement: Judgement, refused: Mapping[int, InvalidEvent]) -> None:
        def overrule_all() -> None:
            for index, problem in refused.items():
                overrule(judgement, index, problem, self._topics, self._registry.now(), self._hide)

        await with_keys_kept(self._keeper, lambda: asyncio.to_thread(overrule_all))


def _changing() -> TryLater:
    return TryLater("ids_are_changing", "whose the ids are has changed again and again; send this again", after_s=1)


def overrule(
    judgement: Judgement,
    index: int,
    problem: InvalidEvent,
    topics: Topics,
    now: datetime,
    hide: Hide = as_it_came,
) -> None:
    """An event that was to wait, or to join customers, is refused after all: its bytes go to the dead letters."""
    # A stream counts its lines from 1, and leaves empty ones out.
    place, verdict = next((at, one) for at, one in enumerate(judgement.verdicts) if one.index == index)
    problem.event_id, problem.source = verdict.event_id, verdict.source
    waiting = next((one for one in judgement.waiting if one.index == index), None)
    if waiting is not None:
        raw = waiting.value
    else:
        joining = next(one for one in judgement.joinings if one.index == index)
        judgement.records.remove(joining.record)
        raw = joining.record.value
    errors = (FieldError("event", problem.message),)
    event_id, source, ignored = verdict.event_id, verdict.source, verdict.ignored_fields
    judgement.verdicts[place] = Verdict(index, event_id, source, problem.code, errors, ignored)
    judgement.records += dead_letters(Refusal(raw, problem, {}), now, "application/json", topics, hide)
