"""The command that belongs to no single service: topics."""

from __future__ import annotations

import os

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
