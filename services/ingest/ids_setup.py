"""The parts of identity, put together for a process."""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

from prometheus_client import CollectorRegistry

from services.common.clock import wall_now
from services.common.database import Database
from services.common.settings import Settings
from services.ingest.app import Publisher
from services.ingest.ids_keeping import Keeping
from services.ingest.ids_metrics import IdsMetrics
from services.ingest.ids_registry import Registry
from services.ingest.ids_release import Releaser, hear
from services.ingest.ids_treatment import Identity
from services.ingest.merging import Reseal, unsealed
from services.ingest.merging_reader import KafkaReader
from services.ingest.merging_worker import Merger
from services.ingest.treating import Treatment


@dataclass(frozen=True)
class Identification:
    """`treatment` goes before those that seal; `keeping` is the intake's, `workers` run beside it."""

    registry: Registry
    treatment: Identity
    keeping: Keeping
    workers: Sequence[Callable[[], Coroutine[Any, Any, None]]]


def identification(
    settings: Settings,
    database: Database,
    publisher: Publisher,
    metrics: CollectorRegistry,
    later: Sequence[Treatment] = (),
    reseal: Reseal = unsealed,
) -> Identification:
    """`later`: the treatments that come after the identity's. How long something waits is told by the wall's clock,
    whatever the events' is."""
    topics, registry, counted = settings.topics, Registry(database, wall_now), IdsMetrics(metrics)
    releaser = Releaser(registry, publisher, topics, counted, later)
    reader = KafkaReader(settings.kafka, topics.events)
    who = f"{socket.gethostname()[:100]}/{os.getpid()}/{secrets.token_hex(4)}"
    merger = Merger(registry, publisher, topics, counted, reader, who, settings.merge_settle_seconds, reseal)
    keeping = Keeping(registry, topics)

    async def hears() -> None:
        await hear(registry)

    return Identification(registry, Identity(registry), keeping, [hears, releaser.run, merger.run])
