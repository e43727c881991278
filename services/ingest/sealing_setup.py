"""The parts that keep what is said of people secret, put together for a process."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from services.common.clock import wall_now
from services.common.database import Database
from services.common.settings import Settings
from services.ingest.screening import Screening
from services.ingest.sealing import KeyRing, Sealing
from services.ingest.sealing_cli import store_in
from services.ingest.treating import Treatment


@dataclass(frozen=True, slots=True)
class Secrecy:
    """`ring` has the keys, and must keep its new ones before anything is published that was sealed."""

    ring: KeyRing
    screening: Screening

    @property
    def sealing(self) -> Sealing:
        """The last treatment."""
        return Sealing(self.ring)

    @property
    def treatments(self) -> Sequence[Treatment]:
        """In their order; whose an event is must be known before them, for it is sealed with its customer's key."""
        return [self.screening, self.sealing]


def secrecy(settings: Settings, database: Database) -> Secrecy:
    """As the settings ask for. Raises BadMasterFile."""
    return Secrecy(KeyRing(store_in(database, settings), wall_now), Screening(settings.personal_data))
