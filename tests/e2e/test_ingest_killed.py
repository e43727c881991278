"""Ingest and the broker die by SIGKILL at random moments under load: every 202 is on the topic, in order."""

from __future__ import annotations

import random
from collections.abc import Iterator
from functools import partial
from itertools import pairwise
from pathlib import Path

import orjson
import pytest

from deploy.kafka import Broker
from schemas.topics import Topics, topic_specs
from services.common.kafka_admin import ensure_topics
from tests.contract.ingest.topics_reader import read_topic
from tests.e2e.ingest_service import IngestService
from tests.e2e.persistent_sender import PersistentSender
from tests.support.commands import Commands
from tests.support.waiting import wait_until

SENDERS = 3
GOES_ON_S = 90


class Scene:
    """A broker, ingest and senders, with a random number generator that decides what dies when."""

    def __init__(self, commands: Commands, broker: Broker, folder: Path, spool: Path | None, seed: int) -> None:
        self.broker = broker
        self.spool = spool
        self.rng = random.Random(seed)
        self.topics = Topics("killed")
        ensure_topics(broker.bootstrap, topic_specs(self.topics.prefix, 4))
        settings = {} if spool is None else {"BELLWETHER_INGEST_SPOOL": str(spool)}
        settings["BELLWETHER_DATA_DIR"] = str(folder)
        self.service = IngestService(commands, broker.bootstrap, self.topics, settings)
        self.service.wait_ready()
        self.senders = [
            PersistentSender(f"s{n}", self.service.url, self.rng.randrange(1 << 32)) for n in range(SENDERS)
        ]
        for sender in self.senders:
            sender.start()

    def confirmed(self) -> int:
        return sum(sender.confirmed.events for sender in self.senders)

    def go_on(self) -> None:
        """Until some more has been confirmed, how much by chance."""
        wanted = self.confirmed() + self.rng.randrange(20, 600)

        def enough() -> bool:
            assert not any(sender.died for sender in self.senders), [sender.died for sender in self.senders]
            return self.confirmed() >= wanted

        wait_until(enough, "events to be taken", GOES_ON_S)

    def refusals(self) -> int:
        return sum(sender.confirmed.refusals for sender in self.senders)

    def kill_ingest(self) -> None:
        self.service.child.kill()
        self.service.child = self.service.start_again()

    def kill_broker(self) -> None:
        """With a spool events go on being taken while it is away, and ingest may die in that time too."""
        self.broker.kill()
        if self.spool is None:
            before = self.refusals()
            wait_until(lambda: self.refusals() > before, "somebody to be told that the broker is away", GOES_ON_S)
        else:
            self.go_on()
            if self.rng.random() < 0.7:
                self.kill_ingest()
                self.go_on()
        self.broker.start()

    def end(self) -> None:
        """Stop sending, and wait until nothing is on its way."""
        for sender in self.senders:
            sender.end()
        self.service.wait_ready()
        waiting = self.waiting()
        print(f"{waiting:g} records wait in the spool")
        while waiting:
            # As long as it becomes less: on a busy machine a long outage takes its time.
            less = partial(self.has_less_than, waiting)
            wait_until(less, f"the spool to hold less than {waiting:g} records", 60)
            waiting = self.waiting()

    def waiting(self) -> float:
        """Records in the spool."""
        return self.service.metric("bellwether_ingest_spool_records")

    def has_less_than(self, records: float) -> bool:
        """Whether the spool became emptier."""
        return self.waiting() < records

    def check(self) -> None:
        """Against the topic, where an event that is there twice counts where it was first."""
        found = [orjson.loads(record.value) for record in read_topic(self.broker.bootstrap, self.topics.events)]
        place: dict[str, int] = {}
        for number, event in enumerate(found):
            place.setdefault(event["id"], number)
        print(f"{self.confirmed()} confirmed, {self.refusals()} refused, {len(found)} records, {len(place)} events")
        for sender in self.senders:
            for customer, ids in sender.confirmed.ids.items():
                lost = [id_ for id_ in ids if id_ not in place]
                assert not lost, f"{customer}: {len(lost)} of {len(ids)} were confirmed and are not there: {lost[:5]}"
                late = [pair for pair in pairwise(ids) if place[pair[0]] > place[pair[1]]]
                assert not late, f"{customer}: in another order than sent: {late[:5]}"


# With a spool: nightly, for tests/unit/ingest/test_spool_store.py kills its writers in every run.
@pytest.fixture(
    params=[
        pytest.param(False, id="without a spool"),
        pytest.param(True, id="with a spool", marks=pytest.mark.nightly),
    ]
)
def scene(request: pytest.FixtureRequest, commands: Commands, own_broker: Broker, tmp_path: Path) -> Iterator[Scene]:
    seed = random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}")
    made = Scene(commands, own_broker, tmp_path / "data", tmp_path / "spool" if request.param else None, seed)
    yield made
    for sender in made.senders:
        sender.end()


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("rounds", [1, pytest.param(6, marks=pytest.mark.nightly)])
def test_what_was_confirmed_is_on_the_topic_in_order_whoever_dies(scene: Scene, rounds: int) -> None:
    for _ in range(rounds):
        scene.go_on()
        scene.kill_ingest()
        scene.go_on()
        scene.kill_broker()
        scene.go_on()
        scene.kill_ingest()
        scene.go_on()
    scene.end()
    scene.check()
