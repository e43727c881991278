"""The broker for `bellwether topics grow`: logs read to their end, records written, topics made larger."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from kafka.admin import KafkaAdminClient
from kafka.errors import GroupIdNotFoundError, KafkaError, RetriableError

from schemas.topics import Topics
from services.common.kafka_admin import BrokerUnreachable, admin_client
from services.common.kafka_connection import Address, client_options
from services.rules.growing import CannotGrow
from services.rules.port import Outgoing
from services.rules.producer import RecordProducer

POLL_MS = 500
SILENT_POLLS = 120
"""Polls in a row without a record before the broker counts as gone: a minute."""

READ_AT_ONCE = 5_000
GROW_TIMEOUT_S = 60.0
COORDINATOR_TIMEOUT_S = 60.0
COORDINATOR_POLL_S = 0.2
_FETCH_BYTES = 8 << 20


class Logs:
    """Reads and writes partitions. To be made, like everything of aiokafka, on the loop that uses it."""

    def __init__(self, kafka: Address) -> None:
        self._consumer: Any = AIOKafkaConsumer(
            **client_options(kafka),
            client_id="bellwether-grow",
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_partition_fetch_bytes=_FETCH_BYTES,
        )
        self._producer = RecordProducer(kafka)

    async def read(
        self, topic: str, number: int, advance: Callable[[int], None] = lambda _: None, start: int | None = None
    ) -> AsyncIterator[list[Any]]:
        """All that lies on a partition now, from `start` or its beginning on, in lists of consecutive records.

        `advance` is told how many offsets have been passed. Raises KafkaError, BrokerUnreachable.
        """
        tp = TopicPartition(topic, number)
        self._consumer.assign([tp])
        first = (await self._consumer.beginning_offsets([tp]))[tp]
        end = (await self._consumer.end_offsets([tp]))[tp]
        position = max(first, start or 0)
        self._consumer.seek(tp, position)
        silent = 0
        while position < end:
            records = (await self._consumer.getmany(tp, timeout_ms=POLL_MS, max_records=READ_AT_ONCE)).get(tp, [])
            # aiokafka's position moves over what compaction and transactions leave behind.
            reached = await self._consumer.position(tp)
            silent = 0 if reached > position else silent + 1
            if silent > SILENT_POLLS:
                raise BrokerUnreachable("Kafka has stopped answering; run the command again when it is up")
            advance(reached - position)
            position = reached
            found = [record for record in records if record.offset < end]
            if found:
                yield found

    async def sizes(self, topic: str, partitions: int) -> dict[int, int]:
        """About how many records each partition has."""
        tps = [TopicPartition(topic, number) for number in range(partitions)]
        first, end = await self._consumer.beginning_offsets(tps), await self._consumer.end_offsets(tps)
        return {tp.partition: end[tp] - first[tp] for tp in tps}

    async def ends(self, topic: str, partitions: int) -> dict[int, int]:
        """The offset that the next record of each partition will get."""
        found = await self._consumer.end_offsets([TopicPartition(topic, number) for number in range(partitions)])
        return {tp.partition: offset for tp, offset in found.items()}

    async def write(self, topic: str, records: Mapping[int, Sequence[Outgoing]]) -> None:
        """All acknowledged by all in-sync replicas, by partition."""
        for number, some in records.items():
            await self._producer.send(topic, number, some)

    async def start(self) -> None:
        """Connect. Raises aiokafka's KafkaError."""
        await self._consumer.start()
        await self._producer.start()

    async def stop(self) -> None:
        """Close the connections."""
        await self._producer.stop()
        await self._consumer.stop()


class Broker:
    """Kafka as the command needs it."""

    def __init__(self, kafka: Address, topics: Topics) -> None:
        self._kafka = kafka
        self._topics = topics
        # Faust takes the name of its application.
        self._group = f"{topics.prefix}-rules"

    @asynccontextmanager
    async def logs(self) -> AsyncIterator[Logs]:
        """Connected, and closed in the end."""
        logs = Logs(self._kafka)
        try:
            await logs.start()
            yield logs
        finally:
            await logs.stop()

    def counts(self) -> dict[str, int]:
        """How many partitions each topic has."""
        with admin_client(self._kafka) as admin:
            return _counts(admin)

    def require_no_workers(self) -> None:
        """Raises CannotGrow, naming them, while workers are in the group."""
        with admin_client(self._kafka) as admin:
            found = _asked(lambda: admin.describe_groups([self._group]))
        members = found.get(self._group, {}).get("members") or []
        if members:
            names = ", ".join(f"{one['client_id']} at {one['client_host'].lstrip('/')}" for one in members)
            raise CannotGrow(
                f"{len(members)} workers are in the group {self._group} ({names}): stop each `bellwether rules run` "
                "with SIGTERM (one that was killed leaves the group when its session ends, after ten seconds) and run "
                "this again"
            )

    def committed(self) -> dict[int, int]:
        """How far the workers have applied each partition of the events topic; those never committed are not there."""
        with admin_client(self._kafka) as admin:
            found = _asked(lambda: admin.list_group_offsets(self._group))
        mine = {tp: one.offset for tp, one in found.get(self._group, {}).items() if tp.topic == self._topics.events}
        return {tp.partition: offset for tp, offset in mine.items() if offset >= 0}

    def enlarge(self, names: Sequence[str], partitions: int) -> None:
        """Gives each topic that has fewer so many partitions; returns when each has its leader. Raises CannotGrow."""
        with admin_client(self._kafka) as admin:
            counts = _counts(admin)
            small = [name for name in names if counts[name] < partitions]
            try:
                if small:
                    timeout_ms = int(GROW_TIMEOUT_S * 1000)
                    admin.create_partitions(dict.fromkeys(small, partitions), timeout_ms=timeout_ms)
                _wait_for(admin, names, partitions)
            except KafkaError as error:
                raise CannotGrow(f"Kafka does not make the partitions of {', '.join(names)}: {error}") from error


def _asked(ask: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What the group's coordinator says. A broker that has never had a group makes it first; nothing is said then of a
    group that nobody has ever joined. Raises KafkaError."""
    deadline_s = time.monotonic() + COORDINATOR_TIMEOUT_S
    while True:
        try:
            return ask()
        except GroupIdNotFoundError:
            return {}
        except RetriableError:
            if time.monotonic() > deadline_s:
                raise
        time.sleep(COORDINATOR_POLL_S)


def _wait_for(admin: KafkaAdminClient, names: Sequence[str], partitions: int) -> None:
    deadline_s = time.monotonic() + GROW_TIMEOUT_S
    while time.monotonic() < deadline_s:
        admin.wait_for_topics(list(names), timeout_ms=int(GROW_TIMEOUT_S * 1000))
        counts = _counts(admin)
        if all(counts[name] >= partitions for name in names):
            return
        time.sleep(0.1)
    raise CannotGrow(f"Kafka has not made the partitions of {', '.join(names)} in time: run this again")


def _counts(admin: KafkaAdminClient) -> dict[str, int]:
    return {topic["name"]: len(topic["partitions"]) for topic in admin.describe_topics()}
