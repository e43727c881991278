"""Going to more partitions with workers at work before and after: nothing is lost, false or said twice.

The command alone, on a fake and on a real broker: tests/unit/rules/test_growing.py, tests/contract/rules/.
"""

from __future__ import annotations

import random
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from kafka import KafkaConsumer, TopicPartition

from deploy.process import Child, start_child
from schemas.codec import decode
from schemas.events import ReferenceEvent
from schemas.topics import Topics
from services.common.kafka_admin import admin_client
from services.rules.growing import grown_topics
from services.rules.reference import Reference
from tests.chaos.load import END, POISON, Load, core, make_load
from tests.chaos.verdict import Verdict, judge
from tests.support.commands import ROOT, bellwether_argv, bellwether_env, run_bellwether
from tests.support.fixtures import Kafka
from tests.support.rules_worker import Installation, Sent, Worker
from tests.support.waiting import wait_until

OLD, NEW = 4, 8


@pytest.fixture
def place(kafka: Kafka, make_topics: Callable[..., Topics], tmp_path: Path) -> Iterator[Installation]:
    """Workers on the events' own time; they end with the test."""
    made = Installation(kafka.bootstrap, make_topics(OLD), OLD, tmp_path)
    yield made
    made.stop()


def harmless(seed: int, events: int, share: float) -> Load:
    """A load without poison: these are workers as they are shipped."""
    load = make_load(seed, events, OLD, share)
    good = [record for record in load.records if f'"id":"{POISON}'.encode() not in record.value]
    dead = Counter({name: count for name, count in load.dead.items() if name[0] != "poison"})
    return replace(load, records=good, dead=dead)


def thirds(load: Load) -> list[list[Sent]]:
    """In the order of sending."""
    sent: list[Sent] = [(one.key, one.value, one.partition) for one in load.records]
    cut = len(sent) // 3
    return [sent[:cut], sent[cut : 2 * cut], sent[2 * cut :]]


def run_worker(place: Installation) -> Worker:
    return place.worker("services.cli", "rules", "run")


def grow(place: Installation, *options: str) -> subprocess.CompletedProcess[str]:
    return run_bellwether("topics", "grow", "--partitions", str(NEW), *options, env=place.env())


