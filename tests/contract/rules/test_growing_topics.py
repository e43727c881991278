"""Growing on a real broker, with states that nobody works on: what the fake broker of the unit tests claims is so."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from kafka import KafkaConsumer, OffsetAndMetadata, TopicPartition

from schemas.customers import split_key
from schemas.topics import Topics, topic_specs
from services.common.kafka_admin import TopicMismatch, ensure_topics
from services.rules.growing import CannotGrow, grown_topics
from services.rules.growing_log import Broker
from services.rules.growing_run import Grower
from services.rules.port import Outgoing
from services.rules.reports.reading import topic_source
from tests.support.fixtures import Kafka
from tests.support.growing_broker import CUSTOMERS, NEW, OLD, TOPICS, GrowingBroker, a_broker, no_bar, require_grown
from tests.support.records import Rec
from tests.support.waiting import wait_until

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def theirs(name: str, topics: Topics) -> str:
    """A topic of the fake broker under the prefix of a test."""
    return dict(zip(grown_topics(TOPICS), grown_topics(topics), strict=True))[name]


async def fill(broker: Broker, topics: Topics) -> None:
    async with broker.logs() as logs:
        for name, parts in a_broker().parts.items():
            records = {n: [Outgoing(r.key, r.value, r.headers) for r in log] for n, log in enumerate(parts)}
            await logs.write(theirs(name, topics), records)


async def read_back(broker: Broker, topics: Topics) -> GrowingBroker:
    """Everything on the broker, as the fake one holds it."""
    found = GrowingBroker(TOPICS, 0)
    async with broker.logs() as logs:
        for name, parts in found.parts.items():
            for number in range(broker.counts()[theirs(name, topics)]):
                read = [one async for records in logs.read(theirs(name, topics), number) for one in records]
                parts.append([Rec(one.offset, one.key, one.value, tuple(one.headers)) for one in read])
    return found


def a_worker(kafka: Kafka, topics: Topics) -> KafkaConsumer:
    """A member of the workers' group that has applied what the fake broker's workers have."""
    consumer = KafkaConsumer(bootstrap_servers=kafka.bootstrap, group_id=f"{topics.prefix}-rules", client_id="a-worker")
    consumer.subscribe([topics.events])
    wait_until(lambda: consumer.poll(timeout_ms=100) is not None and consumer.assignment(), "the member to join")
    offsets = {
        TopicPartition(topics.events, number): OffsetAndMetadata(offset, "", -1)
        for number, offset in a_broker().applied.items()
    }
    consumer.commit(offsets)
    return consumer


def test_it_refuses_while_there_are_members_and_then_moves_everything(
    kafka: Kafka, make_topics: Callable[..., Topics]
) -> None:
    topics = make_topics(OLD)
    broker = Broker(kafka.bootstrap, topics)
    asyncio.run(fill(broker, topics))
    worker = a_worker(kafka, topics)
    try:
        with pytest.raises(CannotGrow, match="1 workers are in the group .*a-worker at "):
            Grower(broker, topics, NEW, no_bar).run()
    finally:
        worker.close(autocommit=False)
    assert broker.committed() == a_broker().applied

    look = Grower(broker, topics, NEW, no_bar).look()
    report = Grower(broker, topics, NEW, no_bar).run()
    assert report.customers == look.customers == len(CUSTOMERS)
    assert report.waiting == look.waiting == len(CUSTOMERS) + OLD
    require_grown(asyncio.run(read_back(broker, topics)), a_broker())
    assert Grower(broker, topics, NEW, no_bar).run().records == 0
    # Reports do not see the tombstones that were left behind.
    told = list(topic_source(kafka.bootstrap, topics.customers)())
    assert {split_key(key)[0] for key, _ in told} == set(CUSTOMERS)
    assert None not in [value for _, value in told]


def test_until_it_is_finished_the_topics_fit_nobody(kafka: Kafka, make_topics: Callable[..., Topics]) -> None:
    topics = make_topics(OLD)
    broker = Broker(kafka.bootstrap, topics)
    asyncio.run(fill(broker, topics))
    broker.enlarge([topics.changelog], NEW)
    for partitions in (OLD, NEW):
        with pytest.raises(TopicMismatch, match="a growth was begun; finish it with `bellwether topics grow --part"):
            ensure_topics(kafka.bootstrap, topic_specs(topics.prefix, partitions))
    with pytest.raises(CannotGrow, match=f"finish it with `topics grow --partitions {NEW}`"):
        Grower(broker, topics, 2 * NEW, no_bar)
    assert Grower(broker, topics, NEW, no_bar).run().growth.begun
    ensure_topics(kafka.bootstrap, topic_specs(topics.prefix, NEW))


def test_nobody_has_ever_worked(kafka: Kafka, make_topics: Callable[..., Topics]) -> None:
    topics = make_topics(OLD)
    broker = Broker(kafka.bootstrap, topics)
    broker.require_no_workers()
    assert broker.committed() == {}
    assert Grower(broker, topics, NEW, no_bar).run().customers == 0
