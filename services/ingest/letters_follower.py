"""Files what comes on the topic of the dead letters. The only consumer in ingest.

Every replica follows, and whoever comes first files: how far the topic is read is written in the transaction that
files the letters, and whoever finds it changed goes on from there. So none has to be elected, and none is missed when
one dies.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from kafka import KafkaConsumer, TopicPartition
from sqlalchemy.exc import SQLAlchemyError

from schemas.topics import Topics
from services.common.clock import Now, wall_now
from services.common.database import Database
from services.common.kafka_admin import CANNOT_CONNECT
from services.common.kafka_connection import CONNECT_TIMEOUT_MS, Address, client_options
from services.ingest import letters_store as store
from services.ingest.letters import Joiner, Letter, Part, Place

log = logging.getLogger(__name__)

MAX_RECORDS = 200
MAX_FETCH_BYTES = 8 * 1024 * 1024
POLL_MS = 500
RETRY_S = 2.0
STOP_S = 3.0
EXPIRE_EVERY_S = 600.0
PARTITION = 0
"""The topic has one."""

Told = Callable[[int], None]

MAX_MS = 10**14
"""In the year 5138."""

_FIRST_DAY = datetime(1970, 1, 1, tzinfo=UTC)


def _end(following: asyncio.Future[None], error: BaseException | None) -> None:
    if following.done():
        return
    if error is None:
        following.set_result(None)
    else:
        following.set_exception(error)


def _nobody(_filed: int) -> None:
    """Is told."""


class Follower:
    """One in a process. `problem` says why letters are not filed at present."""

    def __init__(self, kafka: Address, topics: Topics, database: Database, now: Now, told: Told = _nobody) -> None:
        """`told` is called after each look at the topic with how many letters were filed."""
        self._kafka = kafka
        self._at = TopicPartition(topics.dead_letters, PARTITION)
        self._database = database
        self._now = now
        self._told = told
        self._consumer: KafkaConsumer | None = None
        self._joiner = Joiner()
        self._known = 0
        self._expire_at = 0.0
        self.problem: str | None = "not looked yet"

    async def run(self) -> None:
        """Until it is cancelled; then it ends with the step that it is at, or without it where that takes STOP_S: now
        and then a call of the library answers only after a minute, and what is half filed is filed by the next."""
        stop, loop = threading.Event(), asyncio.get_running_loop()
        following: asyncio.Future[None] = loop.create_future()

        def follow() -> None:
            try:
                self._follow(stop)
            finally:
                # The loop is gone where nobody waited for us any more.
                with contextlib.suppress(RuntimeError):
                    loop.call_soon_threadsafe(_end, following, sys.exc_info()[1])

        # No thread of a pool: the process waits for those when it ends.
        threading.Thread(target=follow, name="dead letters", daemon=True).start()
        try:
            await asyncio.shield(following)
        finally:
            stop.set()
            await asyncio.wait([following], timeout=STOP_S)

    def step(self) -> int:
        """Files what has come, if anything has; how many records that were. Raises KafkaError, SQLAlchemyError."""
        consumer = self._consumer or self._connect()
        records = consumer.poll(timeout_ms=POLL_MS, max_records=MAX_RECORDS).get(self._at, [])
        letters = [letter for record in records for letter in self._joiner.take(self._part(record))]
        letters += [] if records else self._joiner.give_up(wall_now())
        position = consumer.position(self._at)
        waits = self._joiner.first_open()
        # After a restart the parts of what is not complete are read once more.
        next_ = position if waits is None else min(waits.offset, position)
        filed = self._file(consumer, letters, next_) if letters or next_ != self._known else 0
        self._expire(consumer)
        self._told(filed)
        self.problem = None
        return len(records)

    def close(self) -> None:
        """Ends the connection; the next step makes a new one."""
        if self._consumer is not None:
            self._consumer.close()
            self._consumer = None

    def _follow(self, stop: threading.Event) -> None:
        try:
            while not stop.is_set():
                try:
                    self.step()
                except (*CANNOT_CONNECT, SQLAlchemyError) as error:
                    self._broken(error)
                    stop.wait(RETRY_S)
        finally:
            self.close()

    def _broken(self, error: Exception) -> None:
        problem = f"dead letters are not filed: {type(error).__name__}"
        if problem != self.problem:
            log.warning(problem)
        self.problem = problem
        self.close()

    def _connect(self) -> KafkaConsumer:
        consumer = KafkaConsumer(
            **client_options(self._kafka),
            client_id="bellwether-dead-letters",
            bootstrap_timeout_ms=CONNECT_TIMEOUT_MS,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            allow_auto_create_topics=False,
            fetch_max_bytes=MAX_FETCH_BYTES,
        )
        try:
            consumer.assign([self._at])
            self._begin(consumer)
        except BaseException:
            consumer.close()
            raise
        self._consumer = consumer
        return consumer

    def _begin(self, consumer: KafkaConsumer) -> None:
        """Go on from where somebody of us has come to."""
        self._joiner = Joiner()
        end = consumer.end_offsets([self._at])[self._at]
        with self._database.reading() as tx:
            self._known = store.next_offset(tx, PARTITION)
        if self._known > end:
            log.warning("the topic of the dead letters was made anew: the letters of the old one are gone with it")
            with self._database.writing() as tx:
                store.forget_all(tx, PARTITION)
            self._known = 0
        consumer.seek(self._at, max(self._known, consumer.beginning_offsets([self._at])[self._at]))

    def _file(self, consumer: KafkaConsumer, letters: list[Letter], next_: int) -> int:
        with self._database.writing() as tx:
            found = store.next_offset(tx, PARTITION)
            filed = store.file(tx, PARTITION, letters, next_, self._now()) if found <= self._known else None
        if filed is None:
            # Another replica has filed these. What it could not complete yet it left for whoever comes next.
            self._joiner = Joiner()
            self._known = found
            consumer.seek(self._at, found)
            return 0
        self._known = next_
        return filed

    def _expire(self, consumer: KafkaConsumer) -> None:
        if time.monotonic() < self._expire_at:
            return
        first = consumer.beginning_offsets([self._at])[self._at]
        with self._database.writing() as tx:
            gone = store.expire(tx, PARTITION, first)
        if gone:
            log.info("%d dead letters have left the topic, and are deleted here", gone)
        self._expire_at = time.monotonic() + EXPIRE_EVERY_S

    def _part(self, record: Any) -> Part:
        at = _FIRST_DAY + timedelta(milliseconds=record.timestamp) if record.timestamp > 0 else self._now()
        place = Place(record.partition, record.offset)
        return Part(
            place, record.key, record.value or b"", [(name, value or b"") for name, value in record.headers], at
        )
