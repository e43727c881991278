"""The rules worker on a real broker: kills, joining and leaving, a broker that comes and goes, bad records, clocks."""

from __future__ import annotations

import os
import random
import signal
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import orjson
import pytest

from deploy.kafka import Broker, new_place
from schemas.topics import Topics, topic_specs
from services.common.clock import set_manual_clock
from services.common.kafka_admin import ensure_topics
from services.rules.calendar import micros
from services.rules.partitioner import partition_of
from tests.support.commands import call_bellwether, run_bellwether
from tests.support.fixtures import Kafka, start_broker
from tests.support.records import START, at, customer_on
from tests.support.rules_worker import Installation, Sent, Worker
from tests.support.standin_core import SILENCE_US, WARN_EVERY, payment
from tests.support.waiting import wait_until

PARTITIONS = 4
Install = Callable[..., Installation]


@pytest.fixture
def install(kafka: Kafka, make_topics: Callable[..., Topics], tmp_path: Path) -> Iterator[Install]:
    """install(clock="event"): topics of this test's own, whose workers end with it."""
    made: list[Installation] = []

    def build(clock: str = "event") -> Installation:
        made.append(Installation(kafka.bootstrap, make_topics(PARTITIONS), PARTITIONS, tmp_path, clock))
        return made[-1]

    yield build
    for installation in made:
        installation.stop()


class History:
    """Payments two minutes apart, and what must come of them, worked out without the runtime."""

    def __init__(self, events: int, customers: int, seed: int) -> None:
        rng = random.Random(seed)
        self.events = [
            (f"C-{rng.randrange(customers)}", f"E-{n}", START + timedelta(minutes=2 * n)) for n in range(events)
        ]

    def records(self) -> list[Sent]:
        return [(customer_id, payment(customer_id, name, time), None) for customer_id, name, time in self.events]

    def counts(self) -> dict[str, tuple[int, str]]:
        found = Counter(customer_id for customer_id, _, _ in self.events)
        return {customer_id: (count, f"{count}.00") for customer_id, count in found.items()}

    def warnings(self) -> set[tuple[str, int]]:
        """Under the event clock: each tenth payment, and each silence that its partition's clock has seen pass."""
        ids = {f"{c}:{n}" for c, (count, _) in self.counts().items() for n in range(WARN_EVERY, count + 1, WARN_EVERY)}
        clocks: dict[int, int] = {}
        times: dict[str, list[int]] = defaultdict(list)
        for customer_id, _, time in self.events:
            clocks[partition_of(customer_id, PARTITIONS)] = micros(time)
            times[customer_id].append(micros(time))
        for customer_id, mine in times.items():
            ends = [*mine[1:], clocks[partition_of(customer_id, PARTITIONS)]]
            ids |= {f"{customer_id}:silent:{t}" for t, end in zip(mine, ends, strict=True) if end - t >= SILENCE_US}
        return {(name, 1) for name in ids}


def test_a_worker_killed_at_any_moment_loses_nothing_and_does_nothing_twice(install: Install) -> None:
    seed = random.SystemRandom().randrange(10**6)
    print(f"seed {seed}")
    rng = random.Random(seed)
    place = install("event")
    history = History(20_000, 400, seed)
    place.publish(history.records())
    for _ in range(3):
        worker = place.worker()
        wait_for_events(worker, rng.randrange(1, 4_000))
        worker.process().kill()
    place.worker()
    place.wait_until_done()

    assert place.counts() == history.counts()
    expected = history.warnings()
    assert len([name for name, _ in expected if "silent" in name]) > 1_000
    assert set(place.warnings()) == expected


def wait_for_events(worker: Worker, enough: int) -> None:
    wait_until(lambda: worker.metric("bellwether_rules_events_applied_total") >= enough, f"{enough} events")


