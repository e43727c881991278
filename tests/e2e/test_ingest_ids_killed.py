"""Ingest is killed again and again while ids are named and events come: none is lost, none overtakes another."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import orjson
import pytest

from schemas.topics import Topics
from tests.contract.ingest.topics_reader import read_topic
from tests.e2e.ingest_service import IngestService
from tests.support.commands import Commands
from tests.support.fixtures import Kafka
from tests.support.waiting import wait_until
from tests.unit.schemas.examples import example

SENDERS = 3
IDS_EACH = 4


class Sender(threading.Thread):
    """Sends numbered events of its own ids, each batch until it is answered 202."""

    def __init__(self, number: int, service: IngestService, seed: int) -> None:
        super().__init__()
        self.ids = [f"X{number}-{one}" for one in range(IDS_EACH)]
        self.kept: dict[str, int] = dict.fromkeys(self.ids, 0)
        self.enough = threading.Event()
        self._service = service
        self._random = random.Random(seed * 100 + number)

    def run(self) -> None:
        while not self.enough.is_set():
            sizes = {one: self._random.randrange(4) for one in self.ids}
            numbered = [(one, self.kept[one] + n) for one, size in sizes.items() for n in range(size)]
            body = orjson.dumps(
                [example("promise.met", source="crm", subject=one, id=f"{one}/{number}") for one, number in numbered]
            )
            while not self._sent(body):
                # The port may be taken by nobody for a moment; there is nothing else to wait for.
                threading.Event().wait(0.02)
            for one, size in sizes.items():
                self.kept[one] += size

    def _sent(self, body: bytes) -> bool:
        try:
            answer = self._service.post(body)
        except httpx.TransportError:
            return False
        assert answer.status_code in (202, 503), answer.text
        return answer.status_code == 202


def firsts(kafka: Kafka, topics: Topics) -> dict[str, list[tuple[str, int]]]:
    """By external id: customer and number of each event, when it was first there."""
    found: dict[str, dict[int, str]] = {}
    for record in read_topic(kafka.bootstrap, topics.events):
        name, _, number = orjson.loads(record.value)["id"].partition("/")
        found.setdefault(name, {}).setdefault(int(number), record.key.decode())
    return {name: [(customer, number) for number, customer in numbers.items()] for name, numbers in found.items()}


@pytest.mark.parametrize("kills", [1, pytest.param(5, marks=pytest.mark.nightly)])
def test_killed_at_random_every_202_goes_out_once_its_id_is_named_in_its_order(
    commands: Commands, kafka: Kafka, topics: Topics, tmp_path: Path, kills: int
) -> None:
    seed = random.SystemRandom().randrange(10_000)
    print(f"seed {seed}")
    chance = random.Random(seed)
    env = {"BELLWETHER_INGEST_DATABASE_URL": f"sqlite:///{tmp_path / 'ingest.db'}"}
    service = IngestService(commands, kafka.bootstrap, topics, env)
    service.wait_ready()
    unnamed: Iterator[str] = iter([f"X{number}-{one}" for one in range(IDS_EACH) for number in range(SENDERS)])

    def name_one(external_id: str) -> None:
        owner = {"customer_id": f"C-{external_id}"}
        wait_until(lambda: put(service, f"/v1/ids/crm/{external_id}", owner), "an id to be named")

    name_one(next(unnamed))
    senders = [Sender(number, service, seed) for number in range(SENDERS)]
    for sender in senders:
        sender.start()
    for _ in range(kills):
        wait_for_traffic(senders, chance.randrange(50, 400))
        name_one(next(unnamed))
        if chance.random() < 0.5:
            # In the middle of what has just been let go.
            name_one(next(unnamed))
        service.child.kill()
        service.child = service.start_again()
    for external_id in unnamed:
        name_one(external_id)
    for sender in senders:
        sender.enough.set()
    for sender in senders:
        sender.join()
    wait_until(lambda: httpx.get(f"{service.url}/v1/ids/waiting", timeout=10).json()["total"] == 0, "all to go out", 60)
    kept = {external_id: number for sender in senders for external_id, number in sender.kept.items()}
    assert sum(kept.values()) > kills * 50
    expected = {name: [(f"C-{name}", n) for n in range(number)] for name, number in kept.items() if number}
    assert firsts(kafka, topics) == expected


def wait_for_traffic(senders: list[Sender], events: int) -> None:
    """Until so many more events were answered 202."""

    def kept() -> int:
        return sum(sum(sender.kept.values()) for sender in senders)

    enough = kept() + events
    wait_until(lambda: kept() >= enough, "some traffic", 60)


def put(service: IngestService, path: str, document: dict[str, str]) -> bool:
    """Whether the service has taken it."""
    try:
        return httpx.put(service.url + path, json=document, timeout=30).status_code == 200
    except httpx.TransportError:
        return False
