"""Work that goes on beside the requests, for as long as the process lives."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Any

from services.ingest.publisher import TryLater

log = logging.getLogger(__name__)

Worker = Callable[[], Coroutine[Any, Any, None]]
"""Runs beside the requests until it is cancelled, and mends itself what goes wrong."""


class Beside:
    """The workers of one process. One that ends by itself has met what it cannot mend: the process must be replaced."""

    def __init__(self, workers: Sequence[Worker]) -> None:
        self._workers = workers
        self.alive = True

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """They run in here, and are cancelled at its end."""
        tasks = [asyncio.create_task(work()) for work in self._workers]
        for task in tasks:
            task.add_done_callback(self._ended)
        yield
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if task.cancelled():
            return
        self.alive = False
        # The type alone: a message may hold a value from an event.
        log.critical("a part of ingest has ended: %s", type(task.exception()).__name__)


async def persistently(work: Callable[[], Awaitable[object]], pause_s: float, otherwise: str) -> None:
    """Until it is cancelled, with a pause between two times. Whatever goes wrong is tried again after it; `otherwise`
    is what the log says then."""
    while True:
        try:
            await work()
        except TryLater as later:
            log.warning("%s: %s", otherwise, later.code)
        except Exception as error:  # noqa: BLE001 this work must outlive what it does not know
            # The type alone: a message may hold a value from an event.
            log.error("%s: %s", otherwise, type(error).__name__)  # noqa: TRY400
        await asyncio.sleep(pause_s)
