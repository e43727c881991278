"""The workers from outside: a control record moves the event clock of every partition, a record replaces the rules."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from kafka import KafkaProducer
from kafka.errors import KafkaError

from schemas.rulebook import KEY
from schemas.topics import Topics
from services.common.errors import UserError
from services.common.kafka_admin import CANNOT_CONNECT, unreachable
from services.common.kafka_connection import CONNECT_TIMEOUT_MS, Address, client_options
from services.rules.intake import advance_record, erase_record
from services.rules.partitioner import partition_of

_TIMEOUT_S = 30.0
_MAX_REQUEST_BYTES = 2 << 20


class AdvanceFailed(UserError):
    """Some partition may not have been told; telling them all again does no harm."""


class EraseFailed(UserError):
    """The partition may not have been told; telling it again does no harm."""


class PublishFailed(UserError):
    """The book may not have reached the topic; publishing it again does no harm."""


def advance(kafka: Address, topics: Topics, to: datetime) -> int:
    """Tell every partition of the topic that its clock goes on to `to` (aware); returns how many when the broker has it
    all.

    Partitions under another clock ignore it, and none goes back. Raises BrokerUnreachable, AdvanceFailed.
    """
    record = advance_record(to)
    with _producer(kafka, "bellwether-advance") as producer:
        try:
            numbers = sorted(producer.partitions_for(topics.events))
            sent = [
                producer.send(topics.events, key=record.key, value=record.value, partition=number) for number in numbers
            ]
            for future in sent:
                future.get(timeout=_TIMEOUT_S)
        except (KafkaError, AssertionError) as error:
            raise AdvanceFailed(f"not every partition of {topics.events} has taken the instant: {error}") from error
    return len(numbers)


def erase(kafka: Address, topics: Topics, customer_id: str) -> None:
    """Tell the customer's partition to keep nothing of it; returns when the broker has the word. Raises
    BrokerUnreachable, EraseFailed."""
    record = erase_record(customer_id)
    with _producer(kafka, "bellwether-erase") as producer:
        try:
            home = partition_of(customer_id, len(producer.partitions_for(topics.events)))
            producer.send(topics.events, key=record.key, value=record.value, partition=home).get(timeout=_TIMEOUT_S)
        except (KafkaError, AssertionError) as error:
            raise EraseFailed(f"{topics.events} has not taken the word: {error}") from error


def publish_book(kafka: Address, topics: Topics, raw: bytes) -> None:
    """Put an encoded book on the rulebook topic; returns when the broker has it. Raises BrokerUnreachable,
    PublishFailed."""
    with _producer(kafka, "bellwether-publish") as producer:
        try:
            producer.send(topics.rulebook, key=KEY, value=raw, partition=0).get(timeout=_TIMEOUT_S)
        except (KafkaError, AssertionError) as error:
            raise PublishFailed(f"{topics.rulebook} has not taken the rulebook: {error}") from error


@contextmanager
def _producer(kafka: Address, client_id: str) -> Iterator[KafkaProducer]:
    try:
        producer = KafkaProducer(
            **client_options(kafka),
            acks="all",
            bootstrap_timeout_ms=CONNECT_TIMEOUT_MS,
            max_request_size=_MAX_REQUEST_BYTES,
            client_id=client_id,
        )
    except CANNOT_CONNECT as error:
        raise unreachable(kafka, error) from error
    try:
        yield producer
    finally:
        producer.close(timeout=_TIMEOUT_S)
