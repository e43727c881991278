"""The event clock from outside: a control record on every partition of the events topic."""

from __future__ import annotations

from datetime import datetime

from kafka import KafkaProducer
from kafka.errors import KafkaError

from schemas.topics import Topics
from services.common.errors import UserError
from services.common.kafka_admin import BrokerUnreachable
from services.rules.intake import advance_record

_TIMEOUT_S = 30.0
_CONNECT_TIMEOUT_MS = 5_000


class AdvanceFailed(UserError):
    """Some partition may not have been told; telling them all again does no harm."""


def advance(bootstrap: str, topics: Topics, partitions: int, to: datetime) -> None:
    """Tell every partition that its clock goes on to `to` (aware); returns when the broker has it all.

    Partitions under another clock ignore it, and none goes back. Raises BrokerUnreachable, AdvanceFailed.
    """
    record = advance_record(to)
    try:
        producer = KafkaProducer(
            bootstrap_servers=bootstrap,
            acks="all",
            bootstrap_timeout_ms=_CONNECT_TIMEOUT_MS,
            client_id="bellwether-advance",
        )
    except (KafkaError, ValueError) as error:
        raise BrokerUnreachable(f"no Kafka answers at {bootstrap}; start one, or set BELLWETHER_KAFKA") from error
    try:
        sent = [
            producer.send(topics.events, key=record.key, value=record.value, partition=number)
            for number in range(partitions)
        ]
        for future in sent:
            future.get(timeout=_TIMEOUT_S)
    except (KafkaError, AssertionError) as error:
        raise AdvanceFailed(f"not every partition of {topics.events} has taken the instant: {error}") from error
    finally:
        producer.close(timeout=_TIMEOUT_S)
