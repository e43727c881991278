"""The topic of cases, read from its beginning to its present end."""

from __future__ import annotations

from collections.abc import Iterator

from kafka import KafkaConsumer, TopicPartition
from pydantic import ValidationError

from schemas.cases import CasesRecord, decode_cases_record
from services.common.errors import UserError
from services.common.kafka_admin import CANNOT_CONNECT, unreachable
from services.common.kafka_connection import CONNECT_TIMEOUT_MS, Address, client_options

_POLL_MS = 500
_IDLE_POLLS = 120


class TopicUnread(UserError):
    """The topic could not be read to its end."""


class Stranger(UserError):
    """Somebody else writes to the topic of cases."""


def case_events(kafka: Address, topic: str) -> Iterator[CasesRecord]:
    """Raises BrokerUnreachable, TopicUnread, and Stranger for a record that is none of the notifier's."""
    try:
        consumer = KafkaConsumer(
            **client_options(kafka),
            bootstrap_timeout_ms=CONNECT_TIMEOUT_MS,
            client_id="bellwether-audit",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
        )
    except CANNOT_CONNECT as error:
        raise unreachable(kafka, error) from error
    try:
        parts = [TopicPartition(topic, number) for number in sorted(consumer.partitions_for_topic(topic) or ())]
        if not parts:
            raise TopicUnread(f"topic {topic} does not exist: run `bellwether topics create` first")
        consumer.assign(parts)
        consumer.seek_to_beginning(*parts)
        yield from _up_to(consumer, consumer.end_offsets(parts))
    finally:
        consumer.close()


def _up_to(consumer: KafkaConsumer, ends: dict[TopicPartition, int]) -> Iterator[CasesRecord]:
    idle = 0
    while any(consumer.position(part) < end for part, end in ends.items()):
        batches = consumer.poll(timeout_ms=_POLL_MS)
        idle = 0 if batches else idle + 1
        if idle > _IDLE_POLLS:
            raise TopicUnread("the broker no longer gives records; run it again")
        for batch in batches.values():
            for record in batch:
                try:
                    yield decode_cases_record(record.value)
                except ValidationError:
                    at = f"{record.topic}, partition {record.partition}, offset {record.offset}"
                    raise Stranger(f"{at}: a record that no notifier of this version writes") from None
