"""Events straight to the broker, for large files beside it. The only importer of aiokafka in ingest.

kafka-python's producer takes every record through Python; here a batch of records is put together by aiokafka's
compiled code, at a twentieth of the cost.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, TypeVar

import orjson
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from aiokafka.partitioner import murmur2

from schemas.codec import InvalidEvent
from schemas.topics import Topics
from services.common.kafka_connection import Address, UnusableCertificate, client_options, why_unusable
from services.ingest.imports.chunks import Outgoing, Rejected, Sent
from services.ingest.imports.sending import NotSent
from services.ingest.publisher import TryLater
from services.ingest.records import Record, event_record
from services.ingest.sealing_keeping import Keeper
from services.ingest.treating import ANYBODY, Coming, Treatment, Waits
from services.ingest.treating import Sender as By

ACKNOWLEDGED_WITHIN_S = 60.0
BATCH_BYTES = 512 * 1024

_T = TypeVar("_T")
_Where = tuple[str, int]


@contextmanager
def broker_sink(
    kafka: Address, topics: Topics, treatments: Sequence[Treatment] = (), keeper: Keeper | None = None
) -> Iterator[BrokerSink]:
    """A sink that does what ingest does to a valid event, in this process; `keeper` keeps the keys by which the
    treatments seal. Raises NotSent without a broker."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="import-broker", daemon=True)
    thread.start()
    sink = BrokerSink(loop, kafka, topics, treatments, keeper)
    try:
        sink.start()
        yield sink
    finally:
        sink.stop()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


class BrokerSink:
    """Made by `broker_sink`. `send` returns when all in-sync replicas have the batch."""

    # Spread over the partitions, a batch of each is to be worth its request.
    batch_events = 2000

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        kafka: Address,
        topics: Topics,
        treatments: Sequence[Treatment],
        keeper: Keeper | None,
    ) -> None:
        self._loop = loop
        self._kafka = kafka
        self._topics = topics
        self._treatments = treatments
        self._keeper = keeper
        self._producer: AIOKafkaProducer | None = None

    def start(self) -> None:
        """Connect. Raises NotSent."""
        self._call(self._start())

    def stop(self) -> None:
        """Disconnect; what was not acknowledged was not claimed either."""
        if self._producer is not None:
            self._call(self._producer.stop())

    def send(self, batch: Sequence[Outgoing]) -> Sent:
        """Treat the events as ingest would, and write those that pass. Raises NotSent."""
        try:
            mark = self._keeper.mark() if self._keeper else 0
            records, sent = self._treated(batch)
            if self._keeper:
                self._keeper.keep(mark)
        except TryLater as later:
            raise NotSent(f"{later.message}; run the same import again later") from None
        self._call(self._write(records))
        sent.accepted = len(records)
        return sent

    def _treated(self, batch: Sequence[Outgoing]) -> tuple[list[Record], Sent]:
        records: list[Record] = []
        sent = Sent()
        for outgoing in batch:
            try:
                records.append(self._record(outgoing))
            except InvalidEvent as problem:
                sent.rejected.append(Rejected(outgoing.row, f"{problem.code}: {problem.message}"))
            except Waits as waits:
                sent.rejected.append(Rejected(outgoing.row, str(waits)))
        return records, sent

    def _record(self, outgoing: Outgoing) -> Record:
        if not self._treatments:
            return event_record(outgoing.event, outgoing.body, self._topics)
        coming = Coming(outgoing.event, orjson.loads(outgoing.body))
        for treat in self._treatments:
            coming = treat(coming, By(ANYBODY.name, coming.event.source))
        return event_record(coming.event, orjson.dumps(coming.document), self._topics)

    async def _start(self) -> None:
        producer = AIOKafkaProducer(
            **client_options(self._kafka),
            client_id="bellwether-import",
            acks="all",
            enable_idempotence=True,
            max_batch_size=BATCH_BYTES,
            max_request_size=2 * BATCH_BYTES,
            request_timeout_ms=int(ACKNOWLEDGED_WITHIN_S * 1000),
        )
        try:
            await producer.start()
            for topic in (self._topics.events, self._topics.reference):
                await producer.partitions_for(topic)
        except BaseException:
            await producer.stop()
            raise
        self._producer = producer

    async def _write(self, records: Sequence[Record]) -> None:
        producer = self._producer
        assert producer is not None, "start comes first"
        counts = {topic: len(await producer.partitions_for(topic)) for topic in {record.topic for record in records}}
        heaps: dict[_Where, list[Record]] = {}
        for record in records:
            heaps.setdefault((record.topic, _partition(record.key, counts[record.topic])), []).append(record)
        await asyncio.gather(*(self._write_heap(producer, where, heap) for where, heap in heaps.items()))

    async def _write_heap(self, producer: AIOKafkaProducer, where: _Where, heap: Sequence[Record]) -> None:
        topic, partition = where
        delivered: list[Any] = []
        batch = producer.create_batch()
        for record in heap:
            if batch.append(key=record.key, value=record.value, timestamp=None) is None:
                delivered.append(await producer.send_batch(batch, topic, partition=partition))
                batch = producer.create_batch()
                # Alone, a record of any size is taken.
                batch.append(key=record.key, value=record.value, timestamp=None)
        delivered.append(await producer.send_batch(batch, topic, partition=partition))
        await asyncio.gather(*delivered)

    def _call(self, work: Coroutine[Any, Any, _T]) -> _T:
        try:
            return asyncio.run_coroutine_threadsafe(work, self._loop).result()
        except (KafkaError, UnusableCertificate) as error:
            reason = why_unusable(self._kafka, error) if self._producer is None else type(error).__name__
            raise NotSent(f"Kafka takes no events ({reason}); run the same import again later") from None


@lru_cache(maxsize=1 << 16)
def _partition(key: bytes, partitions: int) -> int:
    """As Kafka's own default partitioner."""
    return int(murmur2(key) & 0x7FFFFFFF) % partitions
