"""What comes beside the events: reference data and rulebooks. Both change what is judged, between batches only."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterable, Callable, Sequence
from typing import Any

from schemas.rulebook import KEY
from schemas.topics import Topics
from services.rules.bookkeeping import BookKeeper
from services.rules.calendar import Micros
from services.rules.feeds import FeedWatch
from services.rules.host import Host
from services.rules.learning import learn
from services.rules.port import Core
from services.rules.reference import Reference
from services.rules.runtime_metrics import RuntimeMetrics

log = logging.getLogger(__name__)

TURN_S = 0.02
"""Of learning between two turns of the event loop; a part of a ranking takes as long."""

CALM_S = 1.0
"""Rates come in groups: customers are judged again when nothing has come for so long …"""

LONGEST_STORM_S = 30.0
"""… or after so long a time of changes."""

FEEDS_EVERY_S = 5.0


class Desk:
    """Learns, judges books, and sees to it that customers are judged again by what is new."""

    def __init__(
        self, topics: Topics, reference: Reference, books: BookKeeper, watch: FeedWatch, metrics: RuntimeMetrics
    ) -> None:
        self._topics = topics
        self._reference = reference
        self._books = books
        self._watch = watch
        self._metrics = metrics
        self._newest_book: bytes | None = None
        self._book_came = asyncio.Event()
        self._verdicts_may_change = asyncio.Event()
        self._changed_s = 0.0

    async def begin(self, whole: AsyncIterable[Sequence[Any]]) -> Core:
        """Reads all there is, and gives the core of the book that is in force then."""
        async for records in whole:
            await self._take(records)
        self._book_came.clear()
        log.info("the reference data is read: %s", self._reference.fingerprint or "no rates or rankings")
        return await self._books.begin(self._newest_book)

    async def work(self, following: AsyncIterable[Sequence[Any]], host: Host, now: Callable[[], Micros]) -> None:
        """Goes on for ever; any exception means that the process must end."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._follow(following, host))
            tasks.create_task(self._judge_books(host))
            tasks.create_task(self._recheck(host))
            tasks.create_task(self._watch_feeds(now))

    async def _follow(self, following: AsyncIterable[Sequence[Any]], host: Host) -> None:
        async for records in following:
            await self._take(records, host)

    async def _take(self, records: Sequence[Any], host: Host | None = None) -> None:
        if records[0].topic == self._topics.rulebook:
            self._take_books(records)
            return
        before = "" if host is None else self._reference.fingerprint
        turn_s = time.monotonic()
        for record in records:
            if learn(self._reference, record, self._metrics) and host is not None:
                # At once, before any batch: what open customers have worked out may rest on the old figures.
                host.forget_opened()
            if time.monotonic() - turn_s > TURN_S:
                await asyncio.sleep(0)
                turn_s = time.monotonic()
        if host is not None and self._reference.fingerprint != before:
            self._want_recheck()

    def _take_books(self, records: Sequence[Any]) -> None:
        for record in records:
            if record.key == KEY:
                self._newest_book = record.value
                self._book_came.set()
            else:
                log.warning("the record at offset %d of the rulebook topic has another key: left aside", record.offset)

    async def _judge_books(self, host: Host) -> None:
        while True:
            await self._book_came.wait()
            self._book_came.clear()
            core = await self._books.consider(self._newest_book)
            if core is not None:
                await host.use(core)
                self._want_recheck()

    def _want_recheck(self) -> None:
        self._changed_s = time.monotonic()
        self._verdicts_may_change.set()

    async def _recheck(self, host: Host) -> None:
        while True:
            await self._verdicts_may_change.wait()
            storm_ends_s = time.monotonic() + LONGEST_STORM_S
            # Every change while we wait puts the calm off.
            while (rest_s := min(self._changed_s + CALM_S, storm_ends_s) - time.monotonic()) > 0:  # noqa: ASYNC110
                await asyncio.sleep(rest_s)
            self._verdicts_may_change.clear()
            await host.recheck()

    async def _watch_feeds(self, now: Callable[[], Micros]) -> None:
        while True:
            self.look_at_feeds(now())
            await asyncio.sleep(FEEDS_EVERY_S)

    def look_at_feeds(self, now: Micros) -> None:
        """Tells ops of every feed how far it is complete, and once of each silence."""
        for name, feed, silent, changed in self._watch.look(self._reference.feeds(), now):
            self._metrics.feed_complete.labels(name).set(feed.complete_until / 1_000_000)
            self._metrics.feed_heard.labels(name).set(feed.last_heartbeat / 1_000_000)
            self._metrics.feed_silent.labels(name).set(silent)
            if changed and silent:
                minutes = (now - feed.last_heartbeat) // 60_000_000
                log.warning("the feed %s has been silent for %d minutes: what it lacks is unknown", name, minutes)
            elif changed:
                log.info("the feed %s is heard again", name)