def test_workers_that_join_and_leave_share_the_work_without_loss(install: Install) -> None:
    place = install("event")
    history = History(12_000, 400, seed=2)
    records = history.records()
    place.publish(records[:4_000])
    first = place.worker()
    first.wait_until_ready()
    rest = [records[n : n + 500] for n in range(4_000, 12_000, 500)]
    publisher = threading.Thread(target=publish_each, args=(place, rest))
    publisher.start()
    second = place.worker()
    wait_until(lambda: second.metric("bellwether_rules_partitions") > 0, "the second worker to have partitions")
    wait_until(
        lambda: (
            first.metric("bellwether_rules_partitions") + second.metric("bellwether_rules_partitions") == PARTITIONS
        ),
        "all partitions to be worked on",
    )
    assert first.process().stop() == 0
    publisher.join(60)
    place.wait_until_done()

    assert place.counts() == history.counts()
    assert set(place.warnings()) == history.warnings()


# Nightly: tests/chaos/test_simulated.py plays workers that sleep in every run.
@pytest.mark.nightly
def test_a_worker_that_sleeps_past_its_session_and_wakes_up_does_no_harm(install: Install) -> None:
    place = install("event")
    history = History(12_000, 400, seed=5)
    records = history.records()
    place.publish(records[:8_000])
    first = place.worker()
    wait_for_events(first, 1)
    os.kill(first.process().pid, signal.SIGSTOP)
    try:
        # Takes over once the session of the first has run out.
        second = place.worker()
        wait_for_events(second, 1_000)
    finally:
        os.kill(first.process().pid, signal.SIGCONT)
    # Whoever finds the other's states among its own ends, and is started anew.
    with kept_running(first, second):
        place.publish(records[8_000:])
        place.wait_until_done(120)

    assert place.counts() == history.counts()
    assert set(place.warnings()) == history.warnings()


def publish_each(place: Installation, portions: list[list[Sent]]) -> None:
    for portion in portions:
        place.publish(portion)


def test_a_worker_waits_for_kafka_and_survives_its_death(tmp_path: Path) -> None:
    broker = Broker(new_place(tmp_path / "own-kafka"))
    topics = Topics("own")
    place = Installation(broker.bootstrap, topics, PARTITIONS, tmp_path)
    history = History(6_000, 100, seed=3)
    records = history.records()
    try:
        worker = place.worker()
        wait_until(lambda: "waiting for Kafka" in worker.page("/readyz")[1], "the worker to say what it waits for")
        assert worker.page("/healthz")[0] == 200
        worker.process().kill()
        start_broker(broker)
        ensure_topics(broker.bootstrap, topic_specs(topics.prefix, PARTITIONS))
        broker.stop()
        worker.start()
        wait_until(lambda: "trying again" in worker.log_text(), "a line in the log")
        broker.start()
        place.publish(records[:3_000])
        worker.wait_until_ready()
        wait_for_events(worker, 1)
        broker.kill()
        broker.start()
        place.publish(records[3_000:])
        with kept_running(worker):
            place.wait_until_done(90)
        assert place.counts() == history.counts()
        assert set(place.warnings()) == history.warnings()
    finally:
        place.stop()
        broker.stop()


@contextmanager
def kept_running(*workers: Worker) -> Iterator[None]:
    """What a supervisor does: a worker that gave up is started anew."""
    done = threading.Event()

    def keep() -> None:
        while not done.wait(0.2):
            for worker in workers:
                if worker.process().exit_code() is not None:
                    worker.start()

    keeper = threading.Thread(target=keep)
    keeper.start()
    try:
        yield
    finally:
        done.set()
        keeper.join()


def test_bad_records_go_to_the_dead_letters_or_to_their_partition_and_the_rest_is_applied(install: Install) -> None:
    place = install("event")
    home, other = customer_on(0), customer_on(1)
    poison = payment(home, "E-poison", at(2), payment_id="poison")
    refused = payment(home, "E-refused", at(3), payment_id="refused")
    place.publish(
        [
            (home, payment(home, "E-1", at(1)), None),
            (home, poison, None),
            (home, b"\xff not json", None),
            (None, refused, 0),
            (home, refused, None),
            (other, payment(other, "E-2", at(1)), 0),
            (other, payment(other, "E-2", at(1)), 3),
            (None, payment(home, "E-3", at(4)), 0),
            (home, payment(home, "E-4", at(5)), None),
        ]
    )
    worker = place.worker()
    worker.wait_until_ready()
    wait_until(lambda: place.counts() == {home: (3, "3.00"), other: (1, "1.00")}, "the good ones")
    place.wait_until_done()

    assert Counter(place.dead_letters()) == Counter(
        [("poison", poison), ("not_json", b"\xff not json"), ("id_reused", refused), ("id_reused", refused)]
    )
    assert worker.metric("bellwether_rules_forwarded_total") == 4
    assert "E-poison" not in worker.log_text()
    assert worker.process().stop() == 0


