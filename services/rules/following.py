"""Compacted topics, read whole and then followed, by every worker for itself: no consumer group."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import ConsumerStoppedError, KafkaError

from services.common.kafka_connection import Address, client_options

log = logging.getLogger(__name__)

POLL_MS = 500
RETRY_S = 1.0
ONLY_PARTITION = 0


class Follower:
    """Reads topics of one partition from their beginning. To be used, like aiokafka, on one event loop."""

    def __init__(self, kafka: Address, topics: Sequence[str]) -> None:
        self._topics = topics
        self._consumer: Any = AIOKafkaConsumer(
            **client_options(kafka),
            client_id="bellwether-reference",
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
        )

    async def start(self) -> None:
        """Connect. Raises aiokafka's KafkaError."""
        await self._consumer.start()
        self._consumer.assign([TopicPartition(topic, ONLY_PARTITION) for topic in self._topics])

    async def whole(self) -> AsyncIterator[list[Any]]:
        """All that lies on the topics now, in lists of a partition's consecutive records. Raises KafkaError.

        A broker that is away in the middle of it is waited for. aiokafka's position moves over transaction markers.
        """
        ends = await self._consumer.end_offsets(list(self._consumer.assignment()))
        while await self._is_behind(ends):
            for records in (await self._consumer.getmany(timeout_ms=POLL_MS)).values():
                yield records

    async def on(self) -> AsyncIterator[list[Any]]:
        """What comes after that, until `stop`. A broker that is away for a while is waited for."""
        while True:
            try:
                found = await self._consumer.getmany(timeout_ms=POLL_MS)
            except ConsumerStoppedError:
                return
            except KafkaError as error:
                log.warning("the reference topics cannot be read: %s; trying again", type(error).__name__)
                await asyncio.sleep(RETRY_S)
                continue
            for records in found.values():
                yield records

    async def stop(self) -> None:
        """Close the connections."""
        await self._consumer.stop()

    async def _is_behind(self, ends: dict[Any, int]) -> bool:
        return any([await self._consumer.position(tp) < end for tp, end in ends.items()])
