"""A stream of lines, and one request among others, through the application: what waits is told there too."""

from __future__ import annotations

import orjson
import pytest
from prometheus_client import CollectorRegistry
from starlette.testclient import TestClient

from services.common.database import Database
from services.ingest import ids_store
from services.ingest.app import Intake, build_app
from services.ingest.ids_keeping import Keeping
from services.ingest.ids_registry import Registry
from services.ingest.ids_store import IdRow
from services.ingest.ids_treatment import Identity
from services.ingest.metrics import IngestMetrics
from tests.contract.ingest.replicas import NOW, TOPICS, Broker
from tests.unit.schemas.examples import example


@pytest.fixture
def broker() -> Broker:
    return Broker()


@pytest.fixture
def client(database: Database, broker: Broker) -> TestClient:
    registry = Registry(database, lambda: NOW, lambda: 0.0)
    treatments, keeping = [Identity(registry)], Keeping(registry, TOPICS)
    metrics = IngestMetrics(CollectorRegistry())
    return TestClient(build_app(Intake(broker, TOPICS, lambda: NOW, metrics, treatments, keeping=keeping)))


def line(number: int, subject: str, **changes: object) -> bytes:
    return orjson.dumps(example("promise.met", source="crm", subject=subject, id=f"e{number}", **changes)) + b"\n"


def test_lines_wait_or_go_and_the_summary_counts_both(client: TestClient, broker: Broker, database: Database) -> None:
    with database.writing() as tx:
        ids_store.map_source(tx, "crm", NOW)
        ids_store.put_ids(tx, [IdRow("crm", f"X{number}", f"C{number}") for number in range(700)], NOW, "test")
    # More ids than one chunk has lines, none of which are in memory yet.
    lines = [line(number, f"X{number}") for number in range(700)]
    lines[3:3] = [b"\n", b"{broken\n", line(900, "unknown"), line(900, "unknown", data={"promise_id": "other"})]
    answer = client.post("/v1/events", content=b"".join(lines), headers={"content-type": "application/x-ndjson"})
    told = [orjson.loads(one) for one in answer.content.splitlines()]
    summary = told.pop()["summary"]
    assert {name: summary[name] for name in ("complete", "lines", "accepted", "waiting", "rejected")} == {
        "complete": True,
        "lines": 704,
        "accepted": 700,
        "waiting": 1,
        "rejected": 2,
    }
    odd = [(one["line"], one["status"], one["code"]) for one in told if one["status"] != "accepted"]
    assert odd == [(5, "rejected", "not_json"), (6, "waiting", "unknown_customer"), (7, "rejected", "id_reused")]
    assert [customer for customer, _ in broker.sent()] == [f"C{number}" for number in range(700)]


def test_an_answer_says_what_waits_and_what_is_refused(client: TestClient, database: Database) -> None:
    with database.writing() as tx:
        ids_store.map_source(tx, "crm", NOW)
    body = b"[" + line(1, "X1") + b"," + line(2, "X1", data={}) + b"]"
    answer = client.post("/v1/events", content=body, headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")
    assert {name: answer.json()[name] for name in ("accepted", "waiting", "rejected")} == {
        "accepted": 0,
        "waiting": 1,
        "rejected": 1,
    }
    alone = client.post("/v1/events", content=line(1, "X1"), headers={"content-type": "application/json"})
    assert (alone.status_code, alone.json()["results"][0]["status"]) == (202, "waiting")
