"""What the publisher makes of what librdkafka says, in whatever order it says it: nothing is claimed that was not
acknowledged, and nobody waits for what will not come."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import pytest
from confluent_kafka import KafkaError, KafkaException
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.topics import Topics
from services.ingest import publisher as module
from services.ingest.librdkafka import NotConnected
from services.ingest.publisher import KafkaPublisher, TryLater
from services.ingest.records import Record
from tests.support.waiting import wait_until_async

LOST = KafkaError(KafkaError._MSG_TIMED_OUT)
PURGED = KafkaError(KafkaError._PURGE_QUEUE)
FULL = KafkaException(KafkaError(KafkaError.MSG_SIZE_TOO_LARGE))

Told = Callable[[KafkaError | None, Any], None]


class ScriptedProducer:
    """Has of librdkafka's what the publisher uses: what was handed over is acknowledged when a test says so, and heard
    of in `poll`."""

    def __init__(self, takes: int = 1_000_000, refusal: Exception = FULL) -> None:
        self.handed: list[tuple[str, Told]] = []
        self.sayings: list[tuple[Told, KafkaError | None]] = []
        self.polls = 0
        self.ended_on = ""
        self._takes = takes
        self._refusal = refusal

    def produce(self, topic: str, value: bytes, key: bytes, *, on_delivery: Told, headers: object) -> None:
        if len(self.handed) == self._takes:
            raise self._refusal
        self.handed.append((value.decode(), on_delivery))

    def say(self, number: int, error: KafkaError | None = None) -> None:
        self.sayings.append((self.handed[number][1], error))

    def poll(self, _timeout: float) -> int:
        self.polls += 1
        sayings, self.sayings = self.sayings, []
        for told, error in sayings:
            told(error, None)
        return len(sayings)

    def purge(self) -> None:
        for _, told in self.handed:
            told(PURGED, None)

    def close(self) -> None:
        self.ended_on = threading.current_thread().name


class Scene:
    """A publisher whose producers are those of the script, one after the other; then Kafka is away."""

    def __init__(self, *producers: ScriptedProducer) -> None:
        self._coming = list(producers)
        self.publisher = KafkaPublisher("scripted", Topics("t"))

    def connect(self, *_arguments: object) -> ScriptedProducer:
        if not self._coming:
            raise NotConnected("there are no more")
        return self._coming.pop(0)

    async def begin(self) -> KafkaPublisher:
        self.publisher.start()
        await until(lambda: self.publisher.problem is None)
        return self.publisher


@contextmanager
def scene(*producers: ScriptedProducer) -> Iterator[Scene]:
    made = Scene(*producers)
    with (
        patch.object(module, "connected", made.connect),
        patch.object(module, "is_reachable", lambda _kafka: True),
        patch.object(module, "RETRY_CONNECT_S", 0.0),
    ):
        yield made


async def until(condition: Callable[[], object]) -> None:
    await wait_until_async(condition, "the publisher to go on")


def records(count: int) -> list[Record]:
    return [Record("t.events", b"C1", b"%d" % number) for number in range(count)]


@settings(deadline=None, max_examples=50)
@given(st.permutations(range(12)), st.integers(1, 12))
def test_it_returns_when_the_last_is_acknowledged(order: list[int], at_once: int) -> None:
    producer = ScriptedProducer()

    async def scenario(stage: Scene) -> None:
        publisher = await stage.begin()
        waiting = asyncio.create_task(publisher.publish(records(12)))
        await asyncio.sleep(0)
        for number, place in enumerate(order):
            assert not waiting.done()
            producer.say(place)
            if number % at_once == 0:
                polls = producer.polls
                await until(lambda: producer.polls > polls)  # noqa: B023
        await waiting
        assert publisher.outstanding == 0
        await publisher.close()

    with scene(producer) as stage:
        asyncio.run(scenario(stage))
    assert [value for value, _ in producer.handed] == [str(number) for number in range(12)]


@settings(deadline=None, max_examples=50)
@given(st.permutations(range(12)), st.sets(st.integers(0, 11), min_size=1))
def test_one_failure_is_enough_and_everybody_who_waits_is_told(order: list[int], failing: set[int]) -> None:
    first, second = ScriptedProducer(), ScriptedProducer()

    async def scenario(stage: Scene) -> None:
        publisher = await stage.begin()
        waiting = [asyncio.create_task(publisher.publish(records(6))) for _ in range(2)]
        await asyncio.sleep(0)
        for place in order:
            first.say(place, LOST if place in failing else None)
        until_failure = order[: min(map(order.index, failing))]
        acknowledged = [set(range(start, start + 6)) <= set(until_failure) for start in (0, 6)]
        told = await asyncio.gather(*waiting, return_exceptions=True)
        assert [answer is None for answer in told] == acknowledged
        assert {answer.code for answer in told if isinstance(answer, TryLater)} == {"broker_unavailable"}
        assert publisher.outstanding == 0
        # The next is sent by another producer, and what the first lets go of changes nothing any more.
        await until(lambda: publisher.problem is None)
        again = asyncio.create_task(publisher.publish(records(1)))
        await asyncio.sleep(0)
        await until(lambda: first.ended_on)
        second.say(0)
        await again
        await publisher.close()

    with scene(first, second) as stage:
        asyncio.run(scenario(stage))
    assert len(first.handed) == 12
    assert first.ended_on.startswith("ingest-kafka")


@pytest.mark.parametrize("refusal", [FULL, BufferError("Local: Queue full")])
def test_what_is_not_even_taken_is_not_claimed(refusal: Exception) -> None:
    producer = ScriptedProducer(takes=8, refusal=refusal)

    async def scenario(stage: Scene) -> None:
        publisher = await stage.begin()
        before = asyncio.create_task(publisher.publish(records(5)))
        await asyncio.sleep(0)
        with pytest.raises(TryLater, match="a record was not taken"):
            await publisher.publish(records(5))
        with pytest.raises(TryLater):
            await before
        assert publisher.outstanding == 0
        await until(lambda: producer.ended_on)
        await publisher.close()

    with scene(producer) as stage:
        asyncio.run(scenario(stage))


def test_who_goes_away_leaves_its_records_counted_until_their_end_is_known() -> None:
    producer = ScriptedProducer()

    async def scenario(stage: Scene) -> None:
        publisher = await stage.begin()
        gone, stays = (asyncio.create_task(publisher.publish(records(number))) for number in (3, 2))
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.wait([gone])
        assert publisher.outstanding == 5
        for number in range(5):
            producer.say(number)
        await stays
        assert publisher.outstanding == 0
        await publisher.close()

    with scene(producer) as stage:
        asyncio.run(scenario(stage))


def test_an_acknowledgement_that_never_comes_is_given_up() -> None:
    producer = ScriptedProducer()

    async def scenario(stage: Scene) -> None:
        publisher = await stage.begin()
        with patch.object(module, "ANSWER_BOUND_S", 0.0), pytest.raises(TryLater, match="did not acknowledge in time"):
            await publisher.publish(records(1))
        await publisher.close()

    with scene(producer) as stage:
        asyncio.run(scenario(stage))


def test_a_broker_that_goes_while_nothing_is_sent_is_noticed() -> None:
    async def scenario(stage: Scene) -> None:
        publisher = await stage.begin()
        with patch.object(module, "is_reachable", lambda _kafka: False):
            await until(lambda: publisher.problem is not None)
        with pytest.raises(TryLater) as caught:
            await publisher.publish(records(1))
        assert caught.value.code == "broker_unavailable"
        await publisher.close()

    with scene(ScriptedProducer()) as stage, patch.object(module, "PROBE_EVERY_S", 0.0):
        asyncio.run(scenario(stage))


def test_stopping_waits_for_what_is_under_way_and_takes_nothing_more() -> None:
    producer = ScriptedProducer()

    async def scenario(stage: Scene) -> None:
        publisher = await stage.begin()
        waiting = asyncio.create_task(publisher.publish(records(2)))
        await asyncio.sleep(0)
        closing = asyncio.create_task(publisher.close())
        await until(lambda: publisher.problem is not None)
        with pytest.raises(TryLater):
            await publisher.publish(records(1))
        assert not any((waiting.done(), closing.done(), producer.ended_on))
        producer.say(0)
        producer.say(1)
        await asyncio.gather(waiting, closing)
        assert not publisher.alive

    with scene(producer) as stage:
        asyncio.run(scenario(stage))


def test_what_is_not_acknowledged_while_it_stops_is_not_claimed() -> None:
    async def scenario(stage: Scene) -> None:
        publisher = await stage.begin()
        waiting = asyncio.create_task(publisher.publish(records(2)))
        await asyncio.sleep(0)
        await publisher.close()
        with pytest.raises(TryLater):
            await waiting

    with scene(ScriptedProducer()) as stage, patch.object(module, "CLOSE_TIMEOUT_S", 0.0):
        asyncio.run(scenario(stage))


def test_nobody_is_asked_while_nothing_is_under_way() -> None:
    producer = ScriptedProducer()

    async def scenario(stage: Scene) -> None:
        publisher = await stage.begin()
        waiting = asyncio.create_task(publisher.publish(records(1)))
        await asyncio.sleep(0)
        producer.say(0)
        await waiting
        polls = producer.polls
        await asyncio.sleep(2 * module.MAX_POLL_S)
        assert producer.polls <= polls + 1
        await publisher.close()

    with scene(producer) as stage:
        asyncio.run(scenario(stage))
