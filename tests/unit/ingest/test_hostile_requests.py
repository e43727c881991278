"""Whatever is sent: no error of ours, and what is claimed to be accepted is what goes to the topics, to the event."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from copy import deepcopy
from datetime import UTC, datetime

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from starlette.testclient import TestClient

from schemas.topics import Topics
from services.ingest.app import Intake, build_app
from services.ingest.metrics import IngestMetrics
from services.ingest.records import Record
from tests.support.hostile import ODD_TYPES, TYPES, Answered, Hostile, Requests, names_on_topic, to_json
from tests.unit.schemas.examples import DATA, example

NOW = datetime(2026, 3, 2, tzinfo=UTC)
TOPICS = Topics("t")


class Recording:
    """A broker that takes everything."""

    problem = None
    alive = True
    outstanding = 0

    def __init__(self) -> None:
        self.records: list[Record] = []

    def start(self) -> None:
        pass

    async def close(self) -> None:
        pass

    async def publish(self, records: Sequence[Record]) -> None:
        self.records += records

    def on(self, *topics: str) -> list[bytes]:
        return [record.value for record in self.records if record.topic in topics]


@pytest.fixture(scope="module")
def recording() -> Recording:
    return Recording()


@pytest.fixture(scope="module")
def client(recording: Recording) -> Iterator[TestClient]:
    intake = Intake(recording, TOPICS, lambda: NOW, IngestMetrics(CollectorRegistry()))
    with TestClient(build_app(intake)) as client:
        yield client


def send(client: TestClient, request: Hostile) -> httpx.Response:
    headers = [(name.encode(), value) for name, value in request.headers.items()]
    answer: httpx.Response = client.post("/v1/events", content=request.body, headers=headers)
    return answer


@pytest.mark.parametrize("number", [1500, pytest.param(25_000, marks=pytest.mark.nightly)])
def test_accepted_is_what_goes_to_the_topics_and_nothing_else(
    client: TestClient, recording: Recording, number: int
) -> None:
    seed = random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}")
    recording.records.clear()
    requests, answered = Requests(seed), Answered()
    for _ in range(number):
        request = requests.next()
        answer = send(client, request)
        assert answer.status_code < 500, request
        answered.count(answer.status_code, answer.content)
    print(answered.statuses, answered.accepted.total(), answered.refused)
    assert names_on_topic(recording.on(TOPICS.events, TOPICS.reference)) == answered.accepted
    assert min(answered.accepted.total(), answered.refused) > number / 4, "too much of one kind"
    assert max(answered.accepted.values()) > 1, "the same id with another body is taken: the rules service refuses it"


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["C1", "CNY", "2026-03-02"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
KINDS = st.sampled_from(sorted(DATA))
NAMES = st.sampled_from(sorted({name for data in DATA.values() for name in data}))


@st.composite
def events(draw: st.DrawFn) -> object:
    """An event with any values in place of some of its own."""
    event = deepcopy(example(draw(KINDS), id="h"))
    event["data"].update(draw(st.dictionaries(NAMES, VALUES, max_size=3)))
    event.update(
        draw(st.dictionaries(st.sampled_from(["time", "subject", "type", "source", "data"]), VALUES, max_size=1))
    )
    return event


BODIES = st.binary() | VALUES.map(to_json) | events().map(to_json) | st.lists(events(), max_size=3).map(to_json)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=BODIES, content_type=st.sampled_from(TYPES * 3 + ODD_TYPES))
def test_no_body_meets_an_error_of_ours(
    client: TestClient, recording: Recording, body: bytes, content_type: str
) -> None:
    recording.records.clear()
    answer = send(client, Hostile({"Content-Type": content_type.encode()}, body))
    answered = Answered()
    answered.count(answer.status_code, answer.content)
    assert answer.status_code < 500
    assert names_on_topic(recording.on(TOPICS.events, TOPICS.reference)) == answered.accepted
