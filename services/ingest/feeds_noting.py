"""Notes in memory who was heard, and writes it down every few seconds: a row for each source, not for each event."""

from __future__ import annotations

import asyncio
import logging
import threading

from sqlalchemy.exc import SQLAlchemyError

from schemas.topics import Topics
from services.common.clock import Now
from services.common.database import Database
from services.ingest import feeds_store
from services.ingest.feeds import MAX_FEEDS, Heard, heard_in, merged
from services.ingest.judge import Judgement

log = logging.getLogger(__name__)

WRITE_EVERY_S = 5.0
"""How long after an event other replicas and the metrics may not know of it yet."""

MAX_NOTED = 2 * MAX_FEEDS
"""Sources between two writes."""


class Noting:
    """One in a process. `note` is called for requests that are durable."""

    def __init__(self, database: Database, topics: Topics, now: Now) -> None:
        self._database = database
        self._reference = topics.reference
        self._now = now
        self._heard: dict[str, Heard] = {}
        self._lock = threading.Lock()
        self._full = False

    def note(self, judgement: Judgement) -> None:
        """Who was heard in it. Waits for nobody but another note."""
        heard = heard_in(judgement, self._reference, self._now())
        with self._lock:
            for source, seen in heard.items():
                if source in self._heard or len(self._heard) < MAX_NOTED:
                    self._heard[source] = self._heard.get(source, Heard()).and_(seen)

    async def run(self) -> None:
        """Until it is cancelled; what is noted is written then too."""
        try:
            while True:
                await asyncio.sleep(WRITE_EVERY_S)
                await asyncio.to_thread(self.write)
        finally:
            self.write()

    def write(self) -> None:
        """Write down what was noted. When the database is away it is kept for the next time."""
        with self._lock:
            heard, self._heard = self._heard, {}
        if not heard:
            return
        try:
            with self._database.writing() as tx:
                left_out = feeds_store.note(tx, heard)
        except SQLAlchemyError as error:
            log.warning("when sources were heard is written later: %s", type(error).__name__)
            with self._lock:
                self._heard = merged(heard, self._heard)
            return
        if left_out and not self._full:
            log.warning("more than %d sources send: of the others it is not remembered when they did", MAX_FEEDS)
        self._full = left_out > 0
