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

log = logging.getLogger(__name__)


@click.group()
def ingest() -> None:
    """The service that takes events by HTTP and puts them on Kafka."""


ingest.add_command(keys)


@ingest.command()
def serve() -> None:
    """Listen on BELLWETHER_INGEST_PORT. Starts without a broker too, and is ready when there is one."""
    from prometheus_client import REGISTRY

    from services.ingest.app import Intake, build_app
    from services.ingest.idempotency_store import IdempotencyStore
    from services.ingest.keys import check_sender
    from services.ingest.keys_gate import Gate, is_local
    from services.ingest.keys_ring import KeyRing
    from services.ingest.limits import Limits
    from services.ingest.metrics import IngestMetrics
    from services.ingest.publisher import KafkaPublisher
    from services.ingest.repeating import Repeating
    from services.ingest.screening import Screening
    from services.ingest.sealing import KeyRing as SealingKeys
    from services.ingest.sealing import Sealing
    from services.ingest.sealing_cli import store_in
    from services.ingest.sealing_letters import SealedLetters
    from services.ingest.serving import Front, check_openness
    from services.ingest.serving_config import read_door_settings
    from services.ingest.tables import open_database
    from services.ingest.treating import Treatment

    settings, door = read_settings(os.environ), read_door_settings(os.environ)
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
    publisher = KafkaPublisher(settings.kafka, settings.topics)
    metrics, now = IngestMetrics(REGISTRY), clock_from(settings.clock)
    sealing = SealingKeys(store_in(database, settings), wall_now)
    treatments: list[Treatment] = [check_sender, Screening(settings.personal_data), Sealing(sealing)]
    hide = SealedLetters(sealing)
    intake = Intake(
        publisher, settings.topics, now, metrics, treatments, repeating, hide=hide, sealing=sealing, gate=gate
    )
    front.run(build_app(intake, [ring.run, *front.workers]), settings.host, settings.ingest_port)


def _log_to_stderr() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    # The publisher says once when the broker goes and comes; the library says it several times a second.
    logging.getLogger("kafka").setLevel(logging.CRITICAL)


@click.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--mapping", "mapping_name", help="A mapping that ships (accounts_receivable), or the path of a .yaml file."
)
@click.option("--to", type=click.Path(dir_okay=False, path_type=Path), help="Write JSON lines here instead of sending.")
@click.option("--history", is_flag=True, help="Mark the events as the past: warnings from them are filed, not paged.")
@click.option("--url", help="Where ingest listens.  [default: http://127.0.0.1:BELLWETHER_INGEST_PORT]")
@click.option("--source", help="The events' source, instead of the mapping's.")
@click.option(
    "--encoding", type=click.Choice(["utf-8", "gb18030"]), help="The file's encoding, instead of the mapping's."
)
def import_command(
    file: Path,
    mapping_name: str | None,
    to: Path | None,
    history: bool,
    url: str | None,
    source: str | None,
    encoding: str | None,
) -> None:
    """Turn a CSV export into events and send them through ingest; or send a .jsonl file of events.

    Rejected rows go to FILE.rejected.csv beside FILE and give exit code 1; all others are imported. Importing a file
    again does no harm: its events have the same ids.
    """
    from services.ingest.imports.finding import find_mapping
    from services.ingest.imports.mapping import BadMapping
    from services.ingest.imports.reading import BadFile
    from services.ingest.imports.running import Job, run_import

    settings = read_settings(os.environ)
    if mapping_name is None and file.suffix != ".jsonl":
        raise click.UsageError("a CSV export needs --mapping; only a .jsonl file of events goes without")
    try:
        job = Job(
            file=file,
            mapping=find_mapping(mapping_name) if mapping_name else None,
            to=to,
            history=history,
            url=url or f"http://127.0.0.1:{settings.ingest_port}",
            source=source,
            encoding=encoding,
            zone=settings.zone,
        )
        summary = run_import(job)
    except (BadMapping, BadFile) as error:
        raise click.UsageError(str(error)) from error
    if summary.rejected_rows:
        raise SystemExit(1)


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
