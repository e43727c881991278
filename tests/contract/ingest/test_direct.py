"""Events straight to the broker: the same records on the same partitions as ingest writes them."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
import pytest

from deploy.ports import free_port
from schemas.codec import InvalidEvent, decode
from schemas.topics import Topics
from services.ingest.imports.chunks import Outgoing, Rejected
from services.ingest.imports.direct import BATCH_BYTES, broker_sink
from services.ingest.imports.sending import NotSent
from services.ingest.publisher import KafkaPublisher
from services.ingest.records import event_record
from services.ingest.treating import Coming, Sender, Waits
from tests.contract.ingest.topics_reader import read_topic
from tests.support.fixtures import Kafka
from tests.support.waiting import wait_until
from tests.unit.schemas.examples import example


def outgoing(row: int, kind: str = "promise.met", **changes: Any) -> Outgoing:
    body = orjson.dumps(example(kind, **changes))
    return Outgoing(row, body, decode(body))


def test_records_are_where_the_publisher_puts_them(kafka: Kafka, topics: Topics) -> None:
    events = [outgoing(row, id=f"e{row}", subject=f"客户-{row % 17}") for row in range(200)]
    events.append(outgoing(200, "feed.heartbeat"))

    async def publish() -> None:
        publisher = KafkaPublisher(kafka.bootstrap, topics)
        publisher.start()
        await asyncio.to_thread(wait_until, lambda: publisher.problem is None, "the publisher to be connected")
        await publisher.publish([event_record(event.event, event.body, topics) for event in events])
        await publisher.close()

    def written(topic: str) -> list[tuple[int, bytes, bytes]]:
        return [(record.partition, record.key, record.value) for record in read_topic(kafka.bootstrap, topic)]

    with broker_sink(kafka.bootstrap, topics) as sink:
        assert sink.send(events).accepted == 201
    direct = [written(topic) for topic in (topics.events, topics.reference)]
    assert [len(found) for found in direct] == [200, 1]
    asyncio.run(publish())
    for topic, found in zip((topics.events, topics.reference), direct, strict=True):
        both = written(topic)
        # A partition's records in order: first ours, then the publisher's, one for one.
        for partition in {part for part, _, _ in both}:
            here = [record for record in both if record[0] == partition]
            assert here[: len(here) // 2] == here[len(here) // 2 :] == [one for one in found if one[0] == partition]


def test_more_than_a_batch_holds_stays_in_order(kafka: Kafka, topics: Topics) -> None:
    text = "x" * 4000
    events = [
        outgoing(row, "feedback.answered", id=f"e{row}", subject="C1", data={"feedback_id": "F1", "text": text})
        for row in range(3 * BATCH_BYTES // 4000)
    ]
    with broker_sink(kafka.bootstrap, topics) as sink:
        sink.send(events[:100])
        sink.send(events[100:])
    assert [record.value for record in read_topic(kafka.bootstrap, topics.events)] == [event.body for event in events]


def test_what_is_done_to_events_at_the_door_is_done_here_too(kafka: Kafka, topics: Topics) -> None:
    def treat(coming: Coming, sender: Sender) -> Coming:
        assert sender.source == coming.event.source
        if coming.event.id == "refused":
            raise InvalidEvent("not_yours", "somebody else's")
        if coming.event.id == "waits":
            raise Waits("erp", "77")
        document = {**coming.document, "subject": "C9"}
        return Coming(decode(orjson.dumps(document)), document)

    with broker_sink(kafka.bootstrap, topics, [treat]) as sink:
        sent = sink.send([outgoing(2, id="refused"), outgoing(3, id="waits"), outgoing(4, id="taken")])
    assert sent.rejected == [
        Rejected(2, "not_yours: somebody else's"),
        Rejected(3, "an id of erp has to wait: unknown_customer"),
    ]
    (record,) = read_topic(kafka.bootstrap, topics.events)
    assert (record.key, orjson.loads(record.value)["id"]) == (b"C9", "taken")


def test_without_a_broker_it_is_said_what_to_do() -> None:
    with (
        pytest.raises(NotSent, match="no Kafka answers at .*; run the same import again later"),
        broker_sink(f"127.0.0.1:{free_port()}", Topics("none")),
    ):
        pass
