"""Where the benchmark takes place: one real Kafka, a directory, and what is needed to fill and to watch topics."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaProducer
from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from deploy.kafka import Broker, new_place
from schemas.topics import Topics, topic_specs
from services.common.kafka_admin import admin_client, ensure_topics
from services.rules.partitioner import partition_of
from tests.bench.meter import Meter
from tests.bench.sizes import PARTITIONS, Sizes

ROOT = Path(__file__).resolve().parents[2]
BATCH_BYTES = 900_000
DELETE_DEADLINE_S = 60.0

Keyed = tuple[bytes, bytes]
"""Key and value."""


@dataclass(frozen=True)
class Stage:
    """What every section gets."""

    bootstrap: str
    work: Path
    sizes: Sizes
    rounds: int
    quick: bool
    meter: Meter
    compiled: str = ""
    """Where Bellwether's workers find the core compiled; empty, they run it as it is written."""

    def named(self, word: str) -> str:
        """Of topics, groups and files: the same section is measured with both cores in one run."""
        return f"compiled-{word}" if self.compiled else word

    def make_topics(self, prefix: str) -> Topics:
        """All of Bellwether's topics, empty."""
        ensure_topics(self.bootstrap, topic_specs(prefix, PARTITIONS))
        return Topics(prefix)

    def delete_topics(self, prefix: str, but: Iterable[str] = ()) -> None:
        """Every topic whose name begins so; returns when they are gone."""
        kept = set(but)

        def mine(admin: Any) -> list[str]:
            return [name for name in admin.list_topics() if name.startswith(prefix) and name not in kept]

        with admin_client(self.bootstrap) as admin:
            if found := mine(admin):
                admin.delete_topics(found)
                self.meter.wait("topics to go", lambda: not mine(admin), DELETE_DEADLINE_S)

    def forget_group(self, group: str) -> None:
        """The group has read nothing; nobody may be in it."""
        with admin_client(self.bootstrap) as admin:
            self.meter.wait(
                f"the group {group} to be empty", lambda: _delete_group(admin, group), DELETE_DEADLINE_S, 0.5
            )

    def publish(self, topic: str, records: Iterable[tuple[int, Keyed]]) -> None:
        """By partition, each partition's in their order; returns when all are acknowledged."""
        asyncio.run(_publish(self.bootstrap, topic, records))

    def publish_events(self, topics: Topics, events: Iterable[tuple[str, bytes]]) -> None:
        """Each on its customer's partition."""
        self.publish(topics.events, on_partitions(events))

    def look(self) -> Look:
        """A view of offsets; to be closed."""
        return Look(self.bootstrap)


def on_partitions(events: Iterable[tuple[str, bytes]]) -> Iterator[tuple[int, Keyed]]:
    """Events with the partitions of their customers."""
    for customer_id, raw in events:
        yield partition_of(customer_id, PARTITIONS), (customer_id.encode(), raw)


class Look:
    """The ends of topics, what groups have committed, and what lies on a compacted topic."""

    def __init__(self, bootstrap: str) -> None:
        self._consumer = KafkaConsumer(
            bootstrap_servers=bootstrap,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            fetch_max_bytes=64 << 20,
            max_partition_fetch_bytes=8 << 20,
        )
        self._scope = admin_client(bootstrap)
        self._admin = self._scope.__enter__()

    def close(self) -> None:
        """End the connections."""
        self._consumer.close()
        self._scope.__exit__(None, None, None)

    def ends(self, topic: str, partitions: int = PARTITIONS) -> dict[int, int]:
        """The offset after the last record, by partition."""
        wanted = [TopicPartition(topic, number) for number in range(partitions)]
        return {tp.partition: end for tp, end in self._consumer.end_offsets(wanted).items()}

    def committed(self, group: str, topic: str) -> int:
        """How many records of the topic the group has committed."""
        try:
            found = self._admin.list_group_offsets(group)[group]
        except (KafkaError, KeyError):
            return 0
        return sum(max(0, offset.offset) for tp, offset in found.items() if tp.topic == topic)

    def newest(self, topic: str) -> dict[bytes, bytes]:
        """The last value of every key."""
        wanted = [TopicPartition(topic, number) for number in range(PARTITIONS)]
        ends = self._consumer.end_offsets(wanted)
        self._consumer.assign(wanted)
        self._consumer.seek_to_beginning()
        found: dict[bytes, bytes] = {}
        while any(self._consumer.position(tp) < ends[tp] for tp in wanted):
            for records in self._consumer.poll(timeout_ms=500).values():
                found.update((record.key, record.value) for record in records)
        return found


@contextmanager
def staged(sizes: Sizes, rounds: int, meter: Meter, *, quick: bool) -> Iterator[Stage]:
    """A Kafka of our own while it lasts; its files are deleted afterwards."""
    work = ROOT / ".bellwether" / "bench" / str(os.getpid())
    work.mkdir(parents=True)
    broker = Broker(new_place(work / "kafka"))
    try:
        meter.begin("starting Kafka")
        broker.start()
        yield Stage(broker.bootstrap, work, sizes, rounds, quick, meter)
    finally:
        broker.stop()
        shutil.rmtree(work, ignore_errors=True)


def _delete_group(admin: Any, group: str) -> bool:
    """Asks for it, and tells whether it is gone: an answer does not say so."""
    if group not in {one["group_id"] for one in admin.list_groups()}:
        return True
    with suppress(KafkaError):
        admin.delete_groups([group])
    return False


async def _publish(bootstrap: str, topic: str, records: Iterable[tuple[int, Keyed]]) -> None:
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap,
        acks="all",
        enable_idempotence=True,
        max_batch_size=BATCH_BYTES,
        compression_type="lz4",
        request_timeout_ms=60_000,
    )
    await producer.start()
    open_batches: dict[int, Any] = {}
    try:
        for number, (key, value) in records:
            batch = open_batches.get(number)
            if batch is None or batch.append(key=key, value=value, timestamp=None) is None:
                if batch is not None:
                    await _send(producer, topic, number, batch)
                batch = open_batches[number] = producer.create_batch()
                batch.append(key=key, value=value, timestamp=None)
        for number, batch in open_batches.items():
            await _send(producer, topic, number, batch)
        await producer.flush()
    finally:
        await producer.stop()


async def _send(producer: Any, topic: str, number: int, batch: Any) -> None:
    batch.close()
    await (await producer.send_batch(batch, topic, partition=number))
