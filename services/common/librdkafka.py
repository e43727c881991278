"""Producers of librdkafka: how they are set up and ended, the same for every service. With those who send the only
importer of confluent-kafka.

What blocks is said to; none of that may be called on the event loop.
"""

from __future__ import annotations

from confluent_kafka import KafkaException, Producer

from services.common.kafka_connection import Address, librdkafka_options

CONNECT_TIMEOUT_S = 5.0
DELIVERY_TIMEOUT_S = 10.0
LINGER_MS = 5
BATCH_BYTES = 256 * 1024
REQUEST_BYTES = 1024 * 1024


def new_producer(kafka: Address, name: str, queue_records: int) -> Producer:
    """Called `name` by the broker, it holds so many records at most. They are durable when they are acknowledged, and
    those of a key stay in their order. Raises KafkaException, UnusableCertificate."""
    return Producer(
        {
            **librdkafka_options(kafka),
            "client.id": name,
            "acks": "all",
            "enable.idempotence": True,
            # Nothing is sent any more of a producer one of whose batches has failed: the rest would overtake it.
            "enable.gapless.guarantee": True,
            # As Java, kafka-python and aiokafka choose it; librdkafka's own default is another.
            "partitioner": "murmur2_random",
            "allow.auto.create.topics": False,
            # How soon it hears that a topic has grown.
            "topic.metadata.refresh.interval.ms": 300_000,
            "linger.ms": LINGER_MS,
            "batch.size": BATCH_BYTES,
            "message.max.bytes": REQUEST_BYTES,
            "queue.buffering.max.messages": queue_records,
            "message.timeout.ms": int(DELIVERY_TIMEOUT_S * 1000),
            "request.timeout.ms": int(DELIVERY_TIMEOUT_S * 800),
            "socket.timeout.ms": int(DELIVERY_TIMEOUT_S * 800),
            "socket.connection.setup.timeout.ms": int(CONNECT_TIMEOUT_S * 1000),
            "reconnect.backoff.max.ms": 1000,
            # Who sends says once when the broker goes and comes; the library says it several times a second.
            "log_level": 0,
            "enable.metrics.push": False,
        }
    )


def ended(producer: Producer) -> None:
    """What it still holds is not sent: whoever waits for it was told so. Blocks for some milliseconds."""
    producer.purge()
    producer.poll(0)
    producer.close()


def reason(error: BaseException) -> str:
    """The name of what went wrong, without anything from a record."""
    inner = error.args[0] if error.args else None
    return str(inner.name()) if isinstance(error, KafkaException) and inner is not None else type(error).__name__
