"""A publisher that goes on taking records while the broker is away: they wait on this machine's disk.

Order is kept for each key: while a record of a key waits in the spool, its new ones go behind it. A record may reach
the topic twice (its acknowledgement was lost, or we died before it was deleted here), as with all who send again.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from prometheus_client import CollectorRegistry

from services.ingest.publisher import BROKER_UNAVAILABLE, TryLater
from services.ingest.records import Record
from services.ingest.spool import Spool
from services.ingest.spool_config import SpoolSettings
from services.ingest.spool_metrics import watch_spool
from services.ingest.spool_store import Spooled, SpoolFull, SpoolStore

log = logging.getLogger(__name__)

LOOK_EVERY_S = 0.5


class Inner(Protocol):
    """The way to the broker itself."""

    @property
    def problem(self) -> str | None: ...

    @property
    def alive(self) -> bool: ...

    @property
    def outstanding(self) -> int: ...

    def start(self) -> None: ...

    async def close(self) -> None: ...

    async def publish(self, records: Sequence[Record]) -> None: ...


IsGone = Callable[[Record], bool]
"""Whether a record that waited is not to be sent any more: its customer was forgotten meanwhile. Raises TryLater. It
may ask a database."""


def nobody_is_gone(_record: Record) -> bool:
    """Everything is sent."""
    return False


def with_spool(
    inner: Inner, settings: SpoolSettings, registry: CollectorRegistry, is_gone: IsGone = nobody_is_gone
) -> SpoolingPublisher:
    """That publisher with a spool behind it, watched. Raises BadSpool."""
    spool = Spool(SpoolStore(settings.folder, settings.max_bytes), time.time)
    watch_spool(registry, spool)
    return SpoolingPublisher(inner, spool, is_gone=is_gone)


def notes_of(publisher: object) -> dict[str, str]:
    """What /readyz tells although events are accepted: that some wait on disk."""
    note = publisher.note if isinstance(publisher, SpoolingPublisher) else None
    return {} if note is None else {"spool": note}


class SpoolingPublisher:
    """Records are durable when the broker has acknowledged them, or when they are on disk here."""

    def __init__(
        self,
        inner: Inner,
        spool: Spool,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
        is_gone: IsGone = nobody_is_gone,
    ) -> None:
        """`pause` waits between two looks at the broker."""
        self._is_gone = is_gone
        self._inner = inner
        self._spool = spool
        self._pause = pause
        self._draining: asyncio.Task[None] | None = None
        self._sent: Sequence[Spooled] = ()

    def start(self) -> None:
        """Begin to connect, and to send what was left in the spool. Needs a running loop."""
        self._inner.start()
        self._draining = asyncio.create_task(self._drain())
        self._draining.add_done_callback(_tell_end)

    async def close(self) -> None:
        """Flush and end. What is still in the spool is sent after the next start."""
        if self._draining is not None:
            self._draining.cancel()
            await asyncio.gather(self._draining, return_exceptions=True)
        await self._inner.close()
        await self._spool.close()

    @property
    def problem(self) -> str | None:
        """Why nothing can be taken now; a broker that is away is none while there is room on disk."""
        if self._spool.broken:
            return "the spool's disk has failed"
        if self._inner.problem is not None and self._spool.full:
            return f"{self._inner.problem}, and the spool is full"
        return None

    @property
    def note(self) -> str | None:
        """What is not as it should be although events are accepted."""
        if not self._spool.waiting and self._inner.problem is None:
            return None
        waiting = f"{self._spool.waiting} records wait on disk, the oldest for {self._spool.oldest_s:.0f} s"
        return f"{waiting}: {self._inner.problem or 'they are being sent'}"

    @property
    def alive(self) -> bool:
        """False when the process must be replaced."""
        drains = self._draining is None or not self._draining.done()
        return self._inner.alive and drains and not self._spool.broken

    @property
    def outstanding(self) -> int:
        """Records that wait for the broker's acknowledgement or for the disk."""
        return self._inner.outstanding + self._spool.joining

    async def publish(self, records: Sequence[Record]) -> None:
        """Return when all are durable, there or here. Raises TryLater."""
        if self._inner.problem is not None:
            await self._spool.append(records)
            return
        behind = [record for record in records if self._spool.holds(record)]
        ahead = [record for record in records if not self._spool.holds(record)] if behind else records
        await self._spool.append(behind)
        try:
            await self._inner.publish(ahead)
        except TryLater as later:
            if later.code != BROKER_UNAVAILABLE:
                raise
            await self._spool.append(ahead)

    async def _drain(self) -> None:
        while True:
            if not await self._send_oldest():
                await self._pause(LOOK_EVERY_S)

    async def _send_oldest(self) -> bool:
        """One batch; False where there is none, or the broker does not take it, or the disk does not forget it."""
        if not self._sent:
            self._sent = await self._publish_oldest()
        if not self._sent:
            return False
        try:
            await self._spool.remove(self._sent)
        except SpoolFull:
            return False
        self._sent = ()
        return True

    async def _publish_oldest(self) -> Sequence[Spooled]:
        """What the broker has acknowledged, or is not to have any more, and the spool may forget."""
        if self._inner.problem is not None or not self._spool.waiting:
            return ()
        batch = await self._spool.oldest()
        assert batch, "the spool counts records that are not there"
        try:
            await self._inner.publish(await asyncio.to_thread(self._still_wanted, batch))
        except TryLater:
            return ()
        return batch

    def _still_wanted(self, batch: Sequence[Spooled]) -> list[Record]:
        wanted = [spooled.record for spooled in batch if not self._is_gone(spooled.record)]
        if len(wanted) < len(batch):
            log.info("%d records of forgotten customers left the spool unsent", len(batch) - len(wanted))
        return wanted


def _tell_end(draining: asyncio.Task[None]) -> None:
    if not draining.cancelled():
        # The type alone, as everywhere: a message may hold a value from an event.
        log.error("the spool is sent no further: %s", type(draining.exception()).__name__)
