"""The HTTP answers, with a publisher that says what a test wants."""

from __future__ import annotations

import asyncio
import gzip
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import httpx
import orjson
import pytest
from prometheus_client import CollectorRegistry
from starlette.testclient import TestClient

from schemas.topics import Topics
from services.ingest import bodies
from services.ingest.app import Intake, build_app
from services.ingest.bodies import MAX_HELD_BYTES
from services.ingest.judge import MAX_BODY_BYTES
from services.ingest.metrics import IngestMetrics
from services.ingest.publisher import TryLater, broker_away
from services.ingest.sealing_keeping import MustAsk
from services.ingest.treating import Coming, Sender
from tests.unit.ingest.scripted import NOW, ScriptedPublisher
from tests.unit.schemas.examples import example

GOOD = orjson.dumps(example("promise.met"))
BAD = orjson.dumps(example("promise.met", data={}))
JSON = {"Content-Type": "application/json"}


@pytest.fixture
def publisher() -> ScriptedPublisher:
    return ScriptedPublisher()


@pytest.fixture
def client(publisher: ScriptedPublisher) -> Iterator[TestClient]:
    metrics = IngestMetrics(CollectorRegistry())
    app = build_app(Intake(publisher, Topics("t"), lambda: NOW, metrics))
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


def post(client: TestClient, body: bytes) -> httpx.Response:
    answer: httpx.Response = client.post("/v1/events", content=body, headers=JSON)
    return answer


def test_a_good_event_is_accepted(client: TestClient, publisher: ScriptedPublisher) -> None:
    answer = post(client, GOOD)
    assert answer.status_code == 202
    assert answer.json() == {
        "results": [
            {
                "index": 0,
                "id": "example-promise.met",
                "source": "tests",
                "status": "accepted",
                "code": "ok",
                "errors": [],
                "ignored_fields": [],
            }
        ],
        "accepted": 1,
        "waiting": 0,
        "rejected": 0,
    }
    assert len(publisher.published) == 1


def test_a_batch_with_a_bad_event_says_which(client: TestClient, publisher: ScriptedPublisher) -> None:
    answer = post(client, b"[" + GOOD + b"," + BAD + b"]")
    assert answer.status_code == 422
    assert [result["status"] for result in answer.json()["results"]] == ["accepted", "rejected"]
    assert answer.json()["results"][1]["errors"] == [{"field": "data.promise_id", "reason": "Field required"}]
    assert (answer.json()["accepted"], answer.json()["rejected"]) == (1, 1)
    assert [record.topic for record in publisher.published] == ["t.events", "t.events.dlq"]


@pytest.mark.parametrize("body", [GOOD, BAD, b"{broken"])
def test_without_a_broker_nothing_is_claimed(client: TestClient, publisher: ScriptedPublisher, body: bytes) -> None:
    publisher.failure = broker_away("it is away")
    answer = post(client, body)
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "5"
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["code"] == "broker_unavailable"
    assert "results" not in answer.json()


def test_an_overload_is_told_with_a_shorter_wait(client: TestClient, publisher: ScriptedPublisher) -> None:
    publisher.failure = TryLater("overloaded", "too much", 1)
    answer = post(client, GOOD)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")


def test_a_body_that_is_too_large_is_refused_with_a_clear_sentence(
    client: TestClient, publisher: ScriptedPublisher
) -> None:
    answer = post(client, b"x" * (5 * 1024 * 1024))
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")
    assert answer.json()["detail"] == "the body is larger than 4 MiB: send smaller batches"
    assert publisher.published == []


def test_a_body_that_never_ends_is_given_up(publisher: ScriptedPublisher, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "READ_TIMEOUT_S", 0.01)
    intake = Intake(publisher, Topics("t"), lambda: NOW, IngestMetrics(CollectorRegistry()))

    async def endless() -> AsyncIterator[bytes]:
        yield GOOD
        await asyncio.Event().wait()

    async def scenario() -> httpx.Response:
        transport = httpx.ASGITransport(build_app(intake))
        async with httpx.AsyncClient(transport=transport, base_url="http://ingest") as client:
            return await client.post("/v1/events", content=endless(), headers=JSON)

    answer = asyncio.run(scenario())
    assert (answer.status_code, answer.json()["code"]) == (408, "body_too_slow")
    assert (publisher.published, intake.room.held_bytes) == ([], 0)


