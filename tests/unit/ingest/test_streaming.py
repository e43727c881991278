"""A stream of events: results line by line, and a last line that says how far it came."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
import pytest

from services.ingest import bodies, streaming
from services.ingest.publisher import broker_away, overloaded
from tests.unit.ingest.scripted import ScriptedPublisher, Talk, event_line, intake_of

NDJSON = "application/x-ndjson"
Scenario = Callable[[], Awaitable[None]]


@pytest.fixture
def publisher() -> ScriptedPublisher:
    return ScriptedPublisher()


async def answered(publisher: ScriptedPublisher, *pieces: bytes, query: str = "", **headers: str) -> Talk:
    intake = intake_of(publisher)
    talk = Talk(intake, NDJSON, query, **headers)
    for piece in pieces:
        talk.say(piece)
    talk.say(b"", more=False)
    await talk.end()
    assert intake.room.held_bytes == 0
    return talk


def ask(publisher: ScriptedPublisher, *pieces: bytes, query: str = "", **headers: str) -> Talk:
    return asyncio.run(answered(publisher, *pieces, query=query, **headers))


def summary(**said: Any) -> dict[str, Any]:
    whole = {"complete": True, "code": "ok", "rejected": 0, **said}
    return {"summary": {**whole, "next_line": whole["lines"] + 1}}


def test_every_line_has_its_result_and_the_last_line_sums_up(publisher: ScriptedPublisher) -> None:
    talk = ask(publisher, event_line(1) + b"\n{broken\n", event_line(4, data={}) + b"[1]\n" + event_line(6).strip())
    assert talk.status == 200
    assert talk.lines == [
        {"line": 1, "id": "e-1", "source": "tests", "status": "accepted", "code": "ok"},
        {
            "line": 3,
            "id": None,
            "source": None,
            "status": "rejected",
            "code": "not_json",
            "errors": talk.lines[1]["errors"],
        },
        {
            "line": 4,
            "id": "e-4",
            "source": "tests",
            "status": "rejected",
            "code": "invalid",
            "errors": [{"field": "data.promise_id", "reason": "Field required"}],
        },
        {
            "line": 5,
            "id": None,
            "source": None,
            "status": "rejected",
            "code": "not_an_object",
            "errors": [{"field": "event", "reason": "an event is a JSON object, not a list"}],
        },
        {"line": 6, "id": "e-6", "source": "tests", "status": "accepted", "code": "ok"},
        summary(lines=6, accepted=2, rejected=3),
    ]
    assert publisher.ids == ["e-1", "e-6"]
    letters = [record.value for record in publisher.published if record.topic == "t.events.dlq"]
    assert letters == [b"{broken", event_line(4, data={}).strip(), b"[1]"]


def test_results_may_be_those_of_refused_lines_alone(publisher: ScriptedPublisher) -> None:
    talk = ask(publisher, event_line(1) + b"{broken\n" + event_line(3), query="results=refused")
    assert [line.get("line") for line in talk.lines] == [2, None]
    assert talk.lines[-1] == summary(lines=3, accepted=2, rejected=1)


def test_an_empty_stream_is_complete(publisher: ScriptedPublisher) -> None:
    assert ask(publisher).lines == [summary(lines=0, accepted=0)]
    assert ask(publisher, b"\n\n").lines == [summary(lines=2, accepted=0)]


def test_a_compressed_stream_is_read_as_it_comes(publisher: ScriptedPublisher) -> None:
    raw = gzip.compress(b"".join(event_line(number) for number in range(2000)))
    pieces = [raw[start : start + 100] for start in range(0, len(raw), 100)]
    talk = ask(publisher, *pieces, query="results=refused", content_encoding="gzip")
    assert talk.lines == [summary(lines=2000, accepted=2000)]
    assert publisher.ids == [f"e-{number}" for number in range(2000)]


def test_a_line_that_is_too_long_is_refused_and_the_next_is_taken(publisher: ScriptedPublisher) -> None:
    talk = ask(publisher, *[b"x" * 500_000] * 4, b"\n" + event_line(2))
    assert [line.get("code") for line in talk.lines] == ["too_large", "ok", None]


@pytest.mark.parametrize(
    ("headers", "query", "body", "status", "code"),
    [
        ({"content_encoding": "gzip"}, "", b"no gzip", 400, "broken_gzip"),
        ({"content_encoding": "br"}, "", b"", 415, "unsupported_encoding"),
        ({"idempotency_key": "k"}, "", b"", 400, "bad_idempotency_key"),
        ({}, "results=some", b"", 400, "bad_query"),
    ],
)
def test_what_is_wrong_from_the_beginning_is_a_problem_of_its_own(
    publisher: ScriptedPublisher, headers: dict[str, str], query: str, body: bytes, status: int, code: str
) -> None:
    talk = ask(publisher, body, query=query, **headers)
    assert (talk.status, orjson.loads(talk.body)["code"]) == (status, code)
    assert publisher.published == []


def test_a_broker_that_is_away_from_the_beginning_is_answered_as_ever(publisher: ScriptedPublisher) -> None:
    publisher.failure = broker_away("it is away")
    talk = ask(publisher, event_line(1))
    assert talk.status == 503
    assert (b"retry-after", b"5") in talk.sent[0]["headers"]


def test_a_broker_that_goes_away_later_leaves_the_line_to_go_on_from(publisher: ScriptedPublisher) -> None:
    publisher.failures = [None, broker_away("it went away")]
    talk = ask(publisher, event_line(1) + event_line(2), event_line(3), event_line(4))
    assert talk.status == 200
    assert [line.get("line") for line in talk.lines] == [1, 2, None]
    assert talk.lines[-1]["summary"] == {
        "complete": False,
        "code": "broker_unavailable",
        "detail": "the events could not be made durable: it went away",
        "retry_after_s": 5,
        "lines": 2,
        "accepted": 2,
        "rejected": 0,
        "next_line": 3,
    }
    assert publisher.ids == ["e-1", "e-2"]


def test_gzip_that_breaks_later_leaves_the_line_to_go_on_from(publisher: ScriptedPublisher) -> None:
    whole = gzip.compress(event_line(1))
    talk = ask(publisher, whole, b"rubbish", content_encoding="gzip")
    assert [line.get("line") for line in talk.lines] == [1, None]
    assert (talk.lines[-1]["summary"]["code"], talk.lines[-1]["summary"]["next_line"]) == ("broken_gzip", 2)


def test_a_stream_waits_when_all_senders_together_are_too_fast(publisher: ScriptedPublisher) -> None:
    publisher.failures = [None, overloaded(), overloaded(), None]
    waits: list[float] = []

    async def pause(seconds: float) -> None:
        waits.append(seconds)

    async def scenario() -> Talk:
        talk = Talk(intake_of(publisher, pause=pause), NDJSON)
        talk.say(event_line(1))
        talk.say(event_line(2), more=False)
        await talk.end()
        return talk

    assert asyncio.run(scenario()).lines[-1] == summary(lines=2, accepted=2)
    assert waits == [1, 1]
    assert publisher.ids == ["e-1", "e-2"]


def test_results_come_while_the_sender_still_sends(publisher: ScriptedPublisher) -> None:
    async def scenario() -> None:
        talk = Talk(intake_of(publisher), NDJSON)
        talk.say(event_line(1))
        await talk.until(lambda: len(talk.lines) == 1)
        assert publisher.ids == ["e-1"]
        talk.say(event_line(2), more=False)
        await talk.end()
        assert talk.lines[-1] == summary(lines=2, accepted=2)

    asyncio.run(scenario())


def test_a_sender_that_does_not_read_is_not_read_either(publisher: ScriptedPublisher) -> None:
    async def scenario() -> None:
        intake = intake_of(publisher)
        talk = Talk(intake, NDJSON)
        talk.say(event_line(1))
        await talk.until(lambda: talk.lines)
        talk.reading.clear()
        for number in range(2, 100):
            talk.say(event_line(number))
        await talk.until(lambda: publisher.ids == ["e-1", "e-2"])
        asked = talk.asked
        for _ in range(20):
            await asyncio.sleep(0)
        assert (publisher.ids, talk.asked) == (["e-1", "e-2"], asked)
        talk.reading.set()
        talk.say(b"", more=False)
        await talk.end()
        assert talk.lines[-1] == summary(lines=99, accepted=99)
        assert intake.room.held_bytes == 0

    asyncio.run(scenario())


def test_results_that_nobody_ever_reads_end_the_stream(
    publisher: ScriptedPublisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streaming, "WRITE_TIMEOUT_S", 0.01)

    async def scenario() -> None:
        intake = intake_of(publisher)
        talk = Talk(intake, NDJSON)
        talk.say(event_line(1))
        await talk.until(lambda: talk.lines)
        talk.reading.clear()
        talk.say(event_line(2))
        await talk.end()
        assert (len(talk.lines), intake.room.held_bytes) == (1, 0)

    asyncio.run(scenario())


def test_a_sender_that_falls_silent_is_told_how_far_it_came(
    publisher: ScriptedPublisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "READ_TIMEOUT_S", 0.01)

    async def scenario() -> None:
        talk = Talk(intake_of(publisher), NDJSON)
        talk.say(event_line(1) + event_line(2)[:20])
        await talk.end()
        assert talk.lines[-1]["summary"]["code"] == "body_too_slow"
        assert talk.lines[-1]["summary"]["next_line"] == 2

    asyncio.run(scenario())


def test_a_connection_that_breaks_leaves_nothing_behind(publisher: ScriptedPublisher) -> None:
    async def scenario() -> None:
        intake = intake_of(publisher)
        talk = Talk(intake, NDJSON)
        talk.say(event_line(1) + event_line(2)[:20])
        await talk.until(lambda: talk.lines)
        talk.hang_up()
        await talk.end()
        assert (publisher.ids, intake.room.held_bytes) == (["e-1"], 0)

    asyncio.run(scenario())
