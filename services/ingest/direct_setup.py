"""What is done to events that are written to the broker from here: what ingest's door does, or they are not written."""

from __future__ import annotations

from sqlalchemy import select

from schemas.codec import InvalidEvent
from services.common.database import Database
from services.common.errors import UserError
from services.common.settings import Settings
from services.ingest.imports.running import Way
from services.ingest.sealing_setup import Secrecy, secrecy
from services.ingest.tables import mapped_sources, merges
from services.ingest.treating import Coming, Sender, Treatment


class NotDirect(UserError):
    """These events have to go through ingest; the message says why."""


def treatments_here(database: Database, secret: Secrecy) -> list[Treatment]:
    """Looked at anew for each file. Whose ids are whose is worked out at the door alone, for there events can wait.

    What `serve` gets more of belongs here too: a file that is imported with --direct must not be let in with what the
    door would have turned away, or hidden. Raises NotDirect.
    """
    with database.reading() as connection:
        if any(connection.execute(select(table).limit(1)).first() for table in (mapped_sources, merges)):
            raise NotDirect(
                "sources have ids of their own, or customers were merged: only ingest knows them, so leave --direct out"
            )
    return [_no_merging, *secret.treatments]


def _no_merging(coming: Coming, _sender: Sender) -> Coming:
    if coming.event.kind == "customer.merged":
        event = coming.event
        raise InvalidEvent("only_through_ingest", "customer.merged goes through ingest", (), event.id, event.source)
    return coming


def direct_way(settings: Settings, database: Database) -> Way:
    """Straight to the broker. Raises NotDirect, BadMasterFile."""
    secret = secrecy(settings, database)
    return Way(None, settings.kafka, settings.topics, treatments_here(database, secret), keeper=secret.ring)
