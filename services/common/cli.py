"""The commands that belong to no single service: topics and schemas."""

from __future__ import annotations

import json
import os
from pathlib import Path

import click

from services.cli import Entry, LazyGroup
from services.common.settings import read_settings

_TOPICS = {
    "create": Entry("services.common.cli:create", "Create the topics that are missing."),
    "grow": Entry("services.rules.growing_cli:grow", "Go to more partitions, with the customers' states."),
}


@click.command(cls=LazyGroup, entries=_TOPICS)
def topics() -> None:
    """Create the Kafka topics, and make them larger."""


@click.command()
def create() -> None:
    """Create the topics that are missing on BELLWETHER_KAFKA, and check the partitions of those that exist."""
    from schemas.topics import topic_specs
    from services.common.kafka_admin import ensure_topics

    settings = read_settings(os.environ)
    done = ensure_topics(settings.kafka, topic_specs(settings.topics.prefix, settings.partitions))
    for name in done.created:
        click.echo(f"created {name}")
    for name in done.existing:
        click.echo(f"exists  {name}")


@click.command()
@click.option(
    "--to",
    "folder",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder to write to, one <type>.schema.json for each event; made if it is missing.",
)
def schema(folder: Path) -> None:
    """Write the JSON Schema (draft 2020-12) of every event."""
    from schemas.events import json_schemas

    folder.mkdir(parents=True, exist_ok=True)
    schemas = json_schemas()
    for kind, document in schemas.items():
        text = json.dumps(document, ensure_ascii=False, indent=2, sort_keys=True)
        (folder / f"{kind}.schema.json").write_text(text + "\n", encoding="utf-8")
    click.echo(f"wrote {len(schemas)} schemas to {folder}")
