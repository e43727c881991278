"""/v1/dead-letters and /v1/feeds."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import pytest
from fastapi import FastAPI, HTTPException
from starlette.testclient import TestClient

from services.common.database import Database
from services.common.workdays import is_working_date
from services.ingest import feeds_store
from services.ingest import letters_store as store
from services.ingest.feeds import Calendar, Heard
from services.ingest.feeds_routes import Feeds, add_feeds
from services.ingest.letters import Filter, Letter, Place
from services.ingest.letters_routes import Letters, add_letters
from services.ingest.tables import open_database
from services.ingest.treating import Sender
from tests.support.databases import open_migrated

NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)
EVENT = {"subject": "C1", "data": {"name": "张伟", "amount": "1.00"}}


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = open_migrated(open_database, tmp_path / "ingest.db")
    letters = [
        Letter(
            Place(0, n), "invalid", "no", ("erp", "crm")[n % 2], f"E{n}", "C1", orjson.dumps(EVENT), {}, NOW, "ingest"
        )
        for n in range(5)
    ]
    with made.writing() as tx:
        store.file(tx, 0, letters, 5, NOW)
    yield made
    made.close()


def web(database: Database, admin: Any) -> TestClient:
    app = FastAPI()
    add_letters(app, Letters(database, lambda: NOW), admin)
    calendar = Calendar(ZoneInfo("Asia/Shanghai"), is_working_date)
    add_feeds(app, Feeds(database, lambda: NOW, calendar, timedelta(hours=1)), admin)
    return TestClient(app)


@pytest.fixture
def client(database: Database) -> TestClient:
    return web(database, lambda: Sender("li.na"))


def state(database: Database, offset: int) -> str:
    with database.reading() as tx:
        filed = store.load(tx, Place(0, offset))
    assert filed is not None
    return filed.state


def test_letters_are_listed_in_pages(client: TestClient) -> None:
    first = client.get("/v1/dead-letters", params={"source": "erp", "limit": 2}).json()
    assert [one["id"] for one in first["letters"]] == ["0-0", "0-2"]
    second = client.get("/v1/dead-letters", params={"source": "erp", "limit": 2, "after": first["next"]}).json()
    assert ([one["id"] for one in second["letters"]], second["next"]) == (["0-4"], None)
    assert first["letters"][0] == {
        "id": "0-0",
        "at": NOW.isoformat(),
        "state": "waiting",
        "code": "invalid",
        "reason": "no",
        "source": "erp",
        "event_id": "E0",
        "customer_id": "C1",
        "origin": "ingest",
    }


def test_letters_are_counted(client: TestClient) -> None:
    counts = client.get("/v1/dead-letters/counts").json()["counts"]
    assert [(one["source"], one["letters"]) for one in counts] == [("erp", 3), ("crm", 2)]


def test_what_it_says_of_people_is_masked_and_it_is_kept_who_saw_it_otherwise(client: TestClient) -> None:
    masked = client.get("/v1/dead-letters/0-0").json()
    assert masked["event"] == {"subject": "C1", "data": {"name": "张***", "amount": "1.00"}}
    assert masked["decisions"] == []
    whole = client.get("/v1/dead-letters/0-0", params={"unmasked": True}).json()
    assert whole["event"] == EVENT
    assert [(one["by"], one["what"]) for one in whole["decisions"]] == [("li.na", "seen")]


def test_one_is_mended_and_replayed(client: TestClient, database: Database) -> None:
    assert client.put("/v1/dead-letters/0-0/event", content=b'{"a":1}').status_code == 204
    shown = client.get("/v1/dead-letters/0-0").json()
    assert (shown["event"], shown["edited"]) == ({"a": 1}, True)
    assert client.post("/v1/dead-letters/0-0/replay").status_code == 202
    assert state(database, 0) == "asked"
    for again in (client.post("/v1/dead-letters/0-0/replay"), client.put("/v1/dead-letters/0-0/event", content=b"{}")):
        assert (again.status_code, again.json()["code"]) == (409, "not_waiting")


def test_one_is_dropped_with_a_reason(client: TestClient, database: Database) -> None:
    assert client.post("/v1/dead-letters/0-1/drop", json={}).status_code == 422
    assert client.post("/v1/dead-letters/0-1/drop", json={"why": "a test"}).json() == {"letters": 1, "done": 1}
    assert state(database, 1) == "dropped"


@pytest.mark.parametrize("body", [b"{", b"", b'{"note": "11010519491231002X"}', b'"' + b"x" * 900_000 + b'"'])
def test_what_cannot_be_an_event_is_not_kept(client: TestClient, body: bytes) -> None:
    answer = client.put("/v1/dead-letters/0-0/event", content=body)
    assert answer.status_code in (413, 422)
    assert not client.get("/v1/dead-letters/0-0").json()["edited"]


def test_many_are_decided_on_only_by_those_who_know_how_many(client: TestClient, database: Database) -> None:
    some = {"source": "erp", "code": "invalid"}
    assert client.post("/v1/dead-letters/replay", json={**some, "dry_run": True}).json() == {"letters": 3, "done": 0}
    assert client.post("/v1/dead-letters/replay", json=some).json() == {"letters": 3, "done": 0}
    wrong = client.post("/v1/dead-letters/replay", json={**some, "count": 2})
    assert (wrong.status_code, wrong.json()["code"]) == (409, "count_differs")
    assert {state(database, offset) for offset in range(5)} == {"waiting"}
    done = client.post("/v1/dead-letters/replay", json={**some, "count": 3})
    assert (done.status_code, done.json()) == (202, {"letters": 3, "done": 3})
    dropped = client.post("/v1/dead-letters/drop", json={"source": "crm", "count": 2, "why": "a test"})
    assert dropped.json() == {"letters": 2, "done": 2}
    assert [state(database, offset) for offset in range(5)] == ["asked", "dropped", "asked", "dropped", "asked"]


def test_nobody_decides_on_everything(client: TestClient) -> None:
    assert client.post("/v1/dead-letters/replay", json={"count": 5}).json()["code"] == "too_wide"


@pytest.mark.parametrize("name", ["0-99", "x", "0-" + "9" * 30, "%00"])
def test_there_is_no_other_letter(client: TestClient, name: str) -> None:
    for answer in (
        client.get(f"/v1/dead-letters/{name}"),
        client.post(f"/v1/dead-letters/{name}/replay"),
        client.post(f"/v1/dead-letters/{name}/drop", json={"why": "x"}),
        client.put(f"/v1/dead-letters/{name}/event", content=b"{}"),
    ):
        assert (answer.status_code, answer.headers["Content-Type"]) == (404, "application/problem+json")


@pytest.mark.parametrize(
    "asked", [{"limit": 0}, {"since": "2026-03-01"}, {"state": "x"}, {"source": "\0"}, {"after": "x"}, {"limit": 501}]
)
def test_what_cannot_be_asked_is_refused(client: TestClient, asked: dict[str, Any]) -> None:
    assert client.get("/v1/dead-letters", params=asked).status_code in (400, 422)


def test_nobody_but_administrators_sees_or_changes_anything(database: Database) -> None:
    def nobody() -> Sender:
        raise HTTPException(403)

    client = web(database, nobody)
    routes = [(route.path, route.methods) for route in client.app.routes if route.path.startswith("/v1/")]  # type: ignore[attr-defined]
    assert len(routes) == 11
    for path, methods in routes:
        for method in methods:
            url = path.replace("{letter}", "0-0").replace("{source:path}", "erp")
            answer = client.request(method, url, json={"why": "x", "source": "erp", "count": 3, "minutes": 5})
            assert answer.status_code == 403, (method, path)
    with database.reading() as tx:
        assert store.number_of(tx, Filter(state="waiting")) == 5
        assert feeds_store.every(tx) == []


def test_feeds_tell_when_they_were_heard_and_which_are_late_or_silent(client: TestClient, database: Database) -> None:
    with database.writing() as tx:
        early = NOW - timedelta(hours=30)
        feeds_store.note(
            tx, {"/sap/erp": Heard(event_at=early), "crm": Heard(heartbeat_at=early, complete_until=early)}
        )
    assert client.put("/v1/feeds//sap/erp", json={"minutes": 1440}).status_code == 204
    feeds = client.get("/v1/feeds").json()["feeds"]
    assert feeds == [
        {
            "source": "/sap/erp",
            "last_event": early.isoformat(),
            "last_heartbeat": None,
            "complete_until": None,
            "expected_minutes": 1440,
            "working_days": False,
            "late_minutes": 360,
            "silent": False,
        },
        {
            "source": "crm",
            "last_event": None,
            "last_heartbeat": early.isoformat(),
            "complete_until": early.isoformat(),
            "expected_minutes": None,
            "working_days": False,
            "late_minutes": None,
            "silent": True,
        },
    ]
    assert client.delete("/v1/feeds/crm").status_code == 204
    assert client.delete("/v1/feeds/crm").status_code == 404
