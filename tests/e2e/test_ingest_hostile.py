"""A crowd that sends anything at all to a real ingest before a real Kafka: the answers and the topics agree."""

from __future__ import annotations

import random
import threading

import httpx
import pytest

from schemas.topics import Topics
from tests.contract.ingest.topics_reader import read_topic
from tests.e2e.ingest_service import IngestService
from tests.support.commands import Commands
from tests.support.fixtures import Kafka
from tests.support.hostile import Answered, Requests, names_on_topic, told_again
from tests.support.waiting import wait_until

SENDERS = 4


class Sender(threading.Thread):
    """Sends so many requests over a connection of its own."""

    def __init__(self, url: str, seed: int, name: str, requests: int) -> None:
        super().__init__(name=name)
        self.answered = Answered()
        self.failure: BaseException | None = None
        self._url = url
        self._requests = Requests(seed, name)
        self._number = requests

    def run(self) -> None:
        try:
            with httpx.Client(timeout=60) as client:
                for _ in range(self._number):
                    self._send(client)
        except BaseException as error:
            self.failure = error
            raise

    def _send(self, client: httpx.Client) -> None:
        request = self._requests.next()
        headers = [(name.encode(), value) for name, value in request.headers.items()]
        answer = client.post(f"{self._url}/v1/events", content=request.body, headers=headers)
        assert answer.status_code < 500, (request, answer.text)
        self.answered.count(answer.status_code, answer.content)


@pytest.mark.parametrize("requests", [1000, pytest.param(24_000, marks=pytest.mark.nightly)])
def test_no_accepted_event_is_missing_and_no_refused_one_is_there(
    commands: Commands, kafka: Kafka, topics: Topics, requests: int
) -> None:
    service = IngestService(commands, kafka.bootstrap, topics)
    service.wait_ready()
    seed = random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}")
    senders = [Sender(service.url, seed + n, f"f{n}", requests // SENDERS) for n in range(SENDERS)]
    for sender in senders:
        sender.start()
    answered = Answered()
    for sender in senders:
        sender.join()
        assert sender.failure is None
        answered.add(sender.answered)
    print(answered.statuses, answered.accepted.total(), answered.kept.total(), answered.refused)
    values: list[bytes] = []

    def kept_is_there() -> bool:
        records = read_topic(kafka.bootstrap, topics.events) + read_topic(kafka.bootstrap, topics.reference)
        values[:] = [record.value for record in records]
        return answered.kept.keys() <= names_on_topic(values).keys()

    wait_until(kept_is_there, "what was kept to be sent", 120)
    lying, again, taken = names_on_topic(values), told_again(values), answered.accepted + answered.kept
    assert lying.keys() == taken.keys()
    assert {name: lying[name] for name in lying.keys() - again} == {name: taken[name] for name in taken.keys() - again}
    assert min(answered.accepted.total(), answered.refused) > requests / 4
    assert service.post(b"[]").status_code == 202
    assert service.metric("bellwether_ingest_accepted_events_total") == answered.accepted.total()
    assert "Traceback" not in service.child.log_file.read_text()
