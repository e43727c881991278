"""The parts of identity, put together for a process."""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

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
from services.ingest.ids_vault import SealedVault
from services.ingest.merging_reader import KafkaReader
from services.ingest.merging_worker import Merger
from services.ingest.sealing import resealed
from services.ingest.sealing_letters import SealedLetters
from services.ingest.sealing_setup import Secrecy
from services.ingest.working import Worker


@dataclass(frozen=True)
class Identification:
    """`treatment` goes before those that seal; `keeping` is the intake's, `hide` is done to whatever is refused,
    and `workers` run beside it."""

    registry: Registry
    treatment: Identity
    keeping: Keeping
    hide: SealedLetters
    workers: Sequence[Worker]


def identification(
    settings: Settings,
    database: Database,
    publisher: Publisher,
    metrics: CollectorRegistry,
    secrecy: Secrecy,
) -> Identification:
    """`secrecy` has the treatments that come after the identity's. How long something waits is told by the wall's
    clock, whatever the events' is."""
    ring = secrecy.ring
    topics, counted = settings.topics, IdsMetrics(metrics)
    registry = Registry(database, wall_now, vault=SealedVault(ring))
    treatment = Identity(registry)
    hide = SealedLetters(ring, treatment.customer_of)
    releaser = Releaser(registry, publisher, topics, counted, secrecy.treatments, hide, ring)
    reader = KafkaReader(settings.kafka, topics.events)
    who = f"{socket.gethostname()[:100]}/{os.getpid()}/{secrets.token_hex(4)}"
    settle_s, reseal = settings.merge_settle_seconds, partial(resealed, ring)
    merger = Merger(registry, publisher, topics, counted, reader, who, settle_s, reseal, ring)
    keeping = Keeping(registry, topics, hide, ring)

    async def hears() -> None:
        await hear(registry)

    return Identification(registry, treatment, keeping, hide, [hears, releaser.run, merger.run])
