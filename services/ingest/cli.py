"""The commands of ingest. The only place in ingest that reads settings and wires things together."""

from __future__ import annotations

import logging
import os
from datetime import datetime
from pathlib import Path

import click

from services.common.clock import clock_from, wall_now
from services.common.settings import read_settings
from services.ingest.keys_cli import keys
from services.ingest.watching_cli import watch

log = logging.getLogger(__name__)


@click.group()
def ingest() -> None:
    """The service that takes events by HTTP and puts them on Kafka."""


ingest.add_command(keys)
ingest.add_command(watch)


@ingest.command()
def serve() -> None:
    """Listen on BELLWETHER_INGEST_PORT. Starts without a broker too, and is ready when there is one."""
    from prometheus_client import REGISTRY

    from services.ingest.app import Intake, Publisher, build_app
    from services.ingest.idempotency_store import IdempotencyStore
    from services.ingest.ids_routes import add_ids
    from services.ingest.ids_setup import identification
    from services.ingest.keys import check_sender
    from services.ingest.keys_gate import Gate, is_local
    from services.ingest.keys_ring import KeyRing
    from services.ingest.letters_replay import Courts
    from services.ingest.letters_setup import correspondence
    from services.ingest.limits import Limits
    from services.ingest.metrics import IngestMetrics
    from services.ingest.publisher import KafkaPublisher
    from services.ingest.repeating import Repeating
    from services.ingest.serving import Front, check_openness
    from services.ingest.serving_config import read_door_settings
    from services.ingest.spool_config import read_spool_settings
    from services.ingest.spooling import with_spool
    from services.ingest.tables import open_database
    from services.ingest.treating import Treatment

    settings, door = read_settings(os.environ), read_door_settings(os.environ)
    spool = read_spool_settings(os.environ)
    check_openness(door.asking, settings.host)
    _log_to_stderr()
    front = Front(door, REGISTRY)
    database = open_database(settings.ingest_database_url)
    database.migrate()
    # Keys expire by the wall's clock: it is people outside who hold them. Claims run out by it too: a clock that stands
    # still would hold those of the dead for ever.
    ring, repeating = KeyRing(database, wall_now), Repeating(IdempotencyStore(database), wall_now)
    ring.refresh()
    gate = Gate(door.asking, ring, Limits(door.per_second), local=is_local(settings.host))
    log.info(gate.told)
    publisher: Publisher = KafkaPublisher(settings.kafka, settings.topics)
    if spool is not None:
        publisher = with_spool(publisher, spool, REGISTRY)
    metrics, now = IngestMetrics(REGISTRY), clock_from(settings.clock)
    whose = identification(settings, database, publisher, REGISTRY)
    treatments: list[Treatment] = [check_sender, whose.treatment]
    courts = Courts(settings.topics, now, [whose.treatment], around=whose.keeping.whole)
    letters = correspondence(settings, database, publisher, courts, REGISTRY)
    intake = Intake(
        publisher,
        settings.topics,
        now,
        metrics,
        treatments,
        repeating=repeating,
        gate=gate,
        keeping=whose.keeping,
        noted=letters.noted,
    )
    app = build_app(intake, [ring.run, *whose.workers, *letters.workers, *front.workers])
    add_ids(app, whose.registry, gate.require_admin)
    letters.add_routes(app, gate.require_admin)
    front.run(app, settings.host, settings.ingest_port)


def _log_to_stderr() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    # The publisher says once when the broker goes and comes; the library says it several times a second.
    logging.getLogger("kafka").setLevel(logging.CRITICAL)


@click.command("sample")
@click.option("--seed", type=int, required=True, help="The same seed and day give the same sample.")
@click.option(
    "--today", type=click.DateTime(["%Y-%m-%d"]), help="The sample ends as this day begins.  [default: today]"
)
@click.option("--to", type=click.Path(dir_okay=False, path_type=Path), required=True, help="The events, a JSON a line.")
@click.option(
    "--directory",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    help="The people and customers, for the notifier.",
)
@click.option("--customers", type=click.IntRange(32, 5000), default=60, show_default=True)
def sample_command(seed: int, today: datetime | None, to: Path, directory: Path, customers: int) -> None:
    """Make sample events and the people file that fits them.

    More than half of the customers are well; for most warnings, tasks and suggestions there are some for whom it holds
    today.
    """
    import orjson
    import yaml

    from services.ingest.sample.world import make_sample

    settings = read_settings(os.environ)
    now = clock_from(settings.clock)().astimezone(settings.zone)
    sample = make_sample(seed, (today or now).date(), settings.zone, customers)
    to.write_bytes(b"".join(orjson.dumps(event) + b"\n" for event in sample.events))
    directory.write_text(yaml.safe_dump(sample.directory, allow_unicode=True, sort_keys=False), encoding="utf-8")
    click.echo(f"{len(sample.events)} events of {customers} customers are in {to}, the people in {directory}")
    for rule, ids in sample.expected.items():
        click.echo(f"  {rule} holds for {', '.join(ids)}")