def test_a_body_at_the_limit_is_read(client: TestClient) -> None:
    body = GOOD + b" " * (MAX_BODY_BYTES - len(GOOD))
    assert post(client, body).status_code == 202


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [("GET", "/v1/events", 405, "method_not_allowed"), ("POST", "/v2/events", 404, "not_found")],
)
def test_other_errors_have_the_same_shape(client: TestClient, method: str, path: str, status: int, code: str) -> None:
    answer = client.request(method, path)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_an_error_of_ours_shows_nothing_of_the_event(
    client: TestClient, publisher: ScriptedPublisher, caplog: pytest.LogCaptureFixture
) -> None:
    publisher.failure = RuntimeError("secret of customer C001")
    answer = post(client, GOOD)
    assert (answer.status_code, answer.json()["code"]) == (500, "internal")
    assert "secret" not in answer.text
    assert "secret" not in "".join(record.getMessage() for record in caplog.records)


def test_ready_and_healthy_say_why_not(client: TestClient, publisher: ScriptedPublisher) -> None:
    assert (client.get("/readyz").status_code, client.get("/healthz").status_code) == (200, 200)
    publisher.problem = "no Kafka answers"
    assert client.get("/readyz").json() == {"status": "failing", "problems": {"kafka": "no Kafka answers"}}
    assert client.get("/readyz").status_code == 503
    assert client.get("/healthz").status_code == 200
    publisher.alive = False
    assert client.get("/healthz").status_code == 503


def test_a_part_that_ends_by_itself_asks_for_another_process(
    publisher: ScriptedPublisher, caplog: pytest.LogCaptureFixture
) -> None:
    async def ends() -> None:
        raise LookupError("secret of customer C001")

    async def goes_on() -> None:
        await asyncio.Event().wait()

    app = build_app(Intake(publisher, Topics("t"), lambda: NOW, IngestMetrics(CollectorRegistry())), [goes_on, ends])
    with TestClient(app) as client:
        answer = client.get("/healthz")
        assert (answer.status_code, list(answer.json()["problems"])) == (503, ["workers"])
        assert post(client, GOOD).status_code == 202, "until it is replaced it takes what it can"
    assert [one.getMessage() for one in caplog.records if one.levelname == "CRITICAL"] == [
        "a part of ingest has ended: LookupError"
    ]


def test_parts_that_are_stopped_with_the_service_have_not_ended_by_themselves(
    publisher: ScriptedPublisher, caplog: pytest.LogCaptureFixture
) -> None:
    async def goes_on() -> None:
        await asyncio.Event().wait()

    app = build_app(Intake(publisher, Topics("t"), lambda: NOW, IngestMetrics(CollectorRegistry())), [goes_on])
    with TestClient(app) as client:
        assert client.get("/healthz").status_code == 200
    assert not [one for one in caplog.records if one.levelname == "CRITICAL"]


def test_metrics_count_what_was_answered(client: TestClient, publisher: ScriptedPublisher) -> None:
    post(client, b"[" + GOOD + b"," + BAD + b"," + GOOD + b"]")
    post(client, b"{broken")
    publisher.outstanding = 7
    page = client.get("/metrics").text
    assert "bellwether_ingest_accepted_events_total 2.0" in page
    assert 'bellwether_ingest_rejected_events_total{code="invalid"} 1.0' in page
    assert 'bellwether_ingest_failed_requests_total{code="not_json"} 1.0' in page
    assert "bellwether_ingest_queue_records 7.0" in page
    assert "bellwether_ingest_ready 1.0" in page
    assert "C001" not in page


def test_the_life_cycle_closes_the_publisher(publisher: ScriptedPublisher, client: TestClient) -> None:
    client.__exit__()
    assert publisher.closed


def test_memory_is_bounded_over_all_requests(publisher: ScriptedPublisher) -> None:
    metrics = IngestMetrics(CollectorRegistry())
    intake = Intake(publisher, Topics("t"), lambda: NOW, metrics)
    with TestClient(build_app(intake)) as client:
        intake.room.held_bytes = MAX_HELD_BYTES
        answer = post(client, GOOD)
        assert (answer.status_code, answer.json()["code"]) == (503, "overloaded")
        intake.room.held_bytes = 0
        assert post(client, GOOD).status_code == 202
    assert intake.room.held_bytes == 0


