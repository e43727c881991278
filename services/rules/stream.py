"""The rules worker on Faust, which keeps group membership, assignment, the reading of changelogs and the life cycle.

What a message is, the state, the writes and the cursor are ours (stream_parts.py, host.py).
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time
from collections.abc import AsyncIterable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import uvloop
from aiokafka.errors import KafkaError

from schemas.topics import Topics
from services.common.kafka_connection import Connection
from services.rules.calendar import Micros
from services.rules.desk import Desk
from services.rules.following import Follower
from services.rules.health import REBALANCE_PATIENCE_S, Health, Mark, partition_marks
from services.rules.host import Host, HostConfig
from services.rules.port import Core
from services.rules.producer import RecordProducer
from services.rules.runtime_metrics import RuntimeMetrics
from services.rules.stream_parts import (
    EXIT_REPLACE,
    BatchTransport,
    FaustCursor,
    RawSchema,
    RulesApp,
    Seen,
    StateTable,
    batch_scheduler,
    broker_credentials,
)

log = logging.getLogger(__name__)

COMMIT_INTERVAL_S = 1.0
WAKE_POLL_S = 0.1
LOOP_PATIENCE_S = 60.0
"""An event loop that stands still for so long will not come back."""

CRASH_GRACE_S = 10.0
"""After a crash of a Faust service, how long its own way out may take."""

MAX_SIDE_BY_SIDE = 8
"""Partitions of which a batch is in hand: while one waits for its acknowledgements another is decided."""

_FETCH_BYTES = 4 << 20
_POLL_RECORDS = 8000


@dataclass(frozen=True)
class StreamConfig:
    """`host` as for the Host; `kafka` is where Kafka is and how it lets us in; Faust keeps its files in
    `data_dir`; `standbys` is how many other workers keep each partition's states up to date."""

    kafka: Connection
    host: HostConfig
    data_dir: Path
    session_timeout_s: float
    standbys: int = 0
    compression: str | None = "zstd"

    @property
    def topics(self) -> Topics:
        """All names of this installation."""
        return self.host.topics


def run_stream(config: StreamConfig, desk: Desk, metrics: RuntimeMetrics, health: Health) -> NoReturn:
    """Work until SIGTERM or SIGINT; leaves by SystemExit, with 0 after an orderly stop.

    Kafka must be there and have the topics. Raises aiokafka's KafkaError when it has gone meanwhile.
    """
    loop = uvloop.new_event_loop()
    asyncio.set_event_loop(loop)
    config.data_dir.mkdir(parents=True, exist_ok=True)
    # Before any partition is taken over: customers are not to be judged without the rates that there are.
    sink, follower, core = loop.run_until_complete(_begin(config, desk))
    host = Host(config.host, core, sink, metrics)
    app = build_app(config, host, metrics)
    runtime = Runtime(app, host, sink, follower, health)
    runtime.attach()
    runtime.begin(loop, desk, config.host.now)
    threading.Thread(target=runtime.watch, name="watchdog", daemon=True).start()
    worker = app.Worker(loop=loop, override_logging=False, redirect_stdouts=False, quiet=True)
    worker.execute_from_commandline()
    raise SystemExit(0)


async def _begin(config: StreamConfig, desk: Desk) -> tuple[RecordProducer, Follower, Core]:
    sink = RecordProducer(config.kafka, config.compression)
    follower = Follower(config.kafka, [config.topics.reference, config.topics.rulebook])
    try:
        await sink.start()
        await follower.start()
        return sink, follower, await desk.begin(follower.whole())
    except BaseException:
        await follower.stop()
        await sink.stop()
        raise


def build_app(config: StreamConfig, host: Host, metrics: RuntimeMetrics) -> RulesApp:
    """The Faust application; built in a function because it binds itself to the present event loop."""
    topics = config.topics
    app = RulesApp(
        f"{topics.prefix}-rules",
        broker=f"kafka://{config.kafka}",
        broker_credentials=broker_credentials(config.kafka),
        store="memory://",
        datadir=str(config.data_dir),
        autodiscover=False,
        web_enabled=False,
        topic_partitions=config.host.partitions,
        topic_disable_leader=True,
        table_standby_replicas=config.standbys,
        ConsumerScheduler=batch_scheduler(frozenset({topics.events, topics.changelog})),
        Table=StateTable,
        consumer_auto_offset_reset="earliest",
        broker_max_poll_records=_POLL_RECORDS,
        consumer_max_fetch_size=_FETCH_BYTES,
        broker_session_timeout=config.session_timeout_s,
        broker_heartbeat_interval=config.session_timeout_s / 3,
        stream_wait_empty=False,
        worker_redirect_stdouts=False,
        value_serializer="raw",
        key_serializer="raw",
    )
    app.transport = BatchTransport(app.conf.broker_consumer, app)
    app.host, app.events_topic, app.in_hand = host, topics.events, {}
    host.cursor = FaustCursor(app, topics.events)
    # Faust's buffers count lists of records here. For a recovery a size of 1 has a special meaning, for a standby none.
    table = app.Table(
        "state", partitions=config.host.partitions, schema=RawSchema(), recovery_buffer_size=2, standby_buffer_size=1
    )
    changelog = table.changelog_topic.get_topic_name()
    if changelog != topics.changelog:
        raise RuntimeError(f"Faust calls the changelog {changelog}, not {topics.changelog}")
    app.agent(app.topic(topics.events, schema=RawSchema(), acks=False), name="rules")(_process(app, metrics))
    return app


