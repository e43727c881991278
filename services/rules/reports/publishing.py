"""Rankings to the reference topic, or to a file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from kafka import KafkaProducer
from kafka.errors import KafkaError

from schemas.codec import encode, parse
from schemas.events import Event
from schemas.reference import natural_key
from schemas.topics import Topics
from services.common.errors import UserError
from services.common.kafka_admin import CANNOT_CONNECT, unreachable
from services.common.kafka_connection import CONNECT_TIMEOUT_MS, Address, client_options

_SEND_TIMEOUT_S = 60.0


class PublishFailed(UserError):
    """Some parts may not be there; publishing again does no harm."""


def events_of(documents: Iterable[dict[str, Any]]) -> Iterator[Event]:
    """The documents as the codec sees them: what it would refuse must not reach the topic."""
    return map(parse, documents)


def to_file(events: Iterable[Event], file: Path) -> int:
    """One event a line; returns how many."""
    with file.open("wb") as lines:
        return sum(1 for event in events if lines.write(encode(event) + b"\n"))


def to_topic(events: Iterable[Event], kafka: Address, topics: Topics) -> int:
    """Returns how many the broker has. Raises BrokerUnreachable, PublishFailed."""
    try:
        producer = KafkaProducer(
            **client_options(kafka),
            acks="all",
            bootstrap_timeout_ms=CONNECT_TIMEOUT_MS,
            client_id="bellwether-ranks",
        )
    except CANNOT_CONNECT as error:
        raise unreachable(kafka, error) from error
    try:
        # One at a time: a ranking has few parts, and each may be 900 kB.
        return sum(1 for event in events if _acknowledged(producer, topics.reference, event))
    except KafkaError as error:
        raise PublishFailed(f"not all rankings are on {topics.reference}: {error}; publish them again") from error
    finally:
        producer.close(timeout=_SEND_TIMEOUT_S)


def _acknowledged(producer: Any, topic: str, event: Event) -> bool:
    return producer.send(topic, key=_key(event), value=encode(event)).get(timeout=_SEND_TIMEOUT_S) is not None


def _key(event: Event) -> bytes:
    """As ingest keys what comes through it: the newest word of a source on a thing replaces its older ones."""
    return "/".join((event.source, event.kind, *natural_key(event.data))).encode()
