"""Answers a request that carries an Idempotency-Key: once done, and repeated as often as it is asked for."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Protocol

from sqlalchemy.exc import SQLAlchemyError
from starlette.responses import Response

from services.common.clock import Now
from services.ingest.answers import kept_answer
from services.ingest.idempotency import KEPT_STATUSES, Kept, Request, Turn
from services.ingest.judge import BadBody
from services.ingest.publisher import TryLater

log = logging.getLogger(__name__)

PURGE_EVERY = timedelta(minutes=10)

REPEATED = {"Idempotency-Replayed": "true"}
"""Tells a repeated answer from the first."""


class Store(Protocol):
    """Where keys and answers are; see IdempotencyStore."""

    def claim(self, request: Request, now: datetime) -> tuple[Turn, Kept | None]: ...
    def keep(self, request: Request, status: int, answer: bytes, claimed_at: datetime) -> None: ...
    def release(self, request: Request, claimed_at: datetime) -> None: ...
    def purge(self, now: datetime) -> int: ...


class Repeating:
    """One per process; `now` is when things are claimed."""

    def __init__(self, store: Store, now: Now) -> None:
        self._store = store
        self._now = now
        self._purged_at = now()

    async def once(self, request: Request, act: Callable[[], Awaitable[Response]]) -> Response:
        """The answer of `act`, or the one it had the last time. Raises BadBody when it is not to be done, TryLater when
        keys cannot be looked up, and what `act` raises."""
        now = self._now()
        try:
            turn, kept = await asyncio.to_thread(self._claim, request, now)
        except SQLAlchemyError:
            raise TryLater("database_unavailable", "Idempotency-Keys cannot be looked up now", after_s=5) from None
        if turn is Turn.REPEAT and kept is not None and kept.status is not None:
            return kept_answer(kept.status, kept.answer, REPEATED)
        if turn is Turn.WAIT:
            sentence = "the first request with this Idempotency-Key is still at work: ask again in a moment"
            raise BadBody(409, "idempotency_key_in_use", sentence, headers={"Retry-After": "1"})
        if turn is Turn.REFUSE:
            sentence = "this Idempotency-Key was used for another body: take a new key for each new request"
            raise BadBody(422, "idempotency_key_reused", sentence)
        return await self._first(request, now, act)

    def _claim(self, request: Request, now: datetime) -> tuple[Turn, Kept | None]:
        if now - self._purged_at >= PURGE_EVERY:
            self._purged_at = now
            self._store.purge(now)
        return self._store.claim(request, now)

    async def _first(self, request: Request, now: datetime, act: Callable[[], Awaitable[Response]]) -> Response:
        answer: Response | None = None
        try:
            answer = await act()
        finally:
            # Also when the sender has gone and this task is cancelled: it will come again with the same key.
            await asyncio.shield(asyncio.to_thread(self._remember, request, now, answer))
        return answer

    def _remember(self, request: Request, claimed_at: datetime, answer: Response | None) -> None:
        try:
            if answer is not None and answer.status_code in KEPT_STATUSES:
                self._store.keep(request, answer.status_code, bytes(answer.body), claimed_at)
            else:
                self._store.release(request, claimed_at)
        except SQLAlchemyError as error:
            # What was done is done: a repetition does it again once the claim has run out, and does no harm.
            log.warning("an answer could not be kept for its Idempotency-Key: %s", type(error).__name__)
