"""Dead letters come from a real Kafka into every database, once, whoever reads them and however often."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import pytest
from kafka import KafkaProducer, TopicPartition

from schemas.codec import InvalidEvent
from schemas.topics import Topics, topic_specs
from services.common.database import Database
from services.common.kafka_admin import admin_client, ensure_topics
from services.ingest import letters_follower
from services.ingest import letters_store as store
from services.ingest.letters import Filter, Place
from services.ingest.letters_follower import Follower
from services.ingest.records import PART_BYTES, Record, Refusal, dead_letters
from tests.support.fixtures import Kafka
from tests.support.waiting import wait_until, wait_until_async

NOW = datetime(2026, 3, 2, tzinfo=UTC)


@pytest.fixture
def producer(kafka: Kafka) -> Iterator[KafkaProducer]:
    made = KafkaProducer(bootstrap_servers=kafka.bootstrap, acks="all")
    yield made
    made.close()


def written(topics: Topics, *raws: bytes) -> list[Record]:
    problem = InvalidEvent("invalid", "no", (), "E1", "erp")
    return [one for raw in raws for one in dead_letters(Refusal(raw, problem, {}), NOW, "application/json", topics)]


def send(producer: KafkaProducer, records: Sequence[Record]) -> None:
    for one in records:
        producer.send(one.topic, key=one.key, value=one.value, headers=list(one.headers)).get(timeout=30)


def values(database: Database) -> list[bytes]:
    with database.reading() as tx:
        places = [Place(row.partition, row.offset) for row in store.page(tx, Filter(), 1000)]
        found = [store.load(tx, place) for place in places]
    return [one.letter.value for one in found if one is not None]


def follower(kafka: Kafka, topics: Topics, database: Database) -> Follower:
    return Follower(kafka.bootstrap, topics, database, lambda: NOW)


def until_filed(database: Database, expected: list[bytes], *followers: Follower) -> None:
    def filed() -> bool:
        for one in followers:
            one.step()
        return values(database) == expected

    wait_until(filed, f"{len(expected)} letters")


def test_letters_of_one_and_of_several_parts_are_filed(
    kafka: Kafka, topics: Topics, producer: KafkaProducer, database: Database
) -> None:
    raws = [b"one", b"x" * (2 * PART_BYTES + 1), b"three"]
    send(producer, written(topics, *raws))
    one = follower(kafka, topics, database)
    until_filed(database, raws, one)
    one.close()


def test_replicas_and_restarts_file_every_letter_once(
    kafka: Kafka, topics: Topics, producer: KafkaProducer, database: Database
) -> None:
    first, second = follower(kafka, topics, database), follower(kafka, topics, database)
    raws = [b"%d" % number for number in range(10)]
    send(producer, written(topics, *raws[:5]))
    until_filed(database, raws[:5], first, second)
    send(producer, written(topics, *raws[5:7]))
    until_filed(database, raws[:7], second)
    first.close()
    send(producer, written(topics, *raws[7:]))
    third = follower(kafka, topics, database)
    until_filed(database, raws, first, third, second)
    for one in (first, second, third):
        one.step()
        one.close()
    assert values(database) == raws


def test_parts_that_came_before_a_restart_are_read_again(
    kafka: Kafka, topics: Topics, producer: KafkaProducer, database: Database
) -> None:
    begun, whole = written(topics, b"x" * (PART_BYTES + 1)), written(topics, b"whole")
    send(producer, [begun[0], *whole])
    first = follower(kafka, topics, database)
    until_filed(database, [b"whole"], first)
    first.close()
    send(producer, [begun[1]])
    second = follower(kafka, topics, database)
    until_filed(database, [b"x" * (PART_BYTES + 1), b"whole"], second)
    second.close()
    with database.reading() as tx:
        assert store.next_offset(tx, 0) == 3


def test_a_letter_whose_record_has_left_the_topic_is_deleted(
    kafka: Kafka, topics: Topics, producer: KafkaProducer, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(letters_follower, "EXPIRE_EVERY_S", 0.0)
    raws = [b"%d" % number for number in range(4)]
    send(producer, written(topics, *raws))
    one = follower(kafka, topics, database)
    until_filed(database, raws, one)
    with admin_client(kafka.bootstrap) as admin:
        admin.delete_records({TopicPartition(topics.dead_letters, 0): 3})
    until_filed(database, raws[3:], one)
    one.close()


def test_a_topic_that_is_made_anew_is_read_from_its_beginning(
    kafka: Kafka, topics: Topics, producer: KafkaProducer, database: Database
) -> None:
    send(producer, written(topics, b"1", b"2", b"3"))
    one = follower(kafka, topics, database)
    until_filed(database, [b"1", b"2", b"3"], one)
    one.close()
    fresh = Topics(f"{topics.prefix}-fresh")
    ensure_topics(kafka.bootstrap, [spec for spec in topic_specs(fresh.prefix, 1) if spec.name == fresh.dead_letters])
    send(producer, written(fresh, b"new"))
    other = follower(kafka, fresh, database)
    until_filed(database, [b"new"], other)
    other.close()


def test_a_broker_or_a_database_that_goes_away_is_waited_for(
    kafka: Kafka, topics: Topics, producer: KafkaProducer, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(letters_follower, "RETRY_S", 0.05)
    one = follower(kafka, topics, database)

    async def scenario() -> None:
        running = asyncio.create_task(one.run())
        await wait_until_async(lambda: one.problem is None, "the first look")
        await asyncio.to_thread(database.migrate, "base", down=True)
        await asyncio.to_thread(send, producer, written(topics, b"meanwhile"))
        await wait_until_async(lambda: one.problem is not None, "a problem")
        await asyncio.to_thread(database.migrate)
        await wait_until_async(lambda: one.problem is None and values(database) == [b"meanwhile"], "the letter")
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    asyncio.run(scenario())
