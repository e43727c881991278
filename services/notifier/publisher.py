"""Case events from the database to Kafka: each is written with what it tells of, and forgotten once acknowledged."""

from __future__ import annotations

from collections.abc import Sequence

from confluent_kafka import KafkaError, KafkaException, Message, Producer
from sqlalchemy import RowMapping

from schemas.topics import Topics
from services.common.database import Database
from services.common.kafka_admin import BrokerUnreachable, unreachable
from services.common.kafka_connection import Address, UnusableCertificate, is_reachable
from services.common.librdkafka import CONNECT_TIMEOUT_S, DELIVERY_TIMEOUT_S, ended, new_producer, reason
from services.notifier import store

BATCH = 500
"""Events that are under way at once: all of them are acknowledged before the next are read."""

SEND_TIMEOUT_S = 2 * DELIVERY_TIMEOUT_S

PUBLISHING = 1
"""What Database.alone calls it."""


class Publisher:
    """At least once, and those of a case in their order: readers tell a repeated event by (case_id, sequence)."""

    def __init__(self, kafka: Address, topics: Topics, database: Database) -> None:
        self._kafka = kafka
        self._topic = topics.cases
        self._database = database
        self._producer: Producer | None = None

    def step(self) -> bool:
        """Send what waits; True when there may be more: what comes meanwhile in ones and twos goes together with the
        next. Raises BrokerUnreachable, and then it waits on."""
        with self._database.alone(PUBLISHING) as ours:
            # Of several notifiers one publishes at a time: events of a case must not overtake each other.
            return ours and self._publish()

    def close(self) -> None:
        """What was not acknowledged stays in the database."""
        if self._producer is not None:
            producer, self._producer = self._producer, None
            ended(producer)

    def _publish(self) -> bool:
        with self._database.reading() as tx:
            rows = store.unsent_case_events(tx, BATCH)
        if not rows:
            return False
        problem = self._send(self._producer or self._connect(), rows)
        if problem is not None:
            # Nobody knows which of them are there. Another producer sends all of them again, in their order.
            self.close()
            raise BrokerUnreachable(f"case events were not acknowledged by Kafka at {self._kafka}: {problem}")
        with self._database.writing() as tx:
            store.forget_case_events(tx, [row["id"] for row in rows])
        return len(rows) == BATCH

    def _send(self, producer: Producer, rows: Sequence[RowMapping]) -> str | None:
        """None once all are acknowledged, else what went wrong."""
        problems: list[str] = []

        def told(error: KafkaError | None, _message: Message) -> None:
            if error is not None:
                problems.append(str(error.name()))

        try:
            for row in rows:
                producer.produce(self._topic, row["body"], row["customer_id"].encode(), on_delivery=told)
            if producer.flush(SEND_TIMEOUT_S):
                problems.append("no answer in time")
        except (KafkaException, BufferError) as error:
            problems.append(reason(error))
        return problems[0] if problems else None

    def _connect(self) -> Producer:
        """Blocks for seconds where nobody answers."""
        # A bare connection first: librdkafka has more patience with a dead address.
        if not is_reachable(self._kafka):
            raise BrokerUnreachable(f"no Kafka answers at {self._kafka}")
        try:
            producer = new_producer(self._kafka, "bellwether-notifier", BATCH)
            producer.list_topics(self._topic, timeout=CONNECT_TIMEOUT_S)
        except (KafkaException, OSError, ValueError, UnusableCertificate) as error:
            raise unreachable(self._kafka, error) from error
        self._producer = producer
        return producer
