"""Events on partitions where their customers do not live: applied once each, whoever is killed on the way."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from kafka import KafkaConsumer, TopicPartition

from schemas.topics import Topics
from services.rules.partitioner import partition_of
from services.rules.port import CLOCK_KEY
from tests.support.fixtures import Kafka
from tests.support.records import START
from tests.support.rules_worker import Installation, Sent
from tests.support.standin_core import WARN_EVERY, payment
from tests.support.waiting import wait_until

PARTITIONS = 4
CUSTOMERS = [f"C-{number}" for number in range(60)]


@pytest.fixture
def place(kafka: Kafka, make_topics: Callable[..., Topics], tmp_path: Path) -> Iterator[Installation]:
    made = Installation(kafka.bootstrap, make_topics(PARTITIONS), PARTITIONS, tmp_path)
    yield made
    made.stop()


class Mail:
    """Payments of many customers, most of them put where they do not belong, some of them twice."""

    def __init__(self, events: int, seed: int) -> None:
        self.rng = random.Random(seed)
        self.sent: list[Sent] = []
        self.counts: Counter[str] = Counter()
        for number in range(events):
            customer_id = self.rng.choice(CUSTOMERS)
            event = payment(customer_id, f"E-{number}", START + timedelta(minutes=number))
            self.counts[customer_id] += 1
            for _ in range(self.rng.choice((1, 1, 2))):
                self.sent.append(self.address(customer_id, event))

    def address(self, customer_id: str, event: bytes) -> Sent:
        """As it should be; of a client with another partitioner; without a key; under the key of somebody else."""
        anywhere = self.rng.randrange(PARTITIONS)
        other = self.rng.choice(CUSTOMERS)
        choices: list[Sent] = [
            (customer_id, event, None),
            (customer_id, event, anywhere),
            (None, event, anywhere),
            (other, event, None),
        ]
        return self.rng.choice(choices)

    def astray(self) -> int:
        """How many must be forwarded."""
        found = 0
        for key, value, partition in self.sent:
            subject = value.split(b'"subject":"')[1].split(b'"')[0].decode()
            home = partition_of(subject, PARTITIONS)
            found += key != subject or (home if partition is None else partition) != home
        return found


def ends(place: Installation) -> dict[int, int]:
    """The length of each partition of the events topic."""
    consumer = KafkaConsumer(bootstrap_servers=place.bootstrap)
    try:
        found = consumer.end_offsets([TopicPartition(place.topics.events, number) for number in range(PARTITIONS)])
    finally:
        consumer.close()
    return {tp.partition: end for tp, end in found.items()}


def has_more_than(place: Installation, records: int) -> bool:
    return sum(ends(place).values()) > records


def is_shared(held: list[float]) -> bool:
    return all(held) and sum(held) == PARTITIONS


def require_applied_once(place: Installation, mail: Mail) -> None:
    counted = {customer_id: count for customer_id, (count, _) in place.counts().items()}
    assert counted == mail.counts
    for record in place.read(place.topics.changelog):
        if record.key[:1] != CLOCK_KEY[:1]:
            assert record.partition == partition_of(record.key.decode().split("\x1f")[0], PARTITIONS)
    tenths = {name for name, _ in place.warnings() if "silent" not in name}
    assert tenths == {f"{c}:{n}" for c, count in mail.counts.items() for n in range(WARN_EVERY, count + 1, WARN_EVERY)}
    assert place.dead_letters() == []


@pytest.mark.parametrize("kills", [1, pytest.param(6, marks=pytest.mark.nightly)])
def test_events_astray_are_applied_once_though_the_worker_dies_between_forwarding_and_committing(
    place: Installation, kills: int
) -> None:
    seed = random.SystemRandom().randrange(10**6)
    print(f"seed {seed}")
    mail = Mail(2_000, seed)
    worker = None
    portion = len(mail.sent) // kills + 1
    for kill in range(kills):
        place.publish(mail.sent[kill * portion : (kill + 1) * portion])
        before = sum(ends(place).values())
        worker = worker.start() if worker else place.worker()
        # Commits come every second: with the first forwarded record there, most of them are still to come.
        wait_until(partial(has_more_than, place, before), "something to be forwarded", 60)
        worker.process().kill()
    assert worker is not None
    worker.start()
    place.wait_until_done(120)

    require_applied_once(place, mail)
    forwarded = sum(ends(place).values()) - len(mail.sent)
    assert forwarded >= mail.astray()
    print(f"{mail.astray()} were astray, {forwarded} were forwarded")


@pytest.mark.nightly
def test_two_workers_send_each_other_what_belongs_to_the_other(place: Installation) -> None:
    mail = Mail(600, seed=4)
    workers = [place.worker(), place.worker()]
    held = "bellwether_rules_partitions"
    wait_until(lambda: is_shared([worker.metric(held) for worker in workers]), "all to be shared", 120)
    place.publish(mail.sent)
    place.wait_until_done()

    require_applied_once(place, mail)
    assert sum(ends(place).values()) == len(mail.sent) + mail.astray()
