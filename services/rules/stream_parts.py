"""Faust's extension points: a partition's fetched records as one message, behind our own cursor and gate.

Together with stream.py the only importer of faust. Why each piece is needed, and what is private in Faust here, is told
in ARCHITECTURE.md.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple, cast

import faust
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError
from aiokafka.structs import OffsetAndMetadata
from faust.transport.drivers import aiokafka as driver
from faust.transport.utils import DefaultSchedulingStrategy
from faust.types import TP

from services.common.kafka_connection import Connection
from services.rules.host import Host

log = logging.getLogger("services.rules.stream")
# Faust's classes log under the name of the module that subclasses them; only what is wrong is of interest.
logging.getLogger(__name__).setLevel(logging.WARNING)

EXIT_REPLACE = 70
"""EX_SOFTWARE: the process must be started anew."""

QUEUED_BATCHES = 8
"""Lists of records delivered and not yet applied, or not yet restored; beyond it nothing is fetched."""

_BACKLOG_POLL_S = 0.002
_LOOK_TIMEOUT_S = 1.0


class Seen(NamedTuple):
    """Of a partition: the next offset to be read, the end of the log, and when the broker last said so (Unix time)."""

    position: int
    highwater: int
    heard_s: float


class RulesApp(faust.App):
    """Faust's application with what our parts of it need to find."""

    host: Host
    events_topic: str
    in_hand: dict[int, asyncio.Task[None]]
    """By partition, what works on its newest batch, be it done."""
    queue: Any = None
    batch_consumer: BatchConsumer | None = None
    """Set by the consumer itself: asking Faust for it before its time would create it."""

    def queued(self) -> int:
        """Batches delivered and not yet taken."""
        waiting: int = self.queue.qsize() if self.queue is not None else 0
        return waiting

    def is_idle(self) -> bool:
        """Whether all that was delivered has been applied. Who waits to begin waits for one that is in hand."""
        return not self.queued() and all(task.done() for task in self.in_hand.values())

    def is_full(self) -> bool:
        """Whether what has been fetched is enough for now. Faust's own bound on a changelog's queue is 4,096 messages,
        which here are lists of up to 4 MB."""
        tables: Any = self.tables
        return bool(max(self.queued(), tables.changelog_queue.qsize()) >= QUEUED_BATCHES)

    def to_restore(self) -> int:
        """Changelog records that a recovery under way has still to read, as far as is known yet."""
        tables: Any = self.tables
        return sum(max(0, left) for left in tables.recovery.active_remaining().values())


def broker_credentials(kafka: Connection) -> Any:
    """How Faust's own clients are let in, and what TLS they speak. Raises UnusableCertificate."""
    context = kafka.tls_context()
    if kafka.sasl:
        return faust.SASLCredentials(
            username=kafka.user, password=kafka.password, mechanism=kafka.mechanism, ssl_context=context
        )
    return None if context is None else faust.SSLCredentials(context)


def batch_scheduler(topics: frozenset[str]) -> type[DefaultSchedulingStrategy]:
    """A ConsumerScheduler that yields, for these topics, a partition's whole list at once."""

    class BatchScheduler(DefaultSchedulingStrategy):
        def iterate(self, records: Mapping[Any, list[Any]]) -> Iterator[tuple[Any, Any]]:
            single = {}
            for tp, found in records.items():
                if tp.topic not in topics:
                    single[tp] = found
                elif found:
                    yield TP(tp.topic, tp.partition), found
            if single:
                yield from super().iterate(single)

    return BatchScheduler