def grown(place: Installation, *options: str) -> str:
    done = grow(place, *options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def counts(place: Installation) -> set[int]:
    """How many partitions the topics have that are to grow."""
    with admin_client(place.bootstrap) as admin:
        topics = admin.describe_topics(grown_topics(place.topics))
    return {len(topic["partitions"]) for topic in topics}


def kill_when(place: Installation, condition: Callable[[], bool], name: str) -> bool:
    """Starts the command and kills it as soon as the condition holds; whether it was alive then."""
    argv = bellwether_argv("topics", "grow", "--partitions", str(NEW))
    log = place.directory / f"{name}.log"
    child: Child = start_child(name, argv, log_file=log, env=bellwether_env(place.env()), cwd=ROOT)
    wait_until(lambda: child.exit_code() is not None or condition(), f"the moment to kill {name}", 60)
    was_alive = child.exit_code() is None
    child.kill()
    return was_alive


def verdict(place: Installation, load: Load) -> Verdict:
    """Everything on the topics against the core alone over the same events."""
    reference = Reference()
    for _, value in load.reference:
        event = decode(value)
        assert isinstance(event, ReferenceEvent)
        reference.learn(event)
    by_partition = [
        [one for one in place.read(place.topics.changelog) if one.partition == n] for n in range(place.partitions)
    ]
    warnings = [record.value for record in place.read(place.topics.warnings)]
    return judge(core(reference), load.expected(), by_partition, warnings, place.dead_letters())


def finish(place: Installation, load: Load) -> None:
    """Time goes on until all that was due has been said."""
    place.wait_until_done(120)
    done = run_bellwether("advance", END.isoformat(), env=place.env())
    assert done.returncode == 0, done.stderr
    assert f"told {place.partitions} partitions" in done.stdout
    place.wait_until_done(120)
    found = verdict(place, load)
    assert found.good, str(found)
    assert found.warnings > 20


@pytest.mark.nightly
def test_states_follow_their_customers_and_what_waited_is_heard(place: Installation) -> None:
    seed = random.SystemRandom().randrange(10**6)
    print(f"seed {seed}")
    load = harmless(seed, 500, 0.08)
    first, second, third = thirds(load)
    place.publish([(key, value, None) for key, value in load.reference], place.topics.reference)
    place.publish(first)
    worker = run_worker(place)
    wait_until(lambda: worker.metric("bellwether_rules_events_applied_total") > 0, "some events to be applied", 60)
    refused = grow(place)
    assert refused.returncode == 1
    assert "1 workers are in the group" in refused.stderr
    assert worker.process().stop() == 0
    place.publish(second)

    assert "nothing was changed" in grown(place, "--dry-run")
    assert counts(place) == {OLD}
    assert kill_when(place, lambda: counts(place) != {OLD}, "killed")
    assert len(counts(place)) == 2, "no worker may start in between"
    assert "4 -> 8 (a growth that was cut off before)" in grown(place)
    assert counts(place) == {NEW}

    place.partitions = NEW
    # The first half comes of a producer that has not seen the new partitions yet.
    place.publish([(key, value, partition or 0) for key, value, partition in third[::2]])
    place.publish(third[1::2])
    run_worker(place)
    run_worker(place)
    finish(place, load)


@pytest.mark.nightly
@pytest.mark.parametrize("kills", range(4))
def test_killed_again_and_again_while_everything_moves(place: Installation, kills: int) -> None:
    seed = random.SystemRandom().randrange(10**6)
    print(f"seed {seed}")
    rng = random.Random(seed)
    load = harmless(seed, 6_000, 0.9)
    first, second, third = thirds(load)
    place.publish([(key, value, None) for key, value in load.reference], place.topics.reference)
    place.publish(first)
    worker = run_worker(place)
    enough = rng.randrange(1, len(first) // 2)
    wait_until(lambda: worker.metric("bellwether_rules_events_applied_total") > enough, f"{enough} events", 60)
    worker.process().kill()
    place.publish(second)
    wait_until(lambda: not members(place), "the killed worker to leave the group", 60)
    for number in range(kills):
        enough = written(place) + rng.randrange(1, 400)
        kill_when(place, partial(has_written, place, enough), f"kill-{number}")
        if counts(place) not in ({OLD}, {NEW}):
            late = run_worker(place)
            assert late.process().wait(30) == 1
            assert "a growth was begun; finish it with `bellwether topics grow --partitions 8`" in late.log_text()
            place.workers.remove(late)
    grown(place)
    place.partitions = NEW
    place.publish(third)
    for _ in range(3):
        run_worker(place)
    wait_until(lambda: worker_partitions(place) == NEW, "all partitions to be worked on", 60)
    place.workers[-1].process().stop()
    finish(place, load)
    assert "of whom move         0" in grown(place, "--dry-run")


def members(place: Installation) -> list[object]:
    """The workers in the group, dead ones whose session has not ended among them."""
    group = f"{place.topics.prefix}-rules"
    with admin_client(place.bootstrap) as admin:
        found: list[object] = admin.describe_groups([group])[group]["members"]
    return found


def has_written(place: Installation, enough: int) -> bool:
    return written(place) > enough


def written(place: Installation) -> int:
    """Records on the changelog and the events topic."""
    consumer = KafkaConsumer(bootstrap_servers=place.bootstrap)
    try:
        tps = [
            TopicPartition(topic, number)
            for topic in (place.topics.changelog, place.topics.events)
            for number in consumer.partitions_for_topic(topic) or ()
        ]
        return sum(consumer.end_offsets(tps).values())
    finally:
        consumer.close()


def worker_partitions(place: Installation) -> float:
    """How many partitions are worked on, by those who live."""
    return sum(worker.metric("bellwether_rules_partitions") for worker in place.workers)
