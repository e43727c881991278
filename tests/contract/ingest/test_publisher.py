"""The publisher against a real broker: what it reports as durable is there."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiokafka.partitioner import murmur2 as aiokafka_murmur2
from kafka.partitioner.default import murmur2 as kafka_python_murmur2

from deploy.kafka import Broker
from deploy.ports import free_port
from schemas.topics import Topics, topic_specs
from services.common.kafka_admin import ensure_topics
from services.ingest import publisher as publisher_module
from services.ingest.publisher import KafkaPublisher, TryLater
from services.ingest.records import PART_BYTES, Record
from services.rules.partitioner import murmur2 as rules_murmur2
from tests.contract.ingest.topics_reader import read_topic
from tests.support.fixtures import Kafka
from tests.support.waiting import wait_until

# What Java's org.apache.kafka.common.utils.Utils.murmur2 gives for keys of ours, and so their partition among four.
JAVA_PARTITION_OF_FOUR = {b"21": -973932308, b"foobar": -790332482, b"abc": 479470107}


@asynccontextmanager
async def running(bootstrap: str, topics: Topics) -> AsyncIterator[KafkaPublisher]:
    publisher = KafkaPublisher(bootstrap, topics)
    publisher.start()
    try:
        yield publisher
    finally:
        await publisher.close()
        assert not publisher.alive


async def until(condition: Callable[[], object], what: str) -> None:
    await asyncio.to_thread(wait_until, condition, what)


def producers() -> int:
    """Those of librdkafka that live in this process, by their threads; 0 where threads have no names to be read."""
    names = [file.read_text() for file in Path("/proc/self/task").glob("*/comm")]
    return names.count("rdk:main\n")


def events(topics: Topics, number: int, prefix: str = "e") -> list[Record]:
    return [Record(topics.events, f"C{index % 7}".encode(), f"{prefix}-{index}".encode()) for index in range(number)]


def test_what_is_published_is_on_the_topic_when_the_call_returns(kafka: Kafka, topics: Topics) -> None:
    async def scenario() -> None:
        async with running(kafka.bootstrap, topics) as publisher:
            await until(lambda: publisher.problem is None, "ready")
            records = events(topics, 500)
            await asyncio.gather(*(publisher.publish(records[start : start + 50]) for start in range(0, 500, 50)))
            found = await asyncio.to_thread(read_topic, kafka.bootstrap, topics.events)
            assert sorted(record.value for record in found) == sorted(record.value for record in records)
            assert publisher.outstanding == 0

    asyncio.run(scenario())


def test_records_land_on_the_partition_that_java_would_choose(kafka: Kafka, topics: Topics) -> None:
    async def scenario() -> None:
        async with running(kafka.bootstrap, topics) as publisher:
            await until(lambda: publisher.problem is None, "ready")
            await publisher.publish([Record(topics.events, key, b"x") for key in JAVA_PARTITION_OF_FOUR])

    asyncio.run(scenario())
    found = {record.key: record.partition for record in read_topic(kafka.bootstrap, topics.events)}
    assert found == {key: (value & 0x7FFFFFFF) % 4 for key, value in JAVA_PARTITION_OF_FOUR.items()}


def test_any_key_lands_where_kafka_python_would_put_it(kafka: Kafka, topics: Topics) -> None:
    seed = random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    keys = {rng.randbytes(rng.randrange(1, 40)) for _ in range(500)} | {"客户-甲".encode(), b"\0control", b"0"}

    async def scenario() -> None:
        async with running(kafka.bootstrap, topics) as publisher:
            await until(lambda: publisher.problem is None, "ready")
            await publisher.publish([Record(topics.events, key, b"x") for key in sorted(keys)])

    asyncio.run(scenario())
    found = {record.key: record.partition for record in read_topic(kafka.bootstrap, topics.events)}
    # Kafka's default partitioner, as kafka-python, aiokafka (imports) and the rules service work it out.
    for murmur2_of in (kafka_python_murmur2, aiokafka_murmur2, rules_murmur2):
        assert found == {key: (murmur2_of(key) & 0x7FFFFFFF) % 4 for key in keys}


def test_headers_and_large_records_arrive_as_they_are(kafka: Kafka, topics: Topics) -> None:
    headers = (("reason", "原因".encode()), ("empty", b""), ("twice", b"1"), ("twice", b"2"))
    letters = [Record(topics.dead_letters, b"K", bytes(PART_BYTES), headers), Record(topics.dead_letters, b"K", b"")]

    async def scenario() -> None:
        async with running(kafka.bootstrap, topics) as publisher:
            await until(lambda: publisher.problem is None, "ready")
            await publisher.publish(letters)

    asyncio.run(scenario())
    found = read_topic(kafka.bootstrap, topics.dead_letters)
    assert [(one.key, one.value, tuple(one.headers)) for one in found] == [
        (letter.key, letter.value, letter.headers) for letter in letters
    ]


def test_closing_sends_what_is_still_queued(kafka: Kafka, topics: Topics) -> None:
    async def scenario() -> None:
        async with running(kafka.bootstrap, topics) as publisher:
            await until(lambda: publisher.problem is None, "ready")
            waiting = asyncio.create_task(publisher.publish(events(topics, 2000)))
            await asyncio.sleep(0)
        await waiting

    asyncio.run(scenario())
    assert len(read_topic(kafka.bootstrap, topics.events)) == 2000


def test_more_than_may_wait_is_turned_away(kafka: Kafka, topics: Topics, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publisher_module, "MAX_OUTSTANDING", 100)

    async def scenario() -> None:
        async with running(kafka.bootstrap, topics) as publisher:
            await until(lambda: publisher.problem is None, "ready")
            first = asyncio.create_task(publisher.publish(events(topics, 60)))
            await asyncio.sleep(0)
            with pytest.raises(TryLater) as caught:
                await publisher.publish(events(topics, 60, "turned-away"))
            assert caught.value.code == "overloaded"
            await first
            await publisher.publish(events(topics, 60, "again"))

    asyncio.run(scenario())
    values = {record.value for record in read_topic(kafka.bootstrap, topics.events)}
    assert not any(value.startswith(b"turned-away") for value in values)


def test_a_dead_broker_is_no_obstacle_to_starting() -> None:
    async def scenario() -> None:
        async with running(f"127.0.0.1:{free_port()}", Topics("none")) as publisher:
            with pytest.raises(TryLater) as caught:
                await publisher.publish(events(Topics("none"), 1))
            assert caught.value.code == "broker_unavailable"

    asyncio.run(scenario())


def test_missing_topics_are_named_until_they_are_made(kafka: Kafka, topics: Topics) -> None:
    later = Topics(f"{topics.prefix}-later")

    async def scenario() -> None:
        async with running(kafka.bootstrap, later) as publisher:
            await until(lambda: "bellwether topics create" in (publisher.problem or ""), "the missing topic")
            await asyncio.to_thread(ensure_topics, kafka.bootstrap, topic_specs(later.prefix, 1))
            await until(lambda: publisher.problem is None, "ready")
            await publisher.publish(events(later, 1))

    asyncio.run(scenario())


# Nightly: test_ingest_killed.py kills the broker of a whole ingest.
@pytest.mark.nightly
def test_after_a_kill_of_the_broker_nothing_acknowledged_is_lost(own_broker: Broker) -> None:
    topics = Topics("killed")
    ensure_topics(own_broker.bootstrap, topic_specs("killed", 4))
    acknowledged: list[bytes] = []
    turned_away, before = 0, producers()

    async def scenario() -> None:
        nonlocal turned_away
        async with running(own_broker.bootstrap, topics) as publisher:
            await until(lambda: publisher.problem is None, "ready")
            for round_ in range(60):
                if round_ == 20:
                    own_broker.kill()
                batch = events(topics, 20, f"round-{round_}")
                try:
                    await publisher.publish(batch)
                except TryLater:
                    turned_away += 1
                    assert publisher.outstanding == 0
                    if not own_broker.running and turned_away == 3:
                        assert publisher.problem is not None
                        await asyncio.to_thread(own_broker.start)
                        await until(lambda: publisher.problem is None, "ready again")
                else:
                    acknowledged.extend(record.value for record in batch)
            # The producer that met the kill is not left behind with its threads.
            await until(lambda: producers() <= before + 1, "the old producer to end")

    asyncio.run(scenario())
    assert turned_away >= 3
    assert len(acknowledged) > 20 * 30
    found = [record.value for record in read_topic(own_broker.bootstrap, topics.events)]
    assert set(acknowledged) <= set(found)
    # Idempotence: an acknowledged record is there once.
    assert all(found.count(value) == 1 for value in acknowledged)
