"""What is told of dead letters and feeds, read from the database every now and then by each replica: all tell the same.

A source is only named if somebody named it to Bellwether; a code only if it is one of ours.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from datetime import timedelta

from prometheus_client import CollectorRegistry, Counter, Gauge
from sqlalchemy.exc import SQLAlchemyError

from services.common.clock import Now
from services.common.database import Database
from services.ingest import feeds_store, letters_store
from services.ingest.codes import EVENT_CODES
from services.ingest.feeds import Calendar, Feed, late_by
from services.ingest.letters import WAITING, Count, Filter

log = logging.getLogger(__name__)

LOOK_EVERY_S = 15.0
OTHER = "other"

CODES = frozenset(code.name for code in EVENT_CODES) | {
    *("before_horizon", "too_many_items", "wrong_topic", "empty", "unknown_control", "poison", "poison_wake"),
}
"""Of ingest, and of the rules service."""


class LettersMetrics:
    """On one registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._filed = Counter(
            "bellwether_ingest_letters_filed", "Dead letters that this process filed", registry=registry
        )
        self._looked = Gauge(
            "bellwether_ingest_letters_looked_seconds",
            "When this process last looked for dead letters",
            registry=registry,
        )
        self._letters = Gauge(
            "bellwether_ingest_letters",
            "Dead letters in the database, by source (if it is registered), code and state",
            ["source", "code", "state"],
            registry=registry,
        )
        self._oldest = Gauge(
            "bellwether_ingest_letters_oldest_seconds", "Age of the oldest dead letter that waits", registry=registry
        )
        self._late = Gauge(
            "bellwether_ingest_feed_late",
            "1 when a source was not heard for longer than is expected of it",
            ["source"],
            registry=registry,
        )
        self._quiet = Gauge(
            "bellwether_ingest_feed_last_heard_seconds",
            "When a source of which something is expected was last heard; absent if never",
            ["source"],
            registry=registry,
        )

    def filed_some(self, number: int) -> None:
        """After each look at the topic."""
        self._filed.inc(number)
        self._looked.set_to_current_time()

    def show_letters(self, counts: list[Count], known: frozenset[str], oldest: timedelta) -> None:
        """How many letters there are."""
        numbers: dict[tuple[str, str, str], int] = defaultdict(int)
        for one in counts:
            source = one.source if one.source in known else OTHER
            numbers[source, one.code if one.code in CODES else OTHER, one.state] += one.letters
        self._letters.clear()
        for labels, number in numbers.items():
            self._letters.labels(*labels).set(number)
        self._oldest.set(oldest.total_seconds())

    def show_feeds(self, feeds: list[Feed], known: frozenset[str], now_late: frozenset[str]) -> None:
        """Which are late, of those of which something is expected."""
        self._late.clear()
        self._quiet.clear()
        for feed in feeds:
            if feed.expected is None or feed.source not in known:
                continue
            self._late.labels(feed.source).set(feed.source in now_late)
            if feed.heard.last is not None:
                self._quiet.labels(feed.source).set(feed.heard.last.timestamp())


class Looking:
    """Keeps the metrics up to date, and tells the log which feeds have become late."""

    def __init__(self, database: Database, metrics: LettersMetrics, now: Now, calendar: Calendar) -> None:
        self._database = database
        self._metrics = metrics
        self._now = now
        self._calendar = calendar
        self._late: frozenset[str] = frozenset()

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            try:
                await asyncio.to_thread(self.look)
            except SQLAlchemyError as error:
                log.warning("dead letters and feeds are counted later: %s", type(error).__name__)
            await asyncio.sleep(LOOK_EVERY_S)

    def look(self) -> None:
        """Count once. Raises SQLAlchemyError."""
        now = self._now()
        with self._database.reading() as tx:
            known = frozenset(feeds_store.known_sources(tx, now))
            counts, feeds = letters_store.counts(tx, Filter()), feeds_store.every(tx)
        waiting = [one.oldest for one in counts if one.state == WAITING]
        oldest = now - min([now, *waiting])
        self._metrics.show_letters(counts, known, oldest)
        late = frozenset(feed.source for feed in feeds if late_by(feed, now, self._calendar) is not None)
        self._metrics.show_feeds(feeds, known, late)
        for source in sorted(late - self._late):
            log.warning("the feed %s is late: nothing came for longer than is expected of it", source)
        for source in sorted(self._late - late):
            log.info("the feed %s is in time again", source)
        self._late = late
