"""Sends records to Kafka and tells when they are durable.

librdkafka puts them together and sends them on threads of its own. All of ours happens on the event loop: records are
handed over without waiting, and while any is under way it is asked now and again what was acknowledged. No thread of
ours waits for that: it would take the interpreter from the loop each time. When a delivery fails the producer is thrown
away with all that it holds, and a new one made: after a failure nobody knows which sequence numbers the broker has
seen, and a fresh producer id makes the question go away.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, ParamSpec, TypeVar

from confluent_kafka import KafkaError, KafkaException, Producer

from schemas.topics import Topics
from services.common.kafka_connection import Address, is_reachable
from services.common.librdkafka import CONNECT_TIMEOUT_S, DELIVERY_TIMEOUT_S, ended, reason
from services.ingest.librdkafka import NotConnected, connected
from services.ingest.records import Record

P = ParamSpec("P")
T = TypeVar("T")

log = logging.getLogger(__name__)

MAX_OUTSTANDING = 20_000
"""Records that are accepted for sending and not yet acknowledged; beyond it callers are told to come back."""

POLL_S = 0.002
MAX_POLL_S = 0.02
"""How long an acknowledgement may lie unread: less while others come soon, more while the broker takes its time."""

PROBE_EVERY_S = 2.0
RETRY_CONNECT_S = 1.0
CLOSE_TIMEOUT_S = 10.0
ANSWER_BOUND_S = 3 * DELIVERY_TIMEOUT_S
STARTING = "connecting to Kafka for the first time"
STOPPING = "the service is stopping"

BROKER_UNAVAILABLE = "broker_unavailable"


class TryLater(Exception):
    """Nothing is claimed to be durable; the same records may be sent again after `after_s` seconds."""

    def __init__(self, code: str, message: str, after_s: int) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.after_s = after_s


def broker_away(reason: str) -> TryLater:
    """The broker does not answer, or did not acknowledge in time."""
    return TryLater(BROKER_UNAVAILABLE, f"the events could not be made durable: {reason}", after_s=5)


def overloaded() -> TryLater:
    """More is waiting than may wait."""
    return TryLater("overloaded", "too many events are waiting for Kafka; send this again in a moment", after_s=1)


class _Delivery:
    """The records of one caller: done when all are acknowledged, failed with the first that is not."""

    __slots__ = ("begun_s", "failed", "future", "left", "over", "records", "when_over")

    def __init__(
        self, records: int, when_over: Callable[[_Delivery], None], failed: Callable[[KafkaError], None]
    ) -> None:
        """`failed` is told of a record that is not known to be durable, and ends this delivery in its turn."""
        loop = asyncio.get_running_loop()
        self.records = self.left = records
        self.begun_s = loop.time()
        self.future: asyncio.Future[None] = loop.create_future()
        self.when_over = when_over
        self.failed = failed
        self.over = False

    def __call__(self, error: KafkaError | None, _message: Any) -> None:
        """One of the records is acknowledged, or is not."""
        if self.over:
            # Of a producer that was given up: on the thread that ends it.
            return
        if error is not None:
            self.failed(error)
            return
        self.left -= 1
        if not self.left:
            self.end(None)

    def end(self, problem: TryLater | None) -> None:
        """Tell the caller, unless it has gone."""
        self.over = True
        self.when_over(self)
        if self.future.done():
            return
        if problem is None:
            self.future.set_result(None)
        else:
            self.future.set_exception(problem)


class KafkaPublisher:
    """A durable way into Kafka for asyncio callers. `start` returns at once, whether the broker is there or not."""

    def __init__(self, kafka: Address, topics: Topics) -> None:
        self._kafka = kafka
        self._topics = topics
        # One for connecting and probing, and one for a producer that is being ended meanwhile.
        self._threads = ThreadPoolExecutor(2, "ingest-kafka")
        self._life: asyncio.Task[None] | None = None
        self._stopping = False
        self._woken = asyncio.Event()
        self._producer: Producer | None = None
        self._problem: str | None = STARTING
        # In the order in which they began.
        self._open: dict[_Delivery, None] = {}
        self._outstanding = 0
        self._next_look: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin to connect. Needs a running loop."""
        self._life = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Send what is under way, wait for its acknowledgement (bounded), and end."""
        self._stopping = True
        self._woken.set()
        if self._life is not None:
            await asyncio.wait([self._life], timeout=CLOSE_TIMEOUT_S + CONNECT_TIMEOUT_S)

    @property
    def problem(self) -> str | None:
        """Why nothing can be published at present, for people; None when it can."""
        return self._problem

    @property
    def alive(self) -> bool:
        """False when nothing looks after the connection any more: the process must be replaced."""
        return self._life is not None and not self._life.done()

    @property
    def outstanding(self) -> int:
        """Records that wait for their acknowledgement."""
        return self._outstanding

    async def publish(self, records: Sequence[Record]) -> None:
        """Return when every record is acknowledged by all in-sync replicas.

        Raises TryLater: some may be durable and some not, so all of them are to be sent again.
        """
        if not records:
            return
        if self._problem is not None or self._producer is None:
            raise broker_away(self._problem or STARTING)
        if self._outstanding + len(records) > MAX_OUTSTANDING:
            raise overloaded()
        delivery = _Delivery(len(records), self._forget, self._not_acknowledged)
        self._open[delivery] = None
        self._outstanding += len(records)
        self._hand_over(self._producer, records, delivery)
        await delivery.future

    def _hand_over(self, producer: Producer, records: Sequence[Record], delivery: _Delivery) -> None:
        try:
            for record in records:
                producer.produce(
                    record.topic, record.value, record.key, on_delivery=delivery, headers=[*record.headers] or None
                )
        except (KafkaException, BufferError) as error:
            self._fail(f"a record was not taken: {reason(error)}")
        if self._next_look is None:
            self._look_after(POLL_S)

    def _look_after(self, seconds: float) -> None:
        self._next_look = asyncio.get_running_loop().call_later(seconds, self._look)

    def _look(self) -> None:
        """Hear what was acknowledged; again a little later as long as anything is under way."""
        self._next_look = None
        if self._producer is not None:
            self._producer.poll(0)
        oldest = next(iter(self._open), None)
        if oldest is None:
            return
        waited_s = asyncio.get_running_loop().time() - oldest.begun_s
        if waited_s > ANSWER_BOUND_S:
            self._fail("Kafka did not acknowledge in time")
        else:
            # A quarter as long again: a slow broker is not asked hundreds of times for one acknowledgement.
            self._look_after(min(max(POLL_S, waited_s / 4), MAX_POLL_S))

    def _forget(self, delivery: _Delivery) -> None:
        del self._open[delivery]
        self._outstanding -= delivery.records

    def _not_acknowledged(self, error: KafkaError) -> None:
        self._fail(f"a record was not acknowledged: {error.name()}")

    def _fail(self, problem: str) -> None:
        """Nothing more goes to this producer, and nothing that it holds is waited for."""
        self._now(problem)
        self._woken.set()
        self._give_up(problem)

    def _give_up(self, problem: str) -> None:
        for delivery in list(self._open):
            delivery.end(broker_away(problem))

    async def _run(self) -> None:
        try:
            while not self._stopping:
                await self._live_once()
        finally:
            # Reached by a stop, or by an error we did not foresee: either way nothing more will be sent.
            self._now(self._problem or STOPPING)
            self._threads.shutdown(wait=False)

    async def _live_once(self) -> None:
        """Connect, serve until a delivery fails or the service stops."""
        self._woken.clear()
        try:
            producer = await self._on_thread(connected, self._kafka, self._topics, MAX_OUTSTANDING)
        except NotConnected as trouble:
            self._now(trouble.problem, trouble.for_us)
            await self._is_woken_within(RETRY_CONNECT_S)
            return
        self._producer = producer
        self._now(None)
        try:
            await self._serve()
        finally:
            self._producer = None
            # First, for those who wait are told on this thread, and what the producer lets go of is heard on another.
            self._give_up(self._problem or STOPPING)
            self._threads.submit(_end, producer)

    async def _serve(self) -> None:
        while not await self._is_woken_within(PROBE_EVERY_S):
            # While anything is under way, its end tells.
            if not self._open and not await self._on_thread(is_reachable, self._kafka) and not self._open:
                self._fail(f"no Kafka answers at {self._kafka}")
        if self._problem is None:
            self._now(STOPPING)
            await self._flush()

    async def _flush(self) -> None:
        """Wait for what is under way, within a bound."""
        if self._open:
            await asyncio.wait([delivery.future for delivery in self._open], timeout=CLOSE_TIMEOUT_S)

    async def _is_woken_within(self, seconds: float) -> bool:
        """Whether a delivery fails or the service stops in that time."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._woken.wait(), seconds)
        return self._woken.is_set()

    async def _on_thread(self, call: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, lambda: call(*arguments, **named))

    def _now(self, problem: str | None, for_us: str | None = None) -> None:
        if problem == self._problem:
            return
        self._problem = problem
        if problem is None:
            log.info("Kafka at %s is there; events are accepted", self._kafka)
        else:
            log.warning("no events are accepted: %s", for_us or problem)


def _end(producer: Producer) -> None:
    try:
        ended(producer)
    except KafkaException as error:
        log.warning("a Kafka producer did not end well: %s", reason(error))
