"""Requests with an Idempotency-Key, through the application."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from sqlalchemy.exc import OperationalError

from services.ingest.app import Intake, build_app
from services.ingest.idempotency import KEPT_FOR
from services.ingest.idempotency_store import IdempotencyStore
from services.ingest.publisher import broker_away
from services.ingest.records import Record
from services.ingest.repeating import Repeating
from services.ingest.tables import open_database
from tests.support.databases import open_migrated
from tests.unit.ingest.scripted import ScriptedPublisher, intake_of
from tests.unit.schemas.examples import example

GOOD = orjson.dumps(example("promise.met"))
MIXED = b"[" + GOOD + b"," + orjson.dumps(example("promise.met", data={})) + b"]"


class Clock:
    """Stands until a test moves it."""

    def __init__(self) -> None:
        self.at = datetime(2026, 3, 2, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.at


@pytest.fixture
def publisher() -> ScriptedPublisher:
    return ScriptedPublisher()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path) -> IdempotencyStore:
    database = open_migrated(open_database, tmp_path / "ingest.db")
    return IdempotencyStore(database)


@pytest.fixture
def intake(publisher: ScriptedPublisher, store: IdempotencyStore, clock: Clock) -> Intake:
    return intake_of(publisher, repeating=Repeating(store, clock))


Post = Callable[..., Coroutine[Any, Any, httpx.Response]]


@asynccontextmanager
async def posting(intake: Intake) -> AsyncIterator[Post]:
    transport = httpx.ASGITransport(build_app(intake))
    async with httpx.AsyncClient(transport=transport, base_url="http://ingest") as client:

        async def post(body: bytes, key: str = "k", **headers: str) -> httpx.Response:
            named = {"content-type": "application/json", "idempotency-key": key, **headers}
            return await client.post("/v1/events", content=body, headers=named)

        yield post


def run(intake: Intake, scenario: Callable[[Post], Awaitable[Any]]) -> None:
    async def whole() -> None:
        async with posting(intake) as post:
            await scenario(post)

    asyncio.run(whole())


@pytest.mark.parametrize(("body", "status"), [(GOOD, 202), (MIXED, 422), (b"{broken", 400)])
def test_the_same_request_is_answered_alike_and_done_once(
    intake: Intake, publisher: ScriptedPublisher, body: bytes, status: int
) -> None:
    async def scenario(post: Post) -> None:
        first = await post(body)
        done = list(publisher.published)
        again = await post(body)
        assert (first.status_code, again.status_code) == (status, status)
        assert (again.content, again.headers["content-type"]) == (first.content, first.headers["content-type"])
        assert again.headers["idempotency-replayed"] == "true"
        assert "idempotency-replayed" not in first.headers
        assert publisher.published == done

    run(intake, scenario)


def test_another_body_under_the_key_is_refused(intake: Intake, publisher: ScriptedPublisher) -> None:
    async def scenario(post: Post) -> None:
        await post(GOOD)
        answer = await post(MIXED)
        assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")
        assert answer.headers["content-type"] == "application/problem+json"
        assert len(publisher.published) == 1
        assert (await post(MIXED, "another")).status_code == 422

    run(intake, scenario)


def test_what_failed_may_be_tried_again_under_the_same_key(intake: Intake, publisher: ScriptedPublisher) -> None:
    async def scenario(post: Post) -> None:
        publisher.failure = broker_away("it is away")
        assert (await post(GOOD)).status_code == 503
        publisher.failure = RuntimeError("of ours")
        with pytest.raises(RuntimeError):
            await post(GOOD)
        publisher.failure = None
        assert (await post(GOOD)).status_code == 202

    run(intake, scenario)


def test_while_the_first_is_at_work_others_wait(
    intake: Intake, publisher: ScriptedPublisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on, begun = asyncio.Event(), asyncio.Event()

    async def publish(_records: list[Record]) -> None:
        begun.set()
        await go_on.wait()

    monkeypatch.setattr(publisher, "publish", publish)

    async def scenario(post: Post) -> None:
        first = asyncio.create_task(post(GOOD))
        await begun.wait()
        answer = await post(GOOD)
        assert (answer.status_code, answer.json()["code"]) == (409, "idempotency_key_in_use")
        assert answer.headers["retry-after"] == "1"
        go_on.set()
        assert (await first).status_code == 202
        assert (await post(GOOD)).status_code == 202

    run(intake, scenario)


def test_a_sender_that_goes_away_frees_its_key(
    intake: Intake, publisher: ScriptedPublisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = asyncio.Event()
    takes = publisher.publish

    async def publish(_records: list[Record]) -> None:
        begun.set()
        await asyncio.Event().wait()

    async def scenario(post: Post) -> None:
        monkeypatch.setattr(publisher, "publish", publish)
        first = asyncio.create_task(post(GOOD))
        await begun.wait()
        first.cancel()
        await asyncio.wait([first])
        monkeypatch.setattr(publisher, "publish", takes)
        assert (await post(GOOD)).status_code == 202

    run(intake, scenario)


def test_after_a_day_a_key_is_new_again(intake: Intake, clock: Clock) -> None:
    async def scenario(post: Post) -> None:
        await post(GOOD)
        clock.at += KEPT_FOR - timedelta(seconds=1)
        assert (await post(MIXED)).json()["code"] == "idempotency_key_reused"
        clock.at += timedelta(seconds=1)
        assert (await post(MIXED)).json()["code"] == "invalid"

    run(intake, scenario)


def test_gzip_and_plain_are_the_same_body(intake: Intake, publisher: ScriptedPublisher) -> None:
    async def scenario(post: Post) -> None:
        first = await post(GOOD)
        again = await post(gzip.compress(GOOD), **{"content-encoding": "gzip"})
        assert again.content == first.content
        assert len(publisher.published) == 1

    run(intake, scenario)


def test_a_bad_key_is_refused_before_anything_is_done(intake: Intake, publisher: ScriptedPublisher) -> None:
    async def scenario(post: Post) -> None:
        answer = await post(GOOD, "not a key")
        assert (answer.status_code, answer.json()["code"]) == (400, "bad_idempotency_key")
        assert publisher.published == []

    run(intake, scenario)


def test_without_the_database_nothing_is_done_under_a_key(
    intake: Intake, publisher: ScriptedPublisher, store: IdempotencyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise OperationalError("", {}, Exception())

    async def scenario(post: Post) -> None:
        keep = store.keep
        monkeypatch.setattr(store, "keep", away)
        # It is durable, and that is what the answer says; it cannot be repeated, though.
        assert (await post(GOOD, "unlucky")).status_code == 202
        monkeypatch.setattr(store, "keep", keep)
        monkeypatch.setattr(store, "claim", away)
        answer = await post(GOOD)
        assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")
        assert answer.headers["retry-after"] == "5"
        assert len(publisher.published) == 1

    run(intake, scenario)