def test_advance_moves_the_event_clock_of_every_partition(install: Install) -> None:
    place = install("event")
    customers = [customer_on(number) for number in range(PARTITIONS)]
    place.publish([(customer_id, payment(customer_id, f"E-{customer_id}", at(0)), None) for customer_id in customers])
    place.worker()
    place.wait_until_done()
    assert place.warnings() == {}

    answer = call_bellwether("advance", at(24).isoformat(), env=place.env())
    assert answer.returncode == 0, answer.stderr
    place.wait_until_done()
    assert set(place.warnings()) == {(f"{customer_id}:silent:{micros(at(0))}", 1) for customer_id in customers}


def test_advance_without_a_zone_or_a_kafka_is_a_sentence(install: Install) -> None:
    place = install("event")
    answer = call_bellwether("advance", "2026-03-01T00:00:00", env=place.env())
    assert answer.returncode == 2
    assert "has no zone" in answer.stderr
    answer = call_bellwether("advance", at(0).isoformat(), env={**place.env(), "BELLWETHER_KAFKA": "127.0.0.1:1"})
    assert answer.returncode == 1
    assert "no Kafka answers at 127.0.0.1:1" in answer.stderr


def test_the_manual_clock_wakes_customers_and_a_restart_does_not_wake_them_again(
    install: Install, tmp_path: Path
) -> None:
    clock = tmp_path / "now.txt"
    set_manual_clock(clock, at(1))
    place = install(f"manual:{clock}")
    customer_id = customer_on(2)
    place.publish([(customer_id, payment(customer_id, "E-1", at(0)), None)])
    worker = place.worker()
    place.wait_until_done()
    assert place.warnings() == {}
    set_manual_clock(clock, at(24))
    silence = (f"{customer_id}:silent:{micros(at(0))}", 1)
    wait_until(lambda: set(place.warnings()) == {silence}, "the wake-up")
    assert orjson.loads(place.warnings()[silence])["at"] == micros(at(24))

    assert worker.process().stop() == 0
    set_manual_clock(clock, at(100))
    worker.start()
    place.publish([(customer_id, payment(customer_id, "E-2", at(50)), None)])
    second = (f"{customer_id}:silent:{micros(at(50))}", 1)
    wait_until(lambda: set(place.warnings()) == {silence, second}, "the second wake-up")
    assert orjson.loads(place.warnings()[silence])["at"] == micros(at(24))


def test_a_worker_without_topics_says_what_to_do(kafka: Kafka, tmp_path: Path) -> None:
    place = Installation(kafka.bootstrap, Topics("never-made"), PARTITIONS, tmp_path)
    worker = place.worker()
    assert worker.process().wait(30) == 1
    assert "topic never-made.events does not exist: run `bellwether topics create` first" in worker.log_text()


def test_a_worker_with_another_number_of_partitions_refuses_to_start(install: Install, tmp_path: Path) -> None:
    place = install("event")
    place.partitions = PARTITIONS + 1
    worker = Installation(place.bootstrap, place.topics, PARTITIONS + 1, tmp_path).worker()
    assert worker.process().wait(30) == 1
    assert "has 4 partitions where 5 are wanted" in worker.log_text()


def test_the_command_runs_the_real_rules_until_it_is_told_to_stop(install: Install) -> None:
    place = install("wall")
    worker = place.worker("services.cli", "rules", "run")
    worker.wait_until_ready()
    assert worker.process().stop() == 0


def test_a_manual_clock_that_cannot_be_read_is_a_sentence(install: Install, tmp_path: Path) -> None:
    place = install(f"manual:{tmp_path / 'missing.txt'}")
    answer = run_bellwether("rules", "run", env=place.env())
    assert answer.returncode == 1
    assert "missing.txt cannot be read" in answer.stderr
    assert "Traceback" not in answer.stderr
