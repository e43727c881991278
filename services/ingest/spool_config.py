"""What an operator sets of the spool, beside services/common/settings.py. Read by the entry point only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from services.common.settings import BadSetting

DEFAULT_BYTES = 1 << 30
LEAST_BYTES = 16 << 20
MOST_BYTES = 1 << 40


@dataclass(frozen=True)
class SpoolSettings:
    """Where events wait on disk while Kafka is away, and how many bytes they may take there."""

    folder: Path
    max_bytes: int


def read_spool_settings(env: Mapping[str, str]) -> SpoolSettings | None:
    """BELLWETHER_INGEST_SPOOL (a folder; not set: no spool) and BELLWETHER_INGEST_SPOOL_BYTES. Raises BadSetting."""
    folder, text = env.get("BELLWETHER_INGEST_SPOOL"), env.get("BELLWETHER_INGEST_SPOOL_BYTES") or str(DEFAULT_BYTES)
    if not text.isascii() or not text.isdigit() or not LEAST_BYTES <= int(text) <= MOST_BYTES:
        raise BadSetting(
            f'BELLWETHER_INGEST_SPOOL_BYTES is "{text}": set it to a whole number from {LEAST_BYTES} to {MOST_BYTES}'
        )
    return SpoolSettings(Path(folder), int(text)) if folder else None
