"""Topics, read from their beginning to their present end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from kafka import KafkaConsumer, TopicPartition

from services.common.errors import UserError
from services.common.kafka_admin import CANNOT_CONNECT, unreachable
from services.common.kafka_connection import CONNECT_TIMEOUT_MS, Address, client_options

_POLL_MS = 500
_IDLE_POLLS = 120


class TopicUnread(UserError):
    """A topic could not be read to its end."""


@contextmanager
def consumer_on(kafka: Address) -> Iterator[KafkaConsumer]:
    """A consumer of no group. Raises BrokerUnreachable."""
    try:
        consumer = KafkaConsumer(
            **client_options(kafka),
            bootstrap_timeout_ms=CONNECT_TIMEOUT_MS,
            client_id="bellwether-forget",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
        )
    except CANNOT_CONNECT as error:
        raise unreachable(kafka, error) from error
    try:
        yield consumer
    finally:
        consumer.close()


def records_of(kafka: Address, topic: str) -> Iterator[Any]:
    """All records up to the present end (kafka-python's ConsumerRecord). Raises BrokerUnreachable, TopicUnread."""
    with consumer_on(kafka) as consumer:
        parts = [TopicPartition(topic, number) for number in sorted(consumer.partitions_for_topic(topic) or ())]
        if not parts:
            raise _missing(topic)
        consumer.assign(parts)
        consumer.seek_to_beginning(*parts)
        yield from _up_to(consumer, consumer.end_offsets(parts))


def _missing(topic: str) -> TopicUnread:
    return TopicUnread(f"topic {topic} does not exist: run `bellwether topics create` first")


def _up_to(consumer: KafkaConsumer, ends: dict[TopicPartition, int]) -> Iterator[Any]:
    idle = 0
    while any(consumer.position(part) < end for part, end in ends.items()):
        batches = consumer.poll(timeout_ms=_POLL_MS)
        idle = 0 if batches else idle + 1
        if idle > _IDLE_POLLS:
            raise TopicUnread("the broker no longer gives records; run it again")
        for batch in batches.values():
            yield from batch


def wait_for_tombstones(
    kafka: Address,
    topic: str,
    home: Callable[[int], int],
    is_its: Callable[[bytes], bool],
    pause: Callable[[], bool],
) -> bool:
    """Follow a compacted topic's partition until the newest record of each of the keys is a tombstone, and there is
    one at all. `home` says which of so many partitions; `pause` waits a little; it is False, and so is the answer, when
    there is no time left. Raises BrokerUnreachable, TopicUnread."""
    with consumer_on(kafka) as consumer:
        count = len(consumer.partitions_for_topic(topic) or ())
        if not count:
            raise _missing(topic)
        part = TopicPartition(topic, home(count))
        consumer.assign([part])
        consumer.seek_to_beginning(part)
        newest: dict[bytes, bool] = {}
        while True:
            for record in _up_to(consumer, consumer.end_offsets([part])):
                if record.key is not None and is_its(record.key):
                    newest[record.key] = record.value is None
            if newest and all(newest.values()):
                return True
            if not pause():
                return False
