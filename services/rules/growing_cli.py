"""`bellwether topics grow`: more partitions, with the states of the customers who move."""

from __future__ import annotations

import logging
import os

import click

from services.common.errors import UserError
from services.common.settings import read_settings


@click.command()
@click.option("--partitions", required=True, type=click.IntRange(1, 10_000), help="How many there are to be.")
@click.option("--dry-run", is_flag=True, help="Tell what would move, and change nothing.")
def grow(partitions: int, dry_run: bool) -> None:
    """Give the topics of BELLWETHER_KAFKA more partitions, and move the customers' states to where they live then.

    Every rules worker must be stopped; ingest and the notifier go on. When it was cut off, run it again: it goes on
    where it ended, and workers do not start before it is done. docs/growing.md tells the whole procedure.
    """
    from aiokafka.errors import KafkaError as StreamKafkaError
    from kafka.errors import KafkaError

    from services.rules.growing_log import Broker
    from services.rules.growing_run import Grower
    from services.rules.reports.reading import progress_bar

    # The clients report what they retry, and that they cannot read what Faust's members say of themselves.
    for name in ("aiokafka", "kafka"):
        logging.getLogger(name).setLevel(logging.ERROR)
    settings = read_settings(os.environ)
    try:
        grower = Grower(Broker(settings.kafka, settings.topics), settings.topics, partitions, progress_bar)
        report = grower.look() if dry_run else grower.run()
    except (KafkaError, StreamKafkaError) as error:
        raise UserError(f"Kafka has failed in the middle of it ({error}): run this again") from error
    growth = report.growth
    begun = " (a growth that was cut off before)" if growth.begun else ""
    click.echo(f"partitions             {growth.old} -> {growth.new}{begun}")
    click.echo(f"customers              {report.customers:,}")
    click.echo(f"  of whom move         {report.movers:,} ({report.records:,} records, {report.bytes / 1e6:,.1f} MB)")
    click.echo(f"events not applied yet {report.waiting:,}")
    if dry_run:
        click.echo("nothing was changed")
        return
    click.echo(f"  of which forwarded   {report.forwarded:,}")
    click.echo(f"snapshots moved        {report.snapshots:,}")
    click.echo(f"every customer has one state, at home; start the workers with BELLWETHER_PARTITIONS={growth.new}")