def _process(app: RulesApp, metrics: RuntimeMetrics) -> Any:
    in_hand = app.in_hand

    async def work(records: Any) -> None:
        try:
            await app.host.process(records[0].partition, records)
            metrics.answered(records[0].timestamp / 1000, time.time())
        except Exception as error:
            log.critical("a batch failed; this process ends", exc_info=True)
            await app.crash(error)

    async def process(stream: Any) -> None:
        app.queue = stream.channel.queue
        batches: AsyncIterable[Any] = stream
        async for records in batches:
            number = records[0].partition
            if number in in_hand:
                # Not awaited itself: who is cancelled here must not cancel the batch.
                await asyncio.wait([in_hand[number]])
            while len(busy := [task for task in in_hand.values() if not task.done()]) >= MAX_SIDE_BY_SIDE:
                await asyncio.wait(busy, return_when=asyncio.FIRST_COMPLETED)
            in_hand[number] = asyncio.get_running_loop().create_task(work(records))

    return process


class Runtime:
    """What runs beside the stream: commits, wake-ups, observation, and a watchdog in a thread of its own."""

    def __init__(self, app: RulesApp, host: Host, sink: RecordProducer, follower: Follower, health: Health) -> None:
        self._app = app
        self._host = host
        self._sink = sink
        self._follower = follower
        self._health = health
        self._beat_s = time.monotonic()
        self._seen: dict[int, Seen] = {}
        self._tasks: list[asyncio.Task[None]] = []

    def attach(self) -> None:
        """Connect to Faust's tasks and signals."""
        self._app.task(self._commit_and_observe)
        self._app.task(self._wake)
        self._app.on_partitions_revoked.connect(self._revoked)
        self._app.on_before_shutdown.connect(self._shutdown)

    def begin(self, loop: asyncio.AbstractEventLoop, desk: Desk, now: Callable[[], Micros]) -> None:
        """What is no Faust task, since those start late."""
        self._tasks = [loop.create_task(self.pulse()), loop.create_task(self.attend(desk, now))]

    async def pulse(self) -> None:
        """Shows the watchdog that the loop turns, and what gets done."""
        while True:
            self._beat_s = time.monotonic()
            self._health.phase = self._phase()
            self._health.recovering = self._recovering()
            told = self._health.recovery.update(self._app.to_restore(), self._beat_s)
            if told:
                log.info("recovering states: %s", told)
            self._health.stalls.update(self._marks(), self._beat_s)
            self._health.silence.update(self._heard_s(), time.time(), busy=not self._app.is_idle())
            self._host.refresh_gauges()
            if not self._health.recovering:
                # To make what was read smaller can wait: customers wait for the rest.
                self._host.keep_stores()
            await asyncio.sleep(0.25)

    async def attend(self, desk: Desk, now: Callable[[], Micros]) -> None:
        """Reference data and rulebooks, from now on."""
        try:
            await desk.work(self._follower.on(), self._host, now)
        except Exception:
            log.critical("the reference data cannot be followed", exc_info=True)
            _leave("customers would be judged by old rules and rates")

    def watch(self) -> None:
        """In a thread: ends the process when it will not get any further by itself."""
        while True:
            time.sleep(1)
            if self._crashed():
                time.sleep(CRASH_GRACE_S)
                _leave("a part of Faust has crashed and the process did not end by itself")
            if time.monotonic() - self._beat_s > LOOP_PATIENCE_S:
                _leave("the event loop stands still")
            stalled = self._health.stalls.stalled(time.monotonic())
            if stalled:
                _leave(f"no progress: {stalled}")

    def _phase(self) -> str | None:
        if self._host.failed or self._crashed():
            return "failed, about to end"
        return "recovering states" if self._recovering() else None

    def _recovering(self) -> bool:
        return bool(self._app.rebalancing or self._host.opening or not self._host.taken_over)

    def _marks(self) -> dict[str, Mark]:
        places = {number: place for number, place in self._host.places.items() if place.ready}
        marks = partition_marks({n: (place.next_offset or 0, place.lag > 0) for n, place in places.items()})
        marks["recovery"] = Mark(self._host.restored, bool(self._app.rebalancing), REBALANCE_PATIENCE_S)
        return marks

    def _heard_s(self) -> list[float]:
        ready = {number for number, place in self._host.places.items() if place.ready}
        return [seen.heard_s for number, seen in self._seen.items() if number in ready]

    def _crashed(self) -> bool:
        consumer = self._app.batch_consumer
        return bool(self._app.crashed or (consumer is not None and consumer.broken()))

    async def _commit_and_observe(self) -> None:
        while not self._app.should_stop:
            await asyncio.sleep(COMMIT_INTERVAL_S)
            await self._host.commit()
            await self._observe()

    async def _observe(self) -> None:
        consumer = self._app.batch_consumer
        if consumer is None:
            return
        idle = self._app.is_idle()
        found = await consumer.look(self._app.events_topic)
        for number, seen in found.items():
            self._host.observe(number, seen.position, seen.highwater, idle=idle)
        # Who cannot look now has heard no more than before.
        self._seen = found or self._seen

    async def _wake(self) -> None:
        while not self._app.should_stop:
            await asyncio.sleep(WAKE_POLL_S)
            try:
                await self._host.wake_due()
            except Exception as error:
                log.critical("a wake-up failed; this process ends", exc_info=True)
                await self._app.crash(error)
                raise

    async def _revoked(self, *_: object, **__: object) -> None:
        await self._host.on_revoked()

    async def _shutdown(self, *_: object, **__: object) -> None:
        await self._host.on_revoked()
        for task in self._tasks:
            task.cancel()
        for part in (self._sink, self._follower):
            try:
                await part.stop()
            except KafkaError as error:
                log.warning("the %s did not close cleanly: %s", type(part).__name__, type(error).__name__)


def _leave(why: str) -> NoReturn:
    log.critical("%s: exit %d, to be started anew", why, EXIT_REPLACE)
    logging.shutdown()
    os._exit(EXIT_REPLACE)
