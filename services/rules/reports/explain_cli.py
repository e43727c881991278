"""`bellwether explain`: how one customer stands, and why."""

from __future__ import annotations

import os
from pathlib import Path

import click
import orjson

from schemas.customers import CustomerSnapshot
from services.common.errors import UserError
from services.common.settings import read_settings
from services.rules.reports.standing import Standing, by_due


@click.command()
@click.argument("customer")
@click.option("--language", type=click.Choice(["zh", "en"]), default="zh", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="The snapshot itself.")
@click.option(
    "--snapshots",
    "file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Read the records of FILE, not of Kafka.",
)
def explain(customer: str, language: str, as_json: bool, file: Path | None) -> None:
    """Show how CUSTOMER stands: its classes, its scores with what went into them and what was missing, what is open,
    and how close each quiet rule is.

    It is as of some minutes after the customer's last change (BELLWETHER_SNAPSHOT_MINUTES).
    """
    from services.rules.reports import reading

    settings = read_settings(os.environ)
    topic = settings.topics.customers
    source = reading.file_source(file) if file else reading.topic_source(settings.kafka, topic, customer)
    snapshot = reading.newest_snapshot(source, customer)
    if snapshot is None:
        raise UserError(
            f'nothing is known of a customer "{customer}"{f" in {file}" if file else ""}: is the id right? What is new '
            "is told here some minutes after its first event (BELLWETHER_SNAPSHOT_MINUTES) by `bellwether rules run`"
        )
    if as_json:
        click.echo(orjson.dumps(_document(snapshot), option=orjson.OPT_INDENT_2))
    else:
        click.echo("\n".join(Standing(language, settings.zone).lines(snapshot)))


def _document(snapshot: CustomerSnapshot) -> dict[str, object]:
    near = sorted(snapshot.near_misses, key=by_due)
    return snapshot.model_copy(update={"near_misses": near}).model_dump(mode="json")
