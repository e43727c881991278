"""What is done to events that are written to the broker from here: the same as at ingest's door, in the same order."""

from __future__ import annotations

from collections.abc import Sequence

from services.common.database import Database
from services.common.settings import Settings
from services.ingest.treating import Treatment


def treatments_here(settings: Settings, database: Database) -> Sequence[Treatment]:  # noqa: ARG001
    """Those of `ingest serve`, made anew for this process. What `serve` gets more of belongs here too: a file that is
    imported with --direct must not be let in with what the door would have turned away, or hidden."""
    return ()
