"""Work that goes on beside the requests, for as long as the process lives."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from services.ingest.publisher import TryLater

log = logging.getLogger(__name__)


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
