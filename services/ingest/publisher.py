"""Sends records to Kafka and tells when they are durable. The only importer of kafka-python's producer.

One thread owns the producer, since `send()` may block for metadata. Whoever publishes waits on an asyncio future. When
a delivery fails the producer is thrown away and a new one made: after a failure nobody knows which sequence numbers the
broker has seen, and a fresh producer id makes the question go away.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from kafka import KafkaProducer
from kafka.errors import KafkaError

from schemas.topics import Topics
from services.common.kafka_connection import Address, UnusableCertificate, client_options, is_reachable, why_unusable
from services.ingest.records import Record

log = logging.getLogger(__name__)

MAX_OUTSTANDING = 20_000
"""Records that are accepted for sending and not yet acknowledged; beyond it callers are told to come back."""

CONNECT_TIMEOUT_S = 5.0
DELIVERY_TIMEOUT_S = 10.0
PROBE_EVERY_S = 2.0
RETRY_CONNECT_S = 1.0
CLOSE_TIMEOUT_S = 10.0
ANSWER_BOUND_S = 3 * DELIVERY_TIMEOUT_S
LINGER_MS = 5
BATCH_BYTES = 256 * 1024
STARTING = "connecting to Kafka for the first time"


class TryLater(Exception):
    """Nothing is claimed to be durable; the same records may be sent again after `after_s` seconds."""

    def __init__(self, code: str, message: str, after_s: int) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.after_s = after_s


def broker_away(reason: str) -> TryLater:
    """The broker does not answer, or did not acknowledge in time."""
    return TryLater("broker_unavailable", f"the events could not be made durable: {reason}", after_s=5)


def overloaded() -> TryLater:
    """More is waiting than may wait."""
    return TryLater("overloaded", "too many events are waiting for Kafka; send this again in a moment", after_s=1)


class _Delivery:
    """The records of one caller: done when all are acknowledged, failed with the first that is seen to fail."""

    def __init__(self, records: Sequence[Record]) -> None:
        self.records = records
        self.send_before = time.monotonic() + DELIVERY_TIMEOUT_S
        self.future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.when_done: Callable[[_Delivery], None] = _nothing

    def acknowledged(self) -> None:
        """All are durable. Called on Kafka's network thread, rarely on the sender's."""
        self._resolve(None)

    def failed(self, problem: TryLater) -> None:
        """A record is not known to be durable."""
        self._resolve(problem)

    def _resolve(self, problem: TryLater | None) -> None:
        self.when_done(self)
        try:
            self.future.get_loop().call_soon_threadsafe(self._set, problem)
        except RuntimeError:
            # The loop is closed: the service stopped before the answer came, and nobody waits for it.
            log.warning("an answer of Kafka came after the service had stopped")

    def _set(self, problem: TryLater | None) -> None:
        if self.future.done():
            return
        if problem is None:
            self.future.set_result(None)
        else:
            self.future.set_exception(problem)


class _Awaited:
    """Kafka's futures of one delivery.

    Only one at a time is listened to: the last that is not done. Records of a partition are acknowledged together and
    in order, so that is about one callback a partition instead of two a record.
    """

    def __init__(self, futures: list[Any], done: Callable[[], None], failed: Callable[[BaseException], None]) -> None:
        self._futures = futures
        self._done = done
        self._failed = failed

    def listen(self, _metadata: object = None) -> None:
        """To the last that is not done; call `done` when there is none, `failed` at the first failure that is seen."""
        futures = self._futures
        while futures and futures[-1].is_done:
            last = futures.pop()
            if last.exception is not None:
                self._failed(last.exception)
                return
        if futures:
            # If it is done by now, it calls at once.
            futures[-1].add_callback(self.listen).add_errback(self._failed)
        else:
            self._done()


def _nothing(_delivery: _Delivery) -> None:
    """Before it is handed to a producer nobody keeps track of a delivery."""


@dataclass(frozen=True)
class _Stop:
    """The last thing in the queue."""


class KafkaPublisher:
    """A durable way into Kafka for asyncio callers. `start` returns at once, whether the broker is there or not."""

    def __init__(self, kafka: Address, topics: Topics) -> None:
        self._kafka = kafka
        self._topics = topics
        self._queue: queue.SimpleQueue[_Delivery | _Stop] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="ingest-sender", daemon=True)
        self._problem: str | None = STARTING
        self._delivery_error: str | None = None
        self._open: set[_Delivery] = set()
        self._outstanding = 0

    def start(self) -> None:
        """Begin to connect."""
        self._thread.start()

    async def close(self) -> None:
        """Send what is queued, wait for its acknowledgement (bounded), and end."""
        self._queue.put(_Stop())
        await asyncio.to_thread(self._thread.join, CLOSE_TIMEOUT_S + CONNECT_TIMEOUT_S)

    @property
    def problem(self) -> str | None:
        """Why nothing can be published at present, for people; None when it can."""
        return self._problem

    @property
    def alive(self) -> bool:
        """False when the sending thread has ended: the process must be replaced."""
        return self._thread.is_alive()

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
        if self._problem is not None:
            raise broker_away(self._problem)
        if self._outstanding + len(records) > MAX_OUTSTANDING:
            raise overloaded()
        delivery = _Delivery(records)
        self._outstanding += len(records)
        try:
            self._queue.put(delivery)
            await asyncio.wait_for(delivery.future, ANSWER_BOUND_S)
        except TimeoutError:
            raise broker_away("Kafka did not acknowledge in time") from None
        finally:
            self._outstanding -= len(records)

    # What follows runs on the sender's thread.

    def _run(self) -> None:
        try:
            while self._serve_one_producer():
                pass
        finally:
            # Reached by a stop, or by an error we did not foresee: either way nothing more will be sent.
            self._now(self._problem or "the service is stopping")
            self._refuse_queued()

    def _serve_one_producer(self) -> bool:
        """Connect, serve until a delivery fails or the service stops. False when the service stops."""
        producer = self._connect()
        if producer is None:
            return self._refuse_queued(RETRY_CONNECT_S)
        self._delivery_error = None
        self._now(None)
        goes_on = self._serve(producer)
        if goes_on:
            self._drop(producer)
        else:
            _close(producer)
        return goes_on

    def _drop(self, producer: KafkaProducer) -> None:
        """Leave a failed producer behind: its callers send their events again."""
        for delivery in list(self._open):
            delivery.failed(broker_away(self._problem or STARTING))
        self._open.clear()
        # Closing waits until what it holds is sent or expired, and gives up with a live thread if told not to wait.
        threading.Thread(target=_close, args=(producer,), name="ingest-producer-close", daemon=True).start()

    def _connect(self) -> KafkaProducer | None:
        """A producer that knows the three topics, or None (the reason is in `problem`)."""
        # A bare connection first: a producer costs threads and half a minute of patience on a dead address.
        if not is_reachable(self._kafka):
            self._now(f"no Kafka answers at {self._kafka}")
            return None
        try:
            producer = new_producer(self._kafka)
        except (KafkaError, OSError, ValueError, UnusableCertificate) as error:
            # Whoever sends events learns no more than that; how we are let in is our business.
            self._now(f"Kafka at {self._kafka} cannot be used", why_unusable(self._kafka, error))
            return None
        missing = _first_missing(producer, self._topics)
        if missing is not None:
            self._now(f'topic "{missing}" is not known to Kafka; bellwether topics create makes it')
            _close(producer)
            return None
        return producer

    def _serve(self, producer: KafkaProducer) -> bool:
        while self._delivery_error is None:
            try:
                delivery = self._queue.get(timeout=PROBE_EVERY_S)
            except queue.Empty:
                if not is_reachable(self._kafka):
                    self._delivery_error = f"no Kafka answers at {self._kafka}"
                continue
            if isinstance(delivery, _Stop):
                return False
            self._send(producer, delivery)
        self._now(self._delivery_error)
        return True

    def _send(self, producer: KafkaProducer, delivery: _Delivery) -> None:
        if time.monotonic() > delivery.send_before:
            delivery.failed(broker_away("they waited too long for their turn"))
            return

        def failed(error: BaseException) -> None:
            self._delivery_error = f"a record was not acknowledged: {type(error).__name__}"
            delivery.failed(broker_away(self._delivery_error))

        self._open.add(delivery)
        delivery.when_done = self._open.discard
        try:
            futures = [
                producer.send(record.topic, key=record.key, value=record.value, headers=list(record.headers))
                for record in delivery.records
            ]
        except KafkaError as error:
            failed(error)
        else:
            _Awaited(futures, delivery.acknowledged, failed).listen()

    def _refuse_queued(self, for_s: float = 0.0) -> bool:
        """Fail what is queued, and what comes within `for_s` seconds. False when a stop was among it."""
        until = time.monotonic() + for_s
        while True:
            try:
                delivery = self._queue.get(timeout=max(0.0, until - time.monotonic()))
            except queue.Empty:
                return True
            if isinstance(delivery, _Stop):
                return False
            delivery.failed(broker_away(self._problem or "the service is stopping"))

    def _now(self, problem: str | None, for_us: str | None = None) -> None:
        if problem == self._problem:
            return
        self._problem = problem
        if problem is None:
            log.info("Kafka at %s is there; events are accepted", self._kafka)
        else:
            log.warning("no events are accepted: %s", for_us or problem)


def new_producer(kafka: Address) -> KafkaProducer:
    """A producer whose records are durable when they are acknowledged.

    Raises KafkaError, OSError, ValueError, UnusableCertificate.
    """
    return KafkaProducer(
        **client_options(kafka),
        client_id="bellwether-ingest",
        acks="all",
        enable_idempotence=True,
        allow_auto_create_topics=False,
        bootstrap_timeout_ms=int(CONNECT_TIMEOUT_S * 1000),
        max_block_ms=int(CONNECT_TIMEOUT_S * 1000),
        request_timeout_ms=int(DELIVERY_TIMEOUT_S * 800),
        delivery_timeout_ms=int(DELIVERY_TIMEOUT_S * 1000),
        reconnect_backoff_max_ms=1000,
        linger_ms=LINGER_MS,
        batch_size=BATCH_BYTES,
        metrics_enabled=False,
    )


def _close(producer: KafkaProducer) -> None:
    """Send what it holds, within a bound, and end it."""
    try:
        producer.close(timeout=CLOSE_TIMEOUT_S + 1)
    except KafkaError as error:
        log.warning("a Kafka producer did not close in time: %s", type(error).__name__)


def _first_missing(producer: KafkaProducer, topics: Topics) -> str | None:
    for topic in (topics.events, topics.dead_letters, topics.reference):
        try:
            producer.partitions_for(topic)
        except KafkaError:
            return topic
    return None
