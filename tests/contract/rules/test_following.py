"""Compacted topics on a real broker: read whole, whatever lies at their end, and then on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer

from schemas.topics import Topics
from services.rules.following import Follower
from tests.support.fixtures import Kafka

pytestmark = pytest.mark.anyio
PATIENCE_S = 10.0


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def put(kafka: Kafka, topic: str, values: Sequence[bytes], transaction: str | None = None) -> None:
    producer: Any = AIOKafkaProducer(bootstrap_servers=kafka.bootstrap, transactional_id=transaction)
    await producer.start()
    try:
        if transaction is not None:
            await producer.begin_transaction()
        for value in values:
            await producer.send_and_wait(topic, value, key=b"key", partition=0)
        if transaction is not None:
            await producer.commit_transaction()
    finally:
        await producer.stop()


async def values(found: AsyncIterator[list[Any]]) -> list[tuple[str, bytes]]:
    return [(record.topic, record.value) async for records in found for record in records]


async def test_all_that_lies_on_the_topics_is_read_and_what_comes_then(kafka: Kafka, topics: Topics) -> None:
    await put(kafka, topics.reference, [b"1", b"2"])
    await put(kafka, topics.rulebook, [b"book"])
    follower = Follower(kafka.bootstrap, [topics.reference, topics.rulebook])
    await follower.start()
    try:
        whole = await values(follower.whole())
        assert sorted(whole) == [(topics.reference, b"1"), (topics.reference, b"2"), (topics.rulebook, b"book")]
        following = follower.on()
        await put(kafka, topics.reference, [b"3"])
        assert [record.value for record in await anext(following)] == [b"3"]
    finally:
        await follower.stop()
    assert await anext(following, None) is None


async def test_empty_topics_are_whole_at_once(kafka: Kafka, topics: Topics) -> None:
    follower = Follower(kafka.bootstrap, [topics.reference])
    await follower.start()
    try:
        async with asyncio.timeout(PATIENCE_S):
            assert await values(follower.whole()) == []
    finally:
        await follower.stop()


async def test_a_topic_that_ends_in_transaction_markers_is_read_to_its_end(kafka: Kafka, topics: Topics) -> None:
    await put(kafka, topics.reference, [b"1"], transaction=f"{topics.prefix}-one")
    follower = Follower(kafka.bootstrap, [topics.reference])
    await follower.start()
    try:
        async with asyncio.timeout(PATIENCE_S):
            assert await values(follower.whole()) == [(topics.reference, b"1")]
    finally:
        await follower.stop()
