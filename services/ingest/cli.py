"""The commands of ingest. The only place in ingest that reads settings and wires things together."""

from __future__ import annotations

import logging
import os
from datetime import datetime
from pathlib import Path

import click

from services.common.clock import clock_from
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
    from services.ingest.wiring import serve_ingest

    settings = read_settings(os.environ)
    _log_to_stderr()
    serve_ingest(settings, os.environ)


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
