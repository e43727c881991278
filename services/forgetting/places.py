"""Where an installation keeps what it knows of customers."""

from __future__ import annotations

from dataclasses import dataclass

from schemas.topics import Topics
from services.common.database import Database
from services.common.kafka_connection import Address
from services.ingest.sealing_store import SealingStore


@dataclass(frozen=True)
class Places:
    """All that an installation keeps."""

    kafka: Address
    topics: Topics
    partitions: int
    ingest: Database
    notifier: Database
    keys: SealingStore
