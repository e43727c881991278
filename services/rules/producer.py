"""Record batches to Kafka, acknowledged by all in-sync replicas before `send` returns."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Any

from aiokafka import AIOKafkaProducer

from services.common.kafka_connection import Address, client_options
from services.rules.port import Outgoing

MAX_BATCH_BYTES = 900_000
"""Below the broker's default message.max.bytes of 1 MiB, which holds for a whole record batch."""

MAX_IN_FLIGHT = 8
"""Record batches of one `send` that wait for their acknowledgement: bounds memory, about 7 MB."""

REQUEST_TIMEOUT_S = 45.0
"""How long a batch is retried. A broker that restarts within it costs time and nothing else; beyond it we crash."""


class RecordProducer:
    """An idempotent producer. Any error it raises leaves the fate of a batch unknown: the process must end."""

    def __init__(self, kafka: Address, compression: str | None = "zstd") -> None:
        """`compression`: zstd, lz4, or None. Of states zstd makes a third less than lz4, and in a quarter of its
        time, since aiokafka asks lz4 for its ninth level. To be called on the loop that will use it."""
        self._producer: Any = AIOKafkaProducer(
            **client_options(kafka),
            client_id="bellwether-rules",
            enable_idempotence=True,
            acks="all",
            linger_ms=0,
            max_batch_size=MAX_BATCH_BYTES,
            request_timeout_ms=int(REQUEST_TIMEOUT_S * 1000),
            compression_type=compression,
        )

    async def start(self) -> None:
        """Connect. Raises aiokafka's KafkaConnectionError."""
        await self._producer.start()

    async def stop(self) -> None:
        """Close the connections."""
        await self._producer.stop()

    async def send(self, topic: str, partition: int, records: Sequence[Outgoing]) -> int:
        """All records in their order, all acknowledged. Returns the offset of the last, or -1 when there were none."""
        in_flight: deque[tuple[asyncio.Future[Any], int]] = deque()
        last = -1
        batch: Any = None
        for record in records:
            if batch is not None and not _append(batch, record):
                in_flight.append(await self._submit(topic, partition, batch))
                batch = None
            if batch is None:
                batch = self._producer.create_batch()
                # A batch takes its first record whatever its size; a too large one is refused by the broker.
                _append(batch, record)
            while len(in_flight) >= MAX_IN_FLIGHT:
                last = await _acknowledged(*in_flight.popleft())
        if batch is not None:
            in_flight.append(await self._submit(topic, partition, batch))
        for future, count in in_flight:
            last = await _acknowledged(future, count)
        return last

    async def _submit(self, topic: str, partition: int, batch: Any) -> tuple[asyncio.Future[Any], int]:
        batch.close()
        count: int = batch.record_count()
        return await self._producer.send_batch(batch, topic, partition=partition), count


def _append(batch: Any, record: Outgoing) -> bool:
    appended = batch.append(key=record.key, value=record.value, timestamp=None, headers=list(record.headers))
    return appended is not None


async def _acknowledged(future: asyncio.Future[Any], count: int) -> int:
    metadata = await future
    last: int = metadata.offset + count - 1
    return last
