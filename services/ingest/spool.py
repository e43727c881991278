"""The spool for asyncio callers: all that wait at the same time are written in one transaction, with one fsync."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import ParamSpec, TypeVar

from services.ingest.publisher import BROKER_UNAVAILABLE, TryLater, overloaded
from services.ingest.records import Record
from services.ingest.spool_keys import WaitingKeys
from services.ingest.spool_store import Spooled, SpoolFull, SpoolStore

P = ParamSpec("P")
T = TypeVar("T")

log = logging.getLogger(__name__)

MAX_JOINING = 20_000
"""Records in memory that wait for the disk; beyond it callers are told to come back."""

BATCH_RECORDS = 2000
BATCH_BYTES = 4 * 1024 * 1024


def spool_full() -> TryLater:
    """The broker is away and the spool has no room either."""
    return TryLater(
        "spool_full", "Kafka is away, and the disk space for events that wait for it is used up", after_s=30
    )


def spool_broken() -> TryLater:
    """The disk failed."""
    return TryLater(BROKER_UNAVAILABLE, "the events could not be made durable: the spool's disk has failed", after_s=5)


@dataclass(frozen=True, slots=True)
class _Joining:
    """The records of one caller, before they are on disk."""

    records: Sequence[Record]
    done: asyncio.Future[None]


class Spool:
    """Records that wait on disk for the broker."""

    def __init__(self, store: SpoolStore, wall_s: Callable[[], float]) -> None:
        """`wall_s` gives seconds since the epoch. Reads the keys of what was left there. Raises sqlite3.Error."""
        self._store = store
        self._wall_s = wall_s
        # One thread, so that calls of the store do not overlap even when who asked for one has gone away.
        self._disk = ThreadPoolExecutor(1, "ingest-spool")
        self._joining: list[_Joining] = []
        self._joining_records = 0
        self._commit: asyncio.Task[None] | None = None
        self._keys = WaitingKeys()
        self._fill = store.fill()
        self.waiting = 0
        self.full = False
        self.broken = False
        for key in store.waiting_keys():
            self._keys.add((key,))
            self.waiting += 1

    @property
    def bytes(self) -> int:
        """What it takes on disk."""
        return self._fill.bytes

    @property
    def oldest_s(self) -> float:
        """How long the oldest record has waited, in seconds; 0 when none does."""
        at = self._fill.oldest_at
        return 0.0 if at is None else max(0.0, self._wall_s() - at)

    @property
    def joining(self) -> int:
        """Records that wait for the disk."""
        return self._joining_records

    def holds(self, record: Record) -> bool:
        """Whether this record must go behind others of its key that are in the spool or on their way there."""
        return record.key in self._keys

    async def append(self, records: Sequence[Record]) -> None:
        """Return when all are on disk, in this order. Raises TryLater: none of them is claimed to be there."""
        if not records:
            return
        if self.broken:
            raise spool_broken()
        if self._joining_records + len(records) > MAX_JOINING:
            raise overloaded()
        joining = _Joining(records, asyncio.get_running_loop().create_future())
        self._keys.add(record.key for record in records)
        self._joining.append(joining)
        self._joining_records += len(records)
        if self._commit is None or self._commit.done():
            # A task of its own, since the caller may go away while others wait for the same transaction.
            self._commit = asyncio.create_task(self._commit_all())
        await joining.done

    async def _commit_all(self) -> None:
        while self._joining:
            group, self._joining = self._joining, []
            records = [record for joining in group for record in joining.records]
            problem = await self._write(records)
            self._joining_records -= len(records)
            if problem is not None:
                self._keys.remove(record.key for record in records)
            for joining in group:
                _settle(joining.done, problem)

    async def _write(self, records: Sequence[Record]) -> TryLater | None:
        if self.broken:
            return spool_broken()
        try:
            self._fill = await self._on_disk(self._store.append, records, self._wall_s())
        except SpoolFull:
            self.full = True
            return spool_full()
        except sqlite3.Error as error:
            self._break(error)
            return spool_broken()
        self.waiting += len(records)
        return None

    async def oldest(self) -> list[Spooled]:
        """The next batch that is to be sent. Raises sqlite3.Error."""
        return await self._on_disk(self._store.oldest, BATCH_RECORDS, BATCH_BYTES)

    async def remove(self, batch: Sequence[Spooled]) -> None:
        """The broker has acknowledged this batch, the oldest. Raises SpoolFull (ask again) and sqlite3.Error."""
        self._fill = await self._on_disk(self._store.delete_through, batch[-1].seq)
        self._keys.remove(spooled.record.key for spooled in batch)
        self.waiting -= len(batch)
        self.full = False

    async def _on_disk(self, call: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._disk, partial(call, *arguments, **named))

    def _break(self, error: sqlite3.Error) -> None:
        """After a failed write or fsync nobody knows what is on disk: only a new process may look again."""
        self.broken = True
        log.error("the spool failed and takes nothing more: %s", getattr(error, "sqlite_errorname", "sqlite3.Error"))

    async def close(self) -> None:
        """Write what has joined, and let the file go."""
        if self._commit is not None:
            await self._commit
        await self._on_disk(self._store.close)
        self._disk.shutdown()


def _settle(done: asyncio.Future[None], problem: TryLater | None) -> None:
    if done.done():
        return
    if problem is None:
        done.set_result(None)
    else:
        done.set_exception(problem)
