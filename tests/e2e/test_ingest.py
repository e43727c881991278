"""Ingest as a process, in front of a real Kafka."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator

import httpx
import orjson
import pytest

from deploy.kafka import Broker
from schemas.personal import PERSONAL, sealed_in
from schemas.topics import Topics, topic_specs
from services.common.kafka_admin import ensure_topics
from tests.contract.ingest.topics_reader import headers_of, read_topic
from tests.e2e.ingest_service import IngestService, results
from tests.support.commands import Commands
from tests.support.fixtures import Kafka
from tests.support.waiting import wait_until
from tests.unit.schemas.examples import DATA, example


@pytest.fixture
def service(commands: Commands, kafka: Kafka, topics: Topics) -> IngestService:
    started = IngestService(commands, kafka.bootstrap, topics)
    started.wait_ready()
    return started


def test_every_kind_of_event_is_on_its_topic_as_sent_but_for_personal_fields_which_are_sealed(
    service: IngestService, kafka: Kafka, topics: Topics
) -> None:
    sent = [example(kind) for kind in DATA]
    answer = service.post(orjson.dumps(sent), "application/cloudevents-batch+json")
    assert answer.status_code == 202
    assert [result["status"] for result in results(answer)] == ["accepted"] * len(sent)
    found = read_topic(kafka.bootstrap, topics.events) + read_topic(kafka.bootstrap, topics.reference)
    on_topics = {event["type"]: (record.value, event) for record in found if (event := orjson.loads(record.value))}
    assert len(found) == len(on_topics) == len(sent)
    for event in sent:
        raw, document = on_topics[event["type"]]
        if event["type"] in PERSONAL:
            assert sealed_in(event["type"], document["data"]) == len(PERSONAL[event["type"]])
        else:
            assert raw == orjson.dumps(event)
    assert {record.key for record in read_topic(kafka.bootstrap, topics.events)} == {b"C001"}
    assert read_topic(kafka.bootstrap, topics.dead_letters) == []


def test_a_binary_mode_event_is_on_the_topic_in_structured_mode(
    service: IngestService, kafka: Kafka, topics: Topics
) -> None:
    event = example("promise.met")
    attributes = {f"ce-{name}": event[name] for name in ("specversion", "id", "source", "type", "time", "subject")}
    assert service.post(orjson.dumps(event["data"]), **attributes).status_code == 202
    (record,) = read_topic(kafka.bootstrap, topics.events)
    assert orjson.loads(record.value) == {name: value for name, value in event.items() if name != "datacontenttype"}


def with_data(kind: str, **changes: object) -> bytes:
    return orjson.dumps(example(kind, data={**DATA[kind], **changes}))


HOSTILE = [
    ("nan", 400, b'{"id": "x", "amount": NaN}'),
    ("truncated", 400, orjson.dumps(example("promise.met"))[:-3]),
    ("a number beyond all floats", 400, b'{"id": "x", "amount": 1e999}'),
    ("a huge number", 422, with_data("payment.received", amount=10**18)),
    ("a huge decimal", 422, with_data("payment.received", amount="9" * 5000)),
    ("a wrong type", 422, with_data("survey.answered", nps="ten")),
    ("an unknown type", 422, orjson.dumps(example("promise.met", type="bellwether.promise.forgotten"))),
    ("an unknown currency", 422, with_data("payment.received", currency="RMB")),
    ("a date without a zone", 422, orjson.dumps(example("promise.met", time="2026-03-02T09:30:00"))),
    ("no customer", 422, orjson.dumps(example("promise.met", subject=""))),
    ("no object", 422, b'"event"'),
    ("nothing", 400, b""),
]


def test_what_is_invalid_is_answered_with_a_reason_and_kept_in_the_dead_letters(
    service: IngestService, kafka: Kafka, topics: Topics
) -> None:
    for name, status, body in HOSTILE:
        answer = service.post(body)
        assert answer.status_code == status, name
        if status == 422:
            (result,) = results(answer)
            assert result["status"] == "rejected", name
            assert all(error["field"] and error["reason"] for error in result["errors"]), name
    letters = read_topic(kafka.bootstrap, topics.dead_letters)
    assert [letter.value for letter in letters] == [body for _, _, body in HOSTILE]
    assert all(headers_of(letter)["reason"] and headers_of(letter)["received_at"] for letter in letters)
    assert read_topic(kafka.bootstrap, topics.events) == []
    # What was refused may hold personal data: the log says nothing of it.
    assert "C001" not in service.child.log_file.read_text()


def test_five_megabytes_are_refused_and_the_service_goes_on(service: IngestService) -> None:
    answer = service.post(b"[" + b" " * (5 * 1024 * 1024) + b"]")
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")
    assert service.post(orjson.dumps(example("promise.met"))).status_code == 202


def test_a_sender_that_goes_away_in_the_middle_does_no_harm(service: IngestService) -> None:
    def half_a_body() -> Iterator[bytes]:
        yield b'[{"id": "x"'
        raise ConnectionAbortedError

    with pytest.raises(ConnectionAbortedError):
        httpx.post(f"{service.url}/v1/events", content=half_a_body(), headers={"Content-Type": "application/json"})
    assert service.post(orjson.dumps(example("promise.met"))).status_code == 202
    assert "Traceback" not in service.child.log_file.read_text()


def test_stopping_answers_what_was_begun_with_the_truth(service: IngestService, kafka: Kafka, topics: Topics) -> None:
    statuses: list[int] = []
    accepted: list[str] = []

    def sender(number: int) -> None:
        for round_ in range(1000):
            ids = [f"{number}-{round_}-{index}" for index in range(50)]
            try:
                status = service.post(orjson.dumps([example("promise.met", id=id_) for id_ in ids])).status_code
            except httpx.TransportError:
                return
            statuses.append(status)
            if status == 202:
                accepted.extend(ids)

    senders = [threading.Thread(target=sender, args=(number,)) for number in range(4)]
    for thread in senders:
        thread.start()
    wait_until(lambda: len(accepted) > 1000, "some traffic")
    service.child.terminate()
    assert service.child.wait(30) in (0, -signal.SIGTERM)
    for thread in senders:
        thread.join()
    assert set(statuses) <= {202, 503}
    found = {orjson.loads(record.value)["id"] for record in read_topic(kafka.bootstrap, topics.events)}
    assert set(accepted) <= found


# Nightly: tests/contract/ingest/test_publisher.py starts without a broker, and
# test_ingest_killed.py recovers.
@pytest.mark.nightly
def test_it_starts_before_the_broker_and_recovers_by_itself(commands: Commands, own_broker: Broker) -> None:
    topics = Topics("early")
    ensure_topics(own_broker.bootstrap, topic_specs(topics.prefix, 2))
    own_broker.stop()
    service = IngestService(commands, own_broker.bootstrap, topics)
    ready = httpx.get(service.url + "/readyz")
    assert (ready.status_code, list(ready.json()["problems"])) == (503, ["kafka"])
    answer = service.post(orjson.dumps(example("promise.met")))
    assert (answer.status_code, answer.json()["code"]) == (503, "broker_unavailable")
    assert answer.headers["Retry-After"].isdigit()
    own_broker.start()
    service.wait_ready()
    assert service.post(orjson.dumps(example("promise.met"))).status_code == 202
    assert len(read_topic(own_broker.bootstrap, topics.events)) == 1


# Nightly: test_ingest_killed.py kills the broker under load, and ingest as well.
@pytest.mark.nightly
def test_killing_the_broker_under_load_loses_no_accepted_event(commands: Commands, own_broker: Broker) -> None:
    topics = Topics("killed")
    ensure_topics(own_broker.bootstrap, topic_specs(topics.prefix, 4))
    service = IngestService(commands, own_broker.bootstrap, topics)
    service.wait_ready()
    accepted: list[str] = []
    refused = threading.Event()
    enough = threading.Event()

    def sender(number: int) -> None:
        round_ = 0
        while not enough.is_set():
            round_ += 1
            ids = [f"{number}-{round_}-{index}" for index in range(20)]
            answer = service.post(orjson.dumps([example("promise.met", id=id_) for id_ in ids]))
            if answer.status_code == 202:
                accepted.extend(ids)
            else:
                assert answer.status_code == 503, answer.text
                refused.set()

    senders = [threading.Thread(target=sender, args=(number,)) for number in range(3)]
    for thread in senders:
        thread.start()
    wait_until(lambda: len(accepted) > 500, "some traffic")
    own_broker.kill()
    assert refused.wait(30), "nobody was told that the broker is away"
    wait_until(lambda: service.status("/readyz") == 503, "readyz to tell")
    before = len(accepted)
    own_broker.start()
    wait_until(lambda: len(accepted) > before + 500, "traffic to go on", 60)
    enough.set()
    for thread in senders:
        thread.join()
    found = {orjson.loads(record.value)["id"] for record in read_topic(own_broker.bootstrap, topics.events)}
    assert set(accepted) <= found
    # A failed request counts as nothing accepted.
    assert service.metric("bellwether_ingest_accepted_events_total") == len(accepted)
