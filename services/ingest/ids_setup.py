"""The parts of identity, put together for a process."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

from prometheus_client import CollectorRegistry

from schemas.topics import Topics
from services.common.clock import Now
from services.common.database import Database
from services.ingest.app import Publisher
from services.ingest.ids_keeping import Keeping
from services.ingest.ids_metrics import IdsMetrics
from services.ingest.ids_registry import Registry
from services.ingest.ids_release import Releaser
from services.ingest.ids_treatment import Identity
from services.ingest.treating import Treatment


@dataclass(frozen=True)
class Identification:
    """`treatment` goes before those that seal; `keeping` is the intake's, `workers` run beside it."""

    registry: Registry
    treatment: Identity
    keeping: Keeping
    workers: Sequence[Callable[[], Coroutine[Any, Any, None]]]


def identification(
    database: Database,
    publisher: Publisher,
    topics: Topics,
    now: Now,
    metrics: CollectorRegistry,
    later: Sequence[Treatment] = (),
) -> Identification:
    """`later`: the treatments that come after the identity's."""
    registry, counted = Registry(database, now), IdsMetrics(metrics)
    releaser = Releaser(registry, publisher, topics, counted, later)
    return Identification(registry, Identity(registry), Keeping(registry, topics), [releaser.run])