def post_gzip(client: TestClient, body: bytes, encoding: str = "gzip") -> httpx.Response:
    answer: httpx.Response = client.post("/v1/events", content=body, headers={**JSON, "Content-Encoding": encoding})
    return answer


def test_a_compressed_body_is_judged_as_what_is_in_it(client: TestClient, publisher: ScriptedPublisher) -> None:
    answer = post_gzip(client, gzip.compress(b"[" + GOOD + b"," + BAD + b"]"))
    assert [result["status"] for result in answer.json()["results"]] == ["accepted", "rejected"]
    assert [record.value for record in publisher.published] == [GOOD, BAD]


def test_a_bomb_is_refused_as_too_large(publisher: ScriptedPublisher) -> None:
    intake = Intake(publisher, Topics("t"), lambda: NOW, IngestMetrics(CollectorRegistry()))
    bomb = gzip.compress(bytes(500 * 1024 * 1024), 9)
    with TestClient(build_app(intake)) as client:
        answer = post_gzip(client, bomb)
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")
    assert (publisher.published, intake.room.held_bytes) == ([], 0)


@pytest.mark.parametrize("body", [b"no gzip", gzip.compress(GOOD)[:-1]])
def test_broken_gzip_is_told(client: TestClient, publisher: ScriptedPublisher, body: bytes) -> None:
    answer = post_gzip(client, body)
    assert (answer.status_code, answer.json()["code"]) == (400, "broken_gzip")
    assert publisher.published == []


def test_another_encoding_is_answered_with_those_that_are_taken(client: TestClient) -> None:
    answer = post_gzip(client, GOOD, "br")
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_encoding")
    assert answer.headers["Accept-Encoding"] == "gzip"


class ScriptedKeys:
    """New keys that cannot be kept, until they can."""

    def __init__(self, publisher: ScriptedPublisher) -> None:
        self.has_new = True
        self.failure: Exception | None = TryLater("keys_unavailable", "away", after_s=5)
        self.lost = 7
        self.in_memory = threading.local()
        self._publisher = publisher

    @contextmanager
    def from_memory(self) -> Iterator[None]:
        self.in_memory.only = True
        yield
        self.in_memory.only = False

    def mark(self) -> int:
        return self.lost

    def keep(self, mark: int) -> None:
        assert mark == 7
        assert self._publisher.published == []
        if self.failure is not None:
            raise self.failure
        self.has_new = False


def test_nothing_is_published_before_the_keys_are_kept_that_sealed_it(publisher: ScriptedPublisher) -> None:
    keys = ScriptedKeys(publisher)
    intake = Intake(publisher, Topics("t"), lambda: NOW, IngestMetrics(CollectorRegistry()), sealing=keys)
    with TestClient(build_app(intake)) as client:
        answer = post(client, GOOD)
        assert (answer.status_code, answer.json()["code"]) == (503, "keys_unavailable")
        assert publisher.published == []
        keys.failure = None
        assert post(client, GOOD).status_code == 202
    assert len(publisher.published) == 1


def test_the_event_loop_waits_for_no_key(publisher: ScriptedPublisher) -> None:
    keys = ScriptedKeys(publisher)
    keys.has_new = False
    asked: list[bool] = []

    def seal(coming: Coming, _sender: Sender) -> Coming:
        asked.append(from_memory := getattr(keys.in_memory, "only", False))
        if from_memory:
            raise MustAsk
        return coming

    metrics = IngestMetrics(CollectorRegistry())
    intake = Intake(publisher, Topics("t"), lambda: NOW, metrics, [seal], sealing=keys)
    with TestClient(build_app(intake)) as client:
        assert post(client, GOOD).status_code == 202
    assert asked == [True, False]
    assert len(publisher.published) == 1


def test_what_was_sealed_with_a_key_that_another_replaced_is_not_published(publisher: ScriptedPublisher) -> None:
    """There is nothing new any more: it was lost to another replica while this request was judged."""
    keys = ScriptedKeys(publisher)
    keys.has_new = False

    def lose(raw: bytes, _: object) -> bytes:
        keys.lost = 8
        return raw

    intake = Intake(publisher, Topics("t"), lambda: NOW, IngestMetrics(CollectorRegistry()), hide=lose, sealing=keys)
    with TestClient(build_app(intake)) as client:
        assert post(client, BAD).status_code == 503
    assert publisher.published == []
