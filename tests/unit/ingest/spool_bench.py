"""A publisher over a spool, before a broker that does what a test wants."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from services.ingest.publisher import TryLater, broker_away
from services.ingest.records import Record
from services.ingest.spool import Spool
from services.ingest.spool_store import SpoolStore
from services.ingest.spooling import IsGone, SpoolingPublisher, nobody_is_gone

AWAY = "no Kafka answers"


def record(key: str, number: int, size: int = 0) -> Record:
    return Record("events", key.encode(), b"%d" % number + b" " * size, (("h", b"1"),))


class ScriptedBroker:
    """The way to a broker that is there or not; `torn` makes it take the first part of a call and fail."""

    def __init__(self) -> None:
        self.problem: str | None = None
        self.alive = True
        self.outstanding = 0
        self.failure: TryLater | None = None
        self.torn: Callable[[int], int | None] = lambda _size: None
        self.topic: list[Record] = []
        self.calls: list[list[Record]] = []

    def start(self) -> None:
        pass

    async def close(self) -> None:
        pass

    async def publish(self, records: Sequence[Record]) -> None:
        self.calls.append(list(records))
        await asyncio.sleep(0)
        if self.problem is not None:
            raise broker_away(self.problem)
        if self.failure is not None:
            raise self.failure
        taken = self.torn(len(records))
        self.topic += records[:taken]
        if taken is not None:
            raise broker_away("torn")


class Bench:
    """A publisher over a spool in a folder; `crash` forgets all but the disk and the broker."""

    def __init__(self, folder: Path, max_bytes: int = 1 << 30, is_gone: IsGone = nobody_is_gone) -> None:
        self.folder = folder
        self.is_gone = is_gone
        self.max_bytes = max_bytes
        self.now_s = 1000.0
        self.broker = ScriptedBroker()
        self.looks = asyncio.Event()
        self.looks.set()
        self.store = self._open()

    def _open(self) -> SpoolStore:
        self.store = SpoolStore(self.folder, self.max_bytes)
        self.spool = Spool(self.store, lambda: self.now_s)
        self.publisher = SpoolingPublisher(self.broker, self.spool, self._pause, self.is_gone)
        return self.store

    async def _pause(self, _seconds: float) -> None:
        await asyncio.sleep(0)
        await self.looks.wait()

    async def crash(self) -> None:
        """As by SIGKILL, but that one call of the disk may end."""
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.spool._disk.shutdown()
        self.store.close()
        self._open()
        self.publisher.start()

    async def emptied(self) -> None:
        """Return when nothing waits."""
        while self.spool.waiting or self.spool.joining:
            assert self.publisher.alive, "it has ended"
            await asyncio.sleep(0)

    def arrived(self) -> list[int]:
        return [int(found.value) for found in self.broker.topic]


def problem_of(bench: Bench) -> str | None:
    return bench.publisher.problem


Scenario = Callable[[Bench], Awaitable[None]]


def play(bench: Bench, scenario: Scenario) -> None:
    async def run() -> None:
        bench.publisher.start()
        await scenario(bench)
        await bench.publisher.close()

    asyncio.run(run())
