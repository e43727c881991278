"""Wires one rules worker: ops pages first, then the wait for Kafka, then the stream."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import NoReturn

from aiokafka.errors import KafkaError as StreamKafkaError
from kafka import TopicPartition
from kafka.admin import KafkaAdminClient, OffsetSpec
from kafka.errors import KafkaError

from schemas.topics import topic_specs
from services.common.clock import ClockUnreadable, clock_from
from services.common.collector import settle_collector
from services.common.errors import UserError
from services.common.kafka_admin import BrokerUnreachable, admin_client, require_partitions
from services.common.ops import start_ops_server
from services.common.settings import Settings
from services.compiled import is_compiled
from services.rules.bookkeeping import BookKeeper
from services.rules.calendar import SECOND, Micros, micros
from services.rules.compiling import Rule
from services.rules.desk import Desk
from services.rules.disk import DiskStores
from services.rules.feeds import FeedWatch
from services.rules.health import Health
from services.rules.host import HostConfig
from services.rules.port import Core
from services.rules.reference import Reference
from services.rules.runtime_metrics import RuntimeMetrics
from services.rules.stores import in_memory
from services.rules.trial import tried

log = logging.getLogger(__name__)

SESSION_TIMEOUT_S = 10.0
"""After a worker has died without a word, how long until its partitions go to others."""

_FIRST_DELAY_S = 0.5
_LONGEST_DELAY_S = 15.0
_LOOK_TIMEOUT_S = 5.0


class TopicsMissing(UserError):
    """Faust would say that it is ready and do nothing."""


BuildCore = Callable[[list[Rule], Reference], Core]
"""The core over these rules and this reference data, which goes on to change between batches."""


def run_worker(settings: Settings, build: BuildCore, session_timeout_s: float = SESSION_TIMEOUT_S) -> NoReturn:
    """Work until SIGTERM; wait for a Kafka not there yet. Raises TopicsMissing, TopicMismatch, OSError (port)."""
    from services.rules.stream import StreamConfig, run_stream

    settle_collector()
    log.info("the rules core runs %s", "compiled" if is_compiled() else "as it is written")
    now = _micros_clock(settings.clock)
    health = Health("starting")
    server = start_ops_server(
        settings.host, settings.rules_port, lambda: health.stalls.stalled(time.monotonic()), health.ready
    )
    stores = _disk_stores(settings)
    config = StreamConfig(
        kafka=settings.kafka,
        host=HostConfig(
            settings.topics,
            settings.partitions,
            event_clock=settings.clock == "event",
            now=now,
            revoke_patience_s=session_timeout_s / 2,
            open_items=settings.open_items,
            open_store=in_memory if stores is None else stores.open,
        ),
        data_dir=settings.data_dir / "faust",
        session_timeout_s=session_timeout_s,
        standbys=settings.standbys,
    )
    metrics = RuntimeMetrics()
    metrics.watch(health, settings.partitions)
    try:
        for delay_s in backoff_s():
            health.phase = f"waiting for Kafka at {settings.kafka}"
            try:
                changelog = check_topics(settings)
                if stores is not None:
                    stores.begin(changelog.identity, changelog.ends)
                health.phase = "joining the consumer group"
                run_stream(config, _desk(settings, build, metrics), metrics, health)
            except (BrokerUnreachable, KafkaError, StreamKafkaError) as error:
                log.warning("%s; trying again in %.1f s", error, delay_s)
            time.sleep(delay_s)
    finally:
        server.shutdown()
    raise AssertionError("the delays have no end")


def _desk(settings: Settings, build: BuildCore, metrics: RuntimeMetrics) -> Desk:
    reference = Reference()
    books = BookKeeper(settings.data_dir, lambda rules: build(rules, reference), tried, metrics)
    watch = FeedWatch(settings.feed_silent_minutes * 60 * SECOND)
    return Desk(settings.topics, reference, books, watch, metrics)


def _disk_stores(settings: Settings) -> DiskStores | None:
    if settings.store == "memory":
        return None
    stores = DiskStores(settings.data_dir / "states", time.time)
    log.info("states rest in %s", stores.directory)
    return stores


@dataclass(frozen=True)
class Changelog:
    """Which topic it is, another of the same name being another, and the offsets its next records will get."""

    identity: str
    ends: dict[int, int]


def check_topics(settings: Settings) -> Changelog:
    """All topics that a worker uses exist with the partitions that the settings name; what the changelog is like.

    Raises BrokerUnreachable, TopicsMissing, TopicMismatch.
    """
    topics = settings.topics
    with admin_client(settings.kafka, _LOOK_TIMEOUT_S) as admin:
        described = {topic["name"]: topic for topic in admin.describe_topics()}
        specs = [spec for spec in topic_specs(topics.prefix, settings.partitions) if spec.name != topics.cases]
        for spec in specs:
            if spec.name not in described:
                raise TopicsMissing(f"topic {spec.name} does not exist: run `bellwether topics create` first")
        # With other numbers Faust would assign events and states apart, and customers would meet empty states.
        require_partitions(specs, {name: len(topic["partitions"]) for name, topic in described.items()})
        identity = f"{described[topics.changelog].get('topic_id')}, {settings.partitions} partitions"
        return Changelog(identity, _ends(admin, topics.changelog, settings.partitions))


def _ends(admin: KafkaAdminClient, topic: str, partitions: int) -> dict[int, int]:
    wanted = {TopicPartition(topic, number): OffsetSpec.LATEST for number in range(partitions)}
    return {tp.partition: found.offset for tp, found in admin.list_partition_offsets(wanted).items()}


def backoff_s() -> Iterator[float]:
    """0.5, 1, 2 … 15, 15 … seconds."""
    delay_s = _FIRST_DELAY_S
    while True:
        yield delay_s
        delay_s = min(delay_s * 2, _LONGEST_DELAY_S)


def _micros_clock(setting: str) -> Callable[[], Micros]:
    now: Callable[[], datetime] = clock_from(setting)
    try:
        now()
    except ClockUnreadable as error:
        raise UserError(str(error)) from error
    return lambda: micros(now())
