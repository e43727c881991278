"""A dead letter's event with what is sealed in it as it came, for those who may see it."""

from __future__ import annotations

from dataclasses import dataclass

import orjson

from services.common.clock import wall_now
from services.common.database import Database
from services.common.sealing import NotSealed
from services.ingest.ids import MustLook
from services.ingest.ids_registry import Registry
from services.ingest.ids_treatment import Identity
from services.ingest.letters import Filed
from services.ingest.publisher import TryLater
from services.ingest.sealing import KeyRing, opened
from services.ingest.sealing_letters import unclaimed


@dataclass(frozen=True, slots=True)
class Unsealing:
    """Asks databases: not to be used on the event loop."""

    database: Database
    ring: KeyRing

    def event(self, filed: Filed) -> bytes:
        """What a replay would send, opened; as it is where no key opens it, or none can be had now."""
        try:
            document = orjson.loads(filed.event)
            source, subject = document["source"], document["subject"]
            for name in (self._owner(source, subject), unclaimed(source, subject), subject):
                key = None if name is None else self.ring.known_key(name)
                if key is None:
                    continue
                try:
                    return orjson.dumps(opened(document, key, name))
                except NotSealed:
                    continue
        except (ValueError, KeyError, TypeError, TryLater, MustLook):
            # No event, or only half of one: nothing in it was sealed.
            return filed.event
        return filed.event

    def _owner(self, source: str, subject: str) -> str | None:
        registry = Registry(self.database, wall_now)
        registry.look_up({(source, subject)})
        return Identity(registry).customer_of(source, subject)
