"""Every address that /openapi.json describes answers only what is described there, whatever is asked."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from starlette.testclient import TestClient

from schemas.topics import Topics
from services.ingest.app import Intake, build_app
from services.ingest.metrics import IngestMetrics
from tests.support.hostile import JUNK, Requests
from tests.unit.ingest.test_hostile_requests import NOW, Recording

METHODS = ("get", "post", "put", "patch", "delete", "head", "options")
QUERY_NAMES = ("results", "x", "", "limit", "after")
HEADER_NAMES = ("Idempotency-Key", "Accept", "Authorization", "Accept-Encoding", "X-Request-ID", "Content-Language")


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    intake = Intake(Recording(), Topics("t"), lambda: NOW, IngestMetrics(CollectorRegistry()))
    with TestClient(build_app(intake)) as client:
        yield client


def junk(rng: random.Random) -> str:
    """A text that a client library lets through as a header or a query."""
    return "".join(letter for letter in str(rng.choice(JUNK)) if " " <= letter <= "~")[:200]


def described(responses: dict[str, Any], status: int) -> dict[str, Any] | None:
    """The description of such an answer; "4XX" stands for all of them."""
    found: dict[str, Any] | None = responses.get(str(status)) or responses.get(f"{status // 100}XX")
    return found


@pytest.mark.parametrize("rounds", [300, pytest.param(20_000, marks=pytest.mark.nightly)])
def test_every_answer_is_one_that_is_described(client: TestClient, rounds: int) -> None:
    seed = random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}")
    rng, requests = random.Random(seed), Requests(seed)
    paths: dict[str, dict[str, Any]] = client.get("/openapi.json").json()["paths"]
    operations = [(path, method) for path, found in paths.items() for method in found if method in METHODS]
    strays = [(path, method) for path in paths for method in METHODS]
    seen: Counter[tuple[str, int]] = Counter()
    for _ in range(rounds):
        path, method = rng.choice(operations if rng.random() < 0.8 else strays)
        hostile = requests.next()
        chosen = {name: junk(rng) for name in HEADER_NAMES if rng.random() < 0.1}
        headers = [(name.encode(), value) for name, value in hostile.headers.items() if rng.random() < 0.9]
        headers += [(name.encode(), value.encode()) for name, value in chosen.items()]
        query = {rng.choice(QUERY_NAMES): junk(rng)} if rng.random() < 0.3 else {}
        answer = client.request(method, path, content=hostile.body, headers=headers, params=query)
        seen[path, answer.status_code] += 1
        operation = paths[path].get(method)
        if operation is None:
            assert answer.status_code == 405, (method, path, answer.status_code)
            continue
        description = described(operation["responses"], answer.status_code)
        assert description is not None, (method, path, answer.status_code, answer.text)
        kind = answer.headers.get("content-type", "").split(";")[0]
        assert kind in description.get("content", {kind: None}), (method, path, answer.status_code, kind)
    print(dict(seen))
    assert all(status < 500 for _, status in seen)
