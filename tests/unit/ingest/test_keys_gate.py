"""Who is let in over HTTP, with keys in a database of their own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from fastapi import Depends, FastAPI
from sqlalchemy.exc import OperationalError
from starlette.testclient import TestClient

from services.common.database import Database
from services.ingest import keys_store
from services.ingest.app import build_app
from services.ingest.keys import Bounds, check_sender
from services.ingest.keys_gate import Asking, Gate, is_local
from services.ingest.keys_ring import STALE_S, KeyRing
from services.ingest.limits import Limits
from services.ingest.serving import OpenPort, check_openness
from services.ingest.tables import open_database
from services.ingest.treating import Sender
from tests.support.databases import open_migrated
from tests.unit.ingest.scripted import ScriptedPublisher, Talk, event_line, intake_of
from tests.unit.schemas.examples import example

GOOD = orjson.dumps(example("promise.met"))
ALL = "0.0.0.0"  # noqa: S104 - nothing is bound
NOW = datetime(2026, 3, 2, tzinfo=UTC)


class Stage:
    """Ingest with keys, and clocks that stand until they are moved."""

    def __init__(
        self, database: Database, asking: Asking, *, local: bool = True, per_second: int | None = None
    ) -> None:
        self.now, self.seconds = NOW, 0.0
        self.database = database
        self.ring = KeyRing(database, lambda: self.now, lambda: self.seconds)
        self.ring.refresh()
        self.publisher = ScriptedPublisher()
        self.gate = Gate(asking, self.ring, Limits(per_second), local=local, monotonic=lambda: self.seconds)
        self.intake = intake_of(self.publisher, treatments=[check_sender], gate=self.gate)
        self.app: FastAPI = build_app(self.intake)
        self.client = TestClient(self.app, raise_server_exceptions=False)

    def key(self, source: str = "tests", expires_at: datetime | None = None, **bounds: Any) -> str:
        """A new key, known at once."""
        with self.database.writing() as tx:
            made = keys_store.add(tx, Bounds(source, **bounds), "", self.now, expires_at)
        self.ring.refresh()
        return made.token

    def post(self, key: str | None = None, body: bytes = GOOD, scheme: str = "Bearer") -> httpx.Response:
        headers: dict[str, str | bytes] = {"Content-Type": "application/json"}
        if key is not None:
            headers["Authorization"] = f"{scheme} {key}".encode()
        answer: httpx.Response = self.client.post("/v1/events", content=body, headers=headers)
        return answer


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = open_migrated(open_database, tmp_path / "ingest.db")
    yield made
    made.close()


StageOf = Callable[..., Stage]


@pytest.fixture
def stage(database: Database) -> StageOf:
    def make(asking: Asking = Asking.REQUIRED, **options: Any) -> Stage:
        return Stage(database, asking, **options)

    return make


def test_a_key_opens_for_its_source(stage: StageOf) -> None:
    played = stage()
    assert played.post(played.key()).status_code == 202
    assert len(played.publisher.published) == 1


def test_all_that_is_no_key_gets_the_same_answer_and_nothing_else(stage: StageOf) -> None:
    played = stage()
    good = played.key()
    revoked = played.key()
    expired = played.key(expires_at=NOW + timedelta(days=1))
    with played.database.writing() as tx:
        keys_store.revoke(tx, revoked.split("_")[1], NOW)
    played.ring.refresh()
    played.now += timedelta(days=1)
    wrong = good[:-1] + ("0" if good[-1] != "0" else "1")
    foreign = good.replace(good.split("_")[1], revoked.split("_")[1])
    answers = [played.post(shown) for shown in (None, "", "x", "bw_é", wrong, foreign, revoked, expired)]
    answers.append(played.post(good, scheme="Basic"))
    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.content for answer in answers}) == 1
    assert {answer.headers["WWW-Authenticate"] for answer in answers} == {'Bearer realm="bellwether"'}
    assert answers[0].json()["code"] == "unauthorized"
    assert played.publisher.published == []
    assert played.post(good).status_code == 202


@pytest.mark.parametrize(("shows", "status"), [(False, 401), (True, 429)])
def test_nothing_is_read_of_a_body_whose_sender_is_turned_away(stage: StageOf, shows: bool, status: int) -> None:
    played = stage(per_second=1)
    shown = played.key()
    while shows and played.post(shown).status_code == 202:
        pass

    async def receive() -> dict[str, Any]:
        raise AssertionError("the body was read")

    sent: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"content-length", b"4000000")]
    if shows:
        headers.append((b"authorization", f"Bearer {shown}".encode()))
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/v1/events",
        "raw_path": b"/v1/events",
        "query_string": b"",
        "headers": headers,
        "root_path": "",
        "scheme": "http",
        "http_version": "1.1",
    }
    with pytest.raises(StopIteration):
        played.app(scope, receive, send).__await__().send(None)
    assert sent[0]["status"] == status


def test_a_key_that_covers_nothing_of_the_body_is_refused_with_403(stage: StageOf) -> None:
    played = stage()
    answer = played.post(played.key("crm"))
    assert (answer.status_code, answer.json()["code"]) == (403, "not_allowed")
    assert answer.json()["results"][0]["errors"][0]["field"] == "source"
    # No dead letter: whoever replays it would say what its sender may not.
    assert played.publisher.published == []


def test_of_a_mixed_body_what_the_key_covers_is_taken(stage: StageOf) -> None:
    played = stage()
    other = orjson.dumps(example("promise.met", id="2", source="crm"))
    answer = played.post(played.key(), b"[" + GOOD + b"," + other + b"]")
    assert answer.status_code == 422
    assert [result["code"] for result in answer.json()["results"]] == ["ok", "not_allowed"]
    assert [record.topic for record in played.publisher.published] == ["t.events"]


def test_a_bad_event_in_a_foreign_name_leaves_no_dead_letter(stage: StageOf) -> None:
    played = stage()
    bad = orjson.dumps(example("promise.met", data={}))
    assert played.post(played.key("crm"), bad).status_code == 422
    assert played.publisher.published == []
    assert played.post(played.key("tests"), bad).status_code == 422
    assert [record.topic for record in played.publisher.published] == ["t.events.dlq"]


def test_without_any_key_this_machine_sends_freely_until_the_first_is_made(stage: StageOf) -> None:
    played = stage(Asking.AS_NEEDED)
    assert played.post().status_code == 202
    shown = played.key()
    assert played.post().status_code == 401
    assert played.post(shown).status_code == 202


def test_revoking_the_last_key_opens_nothing(stage: StageOf) -> None:
    played = stage(Asking.AS_NEEDED)
    shown = played.key()
    with played.database.writing() as tx:
        keys_store.revoke(tx, shown.split("_")[1], NOW)
    played.ring.refresh()
    assert played.post().status_code == 401


def test_where_others_can_connect_a_key_is_required_from_the_start(stage: StageOf) -> None:
    assert stage(Asking.AS_NEEDED, local=False).post().status_code == 401


def test_optional_keys_bind_those_who_show_them(stage: StageOf) -> None:
    played = stage(Asking.OPTIONAL)
    crm = played.key("crm")
    assert played.post().status_code == 202
    assert played.post(crm).status_code == 403
    assert played.post("x").status_code == 401


@pytest.mark.parametrize("asking", [Asking.OFF, Asking.OPTIONAL])
def test_an_open_port_in_the_network_is_refused_at_the_start(asking: Asking) -> None:
    check_openness(asking, "127.0.0.1")
    with pytest.raises(OpenPort, match="everybody in the network could send"):
        check_openness(asking, ALL)
    check_openness(Asking.REQUIRED, ALL)


@pytest.mark.parametrize(
    ("host", "local"), [("127.0.0.1", True), ("::1", True), ("localhost", True), (ALL, False), ("erp", False)]
)
def test_only_this_machine_is_local(host: str, local: bool) -> None:
    assert is_local(host) is local


def test_too_many_events_are_told_when_to_come_again(stage: StageOf) -> None:
    played = stage()
    shown = played.key(per_second=10)
    assert played.post(shown, b"[" + b",".join([GOOD] * 100) + b"]").status_code == 202
    answer = played.post(shown)
    assert (answer.status_code, answer.json()["code"]) == (429, "too_many_events")
    assert answer.headers["Retry-After"] == "6"
    played.seconds += int(answer.headers["Retry-After"])
    assert played.post(shown).status_code == 202


def test_a_source_without_a_limit_of_its_own_has_the_default(stage: StageOf) -> None:
    played = stage(per_second=1)
    shown = played.key()
    assert [played.post(shown).status_code for _ in range(6)] == [202] * 5 + [429]


def test_what_is_over_the_limit_when_it_was_read_is_not_published(stage: StageOf) -> None:
    played = stage()
    sender = Sender("tests/1", "tests", per_second=1)
    played.gate.count(sender, 2000)
    with pytest.raises(Exception, match="more events than this sender may send"):
        played.gate.count(sender, 1)


def test_the_keys_are_good_for_a_while_without_the_database_and_then_nobody_is_let_in(
    stage: StageOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    played = stage()
    shown = played.key()

    def away(_tx: object) -> list[keys_store.Term]:
        raise OperationalError("select", {}, Exception("away"))

    monkeypatch.setattr(keys_store, "terms", away)
    with pytest.raises(OperationalError):
        played.ring.refresh()
    played.seconds += STALE_S
    assert played.post(shown).status_code == 202
    played.seconds += 1
    answer = played.post(shown)
    assert (answer.status_code, answer.json()["code"]) == (503, "keys_unknown")
    assert answer.headers["Retry-After"] == "10"


def test_a_stream_that_is_too_fast_is_read_more_slowly(database: Database) -> None:
    waited: list[float] = []
    played = Stage(database, Asking.REQUIRED)

    async def pause(seconds: float) -> None:
        waited.append(seconds)
        played.seconds += seconds

    played.intake._pause = pause
    shown = played.key(per_second=100)
    lines = b"".join(event_line(number) for number in range(2000))
    answer = played.client.post(
        "/v1/events?results=refused",
        content=lines,
        headers={"Content-Type": "application/jsonl", "Authorization": f"Bearer {shown}"},
    )
    assert orjson.loads(answer.content.splitlines()[-1])["summary"]["accepted"] == 2000
    # Five seconds' worth at once, and the last chunk is not waited for.
    assert 9 <= sum(waited) <= 15


def test_a_key_that_is_revoked_ends_its_stream(database: Database) -> None:
    async def scenario() -> Talk:
        played = Stage(database, Asking.REQUIRED)
        shown = played.key()
        talk = Talk(played.intake, "application/jsonl", authorization=f"Bearer {shown}")
        talk.say(b"".join(event_line(number) for number in range(500)))
        await talk.until(lambda: len(talk.lines) == 500)
        with database.writing() as tx:
            keys_store.revoke(tx, shown.split("_")[1], NOW)
        played.ring.refresh()
        talk.say(event_line(500), more=False)
        await talk.end()
        assert len(played.publisher.published) == 500
        return talk

    summary = asyncio.run(scenario()).lines[-1]["summary"]
    assert (summary["complete"], summary["code"], summary["next_line"]) == (False, "unauthorized", 501)


@pytest.mark.parametrize(
    ("asking", "shown", "status"),
    [
        (Asking.OFF, None, 200),
        (Asking.REQUIRED, None, 401),
        (Asking.REQUIRED, "sender", 403),
        (Asking.REQUIRED, "admin", 200),
        (Asking.OPTIONAL, None, 200),
        (Asking.OPTIONAL, "sender", 403),
    ],
)
def test_what_administrators_see_needs_their_key(
    stage: StageOf, asking: Asking, shown: str | None, status: int
) -> None:
    played = stage(asking)
    keys = {"sender": played.key(), "admin": played.key("ops", admin=True)}

    @played.app.get("/v1/secret", dependencies=[Depends(played.gate.require_admin)])
    def secret() -> str:
        return "seen"

    headers = {"Authorization": f"Bearer {keys[shown]}"} if shown else {}
    answer = played.client.get("/v1/secret", headers=headers)
    assert answer.status_code == status
    assert answer.headers["Content-Type"] == ("application/json" if status == 200 else "application/problem+json")


def test_health_and_the_description_need_no_key_and_show_none(stage: StageOf) -> None:
    played = stage()
    shown = played.key()
    played.post(shown)
    for path in ("/healthz", "/readyz", "/metrics", "/openapi.json"):
        answer = played.client.get(path)
        assert answer.status_code == 200
        assert shown.split("_")[1] not in answer.text
        assert shown.split("_")[2] not in answer.text
