"""Case events from the database to Kafka: each is written with what it tells of, and forgotten once acknowledged."""

from __future__ import annotations

from kafka import KafkaProducer

from schemas.topics import Topics
from services.common.database import Database
from services.common.kafka_admin import CANNOT_CONNECT, unreachable
from services.common.kafka_connection import Address, client_options
from services.notifier import store

SEND_TIMEOUT_S = 20.0

PUBLISHING = 1
"""What Database.alone calls it."""


class Publisher:
    """At least once: readers tell a repeated event by (case_id, sequence)."""

    def __init__(self, kafka: Address, topics: Topics, database: Database) -> None:
        self._kafka = kafka
        self._topic = topics.cases
        self._database = database
        self._producer: KafkaProducer | None = None

    def step(self) -> bool:
        """Send what waits; True when something did. Raises KafkaError, BrokerUnreachable, and then it waits on."""
        with self._database.alone(PUBLISHING) as ours:
            # Of several notifiers one publishes at a time: events of a case must not overtake each other.
            return ours and self._publish()

    def _publish(self) -> bool:
        with self._database.reading() as tx:
            rows = store.unsent_case_events(tx)
        if not rows:
            return False
        producer = self._producer or self._connect()
        sent = [producer.send(self._topic, key=row["customer_id"].encode(), value=row["body"]) for row in rows]
        for acknowledgement in sent:
            acknowledgement.get(timeout=SEND_TIMEOUT_S)
        with self._database.writing() as tx:
            store.forget_case_events(tx, [row["id"] for row in rows])
        return True

    def close(self) -> None:
        """What was not acknowledged stays in the database."""
        if self._producer is not None:
            self._producer.close(timeout=5)

    def _connect(self) -> KafkaProducer:
        try:
            self._producer = KafkaProducer(
                **client_options(self._kafka),
                client_id="bellwether-notifier",
                acks="all",
                linger_ms=5,
                max_block_ms=10_000,
            )
        except CANNOT_CONNECT as error:
            raise unreachable(self._kafka, error) from error
        return self._producer