class BatchConsumer(driver.Consumer):
    """A list of records is one message; nothing of the events topic is fetched or delivered before the host is open."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _ours(self.app).batch_consumer = self

    def _to_message(self, tp: Any, record: Any) -> Any:
        if not isinstance(record, list):
            return super()._to_message(tp, record)
        # The last offset: Faust's recovery counts with it.
        message = super()._to_message(tp, record[-1])
        message.value, message.key = cast("Any", record), None
        return message

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[Any, Any]]:
        """Faust's fetch, with the gate before it and back-pressure without Faust's sleeps of one second."""
        app = _ours(self.app)
        if app.host.opening and not app.rebalancing:
            # Faust has done its seeks and cleared its queues: only now the position is ours.
            await app.host.open()
        deadline_s = time.monotonic() + timeout
        while app.is_full() and time.monotonic() < deadline_s:  # noqa: ASYNC110 a queue has no event
            await asyncio.sleep(_BACKLOG_POLL_S)
        if app.is_full():
            return
        async for tp, message in super().getmany(timeout):
            if tp.topic != app.events_topic or app.host.accepts(tp.partition):
                yield tp, message

    async def commit_positions(self, offsets: Mapping[Any, Any]) -> bool:
        """Commit those that are still assigned. False when the group refuses: it has moved on, and so shall we.

        Not Consumer._commit: there an assignment that vanishes meanwhile makes aiokafka's commit({}) raise ValueError,
        and Faust's answer is a dead consumer thread in a process that lives on.
        """
        thread = self._thread

        async def commit() -> bool:
            consumer = thread._ensure_consumer()  # noqa: SLF001 Faust has no public way to its consumer
            mine = consumer.assignment()
            wanted = {tp: offset for tp, offset in offsets.items() if tp in mine}
            try:
                if wanted:
                    await consumer.commit(wanted)
            except (KafkaError, ValueError) as error:
                log.warning("commit refused: %s", type(error).__name__)
                return False
            return bool(wanted)

        done: bool = await thread.call_thread(commit)
        return done

    def broken(self) -> bool:
        """A dead consumer thread does not show on the consumer itself."""
        return bool(self.crashed or self._thread.crashed)

    async def look(self, topic: str) -> dict[int, Seen]:
        """What is known of the topic's assigned partitions, without asking the broker."""
        thread = self._thread

        async def look() -> dict[int, Seen]:
            consumer = thread._ensure_consumer()  # noqa: SLF001 as above
            found = {}
            for tp in consumer.assignment():
                highwater = consumer.highwater(tp) if tp.topic == topic else None
                if highwater is not None:
                    heard_s = consumer.last_poll_timestamp(tp) / 1000
                    found[tp.partition] = Seen(await consumer.position(tp), highwater, heard_s)
            return found

        try:
            seen: dict[int, Seen] = await asyncio.wait_for(thread.call_thread(look), _LOOK_TIMEOUT_S)
        except (TimeoutError, KafkaError):
            # A position that is being looked up, or partitions that have just gone: next time.
            return {}
        return seen


class BatchTransport(driver.Transport):
    """aiokafka, with our consumer."""

    Consumer: ClassVar[type[BatchConsumer]] = BatchConsumer


class RawSchema(faust.Schema[Any, Any]):
    """No decoding: an event's value is the list of records."""

    def compile(self, app: Any, **_: Any) -> Any:
        """The decoder that Faust calls for each message."""

        async def decode(message: Any, *, propagate: bool = False) -> Any:  # noqa: ARG001 Faust's signature
            return app.create_event(None, message.value, message.headers, message)

        return decode


class StateTable(faust.Table[Any, Any]):
    """Hands the changelog to the host and tells Faust how far we know it. Nothing is ever written through it."""

    def persisted_offset(self, tp: Any) -> int:
        """The last record of the changelog that is in memory, or -1; see Host.changelog_offset."""
        return _ours(self.app).host.changelog_offset(tp.partition)

    def apply_changelog_batch(self, batch: Iterable[Any]) -> None:
        """Recovery would log an error as a warning and go on with half a state: so the process ends here."""
        host = _ours(self.app).host
        try:
            for event in batch:
                host.restore(event.message.partition, event.message.value)
        except Exception:
            log.critical("a state cannot be restored", exc_info=True)
            os._exit(EXIT_REPLACE)

    async def on_recovery_completed(self, active_tps: Any, standby_tps: Any) -> None:
        """All changelogs have been read."""
        app = _ours(self.app)
        generation = app.consumer_generation_id
        try:
            await app.host.on_recovered({tp.partition for tp in active_tps}, {tp.partition for tp in standby_tps})
        except Exception as error:
            if app.consumer_generation_id != generation:
                log.info("partitions were moved again before they had been taken over")
                return
            log.critical("the partitions cannot be taken over", exc_info=True)
            await app.crash(error)
            raise


class FaustCursor:
    """The host's Cursor: Faust's member of the consumer group."""

    def __init__(self, app: RulesApp, topic: str) -> None:
        self._app = app
        self._topic = topic

    async def committed(self) -> dict[int, int | None]:
        """Seeks there too, which does no harm before `seek`."""
        found = await self._consumer().seek_to_committed()
        return {tp.partition: offset for tp, offset in found.items() if tp.topic == self._topic}

    async def bounds(self, partitions: Sequence[int]) -> dict[int, tuple[int, int]]:
        """What retention has left, and the end."""
        wanted = [TP(self._topic, number) for number in partitions]
        first = await self._consumer().earliest_offsets(*wanted)
        end = await self._consumer().highwaters(*wanted)
        return {tp.partition: (first[tp], end[tp]) for tp in wanted}

    async def seek(self, positions: Mapping[int, int]) -> None:
        """Where the next fetch reads."""
        await self._consumer().seek_wait({TP(self._topic, number): offset for number, offset in positions.items()})

    async def commit(self, positions: Mapping[int, int]) -> bool:
        """Exactly these."""
        done: bool = await self._consumer().commit_positions(
            {TopicPartition(self._topic, number): OffsetAndMetadata(offset, "") for number, offset in positions.items()}
        )
        return done

    def _consumer(self) -> BatchConsumer:
        consumer = self._app.batch_consumer
        if consumer is None:
            raise RuntimeError("Faust has no consumer yet")
        return consumer


def _ours(app: Any) -> RulesApp:
    if not isinstance(app, RulesApp):
        raise TypeError("these parts work only in a RulesApp")
    return app
