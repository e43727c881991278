"""`bellwether feeds`: how far each feed is complete, read from the reference topic."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import click
import orjson
from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError
from prometheus_client import CollectorRegistry

from services.common.clock import ClockUnreadable, clock_from
from services.common.errors import UserError
from services.common.kafka_admin import CANNOT_CONNECT, unreachable
from services.common.kafka_connection import client_options
from services.common.settings import Settings, read_settings
from services.rules.calendar import SECOND, Micros, instant, micros
from services.rules.feeds import FeedState, FeedWatch
from services.rules.learning import learn
from services.rules.reference import Reference
from services.rules.runtime_metrics import RuntimeMetrics

_CONNECT_TIMEOUT_MS = 5_000
_POLL_MS = 500
_QUIET_S = 10.0
"""What is left when nothing more comes for so long are transaction markers, which no record shows."""


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def feeds(as_json: bool) -> None:
    """List the feeds that ever sent a heartbeat: the last one, how far they are complete, and which are silent."""
    settings = read_settings(os.environ)
    try:
        now = micros(clock_from(settings.clock)())
    except ClockUnreadable as error:
        raise UserError(str(error)) from error
    reference, metrics = Reference(), RuntimeMetrics(CollectorRegistry())
    for record in _records(settings):
        learn(reference, record, metrics)
    states = FeedWatch(settings.feed_silent_minutes * 60 * SECOND).look(reference.feeds(), now)
    if as_json:
        click.echo(orjson.dumps([_row(state, settings.zone) for state in states], option=orjson.OPT_INDENT_2))
    else:
        _print(states, settings.zone)


def _records(settings: Settings) -> Iterator[Any]:
    """Everything that lies on the reference topic now; raises BrokerUnreachable, UserError."""
    try:
        consumer = KafkaConsumer(
            **client_options(settings.kafka),
            bootstrap_timeout_ms=_CONNECT_TIMEOUT_MS,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            client_id="bellwether-feeds",
        )
    except CANNOT_CONNECT as error:
        raise unreachable(settings.kafka, error) from error
    try:
        if settings.topics.reference not in consumer.topics():
            raise UserError(f"topic {settings.topics.reference} does not exist: run `bellwether topics create` first")
        only = TopicPartition(settings.topics.reference, 0)
        consumer.assign([only])
        end, moved_s = consumer.end_offsets([only])[only], time.monotonic()
        while consumer.position(only) < end and time.monotonic() - moved_s < _QUIET_S:
            for found in consumer.poll(timeout_ms=_POLL_MS).values():
                moved_s = time.monotonic()
                yield from found
    except KafkaError as error:
        raise UserError(f"{settings.topics.reference} cannot be read: {error}") from error
    finally:
        consumer.close()


def _row(state: FeedState, zone: ZoneInfo) -> dict[str, Any]:
    return {
        "feed": state.name,
        "last_heartbeat": _local(state.feed.last_heartbeat, zone).isoformat(),
        "complete_until": _local(state.feed.complete_until, zone).isoformat(),
        "silent": state.silent,
    }


def _print(states: list[FeedState], zone: ZoneInfo) -> None:
    if not states:
        click.echo("no feed has ever sent a heartbeat")
        return
    width = max(len("feed"), *(len(state.name) for state in states))
    click.echo(f"{'feed':<{width}}  {'last heartbeat':<16}  {'complete until':<16}")
    for name, feed, silent, _ in states:
        heard, until = (f"{_local(at, zone):%Y-%m-%d %H:%M}" for at in (feed.last_heartbeat, feed.complete_until))
        click.echo(f"{name:<{width}}  {heard}  {until}{'  silent' if silent else ''}")


def _local(at: Micros, zone: ZoneInfo) -> datetime:
    return instant(at).astimezone(zone)
