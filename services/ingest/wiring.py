"""Ingest put together: what its settings ask for, before one application."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from prometheus_client import REGISTRY

from services.common.clock import clock_from, wall_now
from services.common.database import Database
from services.common.settings import Settings
from services.ingest.app import Intake, Publisher, build_app
from services.ingest.idempotency_store import IdempotencyStore
from services.ingest.ids_routes import add_ids
from services.ingest.ids_setup import identification
from services.ingest.keys import check_sender
from services.ingest.keys_gate import Gate, is_local
from services.ingest.keys_ring import KeyRing
from services.ingest.letters_replay import Courts
from services.ingest.letters_setup import correspondence
from services.ingest.letters_unsealing import Unsealing
from services.ingest.limits import Limits
from services.ingest.metrics import IngestMetrics
from services.ingest.publisher import KafkaPublisher
from services.ingest.records import Record
from services.ingest.repeating import Repeating
from services.ingest.sealing_letters import Opening
from services.ingest.sealing_setup import Secrecy, secrecy
from services.ingest.serving import Front, check_openness
from services.ingest.serving_config import DoorSettings, read_door_settings
from services.ingest.spool_config import read_spool_settings
from services.ingest.spooling import with_spool
from services.ingest.tables import open_database
from services.ingest.treating import Treatment

log = logging.getLogger(__name__)


def serve_ingest(settings: Settings, env: Mapping[str, str]) -> None:
    """Serve until SIGTERM. `env` holds the settings that only ingest has. Raises BadSetting and what else cannot be
    started with."""
    door = read_door_settings(env)
    check_openness(door.asking, settings.host)
    front = Front(door, REGISTRY)
    database = open_database(settings.ingest_database_url)
    database.migrate()
    ring, gate = _gate(settings, door, database)
    secret = secrecy(settings, database)
    publisher = _publisher(settings, env, secret)
    metrics, now = IngestMetrics(REGISTRY), clock_from(settings.clock)
    whose = identification(settings, database, publisher, REGISTRY, secret)
    # Identity first: what is said of people is sealed with the key of the customer whose it is.
    treatments: list[Treatment] = [whose.treatment, *secret.treatments]
    replayed: list[Treatment] = [Opening(secret.ring), *treatments]
    unsealing = Unsealing(database, secret.ring)
    again: list[Treatment] = [secret.sealing]
    courts = Courts(settings.topics, now, replayed, again, whose.keeping.whole, secret.ring, unsealing.to_replay)
    letters = correspondence(settings, database, publisher, courts, REGISTRY, unsealing.event)
    intake = Intake(
        publisher,
        settings.topics,
        now,
        metrics,
        [check_sender, *treatments],
        # Claims run out by the wall's clock: one that stands still would hold those of the dead for ever.
        repeating=Repeating(IdempotencyStore(database), wall_now),
        hide=whose.hide,
        sealing=secret.ring,
        gate=gate,
        keeping=whose.keeping,
        noted=letters.noted,
    )
    app = build_app(intake, [ring.run, *whose.workers, *letters.workers, *front.workers])
    add_ids(app, whose.registry, gate.require_admin)
    letters.add_routes(app, gate.require_admin)
    front.run(app, settings.host, settings.ingest_port)


def _gate(settings: Settings, door: DoorSettings, database: Database) -> tuple[KeyRing, Gate]:
    # Keys expire by the wall's clock: it is people outside who hold them.
    ring = KeyRing(database, wall_now)
    ring.refresh()
    gate = Gate(door.asking, ring, Limits(door.per_second), local=is_local(settings.host))
    log.info(gate.told)
    return ring, gate


def _publisher(settings: Settings, env: Mapping[str, str], secret: Secrecy) -> Publisher:
    publisher = KafkaPublisher(settings.kafka, settings.topics)
    spool = read_spool_settings(env)

    def is_gone(record: Record) -> bool:
        # Dead letters say nothing readable of a forgotten customer, and their keys do not tell whose they are.
        return record.topic == settings.topics.events and secret.ring.is_forgotten(record.key.decode())

    return publisher if spool is None else with_spool(publisher, spool, REGISTRY, is_gone)
